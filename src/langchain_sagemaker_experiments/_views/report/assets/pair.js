// Scores of two runs, example by example: what the rule says, the distributions, and the examples, the worst first.
"use strict";
var Report = (window.Report = window.Report || {});

Report.pair = (() => {
  const { h, seen, number } = Report.dom;
  const { color, prepare, figure } = Report.charts;
  const $ = (id) => document.getElementById(id);
  const BINS = 10;
  let charts = [];
  let names = [];
  let open = () => {};

  const score = (value) => (value === null ? "" : String(Math.round(value * 1000) / 1000));

  function row(one) {
    const button = h("button", { type: "button", class: "example", title: "See both traces side by side", on: { click: () => open(one.baseline_trace, one.candidate_trace) } },
      h("span", { class: "muted" }, seen(one.key)), h("b", { dir: "auto" }, seen(one.inputs || one.example)),
      h("span", { class: one.difference < 0 ? "bad" : one.difference > 0 ? "good" : "muted" }, `${score(one.baseline)} → ${score(one.candidate)} (${one.difference > 0 ? "+" : ""}${score(one.difference)})`),
      h("span", { class: "muted", dir: "auto" }, seen(one.baseline_outputs)), h("span", { class: "muted", dir: "auto" }, seen(one.candidate_outputs)));
    return h("li", {}, button);
  }

  // How often each score was given, by both runs.
  function distribution(key, rows, baseline, candidate) {
    const all = rows.flatMap((one) => [one.baseline, one.candidate]).filter((value) => value !== null);
    const low = Math.min(0, ...all);
    const high = Math.max(1, ...all);
    const bin = (value) => Math.min(BINS - 1, Math.floor(((value - low) / (high - low)) * BINS));
    const counts = (side) => rows.reduce((found, one) => { if (one[side] !== null) found[bin(one[side])]++; return found; }, Array(BINS).fill(0));
    const { canvas, element } = figure(`${seen(key)}: how often each score`, `Distribution of ${key}`);
    queueMicrotask(() => charts.push(new Chart(canvas, {
      type: "bar",
      data: { labels: Array.from({ length: BINS }, (_, i) => score(low + ((i + 0.5) / BINS) * (high - low))),
        datasets: [[baseline, "baseline", "--plot-1"], [candidate, "candidate", "--plot-2"]].map(([label, side, tone]) => ({ label: seen(label), data: counts(side), backgroundColor: color(tone) })) },
      options: { responsive: true, maintainAspectRatio: false, scales: { x: { grid: { display: false } }, y: { beginAtZero: true, ticks: { precision: 0 } } }, plugins: { legend: { position: "bottom" } } },
    })));
    return element;
  }

  async function draw(baseline) {
    const candidate = names[Number($("candidate").value)];
    const found = await Report.data.pair(names[baseline], candidate);
    for (const chart of charts) chart.destroy();
    charts = [];
    prepare();
    const rows = found.rows || [];
    $("pair-text").textContent = seen(found.error || found.text);
    const keys = [...new Set(rows.map((one) => one.key))];
    $("pair-plots").replaceChildren(...keys.map((key) => distribution(key, rows.filter((one) => one.key === key), names[baseline], candidate)));
    $("pair-rows").replaceChildren(h("ol", { class: "bars" }, rows.map(row)));
    $("pair-rows").hidden = !rows.length;
  }

  // `runs` are shown, `named` are their names; `baseline` is one's place, or null.
  async function show(runs, named, baseline) {
    names = named;
    const scored = ((Report.info && Report.info.choices.score) || []).length > 0;
    $("pair").hidden = !scored || baseline === null || runs.length < 2;
    if ($("pair").hidden) return;
    const chosen = $("candidate").value;
    $("candidate").replaceChildren(...runs.map((run, i) => h("option", { value: i }, seen(run))).filter((_, i) => i !== baseline));
    if (chosen !== "" && Number(chosen) !== baseline && Number(chosen) < runs.length) $("candidate").value = chosen;
    $("candidate").onchange = () => draw(baseline);
    await draw(baseline);
  }

  return { show, start: (onOpen) => { open = onOpen; } };
})();
