"use strict";
// Small charts as inline SVG, for pages that need no other script: a frame with axes, and what is in it.
const makePlots = (WIDTH) => {
  const NS = "http://www.w3.org/2000/svg";
  const LEFT = 48, RIGHT = WIDTH - 10, TOP = 15, BOTTOM = 240;
  const number = (x) => x === null ? "-" : x === "inf" ? "never" : x >= 100 ? Math.round(x).toLocaleString("en")
    : String(Number(x.toPrecision(3)));
  const node = (name, attributes, parent, text) => {
    const made = document.createElementNS(NS, name);
    for (const [key, v] of Object.entries(attributes)) made.setAttribute(key, v);
    if (text !== undefined) made.textContent = text;
    parent.append(made);
    return made;
  };
  const words = (svg, x, y, text, look) => node("text", { x, y, "font-size": 10, fill: "var(--muted)", ...look }, svg, text);
  const ticks = (low, high) => {
    const power = 10 ** Math.floor(Math.log10(Math.max(high - low, 1e-9) / 7));
    const step = [1, 2, 5, 10].map((s) => s * power).find((s) => (high - low) / s <= 7.000001);
    const found = [];
    for (let i = Math.ceil(low / step); i * step <= high; i++) found.push(Number((i * step).toPrecision(6)) || 0);
    return found;
  };

  function frame(holder, label) {
    holder.replaceChildren();
    return node("svg", { viewBox: `0 0 ${WIDTH} 280`, role: "img", "aria-label": label }, holder);
  }
  // From units to places: across, up, and up by powers of ten.
  const across = (low, high) => (t) => LEFT + (RIGHT - LEFT) * (t - low) / (high - low);
  const up = (top) => (v) => BOTTOM - (BOTTOM - TOP) * v / top;
  // By powers of ten, which have no 0: it stands at the bottom, a little below 1.
  const LEAST = 0.7;
  const upByPowers = (top) => (v) => BOTTOM - (BOTTOM - TOP) * Math.log(Math.max(v, LEAST) / LEAST) / Math.log(top / LEAST);

  function axes(svg, x, y, title, ticksX, ticksY) {
    for (const t of ticksY) {
      node("line", { x1: LEFT, x2: RIGHT, y1: y(t), y2: y(t), stroke: "var(--grid)" }, svg);
      words(svg, LEFT - 4, y(t) + 3, t.toLocaleString("en"), { "text-anchor": "end" });
    }
    for (const t of ticksX) words(svg, x(t), 254, t.toLocaleString("en"), { "text-anchor": "middle" });
    words(svg, (LEFT + RIGHT) / 2, 272, title, { "text-anchor": "middle", "font-size": 11, fill: "var(--ink)" });
  }
  const path = (points) => points.map((p, i) => (i ? "L" : "M") + p[0].toFixed(1) + " " + p[1].toFixed(1)).join("");
  const line = (svg, points, colour, dash = "", width = 1.8) =>
    node("path", { d: path(points), fill: "none", style: "stroke:" + colour, "stroke-width": width, "stroke-dasharray": dash }, svg);
  const shade = (svg, x, from, to) => node("rect", { x: x(from), y: TOP, width: Math.max(1, x(to) - x(from)), height: BOTTOM - TOP, fill: "var(--ink)", opacity: 0.08 }, svg);
  const level = (svg, y, v) => node("line", { x1: LEFT, x2: RIGHT, y1: y(v), y2: y(v), stroke: "var(--warn)", "stroke-dasharray": "5 3" }, svg);
  // One value for each stretch of time, as steps.
  const steps = (values, x, y, start = 0, length = 1) =>
    values.flatMap((v, i) => [[x(start + i * length), y(v)], [x(start + (i + 1) * length), y(v)]]);
  // The share that is reached at each of ascending times, up to the last of the axis.
  const shares = (times, last, x, y, shareOf) => {
    const points = [[x(0), y(0)]];
    times.forEach((t, i) => {
      if (typeof t === "number" && t <= last) points.push([x(t), points[points.length - 1][1]], [x(t), y(shareOf(i))]);
    });
    if (times.length) points.push([x(last), points[points.length - 1][1]]);
    return points;
  };
  return { frame, axes, across, up, upByPowers, ticks, line, shade, level, words, steps, shares, number, node, path, LEFT, RIGHT, TOP, BOTTOM };
};
const Plots = makePlots(460);
