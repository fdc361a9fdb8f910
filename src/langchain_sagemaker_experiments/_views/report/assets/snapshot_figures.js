// Figures of a report's traces, as the window's server computes them from its index.
"use strict";
var Report = (window.Report = window.Report || {});

Report.figures = (() => {
  // With linear interpolation, as pandas, numpy and DuckDB do it.
  function quantile(sorted, share) {
    if (!sorted.length) return null;
    const at = (sorted.length - 1) * share;
    const low = Math.floor(at);
    return sorted[low] + (sorted[Math.min(low + 1, sorted.length - 1)] - sorted[low]) * (at - low);
  }

  const numbers = (rows, field) => rows.map((row) => row[field]).filter((value) => value !== null && value !== undefined).sort((a, b) => a - b);
  const sum = (rows, field) => rows.reduce((total, row) => total + (row[field] || 0), 0);

  function totals(rows) {
    const latency = numbers(rows, "duration");
    return {
      traces: rows.length, errors: rows.filter((row) => row.status === "error").length,
      input_tokens: sum(rows, "input_tokens"), output_tokens: sum(rows, "output_tokens"),
      cost: rows.some((row) => row.cost !== null) ? sum(rows, "cost") : null,
      latency: latency.length ? [0.5, 0.95, 0.99].map((share) => quantile(latency, share)) : null,
      first_token: quantile(numbers(rows, "first_token"), 0.5),
    };
  }

  function grouped(rows, keyOf) {
    const groups = new Map();
    for (const row of rows) {
      const key = keyOf(row);
      if (key === null || key === undefined || key === "") continue;
      if (!groups.has(key)) groups.set(key, []);
      groups.get(key).push(row);
    }
    return [...groups].map(([key, members]) => ({ key, ...totals(members), members }));
  }

  const often = (groups) => groups.sort((one, other) => other.traces - one.traces).slice(0, 20);
  const STEPS = [1, 10, 60, 300, 900, 3600, 10800, 86400, 604800];

  function bucketOf(rows) {
    const starts = numbers(rows, "start");
    if (!starts.length) return 3600000;
    const seconds = (starts[starts.length - 1] - starts[0]) / 1000;
    return (STEPS.find((step) => seconds / step <= 90) || Math.ceil(seconds / 90)) * 1000;
  }

  // Calls by model and tool are counted when the report is made; under a filter they can't be told.
  function overview(rows, calls, filtered) {
    const bucket = bucketOf(rows);
    const time = grouped(rows, (row) => (row.start === null ? null : Math.floor(row.start / bucket) * bucket)).sort((one, other) => one.key - other.key);
    return {
      bucket, time, total: totals(rows), names: often(grouped(rows, (row) => row.name)),
      models: filtered ? [] : calls.models, tools: filtered ? [] : calls.tools,
      errors: often(grouped(rows, (row) => row.error)),
      slowest: [...rows].sort((one, other) => (other.duration ?? 0) - (one.duration ?? 0)).slice(0, 10),
    };
  }

  function sessions(rows, by) {
    const groups = grouped(rows, (row) => row[by]).map((group) => {
      const ordered = [...group.members].sort((one, other) => one.start - other.start);
      const different = (field) => new Set(group.members.map((row) => row[field]).filter(Boolean)).size;
      return { ...group, first: ordered[0].start, last: ordered[ordered.length - 1].start, inputs: ordered[0].inputs, sessions: different("session"), users: different("user") };
    });
    return groups.sort((one, other) => other.last - one.last).slice(0, 500);
  }

  return { overview, sessions };
})();
