"""What clients and server send: when it arrives, by the path's own functions.

On a plain path, of constant latency and without faults on the way, nothing is remembered of a
connection. Otherwise each client has its lanes, and its draws are numbered in the order of
sending, as in `simlib.core.crossing`.
"""

from __future__ import annotations

from math import inf

from simlib.core.draws import Stream
from simlib.core.faults import Route
from simlib.core.path import Lane
from simlib.core.ways import LOST_DOWN, LOST_UP, crossed, held_until_s, lost_by
from simlib.engines.kernel.state import Fleet, number_of

_UP, _DOWN, _WEBSOCKET = Stream.UP.value, Stream.DOWN.value, Route.WEBSOCKET.value


def connected_s(w: Fleet, i: int, now: float) -> float:
    """Begin a connection; return when TCP has made its round trip; inf: never."""
    run = w.run[0]
    if run.has_lanes == 0:
        return float(now + run.latency_s + run.latency_s)
    lane = w.lanes[i]
    lane.lost = 0
    lane.ghost = -1
    there_s = back_s = now
    # What connects has lanes of its own: its packets are empty, so nobody waits for them.
    _anew(w, i, now)
    there_s = up_s(w, i, now, 0)
    if there_s < inf:
        back_s = down_s(w, i, there_s, 0)
        there_s = back_s
    _anew(w, i, now)
    return there_s


def _anew(w: Fleet, i: int, now: float) -> None:
    lane = w.lanes[i]
    lane.lost = 0
    lane.born_s = lane.used_s = now
    lane.up_free_s = lane.up_arrival_s = lane.down_free_s = lane.down_arrival_s = 0.0


def up_s(w: Fleet, i: int, now: float, size_bytes: int) -> float:
    """Return when what a client sends now arrives; inf: never."""
    run = w.run[0]
    if run.has_lanes == 0:
        return float(now + run.latency_s)
    lane = w.lanes[i]
    lane.lost = _lost(w, i, lane.lost, _UP, lane.born_s, lane.used_s, now)
    if lane.lost & LOST_UP:
        return inf
    before = Lane(lane.up_free_s, lane.up_arrival_s)
    after = _sent(w, i, before, _UP, lane.sent_up, now, size_bytes)
    lane.used_s = now
    if after.arrival_s < inf:
        lane.sent_up += 1
        lane.up_free_s, lane.up_arrival_s = after.free_s, after.arrival_s
    return after.arrival_s


def down_s(w: Fleet, i: int, now: float, size_bytes: int) -> float:
    """Return when what is sent to a client now arrives; inf: never."""
    run = w.run[0]
    if run.has_lanes == 0:
        return float(now + run.latency_s)
    lane = w.lanes[i]
    lane.lost = _lost(w, i, lane.lost, _DOWN, lane.born_s, lane.used_s, now)
    if lane.lost & LOST_DOWN:
        return inf
    before = Lane(lane.down_free_s, lane.down_arrival_s)
    after = _sent(w, i, before, _DOWN, lane.sent_down, now, size_bytes)
    lane.used_s = now
    if after.arrival_s < inf:
        lane.sent_down += 1
        lane.down_free_s, lane.down_arrival_s = after.free_s, after.arrival_s
    return after.arrival_s


def answer_nobody(w: Fleet, place: int, now: float) -> None:
    """Give the answer to a handshake whose client has gone its number, as any other has one."""
    if w.run[0].has_lanes == 0:
        return
    ghost = w.ghosts[place]
    i = ghost.client
    lost = _lost(w, i, ghost.lost, _DOWN, ghost.born_s, ghost.used_s, now)
    if not lost & LOST_DOWN and _held_s(w, i, now) < inf:
        w.lanes[i].sent_down += 1


def _lost(w: Fleet, i: int, lost: int, way: int, born_s: float, used_s: float, now: float) -> int:
    run = w.run[0]
    if run.is_plain:
        return lost
    return lost_by(
        lost, way, w.path[0], w.ways, w.way_origins, run.seed, number_of(w, i), _WEBSOCKET,
        born_s, used_s, now,
    )  # fmt: skip


def _held_s(w: Fleet, i: int, now: float) -> float:
    run = w.run[0]
    number = number_of(w, i)
    return held_until_s(w.ways, w.way_origins, run.seed, number, _WEBSOCKET, now)


def _sent(w: Fleet, i: int, lane: Lane, way: int, index: int, now: float, size_bytes: int) -> Lane:
    run = w.run[0]
    start_s = _held_s(w, i, now)
    if start_s == inf:
        return Lane(lane.free_s, inf)
    return crossed(
        lane, w.path[0], w.ways, w.way_origins, run.seed, number_of(w, i), way, index, _WEBSOCKET,
        start_s, size_bytes,
    )  # fmt: skip
