"""The fleet's event loop: links and admission of many clients, in the order of the driver.

Plain functions of numbers, records and arrays, so they compile; what decides is the core's own:
`link.step`, the draws, the admission. What is restated here, and only here, is the order in which
sim tells clients and server what happens.

Rules of the loop:
- An event belongs to a client and its connection; one of a connection that was cut is passed by.
- A fault's start or stop comes before all else at its moment.
- What concerns a client alone and comes before the next start or stop of a fault is played at
  once (``run.fuses``): nothing can come between. A handshake's arrival is not: it meets others.
- Where clients may act at the same moment, in an order that the server can tell, nothing is
  played ahead, so that the order is sim's.
"""

from __future__ import annotations

from math import inf
from typing import Any, NamedTuple

from simlib.core.admission import begins_s, may_enter, occupy
from simlib.core.breaker import BreakerState, Guard
from simlib.core.draws import Stream, uniform
from simlib.core.events import Reason
from simlib.core.fallback import Carrier
from simlib.core.faults import FaultKind
from simlib.core.link import Budget, Input, Link, State, step
from simlib.core.meters import take
from simlib.core.server import handshake_s
from simlib.engines.heap import Heap, pop, push

# Plain numbers: compiled code compares them with what stands in records.
_CONNECTING, _OPEN = State.CONNECTING.value, State.OPEN.value
_STOPPED = State.STOPPED.value
_START, _OPENED, _FAILED = Input.START.value, Input.OPENED.value, Input.FAILED.value
_LOST, _WAKE = Input.LOST.value, Input.WAKE.value
_OUTAGE, _RESET, _CRASH = (
    FaultKind.OUTAGE.value,
    FaultKind.RESET.value,
    FaultKind.SERVER_CRASH.value,
)
_SLOW, _REJECT = FaultKind.SLOW_SERVER.value, FaultKind.REJECT.value
_CUT, _REFUSED = Reason.RESET.value, Reason.REFUSED.value
_TIMEOUT, _REJECTED = Reason.TIMEOUT.value, Reason.REJECTED.value
_TRIPPED = BreakerState.OPEN.value
_FAULT_STREAM = Stream.FAULT.value

#: What can happen next to a client, or to the server on its behalf.
NOTHING, WAKE, START, REFUSED, CONNECTED, ARRIVE, ADMIT, OPENED, GIVE_UP, UNAVAILABLE = range(10)
#: An abandoned handshake arrives; its end arrives.
GHOST, GHOST_END = 10, 11
#: From here on: rejected by the fault of this number.
REJECTED = 16
#: An event in one number: the client (or ghost), its waits so far, what happens.
_KIND_BITS, _DRAW_BITS = 10, 26
MOST_FAULTS = (1 << _KIND_BITS) - REJECTED
#: What `advance` says of how it stopped.
DONE, MORE, GROW = range(3)

#: Columns of the counts by bin; from REASONS on, how attempts and connections ended.
ATTEMPTS, OPENS, ENDS, QUEUED, SERVED, TRIPS, PROBES, MENDS, GIVE_UPS, REASONS = range(10)
COLUMNS = REASONS + len(Reason)
#: Waits are summed by attempt up to this one, and those beyond with it.
MOST_ATTEMPTS = 256

#: One client. Read together, so they lie together.
CLIENT = [
    ("deadline_s", "f8"),
    ("opened_s", "f8"),
    ("lost_s", "f8"),
    ("attempt", "i4"),
    ("failures", "i4"),
    ("draws", "i4"),
    ("state", "u1"),
    ("taken", "u1"),
]
#: What only some scenarios need of a client: breaker, budgets, the last wait, the order of lines.
EXTRA = [
    ("until_s", "f8"),
    ("tripped_s", "f8"),
    ("delay_s", "f8"),
    ("attempt_s", "f8"),
    ("connect_s", "f8"),
    ("outcomes", "i8"),
    ("rank", "i8"),
    ("trips", "i4"),
    ("probes", "i4"),
    ("seen", "i4"),
    ("breaker", "i4"),
]
#: A handshake whose client has gone.
GHOST_TYPE = [
    ("end_s", "f8"),
    ("client", "i4"),
    ("connection", "i4"),
    ("generation", "i4"),
    ("next", "i4"),
]
#: What is one for all clients.
RUN = [
    ("seed", "i8"), ("clients", "i8"), ("first", "i8"), ("stride", "i8"), ("all_clients", "i8"),
    ("duration_s", "f8"), ("ramp_s", "f8"), ("bin_s", "f8"), ("latency_s", "f8"),
    ("limit_s", "f8"), ("accept_arrival_s", "f8"), ("slowness", "f8"),
    ("open_s", "f8"), ("tripped_s", "f8"),
    ("edge", "i8"), ("crashes", "i8"), ("outages", "i8"), ("generation", "i8"), ("taken", "i8"),
    ("has_extras", "i8"), ("fuses", "i8"), ("rejects", "i8"), ("counts_ends", "i8"),
    ("queue_first", "i8"), ("queue_size", "i8"), ("ghost_free", "i8"), ("ranks", "i8"),
    ("recovered", "i8"), ("detected", "i8"), ("faults", "i8"),
]  # fmt: skip
#: A fault that the metrics look at, and until when whoever leaves OPEN was hit by it.
INTERRUPTION = [("start_s", "f8"), ("end_s", "f8"), ("noticed_s", "f8"), ("ended", "i8")]


