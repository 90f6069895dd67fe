"""The server: it admits and refuses handshakes, ends connections, and works for clients that left.

An abandoned handshake (or connection) is one that its client has given up and that the server does
not know to be dead yet: it still arrives, waits, and takes a worker. That wasted work is what keeps
an overloaded server down, so it is played. Each has a place in `Fleet.abandoned`; a place is used
again, and its turn tells the events of one use from those of the next.
"""

from __future__ import annotations

from math import inf
from typing import Any

from simlib.core.admission import Decision, begins_s, calls_for_step, find_limit, join, occupy
from simlib.core.events import Reason
from simlib.core.faults import FaultKind
from simlib.core.link_table import State
from simlib.core.meters import take
from simlib.core.server_settings import handshake_s, resync_s
from simlib.engines.kernel.fault_targets import hits, strikes
from simlib.engines.kernel.network import answer_nobody, down_s, up_s
from simlib.engines.kernel.server_counts import (
    note_backlog,
    note_gone,
    note_refused,
    note_taken,
    note_workers,
)
from simlib.engines.kernel.state import (
    ABANDONED,
    ABANDONED_DONE,
    ABANDONED_END,
    ABANDONED_SHUT,
    BY_FAULT,
    DID_ADMIT,
    DID_ARRIVE,
    DID_REFUSE,
    DID_SHUT,
    DISMISSED,
    GREETED,
    LAST_TURN,
    QUEUED,
    SENT,
    SERVED,
    SHUT_BY,
    TAKEN,
    WITH_LANES,
    WITH_ORDERS,
    WITH_TELLS,
    WITH_WATCHED,
    Fleet,
    count_event,
    event,
    is_due,
    number_of,
    wide,
    write_down,
)
from simlib.engines.kernel.wheel import put
from simlib.engines.sizes import CLOSE_BYTES

_CONNECTING, _OPEN = State.CONNECTING.value, State.OPEN.value
_REJECT, _REJECTED = FaultKind.REJECT.value, Reason.REJECTED.value
_BACKLOG = Decision.BACKLOG.value


def enter(w: Fleet, i: int, connection: int, now: float) -> float:
    """Return when a handshake that arrives now will be done; -1: it is refused."""
    write_down(w, i, connection, wide(DID_ARRIVE), wide(0), 0.0, wide(0), now)
    if WITH_TELLS and w.run[0].tells:
        return _queue(w, i, connection, now)
    # A server without limits treats all clients alike and at once: there is nothing to keep.
    return now


def _queue(w: Fleet, i: int, connection: int, now: float) -> float:
    # The queue is first come, first served, so all that happens to a handshake is known when it
    # arrives: which worker is free first, and when it will be done. Waiting in the queue takes no
    # events.
    run, rules, number = w.run[0], w.server[0], number_of(w, i)
    # `queue_s` is a heap of the moments at which waiting handshakes get their worker: those that
    # have passed no longer count against the backlog. Its last entry takes the first one's place.
    while run.queued > 0 and w.queue_s[0] <= now:
        run.queued -= 1
        last_s = w.queue_s[run.queued]
        w.queue_s[run.queued] = inf
        if run.queued > 0:
            occupy(w.queue_s, last_s)
    begin_s = begins_s(w.free_s, now)
    refusal = find_limit(run.taken, rules.max_connections, run.accept_arrival_s, w.accepts[0], now)
    if refusal == 0 and begin_s > now and run.queued >= rules.backlog:
        refusal = _BACKLOG
    if refusal > 0:
        note_refused(w, refusal, now)
        write_down(w, i, connection, wide(DID_REFUSE), wide(_REJECTED), 0.0, wide(0), now)
        return -1.0
    # The slowness of now, also for work that begins later: the core's server works it out on
    # arrival, too.
    done_s = begin_s + handshake_s(rules, run.slowness, run.seed, number, connection)
    # `free_s` is a heap of the moments at which workers are free; the first of them takes this one.
    # It is busy with the resynchronization after the client has its answer.
    free_s = done_s + resync_s(rules, run.slowness)
    occupy(w.free_s, free_s)
    note_taken(w, i, connection, begin_s, done_s, free_s, now)
    run.accept_arrival_s = take(run.accept_arrival_s, now, w.accepts[0])
    run.taken += 1
    if begin_s > now:
        count_event(w, now, QUEUED)
        # Counted ahead, for the moment of `begin_s`; a crash before it takes it back
        # (`_forget_all`).
        count_event(w, begin_s, SERVED)
        if w.queue_s.size > 1:
            join(w.queue_s, run.queued, begin_s)
            run.queued += 1
            note_backlog(w, now)
    if calls_for_step(run.queued, run.steps, run.ready_s, rules.scaling, now):
        _scale(w, now)
    return float(done_s)


