"""The SimPy host: path and server in virtual time.

Callbacks, not processes: a message is a few scheduled calls. What the live engine does with
sockets is done here with `_Line`, one per connection, poll or post.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from typing import Any

from simlib.core import events as ev
from simlib.core.balancer import Balancer
from simlib.core.client_path import ClientPath, ConnectionPath
from simlib.core.draws import Stream
from simlib.core.events import Command, Reason
from simlib.core.faults import ALL_GATEWAYS, FaultKind, Route
from simlib.core.path import IdleAction
from simlib.core.server import Server
from simlib.core.server_messages import DedupWindow
from simlib.core.server_settings import Remember
from simlib.core.tls import Tls
from simlib.engines import garbage_collection as garbage
from simlib.engines import reasons
from simlib.engines.driver import Driver
from simlib.engines.live.codec import message_bytes
from simlib.engines.operator import order
from simlib.engines.sim_clock import SimClock
from simlib.engines.sizes import (
    ANSWER_BYTES,
    ASK_BYTES,
    CLOSE_BYTES,
    HANDSHAKE_DOWN_BYTES,
    HANDSHAKE_UP_BYTES,
    PING_BYTES,
    PONG_BYTES,
    PUSH_BYTES,
    REQUEST_BYTES,
)
from simlib.engines.store import MemoryStore
from simlib.engines.world import Process, World
from simlib.scenario.scenario import Scenario
from simlib.trace.notes import pack_arrival, pack_server_command
from simlib.trace.server_log import ServerLog
from simlib.trace.trace import Interrupted, Trace

_STEPS = 50
#: Of a watched run: time between strides, and the most that one stride plays.
_PACE_S, _LONGEST_STRIDE_S = 0.02, 0.1


class _Line:
    """One attempt and its connection, or one HTTP request: what asked for it says which."""

    # fmt: off
    __slots__ = (
        "driver", "gateway", "client", "connection", "asked", "route", "began_s",
        "connection_path", "is_there", "is_open", "sent", "cut",
    )
    # fmt: on

    #: Made when the request is sent: many attempts are refused before.
    connection_path: ConnectionPath

    def __init__(self, driver: Driver, gateway: _Gateway, asked: Any, began_s: float) -> None:
        self.driver = driver
        self.gateway = gateway
        self.client = driver.client.number
        self.connection: int = asked.connection
        #: The command that began it: Open, Poll, Post or SignIn.
        self.asked = asked
        self.route = _WEBSOCKET if asked.__class__ is ev.Open else Route.HTTP
        self.began_s = began_s
        #: Not closed by its client yet, and not ended.
        self.is_there = True
        self.is_open = False
        #: The request is on its way, so the server will learn of the line's end.
        self.sent = False
        #: Ended by a fault: what was on its way is lost.
        self.cut = False


class _Gateway:
    """One server of the run, and the alarm that wakes it."""

    __slots__ = ("number", "server", "alarm", "counted")

    def __init__(self, number: int, host: SimHost, clock: SimClock) -> None:
        self.number = number
        #: None while it is down.
        self.server: Server | None = None
        self.alarm = clock.alarm(host.wake_server, self)
        #: The messages that its server has counted, as they stand on its disk.
        self.counted: dict[int, DedupWindow] = {}


class SimHost:
    """The network and the servers of one run, modelled."""

    def __init__(self, scenario: Scenario, trace: Trace, clock: SimClock | None = None) -> None:
        self._clock = SimClock() if clock is None else clock
        self._trace = trace
        self._scenario = scenario
        self._has_tls = scenario.path.tls != Tls.NONE
        self.world = World(scenario, self._clock, self, trace, MemoryStore())
        self._timeline = self.world.timeline
        self._client_paths = [
            ClientPath(scenario.path, self._timeline, scenario.seed, i)
            for i in range(scenario.clients)
        ]
        idle_timeout_s, action = scenario.path.idle_timeout_s, scenario.path.idle_action
        self._closes_idle = idle_timeout_s < inf and action == IdleAction.CLOSE
        self._lines: dict[tuple[int, int], _Line] = {}
        #: Lines that their clients have closed, of which the server does not know yet.
        self._closing: dict[_Line, None] = {}
        #: What was sent into a black hole without an end: sent again when a fault stops.
        self._held: list[tuple[Callable[..., None], Any]] = []
        #: When the session in a client's cookie began: what a signed cookie says.
        self._cookies_s: dict[int, float] = {}
        self._balancer = Balancer(
            scenario.balance, scenario.gateways, scenario.seed, self._timeline
        )
        self._gateways = [_Gateway(i, self, self._clock) for i in range(scenario.gateways)]
        for gateway in self._gateways:
            self._start_server(gateway)

    def run(self, until_s: float) -> None:
        """Play on to a moment."""
        self._clock.run(until=until_s)

    def server_log(self) -> ServerLog:
        """Return what the servers decided so far."""
        return self._trace.server_log

    def session_s(self, client: int) -> float:
        """Return when the session of a client's cookie ends."""
        return self._cookies_s.get(client, -inf) + self._scenario.server.session_lifetime_s

    # --- what clients ask for ------------------------------------------------------------

    def perform(self, driver: Driver, command: Command) -> None:
        """Begin to carry out a command."""
        action = _PERFORM.get(type(command))
        if action is not None:
            action(self, driver, command)

    def vanish(self, driver: Driver) -> None:
        """End all connections of a client that is gone."""
        number = driver.client.number
        for client, connection in list(self._lines):
            if client == number:
                self._close(driver, ev.Close(connection))

    def _save(self, driver: Driver, command: ev.Save) -> None:
        driver.store.save(driver.client.number, command.message)

    def _forget(self, driver: Driver, command: ev.Forget) -> None:
        driver.store.forget(driver.client.number, command.message.id)

    def _close(self, driver: Driver, command: ev.Close) -> None:
        line = self._lines.pop((driver.client.number, command.connection), None)
        if line is not None:
            line.is_there = False
            self._balancer.release(line.gateway.number)
            if line.sent:
                # The end follows what was sent before it.
                self._closing[line] = None
                self._up(line, 0, self._on_closed, line)

    def _transmit(self, driver: Driver, command: ev.Transmit) -> None:
        line = self._lines.get((driver.client.number, command.connection))
        if line is not None:
            size_bytes = message_bytes(command.message)
            self._up(line, size_bytes, self._on_framed, line, command.message)

    def _ping(self, driver: Driver, command: ev.Ping) -> None:
        line = self._lines.get((driver.client.number, command.connection))
        if line is not None:
            self._up(line, PING_BYTES, self._on_pinged, line)

    def _subscribe(self, driver: Driver, command: ev.Subscribe) -> None:
        event = ev.Subscribed(
            driver.client.number, command.connection, command.channel, command.version
        )
        self._ask(driver, command.connection, event)

    def _fetch(self, driver: Driver, command: ev.Fetch) -> None:
        event = ev.Fetched(driver.client.number, command.connection, command.channel)
        self._ask(driver, command.connection, event)

    def _ask(self, driver: Driver, connection: int, event: ev.ServerEvent) -> None:
        line = self._lines.get((driver.client.number, connection))
        if line is not None:
            self._up(line, ASK_BYTES, self._if_uncut, line, event)

    # --- the network ---------------------------------------------------------------------

    def _begin(self, driver: Driver, command: Any) -> None:
        client = driver.client.number
        now, connection = self._clock.now_s, command.connection
        gateway = self._gateways[self._balancer.choose(client, connection, now, self._is_up)]
        line = _Line(driver, gateway, command, now)
        self._lines[client, line.connection] = line
        self._connect(line)

    def _is_up(self, gateway: int) -> bool:
        return self._gateways[gateway].server is not None

    def _connect(self, line: _Line) -> None:
        now, client = self._clock.now_s, line.client
        client_path = self._client_paths[client]
        connected_s = client_path.connect(line.route, now)
        if connected_s == inf and client_path.held_until_s(line.route, now) == inf:
            self._held.append((self._connect, (line,)))
            return
        refused = line.gateway.server is None or self._timeline.refuses(client, line.route, now)
        self._clock.at(connected_s, self._on_refused if refused else self._on_connected, line)

    def _remove(self, line: _Line) -> None:
        """Let go of a line that has ended for its client."""
        line.is_there = False
        self._balancer.release(line.gateway.number)
        del self._lines[line.client, line.connection]

    def _on_refused(self, line: _Line) -> None:
        if line.is_there:
            self._fail(line, Reason.REFUSED)

    def _on_connected(self, line: _Line) -> None:
        if line.is_there:
            client_path = self._client_paths[line.client]
            line.connection_path = ConnectionPath(client_path, line.route, line.began_s)
            if self._closes_idle:
                self._look_at_idleness(line)
            if self._has_tls:
                self._secure(line)
            else:
                self._request(line)

    def _secure(self, line: _Line) -> None:
        """Begin the TLS handshake; its server hears nothing of a client that goes meanwhile."""
        now = self._clock.now_s
        secured_s = line.connection_path.secure(now)
        if secured_s == inf and line.connection_path.holds(_UP, now):
            self._held.append((self._secure, (line,)))
        self._clock.at(secured_s, self._on_secured, line)

    def _on_secured(self, line: _Line) -> None:
        if line.is_there:
            self._request(line)

    def _request(self, line: _Line) -> None:
        line.sent = True
        size_bytes = REQUEST_BYTES
        if line.route == _WEBSOCKET:
            size_bytes = HANDSHAKE_UP_BYTES
        elif isinstance(line.asked, ev.Post):
            size_bytes += message_bytes(line.asked.message)
        self._up(line, size_bytes, self._on_requested, line)

    def _look_at_idleness(self, line: _Line) -> None:
        """End a line that was idle for too long, or look again when it may have been."""
        if not line.is_there:
            return
        closes_s = line.connection_path.closes_s
        if closes_s <= self._clock.now_s:
            self._cut(line)
        else:
            self._clock.at(closes_s, self._look_at_idleness, line)

    def _up(self, line: _Line, size: int, function: Callable[..., None], *arguments: Any) -> None:
        now = self._clock.now_s
        arrival_s = line.connection_path.send(_UP, now, size)
        if arrival_s == inf and line.connection_path.holds(_UP, now):
            self._held.append((self._up, (line, size, function, *arguments)))
        self._clock.at(arrival_s, function, *arguments)

    def _down(self, line: _Line, size: int, function: Callable[..., None], *arguments: Any) -> None:
        now = self._clock.now_s
        arrival_s = line.connection_path.send(_DOWN, now, size)
        if arrival_s == inf and line.connection_path.holds(_DOWN, now):
            self._held.append((self._down, (line, size, function, *arguments)))
        self._clock.at(arrival_s, self._if_alive, line, function, arguments)

    def _if_alive(self, line: _Line, function: Callable[..., None], arguments: Any) -> None:
        if line.is_there:
            function(*arguments)

    def _cut(self, line: _Line) -> None:
        """End a line at once, for the client and for the server."""
        line.cut = True
        if line.is_open:
            self._remove(line)
            line.driver.feed(ev.Lost(line.connection, Reason.RESET))
        else:
            self._fail(line, Reason.REFUSED)
        self._on_ended(line)

    def _fail(self, line: _Line, reason: Reason, hint_s: float = 0.0, status: int = 0) -> None:
        self._remove(line)
        line.driver.feed(_failure(line, reason, hint_s, status))

    # --- the servers ---------------------------------------------------------------------

    def _start_server(self, gateway: _Gateway) -> None:
        settings = self._scenario.server
        counted = gateway.counted if settings.remember == Remember.DISK else None
        gateway.server = Server(settings, self._scenario.seed, counted)
        self._trace.server_log.note_start(self._clock.now_s, gateway.number, settings.workers)
        slowness = self._timeline.slowness(self._clock.now_s, gateway.number)
        if slowness > 1.0:
            self.tell_server(gateway, ev.Slow(slowness))

    def _on_requested(self, line: _Line) -> None:
        if line.cut:
            return
        client, connection, asked = line.client, line.connection, line.asked
        fault = self._timeline.rejection(client, line.route, self._clock.now_s)
        signed_in_s = self._cookies_s.get(client, -inf)
        if fault is not None:
            reason, hint_s = reasons.of_status(fault.status), float(fault.retry_after_s)
            self._down(line, ANSWER_BYTES, self._fail, line, reason, hint_s, fault.status)
        elif isinstance(asked, ev.Open):
            self.tell_server(line.gateway, ev.HandshakeArrived(client, connection, signed_in_s))
        elif isinstance(asked, ev.Post):
            post = _message_arrived(client, connection, asked.message)
            self.tell_server(line.gateway, ev.Requested(client, connection, signed_in_s, post))
        elif isinstance(asked, ev.SignIn):
            self.tell_server(line.gateway, ev.Requested(client, connection, signs_in=True))
        else:
            channels = asked.channels
            request = ev.Requested(client, connection, signed_in_s, channels=channels)
            self.tell_server(line.gateway, request)

    def _on_framed(self, line: _Line, message: ev.Message) -> None:
        if not line.cut:
            event = _message_arrived(line.client, line.connection, message)
            self.tell_server(line.gateway, event)

    def _if_uncut(self, line: _Line, event: ev.ServerEvent) -> None:
        # Frames of a closed line were sent before its end; those of a cut one are gone.
        if not line.cut:
            self.tell_server(line.gateway, event)

    def _on_closed(self, line: _Line) -> None:
        if line in self._closing:
            del self._closing[line]
            self._on_ended(line)

    def _on_ended(self, line: _Line) -> None:
        self.tell_server(line.gateway, ev.Ended(line.client, line.connection))

    def _on_pinged(self, line: _Line) -> None:
        if line.is_there:
            self.tell_server(line.gateway, ev.PingArrived(line.client, line.connection))
            self._down(line, PONG_BYTES, line.driver.feed, ev.Ponged(line.connection))

    def wake_server(self, gateway: _Gateway) -> None:
        """Tell a gateway's server that its deadline has come."""
        self.tell_server(gateway, _WAKE)

    def tell_server(self, gateway: _Gateway, event: ev.ServerEvent) -> None:
        """Pass an event to a gateway's server, and perform the commands that it returns."""
        server = gateway.server
        if server is None:
            return
        now = self._clock.now_s
        commands = server.handle(event, now)
        if event.__class__ is ev.HandshakeArrived:
            self._trace.append_packed(pack_arrival(now, event.client, event.connection))
        if server.verdicts:
            self._trace.server_log.note_all(now, gateway.number, server.verdicts)
        for command in commands:
            self._trace.append_packed(pack_server_command(now, command))
            line = self._lines.get((command.client, command.connection))
            if line is not None:
                _ANSWER[type(command)](self, line, command)
        gateway.alarm.set(server.deadline)

    # --- answers to clients --------------------------------------------------------------

    def _admit(self, line: _Line, command: ev.Admit) -> None:
        self._down(line, HANDSHAKE_DOWN_BYTES, self._on_opened, line)

    def _refuse(self, line: _Line, command: ev.Refuse) -> None:
        reason = reasons.of_status(command.status)
        hint_s, status = command.hint_s, command.status
        self._down(line, ANSWER_BYTES, self._fail, line, reason, hint_s, status)

    def _answer(self, line: _Line, a: ev.Answer) -> None:
        line_open = line.route == _WEBSOCKET
        kind: Any = ev.Received if line_open else ev.Posted
        event = kind(line.connection, a.message, a.reason, a.hint_s, a.version)
        self._down(line, ANSWER_BYTES, self._tell, line, event, line_open)

    def _push(self, line: _Line, p: ev.Push) -> None:
        event = ev.Pushed(line.connection, p.channel, p.version, p.reason)
        self._down(line, PUSH_BYTES, self._tell, line, event, True)

    def _serve(self, line: _Line, command: ev.AnswerPoll) -> None:
        size_bytes = ANSWER_BYTES + PUSH_BYTES * len(command.pushes)
        self._down(line, size_bytes, self._on_served, line, command)

    def _grant(self, line: _Line, command: ev.GrantSession) -> None:
        granted_s = self._clock.now_s
        self._down(line, ANSWER_BYTES, self._on_granted, line, granted_s, command.lifetime_s)

    def _shut(self, line: _Line, command: ev.CloseConnection) -> None:
        self._down(line, CLOSE_BYTES, self._lost, line, command)

    def _tell(self, line: _Line, event: ev.Event, stays: bool) -> None:
        if not stays:
            self._remove(line)
        line.driver.feed(event)

    def _on_opened(self, line: _Line) -> None:
        line.is_open = True
        line.driver.feed(ev.Opened(line.connection))

    def _on_served(self, line: _Line, command: ev.AnswerPoll) -> None:
        self._remove(line)
        for p in command.pushes:
            line.driver.feed(ev.Pushed(line.connection, p.channel, p.version, p.reason))
        line.driver.feed(ev.Polled(line.connection, Reason.ACCEPTED))

    def _on_granted(self, line: _Line, granted_s: float, lifetime_s: float) -> None:
        self._remove(line)
        self._cookies_s[line.client] = granted_s
        line.driver.feed(ev.SignedIn(line.connection, Reason.ACCEPTED, lifetime_s))

    def _lost(self, line: _Line, command: ev.CloseConnection) -> None:
        self._remove(line)
        reason = reasons.of_code(command.code)
        line.driver.feed(ev.Lost(line.connection, reason, command.hint_s, command.code))

    # --- faults --------------------------------------------------------------------------

    def fault_starts(self, index: int) -> None:
        """Make a fault's start happen."""
        if self._timeline.faults[index].kind == FaultKind.SERVER_CRASH:
            for gateway in self._gateways_of(index):
                gateway.server = None
                gateway.alarm.set(inf)
                self._trace.server_log.note_stop(self._clock.now_s, gateway.number)
        self._order(index, starts=True)
        for line in list(self._lines.values()):
            if self._cuts(index, line) and line.is_there:
                self._cut(line)
        for line in list(self._closing):
            # Its client has gone; what it sent before, and that it has closed, is lost.
            if self._cuts(index, line):
                line.cut = True
                self._on_closed(line)

    def _cuts(self, index: int, line: _Line) -> bool:
        timeline = self._timeline
        return timeline.cuts(index, line.client, line.route) and timeline.concerns(
            index, line.gateway.number
        )

    def fault_stops(self, index: int) -> None:
        """Make a fault's stop happen."""
        if self._timeline.faults[index].kind == FaultKind.SERVER_CRASH:
            for gateway in self._gateways_of(index):
                if not self._timeline.is_crashed(self._clock.now_s, gateway.number):
                    self._start_server(gateway)
        self._order(index, starts=False)
        held, self._held = self._held, []
        for send_again, arguments in held:
            send_again(*arguments)

    def _order(self, index: int, starts: bool) -> None:
        clients = self._scenario.clients
        for gateway in self._gateways_of(index):
            event = order(self._timeline, index, starts, clients, 0.0, gateway.number)
            if event is not None:
                self.tell_server(gateway, event)

    def _gateways_of(self, index: int) -> list[_Gateway]:
        gateway = self._timeline.faults[index].gateway
        return self._gateways if gateway == ALL_GATEWAYS else [self._gateways[gateway]]


