// Elements and texts. Nothing here, or anywhere in the report, makes HTML of a text: every value ends in a text node.
"use strict";
var Report = (window.Report = window.Report || {});

Report.dom = (() => {
  function h(tag, options, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(options || {})) {
      if (value === null || value === undefined || value === false) continue;
      if (name === "class") element.className = value;
      else if (name === "on") for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
      else if (name === "style") for (const [property, setting] of Object.entries(value)) element.style.setProperty(property, setting);
      else element.setAttribute(name, value === true ? "" : String(value));
    }
    element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
    return element;
  }

  function svg(tag, attributes, ...children) {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes || {})) if (value !== null && value !== undefined) element.setAttribute(name, String(value));
    element.append(...children.filter((child) => child !== null));
    return element;
  }

  // Control characters and those that turn the direction of a line are shown as signs: ESC is ␛, U+202E is ⟨202E⟩.
  const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029\ufeff]/g;
  function seen(text) {
    return String(text ?? "").replace(/\r\n/g, "\n").replace(UNSEEN, (sign) => {
      const code = sign.codePointAt(0);
      if (code < 0x20) return String.fromCodePoint(0x2400 + code);
      if (code === 0x7f) return "\u2421";
      return `⟨${code.toString(16).toUpperCase().padStart(4, "0")}⟩`;
    });
  }

  const FIRST_SHOWN = 5000;
  // A text as it is, however long: the rest of a long one comes on request, so that the page stays quick.
  function textBlock(text, className) {
    const pre = h("pre", { class: className || "text", dir: "auto" });
    if (text.length <= FIRST_SHOWN) {
      pre.textContent = seen(text);
      return pre;
    }
    pre.textContent = seen(text.slice(0, FIRST_SHOWN));
    const more = h(
      "button",
      { type: "button", class: "more", on: { click: () => { pre.textContent = seen(text); more.remove(); } } },
      `Show all ${number(text.length)} characters`
    );
    return h("div", {}, pre, more);
  }

  const number = (value) => (value === null || value === undefined ? "" : Number(value).toLocaleString("en-US"));

  function duration(ms) {
    if (ms === null || ms === undefined) return "";
    if (ms === 0) return "0";
    if (ms < 1) return `${ms.toFixed(2)} ms`;
    if (ms < 10) return `${ms.toFixed(1)} ms`;
    if (ms < 1000) return `${Math.round(ms)} ms`;
    if (ms < 60000) return `${(ms / 1000).toFixed(2)} s`;
    const minutes = Math.floor(ms / 60000);
    return minutes < 60 ? `${minutes} min ${Math.round((ms % 60000) / 1000)} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  }

  // A number with its noun: 1 trace, 1,000 traces.
  const counted = (count, noun) => `${number(count)} ${noun}${count === 1 ? "" : "s"}`;

  // Tabulator scrolls in an element that has no role; a screen reader takes it for the rows.
  function mendGrid(place) {
    const holder = place.querySelector(".tabulator-tableholder");
    const rows = place.querySelector(".tabulator-table");
    if (!holder || !rows) return;
    holder.setAttribute("role", "rowgroup");
    rows.setAttribute("role", "presentation");
    place.removeAttribute("aria-owns");
  }

  // Dollars, exact enough to tell calls apart; a + says that calls without a known price are not in it.
  function cost(dollars, unpriced) {
    if (dollars === null || dollars === undefined) return unpriced ? "unknown" : "";
    const digits = dollars === 0 || dollars >= 1 ? 2 : dollars >= 0.01 ? 4 : 6;
    return `$${dollars.toFixed(digits)}${unpriced ? " +" : ""}`;
  }

  function dialog(title, ...content) {
    const place = document.getElementById("dialog");
    document.getElementById("dialog-content").replaceChildren(h("h2", {}, title), ...content);
    place.setAttribute("aria-label", title);
    place.showModal();
  }

  function copyButton(textOf, label) {
    const button = h("button", { type: "button", class: "copy" }, label);
    button.addEventListener("click", () => {
      navigator.clipboard.writeText(textOf()).then(() => (button.textContent = "Copied"), () => (button.textContent = "The browser refused"));
    });
    return button;
  }

  const two = (value) => String(value).padStart(2, "0");
  function time(ms) {
    if (ms === null || ms === undefined) return "";
    const date = new Date(ms);
    return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  }

  const kindChip = (kind) => h("span", { class: `kind kind-${kind}` }, seen(kind.replace("_", " ")));
  const SIGNS = { ok: "✓", error: "✕", interrupted: "‖", cancelled: "⊘", running: "…" };
  const statusChip = (status) => h("span", { class: `status status-${status}` }, `${SIGNS[status] || "?"} ${status}`);

  return { h, svg, seen, textBlock, number, duration, time, cost, counted, mendGrid, dialog, copyButton, kindChip, statusChip, SIGNS };
})();
