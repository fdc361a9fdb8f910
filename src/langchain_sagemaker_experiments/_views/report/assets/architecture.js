// Model architecture: what the application is made of and what each component was built with. Laid out by dagre.
"use strict";
var Report = (window.Report = window.Report || {});

Report.architecture = (() => {
  const { h, svg, seen, number, counted, duration, kindChip } = Report.dom;
  const { tree } = Report.details;
  const HEIGHT = 46;
  const drawing = document.getElementById("drawing");
  const choice = document.getElementById("architecture-choice");
  const facts = document.getElementById("architecture-facts");
  const details = document.getElementById("node-details");
  let all = [];

  choice.addEventListener("change", () => layOut(Number(choice.value)));

  async function show() {
    const found = await Report.data.architectures();
    const chosen = choice.value;
    all = found;
    choice.replaceChildren(...all.map((one, i) => h("option", { value: i }, seen(one.title))));
    if (chosen && Number(chosen) < all.length) choice.value = chosen;
    layOut();
  }

  const widthOf = (node) => Math.max(110, Math.min(300, 28 + Math.max(label(node).length * 7.6, about(node).length * 6.2)));
  const about = (node) => [node.kind.replace("_", " "), node.calls ? counted(node.calls, "call") : "", node.ms ? duration(node.ms) : "", node.errors ? `${number(node.errors)} failed` : ""].filter(Boolean).join(" · ");
  const label = (node) => (node.name.length > 34 ? `${node.name.slice(0, 33)}…` : node.name);

  function layOut(at = Number(choice.value) || 0) {
    const one = all[at];
    if (!one) {
      drawing.replaceChildren(h("p", { class: "muted" }, "No components were recorded."));
      return;
    }
    facts.textContent = one.about;
    const graph = new dagre.graphlib.Graph({ compound: true, multigraph: true });
    graph.setGraph({ rankdir: "TB", nodesep: 26, ranksep: 44, marginx: 16, marginy: 16 });
    graph.setDefaultEdgeLabel(() => ({}));
    for (const group of one.groups) graph.setNode(group.id, { group });
    for (const group of one.groups) if (group.parent) graph.setParent(group.id, group.parent);
    for (const node of one.nodes) {
      graph.setNode(node.id, { node, width: widthOf(node), height: HEIGHT });
      if (node.group) graph.setParent(node.id, node.group);
    }
    one.edges.forEach((edge, i) => graph.setEdge(edge.source, edge.target, { edge }, `e${i}`));
    dagre.layout(graph);
    draw(one, graph);
    // The first that has something to tell.
    const first = Math.max(0, one.nodes.findIndex((node) => node.parameters && Object.keys(node.parameters).length));
    if (one.nodes.length) choose(one.nodes[first], drawing.querySelectorAll(".node")[first]);
  }

  function draw(one, graph) {
    const { width, height } = graph.graph();
    const image = svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "group", "aria-label": `${one.nodes.length} components` });
    image.append(svg("defs", {}, svg("marker", { id: "arrow", viewBox: "0 0 10 10", refX: 9, refY: 5, markerWidth: 9, markerHeight: 9, markerUnits: "userSpaceOnUse", orient: "auto" }, svg("path", { d: "M0,0L10,5L0,10z", class: "arrow" }))));
    for (const id of graph.nodes()) {
      const { group, x, y, width: w, height: hh } = graph.node(id);
      if (!group) continue;
      const title = svg("text", { x: x - w / 2 + 8, y: y - hh / 2 + 14, class: "group-name" });
      title.textContent = seen(group.name);
      image.append(svg("rect", { x: x - w / 2, y: y - hh / 2, width: w, height: hh, rx: 8, class: "group" }), title);
    }
    for (const id of graph.edges()) {
      const { edge, points } = graph.edge(id);
      const kind = `edge${edge.conditional ? " conditional" : ""}${edge.taken ? " taken" : edge.taken === 0 ? " untaken" : ""}`;
      const loop = id.v === id.w;
      const way = loop ? around(graph.node(id.v)) : `M${points.map((point) => `${point.x},${point.y}`).join("L")}`;
      const line = svg("path", { d: way, class: kind, "marker-end": "url(#arrow)" });
      if (edge.taken) line.style.setProperty("stroke-width", `${Math.min(5, 1.5 + Math.log2(edge.taken) * 0.6)}px`);
      image.append(line);
      const said = [edge.label, edge.taken ? `${number(edge.taken)}×` : ""].filter(Boolean).join(" ");
      if (said) {
        const middle = loop ? { x: graph.node(id.v).x + graph.node(id.v).width / 2 + 34, y: graph.node(id.v).y + 4 } : points[Math.floor(points.length / 2)];
        const text = svg("text", { x: middle.x + (loop ? 0 : 14), y: middle.y, class: "edge-label" });
        text.textContent = seen(said);
        image.append(text);
      }
    }
    for (const node of one.nodes) image.append(box(node, graph.node(node.id)));
    drawing.replaceChildren(image);
  }

  // An edge from a node to itself: an arc at its right side, for which dagre keeps a place.
  const around = ({ x, y, width, height }) => `M${x + width / 2},${y - height / 4}c26,-8 26,${height / 2 + 8} 0,${height / 2}`;

  function box(node, { x, y, width, height }) {
    const name = svg("text", { x, y: y - 2, class: "node-name" });
    name.textContent = seen(label(node));
    const below = svg("text", { x, y: y + 14, class: "node-about" });
    below.textContent = seen(about(node));
    const group = svg("g", { class: `node kind-${node.kind}${node.errors ? " failed" : ""}`, tabindex: 0, role: "button", "aria-label": `${node.kind} ${node.name}` },
      svg("rect", { x: x - width / 2, y: y - height / 2, width, height, rx: 8 }), name, below);
    group.addEventListener("click", () => choose(node, group));
    group.addEventListener("focus", () => choose(node, group));
    group.addEventListener("keydown", (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); details.focus(); } });
    return group;
  }

  // The window knows what a component was built with from the whole record of one of its spans.
  async function complete(node, group) {
    if (!Report.data.live || node.asked || node.parameters || !node.span) return;
    node.asked = true;
    const { component } = await Report.data.span({ span_id: node.span });
    if (!component) return;
    node.type = Array.isArray(component.id) ? component.id.join(".") : null;
    node.parameters = component.kwargs || null;
    if (group.classList.contains("chosen")) choose(node, group);
  }

  function choose(node, group) {
    complete(node, group).catch(() => {});
    for (const other of drawing.querySelectorAll(".node.chosen")) other.classList.remove("chosen");
    group.classList.add("chosen");
    const settings = node.parameters && Object.keys(node.parameters).length ? tree(node.parameters, 1) : h("p", { class: "muted" }, "LangChain told nothing of its settings.");
    details.replaceChildren(
      h("header", {}, h("h3", { dir: "auto" }, seen(node.name)), kindChip(node.kind)),
      h("dl", { class: "facts" }, [["Class", node.type], ["Calls", node.calls ? number(node.calls) : ""], ["Errors", node.errors ? number(node.errors) : ""], ["Time in all", node.ms ? duration(node.ms) : ""]]
        .filter(([, value]) => value).map(([name, value]) => [h("dt", {}, name), h("dd", {}, seen(String(value)))])),
      h("details", { open: true }, h("summary", {}, "Built with"), settings));
  }

  return { show };
})();
