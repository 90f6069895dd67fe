// An explorer's page: controls ask, one request at a time; the kernel answers with a view, which is drawn.
const talks = new WeakMap();
const page = Math.random().toString(36), AGAIN_MS = 10_000;

// One conversation for each explorer, however often it is shown.
function talkOf(model) {
  if (talks.has(model)) return talks.get(model);
  const talk = { busy: false, waiting: [], sent: 0, gesture: 0, redraw: new Set() };
  // A connection that was lost for a while, as when a laptop sleeps, may have lost a question or its answer: it is asked
  // again, and the kernel plays nothing twice.
  const send = (request) => {
    model.send(request);
    setTimeout(() => talk.busy && talk.sent === request.number && send(request), AGAIN_MS);
  };
  // The view comes as text: to walk through it, number by number, would take the kernel longer than to write it.
  const read = () => { talk.view = JSON.parse(model.get("view")); };
  talk.ask = (request) => {
    if (talk.busy) {
      // Values that were moved meanwhile go together, the newest of each: none queue up.
      const last = talk.waiting.at(-1);
      if (request.set && last && last.set) talk.waiting[talk.waiting.length - 1] = { ...request, set: { ...last.set, ...request.set } };
      else talk.waiting.push(request);
      return tell();
    }
    talk.busy = true; talk.sent += 1; talk.since = performance.now();
    send({ ...request, number: talk.sent, page });
    tell();
  };
  const tell = () => talk.redraw.forEach((each) => each());
  model.on("change:view", () => {
    read();
    if (talk.view.answers === talk.sent) {
      talk.busy = false;
      const next = talk.waiting.shift();
      if (next) return talk.ask(next);
    }
    tell();
  });
  // What is shown was answered in an earlier life of the page.
  read();
  talk.sent = talk.view.answers || 0;
  talks.set(model, talk);
  return talk;
}

function make(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  // What has the focus has the keys: JupyterLab would take arrows and letters for its cells.
  if (["button", "input", "select", "summary", "textarea"].includes(name)) made.dataset.lmSuppressShortcuts = "true";
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key in made && typeof value !== "string") made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}
// What is there already is not written again: a live region would say it, and the page would be laid out anew.
const write = (node, text) => { if (node.textContent !== text) node.textContent = text; };
const mark = (node, name, text) => { if (node.getAttribute(name) !== String(text)) node.setAttribute(name, text); };
let counted = 0;

