"""The faults of a run, and the crossing of a network that has them.

Rules of the faults:
- A fault acts from its start up to, not including, its stop.
- An outage and a reset end connections, so what is on its way is lost.
- A black hole holds what is sent into it until it ends (TCP sends again): nothing is lost,
  everything is late.
- TCP connects in one round trip and the upgrade takes another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from math import inf

from simlib.core.draws import Stream, uniform
from simlib.core.errors import SettingsError
from simlib.core.path import NEW_LANE, Distribution, Lane, Path, latency_s, transit
from simlib.core.rules import Ruled, choice, count, number, seconds


class FaultKind(IntEnum):
    """What goes wrong."""

    OUTAGE = 0
    RESET = 1
    BLACK_HOLE = 2
    LATENCY = 3
    SERVER_CRASH = 4
    REJECT = 5


class Route(IntEnum):
    """Which way to the server a fault lies on."""

    ALL = 0
    WEBSOCKET = 1
    HTTP = 2


#: Which optional fields each kind of fault takes, beside kind and start_s.
FAULT_FIELDS: dict[FaultKind, tuple[str, ...]] = {
    FaultKind.OUTAGE: ("stop_s", "clients_fraction", "route"),
    FaultKind.RESET: ("clients_fraction", "route"),
    FaultKind.BLACK_HOLE: ("stop_s", "clients_fraction", "route"),
    FaultKind.LATENCY: ("stop_s", "clients_fraction", "route", "amount_s"),
    FaultKind.SERVER_CRASH: ("stop_s",),
    FaultKind.REJECT: ("stop_s", "clients_fraction", "route", "status", "retry_after_s"),
}


@dataclass(frozen=True)
class Fault(Ruled):
    """One thing that goes wrong, when, and for whom."""

    #: outage, reset, black_hole, latency, server_crash or reject.
    kind: FaultKind = choice(FaultKind.OUTAGE)
    #: From this moment of the run.
    start_s: float = seconds(0.0)
    #: Up to this moment; inf: to the end of the run.
    stop_s: float = seconds(inf, endless=True)
    #: latency: added to every one-way delay.
    amount_s: float = seconds(0.0)
    #: reject: the HTTP status.
    status: int = count(503, low=400, high=599)
    #: reject: the Retry-After header, whole seconds as in HTTP; 0: none.
    retry_after_s: float = number(0.0, "seconds", whole=True)
    #: The share of the clients that it hits, drawn by client.
    clients_fraction: float = number(1.0, "", high=1.0)
    #: all, websocket or http.
    route: Route = choice(Route.ALL)

    def check(self) -> None:
        """Raise `SettingsError` on a stop before the start, or a field the kind does not take."""
        kind = self.kind.name.lower()
        if self.stop_s <= self.start_s:
            raise SettingsError("stop_s", self.stop_s, f"must be after start_s ({self.start_s:g})")
        if self.kind == FaultKind.LATENCY and self.amount_s == 0.0:
            raise SettingsError("amount_s", self.amount_s, "must be above 0 for latency")
        for item in ("stop_s", "amount_s", "status", "retry_after_s", "clients_fraction", "route"):
            value = getattr(self, item)
            if item not in FAULT_FIELDS[self.kind] and value != getattr(Fault, item):
                taken = ", ".join(FAULT_FIELDS[self.kind])
                raise SettingsError(item, value, f"is not for {kind}, which takes {taken}")

    @property
    def end_s(self) -> float:
        """When the fault is over: its stop, or its start where it takes but a moment."""
        return self.start_s if self.kind == FaultKind.RESET else self.stop_s


class Timeline:
    """The faults of a run, asked by client, route and time."""

    def __init__(self, faults: Sequence[Fault], seed: int) -> None:
        self.faults = tuple(faults)
        self._seed = seed
        # Asked at every frame: most runs have few kinds, so a kind that has none must cost nothing.
        self._of_kind = tuple(
            [(i, fault) for i, fault in enumerate(faults) if fault.kind == kind]
            for kind in FaultKind
        )

        #: Whether any fault delays what is sent.
        self.delays = bool(self._of_kind[FaultKind.BLACK_HOLE] or self._of_kind[FaultKind.LATENCY])

    def hits(self, index: int, client: int) -> bool:
        """Whether a client is among those that a fault hits."""
        fraction = self.faults[index].clients_fraction
        return fraction >= 1.0 or uniform(self._seed, client, Stream.FAULT, index) < fraction

    def active(self, kind: FaultKind, client: int, route: Route, now: float) -> list[Fault]:
        """Return the faults of a kind that act on a client's route now."""
        candidates = self._of_kind[kind]
        if not candidates:
            return []
        return [
            fault
            for i, fault in candidates
            if fault.start_s <= now < fault.stop_s
            and (fault.route == Route.ALL or fault.route == route)
            and self.hits(i, client)
        ]

    def refuses(self, client: int, route: Route, now: float) -> bool:
        """Whether connections are refused now."""
        return bool(self.active(FaultKind.OUTAGE, client, route, now))

    def rejection(self, client: int, route: Route, now: float) -> Fault | None:
        """Return the fault that answers requests in the server's place now, if any."""
        return next(iter(self.active(FaultKind.REJECT, client, route, now)), None)

    def held_until_s(self, client: int, route: Route, now: float) -> float:
        """Return the moment from which what is sent now gets on its way: now, or a hole's end."""
        holes = self.active(FaultKind.BLACK_HOLE, client, route, now)
        while holes:
            now = max(fault.stop_s for fault in holes)
            holes = self.active(FaultKind.BLACK_HOLE, client, route, now)
        return now

    def extra_s(self, client: int, route: Route, now: float) -> float:
        """Return what is added to a one-way delay now."""
        return sum(f.amount_s for f in self.active(FaultKind.LATENCY, client, route, now))

    def edges(self) -> list[tuple[float, int, bool]]:
        """Return (time, index of the fault, whether it starts), in order; stops before starts."""
        starts = [(fault.start_s, i, True) for i, fault in enumerate(self.faults)]
        stops = [(f.end_s, i, False) for i, f in enumerate(self.faults) if f.end_s < inf]
        stops = [edge for edge in stops if self.faults[edge[1]].kind != FaultKind.RESET]
        return sorted(starts + stops, key=lambda edge: (edge[0], edge[2], edge[1]))

    def crashed(self, now: float) -> bool:
        """Whether the server is down now."""
        return any(f.start_s <= now < f.stop_s for _, f in self._of_kind[FaultKind.SERVER_CRASH])

    def cuts(self, index: int, client: int, route: Route) -> bool:
        """Whether a fault's start ends a client's connections on a route."""
        fault = self.faults[index]
        return (
            fault.kind in (FaultKind.OUTAGE, FaultKind.RESET, FaultKind.SERVER_CRASH)
            and (fault.route == Route.ALL or fault.route == route)
            and self.hits(index, client)
        )


