// What is shown when: views, the address (#view=…&status=…, #trace=…&span=…), keys, light and dark, news.
"use strict";
(() => {
  const { h, seen, number, duration, cost, counted, dialog, copyButton, statusChip } = Report.dom;
  const { data, filters } = Report;
  const $ = (id) => document.getElementById(id);
  const views = ["traces", "overview", "sessions", "compare", "architecture"];
  const filtered = ["traces", "overview", "sessions"];
  let current = null; // the trace that is open: its row and spans
  let beside = null; // id of the trace to put another one beside
  let ready = false;
  let followed = false; // the first view takes no focus: nobody has gone anywhere yet
  let view = "traces";

  function notice(text) {
    $("notice").textContent = text;
    $("notice").hidden = !text;
  }

  function showView(name) {
    for (const one of [...views, "trace", "diff"]) $(`view-${one}`).hidden = one !== name;
    for (const one of views) $(`tab-${one}`).setAttribute("aria-selected", String(one === name || (["trace", "diff"].includes(name) && one === "traces")));
    $("filter-bar").hidden = !filtered.includes(name);
    $("columns").hidden = name !== "traces";
    $("search-all").hidden = name !== "traces";
    $("count").hidden = name !== "traces";
  }

  async function fill(name, parameters) {
    if (name === "overview") await Report.overview.show();
    if (name === "sessions") await Report.sessions.show(parameters.get("chat"), parameters.get("by"));
    if (name === "compare") await Report.compare.show();
    if (name === "architecture") await Report.architecture.show();
    if (name === "traces") Report.table.redraw();
  }

  const go = (parts) => (location.hash = new URLSearchParams({ ...filters.current(), ...parts }).toString());

  // --- one trace --------------------------------------------------------------------------------------------------
  async function openTrace(id, spanId) {
    const wanted = (current = { id });
    const found = await data.trace(id);
    if (current !== wanted) return;
    current = { id, ...found };
    const { row, spans } = found;
    showView("trace");
    Report.table.setChosen(id);
    $("trace-name").textContent = seen(row.name);
    const tokens = row.input_tokens + row.output_tokens ? ` · ${number(row.input_tokens)} + ${number(row.output_tokens)} tokens` : "";
    const price = cost(row.cost, row.unpriced);
    $("trace-facts").replaceChildren(statusChip(row.status), ` ${duration(row.duration)} · ${counted(spans.length, "span")}${tokens}${price ? ` · ${price}` : ""}`);
    $("beside").textContent = beside && beside !== id ? "Compare with the remembered one" : "Compare …";
    $("trace-search").value = "";
    $("trace-found").textContent = "";
    Report.timeline.show(spans, chosen);
    Report.timeline.chooseId(spanId);
    Report.timeline.focus();
  }

  function chosen(span) {
    const whole = data.span(span);
    const of = current;
    // While a span of another trace is fetched nobody must score what was shown before.
    if ($("details").dataset.trace !== of.id) $("details").replaceChildren();
    $("details").dataset.trace = of.id;
    const show = (found) => {
      if (current !== of || Report.timeline.chosen() !== span) return;
      const isRoot = span.span_id === of.spans[0].span_id || span.span_id === of.row.root;
      const scores = data.live ? of.scores.filter((one) => one.span_id === span.span_id || (isRoot && !one.span_id)) : found.scores || [];
      Report.details.show($("details"), found, { cost: span.cost ?? found.cost, isRoot, scores, mayWrite: data.live && !data.state().read_only, mayAddExample: data.live && !data.state().read_only && Boolean(data.state().examples), done: () => openTrace(of.id, span.span_id).catch(failed) });
    };
    if (whole.then) whole.then(show).catch(failed); else show(whole);
    history.replaceState(null, "", `#${new URLSearchParams({ ...filters.current(), trace: span.trace_id, span: span.span_id })}`);
  }

  async function findInTrace() {
    const words = $("trace-search").value.trim();
    const ids = words && current ? await data.findInTrace(current.id, words) : [];
    $("trace-found").textContent = words ? counted(ids.length, "span") : "";
    Report.timeline.mark(ids);
    return ids;
  }

  const quoted = (text) => `'${String(text).replaceAll("'", "'\\''")}'`;

  // Lines to copy: this trace in a terminal, in Python, in a file.
  function lines() {
    const { row } = current;
    const place = data.live ? data.state().place : null;
    const where = place ? quoted(place) : row.experiment ? `--experiment ${quoted(row.experiment)}${row.run_name ? ` --run ${quoted(row.run_name)}` : ""}` : "SOURCE";
    const python = place ? JSON.stringify(place) : row.experiment ? `experiment_name=${JSON.stringify(row.experiment)}${row.run_name ? `, run_name=${JSON.stringify(row.run_name)}` : ""}` : "\"SOURCE\"";
    const all = [
      ["In a terminal", `sagemaker-traces show ${row.trace_id} ${where}`],
      ["As a file for OpenTelemetry", `sagemaker-traces export ${where} --output traces.otlp.json`],
      ["In Python", `from langchain_sagemaker_experiments import load_spans\n\nspans = load_spans(${python})\ntrace = spans[spans["trace_id"] == ${JSON.stringify(row.trace_id)}]`],
    ];
    dialog("Lines to copy", ...all.map(([title, text]) => h("div", { class: "line" }, h("b", {}, title), h("pre", { class: "text code", tabindex: "0" }, seen(text)), copyButton(() => text, "Copy"))));
  }

  function compareTraces() {
    if (beside && beside !== current.id) { go({ diff: beside, with: current.id }); return; }
    beside = current.id;
    $("beside").textContent = "Now open the other one";
  }

  // --- the address ------------------------------------------------------------------------------------------------
  async function follow() {
    const wanted = new URLSearchParams(location.hash.slice(1));
    const before = JSON.stringify(filters.current());
    filters.take(wanted);
    if (JSON.stringify(filters.current()) !== before) await Report.table.reload();
    if (wanted.has("trace")) {
      try {
        await openTrace(wanted.get("trace"), wanted.get("span"));
        followed = true;
        return;
      } catch (error) { notice(error.message); }
    }
    current = null;
    if (wanted.has("diff")) {
      showView("diff");
      await Report.difference.show(wanted.get("diff"), wanted.get("with"));
    } else {
      view = views.includes(wanted.get("view")) ? wanted.get("view") : "traces";
      showView(view);
      await fill(view, wanted);
      if (followed && view === "traces" && !$("filter-bar").contains(document.activeElement)) Report.table.focus();
    }
    followed = true;
  }

  function filtersChanged() {
    history.replaceState(null, "", `#${new URLSearchParams({ view, ...filters.current() })}`);
    Report.table.reload().catch(failed);
    if (view !== "traces") fill(view, new URLSearchParams()).catch(failed);
  }

  // --- what is new (the window only) --------------------------------------------------------------------------------
  function news(state, error) {
    $("pulse").className = `pulse ${error || (state && state.error) ? "bad" : state && state.ready ? "live" : "busy"}`;
    if (error) { $("state-text").textContent = "not connected"; notice(error.message); return; }
    notice(state.error ? `The source can't be read now: ${state.error}` : "");
    Report.info = state;
    const reading = state.total && state.done < state.total ? `reading ${number(state.done)} of ${number(state.total)} parts` : state.ready ? "live" : "reading";
    $("state-text").textContent = reading;
    $("summary").textContent = `${counted(state.traces, "trace")}, ${counted(state.spans, "span")}`;
    filters.setChoices(state.choices);
    empty(state);
    if (!ready) return;
    Report.table.update();
    if (current && current.row) again().catch(failed);
    else if (filtered.includes(view) && view !== "traces") fill(view, new URLSearchParams(location.hash.slice(1))).catch(failed);
  }

  // The open trace, when it has gone on.
  async function again() {
    const { id, row } = current;
    const found = await data.trace(id);
    if (current && current.id === id && (found.row.changed !== row.changed || found.scores.length !== current.scores.length)) await openTrace(id, (Report.timeline.chosen() || {}).span_id);
  }

  function empty(state) {
    const place = $("empty");
    const nothing = state.traces === 0 && state.ready;
    place.hidden = !nothing;
    $("trace-table").hidden = nothing;
    if (!nothing || place.childElementCount) return;
    const code = state.how;
    place.replaceChildren(h("h2", {}, "Nothing is recorded here yet"), h("p", {}, "This window shows each trace as it is written. To record one:"),
      h("pre", { class: "text code", tabindex: "0" }, code), copyButton(() => code, "Copy"), state.missing ? h("p", { class: "muted" }, seen(state.missing)) : null);
  }

  function about() {
    const state = data.state();
    const rows = [
      ["Source", state.source], ["Traces", number(state.traces)], ["Spans", number(state.spans)], ["A look at the source takes", duration(state.seconds * 1000)],
      ["Seconds between two looks", state.interval.toFixed(1)],
      ["Requests to S3", state.requests_per_hour ? `${number(Math.round(state.requests_per_hour))} an hour, about $${state.dollars_per_day.toFixed(2)} a day` : "none"],
      ["Index", state.cache], ["Its size", `${number(Math.round(state.cache_bytes / 1e6))} MB`], ["Models without a known price", state.unpriced.join(", ")], ["Writing", state.read_only ? "off (read only)" : state.examples ? "scores, examples" : "scores"], ["Examples", state.read_only ? "" : state.examples || ""],
    ];
    dialog("This window", h("dl", { class: "facts" }, rows.filter(([, value]) => value).map(([name, value]) => [h("dt", {}, name), h("dd", {}, seen(String(value)))])),
      state.problems.length ? h("details", {}, h("summary", {}, `${state.problems.length} parts could not be read whole`), h("ul", {}, state.problems.map((text) => h("li", {}, seen(text))))) : null);
  }

  // --- keys and colours ---------------------------------------------------------------------------------------------
  function neighbour(by) {
    const row = Report.table.step(by);
    if (row) go({ trace: row.trace_id });
  }

  function theme() {
    const dark = document.documentElement.dataset.theme ? document.documentElement.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    document.documentElement.dataset.theme = dark ? "light" : "dark";
    if (view === "compare" || view === "overview") fill(view, new URLSearchParams()).catch(failed);
  }

  function keys(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !ready) return;
    const typing = event.target.closest("input, select, textarea");
    if (event.key === "Escape") {
      if ($("keys").open || $("dialog").open) return;
      if (typing) event.target.blur();
      else if (!$("view-diff").hidden) history.back();
      else if (current) go({ view: "traces" });
      return;
    }
    if (typing) return;
    if (event.key === "/") { go({ view: "traces" }); view = "traces"; showView("traces"); $("search").focus(); }
    else if (event.key === "?") $("keys").showModal();
    else if (event.key === "t") theme();
    else if (event.key === "j" && current) neighbour(1);
    else if (event.key === "k" && current) neighbour(-1);
    else if ("12345".includes(event.key)) go({ view: views[Number(event.key) - 1] });
    else return;
    event.preventDefault();
  }

  function failed(error) {
    console.error(error);
    notice(`This can't be shown: ${error.message}`);
  }

  async function start() {
    if (!data.live && typeof DecompressionStream === "undefined") {
      notice("This browser is too old to unpack the report: it needs DecompressionStream (Chrome 80, Firefox 113, Safari 16.4, or newer).");
      return;
    }
    filters.start(filtersChanged);
    const info = (Report.info = await data.start(news));
    filters.take(new URLSearchParams(location.hash.slice(1)));
    filters.setChoices(info.choices);
    Report.overview.start((more, trace) => go(trace ? { trace } : { view: "traces", ...more }));
    Report.pair.start((one, other) => go({ diff: one, with: other }));
    Report.sessions.start((by, chat) => go({ view: "sessions", by, ...(chat ? { chat } : {}) }), (trace) => go({ trace }));
    if (!data.live) $("tab-compare").hidden = !info.traces;
    await Report.table.start(info, (row) => go({ trace: row.trace_id }));
    ready = true;
    addEventListener("hashchange", () => follow().catch(failed));
    await follow();
    if (data.live) news(data.state(), null);
    document.documentElement.dataset.ready = "true";
  }

  for (const one of views) $(`tab-${one}`).addEventListener("click", () => go({ view: one }));
  $("back").addEventListener("click", () => go({ view: "traces" }));
  $("diff-back").addEventListener("click", () => history.back());
  $("previous").addEventListener("click", () => neighbour(-1));
  $("next").addEventListener("click", () => neighbour(1));
  $("lines").addEventListener("click", lines);
  $("beside").addEventListener("click", compareTraces);
  $("trace-search").addEventListener("input", () => findInTrace().catch(failed));
  $("trace-search").addEventListener("keydown", (event) => { if (event.key === "Enter") Report.timeline.nextHit(); });
  $("theme").addEventListener("click", theme);
  $("help").addEventListener("click", () => $("keys").showModal());
  $("state-text").addEventListener("click", about);
  $("refresh").addEventListener("click", () => data.refresh().catch(failed));
  addEventListener("keydown", keys);
  start().catch(failed);
})();
