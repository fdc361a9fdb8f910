// The data of a report: an index of all traces, read at once, and blocks of spans, read when a trace is opened.
// Each lies in the page as gzip in base64, in a <script> of a type that browsers do not run.
"use strict";
var Report = (window.Report = window.Report || {});

Report.data = (() => {
  const KEPT_BLOCKS = 16;
  const kept = new Map();
  const hits = new Map(); // searches in whole texts, by their number
  let searches = 0;
  let all = null; // the index

  function bytesOf(element) {
    const text = element.textContent;
    if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
    const binary = atob(text);
    const bytes = new Uint8Array(binary.length);
    for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
    return bytes;
  }

  async function read(id) {
    const stream = new Blob([bytesOf(document.getElementById(id))]).stream().pipeThrough(new DecompressionStream("gzip"));
    return await new Response(stream).text();
  }

  // The index comes by columns, which gzip likes; the table wants rows.
  async function index() {
    const found = JSON.parse(await read("index"));
    const names = Object.keys(found.traces);
    const count = names.length ? found.traces[names[0]].length : 0;
    const rows = [];
    for (let i = 0; i < count; i++) {
      const row = { number: i };
      for (const name of names) row[name] = found.traces[name][i];
      rows.push(row);
    }
    found.traces = rows;
    return found;
  }

  async function block(number) {
    let spans = kept.get(number);
    if (spans === undefined) {
      spans = JSON.parse(await read(`block-${number}`));
      if (kept.size >= KEPT_BLOCKS) kept.delete(kept.keys().next().value);
      kept.set(number, spans);
    }
    return spans;
  }

  // Which traces hold a text anywhere in their spans. `tell` hears how far it is; `stopped` ends it.
  async function searchAll(text, tell, stopped) {
    const wanted = JSON.stringify(text.toLowerCase()).slice(1, -1);
    const found = new Set();
    for (let number = 0; number < all.blocks && !stopped(); number++) {
      // A look at the whole text first: most blocks hold nothing, and need no parsing.
      const raw = await read(`block-${number}`);
      if (raw.toLowerCase().includes(wanted)) {
        for (const span of JSON.parse(raw)) {
          if (!found.has(span.trace_id) && JSON.stringify(span).toLowerCase().includes(wanted))
            found.add(span.trace_id);
        }
      }
      tell(number + 1, all.blocks, found.size, null);
    }
    // What the index shows (a run's name, a joined model) need not stand in any span.
    for (const row of all.traces) if (row.text.includes(text.toLowerCase())) found.add(row.trace_id);
    const name = String(++searches);
    hits.set(name, found);
    return name;
  }

  const BOUNDS = { since: ["start", 1], until: ["start", -1], min_ms: ["duration", 1], max_ms: ["duration", -1], min_cost: ["cost", 1], max_cost: ["cost", -1] };
  const EQUAL = ["status", "kind", "name", "session", "user", "run", "error"];
  const LISTS = { model: "model", tag: "tags" };

  function fits(row, name, value) {
    if (EQUAL.includes(name)) return row[name] === value;
    if (name in LISTS) return row[LISTS[name]].split(", ").includes(value);
    if (name in BOUNDS) {
      const [field, side] = BOUNDS[name];
      return row[field] !== null && (side > 0 ? row[field] >= Number(value) : row[field] <= Number(value));
    }
    if (name === "q") return row.text.includes(value.toLowerCase());
    if (name === "found") return hits.has(value) && hits.get(value).has(row.trace_id);
    if (name === "tool") return row.tools.includes(value);
    if (name === "score") return scoreFits(row.scores || {}, value);
    return true;
  }

  function scoreFits(scores, text) {
    const [, key, operator, bound] = /^(.*?)(>=|<=|=|>|<)(.*)$/.exec(text) || [null, text, null, null];
    const score = scores[key.trim()];
    if (score === undefined || score === null || operator === null) return score !== undefined;
    const by = score - Number(bound);
    return { ">=": by >= 0, "<=": by <= 0, "=": by === 0, ">": by > 0, "<": by < 0 }[operator];
  }

  function select(filters) {
    const wanted = Object.entries(filters).filter(([, value]) => value);
    return wanted.length ? all.traces.filter((row) => wanted.every(([name, value]) => fits(row, name, value))) : all.traces;
  }

  async function traces(filters, sort, down, offset, limit) {
    const rows = [...select(filters)];
    const sign = down ? -1 : 1;
    const key = (row) => (sort === "tokens" ? row.input_tokens + row.output_tokens : row[sort] ?? null);
    rows.sort((one, other) => {
      const [a, b] = [key(one), key(other)];
      if (a === null || b === null) return (a === null) - (b === null);
      const by = typeof a === "string" ? a.localeCompare(b) : a - b;
      return sign * by || other.start - one.start;
    });
    return { rows: rows.slice(offset, offset + limit), total: rows.length };
  }

  async function trace(id) {
    const row = all.traces.find((one) => one.trace_id === id);
    if (!row) throw new Error(`There is no trace ${id} in this report.`);
    return { row, spans: (await block(row.block)).filter((span) => span.trace_id === id) };
  }

  async function findInTrace(id, text) {
    const wanted = JSON.stringify(text.toLowerCase()).slice(1, -1);
    return (await trace(id)).spans.filter((span) => JSON.stringify(span).toLowerCase().includes(wanted)).map((span) => span.span_id);
  }

  // The turns of a conversation: the first span of each trace, whole.
  async function chat(filters) {
    const rows = [...select(filters)].sort((one, other) => one.start - other.start).slice(-100);
    const turns = [];
    for (const row of rows) {
      const { spans } = await trace(row.trace_id);
      const ids = new Set(spans.map((span) => span.span_id));
      turns.push({ row, root: spans.find((span) => !ids.has(span.parent_span_id)) || spans[0] });
    }
    return turns;
  }

  function choices() {
    const values = (field, split) => {
      const counts = new Map();
      for (const row of all.traces) for (const value of split ? (row[field] || "").split(", ") : [row[field]]) if (value) counts.set(value, (counts.get(value) || 0) + 1);
      return [...counts].sort((one, other) => other[1] - one[1]).slice(0, 200).map(([value]) => value);
    };
    const scores = new Set(all.traces.flatMap((row) => Object.keys(row.scores || {})));
    return { status: values("status"), kind: values("kind"), name: values("name"), model: values("model", true), tag: values("tags", true),
      user: values("user"), run: values("run"), score: [...scores].sort() };
  }

  async function start() {
    all = await index();
    for (const row of all.traces) {
      row.text = [row.name, row.inputs, row.outputs, row.error, row.model, row.run, row.session, row.user, row.tags, row.trace_id, row.status].join("\n").toLowerCase();
    }
    return { read_only: true, traces: all.traces.length, choices: choices(), unpriced: all.unpriced || [], ready: true };
  }

  return {
    live: false, page: Infinity, start, traces, trace, searchAll, findInTrace, chat,
    span: (span) => span,
    overview: async (filters) => Report.figures.overview(select(filters), all.calls, Object.values(filters).some(Boolean)),
    sessions: async (filters, by) => Report.figures.sessions(select(filters), by),
    comparison: async () => all.comparison,
    pair: async (baseline, candidate) => all.pairs[`${baseline}\n${candidate}`] || { error: "This report holds no comparison of these two runs." },
    architectures: async () => all.architectures,
  };
})();