class Fleet(NamedTuple):
    """Everything that one run of the loop reads and writes."""

    run: Any
    clients: Any
    extras: Any
    heap: Heap
    rules: Any
    server: Any
    accepts: Any
    free_s: Any
    queue_s: Any
    ghosts: Any
    faults: Any
    origins: Any
    edges_s: Any
    edges: Any
    interruptions: Any
    recovery_s: Any
    detection_s: Any
    bins: Any
    per_s: Any
    waits: Any
    found: Any


def begin(w: Fleet) -> None:
    """Add every client's start."""
    run = w.run[0]
    for i in range(run.clients):
        number = run.first + i * run.stride
        push(w.heap, run.ramp_s * number / run.all_clients, _event(i, 0, START))
    _look_ahead(w)


def advance(w: Fleet, events: int) -> int:
    """Play so many events at most; say whether the run is over, or an array must grow first."""
    run, heap = w.run[0], w.heap
    for _ in range(events):
        next_s = heap.time_s[0] if heap.size[0] > 0 else inf
        if run.limit_s <= next_s and run.limit_s < run.duration_s:
            # A cut may add an event and two numbers for each client.
            if _short(w, run.clients):
                return GROW
            _pass_edge(w, run.limit_s)
            continue
        if next_s >= run.duration_s:
            return DONE
        if _short(w, 4):
            return GROW
        _happen(w, next_s, pop(heap))
    return MORE


def _short(w: Fleet, more: int) -> bool:
    """Whether an array has no room for so many events more: compiled code checks no bounds."""
    run = w.run[0]
    faults = w.interruptions.size
    return bool(
        w.heap.size[0] + more >= w.heap.time_s.size
        or run.recovered + more * faults >= w.recovery_s.size
        or run.detected + more * faults >= w.detection_s.size
        or run.queue_size + 1 >= w.queue_s.size
        or run.ghost_free < 0
    )


def _happen(w: Fleet, now: float, event: int) -> None:
    kind = event & ((1 << _KIND_BITS) - 1)
    draws = (event >> _KIND_BITS) & ((1 << _DRAW_BITS) - 1)
    i = event >> (_KIND_BITS + _DRAW_BITS)
    if kind == GHOST:
        _haunt(w, i, now)
    elif kind == GHOST_END:
        ghost = w.ghosts[i]
        if ghost.generation == w.run[0].generation:
            w.run[0].taken -= 1
        _bury(w, i)
    elif draws == w.clients[i].draws:
        _follow(w, i, kind, now)


def _follow(w: Fleet, i: int, kind: int, now: float) -> None:
    """Let something happen to a client, and what follows from it for as long as it is alone."""
    run = w.run[0]
    while True:
        now, kind = _turn(w, i, kind, now)
        if kind == NOTHING:
            return
        if run.fuses == 0 or now >= run.limit_s or kind == ARRIVE or _short(w, 4):
            push(w.heap, now, _event(i, w.clients[i].draws, kind))
            return


def _event(i: int, draws: int, kind: int) -> int:
    return (i << (_KIND_BITS + _DRAW_BITS)) | (draws << _KIND_BITS) | kind


