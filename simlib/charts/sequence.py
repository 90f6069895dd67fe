"""The sequence diagram of one client, as a chart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes

from simlib.charts.style import new_axes, style
from simlib.trace.sequence import Arrow, Step

_CLIENT, _SERVER = 0.3, 0.85
_COLOURS = {
    Arrow.TO_SERVER: "#0072B2",
    Arrow.TO_CLIENT: "#009E73",
    Arrow.CROSS: "#D55E00",
    Arrow.NOTE: "#555555",
    Arrow.FAULT: "#333333",
}
_LINE_IN = 0.27


def draw_sequence(steps: Sequence[Step], client: int, axes: Axes | None = None) -> Axes:
    """Draw the steps of one client between two lifelines, in order from the top down.

    Examples
    --------
    >>> axes = draw_sequence([Step(1.0, Arrow.TO_SERVER, "opens connection 1")], 3)
    >>> [text.get_text() for text in axes.texts][:2]
    ['client 3', 'server']
    """
    with style():
        axes = new_axes(0.8 + _LINE_IN * len(steps))[0] if axes is None else axes
        axes.set(xlim=(0.0, 1.0), ylim=(len(steps) + 0.2, -1.4))
        axes.set_axis_off()
        for x, name in ((_CLIENT, f"client {client}"), (_SERVER, "server")):
            axes.text(x, -0.9, name, ha="center", va="center", fontweight="bold")
            axes.plot([x, x], [-0.5, len(steps)], color="#888888", linewidth=0.8)
        for i, step in enumerate(steps):
            _draw_step(axes, i, step)
    return axes


def _draw_step(axes: Axes, y: int, step: Step) -> None:
    colour = _COLOURS[step.arrow]
    look: dict[str, Any] = {"color": colour, "fontsize": 8, "va": "center"}
    axes.text(0.0, y, f"{step.time_s:.2f} s", color="#555555", fontsize=8, va="center")
    if step.arrow == Arrow.NOTE:
        axes.text(_CLIENT + 0.015, y, step.text, **look)
        axes.plot([_CLIENT], [y], "o", color=colour, markersize=3)
    elif step.arrow == Arrow.FAULT:
        axes.axhspan(y - 0.45, y + 0.45, 0.1, 1.0, color="#000000", alpha=0.07, lw=0)
        axes.text((_CLIENT + _SERVER) / 2, y, step.text, ha="center", fontweight="bold", **look)
    else:
        start, end = (_CLIENT, _SERVER) if step.arrow == Arrow.TO_SERVER else (_SERVER, _CLIENT)
        style_ = "-" if step.arrow != Arrow.CROSS else "--"
        arrow = {
            "arrowstyle": "-|>",
            "color": colour,
            "linestyle": style_,
            "shrinkA": 0,
            "shrinkB": 0,
        }
        axes.annotate("", (end, y + 0.25), (start, y + 0.25), arrowprops=arrow)
        axes.text((_CLIENT + _SERVER) / 2, y - 0.12, step.text, ha="center", **look)