class Crossing:
    """Sends frames of one client's one route through path and timeline: used by sim and proxy.

    Draws of each direction are numbered in the order of sending.
    """

    __slots__ = ("_path", "_timeline", "_seed", "_client", "_draws", "_sent_up", "_sent_down")

    def __init__(self, path: Path, timeline: Timeline, seed: int, client: int) -> None:
        self._path = path
        self._timeline = timeline
        self._seed = seed
        self._client = client
        self._draws = path.latency.distribution != Distribution.CONSTANT
        self._sent_up = self._sent_down = 0

    def send(self, lane: Lane, way: Stream, route: Route, now: float, size_bytes: int) -> Lane:
        """Return the lane after a frame was sent now."""
        if not self._timeline.delays:
            return transit(lane, self._path, now, size_bytes, 0.0, self._draw(way))
        start_s = self._timeline.held_until_s(self._client, route, now)
        if start_s == inf:
            return Lane(lane.free_s, inf)
        extra_s = self._timeline.extra_s(self._client, route, start_s)
        return transit(lane, self._path, start_s, size_bytes, extra_s, self._draw(way))

    def connect(self, route: Route, now: float) -> float:
        """Return when TCP is connected, or would be refused: one round trip from now."""
        if not self._timeline.delays:
            # Its packets are empty and alone: nothing but latency takes time.
            return now + self._latency_s(Stream.UP) + self._latency_s(Stream.DOWN)
        there = self.send(NEW_LANE, Stream.UP, route, now, 0)
        if there.arrival_s == inf:
            return inf
        return self.send(NEW_LANE, Stream.DOWN, route, there.arrival_s, 0).arrival_s

    def _latency_s(self, way: Stream) -> float:
        return latency_s(self._path.latency, self._draw(way))

    def _draw(self, way: Stream) -> float:
        if not self._draws:
            return 0.0
        if way == Stream.UP:
            index, self._sent_up = self._sent_up, self._sent_up + 1
        else:
            index, self._sent_down = self._sent_down, self._sent_down + 1
        return uniform(self._seed, self._client, way, index)
