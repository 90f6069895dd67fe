"""The state of the fleet's event loop: records, arrays, and the kinds of events."""

from __future__ import annotations

from typing import Any, NamedTuple

from simlib.core.events import Reason
from simlib.engines.kernel.wheel import Wheel
from simlib.trace.counts import TENTHS_PER_S

# Kinds of events are plain numbers: they are packed into an event, and compared by compiled code.
#: What compiled code can play. A scenario that needs none of a part is played by code without it,
#: which has False here: the compiler leaves away all that stands behind it (see features.py).
#: What was sent on a connection, and its end, is remembered; a link has more than its backoff; the
#: server tells clients apart; it ends connections; some clients are watched.
WITH_LANES = WITH_EXTRAS = WITH_TELLS = WITH_ORDERS = WITH_WATCHED = True

#: What can happen next to a client. Of these, its link is told:
NOTHING, START, WAKE, OPENED, REFUSED, UNAVAILABLE, GIVE_UP, SILENT, CUT, LEAVE = range(10)
#: Of these it is not: its network or its server is concerned.
CONNECTED, ARRIVE, ADMIT, PING, PINGED, PONGED = range(10, 16)
#: TLS has been agreed, where it is played.
SECURED = 20
#: An abandoned handshake arrives, is done, has ended, is ended by the server.
ABANDONED, ABANDONED_DONE, ABANDONED_END, ABANDONED_SHUT = range(16, 20)
#: An event in one number: the client (or an abandoned handshake's place), its waits so far, and
#: what happens.
# From high to low: 27 bits of place, 24 of turn, 12 of kind; the sign's bit stays free. An event in
# one number is compared, moved and stored at once, and the queue has two columns instead of four.
# The turn makes it possible to leave stale events in the queue (see `is_due`): to search the queue
# for the events of a client that a fault has cut off would take longer than all else.
KIND_BITS, TURN_BITS = 12, 24
#: Kinds from 32 to 2,047: rejected, or its connection ended, by fault number kind - 32.
#: From 2,048: the server ends the connection because of fault number kind - 2,048.
BY_FAULT, SHUT_BY = 32, 1 << (KIND_BITS - 1)
MOST_FAULTS = SHUT_BY - BY_FAULT
#: Clients and places are numbered below this; a client's draws, and a place's turns, up to that.
MOST_CLIENTS = 1 << (63 - KIND_BITS - TURN_BITS)
LAST_TURN = (1 << TURN_BITS) - 1

#: How far the current attempt has come: nothing but a greeting was sent; the request was; the
#: server works on it or has it open; the server has nothing more to do with it.
GREETED, SENT, TAKEN, DISMISSED = range(4)

#: Columns of the counts by second; from REASONS on, how attempts and connections ended.
ATTEMPTS, OPENS, ENDS, QUEUED, SERVED, TRIPS, PROBES, MENDS, GIVE_UPS, LEAVES, REASONS = range(11)
# The first ten are in the order of `_COLUMNS` in `arrays.py`, the others in that of `Reason`.
COUNT_COLUMNS = REASONS + len(Reason)
#: Waits are summed by attempt up to this one, and those beyond with it.
MOST_ATTEMPTS = 256