_WAKE = ev.Wake()
# Read at every frame, and a member costs 0.1 us to look up on Python 3.11.
_WEBSOCKET, _UP, _DOWN = Route.WEBSOCKET, Stream.UP, Stream.DOWN
_PERFORM: dict[type, Callable[[SimHost, Driver, Any], None]] = {
    ev.Open: SimHost._begin,
    ev.Poll: SimHost._begin,
    ev.Post: SimHost._begin,
    ev.SignIn: SimHost._begin,
    ev.Close: SimHost._close,
    ev.Transmit: SimHost._transmit,
    ev.Ping: SimHost._ping,
    ev.Subscribe: SimHost._subscribe,
    ev.Fetch: SimHost._fetch,
    ev.Save: SimHost._save,
    ev.Forget: SimHost._forget,
}
_ANSWER: dict[type, Callable[[SimHost, _Line, Any], None]] = {
    ev.Admit: SimHost._admit,
    ev.Refuse: SimHost._refuse,
    ev.Answer: SimHost._answer,
    ev.Push: SimHost._push,
    ev.AnswerPoll: SimHost._serve,
    ev.GrantSession: SimHost._grant,
    ev.CloseConnection: SimHost._shut,
}


def _message_arrived(client: int, connection: int, message: ev.Message) -> ev.MessageArrived:
    return ev.MessageArrived(client, connection, message.id, message.key, message.base)


