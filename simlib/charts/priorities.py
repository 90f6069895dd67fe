"""Message latency by priority: what is urgent overtakes the rest, or does it?"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import numpy as np
from matplotlib.axes import Axes

from simlib.charts.colours import DASHES
from simlib.charts.ecdf import Sampled, draw_ecdf
from simlib.charts.labels import Curve, name_curves
from simlib.charts.message_findings import find_latency
from simlib.charts.outbox import PRIORITY_COLOURS
from simlib.charts.style import Group, drawing, empty
from simlib.metrics.array_types import Floats
from simlib.metrics.messages import messages
from simlib.support.arguments import check_arguments
from simlib.trace.trace import Trace

#: Lines are thinner than areas: the lightest would not be seen.
_COLOURS = PRIORITY_COLOURS | {"low": "#8C6D46"}


@check_arguments
def latency_by_priority(traces: Trace | Sequence[Trace], axes: Axes | None = None) -> Axes:
    """Draw how soon messages of each priority were acknowledged: are the urgent ones sooner?

    Parameters
    ----------
    traces : Trace or sequence of Trace
        One run, or runs that differ by their seed alone: then the medians are drawn, and bands from
        lowest to highest. Of others, the first is drawn.
    axes : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes
        Fraction of the acknowledged messages of each priority, over their latency in s, on a log
        axis.

    Examples
    --------
    >>> import simlib as sl
    >>> workload = sl.Workload(critical_fraction=0, high_fraction=0, low_fraction=0.5)
    >>> run = sl.run(sl.Scenario(clients=3, duration_s=20, workload=workload))
    >>> [line.get_label() for line in sl.plots.latency_by_priority(run).lines]
    ['normal', 'low']
    """
    what = "Message latency by priority"
    with drawing(what, traces, axes, _find) as (canvas, groups):
        name_curves(canvas, _draw(canvas, groups[:1]))
    return canvas


def _latencies_s(runs: Sequence[Trace]) -> dict[str, list[Floats]]:
    """Return the latencies of the messages of each priority, run by run."""
    tables = [table[table["acknowledged_s"] < inf] for table in map(messages, runs)]
    return {
        priority: [
            table.loc[table["priority"] == priority, "latency_s"].to_numpy() for table in tables
        ]
        for priority in _COLOURS
    }


def _find(groups: Sequence[Group]) -> str:
    by_priority = _latencies_s([run for group in groups[:1] for run in group.runs])
    pooled = {priority: np.concatenate(runs) for priority, runs in by_priority.items() if runs}
    return find_latency(pooled, "priority")


def _draw(axes: Axes, groups: Sequence[Group]) -> list[Curve]:
    axes.set_xlabel("time from send to acknowledgement, s")
    axes.set_ylabel("fraction of the acknowledged messages")
    by_priority = _latencies_s([run for group in groups for run in group.runs])
    kinds = [
        Sampled(priority, _COLOURS[priority], runs, DASHES[place])
        for place, (priority, runs) in enumerate(by_priority.items())
    ]
    curves = draw_ecdf(axes, kinds, log=True)
    if not curves:
        empty(axes, "no message was acknowledged")
    return curves