# 32 bytes a client, half a line of the cache. With a million clients the loop waits for memory, not
# for arithmetic: an event reads one line here, and goes to `extras` and `lanes` only if a scenario
# needs them.
#: One client. Read together, so they lie together.
CLIENT = [
    # OPEN: when it opened. Otherwise: its deadline. Nobody asks for the other of the two.
    ("moment_s", "f8"),
    # Its last loss. If it is OPEN again, this return is counted when the connection ends
    # (`client_counts.note_return`).
    ("lost_s", "f8"),
    ("attempt", "i4"),
    ("failures", "i4"),
    ("draws", "i4"),
    # How many interruptions were over when the connection opened that was lost at `lost_s`.
    ("over", "u2"),
    ("state", "u1"),
    ("stage", "u1"),
]
#: Interruptions are numbered by two bytes.
MOST_INTERRUPTIONS = (1 << 16) - 1
#: A client's cohort is a number of two bytes, where there are any; who is in none has the number of
#: cohorts.
COHORT = "u2"
MOST_COHORTS = (1 << 16) - 1
#: What only some policies need of a client: breaker, budgets, the last wait, the start of the
#: last attempt, the order of lines.
EXTRA = [
    ("until_s", "f8"),
    ("tripped_s", "f8"),
    ("delay_s", "f8"),
    ("started_s", "f8"),
    ("attempt_s", "f8"),
    ("connect_s", "f8"),
    ("outcomes", "i8"),
    ("rank", "i8"),
    ("trips", "i4"),
    ("probes", "i4"),
    ("seen", "i4"),
    ("breaker", "i4"),
]
#: What only some networks and servers need: both lanes of a connection (up, down) and how much was
#: sent on them ever, what it has lost, when
#: its ping times out, when the server was done with it.
LANES = [
    ("free_s", "f8", (2,)),
    ("arrival_s", "f8", (2,)),
    ("sent", "i8", (2,)),
    ("born_s", "f8"),
    ("used_s", "f8"),
    ("timeout_s", "f8"),
    ("done_s", "f8"),
    ("rank", "i8"),
    ("lost", "i8"),
    ("abandoned", "i8"),
]
#: A handshake, or a connection, whose client has gone and does not say so, or not yet.
ABANDONED_TYPE = [
    ("done_s", "f8"),
    ("born_s", "f8"),
    ("used_s", "f8"),
    ("rank", "i8"),
    ("client", "i8"),
    ("connection", "i8"),
    ("generation", "i8"),
    ("next", "i8"),
    ("turn", "i8"),
    ("lost", "i8"),
    ("stage", "i8"),
]
# A record of one row, since a `NamedTuple` is immutable in compiled code: all that changes in a run
# and is no array is here. The flags (`has_extras` to `rejects`) come from `features.py`; each lets
# the loop pass by what a scenario does not use.
#: What is one for all clients.
RUN = [
    ("seed", "i8"), ("clients", "i8"), ("first", "i8"), ("stride", "i8"), ("all_clients", "i8"),
    ("duration_s", "f8"), ("ramp_s", "f8"), ("warm_up_s", "f8"), ("latency_s", "f8"),
    ("stay_s", "f8"), ("limit_s", "f8"), ("even_s", "f8"), ("accept_arrival_s", "f8"),
    ("slowness", "f8"), ("open_s", "f8"), ("tripped_s", "f8"), ("now_s", "f8"), ("ready_s", "f8"),
    ("left_s", "f8"),
    ("workers", "i8"), ("steps", "i8"), ("left", "i8"), ("leaves", "i8"),
    ("started", "i8"), ("arrivals", "i8"), ("gaps", "f8"), ("start_s", "f8"), ("joined_s", "f8"),
    ("edge", "i8"), ("crashes", "i8"), ("outages", "i8"),
    ("generation", "i8"), ("taken", "i8"), ("cut_by", "i8"), ("cut_next", "i8"), ("cut_size", "i8"),
    ("has_extras", "i8"), ("is_timed", "i8"), ("has_lanes", "i8"), ("is_plain", "i8"),
    ("is_ordered", "i8"),
    ("plays_ahead", "i8"), ("tells", "i8"), ("tracks", "i8"), ("pings", "i8"), ("rejects", "i8"),
    ("queued", "i8"), ("abandoned_free", "i8"), ("ranks", "i8"),
    ("recovered", "i8"), ("detected", "i8"), ("detected_at_once", "i8"), ("faults", "i8"),
    ("returned", "i8"), ("unstable", "i8"),
    ("logged", "i8"), ("watched", "i8"), ("wanted", "i8"), ("is_worn_out", "i8"),
    ("stood_s", "f8"), ("at_once", "i8"), ("most_at_once", "i8"),
    ("server_until_s", "f8"), ("waited", "i8"), ("begun_at_once", "i8"), ("worst_backlog", "i8"),
]  # fmt: skip
#: Of each fault: which of the scenario it belongs to, what those are told that it hits, with which
#: status or close code and which hint, and which server ends all connections because of it (by its
#: generation, from 1).
MARK = [
    ("origin", "i8"), ("reason", "i8"), ("code", "i8"), ("hint_s", "f8"), ("shunned_by", "i8"),
]  # fmt: skip
#: When a fault starts or stops.
EDGE = [("time_s", "f8"), ("fault", "i8"), ("starts", "i8")]
#: A fault that the metrics look at, until when whoever leaves OPEN was hit by it, and how many of
#: those that it hit have come back before its end, to stay until then. They are in the order of
#: their ends, so those that are over at a moment are the first.
INTERRUPTION = [
    ("start_s", "f8"), ("end_s", "f8"), ("noticed_s", "f8"), ("ended", "i8"), ("back", "i8"),
]  # fmt: skip
#: What a watched client was told, or what its server did for it: an `Input`, or one of these.
LOG = [
    ("time_s", "f8"), ("what", "i8"), ("client", "i8"), ("connection", "i8"), ("reason", "i8"),
    ("hint_s", "f8"), ("code", "i8"),
]  # fmt: skip
TOLD_PONG, DID_ARRIVE, DID_ADMIT, DID_REFUSE, DID_SHUT = range(16, 21)


