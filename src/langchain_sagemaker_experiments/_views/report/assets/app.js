// What is shown when: views, the address (#trace=…&span=…), keys, light and dark.
"use strict";
(() => {
  const { seen, number, duration, statusChip } = Report.dom;
  const $ = (id) => document.getElementById(id);
  const views = ["traces", "compare", "architecture"];
  let current = null; // the trace that is open
  let ready = false;
  let followed = false; // the first view takes no focus: nobody has gone anywhere yet

  function notice(text) {
    $("notice").textContent = text;
    $("notice").hidden = false;
  }

  function showView(name) {
    for (const view of [...views, "trace"]) $(`view-${view}`).hidden = view !== name;
    for (const view of views) $(`tab-${view}`).setAttribute("aria-selected", String(view === name || (name === "trace" && view === "traces")));
    if (name === "compare") Report.compare.show();
    if (name === "architecture") Report.architecture.show();
    if (name === "traces") Report.table.redraw();
  }

  const go = (parts) => (location.hash = new URLSearchParams(parts).toString());

  async function openTrace(row, spanId) {
    current = row;
    const spans = await Report.data.trace(row);
    if (current !== row) return;
    showView("trace");
    $("trace-name").textContent = seen(row.name);
    const tokens = row.tokens ? ` · ${number(row.input_tokens)} + ${number(row.output_tokens)} tokens` : "";
    $("trace-facts").replaceChildren(statusChip(row.status), ` ${duration(row.duration)} · ${number(spans.length)} spans${tokens}`);
    Report.timeline.show(spans, (span) => {
      Report.details.show($("details"), span);
      history.replaceState(null, "", `#${new URLSearchParams({ trace: row.trace_id, span: span.span_id })}`);
    });
    Report.timeline.chooseId(spanId);
    Report.timeline.focus();
  }

  function follow() {
    const wanted = new URLSearchParams(location.hash.slice(1));
    const row = wanted.has("trace") ? Report.table.rowOf(wanted.get("trace")) : null;
    if (wanted.has("trace") && !row) notice(`There is no trace ${wanted.get("trace")} in this report.`);
    if (row) openTrace(row, wanted.get("span")).catch(failed);
    else {
      current = null;
      showView(views.includes(wanted.get("view")) ? wanted.get("view") : "traces");
      if (followed && !$("view-traces").hidden && document.activeElement !== $("search")) Report.table.focus();
    }
    followed = true;
  }

  function neighbour(by) {
    const row = Report.table.step(by);
    if (row) go({ trace: row.trace_id });
  }

  function theme() {
    const dark = document.documentElement.dataset.theme ? document.documentElement.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    document.documentElement.dataset.theme = dark ? "light" : "dark";
    if (!$("view-compare").hidden) Report.compare.show();
  }

  function keys(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !ready) return;
    const typing = event.target.closest("input, select, textarea");
    if (event.key === "Escape") {
      if ($("keys").open) return;
      if (typing) event.target.blur();
      else if (current) go({ view: "traces" });
      return;
    }
    if (typing) return;
    if (event.key === "/") { go({ view: "traces" }); showView("traces"); $("search").focus(); }
    else if (event.key === "?") $("keys").showModal();
    else if (event.key === "t") theme();
    else if (event.key === "j" && current) neighbour(1);
    else if (event.key === "k" && current) neighbour(-1);
    else if ("123".includes(event.key)) go({ view: views[Number(event.key) - 1] });
    else return;
    event.preventDefault();
  }

  function failed(error) {
    console.error(error);
    notice(`The report can't show this: ${error.message}`);
  }

  async function start() {
    if (typeof DecompressionStream === "undefined") {
      notice("This browser is too old to unpack the report: it needs DecompressionStream (Chrome 80, Firefox 113, Safari 16.4, or newer).");
      return;
    }
    const index = await Report.data.index();
    Report.compare.start(index.comparison);
    Report.architecture.start(index.architectures);
    $("tab-compare").hidden = !index.traces.length;
    await Report.table.start(index, (row) => go({ trace: row.trace_id }));
    ready = true;
    addEventListener("hashchange", follow);
    follow();
    document.documentElement.dataset.ready = "true";
  }

  for (const view of views) $(`tab-${view}`).addEventListener("click", () => go({ view }));
  $("back").addEventListener("click", () => go({ view: "traces" }));
  $("previous").addEventListener("click", () => neighbour(-1));
  $("next").addEventListener("click", () => neighbour(1));
  $("theme").addEventListener("click", theme);
  $("help").addEventListener("click", () => $("keys").showModal());
  addEventListener("keydown", keys);
  start().catch(failed);
})();
