"""Attempts and admissions: how many wanted in each second, and how many were let in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from simlib.charts.attempts import draw_limits, fit_height
from simlib.charts.labels import Curve, name_curves
from simlib.charts.load_findings import find_admissions
from simlib.charts.style import Group, count_axis, drawing, empty
from simlib.charts.times import time_axis
from simlib.metrics.array_types import Floats
from simlib.metrics.attempts import attempts_per_s, opens_per_s
from simlib.scenario.rates import handshakes_per_s
from simlib.support.arguments import check_arguments
from simlib.trace.disruptions import interrupting
from simlib.trace.trace import Trace

_ATTEMPTS, _OPENS = "#D55E00", "#0072B2"


@check_arguments
def admissions(traces: Trace | Sequence[Trace], axes: Axes | None = None) -> Axes:
    """Draw attempts and admissions per second: how many wanted in, and how many got in?

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
        Attempts, and the connections that opened, in each second, over time in s; dashed what the
        server can take.

    Examples
    --------
    >>> import simlib as sl
    >>> axes = sl.plots.admissions(sl.run(sl.Scenario(clients=3, duration_s=5)))
    >>> [line.get_label() for line in axes.lines]
    ['attempts', 'let in']
    """
    with drawing("Attempts and admissions", traces, axes, _find) as (canvas, groups):
        canvas.set_ylabel("per second")
        name_curves(canvas, _draw(canvas, groups[:1]))
    return canvas


def _draw(axes: Axes, groups: Sequence[Group]) -> list[Curve]:
    runs = [run for group in groups for run in group.runs]
    wanted, opened = [attempts_per_s(run) for run in runs], [opens_per_s(run) for run in runs]
    if not any(each.any() for each in wanted):
        empty(axes, "no attempt was made")
        return []
    curves = [
        _draw_counts(axes, wanted, _ATTEMPTS, "attempts", "-"),
        _draw_counts(axes, opened, _OPENS, "let in", (0, (4, 1))),
    ]
    time_axis(axes, runs)
    top = fit_height(axes, curves)
    limits = [handshakes_per_s(run.scenario) for run in runs]
    curves += draw_limits(axes, limits, top)
    count_axis(axes)
    return curves


def _draw_counts(
    axes: Axes, counts: Sequence[Floats], colour: str, name: str, dashes: object
) -> Curve:
    seconds = min(each.size for each in counts)
    heights = np.array([np.append(each[:seconds], each[seconds - 1]) for each in counts])
    x, median = np.arange(seconds + 1.0), np.median(heights, axis=0)
    low, high = heights.min(axis=0), heights.max(axis=0)
    # What is let in is an area: in grey, too, it is told apart from what wanted in.
    filled = name == "let in"
    if filled or len(counts) > 1:
        below = np.zeros_like(low) if filled and len(counts) == 1 else low
        axes.fill_between(x, below, high, step="post", color=colour, alpha=0.25, lw=0)
    axes.step(x, median, where="post", color=colour, label=name, linestyle=dashes)
    return Curve(x, median, colour, name)


def _find(groups: Sequence[Group]) -> str:
    runs = [run for group in groups[:1] for run in group.runs]
    totals = []
    for run in runs:
        ends_s = [fault.end_s for fault in interrupting(run.scenario) if fault.end_s < run.end_s]
        first = int(min(ends_s, default=0.0))
        totals.append((attempts_per_s(run)[first:].sum(), opens_per_s(run)[first:].sum()))
    if not totals:
        return ""
    wanted, opened = np.median(np.array(totals), axis=0)
    has_fault = any(interrupting(run.scenario) for run in runs)
    return find_admissions(float(wanted), float(opened), after_fault=has_fault)
