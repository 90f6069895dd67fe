"""The effects of a fault's start or stop on the server, and on the connections that it cuts."""

from __future__ import annotations

from math import inf

from simlib.core.faults import FaultKind
from simlib.core.link_table import State
from simlib.engines.kernel.fault_targets import hits
from simlib.engines.kernel.server import drain, end_all, forget_abandoned, in_order
from simlib.engines.kernel.server_counts import find_next_crash, note_gone
from simlib.engines.kernel.state import (
    GREETED,
    SERVED,
    TAKEN,
    WITH_EXTRAS,
    WITH_LANES,
    WITH_ORDERS,
    WITH_TELLS,
    Fleet,
    count_event,
    uncount,
)

_CONNECTING, _OPEN = State.CONNECTING.value, State.OPEN.value
_OUTAGE, _RESET, _CRASH = (
    FaultKind.OUTAGE.value,
    FaultKind.RESET.value,
    FaultKind.SERVER_CRASH.value,
)
_SLOW, _REJECT = FaultKind.SLOW_SERVER.value, FaultKind.REJECT.value
_CLOSE, _DEPLOY = FaultKind.CLOSE.value, FaultKind.DEPLOY.value
#: No fault cuts lines now.
NOBODY = -1


def look_ahead(w: Fleet) -> None:
    """Set the moment up to which a client can be played alone."""
    run = w.run[0]
    # No client is played ahead beyond it: what it meets there depends on the fault.
    run.limit_s = w.edges[run.edge].time_s if run.edge < w.edges.size else run.duration_s


def pass_edge(w: Fleet, now: float) -> None:
    """Process the next start or stop of a fault; `next_cut` returns the clients that it cuts."""
    run = w.run[0]
    index, starts = w.edges[run.edge].fault, w.edges[run.edge].starts
    run.edge += 1
    run.now_s = now
    look_ahead(w)
    kind = w.faults[index].kind
    change = 1 if starts else -1
    if WITH_TELLS and kind == _SLOW:
        _set_pace(w, now)
    elif kind == _REJECT:
        run.rejects += change
    elif kind == _OUTAGE:
        run.outages += change
    elif kind == _CRASH:
        run.crashes += change
        _forget_all(w, now)
    elif WITH_ORDERS and kind == _CLOSE and starts:
        end_all(w, index, now)
    elif WITH_ORDERS and kind == _DEPLOY and starts:
        drain(w, index, now)
    if starts and kind in (_OUTAGE, _RESET, _CRASH):
        _begin_cut(w, index)


def _set_pace(w: Fleet, now: float) -> None:
    run = w.run[0]
    # From all faults anew, not by dividing: a product that is divided again is not 1.0 to the last
    # bit.
    run.slowness = 1.0
    for k in range(run.faults):
        f = w.faults[k]
        if f.kind == _SLOW and f.start_s <= now < f.stop_s:
            run.slowness *= f.factor


def _forget_all(w: Fleet, now: float) -> None:
    """Reset the server to its initial state."""
    run = w.run[0]
    # Called at the crash's end, too: nobody was let in meanwhile, so nothing more is forgotten
    # then.
    run.generation += 1
    run.taken = 0
    if WITH_TELLS:
        _forget_queue(w, now)


def _forget_queue(w: Fleet, now: float) -> None:
    run = w.run[0]
    find_next_crash(w)
    run.accept_arrival_s = 0.0
    for place in range(run.queued):
        if w.queue_s[place] > now:
            # Counted as served when its turn would have come; it leaves the queue now.
            uncount(w, w.queue_s[place], SERVED)
            count_event(w, now, SERVED)
        w.queue_s[place] = inf
    run.queued = run.steps = 0
    run.ready_s = 0.0
    run.workers = w.server[0].workers
    for worker in range(w.free_s.size):
        w.free_s[worker] = 0.0 if worker < run.workers else inf


# --- whom a fault cuts off ---------------------------------------------------------------


def _begin_cut(w: Fleet, index: int) -> None:
    run = w.run[0]
    # Compiled code has no generators: these fields are where `next_cut` goes on.
    run.cut_by, run.cut_next, run.cut_size = index, 0, run.clients
    if WITH_LANES or WITH_TELLS:
        _cut_abandoned(w, index)
    if WITH_EXTRAS and run.is_ordered:
        count = 0
        for i in range(run.clients):
            if _is_cut(w, i):
                w.places[count] = i
                count += 1
        in_order(w.places, w.extras, count)
        run.cut_size = count


def _cut_abandoned(w: Fleet, index: int) -> None:
    for place in range(w.abandoned.size):
        abandoned = w.abandoned[place]
        if abandoned.client < 0 or not hits(w, index, abandoned.client):
            continue
        if abandoned.stage == TAKEN:
            forget_abandoned(w, place)
        else:
            # It is on its way, and will find nobody.
            abandoned.client = -1


def next_cut(w: Fleet) -> int:
    """Return the next client whose line is cut, in the order of their attempts; or `NOBODY`."""
    run = w.run[0]
    while run.cut_next < run.cut_size:
        i = run.cut_next + 0
        if WITH_EXTRAS and run.is_ordered:
            i = w.places[i]
        run.cut_next += 1
        if _is_cut(w, i):
            c = w.clients[i]
            # A crash has set `taken` to 0 already, with `_forget_all`.
            if c.stage == TAKEN and w.faults[run.cut_by].kind != _CRASH:
                run.taken -= 1
                if WITH_TELLS:
                    note_gone(w, i, run.now_s)
            c.stage = GREETED
            return int(i)
    run.cut_by = NOBODY
    return NOBODY


def _is_cut(w: Fleet, i: int) -> bool:
    return w.clients[i].state in (_CONNECTING, _OPEN) and hits(w, w.run[0].cut_by, i)
