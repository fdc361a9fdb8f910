// The data of the report: an index of all traces, read at once, and blocks of spans, read when a trace is opened.
// Each lies in the page as gzip in base64, in a <script> of a type that browsers do not run.
"use strict";
var Report = (window.Report = window.Report || {});

Report.data = (() => {
  const KEPT_BLOCKS = 16;
  const kept = new Map();

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

  async function trace(row) {
    return (await block(row.block)).filter((span) => span.trace_id === row.trace_id);
  }

  // Which traces hold a text anywhere in their spans. `tell` hears how far it is; `stopped` ends it.
  async function search(text, blocks, tell, stopped) {
    const wanted = JSON.stringify(text.toLowerCase()).slice(1, -1);
    const found = new Set();
    for (let number = 0; number < blocks && !stopped(); number++) {
      // A look at the whole text first: most blocks hold nothing, and need no parsing.
      const raw = await read(`block-${number}`);
      if (raw.toLowerCase().includes(wanted)) {
        for (const span of JSON.parse(raw)) {
          if (!found.has(span.trace_id) && JSON.stringify(span).toLowerCase().includes(wanted))
            found.add(span.trace_id);
        }
      }
      tell(number + 1, found.size);
    }
    return found;
  }

  return { index, trace, search };
})();
