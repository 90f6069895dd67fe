"""What the server saw, over time: busy workers, handshakes that wait, are refused, are in vain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf, isfinite
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb

from simlib.charts.style import (
    MOST_POINTS,
    Group,
    SideLabel,
    count_axis,
    draw_steps,
    drawing,
    empty,
    time_axis,
    write_names,
)
from simlib.core.server_settings import ServerSettings, has_queue
from simlib.metrics.array_types import Floats
from simlib.metrics.attempts import attempts_per_s
from simlib.metrics.server import server_load
from simlib.trace.counts import TENTHS_PER_S
from simlib.trace.trace import Trace

#: Where servers have limits, and where nobody waits.
_UNLIMITED, _AT_ONCE = "the server takes whatever comes", "handshakes take no worker's time"
_LIMIT = "#333333"


class Panel(NamedTuple):
    """One panel of the chart: what is drawn over time, and what the server can do at most."""

    title: str
    label: str
    #: Columns of `server_load`; none: attempts.
    columns: tuple[str, ...]
    #: Whether they are counts, which are drawn by the second.
    counts: bool
    #: The limit that is drawn as a line, and what it is called.
    limit: Callable[[ServerSettings], float] = lambda _: inf
    limit_name: str = ""


PANELS = (
    Panel(
        "Attempts per second", "attempts per second", (), True,
        lambda server: server.accept_per_s, "accept rate",
    ),
    Panel("Workers that are busy", "busy workers", ("busy", "workers"), False),
    Panel(
        "Handshakes that wait for a worker", "waiting", ("backlog",), False,
        lambda server: server.backlog, "backlog's limit",
    ),
    Panel("Handshakes refused, and served in vain", "per second", ("refused", "abandoned"), True),
)  # fmt: skip


def draw_server(panels: Sequence[Axes], traces: Trace | Sequence[Trace]) -> None:
    """Draw each panel on its axes; the faults are named above the first."""
    for number, (axes, panel) in enumerate(zip(panels, PANELS, strict=True)):
        with drawing(panel.title, traces, axes) as (canvas, groups):
            canvas.set_ylabel(panel.label)
            _draw(canvas, panel, groups, names_faults=number == 0)
            canvas.set_xlabel("time, s" if number == len(PANELS) - 1 else "")
        if number:
            axes.set_title("", loc="right")


def _draw(axes: Axes, panel: Panel, groups: Sequence[Group], *, names_faults: bool) -> None:
    nothing = _says_nothing(panel, groups)
    if nothing:
        empty(axes, nothing)
        return
    ends = [
        end
        for group in groups
        for end in (
            _draw_columns(axes, panel, group) if panel.columns else _draw_attempts(axes, group)
        )
    ]
    ends += _draw_limit(axes, panel, groups)
    count_axis(axes)
    top = axes.get_ylim()[1]
    time_axis(axes, groups, names=names_faults)
    write_names(axes, [SideLabel(y / top, colour, text) for y, colour, text in ends if text])


def _says_nothing(panel: Panel, groups: Sequence[Group]) -> str:
    """Return why a panel stays empty; empty if it does not."""
    servers = [run.scenario.server for group in groups for run in group.runs]
    if not panel.columns:
        return ""
    if not any(len(server_load(run)) for group in groups for run in group.runs):
        return _UNLIMITED
    return "" if panel.counts or any(map(has_queue, servers)) else _AT_ONCE


_End = tuple[float, str, str]


def _draw_attempts(axes: Axes, group: Group) -> list[_End]:
    heights = _stack([attempts_per_s(run) for run in group.runs])
    return [_steps(axes, group, heights, 1.0, group.describe_drawing())]


def _draw_columns(axes: Axes, panel: Panel, group: Group) -> list[_End]:
    loads = [server_load(run) for run in group.runs]
    rows = min(map(len, loads))
    if not rows:
        return []
    width = TENTHS_PER_S if panel.counts else -(-rows // MOST_POINTS)
    ends = []
    for place, column in enumerate(panel.columns):
        binned = [_bin(load[column].to_numpy(float)[:rows], width) for load in loads]
        heights = np.array(binned) * (1.0 if panel.counts else 1.0 / width)
        name = column if len(panel.columns) > 1 else ""
        words = ", ".join(filter(None, [group.name, name]))
        ends.append(_steps(axes, group, heights, width / TENTHS_PER_S, words, second=place > 0))
    return ends


def _steps(
    axes: Axes, group: Group, heights: Floats, width_s: float, text: str, *, second: bool = False
) -> _End:
    """Draw steps; the second column of a panel is dashed."""
    # Steps are drawn to the right of each point: the last one needs a point more.
    heights = np.concatenate([heights, heights[:, -1:]], axis=1)
    x = np.minimum(np.arange(heights.shape[1]) * width_s, group.end_s)
    median = draw_steps(axes, group, x, heights)
    colour = _darker(group.colour) if second else group.colour
    if second:
        axes.lines[-1].set(linestyle=(0, (2, 1)), linewidth=1.1, color=colour)
    axes.lines[-1].set_label(text or "_steps")
    return float(median[-1]), colour, text


def _draw_limit(axes: Axes, panel: Panel, groups: Sequence[Group]) -> list[_End]:
    """Draw what the servers can do at most, where that is within the picture."""
    limits = {panel.limit(group.runs[0].scenario.server) for group in groups}
    ends: list[_End] = []
    for limit in sorted(filter(isfinite, limits)):
        axes.axhline(limit, color=_LIMIT, linestyle="--", linewidth=0.9)
        ends.append((limit, _LIMIT, panel.limit_name))
    return ends


def _darker(colour: str) -> str:
    red, green, blue = to_rgb(colour)
    return to_hex((0.55 * red, 0.55 * green, 0.55 * blue))


def _stack(counts: Sequence[Floats]) -> Floats:
    shortest = min(each.size for each in counts)
    return np.array([each[:shortest] for each in counts])


def _bin(values: Floats, width: int) -> Floats:
    """Return sums of so many values that follow each other; of fewer at the end."""
    return np.add.reduceat(values, np.arange(0, values.size, width))
