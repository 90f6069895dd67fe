"use strict";
// Small charts as inline SVG: what each draws is given in the units of its axes.
const Plots = (() => {
  const NS = "http://www.w3.org/2000/svg";
  const LEFT = 48, RIGHT = 450, TOP = 15, BOTTOM = 240;
  const number = (x) => x === null ? "-" : x === "inf" ? "never" : x >= 100 ? Math.round(x).toLocaleString("en")
    : String(Number(x.toPrecision(3)));
  const node = (name, attributes, parent, text) => {
    const made = document.createElementNS(NS, name);
    for (const [key, v] of Object.entries(attributes)) made.setAttribute(key, v);
    if (text !== undefined) made.textContent = text;
    parent.append(made);
    return made;
  };
  const ticks = (low, high) => {
    const step = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000].find((s) => (high - low) / s <= 7) || 10000;
    const found = [];
    for (let i = Math.ceil(low / step); i * step <= high; i++) found.push(Number((i * step).toPrecision(6)));
    return found;
  };
  const path = (points) => points.map((p, i) => (i ? "L" : "M") + p[0].toFixed(1) + " " + p[1].toFixed(1)).join("");

  // A frame with its axes; gives the functions that turn units into places.
  function frame(holder, label, high, top, across) {
    holder.replaceChildren();
    const svg = node("svg", { viewBox: "0 0 460 280", role: "img", "aria-label": label }, holder);
    const x = (t) => LEFT + (RIGHT - LEFT) * t / high, y = (v) => BOTTOM - (BOTTOM - TOP) * v / top;
    for (const t of ticks(0, top)) {
      node("line", { x1: LEFT, x2: RIGHT, y1: y(t), y2: y(t), stroke: "var(--grid)" }, svg);
      node("text", { x: LEFT - 4, y: y(t) + 3, "text-anchor": "end", "font-size": 10, fill: "var(--muted)" }, svg, t.toLocaleString("en"));
    }
    for (const t of ticks(0, high)) node("text", { x: x(t), y: 254, "text-anchor": "middle", "font-size": 10, fill: "var(--muted)" }, svg, t.toLocaleString("en"));
    node("text", { x: 250, y: 272, "text-anchor": "middle", "font-size": 11 }, svg, across);
    return { svg, x, y };
  }
  const line = (svg, points, look) => node("path", { d: path(points), fill: "none", "stroke-width": 1.8, ...look }, svg);
  const words = (svg, x, y, text, look) => node("text", { x, y, "font-size": 10, ...look }, svg, text);
  // One value for each unit of time, as steps.
  const steps = (values, x, y) => values.flatMap((v, i) => [[x(i), y(v)], [x(i + 1), y(v)]]);
  // The share of all that is reached at each of ascending times; "inf" is never reached.
  const shares = (times, high, x, y) => {
    const points = [[x(0), y(0)]];
    times.forEach((t, i) => {
      if (t === "inf" || t > high) return;
      points.push([x(t), points[points.length - 1][1]], [x(t), y((i + 1) / times.length)]);
    });
    points.push([x(high), points[points.length - 1][1]]);
    return points;
  };
  return { frame, line, words, steps, shares, number, node };
})();
