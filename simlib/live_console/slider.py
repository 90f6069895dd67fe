"""A slider of the console: the browser's own, so keys move it and its name is read out."""

from __future__ import annotations

import anywidget
import traitlets

_SCRIPT = """
export default { render({ model, el }) {
  const label = document.createElement("label"), input = document.createElement("input");
  const shown = document.createElement("b");
  Object.assign(label.style, { display: "flex", gap: "8px", alignItems: "center",
    lineHeight: "1.4", marginRight: "16px", color: "var(--jp-content-font-color1, inherit)" });
  Object.assign(input, { type: "range" });
  for (const name of ["min", "max", "step"]) input[name] = model.get(name);
  // The arrows are JupyterLab's, too, unless it is asked to leave them.
  input.dataset.lmSuppressShortcuts = "true";
  input.setAttribute("aria-label", model.get("description"));
  label.append(model.get("description"), input, shown);
  el.append(label);
  const words = (value) => `${Math.round(value * 100) / 100} ${model.get("unit")}`;
  const show = (value) => {
    shown.textContent = words(value);
    input.setAttribute("aria-valuetext", words(value));
  };
  const follow = () => { input.value = model.get("value"); show(model.get("value")); };
  input.addEventListener("input", () => show(+input.value));
  // Not while it is dragged: each value is a fault of its own.
  input.addEventListener("change", () => {
    model.set("value", +input.value);
    model.save_changes();
  });
  model.on("change:value", follow);
  follow();
} };
"""


class Slider(anywidget.AnyWidget):
    """A slider with a name, a unit and a range."""

    _esm = _SCRIPT
    description = traitlets.Unicode("").tag(sync=True)
    unit = traitlets.Unicode("").tag(sync=True)
    value = traitlets.Float(0.0).tag(sync=True)
    min = traitlets.Float(0.0).tag(sync=True)
    max = traitlets.Float(1.0).tag(sync=True)
    step = traitlets.Float(0.05).tag(sync=True)
