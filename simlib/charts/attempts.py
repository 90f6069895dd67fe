"""Attempts per second, with what the server can take, and the sentence about them."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, isfinite, isnan

import numpy as np
from matplotlib.axes import Axes

from simlib.charts.labels import Curve
from simlib.charts.load_findings import find_peaks
from simlib.charts.style import Group, count_axis, draw_steps, empty
from simlib.charts.times import time_axis
from simlib.metrics.array_types import Floats
from simlib.metrics.attempts import (
    attempt_times_s,
    attempts_per_s,
    count_tenths,
    peak_after_faults,
    peak_of_tenths,
)
from simlib.metrics.run_sentences import describe_load
from simlib.metrics.words import format_count
from simlib.scenario.rates import handshakes_per_s
from simlib.trace.trace import Trace

LIMIT_COLOUR = "#333333"
#: A limit this many times above all that is drawn would leave the rest at the bottom: it is said.
_MOST_ABOVE = 3.0


def draw_attempts(axes: Axes, groups: Sequence[Group], over: Sequence[Curve] = ()) -> list[Curve]:
    """Draw each group's attempts as steps, with the faults and what the server can take.

    What has been drawn over them already is named with them; then all of the run is shown.
    """
    axes.set_ylabel("attempts per second")
    counts = [[attempts_per_s(run) for run in group.runs] for group in groups]
    if not over and not any(count.any() for runs in counts for count in runs):
        empty(axes, "no attempt was made")
        return []
    curves = [draw_counts(axes, group, runs) for group, runs in zip(groups, counts, strict=True)]
    runs = [run for group in groups for run in group.runs]
    if over:
        # A single run has no name, and needs one beside what is drawn over it.
        curves = [curve._replace(text=curve.text or "simulated") for curve in curves] + [*over]
        if axes.get_autoscalex_on():
            axes.set_xlim(0.0, max(run.end_s for run in runs))
    time_axis(axes, runs)
    top = fit_height(axes, curves)
    curves += draw_limits(axes, [handshakes_per_s(run.scenario) for run in runs], top)
    count_axis(axes)
    return curves


def draw_counts(axes: Axes, group: Group, runs: Sequence[Floats]) -> Curve:
    """Draw counts by second of a group's runs as steps."""
    seconds = min(count.size for count in runs)
    # Steps are drawn to the right of each point: the last one needs a point more.
    heights = np.array([np.append(count[:seconds], count[seconds - 1]) for count in runs])
    return draw_steps(axes, group, np.arange(seconds + 1.0), heights)


def fit_height(axes: Axes, curves: Sequence[Curve]) -> float:
    """Set the height to that of what is inside the window; return the highest value there.

    Limits that the caller has set stay.
    """
    first, last = axes.get_xlim()
    tops = [curve.y[(curve.x >= first - 1.0) & (curve.x <= last)] for curve in curves]
    for band in axes.collections:
        for path in band.get_paths():
            x, y = np.asarray(path.vertices).T
            tops.append(y[(x >= first) & (x <= last)])
    top = max((float(values.max()) for values in tops if values.size), default=0.0)
    if axes.get_autoscaley_on():
        axes.set_ylim(0.0, 1.12 * top or 1.0, auto=True)  # it may still be raised for a limit
    return top


def draw_limits(
    axes: Axes, limits: Sequence[float], top: float, name: str = "the server can take {}/s"
) -> list[Curve]:
    """Draw limits as dashed lines across the axes, where they are near enough to be seen."""
    near = sorted({limit for limit in limits if isfinite(limit) and limit <= _MOST_ABOVE * top})
    if near and axes.get_autoscaley_on():
        axes.set_ylim(0.0, max(axes.get_ylim()[1], 1.12 * near[-1]), auto=True)
    curves = []
    for limit in near:
        axes.axhline(limit, color=LIMIT_COLOUR, linestyle="--", linewidth=0.9)
        across, up = np.array([-inf, inf]), np.array([limit, limit])
        curves.append(Curve(across, up, LIMIT_COLOUR, name.format(format_count(limit))))
    return curves


def find_attempts(groups: Sequence[Group]) -> str:
    """Return the sentence about attempts: the worst second, beside what the server can take."""
    runs = [run for group in groups for run in group.runs]
    if len(runs) == 1:
        peak, after = _peaks(runs[0])
        values = {"peak_attempts_per_s": peak, "peak_after_fault_per_s": after}
        said = describe_load(runs[0].scenario, values).rstrip(".")
        if said or not peak:
            return said
    limits = {handshakes_per_s(run.scenario) for run in runs}
    limit = limits.pop() if len(limits) == 1 else inf
    peaks = [[_peaks(run) for run in group.runs] for group in groups]
    if any(isnan(after) for group in peaks for _, after in group):
        chosen, when = 0, ""
    else:
        chosen, when = 1, " after the fault"
    median = {
        group.name: float(np.median([pair[chosen] for pair in pairs]))
        for group, pairs in zip(groups, peaks, strict=True)
    }
    return find_peaks(median, limit, when)


def _peaks(run: Trace) -> tuple[float, float]:
    """Return the most attempts in one second: of the whole run, and after its faults."""
    from_s = run.scenario.warm_up_s
    tenths = (
        count_tenths(attempt_times_s(run), from_s)
        if run.tally is None
        else np.asarray(run.tally.tenths)
    )
    return peak_of_tenths(tenths), peak_after_faults(tenths, run.scenario, run.end_s)
