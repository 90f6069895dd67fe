"""Times of faults and losses: until clients notice, until they are back, how long each was away."""

from __future__ import annotations

import numpy as np

from simlib.core.faults import Fault
from simlib.metrics.array_types import Floats
from simlib.metrics.run_columns import RunColumns, read_columns
from simlib.metrics.spans import Opens, is_last
from simlib.scenario.scenario import Scenario
from simlib.trace.disruptions import interrupting, noticed_by_s
from simlib.trace.trace import Trace


def detection_times_s(trace: Trace) -> Floats:
    """Return how long clients took to leave OPEN, from the start of each fault that interrupts.

    One value for each fault and client that was OPEN when the fault started and left OPEN
    before its end (at most 1 s after the start of one that takes but a moment), other than for
    good.
    """
    if trace.tally is not None:
        return np.asarray(trace.tally.detection_s)
    return read_columns(trace).find_once(detection_times_of).copy()


def detection_times_of(run: RunColumns) -> Floats:
    """Return the times of `detection_times_s` from a run's rows."""
    opens, times = run.opens, []
    for fault in interrupting(run.scenario):
        hit = (opens.start_s < fault.start_s) & (opens.stop_s >= fault.start_s)
        hit &= opens.lost & (opens.stop_s <= noticed_by_s(run.scenario, fault))
        times.append(opens.stop_s[hit] - fault.start_s)
    return np.concatenate(times) if times else np.empty(0)


def recovery_times_s(trace: Trace) -> Floats:
    """Return how long clients took to be OPEN again, from the end of each fault that interrupts.

    One value for each fault that ended during the run and each client that it hit: one that had
    been OPEN before, and left OPEN while the fault lasted (or at most 1 s after the start of one
    that takes but a moment), or had left it earlier and was not back by its end. 0 if it was back
    before the end; of one that was hit several times, its last return counts. inf if it never was
    OPEN again in the run. Whoever left for good instead is not waited for.
    """
    if trace.tally is not None:
        return np.asarray(trace.tally.recovery_s)
    return read_columns(trace).find_once(recovery_times_of).copy()


def recovery_times_of(run: RunColumns) -> Floats:
    """Return the times of `recovery_times_s` from a run's rows."""
    times = [
        _times_back_s(run.scenario, fault, run.opens)
        for fault in interrupting(run.scenario)
        if fault.end_s < run.end_s
    ]
    return np.concatenate(times) if times else np.empty(0)


def _times_back_s(scenario: Scenario, fault: Fault, opens: Opens) -> Floats:
    """Return how long after a fault's end each affected client was OPEN again."""
    # Hit is who was OPEN before the fault's end and left OPEN soon enough after its start; and who
    # had left before and was not back by its end, as the fault kept it away.
    hit = opens.lost & (opens.start_s < fault.end_s)
    hit &= opens.stop_s <= noticed_by_s(scenario, fault)
    hit &= (opens.stop_s >= fault.start_s) | (opens.again_s >= fault.end_s)
    again_s = opens.again_s[hit][is_last(opens.client[hit])]
    times_s = np.maximum(again_s - fault.end_s, 0.0)
    return times_s[~np.isnan(times_s)]


def downtimes_s(trace: Trace) -> Floats:
    """Return how long each loss lasted: from leaving OPEN until the client was OPEN again.

    One value for each loss from the end of the warm-up on, whatever caused it. inf if the client
    never was OPEN again in the run. Whoever left for good, while OPEN or before it was OPEN again,
    has no value.
    """
    if trace.tally is not None:
        return np.asarray(trace.tally.downtime_s)
    return downtimes_of(read_columns(trace))


def downtimes_of(run: RunColumns) -> Floats:
    """Return the times of `downtimes_s` from a run's rows."""
    opens = run.opens
    counts = opens.lost & (opens.stop_s >= run.scenario.warm_up_s)
    times_s = opens.again_s[counts] - opens.stop_s[counts]
    return times_s[~np.isnan(times_s)]