def _scale(w: Fleet, now: float) -> None:
    """Add workers."""
    run, scaling = w.run[0], w.server[0].scaling
    run.steps += 1
    run.ready_s = now + scaling.delay_s
    for _ in range(scaling.workers):
        join(w.free_s, run.workers, run.ready_s)
        run.workers += 1
    note_workers(w, scaling.workers, run.ready_s)


# --- ends of connections -----------------------------------------------------------------


def shun(w: Fleet, i: int, now: float) -> None:
    """End a connection that opens while a fault ends all that do: by the one that began first."""
    first = _find_shunning_fault(w, i, now)
    if first >= 0:
        shut(w, i, first, now)


def _find_shunning_fault(w: Fleet, i: int, now: float) -> int:
    first = -1
    for k in range(w.run[0].faults):
        if (
            _shuns(w, k, now)
            and hits(w, k, i)
            and (first < 0 or w.faults[k].start_s < w.faults[first].start_s)
        ):
            first = k
    return first


def _shuns(w: Fleet, k: int, now: float) -> bool:
    # Only the server that was told does: one that starts afresh knows nothing of it.
    # From 1, so that the 0 of a mark that nobody has set is no generation.
    return bool(w.marks[k].shunned_by == w.run[0].generation + 1 and now < w.faults[k].stop_s)


def shut(w: Fleet, i: int, fault: int, now: float) -> None:
    """End a client's connection: the server forgets it, the client will hear."""
    c = w.clients[i]
    c.stage = DISMISSED
    w.run[0].taken -= 1
    write_down(w, i, c.draws + 1, wide(DID_SHUT), wide(0), 0.0, wide(0), now)
    arrival_s = down_s(w, i, now, CLOSE_BYTES)
    put(w.wheel, arrival_s, event(i, c.draws, BY_FAULT + fault))


def is_open_for_server(w: Fleet, i: int, now: float) -> bool:
    """Whether the server has a client's connection open, and has not only begun to work on it."""
    return bool(w.clients[i].stage == TAKEN and w.lanes[i].done_s < now)


def end_all(w: Fleet, fault: int, now: float) -> None:
    """Close the connections of the clients that a fault affects, now and as long as it lasts."""
    run, f = w.run[0], w.faults[fault]
    if run.crashes > 0:
        return
    if f.stop_s < inf:
        w.marks[fault].shunned_by = run.generation + 1
    for place in range(w.abandoned.size):
        if _is_open_abandoned(w, place, now) and hits(w, fault, w.abandoned[place].client):
            close_abandoned(w, place, now)
    count = 0
    for i in range(run.clients):
        if is_open_for_server(w, i, now) and hits(w, fault, i):
            w.places[count] = i
            count += 1
    # In the order in which the server admitted them, which is that of its dictionary in sim.
    in_order(w.places, w.lanes, count)
    for k in range(count):
        shut(w, w.places[k], fault, now)


