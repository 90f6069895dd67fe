"""Empirical distribution functions (ECDF)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes

from simlib.charts.labels import Curve
from simlib.charts.style import MOST_POINTS, Group, draw_steps, logarithmic
from simlib.metrics.array_types import Floats
from simlib.trace.trace import Trace


class Sampled(NamedTuple):
    """Values of one kind, of each run, and how their curve looks."""

    name: str
    colour: str
    runs: Sequence[Floats]
    dashes: Any = "-"


def draw_fractions(
    axes: Axes,
    groups: Sequence[Group],
    values_of: Callable[[Trace], Floats],
    *,
    log: bool = False,
    never: str = "",
) -> list[Curve]:
    """Draw the fraction of values up to each (the ECDF) of each group of runs; see `draw_ecdf`."""
    kinds = [
        Sampled(group.name, group.colour, [values_of(run) for run in group.runs], group.dashes)
        for group in groups
    ]
    return draw_ecdf(axes, kinds, log=log, never=never)


def draw_ecdf(
    axes: Axes, kinds: Sequence[Sampled], *, log: bool = False, never: str = ""
) -> list[Curve]:
    """Draw the fraction of values up to each (the ECDF) of each kind, where inf is never reached.

    ``never`` is said of the values that are inf. Returns the curves, to be named; none if there are
    no values.
    """
    kinds = [each._replace(runs=[np.sort(run) for run in each.runs if run.size]) for each in kinds]
    kinds = [each for each in kinds if each.runs]
    if not kinds:
        return []
    everything = np.concatenate([run for each in kinds for run in each.runs])
    limits = _limits(axes, everything[everything < inf], log)
    curves = []
    for each in kinds:
        x = _points(np.concatenate(each.runs), *limits)
        shares = [np.searchsorted(run, x, side="right") / run.size for run in each.runs]
        curve = draw_steps(axes, each, x, np.array(shares))
        curves.append(curve._replace(text=_with_never(curve.text, each.runs, never)))
    axes.set(xlim=limits, ylim=(0.0, 1.02))
    axes.grid(True, axis="both")
    return curves


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


def _with_never(name: str, runs: Sequence[Floats], said: str) -> str:
    values = np.concatenate(runs)
    never = int(np.isinf(values).sum())
    if not never or not said:
        return name
    return f"{name}; {never:,} of {values.size:,} {said}".removeprefix("; ")
