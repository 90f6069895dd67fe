"use strict";
// A notebook's cells in the page: a worker runs them one after the other, and what they show stands below them.
(() => {
  const at = (id) => document.getElementById(id);
  const complain = (text) => { at("error").hidden = false; at("error").textContent = text; at("state").textContent = ""; };
  if (location.protocol === "file:")
    return complain("A browser runs Python only from a server. In this folder: python3 -m http.server 8000, then open http://localhost:8000/start.html");
  const worker = new Worker("worker.js", { type: "module" });
  const cells = [...document.querySelectorAll(".cell")], code = (cell) => cell.querySelector("textarea");
  const COLOURS = ["var(--accent)", "var(--in)", "var(--pinned)", "var(--warn)"];
  let turn = Promise.resolve(), answered = null;

  worker.onmessage = ({ data }) => {
    if (data.kind === "broken") complain("This browser cannot run simlib here: " + data.text);
    answered(data);
  };
  worker.onerror = (event) => complain("This browser cannot run simlib here: " + event.message);
  const ask = (request) => new Promise((resolve) => { answered = resolve; worker.postMessage(request); });
  ask({ kind: "presets" }).then((data) => { if (data.kind !== "broken") at("state").textContent = "Python is ready."; });

  // A cell needs what those above it made: those that were not run yet are run first.
  function run(cell) {
    const missing = cells.slice(0, cells.indexOf(cell)).filter((each) => !each.dataset.run);
    for (const each of [...missing, cell]) { each.dataset.run = "waits"; turn = turn.then(() => play(each)); }
    return turn;
  }
  // What the sliders in the frame make, as its page says in its address; nothing before it has played.
  function movedTo() {
    const sliders = document.querySelector("iframe");
    return sliders && sliders.contentWindow.location.hash.startsWith("#s=") ? sliders.contentWindow.location.hash.slice(1) : "";
  }
  async function play(cell) {
    cell.dataset.run = "runs";
    at("state").textContent = cell.getAttribute("aria-label") + " runs ...";
    const data = await ask({ kind: "cell", request: { source: code(cell).value, movedTo: movedTo() } });
    if (data.kind === "broken") return;
    cell.querySelector(".shown").replaceChildren(...JSON.parse(data.text).map(show));
    cell.dataset.run = "done";
    at("state").textContent = cell.getAttribute("aria-label") + " has run.";
  }

  function make(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }
  function show(output) {
    if (output.kind === "text") return make("pre", {}, output.text);
    if (output.kind === "error") return make("pre", { class: "error" }, output.text);
    if (output.kind === "html") { const holder = make("div", { class: "card" }); holder.innerHTML = output.html; return holder; }
    if (output.kind === "table") return table(output);
    if (output.kind === "explorer") return make("iframe", { src: output.address, title: "Sliders over this scenario", loading: "lazy" });
    return chart(output);
  }
  function table({ heads, rows }) {
    const head = make("tr", {}, make("td"), ...heads.map((name) => make("th", { scope: "col", class: "n" }, name)));
    const body = rows.map(([name, ...values]) => make("tr", {}, make("th", { scope: "row" }, name), ...values.map((value) => make("td", {}, value))));
    return make("div", { class: "scrolled" }, make("table", {}, make("thead", {}, head), make("tbody", {}, ...body)));
  }
  function chart({ curves, faults, alt }) {
    const holder = make("div"), svg = Plots.frame(holder, alt), loads = curves.map(([, load]) => load);
    const high = Math.max(...loads.map((load) => load.length)), top = 1.1 * Math.max(5, ...loads.flat());
    const x = Plots.across(0, high), y = Plots.up(top);
    Plots.axes(svg, x, y, "time, s", Plots.ticks(0, high), Plots.ticks(0, top));
    for (const [from, to] of faults) { Plots.shade(svg, x, from, to); Plots.words(svg, x(from) + 3, 25, "outage"); }
    curves.forEach(([label, load], i) => {
      const colour = COLOURS[i % COLOURS.length];
      Plots.line(svg, Plots.steps(load, x, y), colour);
      Plots.words(svg, 448, 26 + 12 * i, label, { fill: colour, "text-anchor": "end" });
    });
    return make("figure", {}, make("figcaption", {}, "Attempts in each second"), holder);
  }

  cells.forEach((cell, i) => {
    cell.querySelector("button").addEventListener("click", () => run(cell));
    code(cell).addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !event.shiftKey) return;
      event.preventDefault();
      run(cell);
      if (cells[i + 1]) code(cells[i + 1]).focus();
    });
  });
  at("run-all").addEventListener("click", () => {
    for (const cell of cells) delete cell.dataset.run;
    run(cells[cells.length - 1]);
  });
})();
