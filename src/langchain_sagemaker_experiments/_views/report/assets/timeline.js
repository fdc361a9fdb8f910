// The timeline of one trace: a tree of spans with a bar each. Rows have one height, and only those in sight are drawn.
"use strict";
var Report = (window.Report = window.Report || {});

Report.timeline = (() => {
  const { h, seen, number, duration, cost, kindChip, SIGNS } = Report.dom;
  const ROW = 28;
  const BEYOND = 8;
  const place = document.getElementById("timeline");
  const axis = document.getElementById("axis");
  const legend = document.getElementById("legend");
  const sheet = h("div", { class: "sheet", role: "presentation" });
  place.append(sheet);
  let nodes = []; // all spans of the trace, parents first
  let shown = []; // those not within a folded one
  let begin = 0;
  let length = 1;
  let current = null;
  let told = () => {};
  let hits = new Set(); // ids of spans that a search in the trace found

  // Spans in the order of a tree: children below their parent, in order of their start.
  function arrange(spans) {
    const known = new Map(spans.map((span) => [span.span_id, { span, children: [], depth: 0, folded: false, parent: null }]));
    const roots = [];
    for (const node of known.values()) {
      const parent = known.get(node.span.parent_span_id);
      if (parent && parent !== node) { node.parent = parent; parent.children.push(node); } else roots.push(node);
    }
    const byStart = (one, other) => (one.span.start ?? 0) - (other.span.start ?? 0);
    const ordered = [];
    const placed = new Set();
    // Spans that damage put in a circle hang on no root: the first of them is taken for one.
    const waiting = [...known.values()].reverse().concat(roots.sort(byStart).reverse());
    while (waiting.length) {
      const node = waiting.pop();
      if (placed.has(node)) continue;
      placed.add(node);
      if (node.parent && !placed.has(node.parent)) node.parent = null;
      node.depth = node.parent ? node.parent.depth + 1 : 0;
      ordered.push(node);
      waiting.push(...node.children.sort(byStart).reverse());
    }
    return ordered;
  }

  function show(spans, onChosen) {
    told = onChosen;
    nodes = arrange(spans);
    hits = new Set();
    markCauses();
    place.parentElement.classList.toggle("no-figures", !spans.some((span) => figuresOf(span)));
    const starts = spans.map((span) => span.start).filter((value) => value !== null);
    begin = starts.reduce((one, other) => Math.min(one, other), Infinity);
    const end = spans.reduce((latest, span) => Math.max(latest, endOf(span)), begin);
    length = Math.max(end - begin, 0.001);
    current = null;
    place.scrollTop = 0;
    drawAxis();
    drawLegend(spans);
    unfold();
  }

  const errorOf = (span) => (span.error && typeof span.error === "object" ? `${span.error.type}: ${span.error.message}` : span.error);

  // A failed span whose failed child says the same only passed it on.
  function markCauses() {
    for (const node of nodes) {
      const failed = node.span.status === "error";
      node.passedOn = failed && node.children.some((child) => child.span.status === "error" && errorOf(child.span) === errorOf(node.span));
      node.cause = failed && !node.passedOn;
    }
  }

  const attribute = (span, name) => (span.attributes || {})[name];
  const tokensOf = (span) => (span.input_tokens ?? attribute(span, "gen_ai.usage.input_tokens") ?? 0) + (span.output_tokens ?? attribute(span, "gen_ai.usage.output_tokens") ?? 0);

  function figuresOf(span) {
    const tokens = tokensOf(span);
    return [typeof tokens === "number" && tokens ? `${number(tokens)} tok` : "", cost(span.cost)].filter(Boolean).join(" · ");
  }

  const endOf = (span) => span.end ?? (span.start ?? begin) + (span.duration_ms ?? 0);

  function drawAxis() {
    axis.replaceChildren();
    for (let i = 0; i <= 4; i++) axis.append(h("span", { style: { left: `${i * 25}%` } }, duration((length * i) / 4)));
  }

  function drawLegend(spans) {
    const kinds = [...new Set(spans.map((span) => span.kind))];
    legend.replaceChildren(...kinds.map(kindChip));
    if (spans.some((span) => firstToken(span) !== null)) legend.append(h("span", { class: "legend-first" }, "first token"));
  }

  function unfold() {
    shown = [];
    let foldedAt = Infinity;
    for (const node of nodes) {
      if (node.depth > foldedAt) continue;
      foldedAt = node.folded ? node.depth : Infinity;
      shown.push(node);
    }
    shown.forEach((node, position) => (node.position = position));
    sheet.style.height = `${shown.length * ROW}px`;
    draw();
  }

  function firstToken(span) {
    if (typeof span.first_token_ms === "number") return span.first_token_ms;
    const seconds = attribute(span, "gen_ai.response.time_to_first_chunk");
    return typeof seconds === "number" ? seconds * 1000 : null;
  }

  function draw() {
    const first = Math.max(0, Math.floor(place.scrollTop / ROW) - BEYOND);
    const last = Math.min(shown.length, Math.ceil((place.scrollTop + place.clientHeight) / ROW) + BEYOND);
    sheet.replaceChildren(...shown.slice(first, last).map(rowOf));
    place.setAttribute("aria-rowcount", String(shown.length));
    if (current) place.setAttribute("aria-activedescendant", `span-${current.span.span_id}`);
  }

  function rowOf(node) {
    const { span } = node;
    const twisty = h("button", {
      type: "button", tabindex: "-1", class: node.children.length ? "twisty" : "twisty none", "aria-hidden": "true",
      on: { click: (event) => { event.stopPropagation(); fold(node, !node.folded); } },
    }, node.children.length ? (node.folded ? "▸" : "▾") : "");
    const why = node.cause ? "error: the root cause" : node.passedOn ? "error, passed on from within" : span.status;
    const sign = span.status === "ok" ? null : h("span", { class: `status-sign status-${span.status}${node.passedOn ? " passed-on" : ""}`, title: why }, SIGNS[span.status] || "?");
    const label = h("div", { class: "label", role: "gridcell", style: { "padding-left": `${Math.min(node.depth, 24) * 14}px` } },
      twisty, kindChip(span.kind), h("span", { class: "name", dir: "auto" }, seen(span.name)), sign, node.cause ? h("span", { class: "cause" }, "cause") : null);
    return h("div", {
      class: `span-row${node === current ? " chosen" : ""}${hits.has(span.span_id) ? " hit" : ""}`, role: "row", id: `span-${span.span_id}`, style: { top: `${node.position * ROW}px` },
      "aria-level": node.depth + 1, "aria-rowindex": node.position + 1, "aria-selected": node === current ? "true" : "false",
      "aria-expanded": node.children.length ? String(!node.folded) : null,
      "aria-label": `${span.kind} ${span.name}, ${span.status}, ${duration(span.duration_ms)}`,
      on: { click: () => { choose(node); place.focus({ preventScroll: true }); } },
    }, label, h("div", { class: "span-figures", role: "gridcell" }, figuresOf(span)), h("div", { class: "track", role: "gridcell" }, bar(span)));
  }

  function bar(span) {
    const start = span.start ?? begin;
    const width = Math.max((span.status === "running" ? begin + length : endOf(span)) - start, 0);
    const left = ((start - begin) / length) * 100;
    const first = firstToken(span);
    const parts = [h("div", {
      class: `bar kind-${span.kind} bar-${span.status}`,
      style: { left: `${left}%`, width: `max(3px, ${(width / length) * 100}%)` },
      title: `${span.name}: ${duration(span.duration_ms)}${first === null ? "" : `, first token after ${duration(first)}`}`,
    })];
    if (first !== null) parts.push(h("div", { class: "first-token", style: { left: `${left + (first / length) * 100}%` } }));
    const right = left + (width / length) * 100;
    const time = h("span", { class: right > 82 ? "length before" : "length", style: right > 82 ? { right: `${100 - left}%` } : { left: `${right}%` } }, duration(span.duration_ms));
    if (right > 82 && left < 14) { time.className = "length inside"; time.style.right = ""; time.style.left = `${left}%`; }
    return [...parts, time];
  }

  function fold(node, folded) {
    if (!node.children.length) return;
    node.folded = folded;
    if (folded && liesWithin(current, node)) {
      current = node;
      told(node.span);
    }
    unfold();
  }

  function liesWithin(node, other) {
    for (let above = node && node.parent; above; above = above.parent) if (above === other) return true;
    return false;
  }

  function choose(node) {
    current = node;
    const top = node.position * ROW;
    if (top < place.scrollTop) place.scrollTop = top;
    if (top + ROW > place.scrollTop + place.clientHeight) place.scrollTop = top + ROW - place.clientHeight;
    draw();
    told(node.span);
  }

  function chooseId(id) {
    const node = nodes.find((one) => one.span.span_id === id) || nodes.find((one) => one.cause) || nodes[0];
    for (let above = node && node.parent; above; above = above.parent) above.folded = false;
    unfold();
    if (node) choose(node);
  }

  function keys(event) {
    if (!shown.length) return;
    const at = current ? current.position : -1;
    const steps = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: shown.length - 1, PageDown: at + 12, PageUp: at - 12 };
    if (event.key in steps) choose(shown[Math.max(0, Math.min(shown.length - 1, steps[event.key]))]);
    else if (event.key === "ArrowLeft" && current) {
      if (current.children.length && !current.folded) fold(current, true);
      else if (current.parent) choose(current.parent);
    } else if (event.key === "ArrowRight" && current) {
      if (current.folded) fold(current, false);
      else if (current.children.length) choose(current.children[0]);
    } else if (event.key === "Enter") document.getElementById("details").focus();
    else return;
    event.preventDefault();
  }

  // Mark the spans that a search found, and go to the next of them.
  function mark(ids) { hits = new Set(ids); draw(); }
  function nextHit() {
    const found = nodes.filter((node) => hits.has(node.span.span_id));
    if (!found.length) return;
    const at = nodes.indexOf(current);
    chooseId((found.find((node) => nodes.indexOf(node) > at) || found[0]).span.span_id);
  }

  place.addEventListener("keydown", keys);
  place.addEventListener("scroll", draw, { passive: true });
  window.addEventListener("resize", () => nodes.length && draw());

  return { show, chooseId, mark, nextHit, chosen: () => current && current.span, focus: () => place.focus({ preventScroll: true }) };
})();
