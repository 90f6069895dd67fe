"use strict";
// Moves over points that were played beforehand; nothing is computed between them.
(() => {
  const data = JSON.parse(document.getElementById("grid").textContent);
  const place = data.given.slice();
  let shown = null; // the policy that is drawn alone; null: all
  const said = (policy) => policy === data.given_policy ? "the policy as given" : policy;
  const byPlace = new Map(data.points.map((p) => [p.place.join() + "|" + p.policy, p]));
  const number = (x) => Plots.number(x === null ? "inf" : x);
  const value = (axis, i) => typeof axis.values[i] === "number" ? axis.values[i].toLocaleString("en") : String(axis.values[i]);
  const here = () => data.policies.filter((p) => shown === null || p === shown)
    .map((p) => byPlace.get(place.join() + "|" + p)).filter(Boolean);

  const colour = (policy) => data.colours[data.policies.indexOf(policy)];
  const dash = (policy) => ["", "7 3", "2 2", "7 2 2 2"][data.policies.indexOf(policy) % 4];

  function drawLoad(points) {
    const svg = Plots.frame(document.getElementById("load-plot"), "Attempts per second over time, in steps: the worst second of each");
    const low = Math.min(...points.map((p) => p.load_start_s)), high = Math.max(...points.map((p) => p.load_start_s + p.load.length * p.load_step_s));
    const top = 1.3 * Math.max(10, ...points.flatMap((p) => p.load));
    const x = Plots.across(low, high), y = Plots.upByPowers(top);
    const powers = [1, 10, 100, 1000, 10000, 100000, 1000000].filter((v) => v <= top);
    Plots.shade(svg, x, 0, points[0].outage_s);
    Plots.axes(svg, x, y, "time since the fault began, s", Plots.ticks(low, high), powers);
    const limit = points[0].limit_per_s;
    if (limit !== null && limit <= top) {
      Plots.level(svg, y, limit);
      Plots.words(svg, 450, 10, "dashed: the server can take " + number(limit), { "text-anchor": "end", fill: "var(--warn)" });
    }
    for (const p of points) Plots.line(svg, Plots.steps(p.load, x, y, p.load_start_s, p.load_step_s), colour(p.policy), dash(p.policy), 1.6);
  }
  function drawBack(points) {
    const svg = Plots.frame(document.getElementById("back-plot"), "Share of the clients hit that are back, over time since the fault's end");
    const high = Math.max(1, ...points.flatMap((p) => p.back_s.filter((t) => t !== null))) * 1.05;
    const x = Plots.across(0, high), y = Plots.up(1);
    Plots.axes(svg, x, y, "time since the fault's end, s", Plots.ticks(0, high), [0, 0.25, 0.5, 0.75, 1]);
    for (const p of points) {
      Plots.line(svg, Plots.shares(p.back_s, high, x, y, (i) => i / (p.back_s.length - 1)), colour(p.policy), dash(p.policy));
    }
  }
  function drawNumbers(points) {
    const table = document.getElementById("numbers");
    table.replaceChildren();
    const head = table.createTHead().insertRow();
    for (const name of ["policy", ...data.headings]) { const th = document.createElement("th"); th.scope = "col"; th.textContent = name; if (name !== "policy") th.className = "n"; head.append(th); }
    const body = table.createTBody();
    for (const p of points) {
      const row = body.insertRow();
      const th = document.createElement("th"); th.scope = "row";
      // The line as it is drawn: in grey its dashes alone tell the policies apart.
      const mark = Plots.node("svg", { viewBox: "0 0 30 8", width: 30, height: 8, style: "display: inline; width: 30px; margin-right: .4em", "aria-hidden": "true" }, th);
      Plots.node("line", { x1: 0, x2: 30, y1: 4, y2: 4, style: "stroke:" + colour(p.policy), "stroke-width": 2.4, "stroke-dasharray": dash(p.policy) }, mark);
      th.append(p.policy); row.append(th);
      for (const v of p.numbers) { const cell = row.insertCell(); cell.className = "n"; cell.textContent = v === undefined ? "-" : number(v); }
    }
  }
  function sentence(points) {
    const done = points.filter((p) => p.numbers[1] !== null).sort((a, b) => a.numbers[1] - b.numbers[1]);
    const where = data.axes.map((axis, i) => axis.said[place[i]]).join(" and ");
    if (!done.length) return "With " + where + ": fewer than 99 % of the clients are back within the run, with any policy shown.";
    const best = done[0];
    let text = "With " + where + ": 99 % are back after " + number(best.numbers[1]) + " s with " + said(best.policy);
    for (const p of done.slice(1)) text += ", " + number(p.numbers[1]) + " s with " + said(p.policy);
    const never = points.length - done.length;
    return text + (never ? "; with the other" + (never > 1 ? "s" : "") + " not within the run." : ".");
  }
  function draw() {
    const points = here();
    data.axes.forEach((axis, i) => {
      const slider = document.getElementById("axis-" + i);
      slider.value = place[i];
      slider.setAttribute("aria-valuetext", value(axis, place[i]));
      document.getElementById("value-" + i).textContent = value(axis, place[i]);
    });
    document.getElementById("policy").value = shown === null ? "" : shown;
    if (!points.length) { document.getElementById("finding").textContent = "This point could not be played."; return; }
    document.getElementById("finding").textContent = sentence(points);
    drawLoad(points); drawBack(points); drawNumbers(points);
  }
  function keep() {
    const parts = data.axes.map((axis, i) => axis.slug + "=" + encodeURIComponent(axis.values[i === undefined ? 0 : place[i]]));
    if (shown !== null) parts.push("policy=" + encodeURIComponent(shown));
    history.replaceState(null, "", "#" + parts.join("&"));
  }
  function follow() {
    if (!location.hash.includes("=")) return false;
    const asked = new URLSearchParams(location.hash.slice(1));
    data.axes.forEach((axis, i) => {
      if (!asked.has(axis.slug)) return;
      const wanted = asked.get(axis.slug);
      let index = axis.values.findIndex((v) => String(v) === wanted);
      if (index < 0 && !Number.isNaN(Number(wanted)) && axis.values.every((v) => typeof v === "number")) {
        // A value that was not played: the nearest that was.
        index = axis.values.map((v, k) => [Math.abs(v - Number(wanted)), k]).sort((a, b) => a[0] - b[0])[0][1];
      }
      if (index >= 0) place[i] = index;
    });
    const policy = asked.get("policy");
    shown = data.policies.includes(policy) ? policy : null;
    return true;
  }
  const controls = document.getElementById("controls");
  data.axes.forEach((axis, i) => {
    const label = document.createElement("label");
    const output = document.createElement("output"); output.id = "value-" + i; output.htmlFor = "axis-" + i;
    const slider = document.createElement("input");
    Object.assign(slider, { type: "range", min: 0, max: axis.values.length - 1, step: 1, id: "axis-" + i });
    slider.addEventListener("input", () => { place[i] = Number(slider.value); keep(); draw(); });
    label.append(axis.label + ": ", output, slider);
    controls.append(label);
  });
  const label = document.createElement("label");
  const select = document.createElement("select"); select.id = "policy";
  select.append(new Option("all policies", ""), ...data.policies.map((p) => new Option(p, p)));
  select.addEventListener("change", () => { shown = select.value || null; keep(); draw(); });
  label.append("policy: ", document.createElement("br"), select);
  controls.append(label);
  document.getElementById("living").hidden = false;
  // What is folded would be missing on paper; what is long stays folded there, too.
  addEventListener("beforeprint", () => document.querySelectorAll("details:not(.long)").forEach((d) => { d.open = true; }));
  addEventListener("hashchange", () => { if (follow()) draw(); });
  if (follow()) document.getElementById("explore").scrollIntoView();
  draw();
})();
