"""Attempts to connect, over time."""

from __future__ import annotations

from math import nan

import numpy as np

from simlib.metrics.array_types import Floats, Ints
from simlib.metrics.run_columns import read_columns
from simlib.scenario.scenario import Scenario
from simlib.trace.columns import Name
from simlib.trace.counts import TENTHS_PER_S
from simlib.trace.disruptions import interrupting
from simlib.trace.trace import Trace


def attempt_times_s(trace: Trace) -> Floats:
    """Return when each attempt of any client was made, in ascending order."""
    return read_columns(trace).attempts_s


def attempts_per_s(trace: Trace) -> Floats:
    """Return the number of attempts from each whole second of the run to the next."""
    if trace.tally is not None:
        return np.asarray(trace.tally.attempts_per_s, float)
    return _per_s(trace, attempt_times_s(trace))


def opens_per_s(trace: Trace) -> Floats:
    """Return how many connections opened from each whole second of the run to the next."""
    if trace.tally is not None:
        place = trace.tally.columns.index("opens")
        return np.asarray(trace.tally.bins[:, place], float)
    columns = read_columns(trace).columns
    return _per_s(trace, columns["time_s"][columns["name"] == Name.OPENED])


def peak_attempts_per_s(trace: Trace, from_s: float = 0.0) -> float:
    """Return the most attempts in one second, of those from a moment on.

    The second may begin at any tenth of a second, so no burst is cut in two by where a whole second
    happens to end. Of a run with counts alone, attempts count from the end of its warm-up, and by
    whole tenths of a second.
    """
    if trace.tally is None:
        return peak_of_tenths(count_tenths(attempt_times_s(trace), from_s))
    return peak_of_tenths(np.asarray(trace.tally.tenths)[int(from_s * TENTHS_PER_S) :])


def count_tenths(times_s: Floats, from_s: float) -> Ints:
    """Return how many of some times, from a moment on, are in each tenth of a second."""
    return np.bincount((times_s[times_s >= from_s] * TENTHS_PER_S).astype(np.int64))


def peak_of_tenths(tenths: Ints) -> float:
    """Return the most in any ten tenths of a second that follow each other."""
    # A sliding window by the difference of running sums: n additions for n windows.
    until = np.append(np.zeros(TENTHS_PER_S, np.int64), np.append(tenths, 0).cumsum())
    return float((until[TENTHS_PER_S:] - until[:-TENTHS_PER_S]).max())


def peak_after_faults(tenths: Ints, scenario: Scenario, end_s: float) -> float:
    """Return the most in one second after a fault's end, of what is tried while no other is on.

    NaN where no fault that interrupts ended before the run did. That is what the server meets:
    what is tried during an outage does not reach it.
    """
    faults = [fault for fault in interrupting(scenario) if fault.start_s < end_s]
    ends_s = [fault.end_s for fault in faults if fault.end_s < end_s]
    if not ends_s:
        return nan
    begins_s = np.arange(tenths.size) / TENTHS_PER_S
    counted = begins_s >= min(ends_s)
    for fault in faults:
        counted &= (begins_s < fault.start_s) | (begins_s >= fault.end_s)
    return peak_of_tenths(np.where(counted, tenths, 0))


def _per_s(trace: Trace, times_s: Floats) -> Floats:
    seconds = max(1, int(np.ceil(trace.end_s)))
    counts, _ = np.histogram(times_s, np.arange(seconds + 1))
    return counts.astype(float)
