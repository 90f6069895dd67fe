"""The number of messages in the outboxes over time, stacked by priority."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from simlib.charts.style import (
    AREA,
    MOST_POINTS,
    Group,
    count_axis,
    empty,
    key,
    time_axis,
    write_names,
)
from simlib.metrics.array_types import Floats
from simlib.metrics.messages import outbox_depth

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
        names.insert(0, (groups[-1].colour, f"areas: {groups[-1].describe_drawing('median')}", ""))
    for group, runs in zip(groups, others, strict=False):
        names.append((group.colour, f"lines: {group.describe_drawing('median')}", ""))
        if len(runs) > 1:
            names.append((group.colour, "dotted: range of the total", ""))
        _draw_lines(axes, x, runs, group.colour, levels=4 if len(others) == 1 else 1)
    count_axis(axes)
    time_axis(axes, groups)
    write_names(axes, key(names))


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


def _draw_areas(axes: Axes, x: Floats, runs: Floats) -> list[tuple[str, str, str]]:
    """Draw the median stack; return the key to it, from the top down."""
    samples: list[tuple[str, str, str]] = []
    bottom = np.zeros_like(x)
    for level, (priority, colour) in enumerate(PRIORITY_COLOURS.items()):
        top = np.median(runs[:, level], axis=0)
        axes.fill_between(x, bottom, top, step="post", color=colour, lw=0, label=priority)
        if (top > bottom).any():
            samples.insert(0, (colour, priority, AREA))
        bottom = top
    return samples
