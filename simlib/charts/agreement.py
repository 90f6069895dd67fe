"""Simulation over live: two samples as their fractions, and quantile against quantile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from typing import Any, Literal, NamedTuple

import numpy as np
from matplotlib.axes import Axes

from simlib.charts.client_findings import find_difference
from simlib.charts.ecdf import draw_fractions
from simlib.charts.figures import HEIGHT_IN, WIDTH_IN, figure_of, new_panels
from simlib.charts.labels import name_curves
from simlib.charts.style import (
    Group,
    describe_groups,
    describe_lateness,
    dress,
    empty,
    group_traces,
    style,
)
from simlib.charts.titles import write_figure_titles
from simlib.core.errors import SettingsError
from simlib.metrics.array_types import Floats
from simlib.metrics.fault_times import recovery_times_s
from simlib.metrics.messages import messages
from simlib.support.arguments import check_arguments
from simlib.trace.trace import Trace

#: The quantiles that are compared: beyond them a single client or message decides.
_SHARES = np.linspace(0.05, 0.95, 19)
_GREY = "#555555"


class _Measure(NamedTuple):
    name: str
    label: str
    values_of: Callable[[Trace], Floats]


def _latencies_s(run: Trace) -> Floats:
    table = messages(run)
    return table.loc[table["acknowledged_s"] < inf, "latency_s"].to_numpy()


_MEASURES = {
    "recovery": _Measure("time to recover", "time to recover, s", recovery_times_s),
    "latency": _Measure("latency of messages", "latency, s", _latencies_s),
}


@check_arguments
def agreement(
    traces: Sequence[Trace],
    of: Literal["recovery", "latency"] = "recovery",
    axes: Sequence[Axes] | None = None,
) -> Sequence[Axes]:
    """Draw two samples over each other, and quantile against quantile: is live as simulated?

    Parameters
    ----------
    traces : sequence of Trace
        Runs of two engines or of two scenarios, such as those of a `compare`:
        ``[*found.simulated, found.live]``. Runs that differ by their seed alone are one sample.
    of : {"recovery", "latency"}
        Times to recover of the clients, or latencies of the messages.
    axes : sequence of Axes, optional
        The two axes to draw on; a new figure by default.

    Returns
    -------
    sequence of Axes
        Left the fraction of values up to each, with the range of replications as a band; right a
        dot for each twentieth of both samples, on the diagonal where they agree, with the range
        of the replications. What never came is in the left one alone.

    Raises
    ------
    SettingsError
        If the runs are not of two kinds.

    Examples
    --------
    >>> import simlib as sl
    >>> storm = sl.Scenario(clients=9, duration_s=30, faults=[sl.Fault("outage", 5, 9)])
    >>> other = storm.replace("client.backoff.jitter", "none")
    >>> left, right = sl.plots.agreement([sl.run(storm), sl.run(other)])
    >>> right.get_xlabel()
    'time to recover, s: jitter full'
    """
    groups, measure = group_traces(traces), _MEASURES[of]
    if len(groups) != 2:
        rule = f"must be runs of two engines or scenarios; these are of {len(groups)}"
        raise SettingsError("traces", [group.name for group in groups], rule)
    with style():
        panels = new_panels(WIDTH_IN, HEIGHT_IN, 1, 2) if axes is None else axes
        for panel in panels if axes is not None else ():
            dress(panel)
        left, right = panels
        left.set(xlabel=measure.label, ylabel="fraction up to there")
        curves = draw_fractions(left, groups, measure.values_of, never="never")
        if not curves:
            empty(left, "there is nothing to compare")
        name_curves(left, curves)
        quantiles = _draw_quantiles(right, groups, measure)
        if axes is None:
            found = find_difference(quantiles, measure.name)
            what = f"{measure.name.capitalize()}: fractions, and quantiles against each other"
            words = [describe_groups(groups, what if found else ""), *describe_lateness(groups)]
            write_figure_titles(figure_of(left), found or what, "; ".join(words))
    return panels


def _draw_quantiles(axes: Axes, groups: Sequence[Group], measure: _Measure) -> dict[str, Floats]:
    """Draw the quantiles of two samples against each other; return those of each."""
    one, other = ([measure.values_of(run) for run in group.runs] for group in groups)
    samples = [_finite(np.concatenate(runs)) for runs in (one, other)]
    for axis, group in zip("xy", groups, strict=True):
        axes.set(**{f"{axis}label": f"{measure.label}: {group.name}"})
    if not all(sample.size for sample in samples):
        empty(axes, "there is nothing to compare")
        return {group.name: np.empty(0) for group in groups}
    x, y = (np.quantile(sample, _SHARES) for sample in samples)
    low, high = min(x.min(), y.min()), max(x.max(), y.max())
    room = 0.05 * (high - low) or 0.1
    limits = (low - room, high + room)
    axes.plot(limits, limits, color=_GREY, linewidth=1.0, linestyle="--", label="_diagonal")
    look: dict[str, Any] = {"fmt": "o", "markersize": 4, "elinewidth": 1.0, "capsize": 0}
    axes.errorbar(x, y, _range(other, y), _range(one, x), color=groups[1].colour, **look)
    axes.set(xlim=limits, ylim=limits)
    axes.set_aspect("equal")
    axes.grid(visible=True, axis="both")
    axes.annotate(
        "equal", (0.93, 0.93), (-4, 8), "axes fraction", "offset points",
        color=_GREY, ha="right", fontsize=8,
    )  # fmt: skip
    return {group.name: values for group, values in zip(groups, (x, y), strict=True)}


def _finite(values: Floats) -> Floats:
    return values[np.isfinite(values)]


def _range(runs: Sequence[Floats], middle: Floats) -> Floats | None:
    """Return how far the quantiles of single runs lie below and above; None of a single run."""
    known = [np.quantile(_finite(run), _SHARES) for run in runs if _finite(run).size]
    if len(known) < 2:
        return None
    ends = np.array(known)
    below, above = middle - ends.min(axis=0), ends.max(axis=0) - middle
    return np.maximum(np.vstack([below, above]), 0.0)
