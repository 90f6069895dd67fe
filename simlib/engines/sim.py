"""The SimPy host: path and server in virtual time.

Callbacks, not processes: a message is a few scheduled calls. What the live engine does with
sockets is done here with `_Line`, one per connection, poll or post.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from typing import Any

from simlib.core import events as ev
from simlib.core.draws import Stream
from simlib.core.events import Command, Reason
from simlib.core.faults import Crossing, FaultKind, Route
from simlib.core.path import NEW_LANE
from simlib.core.server import Server
from simlib.engines import garbage
from simlib.engines.driver import Alarm, Driver
from simlib.engines.world import Process, SimClock, World, note, server_row
from simlib.rows import Kind, Name
from simlib.scenario import Scenario
from simlib.trace import Interrupted, Trace

#: Sizes on the wire: measured of python websockets' handshake, and of this project's frames.
HANDSHAKE_UP_BYTES, HANDSHAKE_DOWN_BYTES = 264, 303
REQUEST_BYTES, ANSWER_BYTES = 180, 60
_STEPS = 50


class _Line:
    """One attempt and its connection, one poll, or one post."""

    __slots__ = (
        "driver",
        "client",
        "connection",
        "route",
        "message",
        "up",
        "down",
        "is_open",
        "sent",
        "cut",
    )

    def __init__(self, driver: Driver, connection: int, route: Route, message: int) -> None:
        self.driver = driver
        self.client = driver.client.number
        self.connection = connection
        self.route = route
        #: The message of a post; -1 otherwise.
        self.message = message
        self.up = self.down = NEW_LANE
        self.is_open = False
        #: The request is on its way, so the server will learn of the line's end.
        self.sent = False
        #: Ended by a fault: what was on its way is lost.
        self.cut = False


class SimHost:
    """The network and the server of one run, modelled."""

    def __init__(self, scenario: Scenario, trace: Trace) -> None:
        self._clock = SimClock()
        self._trace = trace
        self._settings = scenario.server
        self.world = World(scenario, self._clock, self, trace)
        self._timeline = self.world.timeline
        self._crossings = [
            Crossing(scenario.path, self._timeline, scenario.seed, i)
            for i in range(scenario.clients)
        ]
        self._lines: dict[tuple[int, int], _Line] = {}
        self._server: Server | None = Server(scenario.server)
        self._server_alarm = Alarm(self._clock, self._wake_server)

    def run(self, until_s: float) -> None:
        """Play on to a moment."""
        self._clock.run(until=until_s)

    # --- what clients ask for ------------------------------------------------------------

    def perform(self, driver: Driver, command: Command) -> None:
        """Begin to carry out a command."""
        action = _PERFORM.get(type(command))
        if action is not None:
            action(self, driver, command)

    def _open(self, driver: Driver, command: ev.Open) -> None:
        self._begin(_Line(driver, command.connection, Route.WEBSOCKET, -1))

    def _poll(self, driver: Driver, command: ev.Poll) -> None:
        self._begin(_Line(driver, command.connection, Route.HTTP, -1))

    def _post(self, driver: Driver, command: ev.Post) -> None:
        self._begin(_Line(driver, command.connection, Route.HTTP, command.message.id))

    def _close(self, driver: Driver, command: ev.Close) -> None:
        line = self._lines.pop((driver.client.number, command.connection), None)
        if line is not None and line.sent:
            # The end follows what was sent before it.
            self._up(line, 0, self._ended, line.client, line.connection)

    def _transmit(self, driver: Driver, command: ev.Transmit) -> None:
        line = self._lines.get((driver.client.number, command.connection))
        if line is not None:
            self._up(line, command.message.size_bytes, self._framed, line, command.message.id)

    def _ping(self, driver: Driver, command: ev.Ping) -> None:
        line = self._lines.get((driver.client.number, command.connection))
        if line is not None:
            self._up(line, 6, self._pinged, line)

    # --- the network ---------------------------------------------------------------------

    def _begin(self, line: _Line) -> None:
        self._lines[line.client, line.connection] = line
        now = self._clock.now_s
        connected_s = self._crossings[line.client].connect(line.route, now)
        refused = self._server is None or self._timeline.refuses(line.client, line.route, now)
        self._clock.at(connected_s, self._refused if refused else self._connected, line)

    def _alive(self, line: _Line) -> bool:
        return self._lines.get((line.client, line.connection)) is line

    def _refused(self, line: _Line) -> None:
        if self._alive(line):
            self._fail(line, Reason.REFUSED)

    def _connected(self, line: _Line) -> None:
        if self._alive(line):
            line.sent = True
            websocket = line.route == Route.WEBSOCKET
            size = HANDSHAKE_UP_BYTES if websocket else REQUEST_BYTES
            self._up(line, size, self._requested, line)

    def _up(self, line: _Line, size: int, function: Callable[..., None], *arguments: Any) -> None:
        now = self._clock.now_s
        line.up = self._crossings[line.client].send(line.up, Stream.UP, line.route, now, size)
        self._clock.at(line.up.arrival_s, function, *arguments)

    def _down(self, line: _Line, size: int, function: Callable[..., None], *arguments: Any) -> None:
        now = self._clock.now_s
        line.down = self._crossings[line.client].send(line.down, Stream.DOWN, line.route, now, size)
        self._clock.at(line.down.arrival_s, self._if_alive, line, function, arguments)

    def _if_alive(self, line: _Line, function: Callable[..., None], arguments: Any) -> None:
        if self._alive(line):
            function(*arguments)

    def _cut(self, line: _Line) -> None:
        """End a line at once, for the client and for the server."""
        line.cut = True
        if line.is_open:
            del self._lines[line.client, line.connection]
            line.driver.feed(ev.Lost(line.connection, Reason.RESET))
        else:
            self._fail(line, Reason.REFUSED)
        self._ended(line.client, line.connection)

    def _fail(self, line: _Line, reason: Reason, hint_s: float = 0.0) -> None:
        del self._lines[line.client, line.connection]
        line.driver.feed(_failure(line, reason, hint_s))

    # --- the server ----------------------------------------------------------------------

    def _requested(self, line: _Line) -> None:
        if line.cut:
            return
        now = self._clock.now_s
        fault = self._timeline.rejection(line.client, line.route, now)
        if fault is not None:
            hint_s = float(fault.retry_after_s)
            self._down(line, ANSWER_BYTES, self._fail, line, Reason.REJECTED, hint_s)
        elif line.route == Route.WEBSOCKET:
            self._tell_server(ev.Arrived(line.client, line.connection))
        elif line.message >= 0:
            self._framed(line, line.message)
        elif self._alive(line):
            self._down(line, ANSWER_BYTES, self._polled, line)

    def _framed(self, line: _Line, message: int) -> None:
        # Frames of a closed line were sent before its end; those of a cut one are gone.
        if not line.cut:
            self._tell_server(ev.Framed(line.client, line.connection, message))

    def _ended(self, client: int, connection: int) -> None:
        self._tell_server(ev.Ended(client, connection))

    def _pinged(self, line: _Line) -> None:
        if self._alive(line):
            self._down(line, 2, line.driver.feed, ev.Ponged(line.connection))

    def _wake_server(self) -> None:
        self._tell_server(_WAKE)

    def _tell_server(self, event: ev.ServerEvent) -> None:
        server = self._server
        if server is None:
            return
        now = self._clock.now_s
        commands = server.handle(event, now)
        if isinstance(event, ev.Arrived):
            row = note(now, event.client, Kind.SERVER, Name.ARRIVED, event.connection)
            self._trace.append(row)
        for command in commands:
            self._trace.append(server_row(now, command))
            line = self._lines.get((command.client, command.connection))
            if line is not None:
                self._answer(line, command)
        self._server_alarm.set(server.deadline)

    def _answer(self, line: _Line, command: ev.ServerCommand) -> None:
        if isinstance(command, ev.Admit):
            self._down(line, HANDSHAKE_DOWN_BYTES, self._opened, line)
        elif isinstance(command, ev.Refuse):
            self._down(line, ANSWER_BYTES, self._fail, line, Reason.REJECTED, command.hint_s)
        elif line.route == Route.WEBSOCKET:
            received = ev.Received(line.connection, command.message, command.reason, command.hint_s)
            self._down(line, ANSWER_BYTES, line.driver.feed, received)
        else:
            self._down(line, ANSWER_BYTES, self._posted, line, command)

    # --- answers to clients --------------------------------------------------------------

    def _opened(self, line: _Line) -> None:
        line.is_open = True
        line.driver.feed(ev.Opened(line.connection))

    def _polled(self, line: _Line) -> None:
        del self._lines[line.client, line.connection]
        line.driver.feed(ev.Polled(line.connection, Reason.ACCEPTED))

    def _posted(self, line: _Line, answer: ev.Answer) -> None:
        del self._lines[line.client, line.connection]
        line.driver.feed(ev.Posted(line.connection, answer.message, answer.reason, answer.hint_s))

    # --- faults --------------------------------------------------------------------------

    def fault_starts(self, index: int) -> None:
        """Make a fault's start happen."""
        if self.world.scenario.faults[index].kind == FaultKind.SERVER_CRASH:
            self._server = None
            self._server_alarm.set(inf)
        for line in list(self._lines.values()):
            if self._timeline.cuts(index, line.client, line.route) and self._alive(line):
                self._cut(line)

    def fault_stops(self, index: int) -> None:
        """Make a fault's stop happen."""
        crash = self.world.scenario.faults[index].kind == FaultKind.SERVER_CRASH
        if crash and not self._timeline.crashed(self._clock.now_s):
            self._server = Server(self._settings)