function render({ model, el }) {
  const id = `simlib-${counted += 1}`, talk = talkOf(model), inputs = new Map(), charts = [];
  const root = make("section", { class: "simlib-explorer", "aria-label": "Explorer" });
  const heading = make("h3"), holders = make("div", { class: "controls" });
  const help = make("p", { class: "help", "aria-hidden": "true" });
  const sentence = make("p", { class: "sentence", role: "status", "aria-live": "polite" });
  const state = make("p", { class: "state" }), error = make("span", { class: "error", role: "alert" }), played = make("span");
  state.append(error, played);
  const panels = make("div", { class: "panels" }), table = make("table", { "aria-label": "The same in numbers" });
  const dots = make("div"), force = make("p", { class: "in-force" });
  const act = (what, text, more = {}) => make("button", { type: "button", onclick: () => talk.ask({ do: what, ...more }), "data-do": what }, text);
  const preset = make("select", { onchange: () => preset.value && talk.ask({ do: "choose", what: preset.value }) });
  const presetName = document.createTextNode(""), presetLabel = make("label", {}, presetName, preset);
  const undo = act("undo", "Undo"), unpin = act("unpin", "Unpin"), animate = act("animate", "Show clients as dots");
  const buttons = make("div", { class: "buttons" }, presetLabel, act("pin", "Pin this curve"), unpin, undo, act("reset", "Reset"), animate);
  const text = make("textarea", { readOnly: true, "aria-label": "What can be copied", spellcheck: false });
  const format = make("select", { "aria-label": "Copy as", onchange: () => talk.ask({ do: "copy", what: format.value }) });
  const copied = make("span", { role: "status" });
  const copy = make("button", { type: "button", "data-do": "clipboard", onclick: async () => {
    try { await navigator.clipboard.writeText(text.value); copied.textContent = "It is in the clipboard."; }
    catch { text.select(); copied.textContent = "This browser lets no page copy: the text is marked, press Ctrl+C."; }
  } }, "Copy to the clipboard");
  const drawer = make("details", {}, make("summary", {}, "Copy as TOML, as Python, or as the options of a real client"),
    make("p", { class: "buttons" }, make("label", {}, format), copy, copied), text);
  root.append(heading, buttons, holders, help, sentence, state, panels, dots, make("div", { class: "scrolled" }, table), force, drawer);
  el.append(root);

  function control(each) {
    const isChoice = each.kind === "choice", own = `${id}-${each.name}`;
    const input = make(isChoice ? "select" : "input", { id: own, "aria-label": `${each.group}: ${each.label}`, "aria-describedby": `${own}-help`, "data-name": each.name });
    if (isChoice) each.texts.forEach((said, i) => input.append(make("option", { value: String(i) }, said)));
    else { input.type = "range"; input.min = 0; input.step = 1; }
    // No output element: it would be read out beside the slider's own value.
    const output = make("b"), name = make("span");
    const label = make("label", {}, name, ": ", isChoice ? input : output, ...(isChoice ? [] : [input]), make("span", { class: "hidden", id: `${own}-help` }, each.help));
    const held = { input, output, name, label, each };
    input.addEventListener("input", () => {
      show(held, Number(input.value));
      talk.ask({ set: { [each.name]: held.each.values[input.value] }, gesture: `${id}-${talk.gesture}` });
    });
    input.addEventListener("change", () => { talk.gesture += 1; });
    for (const event of ["focus", "pointerenter"]) label.addEventListener(event, () => write(help, `${held.each.label}: ${held.each.help}`), true);
    return held;
  }
  function show(held, place) {
    const said = held.each.texts[place];
    if (held.input.value !== String(place)) held.input.value = place;
    mark(held.input, "aria-valuetext", said);
    if (held.input.tagName === "INPUT") write(held.output, said);
  }
  function drawControls(view) {
    const names = view.controls.map((each) => each.name).join();
    if (holders.dataset.names !== names) {
      holders.dataset.names = names; holders.replaceChildren(); inputs.clear();
      for (const group of new Set(view.controls.map((each) => each.group))) {
        const field = make("fieldset", {}, make("legend", {}, group));
        for (const each of view.controls.filter((one) => one.group === group)) {
          const held = control(each);
          inputs.set(each.name, held); field.append(held.label);
        }
        holders.append(field);
      }
    }
    const moved = Object.assign({}, ...talk.waiting.map((request) => request.set));
    for (const each of view.controls) {
      const held = inputs.get(each.name);
      write(held.name, each.label);
      if (each.name in moved || (talk.busy && document.activeElement === held.input)) continue; // it was moved since
      held.each = each;
      if (each.kind !== "choice") mark(held.input, "max", each.values.length - 1);
      show(held, each.place);
    }
  }
  function drawNumbers(numbers) {
    const shape = JSON.stringify([numbers.heads, numbers.rows.map(([name]) => name)]);
    if (table.dataset.shape === shape) {
      numbers.rows.forEach(([, ...values], i) => values.forEach((value, k) => write(table.tBodies[0].rows[i].cells[k + 1], value)));
      return;
    }
    table.dataset.shape = shape;
    const head = make("tr", {}, make("td"), ...numbers.heads.map((name) => make("th", { scope: "col" }, name)));
    const rows = numbers.rows.map(([name, ...values]) => make("tr", {}, make("th", { scope: "row" }, name), ...values.map((value) => make("td", {}, value))));
    table.replaceChildren(make("thead", {}, head), make("tbody", {}, ...rows));
  }
  function drawPanels(view) {
    if (charts.length !== view.panels.length) drawnWidth = 0;
    while (charts.length > view.panels.length) charts.pop().figure.remove();
    while (charts.length < view.panels.length) {
      const finding = make("span"), what = make("small"), holder = make("div");
      charts.push({ figure: make("figure", {}, make("figcaption", {}, finding, what), holder), finding, what, holder });
      panels.append(charts.at(-1).figure);
    }
    // All are there before one is measured: each is as wide as the others leave it. Measured again only when that
    // changes, since each time the browser lays the whole notebook out.
    if (drawnWidth !== width) {
      drawnWidth = width;
      for (const chart of charts) chart.width = chart.holder.clientWidth;
    }
    view.panels.forEach((panel, i) => {
      write(charts[i].finding, panel.finding);
      const left = drawPanel(charts[i].holder, panel, charts[i].width);
      // A name that has no room in the chart stands below its title.
      charts[i].what.replaceChildren(panel.what, ...left.map(({ name, colour }) => make("span", { class: "key", style: `color:${colour}` }, `\u2501 ${name}`)));
    });
  }
  function draw() {
    const view = talk.view, waits = talk.busy;
    drawControls(view);
    write(error, view.error ? `${view.error}${/[.!?]$/.test(view.error) ? "" : "."} The charts show the last values that work. ` : "");
    const waited_s = waits ? (performance.now() - talk.since) / 1000 : 0;
    write(played, view.compiling ? `${view.compiling} Until then the charts show the last values.`
      : waited_s > 120 ? "No answer for two minutes: the kernel is busy, or it was restarted; then run this cell again."
      : waited_s > 0.2 ? "Playing ..." : [view.note, view.played].filter(Boolean).join(" "));
    root.dataset.answers = view.answers; root.dataset.busy = waits;
    if (drawn === view) return;
    drawn = view;
    write(heading, view.title); write(sentence, view.sentence);
    root.setAttribute("aria-label", view.title);
    panels.classList.toggle("stale", Boolean(view.error || view.compiling));
    if (width) drawPanels(view); // else it is hidden: the observer says when it is seen
    drawNumbers(view.numbers);
    if (dots.dataset.html !== view.dots) { dots.dataset.html = view.dots; dots.innerHTML = view.dots; }
    presetLabel.hidden = !view.presets.values;
    if (view.presets.values) {
      if (preset.options.length !== view.presets.values.length + 1) preset.replaceChildren(make("option", { value: "" }, "as set below"), ...view.presets.values.map((name) => make("option", { value: name }, name)));
      presetName.textContent = view.presets.label; preset.value = view.presets.values.includes(view.presets.value) ? view.presets.value : "";
    }
    undo.disabled = !view.can.undo; unpin.disabled = !view.can.unpin; animate.hidden = !view.can.animate;
    write(animate, view.dots ? "Hide the dots" : "Show clients as dots");
    const inForce = JSON.stringify(view.in_force);
    if (force.dataset.shown !== inForce) force.replaceChildren("In force, beside the defaults: ", ...view.in_force.flatMap(([key, value], i) => [i ? ", " : "", make("b", {}, `${key}\u00a0=\u00a0${value}`)]));
    force.dataset.shown = inForce;
    if (format.options.length !== view.formats.length) format.replaceChildren(...view.formats.map((name) => make("option", { value: name }, name)));
    format.value = view.copied.as;
    if (text.value !== view.copied.text) { text.value = view.copied.text; copied.textContent = ""; }
  }
  let drawn = null, width = panels.clientWidth, drawnWidth = 0;
  const slow = setInterval(() => talk.busy && draw(), 250);
  const wide = new ResizeObserver(() => {
    if (Math.abs(panels.clientWidth - width) < 2) return; // its height alone follows from what is drawn
    width = panels.clientWidth; drawn = null;
    requestAnimationFrame(draw);
  });
  talk.redraw.add(draw);
  draw();
  wide.observe(panels);
  return () => { talk.redraw.delete(draw); wide.disconnect(); clearInterval(slow); };
}

