"use strict";
// The page: sliders make a request, a worker plays it, charts follow; the newest request wins.
(() => {
  const at = (id) => document.getElementById(id);
  if (location.protocol === "file:") {
    at("finding").textContent = "A browser runs Python only from a server. In this folder: python3 -m http.server 8000, then open http://localhost:8000/";
    return;
  }
  const worker = new Worker("worker.js", { type: "module" });
  let begin = location.hash.startsWith("#s=") ? { address: location.hash.slice(1) } : {};
  let changes = {}, past = [], shown = null, pinned = null, busy = false, waits = false;

  function ask() {
    if (busy) { waits = true; return; }
    busy = true; waits = false;
    worker.postMessage({ kind: "answer", request: JSON.stringify({ ...begin, changes }) });
  }
  worker.onmessage = ({ data }) => {
    if (data.kind === "presets") { for (const name of JSON.parse(data.text)) at("preset").append(new Option(name, name)); return; }
    busy = false;
    if (data.kind === "broken") return complain("This browser cannot run simlib here: " + data.text);
    if (waits) { ask(); return; }
    const found = JSON.parse(data.text);
    if (found.error) return complain(found.error + (shown ? ". The charts show the last settings that work." : ""));
    if (!shown) worker.postMessage({ kind: "presets" });
    shown = found;
    at("error").hidden = true;
    document.querySelectorAll("figure, #numbers").forEach((each) => each.classList.remove("stale"));
    draw();
    history.replaceState(null, "", "#" + found.address);
  };
  worker.onerror = (event) => complain("This browser cannot run simlib here: " + event.message);
  function complain(text) {
    at("error").hidden = false;
    at("error").textContent = text;
    if (!shown) at("finding").textContent = "";
    document.querySelectorAll("figure, #numbers").forEach((each) => each.classList.add("stale"));
  }

  function change(key, value) {
    past.push({ begin, changes });
    changes = { ...changes, [key]: value };
    if (key === "preset") {
      // A policy replaces what was set of the client before it.
      changes = Object.fromEntries(Object.entries(changes).filter(([name]) => !name.startsWith("client.")));
    }
    at("note").textContent = "";
    ask();
  }
  const value = (control, place) => {
    const v = control.values[place];
    const text = v === "inf" ? "no limit" : typeof v === "number" ? v.toLocaleString("en", { maximumFractionDigits: 6 }) : v;
    return text + (control.unit && v !== "inf" ? " " + control.unit : "");
  };
  function drawControl(control) {
    let label = at("label-" + control.key);
    if (!label) {
      label = document.createElement("label"); label.id = "label-" + control.key;
      const isChoice = typeof control.values[0] === "string";
      const input = document.createElement(isChoice ? "select" : "input");
      const output = document.createElement("output"), help = document.createElement("small");
      input.id = control.key;
      input.setAttribute("aria-label", control.label);
      if (isChoice) control.values.forEach((each, place) => input.append(new Option(each, place)));
      else Object.assign(input, { type: "range", step: 1, min: 0 });
      input.addEventListener("input", () => {
        const now = shown.controls.find((each) => each.key === control.key);
        output.textContent = value(now, input.value);
        input.setAttribute("aria-valuetext", value(now, input.value));
        change(control.key, now.values[input.value]);
      });
      output.id = "value-" + control.key; output.htmlFor = control.key; help.textContent = control.help;
      label.append(control.label + ": ", ...(isChoice ? [input] : [output, input]), help);
      at("sliders").append(label);
    }
    const input = at(control.key), output = at("value-" + control.key);
    if (output) { input.max = control.values.length - 1; output.textContent = value(control, control.place); }
    input.value = control.place;
    input.setAttribute("aria-valuetext", value(control, control.place));
  }

  function draw() {
    shown.controls.forEach(drawControl);
    at("preset").value = changes.preset || "";
    at("finding").textContent = shown.sentence;
    at("policy-words").textContent = shown.policy + ". Played in " + (shown.played_ms / 1000).toFixed(2) + " s.";
    at("undo").disabled = !past.length;
    drawLoad(); drawBack(); drawWaits(); drawNumbers();
  }
  function drawLoad() {
    const all = pinned ? [pinned, shown] : [shown];
    const high = Math.max(...all.map((each) => each.load.length)), top = 1.1 * Math.max(5, ...all.flatMap((each) => each.load));
    const svg = Plots.frame(at("load-plot"), "Attempts per second. " + shown.sentence);
    const x = Plots.across(0, high), y = Plots.up(top);
    Plots.axes(svg, x, y, "time, s", Plots.ticks(0, high), Plots.ticks(0, top));
    for (const [from, to] of shown.faults) {
      Plots.shade(svg, x, from, to);
      Plots.words(svg, x(from) + 3, 25, "outage");
    }
    if (pinned) Plots.line(svg, Plots.steps(pinned.load, x, y), "var(--pinned)", "4 3");
    Plots.line(svg, Plots.steps(shown.load, x, y), "var(--accent)");
    Plots.line(svg, Plots.steps(shown.opened, x, y), "var(--in)", "2 2");
    const keys = [["attempts", "var(--accent)"], ["let in", "var(--in)"]].concat(pinned ? [["pinned", "var(--pinned)"]] : []);
    keys.forEach(([text, fill], i) => Plots.words(svg, 448, 26 + 12 * i, text, { fill, "text-anchor": "end" }));
    if (shown.limit !== "inf" && shown.limit <= top) {
      Plots.level(svg, y, shown.limit);
      Plots.words(svg, 448, y(shown.limit) - 3, "the server accepts " + Plots.number(shown.limit) + " per s", { fill: "var(--warn)", "text-anchor": "end" });
    }
  }
  function drawBack() {
    const all = pinned ? [pinned, shown] : [shown];
    const high = 1.05 * Math.max(1, ...all.flatMap((each) => each.back_s.filter((t) => t !== "inf")));
    const svg = Plots.frame(at("back-plot"), "Share of the clients that are back. " + shown.sentence);
    const x = Plots.across(0, high), y = Plots.up(1);
    Plots.axes(svg, x, y, "time since the end of the outage, s", Plots.ticks(0, high), [0, 0.25, 0.5, 0.75, 1]);
    const draw = (each, ...look) => Plots.line(svg, Plots.shares(each.back_s, high, x, y, (i) => (i + 1) / each.back_s.length), ...look);
    if (pinned) draw(pinned, "var(--pinned)", "4 3");
    draw(shown, "var(--accent)");
  }
  function drawWaits() {
    const top = 1.05 * Math.max(...shown.waits.flat());
    const svg = Plots.frame(at("waits-plot"), "Waits before each attempt. " + shown.policy);
    const x = Plots.across(0, shown.waits.length + 0.6), y = Plots.up(top);
    Plots.axes(svg, x, y, "attempt", Plots.ticks(1, shown.waits.length), Plots.ticks(0, top));
    shown.waits.forEach((row, i) => row.forEach((wait, k) => {
      // Side by side, or equal waits would hide each other.
      const aside = (k / (row.length - 1) - 0.5) * 0.6;
      Plots.node("circle", { cx: x(i + 1 + aside), cy: y(wait), r: 1.4, fill: "var(--accent)", opacity: 0.7 }, svg);
    }));
    Plots.words(svg, 52, 12, "wait, s");
  }
  function drawNumbers() {
    const table = at("numbers");
    table.tHead.replaceChildren(); table.tBodies[0].replaceChildren();
    const head = table.tHead.insertRow();
    for (const name of ["", "now"].concat(pinned ? ["pinned"] : [])) {
      const th = document.createElement("th"); th.scope = "col"; th.textContent = name; if (name) th.className = "n"; head.append(th);
    }
    shown.numbers.forEach(([name, number], i) => {
      const row = table.tBodies[0].insertRow(), th = document.createElement("th");
      th.scope = "row"; th.textContent = name; row.append(th);
      row.insertCell().textContent = Plots.number(number);
      if (pinned) row.insertCell().textContent = Plots.number(pinned.numbers[i][1]);
    });
  }

  const copy = async (text, what) => {
    try { await navigator.clipboard.writeText(text); at("note").textContent = what + " is in the clipboard."; }
    catch { at("note").textContent = "This browser does not let a page copy. Mark this: " + text; }
  };
  at("preset").addEventListener("change", (event) => change("preset", event.target.value));
  at("pin").addEventListener("click", () => { if (!shown) return; pinned = pinned ? null : shown; at("pin").textContent = pinned ? "Unpin" : "Pin these curves"; draw(); });
  at("undo").addEventListener("click", () => { if (!past.length) return; ({ begin, changes } = past.pop()); ask(); });
  at("reset").addEventListener("click", () => { past.push({ begin, changes }); begin = {}; changes = {}; ask(); });
  at("copy-toml").addEventListener("click", () => shown && copy(shown.toml, "The scenario"));
  at("copy-python").addEventListener("click", () => shown && copy(shown.python, "The program"));
  at("copy-link").addEventListener("click", () => shown && copy(location.href, "The address"));
  addEventListener("hashchange", () => {
    if (shown && location.hash.slice(1) === shown.address) return;
    past.push({ begin, changes }); begin = { address: location.hash.slice(1) }; changes = {}; ask();
  });
  ask();
})();
