"""A client's path under faults: the simulation and the live proxy both ask it when a frame arrives.

Rules of the path:
- TCP connects in one round trip and the upgrade takes another; between them come those of TLS.
- A frame is, in this order: held by a black hole, squeezed through the bandwidth, delayed,
  stalled by losses and blackouts; and it arrives behind the frame before it.
- What a connection has lost (a direction, both after a handover or in idleness) is lost for good:
  frames never arrive, and nobody is told. Where idleness closes instead, the host is to end both
  sides at `ConnectionPath.closes_s`.
"""

from __future__ import annotations

from math import inf

from simlib.core.draws import Stream, uniform
from simlib.core.faults import Route, Timeline
from simlib.core.impairments import bit_of, held_until_s, lose_directions, send_frame
from simlib.core.path import (
    NEW_LANE,
    Distribution,
    IdleAction,
    Lane,
    Path,
    latency_s,
    transit,
)
from simlib.core.tls import down_bytes, round_trips, up_bytes

# Asked at every frame, and a member costs 0.1 us to look up on Python 3.11.
_UP, _DOWN = Stream.UP, Stream.DOWN
_CLOSE = IdleAction.CLOSE


class ClientPath:
    """The path of one client, under the faults of a timeline.

    Draws of each direction are numbered in the order of sending.
    """

    __slots__ = (
        "path",
        "timeline",
        "client",
        "_seed",
        "_draws",
        "_plain",
        "is_steady",
        "_sent_up",
        "_sent_down",
    )

    def __init__(self, path: Path, timeline: Timeline, seed: int, client: int) -> None:
        self.path = path
        self.timeline = timeline
        self.client = client
        self._seed = seed
        lossy = path.loss_fraction > 0.0
        self._draws = path.latency.distribution != Distribution.CONSTANT or lossy
        # Nothing but latency and bandwidth: as most paths are, most of the time.
        self._plain = not lossy and path.blackout_every_s == inf
        #: And all frames take the same time, however long a connection was idle; unless by a fault.
        self.is_steady = self._plain and not self._draws and path.idle_timeout_s == inf
        self._sent_up = self._sent_down = 0

    def send(self, lane: Lane, way: Stream, route: Route, now: float, size_bytes: int) -> Lane:
        """Return the lane after a frame was sent now; inf: it never arrives."""
        path = self.path
        if self.is_steady and not self.timeline.impairments:
            if way == _UP:
                self._sent_up += 1
            else:
                self._sent_down += 1
            leaving_s = size_bytes / path.bandwidth_bytes_per_s
            return transit(lane, now, leaving_s, path.latency.mean_s)
        if self._plain and not self.timeline.impairments:
            index = self._next(way)
            leaving_s = size_bytes / path.bandwidth_bytes_per_s
            return transit(lane, now, leaving_s, self._latency_s(way, index))
        start_s = self.held_until_s(route, now)
        if start_s == inf:
            return Lane(lane.free_s, inf)
        faults, origins = self.timeline.impairments, self.timeline.impairment_origins
        index, seed, client = self._next(way), self._seed, self.client
        return send_frame(
            lane, path, faults, origins, seed, client, way, index, route, start_s, size_bytes
        )

    def held_until_s(self, route: Route, now: float) -> float:
        """Return the moment from which what is sent now gets on its way."""
        faults, origins = self.timeline.impairments, self.timeline.impairment_origins
        return held_until_s(faults, origins, self._seed, self.client, route, now)

    def loses(
        self, lost: int, way: Stream, route: Route, born_s: float, used_s: float, now: float
    ) -> int:
        """Return the directions that a connection has lost when it sends now."""
        if not self.timeline.impairments and self.path.idle_timeout_s == inf:
            return lost
        faults, origins = self.timeline.impairments, self.timeline.impairment_origins
        return lose_directions(
            lost, way, self.path, faults, origins, self._seed, self.client, route, born_s, used_s,
            now,
        )  # fmt: skip

    def connect(self, route: Route, now: float) -> float:
        """Return when TCP is connected, or would be refused: one round trip from now."""
        if self.is_steady and not self.timeline.impairments:
            self._sent_up += 1
            self._sent_down += 1
            latency_s = self.path.latency.mean_s
            return now + latency_s + latency_s
        if self._plain and not self.timeline.impairments and self.path.idle_timeout_s == inf:
            # Its packets are empty and alone: nothing but latency takes time.
            there_s = now + self._latency_s(_UP, self._next(_UP))
            return there_s + self._latency_s(_DOWN, self._next(_DOWN))
        trip = ConnectionPath(self, route, now)
        there_s = trip.send(_UP, now, 0)
        return inf if there_s == inf else trip.send(_DOWN, there_s, 0)

    def _next(self, way: Stream) -> int:
        if way == _UP:
            self._sent_up += 1
            return self._sent_up - 1
        self._sent_down += 1
        return self._sent_down - 1

    def _latency_s(self, way: Stream, index: int) -> float:
        u = uniform(self._seed, self.client, way, index) if self._draws else 0.0
        return latency_s(self.path.latency, u)


class ConnectionPath:
    """The path of one connection: a lane for each direction, and the directions it has lost."""

    __slots__ = ("_client_path", "_route", "_born_s", "_used_s", "_up", "_down", "_lost")

    def __init__(self, client_path: ClientPath, route: Route, now: float) -> None:
        self._client_path = client_path
        self._route = route
        self._born_s = self._used_s = now
        # Two fields, not a table: there is one of these per client.
        self._up = self._down = NEW_LANE
        self._lost = 0

    def send(self, way: Stream, now: float, size_bytes: int) -> float:
        """Return when a frame sent now arrives; inf: never."""
        client_path = self._client_path
        if client_path.timeline.impairments or not client_path.is_steady:
            self._lost = client_path.loses(
                self._lost, way, self._route, self._born_s, self._used_s, now
            )
            if self._lost & bit_of(way):
                return inf
        before = self._up if way == _UP else self._down
        lane = client_path.send(before, way, self._route, now, size_bytes)
        if lane.arrival_s < inf:
            if way == _UP:
                self._up = lane
            else:
                self._down = lane
        self._used_s = now
        return lane.arrival_s

    def secure(self, now: float) -> float:
        """Return when the TLS handshake is over that begins now; inf: never."""
        tls = self._client_path.path.tls
        for trip in range(round_trips(tls)):
            there_s = self.send(_UP, now, up_bytes(tls, trip))
            now = self.send(_DOWN, there_s, down_bytes(tls, trip)) if there_s < inf else inf
            if now == inf:
                break
        return now

    @property
    def closes_s(self) -> float:
        """When it is closed on its way unless something is sent before; inf: never."""
        path = self._client_path.path
        if path.idle_action != _CLOSE or self._lost:
            # Of what was lost before nobody is told.
            return inf
        return self._used_s + path.idle_timeout_s

    def holds(self, way: Stream, now: float) -> bool:
        """Whether what is sent now is held in a black hole whose end is not known yet."""
        held_s = self._client_path.held_until_s(self._route, now)
        return not self._lost & bit_of(way) and held_s == inf
