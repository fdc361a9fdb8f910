// One span in full: error, conversation, inputs, outputs, events, attributes, what it was built with.
"use strict";
var Report = (window.Report = window.Report || {});

Report.details = (() => {
  const { h, seen, textBlock, number, duration, time, cost, copyButton, kindChip, statusChip } = Report.dom;

  function section(title, content, { open = true, id = null } = {}) {
    if (content === null || content === undefined) return null;
    return h("details", { open, id }, h("summary", {}, title), content);
  }

  // A JSON value as a tree that opens level by level; a level is made when it is opened.
  function tree(value, depth = 0) {
    if (typeof value === "string") return value.length > 80 || value.includes("\n") ? textBlock(value) : h("span", { class: "string", dir: "auto" }, seen(value));
    if (value === null || typeof value !== "object") return h("span", { class: "scalar" }, String(value));
    const known = serialized(value, depth) || short(value);
    if (known) return known;
    const entries = Array.isArray(value) ? value.map((item, i) => [i, item]) : Object.entries(value);
    if (!entries.length) return h("span", { class: "muted" }, Array.isArray(value) ? "[ ]" : "{ }");
    const list = h("dl", { class: "tree" });
    for (const [key, item] of entries.slice(0, 500)) list.append(h("dt", {}, seen(String(key))), h("dd", {}, branch(item, depth + 1)));
    if (entries.length > 500) list.append(h("dt", {}, "…"), h("dd", {}, h("button", { type: "button", class: "more", on: { click: (event) => {
      event.target.closest("dd").previousSibling.remove();
      event.target.closest("dd").remove();
      for (const [key, rest] of entries.slice(500)) list.append(h("dt", {}, seen(String(key))), h("dd", {}, branch(rest, depth + 1)));
    } } }, `${number(entries.length - 500)} more`)));
    return list;
  }

  // LangChain's serialized objects: a secret is its name, an object its class and what it was built with.
  function serialized(value, depth) {
    if (value.lc !== 1 || !Array.isArray(value.id)) return null;
    const path = value.id.map(String);
    if (value.type === "secret") return h("span", { class: "muted" }, seen(`secret ${path.join(".")}, not recorded`));
    const kwargs = value.kwargs && Object.keys(value.kwargs).length ? tree(value.kwargs, depth + 1) : null;
    return h("div", {}, h("span", { class: "scalar", title: seen(path.join(".")) }, seen(path[path.length - 1] || "object")), kwargs);
  }

  // A short list of plain values needs no line for each.
  function short(value) {
    if (!Array.isArray(value) || !value.length || value.length > 12 || value.some((item) => item !== null && typeof item === "object")) return null;
    const text = value.map((item) => (typeof item === "string" ? item : String(item))).join(", ");
    return text.length > 160 ? null : h("span", { class: "string", dir: "auto" }, seen(text));
  }

  function branch(value, depth) {
    const size = value && typeof value === "object" ? Object.keys(value).length : 0;
    if (!size || depth < 3 || value.type === "secret" || short(value)) return tree(value, depth);
    const summary = h("summary", { class: "muted" }, Array.isArray(value) ? `list of ${size}` : `${size} fields`);
    const details = h("details", { class: "inner" }, summary);
    details.addEventListener("toggle", () => { if (details.open && details.childElementCount === 1) details.append(tree(value, depth)); });
    return details;
  }

  // --- messages ---------------------------------------------------------------------------------------------------
  const isMessage = (value) => value && typeof value === "object" && typeof value.type === "string" && "content" in value;

  // The messages of a model call, of a graph's state, or of prompts and answers: [] where there are none.
  function messagesOf(value, role) {
    if (!value || typeof value !== "object") return [];
    if (isMessage(value)) return [value];
    if (Array.isArray(value)) return value.flatMap((item) => messagesOf(item, role));
    if (Array.isArray(value.generations)) {
      return value.generations.flat().filter(Boolean).map((one) => (isMessage(one.message) ? one.message : { type: role, content: one.text ?? "" }));
    }
    if (Array.isArray(value.prompts)) return value.prompts.map((prompt) => ({ type: "prompt", content: prompt }));
    if (Array.isArray(value.messages) || isMessage(value.messages)) return messagesOf(value.messages, role);
    return [];
  }

  function contentOf(content) {
    if (typeof content === "string") return content ? [Report.markdown.block(content)] : [];
    if (!Array.isArray(content)) return content === null || content === undefined ? [] : [tree(content)];
    return content.map((block) => {
      if (typeof block === "string") return Report.markdown.block(block);
      if (block && typeof block.text === "string") return Report.markdown.block(block.text);
      return h("div", { class: "block" }, h("span", { class: "muted" }, seen(String((block && block.type) || "block"))), tree(block));
    });
  }

  function toolCall(call) {
    return h("div", { class: "tool-call" }, h("div", {}, h("span", { class: "kind kind-tool" }, "tool call"), h("b", { dir: "auto" }, seen(` ${call.name ?? ""}`)),
      call.id ? h("span", { class: "muted" }, seen(` ${call.id}`)) : null), tree(call.args ?? {}));
  }

  // What was said in a span, once: a graph gives back its whole state, which holds what it was given.
  function messages(span) {
    const before = messagesOf(span.inputs, "human");
    const given = new Map();
    const keyOf = (message) => JSON.stringify([message.type, message.content, message.tool_calls || null, message.tool_call_id || null]);
    for (const message of before) given.set(keyOf(message), (given.get(keyOf(message)) || 0) + 1);
    const after = messagesOf(span.outputs, "ai").filter((message) => {
      const left = given.get(keyOf(message)) || 0;
      if (left) given.set(keyOf(message), left - 1);
      return !left;
    });
    return [...before, ...after];
  }

  function conversation(span) {
    const all = messages(span);
    if (!all.length) return null;
    const shown = all.length > 60 ? all.slice(-60) : all;
    const list = h("ol", { class: "conversation" }, shown.map(oneMessage));
    if (all.length > shown.length) {
      const more = h("button", { type: "button", class: "more", on: { click: () => { more.remove(); list.prepend(...all.slice(0, -60).map(oneMessage)); } } },
        `Show ${number(all.length - shown.length)} earlier messages`);
      return h("div", {}, more, list);
    }
    return list;
  }

  // A value as a text that two of them can be compared by.
  function plainText(value) {
    const said = messagesOf(value, "");
    if (!said.length) return JSON.stringify(value, null, 2);
    return said.map((message) => `${message.type}: ${typeof message.content === "string" ? message.content : JSON.stringify(message.content)}${(message.tool_calls || []).length ? `\n${JSON.stringify(message.tool_calls)}` : ""}`).join("\n\n");
  }

  function oneMessage(message) {
    const about = [message.name, message.tool_call_id].filter(Boolean).join(" ");
    return h("li", { class: `message message-${/^[a-z_]+$/i.test(message.type) ? message.type : "other"}` },
      h("div", { class: "role" }, seen(message.type), about ? h("span", { class: "muted" }, seen(` ${about}`)) : null),
      contentOf(message.content), Array.isArray(message.tool_calls) ? message.tool_calls.filter(Boolean).map(toolCall) : null);
  }

  // --- facts ------------------------------------------------------------------------------------------------------
  function facts(span, dollars) {
    const attributes = span.attributes || {};
    const first = attributes["gen_ai.response.time_to_first_chunk"];
    const tokens = "gen_ai.usage.input_tokens" in attributes || "gen_ai.usage.output_tokens" in attributes;
    const rows = [
      ["Started", time(span.start)],
      ["Took", span.status === "running" ? "still running when it was written" : duration(span.duration_ms)],
      ["First token", typeof first === "number" ? `after ${duration(first * 1000)}` : ""],
      ["Model", attributes["gen_ai.request.model"] || attributes["gen_ai.response.model"] || attributes["sagemaker.endpoint_name"] || ""],
      ["Tokens", tokens ? `${number(attributes["gen_ai.usage.input_tokens"] ?? 0)} in, ${number(attributes["gen_ai.usage.output_tokens"] ?? 0)} out` : ""],
      ["Of these", [[attributes["gen_ai.usage.cache_read.input_tokens"], "from a cache"], [attributes["gen_ai.usage.cache_creation.input_tokens"], "into a cache"], [attributes["gen_ai.usage.reasoning.output_tokens"], "reasoning"]]
        .filter(([count]) => count).map(([count, what]) => `${number(count)} ${what}`).join(", ")],
      ["Cost", cost(dollars)],
      ["Session", span.session_id || ""],
      ["Tags", (span.tags || []).join(", ")],
    ];
    return h("dl", { class: "facts" }, rows.filter(([, value]) => value).map(([name, value]) => [h("dt", {}, name), h("dd", { dir: "auto" }, seen(String(value)))]));
  }

  function eventList(span) {
    if (!(span.events || []).length) return null;
    const list = span.events.map((event) => {
      const at = span.start === null ? "" : `+${duration(Math.max(0, Date.parse(event.time) - span.start))}`;
      const more = event.attributes && Object.keys(event.attributes).length ? tree(event.attributes, 1) : null;
      return h("li", {}, h("span", { class: "muted nowrap" }, at), h("b", {}, seen(` ${event.name} `)), more);
    });
    return h("ol", { class: "events" }, list);
  }

  function pairs(values) {
    const names = Object.keys(values || {});
    if (!names.length) return null;
    return h("table", { class: "pairs" }, names.map((name) => h("tr", {}, h("th", { scope: "row" }, seen(name)), h("td", {}, tree(values[name], 2)))));
  }

  function failure(error) {
    if (!error) return null;
    return h("div", {}, h("p", { class: "bad" }, h("b", {}, seen(String(error.type))), ": ", h("span", { dir: "auto" }, seen(String(error.message ?? "")))),
      error.stacktrace ? h("details", { class: "inner", open: true }, h("summary", { class: "muted" }, "stack trace"), textBlock(String(error.stacktrace), "text code")) : null);
  }

  // `more`: scores of the span and its trace, and what to do when one was written.
  function show(place, span, more = {}) {
    const talk = conversation(span);
    const scores = Report.scores.section(more.scores, { trace_id: span.trace_id, span_id: more.isRoot ? null : span.span_id }, more.mayWrite, more.done || (() => {}));
    const examples = more.mayAddExample ? Report.scores.exampleButton({ trace_id: span.trace_id, span_id: more.isRoot ? null : span.span_id }) : null;
    place.replaceChildren(
      h("header", {}, h("h3", { dir: "auto" }, seen(span.name)), kindChip(span.kind), statusChip(span.status), h("span", { class: "grow" }), examples, copyButton(() => JSON.stringify(span, null, 2), "Copy JSON")),
      facts(span, more.cost),
      ...[
        section("Error", failure(span.error), { id: "section-error" }),
        section(more.isRoot ? "Scores of the trace" : "Scores", scores, { id: "section-scores" }),
        section("Conversation", talk, { id: "section-conversation" }),
        section("Inputs", span.inputs === null ? null : tree(span.inputs), { open: !talk, id: "section-inputs" }),
        section("Outputs", span.outputs === null ? null : tree(span.outputs), { open: !talk, id: "section-outputs" }),
        section("Events", eventList(span), { id: "section-events" }),
        section("Attributes", pairs(span.attributes), { open: !talk, id: "section-attributes" }),
        section("Metadata", pairs(span.metadata), { open: false, id: "section-metadata" }),
        section("Built with", span.component ? tree(span.component.kwargs || span.component, 1) : null, { open: false, id: "section-component" }),
        section("Ids", pairs({ trace_id: span.trace_id, span_id: span.span_id, parent_span_id: span.parent_span_id }), { open: false, id: "section-ids" }),
      ].filter(Boolean));
    place.scrollTop = 0;
  }

  return { show, tree, messages, oneMessage, plainText };
})();
