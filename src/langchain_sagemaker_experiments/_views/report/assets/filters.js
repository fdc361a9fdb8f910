// The filters in force: they stand in the address, in the bar above the table, and as chips.
"use strict";
var Report = (window.Report = window.Report || {});

Report.filters = (() => {
  const { h, seen, time } = Report.dom;
  const $ = (id) => document.getElementById(id);
  const SELECTS = { status: "filter-status", model: "filter-model", run: "filter-run" };
  const FIELDS = [
    ["kind", "Kind", "list"], ["name", "Name", "list"], ["tag", "Tag", "list"], ["tool", "Tool", "text"], ["session", "Session", "text"], ["user", "User", "list"],
    ["since", "From", "time"], ["until", "To", "time"], ["min_ms", "Latency from, ms", "number"], ["max_ms", "Latency to, ms", "number"],
    ["min_cost", "Cost from, $", "number"], ["max_cost", "Cost to, $", "number"], ["score", "Score, as helpful>=0.5", "list"],
  ];
  const TITLES = { q: "text", error: "error", found: "in whole texts", ...Object.fromEntries(FIELDS.map(([name, title]) => [name, title.toLowerCase()])) };
  const NAMES = ["q", ...Object.keys(SELECTS), ...FIELDS.map(([name]) => name), "error", "found"];
  const search = $("search");
  const panel = $("filter-panel");
  let current = {};
  let choices = {};
  let told = () => {};

  const two = (value) => String(value).padStart(2, "0");
  function localTime(ms) {
    const date = new Date(Number(ms));
    return Number.isNaN(date.getTime()) ? "" : `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}T${two(date.getHours())}:${two(date.getMinutes())}`;
  }

  function set(name, value) {
    const next = { ...current };
    if (value) next[name] = value; else delete next[name];
    if (name === "q") delete next.found;
    current = next;
    told();
  }

  // Take the filters of an address.
  function take(parameters) {
    current = Object.fromEntries(NAMES.map((name) => [name, parameters.get(name)]).filter(([, value]) => value));
    show();
  }

  function show() {
    if (document.activeElement !== search) search.value = current.q || "";
    for (const [name, id] of Object.entries(SELECTS)) {
      const select = $(id);
      if (current[name] && ![...select.options].some((option) => option.value === current[name])) select.append(h("option", { value: current[name] }, seen(current[name])));
      select.value = current[name] || "";
    }
    for (const input of panel.querySelectorAll("[data-filter]")) {
      const value = current[input.dataset.filter] || "";
      if (document.activeElement !== input) input.value = input.type === "datetime-local" ? localTime(value || NaN) : value;
    }
    const named = Object.entries(current).filter(([name]) => name !== "q" && !(name in SELECTS));
    $("chips").replaceChildren(...named.map(chip), ...(named.length > 1 ? [h("li", {}, h("button", { type: "button", class: "quiet", on: { click: clear } }, "Clear all"))] : []));
    $("chips").hidden = !named.length;
  }

  function chip([name, value]) {
    const shown = name === "since" || name === "until" ? time(Number(value)) : name === "found" ? "" : value;
    return h("li", { class: "chip" }, h("span", { class: "muted" }, seen(TITLES[name] || name)), shown ? h("b", { dir: "auto" }, seen(` ${shown}`)) : null,
      h("button", { type: "button", "aria-label": `Remove the filter ${name}`, on: { click: () => set(name, "") } }, "×"));
  }

  // What is asked of the data: hits of a search in whole texts go in place of the search in previews.
  function query() {
    const { q, ...rest } = current;
    return current.found || !q ? rest : current;
  }

  function clear() { current = {}; told(); }

  function fill(select, values) {
    const chosen = select.value;
    const first = select.options[0];
    select.replaceChildren(first, ...[...values].sort().map((value) => h("option", { value }, seen(value))));
    select.value = chosen;
    select.closest("label").hidden = values.length < 2 && !chosen;
  }

  function setChoices(given) {
    choices = given || {};
    for (const [name, id] of Object.entries(SELECTS)) fill($(id), choices[name] || []);
    for (const list of panel.querySelectorAll("datalist")) list.replaceChildren(...(choices[list.dataset.of] || []).map((value) => h("option", { value })));
    show();
  }

  function field([name, title, kind]) {
    const type = { time: "datetime-local", number: "number" }[kind] || "text";
    const input = h("input", { type, "data-filter": name, list: kind === "list" ? `values-${name}` : null, step: kind === "number" ? "any" : null, autocomplete: "off", spellcheck: "false" });
    input.addEventListener("change", () => set(name, kind === "time" && input.value ? String(new Date(input.value).getTime()) : input.value.trim()));
    return h("label", {}, h("span", {}, title), input, kind === "list" ? h("datalist", { id: `values-${name}`, "data-of": name }) : null);
  }

  function start(onChange) {
    told = () => { show(); onChange(); };
    panel.replaceChildren(...FIELDS.map(field));
    for (const [name, id] of Object.entries(SELECTS)) $(id).addEventListener("change", () => set(name, $(id).value));
    $("more-filters").addEventListener("click", () => {
      panel.hidden = !panel.hidden;
      $("more-filters").setAttribute("aria-expanded", String(!panel.hidden));
    });
    let waiting = 0;
    search.addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => set("q", search.value.trim()), 120);
    });
  }

  return { NAMES, start, take, set, setChoices, clear, current: () => current, query, any: () => Object.keys(current).length > 0 };
})();
