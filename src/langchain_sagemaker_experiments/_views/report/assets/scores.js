// Scores of a trace or a span: what there is, and, in a window that may write, thumbs, a number, a comment.
"use strict";
var Report = (window.Report = window.Report || {});

Report.scores = (() => {
  const { h, seen } = Report.dom;
  const round = (value) => (typeof value === "number" ? String(Math.round(value * 1000) / 1000) : String(value ?? ""));

  // Of a row of the table: key and value of each.
  function chips(scores) {
    const pairs = Object.entries(scores || {});
    return h("span", { class: "score-chips" }, pairs.slice(0, 4).map(([key, value]) => h("span", { class: "score-chip" }, seen(`${key} ${round(value)}`))));
  }

  function list(scores) {
    if (!scores.length) return null;
    return h("ul", { class: "scores" }, scores.map((one) => h("li", {}, h("b", {}, seen(one.key)), seen(` ${one.label ?? round(one.score)} `),
      h("span", { class: "muted" }, seen([one.source, one.author, one.time].filter(Boolean).join(" · "))), one.comment ? h("div", { dir: "auto" }, seen(one.comment)) : null)));
  }

  // A form that writes a score of this trace or span.
  function form(target, done) {
    const key = h("input", { type: "text", value: "helpful", size: "12", maxlength: "100", "aria-label": "Key of the score" });
    const value = h("input", { type: "number", step: "any", class: "score-number", "aria-label": "A number", placeholder: "number" });
    const comment = h("input", { type: "text", class: "comment", maxlength: "4000", placeholder: "Comment", "aria-label": "Comment" });
    const said = h("output", { class: "muted", "aria-live": "polite" });
    const send = async (score) => {
      try {
        await Report.data.send("scores", { ...target, key: key.value.trim(), score, comment: comment.value.trim() || null });
        said.textContent = "Saved.";
        done();
      } catch (error) { said.textContent = error.message; }
    };
    const button = (label, title, score) => h("button", { type: "button", title, "aria-label": title, on: { click: () => send(score()) } }, label);
    return h("div", { class: "score-form" }, key,
      button("Good", "Score: good", () => true), button("Bad", "Score: bad", () => false), value,
      button("Save", "Save this number and comment", () => (value.value === "" ? null : Number(value.value))), comment, said);
  }

  function section(scores, target, mayWrite, done) {
    const parts = [list(scores || []), mayWrite ? form(target, done) : null].filter(Boolean);
    return parts.length ? h("div", {}, parts) : null;
  }

  // A button that adds this trace or span to the file of examples, and what it said.
  function exampleButton(target) {
    const said = h("output", { class: "muted", "aria-live": "polite" });
    const add = async () => {
      try {
        const { place, count } = await Report.data.send("examples", target);
        said.textContent = `Added to ${place}: ${count} example${count === 1 ? "" : "s"}.`;
      } catch (error) { said.textContent = error.message; }
    };
    return [said, h("button", { type: "button", title: "Add inputs and outputs to the file of examples", on: { click: add } }, "Add to examples")];
  }

  return { chips, section, exampleButton };
})();
