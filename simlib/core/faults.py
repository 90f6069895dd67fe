"""The faults of a run: kinds, times and affected clients.

Rules of the faults:
- A fault acts from its start up to, not including, its stop.
- outage: refuses connections and ends those that are open, so what is on its way is lost;
  flap: outages again and again; reset: ends connections and refuses none.
- black_hole: holds what is sent into it until it ends (TCP sends again): nothing is lost,
  everything is late.
- half_open: what is sent in one direction never arrives, and a connection that sent into it has
  lost that direction for good. handover: connections that are older never carry anything again.
  Neither tells anybody.
- latency, loss, bandwidth: worse, but it works.
- server_crash: the server is gone and forgets. slow_server: its work takes longer. deploy: it
  ends connections one by one (1012). close: it ends connections with a code, those that open
  meanwhile too. session_expiry: sessions that began before are over. reject: requests get an
  HTTP status.
- gateway: a fault of a server, and what it does to clients, may concern one gateway alone.
  rolling: a deploy goes through the gateways one after the other.
- client_reload: the client's page is gone, with all that was not saved, and starts afresh at the
  stop. client_sleep: its timers stand still, and what comes in waits; then all is due at once.
  client_throttle: its timers fire once in a while only, each client's at moments of its own; what
  comes in is handled at once.
- announced: the clients' platform tells them offline at the start and online at the stop; of a
  handover both at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from enum import IntEnum
from math import inf

from simlib.core.draws import Stream, uniform
from simlib.core.errors import SettingsError
from simlib.core.validation import ValidatedSettings, choice, count, flag, number, seconds


class FaultKind(IntEnum):
    """The kinds of faults."""

    OUTAGE = 0
    RESET = 1
    BLACK_HOLE = 2
    LATENCY = 3
    SERVER_CRASH = 4
    REJECT = 5
    FLAP = 6
    HALF_OPEN = 7
    LOSS = 8
    BANDWIDTH = 9
    HANDOVER = 10
    DEPLOY = 11
    SLOW_SERVER = 12
    SESSION_EXPIRY = 13
    CLOSE = 14
    CLIENT_RELOAD = 15
    CLIENT_SLEEP = 16
    CLIENT_THROTTLE = 17


class Route(IntEnum):
    """Which way to the server a fault lies on."""

    ALL = 0
    WEBSOCKET = 1
    HTTP = 2


# Asked at every attempt, and a member costs 0.1 us to look up on Python 3.11.
_ALL, _OUTAGE, _REJECT = Route.ALL, FaultKind.OUTAGE, FaultKind.REJECT


class Direction(IntEnum):
    """Which way a frame goes."""

    DOWN = 0
    UP = 1


_WHERE = ("stop_s", "clients_fraction", "route")

#: Which optional fields each kind of fault takes, beside kind and start_s.
FAULT_FIELDS: dict[FaultKind, tuple[str, ...]] = {
    FaultKind.OUTAGE: (*_WHERE, "announced"),
    FaultKind.RESET: ("clients_fraction", "route"),
    FaultKind.BLACK_HOLE: _WHERE,
    FaultKind.LATENCY: (*_WHERE, "amount_s"),
    FaultKind.SERVER_CRASH: ("stop_s", "gateway"),
    FaultKind.REJECT: (*_WHERE, "status", "retry_after_s"),
    FaultKind.FLAP: (*_WHERE, "period_s", "down_fraction", "announced"),
    FaultKind.HALF_OPEN: (*_WHERE, "direction"),
    FaultKind.LOSS: (*_WHERE, "loss_fraction"),
    FaultKind.BANDWIDTH: (*_WHERE, "bandwidth_bytes_per_s"),
    FaultKind.HANDOVER: ("clients_fraction", "announced"),
    FaultKind.DEPLOY: ("stop_s", "clients_fraction", "retry_after_s", "gateway", "rolling"),
    FaultKind.SLOW_SERVER: ("stop_s", "factor", "gateway"),
    FaultKind.SESSION_EXPIRY: (),
    FaultKind.CLOSE: ("stop_s", "clients_fraction", "code", "retry_after_s", "gateway"),
    FaultKind.CLIENT_RELOAD: ("stop_s", "clients_fraction"),
    FaultKind.CLIENT_SLEEP: ("stop_s", "clients_fraction"),
    FaultKind.CLIENT_THROTTLE: ("stop_s", "clients_fraction", "timers_every_s"),
}
#: Kinds that need a stop, or a value that does something.
_NEEDED: dict[FaultKind, tuple[str, float]] = {
    FaultKind.LATENCY: ("amount_s", 0.0),
    FaultKind.LOSS: ("loss_fraction", 0.0),
    FaultKind.BANDWIDTH: ("bandwidth_bytes_per_s", inf),
    FaultKind.SLOW_SERVER: ("factor", 1.0),
    FaultKind.FLAP: ("stop_s", inf),
    FaultKind.DEPLOY: ("stop_s", inf),
}
#: Kinds that take but a moment, at their start.
_MOMENTS = (FaultKind.RESET, FaultKind.HANDOVER, FaultKind.SESSION_EXPIRY)
#: Outages that one flap may be, each a fault of its own in a run.
_MOST_FLAPS = 10_000
MOST_GATEWAYS = 10_000
ALL_GATEWAYS = -1


@dataclass(frozen=True)
class Fault(ValidatedSettings):
    """A fault: what goes wrong, when, and for which clients.

    Which fields a kind reads stands beside each field.

    Examples
    --------
    >>> Fault("black_hole", start_s=10.0, stop_s=40.0).end_s
    40.0
    """

    #: Any of `FaultKind`, such as outage, black_hole or server_crash.
    kind: FaultKind = choice(FaultKind.OUTAGE)
    #: From this moment of the run.
    start_s: float = seconds(0.0)
    #: Up to this moment; inf: to the end of the run.
    stop_s: float = seconds(inf, endless=True)
    #: latency: added to every one-way delay.
    amount_s: float = seconds(0.0)
    #: reject: the HTTP status.
    status: int = count(503, low=400, high=599)
    #: reject, deploy, close: the Retry-After, whole seconds as in HTTP; 0: none.
    retry_after_s: float = number(0.0, "seconds", whole=True)
    #: The share of the clients that it hits, drawn by client.
    clients_fraction: float = number(1.0, "", high=1.0)
    #: all, websocket or http.
    route: Route = choice(Route.ALL)
    #: half_open: the direction that is silent: down (to the client) or up.
    direction: Direction = choice(Direction.DOWN)
    #: loss: the share of packets that gets lost, beside the path's own.
    loss_fraction: float = number(0.0, "", high=0.99)
    #: bandwidth: what is left of it.
    bandwidth_bytes_per_s: float = number(inf, "bytes per second", above=True, endless=True)
    #: flap: from one outage to the next.
    period_s: float = seconds(2.0, above=True)
    #: flap: the share of each period that is an outage.
    down_fraction: float = number(0.5, "", above=True, high=1.0)
    #: client_throttle: from one moment at which its timers fire to the next. A minute, as Chrome
    #: has it for a page that has been hidden for five.
    timers_every_s: float = seconds(60.0, above=True)
    #: slow_server: its work takes so many times as long.
    factor: float = number(1.0, "", low=1.0)
    #: close: the WebSocket close code.
    code: int = count(1001, low=1000, high=4999)
    #: Whether the platform tells the clients: offline at the start, online at the stop.
    announced: bool = flag(False)
    #: server_crash, slow_server, deploy, close: the gateway that it concerns, from 0; -1: all.
    gateway: int = count(ALL_GATEWAYS, low=ALL_GATEWAYS, high=MOST_GATEWAYS - 1)
    #: deploy: one gateway after the other, each in its equal share of the time.
    rolling: bool = flag(False)

    def check(self) -> None:
        """Raise `SettingsError` on a stop before the start, or a field the kind does not take."""
        kind = self.kind.name.lower()
        if self.stop_s <= self.start_s:
            raise SettingsError("stop_s", self.stop_s, f"must be after start_s ({self.start_s:g})")
        for item in fields(self):
            value = getattr(self, item.name)
            taken = ("kind", "start_s", *FAULT_FIELDS[self.kind])
            if item.name not in taken and value != item.default:
                rule = f"is not for {kind}, which takes {', '.join(taken[2:]) or 'nothing else'}"
                raise SettingsError(item.name, value, rule)
        name, nothing = _NEEDED.get(self.kind, ("", 0.0))
        if name and getattr(self, name) == nothing:
            raise SettingsError(name, nothing, f"must be given for {kind}: {nothing:g} is none")
        if self.kind == FaultKind.FLAP:
            flaps = (self.stop_s - self.start_s) / self.period_s
            if flaps > _MOST_FLAPS:
                rule = f"makes more than {_MOST_FLAPS:,} outages: choose a longer one"
                raise SettingsError("period_s", self.period_s, rule)
        if self.rolling and self.gateway != ALL_GATEWAYS:
            rule = "is not for a rolling deploy, which goes through all gateways"
            raise SettingsError("gateway", self.gateway, rule)

    @property
    def end_s(self) -> float:
        """When the fault is over: its stop, or its start where it takes but a moment."""
        moment = self.kind in _MOMENTS or (self.kind == FaultKind.CLOSE and self.stop_s == inf)
        return self.start_s if moment else self.stop_s

    def fit(self, gateways: int) -> None:
        """Raise `SettingsError` if the fault concerns a gateway that there is not."""
        if self.gateway >= gateways:
            rule = f"must be below gateways ({gateways}): they are counted from 0; -1 is all"
            raise SettingsError("gateway", self.gateway, rule)


def is_hit(clients_fraction: float, origin: int, seed: int, client: int) -> bool:
    """Whether a client is among the share that a fault of a scenario hits."""
    return clients_fraction >= 1.0 or uniform(seed, client, Stream.FAULT, origin) < clients_fraction


class Timeline:
    """The faults of a run, asked by client, route and time.

    A flap stands here as the outages that it is, a rolling deploy as one for each gateway;
    `origins` says which fault of the scenario each one belongs to. Client i is served by gateway
    i modulo their number, unless a balancer chooses the gateway of each connection (``balanced``):
    then a gateway's fault may hit any client, and whoever asks knows where a connection goes.
    """

    def __init__(
        self, faults: Sequence[Fault], seed: int, gateways: int = 1, *, balanced: bool = False
    ) -> None:
        self.faults: list[Fault] = []
        self.origins: list[int] = []
        for origin, fault in enumerate(faults):
            parts = _parts(fault, gateways)
            self.faults += parts
            self.origins += [origin] * len(parts)
        self._seed = seed
        self._gateways = gateways
        self._balanced = balanced
        self._sort()

    def _sort(self) -> None:
        # Asked at every frame: most runs have few kinds, so a kind that has none must cost nothing.
        self._of_kind = tuple(
            [(i, fault) for i, fault in enumerate(self.faults) if fault.kind == kind]
            for kind in FaultKind
        )
        on_the_way = [i for i, fault in enumerate(self.faults) if fault.kind in ON_THE_WAY]
        #: The faults that change the way of what is sent, and those of the scenario they belong to.
        self.impairments = [self.faults[i] for i in on_the_way]
        self.impairment_origins = [self.origins[i] for i in on_the_way]

    def begin(self, fault: Fault, now: float) -> int:
        """Add a fault that starts now and whose end is not known yet; return its index."""
        fault.fit(self._gateways)
        self.faults.append(replace(fault, start_s=now, stop_s=inf))
        self.origins.append(max(self.origins, default=-1) + 1)
        self._sort()
        return len(self.faults) - 1

    def end(self, index: int, now: float) -> None:
        """Set the end of a fault whose end was not known to now."""
        self.faults[index] = replace(self.faults[index], stop_s=now)
        self._sort()

    def hits(self, index: int, client: int) -> bool:
        """Whether a fault affects a client."""
        fault = self.faults[index]
        if fault.gateway >= 0 and not self._balanced and client % self._gateways != fault.gateway:
            return False
        if fault.clients_fraction >= 1.0:
            return True
        return is_hit(fault.clients_fraction, self.origins[index], self._seed, client)

    def hit(self, index: int, clients: int, gateway: int = ALL_GATEWAYS) -> list[int]:
        """Return the clients that a fault hits, of one gateway or of all."""
        of_all = range(clients)
        every = gateway == ALL_GATEWAYS or self._balanced
        served = of_all if every else of_all[gateway :: self._gateways]
        return [client for client in served if self.hits(index, client)]

    def concerns(self, index: int, gateway: int) -> bool:
        """Whether a fault is this gateway's too."""
        return self.faults[index].gateway in (ALL_GATEWAYS, gateway)

    def active(self, kind: FaultKind, client: int, route: Route, now: float) -> list[Fault]:
        """Return the faults of a kind that act on a client's route now."""
        candidates = self._of_kind[kind]
        if not candidates:
            return []
        return [
            fault
            for i, fault in candidates
            if fault.start_s <= now < fault.stop_s
            and (fault.route == _ALL or fault.route == route)
            and self.hits(i, client)
        ]

    def refuses(self, client: int, route: Route, now: float) -> bool:
        """Whether connections are refused now."""
        return bool(self.active(_OUTAGE, client, route, now))

    def rejection(self, client: int, route: Route, now: float) -> Fault | None:
        """Return the fault that answers requests in the server's place now, if any."""
        active = self.active(_REJECT, client, route, now)
        return active[0] if active else None

    def edges(self) -> list[tuple[float, int, bool]]:
        """Return (time, index of the fault, whether it starts), in order; stops before starts."""
        starts = [(fault.start_s, i, True) for i, fault in enumerate(self.faults)]
        stops = [
            (fault.end_s, i, False)
            for i, fault in enumerate(self.faults)
            if fault.start_s < fault.end_s < inf
        ]
        return sorted(starts + stops, key=lambda edge: (edge[0], edge[2], edge[1]))

    def is_crashed(self, now: float, gateway: int = 0) -> bool:
        """Whether a gateway's server is down now."""
        return any(
            fault.start_s <= now < fault.stop_s and self.concerns(i, gateway)
            for i, fault in self._of_kind[FaultKind.SERVER_CRASH]
        )

    def is_draining(self, gateway: int, now: float) -> bool:
        """Whether a gateway is being deployed now: it ends its connections one after the other."""
        return any(
            fault.start_s <= now < fault.stop_s and self.concerns(i, gateway)
            for i, fault in self._of_kind[FaultKind.DEPLOY]
        )

    def slowness(self, now: float, gateway: int = 0) -> float:
        """Return how many times as long the work of a gateway's server takes now."""
        factor = 1.0
        for i, fault in self._of_kind[FaultKind.SLOW_SERVER]:
            if fault.start_s <= now < fault.stop_s and self.concerns(i, gateway):
                factor *= fault.factor
        return factor

    def cuts(self, index: int, client: int, route: Route) -> bool:
        """Whether a fault's start ends a client's connections on a route."""
        fault = self.faults[index]
        return (
            fault.kind in (FaultKind.OUTAGE, FaultKind.RESET, FaultKind.SERVER_CRASH)
            and (fault.route == Route.ALL or fault.route == route)
            and self.hits(index, client)
        )


