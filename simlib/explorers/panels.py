"""Panels that several explorers draw: attempts, who is back, and what holds over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import ceil, inf, isfinite, isnan

import numpy as np

from simlib.charts.client_findings import find_recovery
from simlib.charts.load_findings import find_peaks
from simlib.charts.times import name_fault, time_window_s
from simlib.explorers.picture import ChartPanel, Series, round_limit
from simlib.metrics.array_types import Floats
from simlib.metrics.attempts import (
    attempts_per_s,
    opens_per_s,
)
from simlib.metrics.fault_times import recovery_times_s
from simlib.metrics.metrics import row
from simlib.metrics.run_sentences import describe_load
from simlib.metrics.words import format_count
from simlib.scenario.rates import handshakes_per_s
from simlib.trace.trace import Trace

#: A limit this many times above all that is drawn would leave the rest at the bottom.
_MOST_ABOVE = 3.0
#: So many points show a curve of shares, and one over the time of a run.
_SHARES, _POINTS = 200, 400


def attempts_panel(runs: Mapping[str, Trace], *, opened: bool = True) -> ChartPanel:
    """Return attempts per second of runs by name, and of a single one those let in."""
    traces = list(runs.values())
    series = [
        _by_second(name, attempts_per_s(run), i) for i, (name, run) in enumerate(runs.items())
    ]
    if opened and len(traces) == 1:
        series = [
            _by_second("attempts", attempts_per_s(traces[0]), 0),
            replace(_by_second("let in", opens_per_s(traces[0]), 1), is_minor=True),
        ]
    top = round_limit(np.concatenate([each.y for each in series]), least=5.0)
    limit = min(handshakes_per_s(run.scenario) for run in traces)
    levels: tuple[tuple[float, str], ...] = ()
    if isfinite(limit) and limit <= _MOST_ABOVE * top:
        top = max(top, round_limit(np.array([limit])))
        levels = ((limit, f"the server can take {format_count(limit)}/s"),)
    return ChartPanel(
        finding=_find_attempts(runs),
        what="Attempts in each second",
        x_label="time, s",
        series=tuple(series),
        x_range=window_s(traces),
        top=top,
        shades=fault_shades(traces),
        levels=levels,
    )


def _find_attempts(runs: Mapping[str, Trace]) -> str:
    """Return the worst second, after the fault if there is one, beside what the server can take."""
    traces = list(runs.values())
    values = [row(run) for run in traces]
    if len(traces) == 1 and (said := describe_load(traces[0].scenario, values[0])):
        return said.rstrip(".")
    has_end = not any(isnan(each["peak_after_fault_per_s"]) for each in values)
    metric = "peak_after_fault_per_s" if has_end else "peak_attempts_per_s"
    limits = {handshakes_per_s(run.scenario) for run in traces}
    peaks = {name: float(each[metric]) for name, each in zip(runs, values, strict=True)}
    limit = limits.pop() if len(limits) == 1 else inf
    when = " after the fault" if has_end else ""
    return find_peaks(peaks, limit, when) or f"No attempt is made{when}"


def recovery_panel(runs: Mapping[str, Trace]) -> ChartPanel:
    """Return the share of the clients that a fault hit and that are back, over the time since."""
    times_s = {name: recovery_times_s(run) for name, run in runs.items()}
    high = round_limit(np.concatenate([*times_s.values(), np.empty(0)]))
    return ChartPanel(
        finding=find_recovery(times_s) or "No fault that ended in the run cut off a client",
        what="Share of the clients hit that are back",
        x_label="time since the fault's end, s",
        series=tuple(
            _shares(name, each, high, i) for i, (name, each) in enumerate(times_s.items())
        ),
        x_range=(0.0, high),
        top=1.0,
    )


def _shares(name: str, values: Floats, high: float, colour: int) -> Series:
    """Return the share of values up to each; those that are inf are never reached."""
    x = np.linspace(0.0, high, _SHARES + 1)
    y = np.searchsorted(np.sort(values), x, side="right") / max(values.size, 1)
    return Series(name, x, y, colour=colour, lasts=True)


def levels_panel(
    run: Trace, what: str, finding: str, counts: Sequence[Series], top: float = 0.0
) -> ChartPanel:
    """Return a panel of counts or shares over the time of a run."""
    every = np.concatenate([each.y for each in counts] or [np.empty(0)])
    return ChartPanel(
        finding=finding,
        what=what,
        x_label="time, s",
        series=tuple(counts),
        x_range=window_s([run]),
        top=top or round_limit(every),
        shades=fault_shades([run]),
    )


def window_s(runs: Sequence[Trace]) -> tuple[float, float]:
    """Return the time that matters, to a round number, so that most steps leave the axis."""
    first_s, last_s = time_window_s(runs)
    end_s = max(run.end_s for run in runs)
    return first_s, min(end_s, first_s + round_limit(np.array([last_s - first_s])))


def fault_shades(runs: Sequence[Trace]) -> tuple[tuple[float, float, str], ...]:
    """Return when the faults of runs were on, and their names."""
    faults = {fault: None for run in runs for fault in run.scenario.faults}
    end_s = max(run.end_s for run in runs)
    return tuple(
        (fault.start_s, min(fault.end_s, end_s), name_fault(fault))
        for fault in sorted(faults, key=lambda fault: fault.start_s)
        if fault.start_s < end_s
    )


def _by_second(name: str, counts: Floats, colour: int) -> Series:
    return Series(name, np.arange(counts.size + 1.0), counts, colour=colour)


def moments_in_steps(name: str, times_s: Floats, run: Trace, colour: int = 0) -> Series:
    """Return how many of some moments of a run are in each second."""
    seconds = max(1, ceil(run.end_s))
    counts, _ = np.histogram(times_s, np.arange(seconds + 1))
    return _by_second(name, counts.astype(float), colour)


def count_over_time(begins_s: Floats, ends_s: Floats, end_s: float) -> tuple[Floats, Floats]:
    """Return how many spans are under way in each of even steps of a run: at their beginnings.

    Examples
    --------
    >>> x, y = count_over_time(np.array([0.0, 1.0]), np.array([2.0, 9.0]), 4.0)
    >>> y[[0, 150, 300]].tolist()
    [1.0, 2.0, 1.0]
    """
    x = np.linspace(0.0, end_s, _POINTS + 1)
    begun = np.searchsorted(np.sort(begins_s), x[:-1], side="right")
    ended = np.searchsorted(np.sort(ends_s), x[:-1], side="right")
    return x, (begun - ended).astype(float)
