"""Time-outs: when they must be events, because the order of simultaneous ones matters.

Elsewhere a time-out is no event: each step compares its end with the deadline, and takes what comes
first.
"""

from __future__ import annotations

from math import inf

from simlib.core.link_fields import Link
from simlib.core.link_table import State
from simlib.engines.kernel.state import (
    GIVE_UP,
    NOTHING,
    PING,
    SILENT,
    START,
    WAKE,
    WITH_LANES,
    WITH_TELLS,
    Fleet,
    cohort_of,
    event,
)
from simlib.engines.kernel.wheel import put

_CONNECTING, _OPEN, _WAITING = State.CONNECTING.value, State.OPEN.value, State.WAITING.value


def may_meet(w: Fleet, link: Link, time_s: float) -> bool:
    """Whether a client may come to a moment with others, in an order that the server tells.

    While clients start that may be so of those that have drawn no wait yet, and of those that are
    open: they may have waited behind such a one, and the server learns when they end.
    """
    run = w.run[0]
    if WITH_TELLS and run.is_ordered:
        return True
    if WITH_TELLS and time_s < run.even_s:
        if link.state == _CONNECTING:
            return link.draws == 0
        return link.state == _OPEN and run.tracks > 0
    return False


def set_timeout(w: Fleet, i: int, link: Link, kind: int) -> None:
    """Schedule an explicit time-out event where the order of simultaneous time-outs matters.

    It is the order in which they began. Elsewhere a timeout is an event only if it will come.
    """
    if WITH_TELLS:
        if link.state == _CONNECTING and kind in (START, WAKE):
            if may_meet(w, link, link.deadline_s):
                put(w.wheel, link.deadline_s, event(i, link.draws, GIVE_UP))
        elif link.state == _OPEN and kind == PING and may_meet(w, link, w.lanes[i].timeout_s):
            put(w.wheel, w.lanes[i].timeout_s, event(i, link.draws, SILENT))


def at_timeout(w: Fleet, link: Link, timeout_s: float, kind: int) -> tuple[float, int]:
    """Return a time-out as what comes next, or nothing if it has an event of its own."""
    return (inf, NOTHING) if may_meet(w, link, timeout_s) else (timeout_s, kind)


def times_out(w: Fleet, i: int, kind: int, now: float) -> bool:
    """Whether what was to time out now still waits for its answer."""
    if kind == GIVE_UP:
        return bool(w.clients[i].state == _CONNECTING)
    if kind == WAKE:
        return bool(w.clients[i].state == _WAITING)
    if WITH_LANES and kind == SILENT:
        return bool(w.lanes[i].timeout_s == now)
    return True


def wakes_instead(w: Fleet, i: int, now: float) -> bool:
    """Whether a wait ends at the moment at which the attempt before it would have timed out.

    Where the order matters, it then ends when the time-out would have come: sim has one alarm for
    both, and does not set it anew for the same moment. Not if the connection opened in between.
    """
    c = w.clients[i]
    if c.state != _WAITING or c.moment_s != now:
        return False
    return bool(c.lost_s == inf or c.lost_s + w.policies[cohort_of(w, i)].connect_timeout_s < now)