def drain(w: Fleet, fault: int, now: float) -> None:
    """Schedule the closes of all affected connections, evenly spaced until the fault's end."""
    run, f = w.run[0], w.faults[fault]
    if run.crashes > 0:
        return
    count = 0
    for place in range(w.abandoned.size):
        if _is_open_abandoned(w, place, now) and hits(w, fault, w.abandoned[place].client):
            w.places[count] = place
            w.abandoned[place].rank = (w.abandoned[place].client << 32) + w.abandoned[
                place
            ].connection
            count += 1
    in_order(w.places, w.abandoned, count)
    leaving = count
    for i in range(run.clients):
        leaving += is_open_for_server(w, i, now) and hits(w, fault, i)
    # Two sorted lists are merged, by client: what a client has abandoned comes before what it has.
    # The ends are spread evenly until the fault's end.
    abandoned = ended = 0
    for i in range(run.clients):
        while abandoned < count and w.abandoned[w.places[abandoned]].client == i:
            place = w.places[abandoned]
            abandoned += 1
            ended += 1
            time_s = now + (f.stop_s - now) * ended / leaving
            put(w.wheel, time_s, event(place, w.abandoned[place].turn, ABANDONED_SHUT))
        if is_open_for_server(w, i, now) and hits(w, fault, i):
            ended += 1
            time_s = now + (f.stop_s - now) * ended / leaving
            put(w.wheel, time_s, event(i, w.clients[i].draws, SHUT_BY + fault))


def shut_by_turns(w: Fleet, i: int, fault: int, what: int, now: float) -> None:
    """End a connection whose turn in a drain has come, if the server has it still."""
    c = w.clients[i]
    # The connection that was to end may have been abandoned meanwhile: then it is among those
    # below.
    if is_due(c.draws, what) and c.state in (_CONNECTING, _OPEN):
        if c.stage == TAKEN:
            shut(w, i, fault, now)
        return
    for place in range(w.abandoned.size):
        abandoned = w.abandoned[place]
        if (
            abandoned.client == i
            and is_due(abandoned.connection - 1, what)
            and abandoned.stage == TAKEN
        ):
            close_abandoned(w, place, now)
            return


# --- handshakes and connections whose clients have gone ----------------------------------


def send_abandoned(w: Fleet, i: int, connection: int, arrival_s: float) -> None:
    """Send a handshake that arrives after its client has given it up."""
    place = _new_abandoned(w, i, connection, SENT)
    if WITH_LANES and w.run[0].has_lanes:
        w.lanes[i].abandoned = place
    put(w.wheel, arrival_s, event(place, w.abandoned[place].turn, ABANDONED))


def abandon(w: Fleet, i: int, connection: int, leaves: bool, now: float) -> None:
    """Close what a client has; the server learns of it when the close arrives.

    ``leaves``: not because of a time-out, so that its request may be on its way still.
    """
    run, c = w.run[0], w.clients[i]
    stage = c.stage
    c.stage = GREETED
    if run.has_lanes == 0 or stage == GREETED:
        return
    lane = w.lanes[i]
    if WITH_TELLS and stage == TAKEN and leaves:
        note_gone(w, i, now)
    # The end travels as any frame does; until it arrives the server works for nobody. A frame is
    # sent, and a draw taken, whether or not the server learns anything from it.
    end_s = up_s(w, i, now, 0)
    if (stage == TAKEN and run.tracks) or (stage == SENT and leaves and lane.abandoned < 0):
        lane.abandoned = _new_abandoned(w, i, connection, stage)
    if lane.abandoned < 0:
        return
    abandoned = w.abandoned[lane.abandoned]
    # The client's lanes are those of its next connection from now on, so what this one needs is
    # copied.
    abandoned.born_s, abandoned.used_s, abandoned.lost = lane.born_s, lane.used_s, lane.lost
    if run.tracks:
        put(w.wheel, end_s, event(lane.abandoned, abandoned.turn, ABANDONED_END))
    # The worker goes on, and the server opens the connection: a fault may end it only then.
    if stage == TAKEN:
        _open_later(w, lane.abandoned, lane.done_s, now)


def arrive_abandoned(w: Fleet, place: int, now: float) -> None:
    """Process the arrival of an abandoned handshake at the server."""
    run, abandoned = w.run[0], w.abandoned[place]
    i = abandoned.client
    if i >= 0 and waits_for(w, place):
        # Its client gives it up at this very moment, by an event that comes later: put it behind.
        put(w.wheel, now, event(place, abandoned.turn, ABANDONED))
        return
    if i >= 0 and run.rejects > 0 and strikes(w, _REJECT, i, now) >= 0:
        answer_nobody(w, place, now)
        free_place(w, place)
        return
    if i < 0 or run.crashes > 0:
        free_place(w, place)
        return
    done_s = enter(w, i, abandoned.connection, now)
    if done_s < 0.0 or run.tracks == 0:
        free_place(w, place)
        return
    abandoned.stage = TAKEN
    abandoned.generation = run.generation
    if now < done_s:
        _open_later(w, place, done_s, now)
    elif (WITH_ORDERS or WITH_WATCHED) and run.tracks > 1:
        abandoned.done_s = now
        open_abandoned(w, place, now)