def _turn(w: Fleet, i: int, kind: int, now: float) -> tuple[float, int]:
    """Let one thing happen to a client; return when the next does, and what."""
    run, c = w.run[0], w.clients[i]
    latency_s, timeout_s = run.latency_s, c.deadline_s
    if kind in (WAKE, START):
        return _attempt(w, i, kind, now)
    if kind == CONNECTED:
        arrival_s = now + latency_s
        if arrival_s < timeout_s:
            return arrival_s, ARRIVE
        _haunted(w, i, GHOST, arrival_s, max(arrival_s, timeout_s + latency_s))
        return timeout_s, GIVE_UP
    if kind == ARRIVE:
        return _arrive(w, i, now)
    if kind == ADMIT:
        open_s = now + latency_s
        return (open_s, OPENED) if open_s < timeout_s else (timeout_s, GIVE_UP)
    if kind == OPENED:
        _opened(w, i, now)
        return inf, NOTHING
    if kind == REFUSED:
        return _failed(w, i, now, _FAILED, _REFUSED, 0.0)
    if kind == GIVE_UP:
        return _given_up(w, i, now)
    hint_s = w.server[0].retry_after_s
    if kind >= REJECTED:
        hint_s = float(w.faults[kind - REJECTED].retry_after_s)
    return _failed(w, i, now, _FAILED, _REJECTED, hint_s)


def _attempt(w: Fleet, i: int, kind: int, now: float) -> tuple[float, int]:
    run, c = w.run[0], w.clients[i]
    _tell(w, i, _START if kind == START else _WAKE, now, 0.0)
    c.taken = 0
    _count(w, now, ATTEMPTS)
    w.per_s[int(now)] += 1
    if run.has_extras:
        w.extras[i].rank = run.ranks
        run.ranks += 1
    # A round trip, whether it is refused or not.
    connected_s = now + run.latency_s + run.latency_s
    if connected_s > c.deadline_s:
        return c.deadline_s, GIVE_UP
    refused = run.crashes > 0 or (run.outages > 0 and _strikes(w, _OUTAGE, i, now) >= 0)
    return connected_s, REFUSED if refused else CONNECTED


def _arrive(w: Fleet, i: int, now: float) -> tuple[float, int]:
    run, c = w.run[0], w.clients[i]
    fault = _strikes(w, _REJECT, i, now) if run.rejects > 0 else -1
    answered_s = now + run.latency_s
    if fault >= 0:
        kind = REJECTED + fault
    else:
        done_s = _enter(w, run.first + i * run.stride, c.draws + 1, now)
        if done_s >= 0.0:
            c.taken = 1
            return (done_s, ADMIT) if done_s < c.deadline_s else (c.deadline_s, GIVE_UP)
        kind = UNAVAILABLE
    return (answered_s, kind) if answered_s < c.deadline_s else (c.deadline_s, GIVE_UP)


def _enter(w: Fleet, number: int, connection: int, now: float) -> float:
    """Return when a handshake that arrives now will be done; -1: it is refused."""
    run, rules = w.run[0], w.server[0]
    while run.queue_size > 0 and w.queue_s[run.queue_first] <= now:
        run.queue_first = (run.queue_first + 1) % w.queue_s.size
        run.queue_size -= 1
    begin_s = begins_s(w.free_s, now)
    if not may_enter(run.taken, rules.max_connections, run.accept_arrival_s, w.accepts[0], now) or (
        begin_s > now and run.queue_size >= rules.backlog
    ):
        return -1.0
    done_s = begin_s + handshake_s(rules, run.slowness, run.seed, number, connection)
    occupy(w.free_s, done_s)
    run.accept_arrival_s = take(run.accept_arrival_s, now, w.accepts[0])
    run.taken += 1
    if begin_s > now:
        _count(w, now, QUEUED)
        _count(w, begin_s, SERVED)
        if rules.backlog < inf:
            w.queue_s[(run.queue_first + run.queue_size) % w.queue_s.size] = begin_s
            run.queue_size += 1
    return float(done_s)


def _opened(w: Fleet, i: int, now: float) -> None:
    run, c = w.run[0], w.clients[i]
    if c.lost_s < inf:
        for k in range(w.interruptions.size):
            f = w.interruptions[k]
            if f.ended and c.opened_s < f.end_s <= now and c.lost_s <= f.noticed_s:
                w.recovery_s[run.recovered] = now - f.end_s
                run.recovered += 1
    _tell(w, i, _OPENED, now, 0.0)
    _count(w, now, OPENS)


def _given_up(w: Fleet, i: int, now: float) -> tuple[float, int]:
    run, c = w.run[0], w.clients[i]
    if c.taken and run.counts_ends:
        _haunted(w, i, GHOST_END, now + run.latency_s, now + run.latency_s)
    return _failed(w, i, now, _WAKE, _TIMEOUT, 0.0)