#: Kinds that change the way of what is sent.
ON_THE_WAY = (
    FaultKind.BLACK_HOLE,
    FaultKind.LATENCY,
    FaultKind.HALF_OPEN,
    FaultKind.LOSS,
    FaultKind.BANDWIDTH,
    FaultKind.HANDOVER,
)


def _parts(fault: Fault, gateways: int) -> list[Fault]:
    """Return what a fault of the scenario is made of."""
    if fault.kind == FaultKind.FLAP:
        return _outages(fault)
    return _drains(fault, gateways) if fault.rolling else [fault]


def _drains(deploy: Fault, gateways: int) -> list[Fault]:
    length_s = deploy.stop_s - deploy.start_s
    edges_s = [deploy.start_s + length_s * i / gateways for i in range(gateways)]
    edges_s.append(deploy.stop_s)
    return [
        replace(deploy, start_s=edges_s[i], stop_s=edges_s[i + 1], gateway=i, rolling=False)
        for i in range(gateways)
    ]


def _outages(flap: Fault) -> list[Fault]:
    outages, start_s = [], flap.start_s
    while start_s < flap.stop_s:
        stop_s = min(flap.stop_s, start_s + flap.period_s * flap.down_fraction)
        outages.append(
            Fault(
                FaultKind.OUTAGE,
                start_s,
                stop_s,
                clients_fraction=flap.clients_fraction,
                route=flap.route,
                announced=flap.announced,
            )
        )
        # Counted, not added up: the thousandth outage is where it should be.
        start_s = flap.start_s + len(outages) * flap.period_s
    return outages
