// The data of the window: questions to the server beside this page. The report's twin is snapshot.js.
"use strict";
var Report = (window.Report = window.Report || {});

Report.data = (() => {
  const PAGE = 200; // rows of the trace table fetched at a time
  let state = null;
  let told = () => {};

  async function ask(path, parameters) {
    const query = new URLSearchParams(parameters || {}).toString();
    const answer = await fetch(`api/${path}${query ? `?${query}` : ""}`, { headers: { accept: "application/json" } });
    if (!answer.ok) throw new Error(await reason(answer));
    return await answer.json();
  }

  async function reason(answer) {
    if (answer.status === 401) return "This window was closed, or started again. Open the address that the terminal shows now.";
    const text = await answer.text();
    try { return JSON.parse(text).error || text; } catch { return text || `the server answered ${answer.status}`; }
  }

  async function send(path, body) {
    const answer = await fetch(`api/${path}`, {
      method: "POST", body: JSON.stringify(body),
      headers: { "content-type": "application/json", "x-window-token": state.write_token },
    });
    if (!answer.ok) throw new Error(await reason(answer));
    return await answer.json();
  }

  // One request waits at the server until there is something new.
  async function follow() {
    for (;;) {
      try {
        state = await ask("state", { since: state.version });
        told(state, null);
      } catch (error) {
        told(state, error);
        await new Promise((done) => setTimeout(done, 3000));
      }
    }
  }

  async function start(onChange) {
    told = onChange;
    state = await ask("state");
    follow();
    return state;
  }

  // Hits are kept by the server under a number, which is a filter like any other.
  async function searchAll(text, tell, stopped) {
    const answer = await fetch(`api/search?${new URLSearchParams({ text })}`);
    if (!answer.ok) throw new Error(await reason(answer));
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    let last = null;
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      for (const line of lines) last = JSON.parse(line);
      if (stopped()) { await reader.cancel(); return null; }
      if (last) tell(last.done, last.total, last.hits, last.search);
    }
    return last && last.search;
  }

  const traces = (filters, sort, down, offset, limit) => ask("traces", { ...filters, sort, down: down ? 1 : 0, offset, limit });

  return {
    live: true, page: PAGE, start, traces, searchAll, send,
    state: () => state,
    refresh: () => send("refresh", {}),
    trace: (id) => ask(`trace/${encodeURIComponent(id)}`),
    span: (span) => ask(`span/${encodeURIComponent(span.span_id)}`),
    findInTrace: (id, text) => ask(`trace/${encodeURIComponent(id)}/find`, { text }),
    overview: (filters) => ask("overview", filters),
    sessions: (filters, by) => ask("sessions", { ...filters, by }),
    chat: (filters) => ask("chat", filters),
    comparison: () => ask("compare"),
    pair: (baseline, candidate) => ask("pair", { baseline, candidate }),
    architectures: () => ask("architectures"),
  };
})();