def _failed(
    w: Fleet, i: int, now: float, told: int, reason: int, hint_s: float
) -> tuple[float, int]:
    """Tell a client that its attempt or its connection has ended; return its next attempt."""
    run, c = w.run[0], w.clients[i]
    if c.state == _OPEN:
        c.lost_s = now
        run.open_s += now - c.opened_s
        _count(w, now, ENDS)
        for k in range(w.interruptions.size):
            f = w.interruptions[k]
            if c.opened_s < f.start_s <= now <= f.noticed_s:
                w.detection_s[run.detected] = now - f.start_s
                run.detected += 1
    _count(w, now, REASONS + reason)
    budgeted = _tell(w, i, told, now, hint_s)
    if c.state == _STOPPED:
        _count(w, now, GIVE_UPS)
        return inf, NOTHING
    wait_s = c.deadline_s - now
    k = min(c.attempt, MOST_ATTEMPTS - 1)
    w.waits[0, k] += 1.0
    w.waits[1, k] += wait_s
    refused = run.has_extras and w.extras[i].breaker == _TRIPPED
    if told != _WAKE and hint_s == 0.0 and not refused and not budgeted:
        w.waits[2, k] += 1.0
        w.waits[3, k] += wait_s
    return c.deadline_s, WAKE


def _tell(w: Fleet, i: int, told: int, now: float, hint_s: float) -> bool:
    """Let the core's link take a step; return whether a budget set its next attempt."""
    run, c = w.run[0], w.clients[i]
    number = run.first + i * run.stride
    guard, budget, delay_s = Guard(0, 0.0, 0, 0, 0, 0), Budget(0.0, 0.0), 0.0
    if run.has_extras:
        e = w.extras[i]
        guard = Guard(
            _wide(e.breaker), e.until_s, _wide(e.probes), _wide(e.trips), e.outcomes, _wide(e.seen)
        )
        budget, delay_s = Budget(e.attempt_s, e.connect_s), e.delay_s
    link = Link(
        _wide(c.state), _wide(c.attempt), _wide(c.failures), delay_s, c.deadline_s, c.opened_s,
        guard, Carrier(0, -inf, inf), budget, 0.0, 0, _wide(c.draws),
    )  # fmt: skip
    link = step(link, told, now, w.rules[0], run.seed, number, hint_s)
    c.state = link.state
    c.attempt = link.attempt
    c.failures = link.failures
    c.deadline_s = link.deadline_s
    c.opened_s = link.opened_s
    c.draws = link.draws
    if run.has_extras:
        e = w.extras[i]
        if link.guard.state != guard.state:
            _count(w, now, MENDS if link.guard.state == 0 else TRIPS - 1 + link.guard.state)
            if link.guard.state == _TRIPPED:
                e.tripped_s = now
            elif guard.state == _TRIPPED:
                run.tripped_s += now - e.tripped_s
        e.breaker, e.until_s, e.probes = link.guard.state, link.guard.until_s, link.guard.probes
        e.trips, e.outcomes, e.seen = link.guard.trips, link.guard.outcomes, link.guard.seen
        e.attempt_s, e.connect_s = link.budget.attempt_s, link.budget.connect_s
        e.delay_s = link.delay_s
    return link.rationed == 1


def _wide(number: int) -> int:
    """Return the same number in 64 bits, where compiled code has read one of fewer."""
    return number + 0


# --- handshakes whose client has gone ----------------------------------------------------


def _haunted(w: Fleet, i: int, kind: int, time_s: float, end_s: float) -> None:
    """Let a handshake, or its end, arrive after its client has given it up."""
    run = w.run[0]
    place = run.ghost_free
    ghost = w.ghosts[place]
    run.ghost_free = ghost.next
    ghost.client = i
    ghost.connection = w.clients[i].draws + 1
    ghost.end_s = end_s
    ghost.generation = run.generation
    push(w.heap, time_s, _event(place, 0, kind))


def _haunt(w: Fleet, place: int, now: float) -> None:
    run, ghost = w.run[0], w.ghosts[place]
    i = ghost.client
    if i < 0 or run.crashes > 0 or (run.rejects > 0 and _strikes(w, _REJECT, i, now) >= 0):
        _bury(w, place)
        return
    done_s = _enter(w, run.first + i * run.stride, ghost.connection, now)
    if done_s >= 0.0 and run.counts_ends:
        ghost.generation = run.generation
        push(w.heap, ghost.end_s, _event(place, 0, GHOST_END))
    else:
        _bury(w, place)


