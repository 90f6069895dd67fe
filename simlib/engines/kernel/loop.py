"""The fleet's event loop: starts, faults, and the events to come, in the order of sim.

Rules of the loop:
- A fault's start or stop comes before all else at its moment, and then a client's start.
- An event belongs to a client and its connection; one of a connection that was cut is passed by.
- Nothing that would come at the end of the run or later is kept.
"""

from __future__ import annotations

from math import inf

from simlib.core.arrivals import StartTimes, add_gap, random_start_s
from simlib.core.cohorts import cohort_at
from simlib.core.draws import Stream, uniform
from simlib.core.exact import log
from simlib.core.faults import FaultKind
from simlib.core.link_table import State
from simlib.engines.kernel.client_events import follow
from simlib.engines.kernel.fault_transitions import NOBODY, look_ahead, next_cut, pass_edge
from simlib.engines.kernel.room import FEW, is_short
from simlib.engines.kernel.server import (
    arrive_abandoned,
    close_abandoned,
    forget_abandoned,
    open_abandoned,
    shut_by_turns,
)
from simlib.engines.kernel.state import (
    ABANDONED,
    ABANDONED_DONE,
    ABANDONED_SHUT,
    ARRIVE,
    CUT,
    GIVE_UP,
    KIND_BITS,
    LEAVE,
    SHUT_BY,
    START,
    TURN_BITS,
    WAKE,
    WITH_LANES,
    WITH_ORDERS,
    WITH_TELLS,
    Fleet,
    event,
    is_due,
    number_of,
)
from simlib.engines.kernel.timeouts import times_out, wakes_instead
from simlib.engines.kernel.upcoming import next_s
from simlib.engines.kernel.wheel import pop, put
from simlib.engines.no_time import NO_TIME_S

#: What `advance` says of how it stopped.
DONE, MORE, GROW, STILL, WORN_OUT = range(5)
_STOPPED, _SUSPENDED = State.STOPPED.value, State.SUSPENDED.value
_DEPLOY, _CLOSE = FaultKind.DEPLOY.value, FaultKind.CLOSE.value
_EVEN, _RECORDED = StartTimes.EVEN.value, StartTimes.RECORDED.value
_COHORT, _STAY = Stream.COHORT.value, Stream.STAY.value


def advance(w: Fleet, events: int) -> int:
    """Process at most ``events`` events; return whether the run is over, or why it stops before.

    An array must grow first; time stands still; or a client has drawn more waits than can be told
    apart.
    """
    run = w.run[0]
    look_ahead(w)
    # The order of these branches is the order of sim at one moment: clients that are being cut off,
    # then a fault's start or stop, then a client that starts, then the events in the order of
    # adding.
    for _ in range(events):
        # Before anything is changed: `GROW` ends this call, and the next one begins again exactly
        # here.
        run.wanted = _count_wanted(w)
        if is_short(w, run.wanted):
            return GROW
        now, i, kind = run.now_s, NOBODY, CUT
        # A cut is spread over turns of this loop, one client each: what follows for one client (its
        # next attempt, say) must be done before the next client hears, as in sim.
        if run.cut_by != NOBODY:
            i = next_cut(w)
        else:
            next_start_s, next_event_s = _start_s(w), next_s(w)
            now = min(next_start_s, next_event_s)
            # The wheel has no room to let its next slot come up (`upcoming.next_s`).
            if now < 0.0:
                return GROW
            # `limit_s` is the next start or stop of a fault, and the run's end where there is none
            # left.
            if run.limit_s <= now and run.limit_s < run.duration_s:
                # Not the time of the next event: where there is none, that is infinite, and no
                # event after it would count as later.
                now = run.limit_s + 0.0
                pass_edge(w, now)
            elif now >= run.duration_s:
                return DONE
            elif next_start_s <= next_event_s:
                i, kind = run.started, START
                _join(w, i, now)
            else:
                what = pop(w.wheel)
                i, kind = _whose(w, what, now)
        if i != NOBODY:
            follow(w, i, kind, now)
        if _is_stuck(w, now):
            return WORN_OUT if run.is_worn_out else STILL
    return MORE


def _is_stuck(w: Fleet, now: float) -> bool:
    """Whether time stands still, or a client's draws are used up."""
    run = w.run[0]
    # A policy without waits may attempt for ever at one moment. Events are counted, since a clock
    # of the machine would make the result depend on its speed.
    if now - run.stood_s >= NO_TIME_S:
        run.stood_s, run.at_once = now, 0
    run.at_once += 1
    return bool(run.at_once > run.most_at_once or run.is_worn_out)


