"""Empirical distribution functions (ECDF)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf

import numpy as np
from matplotlib.axes import Axes

from simlib.charts.style import MOST_POINTS, Group, SideLabel, draw_steps, logarithmic, write_names
from simlib.metrics.array_types import Floats
from simlib.trace.trace import Trace


def draw_fractions(
    axes: Axes, groups: Sequence[Group], values_of: Callable[[Trace], Floats], log: bool = False
) -> bool:
    """Draw the fraction of values up to each (the ECDF), where inf is never reached.

    Returns False, and draws nothing, if there are no values.
    """
    samples = [(group, [np.sort(values_of(run)) for run in group.runs]) for group in groups]
    samples = [(group, [run for run in runs if run.size]) for group, runs in samples]
    samples = [(group, runs) for group, runs in samples if runs]
    if not samples:
        return False
    everything = np.concatenate([run for _, runs in samples for run in runs])
    limits = _limits(axes, everything[everything < inf], log)
    ends = []
    for group, runs in samples:
        x = _points(np.concatenate(runs), *limits)
        fractions = np.array([np.searchsorted(run, x, side="right") / run.size for run in runs])
        median = draw_steps(axes, group, x, fractions)
        ends.append(
            SideLabel(median[-1] / 1.02, group.colour, _with_never(group.describe_drawing(), runs))
        )
    axes.set(xlim=limits, ylim=(0.0, 1.02))
    axes.grid(True, axis="both")
    write_names(axes, ends)
    return True


def _limits(axes: Axes, reached: Floats, log: bool) -> tuple[float, float]:
    if not axes.get_autoscalex_on():
        return axes.get_xlim()  # the caller's own
    low, high = (reached.min(), reached.max()) if reached.size else (0.0, 1.0)
    if not log or low <= 0.0:
        return 0.0, 1.05 * high or 1.0
    logarithmic(axes)
    return low / 1.5, 1.5 * high


def _points(values: Floats, low: float, high: float) -> Floats:
    """Return the values at which the ECDF rises, thinned if they are many, between the limits."""
    values = np.unique(values[values < inf])
    if values.size > MOST_POINTS:
        values = values[np.linspace(0, values.size - 1, MOST_POINTS).astype(int)]
    return np.concatenate([[low], values, [high]])


def _with_never(name: str, runs: Sequence[Floats]) -> str:
    values = np.concatenate(runs)
    never = int(np.isinf(values).sum())
    if not never:
        return name
    return f"{name}; {never:,} of {values.size:,} never recovered".removeprefix("; ")
