// Charts in the page's colours, drawn by Chart.js.
"use strict";
var Report = (window.Report = window.Report || {});

Report.charts = (() => {
  const { h } = Report.dom;

  // A colour of the style sheet as the canvas needs it: light-dark() already decided.
  function color(name) {
    const probe = h("span", { style: { color: `var(${name})` } });
    document.body.append(probe);
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
  }

  function prepare() {
    Chart.defaults.color = color("--muted");
    Chart.defaults.borderColor = color("--line");
    Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
    Chart.defaults.font.size = 11;
    Chart.defaults.animation = false;
  }

  // A figure with a canvas of a fixed height in it.
  function figure(title, label) {
    const canvas = h("canvas", { role: "img", "aria-label": label || title });
    return { canvas, element: h("figure", {}, h("figcaption", {}, title), h("div", { class: "canvas" }, canvas)) };
  }

  return { color, prepare, figure };
})();
