"""What the server saw, over time: busy workers, handshakes that wait, are refused, are in vain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf, nan
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb

from simlib.charts.attempts import draw_counts, draw_limits, find_attempts, fit_height
from simlib.charts.labels import Curve, name_curves
from simlib.charts.load_findings import Refused, find_busy, find_refused, find_waiting
from simlib.charts.style import (
    MOST_POINTS,
    FindingOfGroups,
    Group,
    count_axis,
    draw_steps,
    drawing,
    empty,
    style,
)
from simlib.charts.times import time_axis
from simlib.charts.titles import write_titles
from simlib.core.server_settings import has_queue
from simlib.metrics.array_types import Floats
from simlib.metrics.attempts import attempts_per_s
from simlib.metrics.server import server_load, server_metrics
from simlib.metrics.server_counts import count_servers
from simlib.scenario.rates import handshakes_per_s
from simlib.scenario.scenario import Scenario
from simlib.trace.counts import TENTHS_PER_S
from simlib.trace.trace import Trace

#: Where servers have limits, and where nobody waits.
_UNLIMITED, _AT_ONCE = "the server takes whatever comes", "handshakes take no worker's time"


def _mean(group: Group, *metrics: str) -> list[float]:
    rows = [server_metrics(run) for run in group.runs]
    return [float(np.mean([row.get(metric, nan) for row in rows])) for metric in metrics]


def _find_busy(groups: Sequence[Group]) -> str:
    return find_busy({group.name: _mean(group, "server_busy_fraction")[0] for group in groups})


def _find_backlog(groups: Sequence[Group]) -> str:
    return find_waiting(
        {group.name: _mean(group, "backlog_worst")[0] for group in groups},
        min((group.runs[0].scenario.server.backlog for group in groups), default=inf),
    )


def _find_refused(groups: Sequence[Group]) -> str:
    return find_refused({group.name: _count_refused(group) for group in groups})


def _count_refused(group: Group) -> Refused:
    abandoned, served, *refused = _mean(group, *_ENDS, *_REFUSALS)
    return Refused(sum(refused), abandoned, served)


_ENDS = ("handshakes_abandoned", "handshakes_served")
_REFUSALS = tuple(
    f"refused_{why}" for why in ("backlog", "rate", "connections", "session", "address")
)


class Panel(NamedTuple):
    """One panel of the chart: what is drawn over time, and what the server can do at most."""

    title: str
    label: str
    #: Columns of `server_load`; none: attempts.
    columns: tuple[str, ...]
    #: Whether they are counts, which are drawn by the second.
    counts: bool
    finding: FindingOfGroups
    #: The limit that is drawn as a line, and what it is called.
    limit: Callable[[Scenario], float] = lambda _: inf
    limit_name: str = ""


PANELS = (
    Panel(
        "Attempts per second", "attempts/s", (), True, find_attempts,
        handshakes_per_s, "the server can take {}/s",
    ),
    Panel("Workers that are busy", "workers", ("busy", "workers"), False, _find_busy),
    Panel(
        "Handshakes that wait for a worker", "waiting", ("backlog",), False, _find_backlog,
        lambda scenario: scenario.server.backlog, "room for {}",
    ),
    Panel(
        "Handshakes refused, and served in vain", "per s", ("refused", "abandoned"), True,
        _find_refused,
    ),
)  # fmt: skip


def draw_server(panels: Sequence[Axes], traces: Trace | Sequence[Trace]) -> None:
    """Draw each panel on its axes; the faults are named above the first."""
    with style():  # once for all
        for number, (axes, panel) in enumerate(zip(panels, PANELS, strict=True)):
            with drawing(panel.title, traces, axes, panel.finding) as (canvas, groups):
                canvas.set_ylabel(panel.label)
                _draw(canvas, panel, groups, names_faults=number == 0)
                canvas.set_xlabel("time, s" if number == len(PANELS) - 1 else "")
            if number:  # of whom is said once, above all panels
                write_titles(axes, axes.get_title(loc="left").replace("\n", " "))


def _draw(axes: Axes, panel: Panel, groups: Sequence[Group], *, names_faults: bool) -> None:
    nothing = _says_nothing(panel, groups)
    if nothing:
        empty(axes, nothing)
        return
    curves = [
        curve
        for group in groups
        for curve in (
            _draw_columns(axes, panel, group)
            if panel.columns
            else [draw_counts(axes, group, [attempts_per_s(run) for run in group.runs])]
        )
    ]
    runs = [run for group in groups for run in group.runs]
    time_axis(axes, runs, names=names_faults)
    top = fit_height(axes, curves)
    limits = [panel.limit(run.scenario) for run in runs]
    curves += draw_limits(axes, limits, top, panel.limit_name)
    count_axis(axes)
    name_curves(axes, curves)


def _says_nothing(panel: Panel, groups: Sequence[Group]) -> str:
    """Return why a panel stays empty; empty if it does not."""
    servers = [run.scenario.server for group in groups for run in group.runs]
    if not panel.columns:
        return ""
    if not any(count_servers(run) for group in groups for run in group.runs):
        return _UNLIMITED
    return "" if panel.counts or any(map(has_queue, servers)) else _AT_ONCE


def _draw_columns(axes: Axes, panel: Panel, group: Group) -> list[Curve]:
    loads = [server_load(run) for run in group.runs]
    rows = min(map(len, loads))
    if not rows:
        return []
    width = TENTHS_PER_S if panel.counts else -(-rows // MOST_POINTS)
    curves = []
    for place, column in enumerate(panel.columns):
        binned = [_bin(load[column].to_numpy(float)[:rows], width) for load in loads]
        heights = np.array(binned) * (1.0 if panel.counts else 1.0 / width)
        name = column if len(panel.columns) > 1 else ""
        words = ", ".join(filter(None, [group.name, name]))
        curves.append(_steps(axes, group, heights, width / TENTHS_PER_S, words, second=place > 0))
    return curves


def _steps(
    axes: Axes, group: Group, heights: Floats, width_s: float, text: str, *, second: bool = False
) -> Curve:
    """Draw steps; the second column of a panel is dashed."""
    # Steps are drawn to the right of each point: the last one needs a point more.
    heights = np.concatenate([heights, heights[:, -1:]], axis=1)
    x = np.minimum(np.arange(heights.shape[1]) * width_s, group.end_s)
    curve = draw_steps(axes, group, x, heights)
    colour = _darker(group.colour) if second else group.colour
    if second:
        axes.lines[-1].set(linestyle=(0, (2, 1)), linewidth=1.1, color=colour)
    axes.lines[-1].set_label(text or "_steps")
    return curve._replace(colour=colour, text=text)


def _darker(colour: str) -> str:
    red, green, blue = to_rgb(colour)
    return to_hex((0.55 * red, 0.55 * green, 0.55 * blue))


def _bin(values: Floats, width: int) -> Floats:
    """Return sums of so many values that follow each other; of fewer at the end."""
    return np.add.reduceat(values, np.arange(0, values.size, width))