_WAKE = ev.Wake()
_PERFORM: dict[type, Callable[[SimHost, Driver, Any], None]] = {
    ev.Open: SimHost._open,
    ev.Close: SimHost._close,
    ev.Transmit: SimHost._transmit,
    ev.Ping: SimHost._ping,
    ev.Poll: SimHost._poll,
    ev.Post: SimHost._post,
}


def _failure(line: _Line, reason: Reason, hint_s: float) -> ev.Event:
    if line.route == Route.WEBSOCKET:
        return ev.Failed(line.connection, reason, hint_s)
    if line.message >= 0:
        return ev.Posted(line.connection, line.message, reason, hint_s)
    return ev.Polled(line.connection, reason, hint_s)


def play(
    scenario: Scenario,
    label: str = "",
    processes: Sequence[Process] = (),
    progress: Callable[[float], None] | None = None,
) -> Trace:
    """Play a scenario in virtual time; see `simlib.run`."""
    trace = Trace("sim", scenario, label)
    host = SimHost(scenario, trace)
    host.world.begin(processes)
    try:
        with garbage.settled():
            for part in range(1, _STEPS + 1):
                host.run(scenario.duration_s * part / _STEPS)
                trace.end_s = scenario.duration_s * part / _STEPS
                if progress is not None:
                    progress(part / _STEPS)
    except KeyboardInterrupt:
        trace.partial = True
        raise Interrupted(trace) from None
    return trace