class Fleet(NamedTuple):
    """Everything that one run of the loop reads and writes."""

    run: Any
    clients: Any
    #: Of each client, its cohort, where there are any.
    cohort: Any
    extras: Any
    #: Since when each client has had no stable connection, where time ends the attempts of any.
    since_s: Any
    lanes: Any
    wheel: Wheel
    policies: Any
    cohorts: Any
    #: Recorded starts of the clients, where they are recorded.
    recorded_s: Any
    server: Any
    accepts: Any
    path: Any
    free_s: Any
    queue_s: Any
    abandoned: Any
    faults: Any
    marks: Any
    impairments: Any
    impairment_origins: Any
    edges: Any
    interruptions: Any
    recovery_s: Any
    detection_s: Any
    downtime_s: Any
    bins: Any
    #: Attempts by tenth of a second, from the end of the warm-up on.
    tenths: Any
    waits: Any
    #: Clients, or places of abandoned handshakes, that a fault ends one after the other: one list
    #: for deploys, closes and cuts, which are never played at once.
    places: Any
    #: What the server has to do, by tenths of a second; when it is done with each client's
    #: handshake; how long handshakes wait for a worker, of those that do. Where it has limits.
    server_tenths: Any
    done_s: Any
    backlog_waits_s: Any
    #: Of each client, whether it is watched, where any is.
    watched: Any
    log: Any


def event(place: int, turn: int, kind: int) -> int:
    """Return an event as one number."""
    # A turn may be more than the field holds for places of abandoned handshakes; clients never get
    # so far (`LAST_TURN`, `run.is_worn_out`).
    turn &= (1 << TURN_BITS) - 1
    return (place << (KIND_BITS + TURN_BITS)) | (turn << KIND_BITS) | kind


def is_due(turn: int, what: int) -> bool:
    """Whether an event is of this turn of its client, and not of an earlier one."""
    mask = (1 << TURN_BITS) - 1
    return (what >> KIND_BITS) & mask == turn & mask


def wide(number: int) -> int:
    """Return the same number as any number of 64 bits, for the compiler.

    It would compile a function anew for one of fewer bits, and for each constant.
    """
    return number + 0


def number_of(w: Fleet, i: int) -> int:
    """Return a client's number in the scenario."""
    return int(w.run[0].first + i * w.run[0].stride)


def cohort_of(w: Fleet, i: int) -> int:
    """Return a client's cohort, which is the place of its policy."""
    return wide(w.cohort[i]) if w.cohorts.size > 0 else 0


def is_watched(w: Fleet, i: int) -> bool:
    """Whether what happens to a client is written down."""
    if WITH_WATCHED:
        return bool(w.run[0].watched > 0 and w.watched[i] > 0)
    return False


def write_down(
    w: Fleet,
    i: int,
    connection: int,
    what: int,
    reason: int,
    hint_s: float,
    code: int,
    now: float,
) -> None:
    """Write down what happens to a watched client."""
    if WITH_WATCHED and is_watched(w, i):
        run = w.run[0]
        row = w.log[run.logged]
        row.time_s, row.what, row.client = now, what, number_of(w, i)
        row.connection, row.reason, row.hint_s, row.code = connection, reason, hint_s, code
        run.logged += 1


def count_event(w: Fleet, now: float, column: int) -> None:
    """Count something in the second of a moment."""
    place = _bin(w, now)
    if place < w.bins.shape[0]:
        w.bins[place, column] += 1


def count_attempt(w: Fleet, now: float) -> None:
    """Count an attempt in the second and the tenth of a second of a moment."""
    count_event(w, now, ATTEMPTS)
    tenth = int(now * TENTHS_PER_S)
    if now >= w.run[0].warm_up_s and tenth < w.tenths.size:
        w.tenths[tenth] += 1


def uncount(w: Fleet, now: float, column: int) -> None:
    """Take back what was counted ahead for a moment that does not come."""
    place = _bin(w, now)
    if place < w.bins.shape[0]:
        w.bins[place, column] -= 1


def _bin(w: Fleet, now: float) -> int:
    """Return the row of a moment: the second in which the warm-up ends has two."""
    # So what came before the warm-up's end can be told from what came after it within one second;
    # `tallies._bins` adds the two again.
    return int(now) + int(now >= w.run[0].warm_up_s)


def counted_s(w: Fleet, began_s: float, now: float) -> float:
    """Return how long something has lasted, from the end of the warm-up on."""
    from_s = w.run[0].warm_up_s
    return float(max(now, from_s) - max(began_s, from_s))
