// Runs side by side: a table of their figures and parameters, and plots of what people ask first. Drawn by Chart.js.
"use strict";
var Report = (window.Report = window.Report || {});

Report.compare = (() => {
  const { h, seen, number, duration } = Report.dom;
  const SHOWN = 24; // runs in a plot; the table has all
  let charts = [];
  let table = null;
  let compared = null;

  const FORMATS = { ms: duration, count: number, share: (value) => (value === null ? "" : `${(value * 100).toFixed(1)} %`), text: (value) => (value === null ? "" : typeof value === "object" ? JSON.stringify(value) : String(value)) };

  function start(comparison) { compared = comparison; }

  function show() {
    if (!compared) return;
    if (!table) makeTable();
    draw();
  }

  // A row a figure, a column a run: what differs between runs stands side by side.
  function makeTable() {
    const { runs, figures } = compared;
    const data = figures.map((figure, number) => Object.fromEntries([["id", number], ["figure", figure.title], ...runs.map((_, i) => [`run${i}`, figure.values[i]])]));
    const cell = (place) => h("span", { dir: "auto" }, seen(FORMATS[figures[place.getRow().getData().id].format](place.getValue() ?? null)));
    table = new Tabulator(document.getElementById("compare-table"), {
      data, index: "id", layout: "fitDataFill", maxHeight: "46vh", rowHeight: 32, columnDefaults: { headerSort: false },
      columns: [
        { title: "", field: "figure", frozen: true, width: 280, formatter: (place) => h("span", { class: figures[place.getRow().getData().id].parameter ? "parameter" : "figure" }, seen(place.getValue())) },
        ...runs.map((run, i) => ({ title: "", titleFormatter: () => h("span", { dir: "auto" }, seen(run)), field: `run${i}`, minWidth: 130, hozAlign: "right", formatter: cell })),
      ],
    });
  }

  // A colour of the style sheet as the canvas needs it: light-dark() already decided.
  function color(name) {
    const probe = h("span", { style: { color: `var(${name})` } });
    document.body.append(probe);
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
  }

  function draw() {
    for (const chart of charts) chart.destroy();
    charts = [];
    const place = document.getElementById("compare-plots");
    place.replaceChildren();
    const style = getComputedStyle(place);
    Chart.defaults.color = color("--text");
    Chart.defaults.borderColor = color("--line");
    Chart.defaults.font.family = style.getPropertyValue("--font");
    Chart.defaults.animation = false;
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

  return { start, show };
})();
