// Conversations: the traces of a session, or of a user, as a chat. Each turn's trace is one click away.
"use strict";
var Report = (window.Report = window.Report || {});

Report.sessions = (() => {
  const { h, seen, duration, cost, counted, time, statusChip } = Report.dom;
  const list = document.getElementById("session-list");
  const chat = document.getElementById("chat");
  const by = document.getElementById("sessions-by");
  const facts = document.getElementById("sessions-facts");
  let chosen = null;
  let go = () => {};
  let open = () => {};

  function entry(row) {
    const about = [counted(row.traces, "turn"), row.errors ? `${row.errors} failed` : "", cost(row.cost), time(row.last)].filter(Boolean).join(" · ");
    return h("button", { type: "button", class: "session", "aria-pressed": String(row.key === chosen), on: { click: () => go(by.value, row.key) } },
      h("b", { dir: "auto" }, seen(row.key)), h("span", { class: "preview", dir: "auto" }, seen(row.inputs || "")), h("span", { class: "muted small" }, about));
  }

  // What one turn adds: the messages that were not there at the turn before.
  function turn({ row, root }, known) {
    const fresh = Report.details.messages(root).filter((message) => {
      const key = JSON.stringify([message.type, message.content, message.tool_calls || null]);
      return !known.has(key) && known.add(key);
    });
    const body = fresh.length ? fresh.map(Report.details.oneMessage) : [bubble("human", row.inputs), bubble("ai", row.error || row.outputs)];
    return h("li", { class: "turn" },
      h("button", { type: "button", class: "turn-head", title: "Open this trace", on: { click: () => open(row.trace_id) } },
        h("span", {}, seen(row.name)), statusChip(row.status), h("span", { class: "muted" }, [time(row.start), duration(row.duration), cost(row.cost, row.unpriced)].filter(Boolean).join(" · "))),
      h("ol", { class: "conversation bubbles" }, body), row.error ? h("p", { class: "bad", dir: "auto" }, seen(row.error)) : null);
  }

  const bubble = (type, text) => Report.details.oneMessage({ type, content: text || "" });

  async function talk() {
    if (chosen === null) { chat.replaceChildren(h("p", { class: "muted" }, "Choose a conversation.")); return; }
    const wanted = chosen;
    const turns = await Report.data.chat({ [by.value]: wanted });
    if (wanted !== chosen) return;
    const known = new Set();
    chat.replaceChildren(h("header", {}, h("h3", { dir: "auto" }, seen(wanted)), h("span", { class: "muted" }, counted(turns.length, "turn"))), h("ol", { class: "turns" }, turns.map((one) => turn(one, known))));
  }

  async function show(key, kind) {
    if (kind) by.value = kind;
    chosen = key || null;
    const rows = await Report.data.sessions(Report.filters.query(), by.value);
    facts.textContent = rows.length === 500 ? `the 500 newest ${by.value}s` : counted(rows.length, by.value);
    list.replaceChildren(...(rows.length ? rows.map(entry) : [h("p", { class: "muted pad" }, `No trace has a ${by.value}. Give metadata={"${by.value}_id": …} in the call's config.`)]));
    if (chosen === null && rows.length) chosen = rows[0].key;
    for (const button of list.querySelectorAll(".session")) button.setAttribute("aria-pressed", String(button.firstChild.textContent === seen(chosen)));
    await talk();
  }

  by.addEventListener("change", () => go(by.value, null));
  return { show, start: (onGo, onOpen) => { go = onGo; open = onOpen; } };
})();
