"""The sequence diagram of one client, as a chart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes

from simlib.charts.figures import HEIGHT_IN
from simlib.charts.style import new_axes, style
from simlib.charts.titles import write_titles
from simlib.support.arguments import check_arguments
from simlib.trace.sequence import Arrow, Step, list_sequence_steps
from simlib.trace.trace import Trace

_CLIENT, _SERVER = 0.3, 0.85
_COLOURS = {
    Arrow.TO_SERVER: "#0072B2",
    Arrow.TO_CLIENT: "#009E73",
    Arrow.CROSS: "#D55E00",
    Arrow.NOTE: "#555555",
    Arrow.FAULT: "#333333",
}
_LINE_IN = 0.195
ALL_STEPS = 1_000_000_000


@check_arguments
def sequence(trace: Trace, client: int = 0, most: int = 24, axes: Axes | None = None) -> Axes:
    """Draw the sequence diagram of one client: how was its connection lost and found again?

    Parameters
    ----------
    trace : Trace
        The run.
    client : int
        Whom to draw.
    most : int
        No more steps are drawn; the others are counted.
    axes : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes
        The lifelines of client and server, and what went between them, from the top down.

    Examples
    --------
    >>> import simlib as sl
    >>> axes = sl.plots.sequence(sl.run(sl.Scenario(clients=3, duration_s=5)), client=1)
    >>> [text.get_text() for text in axes.texts][:2]
    ['client 1', 'server']
    """
    steps = list_sequence_steps(trace, client, most)
    canvas = draw_sequence(steps, client, axes)
    with style():
        what = f"{trace.label}: one client, from the top down"
        write_titles(
            canvas, describe_steps(list_sequence_steps(trace, client, ALL_STEPS), client), what
        )
    return canvas


def describe_steps(steps: Sequence[Step], client: int) -> str:
    """Return what happened to a client's connections, in a sentence.

    Examples
    --------
    >>> describe_steps([Step(1.0, Arrow.TO_SERVER, "a"), Step(1.2, Arrow.TO_CLIENT, "b")], 3)
    'Client 3 opens 1 connection with 1 attempt'
    """
    attempts = sum(step.arrow == Arrow.TO_SERVER for step in steps)
    opened = sum(step.arrow == Arrow.TO_CLIENT for step in steps)
    connections = "1 connection" if opened == 1 else f"{opened} connections"
    count = "1 attempt" if attempts == 1 else f"{attempts} attempts"
    return f"Client {client} opens {connections} with {count}"


def draw_sequence(steps: Sequence[Step], client: int, axes: Axes | None = None) -> Axes:
    """Draw the steps of one client between two lifelines, in order from the top down.

    Examples
    --------
    >>> axes = draw_sequence([Step(1.0, Arrow.TO_SERVER, "opens connection 1")], 3)
    >>> [text.get_text() for text in axes.texts][:2]
    ['client 3', 'server']
    """
    with style():
        axes = new_axes(max(HEIGHT_IN, 0.7 + _LINE_IN * len(steps)))[0] if axes is None else axes
        axes.set(xlim=(0.0, 1.0), ylim=(len(steps) + 0.2, -1.4))
        axes.set_axis_off()
        for x, name in ((_CLIENT, f"client {client}"), (_SERVER, "server")):
            axes.text(x, -0.9, name, ha="center", va="center", fontweight="bold")
            axes.plot([x, x], [-0.5, len(steps)], color="#888888", linewidth=0.8)
        for i, step in enumerate(steps):
            _draw_step(axes, i, step)
        for text in axes.texts:
            text.set_in_layout(False)  # they are inside the axes: the layout need not measure them
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
