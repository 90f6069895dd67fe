"""Whether the arrays have room for what one event writes: compiled code checks no bounds."""

from __future__ import annotations

from simlib.engines.kernel.state import WITH_LANES, WITH_TELLS, WITH_WATCHED, Fleet
from simlib.engines.kernel.wheel import is_full

#: Events that one event adds at most.
FEW = 4


def is_short(w: Fleet, more: int) -> bool:
    """Whether an array lacks room for ``more`` events, and for what one event writes."""
    run = w.run[0]
    times = 2 * w.interruptions.size
    if (
        is_full(w.wheel, more)
        or run.returned + 2 >= w.downtime_s.size
        or run.recovered + times >= w.recovery_s.size
        or run.detected + times >= w.detection_s.size
    ):
        return True
    if WITH_TELLS and w.queue_s.size > 1 and run.queued + 1 >= w.queue_s.size:
        return True
    if WITH_TELLS and run.waited + 2 >= w.backlog_waits_s.size:
        return True
    if (WITH_LANES or WITH_TELLS) and _has_few_places(w):
        return True
    return bool(WITH_WATCHED and run.logged + 2 * run.watched + 8 >= w.log.size)


def _has_few_places(w: Fleet) -> bool:
    """Whether there is no second place for an abandoned handshake."""
    free = w.run[0].abandoned_free
    return bool(free < 0 or w.abandoned[free].next < 0)
