// Markdown as elements: markdown-it reads it, and every token becomes an element of this list with text in it.
// No HTML of a text is ever parsed; links and images are shown with their address, and lead nowhere.
"use strict";
var Report = (window.Report = window.Report || {});

Report.markdown = (() => {
  const { h, seen } = Report.dom;
  const LONGEST = 100000; // characters; more is shown as it is
  const TAGS = new Set(["p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "em", "strong", "s", "table", "thead", "tbody", "tr", "th", "td"]);
  const SIGNS = /(^|\n)\s{0,3}(#{1,6}\s|[-*+]\s|\d+[.)]\s|>\s|```|\|.*\|)|\*\*[^*]+\*\*|`[^`]+`|\[[^\]]+\]\([^)]+\)/;
  let reader = null;

  function start() {
    reader = markdownit({ html: false, linkify: false, breaks: true, maxNesting: 40 });
    return reader;
  }

  // Return True if a text has something that Markdown would show otherwise.
  const looksLike = (text) => text.length <= LONGEST && SIGNS.test(text);

  function render(text) {
    const place = h("div", { class: "markdown", dir: "auto" });
    const open = [place];
    for (const token of (reader || start()).parse(text, {})) block(token, open);
    return place;
  }

  const top = (open) => open[open.length - 1];

  function block(token, open) {
    if (token.type === "inline") inline(token.children || [], open);
    else if (token.type === "fence" || token.type === "code_block") top(open).append(h("pre", { class: "code", tabindex: "0" }, seen(token.content)));
    else if (token.type === "hr") top(open).append(h("hr"));
    else nest(token, open);
  }

  function nest(token, open) {
    if (token.nesting > 0) {
      const element = h(TAGS.has(token.tag) ? token.tag : "div");
      if (token.hidden) element.className = "tight";
      top(open).append(element);
      open.push(element);
    } else if (token.nesting < 0 && open.length > 1) open.pop();
    else if (token.content) top(open).append(seen(token.content));
  }

  function inline(tokens, open) {
    for (const token of tokens) {
      if (token.type === "text" || token.type === "html_inline") top(open).append(seen(token.content));
      else if (token.type === "code_inline") top(open).append(h("code", {}, seen(token.content)));
      else if (token.type === "softbreak" || token.type === "hardbreak") top(open).append(h("br"));
      else if (token.type === "image") top(open).append(h("span", { class: "muted" }, seen(`[image ${token.content} ${token.attrGet("src") || ""}]`)));
      else if (token.type === "link_open") {
        const link = h("span", { class: "link" });
        link.dataset.address = token.attrGet("href") || "";
        top(open).append(link);
        open.push(link);
      } else if (token.type === "link_close" && open.length > 1) {
        const link = open.pop();
        if (link.dataset.address !== link.textContent) link.append(h("span", { class: "muted" }, seen(` (${link.dataset.address})`)));
      } else nest(token, open);
    }
  }

  // A text as Markdown, with a switch to what it really is.
  function switchable(text) {
    const { textBlock } = Report.dom;
    if (!looksLike(text)) return textBlock(text);
    const place = h("div", { class: "switched" });
    const button = h("button", { type: "button", class: "quiet switch" });
    const draw = (raw) => {
      place.replaceChildren(button, raw ? textBlock(text) : render(text));
      button.textContent = raw ? "Formatted" : "Raw";
      button.setAttribute("aria-label", raw ? "Show formatted" : "Show the raw text");
      button.onclick = () => draw(!raw);
    };
    draw(false);
    return place;
  }

  return { render, looksLike, block: switchable };
})();