function drawPanel(holder, panel, holderWidth) {
  const width = Math.max(260, Math.round(holderWidth || 460)), plots = makePlots(width);
  const [low, high] = panel.x_range, svg = plots.frame(holder, panel.alt);
  const x = plots.across(low, high), y = plots.up(panel.top);
  const inside = plots.node("clipPath", { id: `clip-${counted += 1}` }, svg);
  plots.node("rect", { x: plots.LEFT, y: plots.TOP - 2, width: plots.RIGHT - plots.LEFT, height: plots.BOTTOM - plots.TOP + 4 }, inside);
  const count = Math.max(2, Math.floor(width / 70));
  plots.axes(svg, x, y, panel.x_label, plots.ticks(low, high).filter((_, i, all) => all.length <= count || i % 2 === 0), plots.ticks(0, panel.top));
  const area = plots.node("g", { "clip-path": `url(#${inside.id})` }, svg);
  let free = low;
  for (const [from, to, name] of panel.shades) {
    if (to < low || from > high) continue;
    plots.shade(area, x, Math.max(from, low), Math.min(to, high));
    plots.node("line", { x1: x(from), x2: x(from), y1: plots.TOP, y2: plots.BOTTOM, stroke: "var(--muted)" }, area);
    const at = Math.max(from, low);
    if (at >= free) { plots.words(svg, x(at), 10, name); free = at + (high - low) * (name.length * 6) / (plots.RIGHT - plots.LEFT); }
  }
  const curves = panel.series.map((each) => drawSeries(plots, area, each, x, y));
  for (const [limit, name] of panel.levels) {
    plots.level(area, y, limit);
    curves.push({ name, colour: "var(--warn)", points: [[plots.LEFT, y(limit)], [plots.RIGHT, y(limit)]], isLevel: true });
  }
  return nameCurves(plots, svg, curves);
}

