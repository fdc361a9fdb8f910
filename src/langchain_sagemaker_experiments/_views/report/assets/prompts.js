// Prompts that are not the same in all runs: each version beside the baseline's, with the words that differ.
"use strict";
var Report = (window.Report = window.Report || {});

Report.prompts = (() => {
  const { h, seen } = Report.dom;
  const place = document.getElementById("prompts");
  const MOST = 20; // versions of a prompt that are shown

  // Text, or null where a run has no such prompt → the runs that have it, in order.
  function versions(prompt, runs) {
    const found = new Map();
    prompt.texts.forEach((text, i) => found.set(text, [...(found.get(text) || []), runs[i]]));
    return found;
  }

  function beside(base, baseRuns, text, runs) {
    const title = (names) => h("h4", { dir: "auto" }, seen(names.join(", ")));
    const words = Report.difference.words(base, text);
    return h("div", { class: "pair" }, h("div", {}, title(baseRuns), words[0]), h("div", {}, title(runs), words[1]));
  }

  function show({ runs, prompts }, baseline) {
    place.hidden = !prompts.length;
    const sections = prompts.map((prompt) => {
      const found = versions(prompt, runs);
      const chosen = baseline === null ? null : prompt.texts[baseline];
      const base = chosen !== null ? chosen : prompt.texts.find((text) => text !== null);
      const others = [...found].filter(([text]) => text !== base && text !== null).slice(0, MOST);
      const without = found.get(null);
      return h("details", { open: prompts.length < 4 }, h("summary", { dir: "auto" }, h("b", {}, seen(prompt.name)), h("span", { class: "muted" }, ` ${found.size - (without ? 1 : 0)} version${found.size - (without ? 1 : 0) === 1 ? "" : "s"}`)),
        without ? h("p", { class: "muted", dir: "auto" }, seen(`Not in ${without.join(", ")}.`)) : null,
        others.length ? others.map(([text, names]) => beside(base, found.get(base), text, names)) : h("pre", { class: "text", dir: "auto" }, seen(base)));
    });
    place.replaceChildren(h("div", { class: "tools" }, h("h2", {}, "Prompts that differ")), ...sections);
  }

  return { show };
})();
