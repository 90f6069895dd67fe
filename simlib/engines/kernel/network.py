"""Arrival times of frames between clients and server, by the path's own functions.

On a plain path, of constant latency and without faults on the way, nothing is remembered of a
connection. Otherwise each client has its lanes, and its draws are numbered in the order of
sending, as in `simlib.core.client_path`.
"""

from __future__ import annotations

from math import inf

from simlib.core.draws import Stream
from simlib.core.faults import Route
from simlib.core.impairments import LOST_DOWN, bit_of, held_until_s, lose_directions, send_frame
from simlib.core.path import Lane
from simlib.core.tls import down_bytes, round_trips, up_bytes
from simlib.engines.kernel.state import WITH_LANES, Fleet, number_of, wide

_UP, _DOWN, _WEBSOCKET = Stream.UP.value, Stream.DOWN.value, Route.WEBSOCKET.value


def connected_s(w: Fleet, i: int, now: float) -> float:
    """Begin a connection; return when TCP has made its round trip; inf: never."""
    run = w.run[0]
    if WITH_LANES and run.has_lanes:
        return _begun_s(w, i, now)
    # Added twice, not doubled: sim adds each way by itself, and the sums must be equal to the last
    # bit.
    return float(now + run.latency_s + run.latency_s)


def _begun_s(w: Fleet, i: int, now: float) -> float:
    # A new connection: what the client had abandoned goes on alone, and is no longer its own to
    # end.
    w.lanes[i].abandoned = -1
    # What connects has lanes of its own: its packets are empty, so nobody waits for them.
    _begin(w, i, now)
    # Both draws are taken on this lane although the next call resets it: their numbers are those of
    # sim.
    there_s = up_s(w, i, now, 0)
    back_s = down_s(w, i, there_s, 0) if there_s < inf else inf
    _begin(w, i, now)
    return back_s


def _begin(w: Fleet, i: int, now: float) -> None:
    """Begin a connection's lanes."""
    lane = w.lanes[i]
    lane.lost = 0
    lane.born_s = lane.used_s = now
    for side in range(2):
        lane.free_s[side] = lane.arrival_s[side] = 0.0


def up_s(w: Fleet, i: int, now: float, size_bytes: int) -> float:
    """Return when what a client sends now arrives; inf: never."""
    if WITH_LANES and w.run[0].has_lanes:
        return _sent_s(w, i, wide(_UP), now, wide(size_bytes))
    return float(now + w.run[0].latency_s)


def down_s(w: Fleet, i: int, now: float, size_bytes: int) -> float:
    """Return when what is sent to a client now arrives; inf: never."""
    if WITH_LANES and w.run[0].has_lanes:
        return _sent_s(w, i, wide(_DOWN), now, wide(size_bytes))
    return float(now + w.run[0].latency_s)


def _sent_s(w: Fleet, i: int, way: int, now: float, size_bytes: int) -> float:
    run, lane, side = w.run[0], w.lanes[i], way - _UP
    # The order is that of `ConnectionPath.send`: is the way dead, is it held up, then lane, loss
    # and latency. Each step takes its draws by number, so no step may be left out or come sooner.
    lane.lost = _lost(w, i, lane.lost, way, lane.born_s, lane.used_s, now)
    if lane.lost & bit_of(way):
        return inf
    lane.used_s = now
    start_s = _held_s(w, i, now)
    if start_s == inf:
        return inf
    after = send_frame(
        Lane(lane.free_s[side], lane.arrival_s[side]), w.path[0],
        w.impairments, w.impairment_origins,
        run.seed, number_of(w, i), way, lane.sent[side], wide(_WEBSOCKET), start_s, size_bytes,
    )  # fmt: skip
    # Never begun anew, not even by a new connection: the number is the address of the next draw.
    lane.sent[side] += 1
    lane.free_s[side], lane.arrival_s[side] = after.free_s, after.arrival_s
    return after.arrival_s


def secured_s(w: Fleet, i: int, now: float) -> float:
    """Return when the TLS handshake is over that begins now; inf: never."""
    # `ConnectionPath.secure`, on the connection's own lanes.
    tls = wide(w.path[0].tls)
    for trip in range(round_trips(tls)):
        there_s = up_s(w, i, now, up_bytes(tls, wide(trip)))
        now = down_s(w, i, there_s, down_bytes(tls, wide(trip))) if there_s < inf else inf
        if now == inf:
            break
    return now


def answer_nobody(w: Fleet, place: int, now: float) -> None:
    """Consume the draw that the undelivered answer would use, to stay in step with sim."""
    if WITH_LANES and w.run[0].has_lanes:
        _skip_draw(w, place, now)


def _skip_draw(w: Fleet, place: int, now: float) -> None:
    abandoned = w.abandoned[place]
    i = abandoned.client
    # Only if the answer would have been sent: on a dead or silent way sim draws nothing either.
    lost = _lost(w, i, abandoned.lost, wide(_DOWN), abandoned.born_s, abandoned.used_s, now)
    if not lost & LOST_DOWN and _held_s(w, i, now) < inf:
        w.lanes[i].sent[_DOWN - _UP] += 1


def _lost(w: Fleet, i: int, lost: int, way: int, born_s: float, used_s: float, now: float) -> int:
    run = w.run[0]
    if run.is_plain:
        return lost
    return lose_directions(
        lost, way, w.path[0], w.impairments, w.impairment_origins, run.seed,
        number_of(w, i), wide(_WEBSOCKET),
        born_s, used_s, now,
    )  # fmt: skip


def _held_s(w: Fleet, i: int, now: float) -> float:
    run = w.run[0]
    number = number_of(w, i)
    return held_until_s(
        w.impairments, w.impairment_origins, run.seed, number, wide(_WEBSOCKET), now
    )