function drawSeries(plots, area, series, x, y) {
  const colour = `var(--c${series.colour % 6})`, points = [];
  if (series.form === "dots") {
    series.x.forEach((at, i) => series.y[i] !== null && plots.node("circle", { cx: x(at), cy: y(series.y[i]), r: 1.4, fill: "var(--ink)", opacity: 0.75 }, area));
    return { name: "", points };
  }
  series.y.forEach((v, i) => {
    if (v === null) return;
    const end = i + 1 < series.x.length ? series.x[i + 1] : series.x[i];
    points.push([x(series.x[i]), y(v)], [x(end), y(v)]);
  });
  if (series.form === "band") {
    const back = [];
    series.low.forEach((v, i) => v !== null && back.unshift([x(series.x[i + 1]), y(v)], [x(series.x[i]), y(v)]));
    if (points.length) plots.node("path", { d: `${plots.path([...points, ...back])}Z`, style: `fill:${colour}`, opacity: 0.22 }, area);
    return { name: "", points: [] };
  }
  if (points.length) plots.line(area, points, colour, series.dashed ? "5 3" : "", series.dashed ? 1.5 : 1.8);
  return { name: series.name, colour, points };
}

// Each name stands where its curve is far from the others, and on no other name. Returns the curves
// for whose names there is no room.
function nameCurves(plots, svg, curves) {
  const columns = 40, width = (plots.RIGHT - plots.LEFT) / columns, taken = [], left = [];
  const spans = curves.map(({ points }) => spanByColumn(points, plots.LEFT, width, columns));
  curves.forEach((curve, own) => {
    if (!curve.name) return;
    const length = curve.name.length * 5.6, places = [];
    for (let i = 0; i < columns; i++) {
      if (!spans[own][i]) continue;
      const at = Math.min(plots.LEFT + i * width + 3, plots.RIGHT - length);
      if (at < plots.LEFT) continue; // it is longer than the chart is wide
      const [top, bottom] = spans[own][i];
      for (const up of [top - 4, bottom + 11, top - 15, bottom + 22, top - 28, top - 40]) {
        if (up < plots.TOP + 8 || up > plots.BOTTOM - 2) continue;
        const box = [at, up - 9, at + length, up + 2];
        const away = Math.min(Math.abs(up + 4 - top), Math.abs(up - 11 - bottom));
        let cost = i * 0.02 + (up - plots.TOP) * 0.004 + away * 0.2;
        for (const other of taken) if (box[0] < other[2] && other[0] < box[2] && box[1] < other[3] && other[1] < box[3]) cost += 1000;
        spans.forEach((span, k) => {
          for (let c = Math.max(0, Math.floor((box[0] - plots.LEFT) / width)); c < columns && plots.LEFT + c * width < box[2]; c++) {
            if (!span[c]) continue;
            // Beside a curve, or a little above it, a name can be read; on another's bar it cannot.
            if (span[c][0] < box[3] && span[c][1] > box[1]) cost += k === own ? 3 : 6;
            else if (k !== own && Math.min(Math.abs(span[c][0] - up), Math.abs(span[c][1] - up)) < 18) cost += 0.8;
          }
        });
        places.push([cost, at, up, box]);
      }
    }
    const best = places.sort((a, b) => a[0] - b[0])[0];
    if (!best || best[0] >= 1000) return void left.push(curve);
    taken.push(best[3]);
    plots.words(svg, best[1], best[2], curve.name, { style: `fill:${curve.colour}`, stroke: "var(--paper)", "stroke-width": 3, "paint-order": "stroke", class: "curve-name" });
  });
  return left;
}
function spanByColumn(points, left, width, columns) {
  const spans = Array(columns).fill(null);
  const reach = (c, v) => { if (c >= 0 && c < columns) spans[c] = spans[c] ? [Math.min(spans[c][0], v), Math.max(spans[c][1], v)] : [v, v]; };
  for (let i = 0; i + 1 < points.length; i++) {
    const [from, to] = [points[i], points[i + 1]];
    for (let c = Math.floor((from[0] - left) / width); c <= Math.floor((to[0] - left) / width) && c < columns; c++) { reach(c, from[1]); reach(c, to[1]); }
  }
  return spans;
}
export default { render };
