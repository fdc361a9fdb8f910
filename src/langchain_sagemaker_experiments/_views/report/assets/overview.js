// How much, how fast, how dear and how often wrong: over time, by model, tool and name. A click filters the table.
"use strict";
var Report = (window.Report = window.Report || {});

Report.overview = (() => {
  const { h, seen, number, duration, cost, time, counted } = Report.dom;
  const { color, prepare, figure } = Report.charts;
  const place = document.getElementById("overview");
  let charts = [];
  let go = () => {};

  const share = (part, whole) => (whole ? `${((part / whole) * 100).toFixed(1)} %` : "");

  function tile(name, value, more) {
    return h("div", { class: "tile" }, h("div", { class: "muted" }, name), h("div", { class: "big" }, value || "–"), h("div", { class: "muted small" }, more || ""));
  }

  function tiles(total) {
    const [p50, p95, p99] = total.latency || [null, null, null];
    return h("div", { class: "tiles" },
      tile("Traces", number(total.traces)), tile("Failed", number(total.errors), share(total.errors, total.traces)),
      tile("Latency, median", duration(p50), p95 === null ? "" : `95 %: ${duration(p95)} · 99 %: ${duration(p99)}`),
      tile("First token, median", duration(total.first_token)),
      tile("Tokens", number(total.input_tokens + total.output_tokens), `${number(total.input_tokens)} in, ${number(total.output_tokens)} out`),
      tile("Cost", cost(total.cost), unpriced()));
  }

  function unpriced() {
    const names = (Report.info && Report.info.unpriced) || [];
    return names.length ? `without a known price: ${names.slice(0, 3).join(", ")}${names.length > 3 ? " …" : ""}` : "";
  }

  const SERIES = [
    ["Traces", [["ok", (one) => one.traces - one.errors, "--plot-1"], ["failed", (one) => one.errors, "--bad"]], "bar", true, ""],
    ["Latency", [["median", (one) => one.latency && one.latency[0], "--plot-1"], ["95 %", (one) => one.latency && one.latency[1], "--plot-2"], ["99 %", (one) => one.latency && one.latency[2], "--plot-3"],
      ["first token", (one) => one.first_token, "--ok"]], "line", false, "ms"],
    ["Tokens", [["input", (one) => one.input_tokens, "--plot-1"], ["output", (one) => one.output_tokens, "--plot-2"]], "bar", true, ""],
    ["Cost", [["cost", (one) => one.cost, "--plot-3"]], "bar", false, "$"],
  ];

  function label(ms, bucket) {
    const text = time(ms);
    return bucket >= 86400000 ? text.slice(5, 10) : bucket >= 60000 ? text.slice(5, 16) : text.slice(11);
  }

  function plot([title, series, type, stacked, unit], { time: points, bucket }) {
    const { canvas, element } = figure(title, `${title} over time; a click on a bar shows its traces`);
    const datasets = series.map(([name, value, tone]) => ({
      label: name, data: points.map(value), backgroundColor: color(tone), borderColor: color(tone), borderWidth: type === "line" ? 2 : 0,
      pointRadius: points.length > 40 ? 0 : 2, tension: 0.25, spanGaps: true, maxBarThickness: 28,
    }));
    const onClick = (_, hit) => {
      if (!hit.length) return;
      const begin = points[hit[0].index].key;
      go({ since: String(begin), until: String(begin + bucket) });
    };
    queueMicrotask(() => charts.push(new Chart(canvas, {
      type, data: { labels: points.map((one) => label(one.key, bucket)), datasets },
      options: {
        responsive: true, maintainAspectRatio: false, onClick, interaction: { mode: "index", intersect: false },
        scales: { x: { stacked, grid: { display: false }, ticks: { maxRotation: 0, autoSkipPadding: 18 } }, y: { stacked, beginAtZero: true, title: { display: Boolean(unit), text: unit } } },
        plugins: { legend: { display: series.length > 1, position: "bottom", labels: { boxWidth: 10 } } },
      },
    })));
    return element;
  }

  // A list of bars: the longest has the whole width.
  function bars(title, rows, filter, value, columns) {
    if (!rows.length) return null;
    const most = Math.max(...rows.map(value), 1);
    const body = rows.map((row) => {
      const button = h("button", { type: "button", class: "bar-row", title: seen(String(row.key)), on: { click: () => go({ [filter]: row.key }) } },
        h("span", { class: "bar-name", dir: "auto" }, seen(String(row.key))), h("span", { class: "bar-figures muted" }, columns(row)),
        h("span", { class: "bar-length", style: { width: `${Math.max(1, (value(row) / most) * 100)}%` } }));
      return h("li", {}, button);
    });
    return h("figure", {}, h("figcaption", {}, title), h("ol", { class: "bars" }, body));
  }

  const latencyOf = (row) => (row.latency ? `${duration(row.latency[0])} · 95 % ${duration(row.latency[1])}` : "");

  function slowest(rows) {
    if (!rows.length) return null;
    return h("figure", {}, h("figcaption", {}, "Slowest traces"), h("ol", { class: "bars" }, rows.map((row) => h("li", {}, h("button", { type: "button", class: "bar-row", on: { click: () => go({}, row.trace_id) } },
      h("span", { class: "bar-name", dir: "auto" }, seen(`${row.name}  ${row.inputs}`)), h("span", { class: "bar-figures muted" }, duration(row.duration)),
      h("span", { class: "bar-length", style: { width: `${Math.max(1, ((row.duration || 0) / (rows[0].duration || 1)) * 100)}%` } }))))));
  }

  function draw(found) {
    for (const chart of charts) chart.destroy();
    charts = [];
    prepare();
    const calls = (row) => [counted(row.calls, "call"), row.errors ? `${number(row.errors)} failed` : "", latencyOf(row), cost(row.cost)].filter(Boolean).join(" · ");
    place.replaceChildren(...[
      tiles(found.total),
      h("div", { class: "plots" }, SERIES.filter(([title]) => title !== "Cost" || found.total.cost !== null).map((series) => plot(series, found))),
      h("div", { class: "plots" },
        bars("By name", found.names, "name", (row) => row.traces, (row) => [counted(row.traces, "trace"), row.errors ? `${number(row.errors)} failed` : "", latencyOf(row), cost(row.cost)].filter(Boolean).join(" · ")),
        bars("By model", found.models, "model", (row) => row.calls, (row) => `${calls(row)} · ${number(row.input_tokens + row.output_tokens)} tokens`),
        bars("By tool", found.tools, "tool", (row) => row.calls, calls),
        bars("Errors, by their root cause", found.errors, "error", (row) => row.traces, (row) => counted(row.traces, "trace")),
        slowest(found.slowest)),
    ].filter(Boolean));
  }

  async function show() {
    const found = await Report.data.overview(Report.filters.query());
    if (!found.total.traces) { place.replaceChildren(h("p", { class: "muted" }, Report.filters.any() ? "No trace fits." : "There is no trace yet.")); return; }
    draw(found);
  }

  return { show, start: (onGo) => { go = onGo; } };
})();
