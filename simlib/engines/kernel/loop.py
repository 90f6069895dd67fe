"""The fleet's event loop: starts, faults, and the events to come, in the order of sim.

Rules of the loop:
- A fault's start or stop comes before all else at its moment, and then a client's start.
- An event belongs to a client and its connection; one of a connection that was cut is passed by.
- Nothing that would come at the end of the run or later is kept.
"""

from __future__ import annotations

from math import inf

from simlib.core.link import State
from simlib.engines.kernel.edges import NOBODY, look_ahead, next_cut, pass_edge
from simlib.engines.kernel.gate import end_ghost, haunt, shun_ghost, shut_by_turns
from simlib.engines.kernel.state import (
    CUT,
    GHOST,
    GHOST_DONE,
    GHOST_END,
    KIND_BITS,
    LEAVE,
    SHUT_BY,
    START,
    TURN_BITS,
    Fleet,
    is_due,
    number_of,
)
from simlib.engines.kernel.turns import follow, is_short, times_out
from simlib.engines.kernel.wheel import next_s, pop

#: What `advance` says of how it stopped.
DONE, MORE, GROW = range(3)
_STOPPED = State.STOPPED.value


def advance(w: Fleet, events: int) -> int:
    """Play so many events at most; say whether the run is over, or an array must grow first."""
    run = w.run[0]
    look_ahead(w)
    for _ in range(events):
        if is_short(w, 4):
            return GROW
        now, i, kind = run.now_s, NOBODY, CUT
        if run.cut_by != NOBODY:
            i = next_cut(w)
        else:
            next_start_s, next_event_s = _start_s(w), next_s(w.wheel)
            now = min(next_start_s, next_event_s)
            if now < 0.0:
                return GROW
            if run.limit_s <= now and run.limit_s < run.duration_s:
                pass_edge(w, run.limit_s)
            elif now >= run.duration_s:
                return DONE
            elif next_start_s <= next_event_s:
                i, kind = run.started, START
                run.started += 1
            else:
                what = pop(w.wheel)
                i, kind = _whose(w, what, now), what & ((1 << KIND_BITS) - 1)
        if i != NOBODY:
            follow(w, i, kind, now)
    return MORE


def _start_s(w: Fleet) -> float:
    """Return when the next client starts; inf: all have."""
    run = w.run[0]
    if run.started >= run.clients:
        return inf
    return float(run.ramp_s * number_of(w, run.started) / run.all_clients)


def _whose(w: Fleet, what: int, now: float) -> int:
    """Return which client an event happens to; play one that happens to none."""
    kind = what & ((1 << KIND_BITS) - 1)
    place = what >> (KIND_BITS + TURN_BITS)
    if kind >= SHUT_BY:
        shut_by_turns(w, place, kind - SHUT_BY, what, now)
        return NOBODY
    if GHOST <= kind <= GHOST_END:
        if is_due(w.ghosts[place].turn, what):
            if kind == GHOST:
                haunt(w, place, now)
            elif kind == GHOST_DONE:
                shun_ghost(w, place, now)
            else:
                end_ghost(w, place)
        return NOBODY
    c = w.clients[place]
    is_over = c.state == _STOPPED or (kind != LEAVE and not is_due(c.draws, what))
    return NOBODY if is_over or not times_out(w, place, kind, now) else place