def _failure(line: _Line, reason: Reason, hint_s: float, status: int) -> ev.Event:
    asked = line.asked
    if asked.__class__ is ev.Open:
        return ev.Failed(line.connection, reason, hint_s, status)
    if isinstance(asked, ev.Post):
        return ev.Posted(line.connection, asked.message.id, reason, hint_s, code=status)
    if isinstance(asked, ev.SignIn):
        return ev.SignedIn(line.connection, reason)
    return ev.Polled(line.connection, reason, hint_s, status)


def play(
    scenario: Scenario,
    label: str = "",
    processes: Sequence[Process] = (),
    progress: Callable[[float], None] | None = None,
    clock: SimClock | None = None,
) -> Trace:
    """Play a scenario in virtual time; see `simlib.api`."""
    trace = Trace("sim", scenario, label)
    host = SimHost(scenario, trace, clock)
    host.world.begin(processes)
    try:
        with garbage.freeze_objects():
            for part in range(1, _STEPS + 1):
                host.run(scenario.duration_s * part / _STEPS)
                trace.end_s = scenario.duration_s * part / _STEPS
                if progress is not None:
                    progress(part / _STEPS)
    except KeyboardInterrupt:
        trace.partial = True
        raise Interrupted(trace) from None
    return trace


async def play_async(
    scenario: Scenario,
    label: str = "",
    processes: Sequence[Process] = (),
    progress: Callable[[float], None] | None = None,
    trace: Trace | None = None,
) -> Trace:
    """Play a scenario in virtual time at the pace of the wall clock: the same trace, watched."""
    import asyncio

    trace = Trace("sim", scenario, label) if trace is None else trace
    trace.partial = True
    host = SimHost(scenario, trace)
    host.world.begin(processes)
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    while trace.end_s < scenario.duration_s:
        await asyncio.sleep(_PACE_S)
        # A simulation slower than the wall clock falls behind; it does not take longer strides.
        furthest_s = min(scenario.duration_s, trace.end_s + _LONGEST_STRIDE_S)
        if (until_s := min(loop.time() - began_s, furthest_s)) > trace.end_s:
            host.run(until_s)
            trace.end_s = until_s
        if progress is not None:
            progress(trace.end_s / scenario.duration_s)
    trace.partial = False
    return trace