def _count_wanted(w: Fleet) -> int:
    """Return how many events may be added before the next look at the room."""
    run = w.run[0]
    if WITH_ORDERS and run.edge < w.edges.size and run.cut_by == NOBODY:
        kind = w.faults[w.edges[run.edge].fault].kind
        if kind in (_DEPLOY, _CLOSE):
            # The server may end every connection, at once or by turns.
            # This is an upper bound: room that is not used costs nothing but memory, and only for
            # that moment.
            return int(run.clients + w.abandoned.size + FEW)
    return FEW


def _start_s(w: Fleet) -> float:
    """Return when the next client starts; inf: all have."""
    run = w.run[0]
    if run.started >= run.clients:
        return inf
    if run.arrivals != _EVEN:
        return float(run.start_s)
    # By the client's number in the whole scenario: gateways share one ramp. The operations and
    # their order are those of sim, to the last bit.
    return float(run.ramp_s * number_of(w, run.started) / run.all_clients)


def _draw_next_start(w: Fleet, first: int) -> None:
    """Find when the next client starts: after the gaps of the scenario's clients from ``first``."""
    run = w.run[0]
    if run.started >= run.clients:
        return
    if run.arrivals == _RECORDED:
        run.start_s = w.recorded_s[run.started]
        return
    # A gap of each client in between, which may be another gateway's.
    for number in range(first, number_of(w, run.started) + 1):
        run.gaps = add_gap(run.arrivals, run.gaps, run.seed, number, run.all_clients)
    run.start_s = random_start_s(run.arrivals, run.ramp_s, run.gaps, run.all_clients)


def _join(w: Fleet, i: int, now: float) -> None:
    """Add a client: draw its cohort, the time at which it leaves, and the next client's start."""
    run, number = w.run[0], number_of(w, i)
    run.started += 1
    run.joined_s += max(now, run.warm_up_s)
    if run.arrivals != _EVEN:
        _draw_next_start(w, number + 1)
    if w.cohorts.size > 0:
        w.cohort[i] = cohort_at(w.cohorts, uniform(run.seed, number, _COHORT, 0))
    if WITH_LANES and run.leaves:
        # The inverse of the exponential distribution; `log` is the core's own, the same on every
        # machine.
        leaves_s = now - run.stay_s * log(1.0 - uniform(run.seed, number, _STAY, 0))
        put(w.wheel, leaves_s, event(i, 0, LEAVE))


def _whose(w: Fleet, what: int, now: float) -> tuple[int, int]:
    """Return which client an event happens to, and what; play one that happens to none."""
    kind = what & ((1 << KIND_BITS) - 1)
    place = what >> (KIND_BITS + TURN_BITS)
    if WITH_ORDERS and kind >= SHUT_BY:
        shut_by_turns(w, place, kind - SHUT_BY, what, now)
        return NOBODY, kind
    if (WITH_LANES or WITH_TELLS) and ABANDONED <= kind <= ABANDONED_SHUT:
        _pass_abandoned(w, place, kind, what, now)
        return NOBODY, kind
    if WITH_LANES and kind == LEAVE:
        return place, kind
    return _drop_stale(w, place, kind, what, now)


def _pass_abandoned(w: Fleet, place: int, kind: int, what: int, now: float) -> None:
    if not is_due(w.abandoned[place].turn, what):
        return
    if kind == ABANDONED:
        arrive_abandoned(w, place, now)
    elif kind == ABANDONED_DONE:
        open_abandoned(w, place, now)
    elif kind == ABANDONED_SHUT:
        close_abandoned(w, place, now)
    else:
        forget_abandoned(w, place)


def _drop_stale(w: Fleet, i: int, kind: int, what: int, now: float) -> tuple[int, int]:
    """Return client and kind of an event, or NOBODY if it is stale."""
    c = w.clients[i]
    # Draws are the waits so far, so they number the attempts: an event of an earlier one is stale.
    if not is_due(c.draws, what):
        # Not simply stale: the alarm of the attempt that has failed meanwhile is that of the wait
        # after it.
        late = WITH_TELLS and kind == GIVE_UP and is_due(c.draws - 1, what)
        return (i, WAKE) if late and wakes_instead(w, i, now) else (NOBODY, kind)
    if c.state in (_STOPPED, _SUSPENDED):
        if WITH_LANES and kind == ARRIVE and w.run[0].has_lanes and w.lanes[i].abandoned >= 0:
            # It left meanwhile. Who gave up as its line was cut has nothing on its way.
            arrive_abandoned(w, w.lanes[i].abandoned, now)
        return NOBODY, kind
    return i if times_out(w, i, kind, now) else NOBODY, kind
