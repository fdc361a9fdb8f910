// Two traces side by side, with the words that differ.
"use strict";
var Report = (window.Report = window.Report || {});

Report.difference = (() => {
  const { h, seen, number, duration, cost, time, statusChip } = Report.dom;
  const LONGEST = 60000; // characters compared word by word
  const place = document.getElementById("diff");

  const textOf = (value) => (typeof value === "string" ? value : value === null || value === undefined ? "" : Report.details.plainText(value));

  // Two texts, each with what only it has marked.
  function words(one, other) {
    if (one.length + other.length > LONGEST) return [h("pre", { class: "text" }, seen(one)), h("pre", { class: "text" }, seen(other))];
    const sides = [h("pre", { class: "text", dir: "auto" }), h("pre", { class: "text", dir: "auto" })];
    for (const change of Diff.diffWordsWithSpace(one, other, { timeout: 2000 }) || [{ value: one, removed: true }, { value: other, added: true }]) {
      if (!change.added) sides[0].append(change.removed ? h("del", {}, seen(change.value)) : seen(change.value));
      if (!change.removed) sides[1].append(change.added ? h("ins", {}, seen(change.value)) : seen(change.value));
    }
    return sides;
  }

  function facts({ row }) {
    const pairs = [["Run", row.run], ["Started", time(row.start)], ["Took", duration(row.duration)], ["Tokens", `${number(row.input_tokens)} + ${number(row.output_tokens)}`],
      ["Cost", cost(row.cost, row.unpriced)], ["Model", row.model], ["Spans", number(row.spans)], ["Error", row.error]];
    return h("div", {}, h("h3", { dir: "auto" }, seen(row.name), " ", statusChip(row.status)), Report.scores.chips(row.scores),
      h("dl", { class: "facts" }, pairs.filter(([, value]) => value).map(([name, value]) => [h("dt", {}, name), h("dd", {}, seen(value))])));
  }

  function rootOf({ spans }) {
    const ids = new Set(spans.map((span) => span.span_id));
    return spans.find((span) => !ids.has(span.parent_span_id)) || spans[0];
  }

  async function show(one, other) {
    const both = await Promise.all([Report.data.trace(one), Report.data.trace(other)]);
    const roots = await Promise.all(both.map((found) => Report.data.span(rootOf(found))));
    const rows = [h("div", { class: "pair" }, both.map(facts))];
    for (const [title, field] of [["Inputs", "inputs"], ["Outputs", "outputs"]]) {
      rows.push(h("h3", {}, title), h("div", { class: "pair" }, words(textOf(roots[0][field]), textOf(roots[1][field]))));
    }
    const [steps, others] = both.map(({ spans }) => spans.map((span) => `${span.kind} ${span.name}${span.status === "ok" ? "" : ` (${span.status})`}`).join("\n"));
    rows.push(h("h3", {}, "Steps"), h("div", { class: "pair" }, words(steps, others)));
    place.replaceChildren(...rows);
    place.scrollTop = 0;
  }

  return { show, words };
})();
