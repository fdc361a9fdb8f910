// Runs side by side: a table of their figures and parameters, and plots of what people ask first. Drawn by Chart.js.
"use strict";
var Report = (window.Report = window.Report || {});

Report.compare = (() => {
  const { h, seen, number, duration, cost, mendGrid } = Report.dom;
  const { color, prepare } = Report.charts;
  const SHOWN = 24; // runs in a plot; the table has all
  let charts = [];
  let table = null;
  let compared = null;

  const FORMATS = { ms: duration, dollars: (value) => cost(value), score: (value) => (value === null ? "" : value.toFixed(3)), count: number, share: (value) => (value === null ? "" : `${(value * 100).toFixed(1)} %`), text: (value) => (value === null ? "" : typeof value === "object" ? JSON.stringify(value) : String(value)) };

  const baseline = document.getElementById("baseline");
  const onlyChanged = document.getElementById("only-changed");

  async function show() {
    const found = await Report.data.comparison();
    if (JSON.stringify(found) !== JSON.stringify(compared)) {
      compared = found;
      const chosen = baseline.value;
      baseline.replaceChildren(h("option", { value: "" }, "none"), ...found.runs.map((run, i) => h("option", { value: i }, seen(run))));
      baseline.value = chosen;
      if (table) table.destroy();
      table = null;
    }
    if (!table) makeTable();
    draw();
    Report.prompts.show(compared, baseline.value === "" ? null : Number(baseline.value));
    await Report.pair.show(compared.runs, compared.names, baseline.value === "" ? null : Number(baseline.value));
  }

  // What a figure is in brackets: the difference to the baseline's, as a share of it.
  function difference(figure, at) {
    const base = figure.values[Number(baseline.value)];
    const value = figure.values[at];
    if (baseline.value === "" || Number(baseline.value) === at || typeof base !== "number" || typeof value !== "number") return null;
    const text = figure.format === "share" ? `${value >= base ? "+" : "−"}${Math.abs((value - base) * 100).toFixed(1)} points`
      : base === 0 ? "" : `${value >= base ? "+" : "−"}${Math.abs(((value - base) / base) * 100).toFixed(0)} %`;
    const worse = figure.better && value !== base ? (figure.better === "less") === (value > base) : null;
    return text ? h("span", { class: worse === null ? "muted" : worse ? "bad" : "good" }, ` (${text})`) : null;
  }

  // A row a figure, a column a run: what differs between runs stands side by side.
  function makeTable() {
    const { runs, figures } = compared;
    const differs = (figure) => new Set(figure.values.map((value) => JSON.stringify(value))).size > 1;
    const shown = figures.map((figure, number) => [figure, number]).filter(([figure]) => !onlyChanged.checked || !figure.parameter || differs(figure));
    const data = shown.map(([figure, number]) => Object.fromEntries([["id", number], ["figure", figure.title], ...runs.map((_, i) => [`run${i}`, figure.values[i]])]));
    const cell = (place) => {
      const figure = figures[place.getRow().getData().id];
      return h("span", { dir: "auto" }, seen(FORMATS[figure.format](place.getValue() ?? null)), difference(figure, Number(place.getField().slice(3))));
    };
    const built = (table = new Tabulator(document.getElementById("compare-table"), {
      data, index: "id", layout: "fitDataFill", maxHeight: "46vh", rowHeight: 32, columnDefaults: { headerSort: false },
      columns: [
        { title: "", field: "figure", frozen: true, width: 280, formatter: (place) => { const figure = figures[place.getRow().getData().id]; return h("span", { class: figure.parameter ? `parameter${differs(figure) ? " changed" : ""}` : "figure" }, seen(place.getValue())); } },
        ...runs.map((run, i) => ({ title: "", titleFormatter: () => h("span", { dir: "auto" }, seen(run)), field: `run${i}`, minWidth: 130, hozAlign: "right", formatter: cell })),
      ],
    }));
    built.on("tableBuilt", () => mendGrid(document.getElementById("compare-table")));
  }

  function draw() {
    for (const chart of charts) chart.destroy();
    charts = [];
    const place = document.getElementById("compare-plots");
    place.replaceChildren();
    prepare();
    const labels = compared.runs.slice(0, SHOWN).map(seen);
    for (const plot of compared.plots) {
      const canvas = h("canvas", { role: "img", "aria-label": `${plot.title}, by run; the figures stand in the table above` });
      place.append(h("figure", {}, h("figcaption", {}, plot.title), h("div", { class: "canvas" }, canvas)));
      charts.push(new Chart(canvas, {
        type: "bar",
        data: { labels, datasets: plot.series.map((series, i) => ({ label: series.name, data: series.values.slice(0, SHOWN), backgroundColor: color(`--plot-${i + 1}`), maxBarThickness: 42 })) },
        options: {
          responsive: true, maintainAspectRatio: false,
          scales: { x: { stacked: plot.stacked, ticks: { maxRotation: 45 } }, y: { stacked: plot.stacked, beginAtZero: true, suggestedMax: plot.unit === "%" ? 10 : undefined, title: { display: true, text: plot.unit } } },
          plugins: { legend: { display: plot.series.length > 1, position: "bottom" } },
        },
      }));
    }
    if (compared.runs.length > SHOWN) place.prepend(h("p", { class: "muted" }, `The plots show the first ${SHOWN} of ${compared.runs.length} runs, the table all.`));
  }

  for (const input of [baseline, onlyChanged]) input.addEventListener("change", () => { if (table) table.destroy(); table = null; show(); });
  return { show };
})();
