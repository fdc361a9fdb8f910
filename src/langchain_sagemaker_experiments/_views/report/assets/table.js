// The trace table: one row a trace, sorted, filtered and searched; Tabulator draws only the rows in sight.
"use strict";
var Report = (window.Report = window.Report || {});

Report.table = (() => {
  const { h, seen, number, duration, time, statusChip } = Report.dom;
  const place = document.getElementById("trace-table");
  const count = document.getElementById("count");
  const search = document.getElementById("search");
  const searchAll = document.getElementById("search-all");
  const filters = { status: "filter-status", model: "filter-model", run: "filter-run" };
  let table = null;
  let rows = [];
  let blocks = 0;
  let open = null;
  let chosen = null;
  let inSpans = null; // traces whose spans hold the searched text, once all were looked into
  let searches = 0;

  const text = (cell) => h("span", { dir: "auto" }, seen(String(cell.getValue() ?? "")));
  const columns = () => [
    { title: "Time", field: "start", sorter: "number", width: 158, responsive: 2, formatter: (cell) => h("span", { class: "nowrap" }, time(cell.getValue())) },
    { title: "Name", field: "name", width: 160, responsive: 0, formatter: text, minWidth: 90 },
    { title: "Status", field: "status", width: 108, responsive: 0, formatter: (cell) => statusChip(cell.getValue()) },
    { title: "Inputs", field: "inputs", minWidth: 130, widthGrow: 3, responsive: 1, formatter: text },
    {
      title: "Outputs", field: "outputs", minWidth: 130, widthGrow: 3, responsive: 3,
      formatter: (cell) => (cell.getData().error ? h("span", { class: "bad", dir: "auto" }, seen(cell.getData().error)) : text(cell)),
    },
    { title: "Model", field: "model", width: 130, responsive: 4, formatter: text },
    {
      title: "Tokens", field: "tokens", sorter: "number", width: 104, hozAlign: "right", responsive: 4,
      formatter: (cell) => h("span", { title: "input + output" }, `${number(cell.getData().input_tokens)} + ${number(cell.getData().output_tokens)}`),
    },
    { title: "Latency", field: "duration", sorter: "number", width: 96, hozAlign: "right", responsive: 1, formatter: (cell) => h("span", {}, duration(cell.getValue())) },
    { title: "Spans", field: "spans", sorter: "number", width: 78, hozAlign: "right", responsive: 6, formatter: (cell) => h("span", {}, number(cell.getValue())) },
    { title: "Errors", field: "errors", sorter: "number", width: 80, hozAlign: "right", responsive: 5, formatter: (cell) => h("span", { class: cell.getValue() ? "bad" : "muted" }, number(cell.getValue())) },
    { title: "Run", field: "run", width: 140, responsive: 5, formatter: text },
  ].filter((column) => column.field !== "run" || new Set(rows.map((row) => row.run)).size > 1);

  function start(index, openTrace) {
    open = openTrace;
    blocks = index.blocks;
    rows = index.traces;
    for (const row of rows) {
      row.tokens = row.input_tokens + row.output_tokens;
      row.run = row.run || "";
      row.model = row.model || "";
      row.text = [row.name, row.inputs, row.outputs, row.error, row.model, row.run, row.session, row.tags, row.trace_id, row.status].join("\n").toLowerCase();
    }
    for (const [field, id] of Object.entries(filters)) fill(document.getElementById(id), new Set(rows.flatMap((row) => valuesOf(row, field))));
    table = new Tabulator(place, {
      data: rows,
      index: "number",
      layout: "fitColumns",
      responsiveLayout: "hide",
      height: "100%",
      rowHeight: 34,
      selectableRows: 1,
      selectableRowsPersistence: true,
      headerSortElement: "<span aria-hidden='true'>▲</span>",
      initialSort: [{ column: "start", dir: "desc" }],
      columns: columns(),
      placeholder: "No trace fits.",
    });
    return new Promise((done) => {
      table.on("tableBuilt", () => {
        table.on("rowClick", (_, row) => { choose(row); open(row.getData()); });
        table.on("dataFiltered", (_, shown) => tell(shown.length));
        tell(rows.length);
        done();
      });
    });
  }

  const valuesOf = (row, field) => (field === "model" ? row.model.split(", ") : [row[field]]).filter(Boolean);

  function fill(select, values) {
    for (const value of [...values].sort()) select.append(h("option", { value }, seen(value)));
    if (values.size < 2) select.closest("label").hidden = true;
  }

  function tell(shown) {
    const within = inSpans ? " (searched in all spans)" : "";
    count.textContent = shown === rows.length ? `${number(rows.length)} traces` : `${number(shown)} of ${number(rows.length)} traces${within}`;
  }

  function filter() {
    const words = search.value.trim().toLowerCase();
    const wanted = Object.entries(filters).map(([field, id]) => [field, document.getElementById(id).value]).filter(([, value]) => value);
    table.setFilter((row) =>
      (!words || (inSpans ? inSpans.has(row.trace_id) : row.text.includes(words))) &&
      wanted.every(([field, value]) => valuesOf(row, field).includes(value)));
    chosen = null;
  }

  async function lookIntoSpans() {
    const words = search.value.trim();
    if (!words) return;
    const mine = ++searches;
    searchAll.disabled = true;
    try {
      const found = await Report.data.search(words, blocks, (done, hits) => {
        count.textContent = `looked into ${done} of ${blocks} blocks: ${hits} traces`;
      }, () => mine !== searches);
      if (mine !== searches) return;
      // What the index shows (a run's name, a joined model) need not stand in any span.
      for (const row of rows) if (row.text.includes(words.toLowerCase())) found.add(row.trace_id);
      inSpans = found;
      filter();
    } finally {
      searchAll.disabled = false;
    }
  }

  const active = () => table.getRows("active");

  function choose(row) {
    table.deselectRow();
    row.select();
    chosen = row;
  }

  function step(by) {
    const shown = active();
    if (!shown.length) return null;
    const now = chosen ? shown.findIndex((row) => row.getIndex() === chosen.getIndex()) : -1;
    const next = Math.max(0, Math.min(shown.length - 1, now < 0 ? (by < 0 ? shown.length - 1 : 0) : now + by));
    choose(shown[next]);
    table.scrollToRow(shown[next], "nearest", false).catch(() => {});
    return shown[next].getData();
  }

  function keys(event) {
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: 15, PageUp: -15, Home: -Infinity, End: Infinity };
    if (event.key in steps) {
      event.preventDefault();
      step(Math.max(-rows.length, Math.min(rows.length, steps[event.key])));
    } else if (event.key === "Enter" && chosen) {
      event.preventDefault();
      open(chosen.getData());
    }
  }

  place.addEventListener("keydown", keys);
  let waiting = 0;
  search.addEventListener("input", () => {
    searches++;
    inSpans = null;
    clearTimeout(waiting);
    waiting = setTimeout(filter, rows.length > 2000 ? 150 : 0);
  });
  search.addEventListener("keydown", (event) => {
    if (event.key === "Enter") lookIntoSpans();
    if (event.key === "ArrowDown") { event.preventDefault(); place.focus(); step(1); }
  });
  searchAll.addEventListener("click", lookIntoSpans);
  for (const id of Object.values(filters)) document.getElementById(id).addEventListener("change", filter);

  return { start, step, focus: () => place.focus(), redraw: () => table && table.redraw(), rowOf: (id) => rows.find((row) => row.trace_id === id) };
})();