def _open_later(w: Fleet, place: int, done_s: float, now: float) -> None:
    """Schedule the server-side open of an abandoned handshake if a later close could affect it."""
    abandoned = w.abandoned[place]
    abandoned.done_s = done_s
    # `tracks` 1: the server's places are counted, so ends matter. 2: it also ends connections, so
    # the moments at which they open matter, too.
    if w.run[0].tracks > 1 and now <= done_s:
        put(w.wheel, done_s, event(place, abandoned.turn, ABANDONED_DONE))


def open_abandoned(w: Fleet, place: int, now: float) -> None:
    """Open a connection for a client that has gone; end it while a fault ends all that open."""
    abandoned = w.abandoned[place]
    # The server that took it has crashed since: there is nothing to open, and no place of it to
    # free.
    if abandoned.generation != w.run[0].generation:
        return
    write_down(
        w, abandoned.client, abandoned.connection, wide(DID_ADMIT), wide(0), 0.0, wide(0), now
    )
    if _find_shunning_fault(w, abandoned.client, now) >= 0:
        close_abandoned(w, place, now)


def close_abandoned(w: Fleet, place: int, now: float) -> None:
    """End a connection whose client has gone, as any other."""
    abandoned = w.abandoned[place]
    if abandoned.generation == w.run[0].generation:
        write_down(
            w, abandoned.client, abandoned.connection, wide(DID_SHUT), wide(0), 0.0, wide(0), now
        )
    forget_abandoned(w, place)


def forget_abandoned(w: Fleet, place: int) -> None:
    """Remove an abandoned connection from the server."""
    if w.abandoned[place].generation == w.run[0].generation:
        w.run[0].taken -= 1
    free_place(w, place)


def waits_for(w: Fleet, place: int) -> bool:
    """Whether the client has not given it up yet."""
    abandoned = w.abandoned[place]
    c = w.clients[abandoned.client]
    return bool(c.state == _CONNECTING and abandoned.connection == c.draws + 1)


def _is_open_abandoned(w: Fleet, place: int, now: float) -> bool:
    abandoned = w.abandoned[place]
    return bool(
        abandoned.client >= 0
        and abandoned.stage == TAKEN
        and abandoned.generation == w.run[0].generation
        and abandoned.done_s < now
    )


def _new_abandoned(w: Fleet, i: int, connection: int, stage: int) -> int:
    run = w.run[0]
    place = run.abandoned_free
    abandoned = w.abandoned[place]
    run.abandoned_free = abandoned.next
    abandoned.client = i
    abandoned.connection = connection
    abandoned.stage = stage
    abandoned.generation = run.generation
    return int(place)


def free_place(w: Fleet, place: int) -> None:
    """Free a place; its events that are still in the queue are stale and ignored."""
    abandoned = w.abandoned[place]
    abandoned.client = -1
    # The turn makes every event of the last use stale, so none has to be searched for in the queue.
    abandoned.turn += 1
    if abandoned.turn <= LAST_TURN:
        # A place whose turns are used up stays empty, or a stale event could hit its next user.
        abandoned.next = w.run[0].abandoned_free
        w.run[0].abandoned_free = place


def in_order(places: Any, records: Any, size: int) -> None:
    """Sort places by the ranks of their records, by Shell's method: most are in order.

    numba's own sort would allocate, and compiled code here may not (`_nrt=False`).
    """
    # Knuth's gaps 1, 4, 13 ... (The Art of Computer Programming, 5.2.1).
    gap = 1
    while gap < size // 3:
        gap = 3 * gap + 1
    while gap > 0:
        for place in range(gap, size):
            i, free = places[place], place
            while free >= gap and records[places[free - gap]].rank > records[i].rank:
                places[free] = places[free - gap]
                free -= gap
            places[free] = i
        gap //= 3
