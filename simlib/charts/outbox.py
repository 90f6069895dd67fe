"""The number of messages in the outboxes over time, stacked by priority."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, isnan, nan

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from simlib.charts.labels import AREA, Sample, write_key
from simlib.charts.message_findings import Backlog, find_outbox
from simlib.charts.style import MOST_POINTS, Group, count_axis, empty
from simlib.charts.times import time_axis
from simlib.metrics.array_types import Floats
from simlib.metrics.messages import outbox_depth
from simlib.trace.disruptions import interrupting
from simlib.trace.trace import Trace

#: What outboxes hold so long before a fault is what they usually hold.
_USUAL_S = 10.0

#: From dark to light, in the order of urgency.
PRIORITY_COLOURS = {
    "critical": "#7F2704",
    "high": "#D94801",
    "normal": "#FD8D3C",
    "low": "#FDD0A2",
}


def draw_outbox(axes: Axes, groups: Sequence[Group]) -> None:
    """Draw the last group's outboxes as areas, and those of the others over it as lines."""
    axes.set_ylabel("messages in all outboxes")
    depths = [[outbox_depth(run) for run in group.runs] for group in groups]
    if not any(depth.to_numpy().any() for runs in depths for depth in runs):
        empty(axes, "no outbox ever held a message")
        return
    x = _moments(depths, max(group.end_s for group in groups))
    *others, stacks = [np.array([_stack(depth, x) for depth in runs]) for runs in depths]
    names = _draw_areas(axes, x, stacks)
    if others or len(stacks) > 1:
        names.insert(
            0, Sample(groups[-1].colour, f"areas: {groups[-1].describe_drawing('median')}")
        )
    for group, runs in zip(groups, others, strict=False):
        names.append(Sample(group.colour, f"lines: {group.describe_drawing('median')}"))
        if len(runs) > 1:
            names.append(Sample(group.colour, "dotted: range of the total"))
        _draw_lines(axes, x, runs, group.colour, levels=4 if len(others) == 1 else 1)
    count_axis(axes)
    all_runs = [run for group in groups for run in group.runs]
    time_axis(axes, all_runs, until_s=max(map(_drained_at_s, all_runs)))
    write_key(axes, names)


def find_backlog(groups: Sequence[Group]) -> str:
    """Return the sentence about the outboxes: how much they held, and until when."""
    held = {}
    for group in groups:
        backlogs = np.array([describe_backlog(run, outbox_depth(run)) for run in group.runs])
        held[group.name] = Backlog(*np.median(backlogs, axis=0).tolist())
    return find_outbox(held)


def describe_backlog(run: Trace, depth: pd.DataFrame) -> Backlog:
    """Return how much a run's outboxes held, and how soon after its faults they had drained."""
    times_s, totals = depth.index.to_numpy(), depth.to_numpy().sum(axis=1)
    most = float(totals.max())
    faults = [fault for fault in interrupting(run.scenario) if fault.end_s < run.end_s]
    if not faults:
        return Backlog(most, nan, 0.0)
    before = totals[(times_s <= faults[0].start_s) & (times_s > faults[0].start_s - _USUAL_S)]
    usual, stop_s = max([1.0, *before.tolist()]), max(fault.end_s for fault in faults)
    calm = times_s[(totals <= usual) & (times_s >= stop_s)]
    left = float(totals[-1])
    return Backlog(most, float(calm[0] - stop_s) if calm.size else inf, left * (left > usual))


def _drained_at_s(run: Trace) -> float:
    """Return when the outboxes had drained after the last fault; 0 if there was none."""
    drained_s = describe_backlog(run, outbox_depth(run)).drained_s
    if isnan(drained_s):
        return 0.0
    return min(run.end_s, max(fault.end_s for fault in interrupting(run.scenario)) + drained_s)


def _draw_lines(axes: Axes, x: Floats, runs: Floats, colour: str, levels: int) -> None:
    """Draw the median of the top levels of the stack, and the range of the total, dotted."""
    for level in range(-levels, 0):
        axes.step(x, np.median(runs[:, level], axis=0), where="post", color=colour, lw=1.2)
    if len(runs) > 1:
        for edge in (runs[:, -1].min(axis=0), runs[:, -1].max(axis=0)):
            axes.step(x, edge, where="post", color=colour, lw=1.0, ls=":")


def _moments(depths: Sequence[Sequence[pd.DataFrame]], end_s: float) -> Floats:
    """Return the moments at which to draw: all changes, or evenly spaced if they are many."""
    changes = [depth.index.to_numpy() for runs in depths for depth in runs]
    times_s: Floats = np.unique(np.concatenate([*changes, [end_s]]))
    return times_s if times_s.size <= MOST_POINTS else np.linspace(0.0, end_s, MOST_POINTS)


def _stack(depth: pd.DataFrame, x: Floats) -> Floats:
    """Return the heights (priorities x moments) of the stack, most urgent at the bottom."""
    rows = np.searchsorted(depth.index, x, side="right") - 1
    return depth.to_numpy()[rows].cumsum(axis=1).T.astype(float)


def _draw_areas(axes: Axes, x: Floats, runs: Floats) -> list[Sample]:
    """Draw the median stack; return the key to it, from the top down."""
    samples: list[Sample] = []
    bottom = np.zeros_like(x)
    for level, (priority, colour) in enumerate(PRIORITY_COLOURS.items()):
        top = np.median(runs[:, level], axis=0)
        axes.fill_between(x, bottom, top, step="post", color=colour, lw=0, label=priority)
        if (top > bottom).any():
            samples.insert(0, Sample(colour, priority, AREA))
        bottom = top
    return samples
