"""The line of words of a console: a live region, which a screen reader reads out as it changes."""

from __future__ import annotations

import anywidget
import traitlets

# The element stays and only its text changes: a region that is drawn anew is read out by few.
_SCRIPT = """
export default { render({ model, el }) {
  const line = document.createElement("div");
  line.style.minHeight = "1.4em";
  line.style.lineHeight = "1.4";
  el.append(line);
  const show = () => {
    const wrong = model.get("wrong");
    line.setAttribute("role", wrong ? "alert" : "status");
    line.setAttribute("aria-live", wrong ? "assertive" : "polite");
    line.style.color = wrong
      ? "var(--jp-error-color0, #b00020)" : "var(--jp-content-font-color1, inherit)";
    line.textContent = model.get("value");
  };
  model.on("change", show);
  show();
} };
"""


class Words(anywidget.AnyWidget):
    """A line that says what happens, or what is wrong."""

    _esm = _SCRIPT
    value = traitlets.Unicode("").tag(sync=True)
    wrong = traitlets.Bool(False).tag(sync=True)

    def tell(self, words: str, *, wrong: bool) -> None:
        """Change the line."""
        with self.hold_sync():
            self.value, self.wrong = words, wrong