def _bury(w: Fleet, place: int) -> None:
    w.ghosts[place].next = w.run[0].ghost_free
    w.ghosts[place].client = -1
    w.run[0].ghost_free = place


# --- faults ------------------------------------------------------------------------------


def _look_ahead(w: Fleet) -> None:
    """Set the moment up to which a client can be played alone."""
    run = w.run[0]
    run.limit_s = w.edges_s[run.edge] if run.edge < w.edges_s.size else run.duration_s
    run.limit_s = min(run.limit_s, run.duration_s)


def _pass_edge(w: Fleet, now: float) -> None:
    run = w.run[0]
    index, starts = w.edges[run.edge, 0], w.edges[run.edge, 1]
    run.edge += 1
    _look_ahead(w)
    kind = w.faults[index].kind
    change = 1 if starts else -1
    if kind == _SLOW:
        run.slowness = 1.0
        for k in range(run.faults):
            f = w.faults[k]
            if f.kind == _SLOW and f.start_s <= now < f.stop_s:
                run.slowness *= f.factor
    elif kind == _REJECT:
        run.rejects += change
    elif kind == _OUTAGE:
        run.outages += change
    elif kind == _CRASH:
        run.crashes += change
        run.generation += 1
        run.taken = 0
        run.queue_size = 0
        run.accept_arrival_s = 0.0
        for worker in range(w.free_s.size):
            w.free_s[worker] = 0.0
    if starts and kind in (_OUTAGE, _RESET, _CRASH):
        _cut(w, index, now)


def _cut(w: Fleet, index: int, now: float) -> None:
    """End the attempts and connections of the clients that a fault hits, in their order."""
    run = w.run[0]
    hit = 0
    for i in range(run.clients):
        state = w.clients[i].state
        if state in (_CONNECTING, _OPEN) and _hits(w, index, i):
            w.found[hit] = i
            hit += 1
    if run.fuses == 0:
        _in_order(w.found, w.extras, hit)
    for place in range(w.ghosts.size):
        ghost = w.ghosts[place]
        # On its way while its client waits: cut as well. Given up before: it arrives.
        if ghost.client >= 0 and _waits_for(w, ghost) and _hits(w, index, ghost.client):
            ghost.client = -1
    for k in range(hit):
        i = w.found[k]
        c = w.clients[i]
        if c.taken and w.faults[index].kind != _CRASH:
            run.taken -= 1
        c.taken = 0
        was_open = c.state == _OPEN
        told = _LOST if was_open else _FAILED
        next_s, kind = _failed(w, i, now, told, _CUT if was_open else _REFUSED, 0.0)
        if kind != NOTHING:
            push(w.heap, next_s, _event(i, c.draws, kind))


def _waits_for(w: Fleet, ghost: Any) -> bool:
    c = w.clients[ghost.client]
    return bool(c.state == _CONNECTING and ghost.connection == c.draws + 1)


def _in_order(found: Any, extras: Any, size: int) -> None:
    """Sort clients by their last attempts, by Shell's method: in place, and most are in order."""
    gap = 1
    while gap < size // 3:
        gap = 3 * gap + 1
    while gap > 0:
        for place in range(gap, size):
            i, free = found[place], place
            while free >= gap and extras[found[free - gap]].rank > extras[i].rank:
                found[free] = found[free - gap]
                free -= gap
            found[free] = i
        gap //= 3


def _strikes(w: Fleet, kind: int, i: int, now: float) -> int:
    """Return the first fault of a kind that acts on a client now; -1: none does."""
    for k in range(w.run[0].faults):
        f = w.faults[k]
        if f.kind == kind and f.start_s <= now < f.stop_s and _hits(w, k, i):
            return k
    return -1


def _hits(w: Fleet, index: int, i: int) -> bool:
    run, fraction = w.run[0], w.faults[index].clients_fraction
    number = run.first + i * run.stride
    return bool(
        fraction >= 1.0 or uniform(run.seed, number, _FAULT_STREAM, w.origins[index]) < fraction
    )


# --- what is counted ---------------------------------------------------------------------


def _count(w: Fleet, now: float, column: int) -> None:
    place = int(now / w.run[0].bin_s)
    if place < w.bins.shape[0]:
        w.bins[place, column] += 1
