// The trace table: one row a trace; Tabulator draws only the rows in sight, and asks for more as one scrolls.
"use strict";
var Report = (window.Report = window.Report || {});

Report.table = (() => {
  const { h, seen, number, duration, time, statusChip, cost, counted, mendGrid } = Report.dom;
  const { data, filters } = Report;
  const KEPT = "sagemaker-traces-columns";
  const place = document.getElementById("trace-table");
  const count = document.getElementById("count");
  const search = document.getElementById("search");
  const searchAll = document.getElementById("search-all");
  const fresh = document.getElementById("fresh");
  let table = null;
  let open = null;
  let chosen = null; // id of the row that is chosen
  let total = 0;
  let everything = 0; // traces without a filter
  let searches = 0;
  let wanted = false; // a reload is wanted
  let reloading = null; // the reload under way
  let loading = Promise.resolve(); // the last page that was asked for
  let seenVersion = Infinity; // rows that changed after it are new

  const text = (cell) => h("span", { dir: "auto" }, seen(String(cell.getValue() ?? "")));
  const right = { hozAlign: "right" };
  const COLUMNS = [
    { title: "Time", field: "start", width: 158, responsive: 3, formatter: (cell) => h("span", { class: "nowrap" }, time(cell.getValue())) },
    { title: "Name", field: "name", width: 150, responsive: 0, formatter: text, minWidth: 90 },
    { title: "Status", field: "status", width: 104, responsive: 0, formatter: (cell) => statusChip(cell.getValue()) },
    { title: "Inputs", field: "inputs", minWidth: 130, widthGrow: 3, responsive: 2, formatter: text },
    {
      title: "Outputs", field: "outputs", minWidth: 130, widthGrow: 3, responsive: 4,
      formatter: (cell) => (cell.getData().status === "error" && cell.getData().error ? h("span", { class: "bad", dir: "auto" }, seen(cell.getData().error)) : text(cell)),
    },
    { title: "Model", field: "model", width: 130, responsive: 4, formatter: text },
    {
      title: "Tokens", field: "tokens", width: 104, responsive: 4, ...right,
      formatter: (cell) => h("span", { title: "input + output" }, `${number(cell.getData().input_tokens)} + ${number(cell.getData().output_tokens)}`),
    },
    {
      title: "Cost", field: "cost", width: 104, responsive: 5, ...right,
      formatter: (cell) => h("span", { title: cell.getData().unpriced ? `${cell.getData().unpriced} calls of models without a known price are not in it` : null }, cost(cell.getValue(), cell.getData().unpriced)),
    },
    { title: "Latency", field: "duration", width: 92, responsive: 1, ...right, formatter: (cell) => h("span", {}, duration(cell.getValue())) },
    { title: "First token", field: "first_token", width: 104, responsive: 7, visible: false, ...right, formatter: (cell) => h("span", {}, duration(cell.getValue())) },
    { title: "Spans", field: "spans", width: 84, responsive: 6, ...right, formatter: (cell) => h("span", {}, number(cell.getValue())) },
    { title: "Errors", field: "errors", width: 84, responsive: 5, ...right, formatter: (cell) => h("span", { class: cell.getValue() ? "bad" : "muted" }, number(cell.getValue())) },
    { title: "Scores", field: "scores", width: 150, responsive: 5, headerSort: false, formatter: (cell) => Report.scores.chips(cell.getValue()) },
    { title: "Session", field: "session", width: 130, responsive: 7, visible: false, formatter: text },
    { title: "User", field: "user", width: 110, responsive: 7, visible: false, formatter: text },
    { title: "Tags", field: "tags", width: 130, responsive: 7, visible: false, headerSort: false, formatter: text },
    { title: "Kind", field: "kind", width: 90, responsive: 7, visible: false, formatter: text },
    { title: "Run", field: "run", width: 140, responsive: 5, formatter: text },
  ];

  // What the user chose to see; what a source has nothing for is not shown unless it was chosen.
  function columns(info) {
    const wanted = kept();
    const none = { run: (info.choices.run || []).length < 2, scores: !(info.choices.score || []).length };
    return COLUMNS.map((column) => ({ ...column, visible: wanted[column.field] ?? (column.visible !== false && !none[column.field]) }));
  }

  function kept() {
    try { return JSON.parse(localStorage.getItem(KEPT)) || {}; } catch { return {}; }
  }

  function chooseColumns() {
    const boxes = table.getColumns().map((column) => {
      const box = h("input", { type: "checkbox" });
      box.checked = column.isVisible();
      box.addEventListener("change", () => {
        if (box.checked) column.show(); else column.hide();
        try { localStorage.setItem(KEPT, JSON.stringify({ ...kept(), [column.getField()]: box.checked })); } catch { /* a browser that keeps nothing */ }
        table.redraw(true);
      });
      return h("label", { class: "check" }, box, ` ${column.getDefinition().title}`);
    });
    Report.dom.dialog("Columns", h("div", { class: "checks" }, boxes));
  }

  async function page(parameters) {
    const size = Math.min(data.page, 1e9);
    const offset = ((parameters.page || 1) - 1) * size;
    const [sort] = parameters.sort && parameters.sort.length ? parameters.sort : [{ field: "start", dir: "desc" }];
    const { rows, total: all } = await data.traces(filters.query(), sort.field, sort.dir === "desc", offset, size);
    total = all;
    if (!filters.any()) everything = all;
    tell();
    return { last_page: Math.max(1, Math.ceil(all / size)), data: rows };
  }

  function start(info, openTrace) {
    open = openTrace;
    everything = info.traces;
    if (info.ready) seenVersion = info.changed;
    table = new Tabulator(place, {
      index: "trace_id", layout: "fitColumns", responsiveLayout: "hide", height: "100%", rowHeight: 34,
      selectableRows: 1, selectableRowsPersistence: true,
      headerSortElement: "<span aria-hidden='true'>▲</span>",
      initialSort: [{ column: "start", dir: "desc" }],
      columnDefaults: { headerSortStartingDir: "desc", resizable: "header" },
      columns: columns(info).map((column) => (["name", "inputs", "outputs", "model", "run", "kind", "session", "user", "status"].includes(column.field) ? { ...column, headerSortStartingDir: "asc" } : column)),
      placeholder: "No trace fits.",
      sortMode: "remote", ajaxURL: "traces", ajaxRequestFunc: (_, __, parameters) => (loading = page(parameters)),
      progressiveLoad: "scroll", progressiveLoadScrollMargin: 600, paginationSize: 200, dataLoader: false,
      rowFormatter: (row) => {
        row.getElement().classList.toggle("new", row.getData().changed > seenVersion);
        if (row.getData().trace_id === chosen && !row.isSelected()) row.select();
      },
    });
    return new Promise((done) => {
      let built = false;
      table.on("rowClick", (_, row) => { choose(row); open(row.getData()); });
      table.on("dataProcessed", () => { mendGrid(place); if (!built) { built = true; done(); } });
    });
  }

  // Ask again, from the first row: the filters changed, or there is something new. One load at a time: Tabulator
  // drops an answer when another load began meanwhile.
  async function reload() {
    wanted = true;
    if (!table || reloading) return reloading;
    reloading = (async () => {
      while (wanted) {
        wanted = false;
        fresh.hidden = true;
        await loading.catch(() => {});
        const changed = data.live ? data.state().changed : 0;
        await table.setData();
        if (data.live && data.state().ready) seenVersion = changed;
      }
    })();
    try { await reloading; } finally { reloading = null; }
  }

  // Something new: shown at once to those who look at the newest rows, offered to those who scrolled away.
  function update() {
    if (!table) return;
    const holder = place.querySelector(".tabulator-tableholder");
    if (place.offsetParent === null || !holder || holder.scrollTop < 40) return reload();
    fresh.textContent = "There is something new: show it";
    fresh.hidden = false;
  }

  function tell() {
    const within = filters.current().found ? " (searched in whole texts)" : "";
    count.textContent = filters.any() ? `${number(total)} of ${number(Math.max(everything, total))} traces${within}` : counted(total, "trace");
  }

  async function lookIntoTexts() {
    const words = search.value.trim();
    if (!words) return;
    const mine = ++searches;
    searchAll.disabled = true;
    let shown = 0;
    try {
      const found = await data.searchAll(words, (done, of, hits, name) => {
        count.textContent = `looked into ${number(done)} of ${number(of)}: ${number(hits)} traces`;
        if (name && hits && (!shown || hits > 2 * shown)) { shown = hits; filters.set("found", name); }
      }, () => mine !== searches);
      if (mine === searches && found) filters.set("found", found);
      if (mine === searches && found && shown) reload();
    } finally {
      searchAll.disabled = false;
    }
  }

  const active = () => table.getRows("active");

  function choose(row) {
    table.deselectRow();
    row.select();
    chosen = row.getIndex();
  }

  function step(by) {
    const shown = active();
    if (!shown.length) return null;
    const now = chosen ? shown.findIndex((row) => row.getIndex() === chosen) : -1;
    const next = Math.max(0, Math.min(shown.length - 1, now < 0 ? (by < 0 ? shown.length - 1 : 0) : now + by));
    choose(shown[next]);
    table.scrollToRow(shown[next], "nearest", false).catch(() => {});
    return shown[next].getData();
  }

  function keys(event) {
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: 15, PageUp: -15, Home: -Infinity, End: Infinity };
    if (event.key in steps) {
      event.preventDefault();
      step(Math.max(-1e9, Math.min(1e9, steps[event.key])));
    } else if (event.key === "Enter" && chosen) {
      event.preventDefault();
      const row = table.getRow(chosen);
      if (row) open(row.getData());
    }
  }

  place.addEventListener("keydown", keys);
  search.addEventListener("input", () => { searches++; });
  search.addEventListener("keydown", (event) => {
    if (event.key === "Enter") lookIntoTexts();
    if (event.key === "ArrowDown") { event.preventDefault(); place.focus(); step(1); }
  });
  searchAll.addEventListener("click", lookIntoTexts);
  fresh.addEventListener("click", reload);
  document.getElementById("columns").addEventListener("click", chooseColumns);

  return { start, step, reload, update, focus: () => place.focus(), redraw: () => table && table.redraw(), setChosen: (id) => { chosen = id; } };
})();
