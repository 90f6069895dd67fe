"""What happens to an attempt and an open connection on the way to the server and back.

None of it is an input of the link: each function returns when the next event comes, and which.
"""

from __future__ import annotations

from math import inf

from simlib.core.faults import FaultKind
from simlib.core.heartbeat import next_ping_s
from simlib.core.link_fields import Link
from simlib.core.tls import Tls
from simlib.engines.kernel.fault_targets import strikes
from simlib.engines.kernel.network import connected_s, down_s, secured_s, up_s
from simlib.engines.kernel.server import enter, send_abandoned, shun
from simlib.engines.kernel.state import (
    ADMIT,
    ARRIVE,
    BY_FAULT,
    CONNECTED,
    DID_ADMIT,
    DISMISSED,
    GIVE_UP,
    GREETED,
    NOTHING,
    OPENED,
    PING,
    PINGED,
    PONGED,
    REFUSED,
    SECURED,
    SENT,
    SILENT,
    TAKEN,
    TOLD_PONG,
    UNAVAILABLE,
    WITH_EXTRAS,
    WITH_LANES,
    WITH_ORDERS,
    WITH_TELLS,
    WITH_WATCHED,
    Fleet,
    cohort_of,
    event,
    wide,
    write_down,
)
from simlib.engines.kernel.timeouts import at_timeout
from simlib.engines.kernel.wheel import put
from simlib.engines.sizes import (
    ANSWER_BYTES,
    HANDSHAKE_DOWN_BYTES,
    HANDSHAKE_UP_BYTES,
    PING_BYTES,
    PONG_BYTES,
)

_OUTAGE = FaultKind.OUTAGE.value
_REJECT = FaultKind.REJECT.value
_NO_TLS = Tls.NONE.value


def begin_attempt(w: Fleet, i: int, link: Link, now: float) -> tuple[float, int]:
    """Begin an attempt; return when its greeting is answered, or what comes instead."""
    run = w.run[0]
    w.clients[i].stage = GREETED
    if WITH_EXTRAS and run.is_ordered:
        w.extras[i].rank = run.ranks
        run.ranks += 1
    # The lanes' draws are numbered in the order of sending, so the round trip draws before it is
    # asked whether anybody answers: sim does, too.
    there_s = connected_s(w, i, now)
    if there_s > link.deadline_s:
        return at_timeout(w, link, link.deadline_s, GIVE_UP)
    # A round trip, whether it is refused or not.
    refused = run.crashes > 0 or (run.outages > 0 and strikes(w, _OUTAGE, i, now) >= 0)
    return there_s, REFUSED if refused else CONNECTED


def pass_on(w: Fleet, i: int, link: Link, kind: int, now: float) -> tuple[float, int]:
    """Process an event that is no input of the link; return time and kind of the next event."""
    timeout_s = link.deadline_s
    if kind == CONNECTED and w.path[0].tls != _NO_TLS:
        # Until it is agreed the client has sent no request: whoever goes leaves nothing behind.
        agreed_s = secured_s(w, i, now)
        return (
            (agreed_s, SECURED) if agreed_s < timeout_s else at_timeout(w, link, timeout_s, GIVE_UP)
        )
    if kind in (CONNECTED, SECURED):
        w.clients[i].stage = SENT
        arrival_s = up_s(w, i, now, HANDSHAKE_UP_BYTES)
        # Strictly: at the very moment of the time-out sim has its alarm before the frame, which was
        # sent later.
        if arrival_s < timeout_s:
            return arrival_s, ARRIVE
        if (WITH_LANES or WITH_TELLS) and arrival_s < inf:
            send_abandoned(w, i, link.draws + 1, arrival_s)
        return at_timeout(w, link, timeout_s, GIVE_UP)
    if kind == ARRIVE:
        return _arrive(w, i, link, now)
    if WITH_LANES and kind != ADMIT:
        return _beat(w, i, link, kind, now)
    return _admit(w, i, link, now)


def _admit(w: Fleet, i: int, link: Link, now: float) -> tuple[float, int]:
    run = w.run[0]
    write_down(w, i, link.draws + 1, wide(DID_ADMIT), wide(0), 0.0, wide(0), now)
    if WITH_LANES and run.has_lanes:
        w.lanes[i].rank = run.ranks
        run.ranks += 1
    # From here on the server has it open, though the client does not know yet: a fault may end it
    # first.
    open_s, kind = down_s(w, i, now, HANDSHAKE_DOWN_BYTES), OPENED
    if open_s >= link.deadline_s:
        open_s, kind = at_timeout(w, link, link.deadline_s, GIVE_UP)
    if (WITH_ORDERS or WITH_WATCHED) and run.tracks > 1:
        if kind != NOTHING:
            # What says that it ends follows what says that it is open.
            put(w.wheel, open_s, event(i, link.draws, kind))
            kind = NOTHING
        shun(w, i, now)
    return open_s, kind


def _arrive(w: Fleet, i: int, link: Link, now: float) -> tuple[float, int]:
    run, c, timeout_s = w.run[0], w.clients[i], link.deadline_s
    # A fault that rejects stands before the server: what it rejects takes no place in the queue.
    fault = strikes(w, _REJECT, i, now) if run.rejects > 0 else -1
    if fault < 0:
        done_s = enter(w, i, link.draws + 1, now)
        if done_s >= 0.0:
            c.stage = TAKEN
            if WITH_LANES and run.has_lanes:
                w.lanes[i].done_s = done_s
            if done_s <= now:
                # The server answers at once, before it hears of anybody else.
                return _admit(w, i, link, now)
            if WITH_TELLS:
                if done_s < timeout_s:
                    return done_s, ADMIT
                return at_timeout(w, link, timeout_s, GIVE_UP)
    # The server is done with it, so whatever ends it from here on leaves nothing behind there.
    c.stage = DISMISSED
    answered_s = down_s(w, i, now, ANSWER_BYTES)
    if answered_s >= timeout_s:
        return at_timeout(w, link, timeout_s, GIVE_UP)
    return answered_s, UNAVAILABLE if fault < 0 else BY_FAULT + fault


def _beat(w: Fleet, i: int, link: Link, kind: int, now: float) -> tuple[float, int]:
    """Ping, or carry a ping or its answer."""
    lane, heartbeat = w.lanes[i], w.policies[cohort_of(w, i)].heartbeat
    if kind == PING:
        lane.timeout_s = now + heartbeat.timeout_s
        arrival_s = up_s(w, i, now, PING_BYTES)
        # Not strictly, unlike a handshake: here the ping's arrival was put into sim's queue before
        # its time-out.
        if arrival_s <= lane.timeout_s:
            return arrival_s, PINGED
        return at_timeout(w, link, lane.timeout_s, SILENT)
    if kind == PINGED:
        answer_s = down_s(w, i, now, PONG_BYTES)
        if answer_s < lane.timeout_s:
            return answer_s, PONGED
        return at_timeout(w, link, lane.timeout_s, SILENT)
    write_down(w, i, link.draws + 1, wide(TOLD_PONG), wide(0), 0.0, wide(0), now)
    ping_s = next_ping_s(now, lane.timeout_s, heartbeat)
    lane.timeout_s = inf
    return ping_s, PING
