"""The only loop: feed an event, write the trace, perform the commands, re-arm one timer."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any, Protocol

from simlib.core.client import Client
from simlib.core.events import Command, Event, Wake
from simlib.rows import NONE, Kind, command_cells, event_cells, state_cells
from simlib.trace import Trace


class Clock(Protocol):
    """Tells the time of the run, and calls back at a moment of it."""

    @property
    def now_s(self) -> float:
        """Seconds since the run began."""

    def at(self, time_s: float, function: Callable[..., None], *arguments: Any) -> None:
        """Call a function at a moment; never earlier."""


class Host(Protocol):
    """Carries out what a client asks for; answers later, never from inside `perform`."""

    def perform(self, driver: Driver, command: Command) -> None:
        """Begin to carry out a command."""


class Alarm:
    """One timer that can be moved; a ring of an earlier setting is ignored."""

    __slots__ = ("_clock", "_function", "_set_s")

    def __init__(self, clock: Clock, function: Callable[[], None]) -> None:
        self._clock = clock
        self._function = function
        self._set_s = inf

    def set(self, deadline_s: float) -> None:
        """Ring at this moment instead; inf: not at all."""
        if deadline_s != self._set_s:
            self._set_s = deadline_s
            if deadline_s < inf:
                # Unbound: an earlier setting waits on in the queue, and a bound method is 64 bytes.
                self._clock.at(deadline_s, Alarm._ring, self, deadline_s)

    def _ring(self, set_s: float) -> None:
        if set_s == self._set_s:
            self._set_s = inf
            self._function()


class Driver:
    """Drives one client: the same steps in every engine that has a host."""

    __slots__ = ("client", "_clock", "_host", "_trace", "_alarm")

    def __init__(self, client: Client, clock: Clock, host: Host, trace: Trace) -> None:
        self.client = client
        self._clock = clock
        self._host = host
        self._trace = trace
        self._alarm = Alarm(clock, self._wake)

    def feed(self, event: Event) -> None:
        """Tell the client something, and do what it then asks for."""
        now = self._clock.now_s
        client = self.client
        commands = client.handle(event, now)
        after = state_cells(client, now)
        append, number = self._trace.append, client.number
        append((now, number, _EVENT, *event_cells(event), *after))
        for command in commands:
            append((now, number, _COMMAND, *command_cells(command), *_BLANK, *after))
        for command in commands:
            self._host.perform(self, command)
        self._alarm.set(client.deadline)

    def _wake(self) -> None:
        self.feed(_WAKE)


_WAKE = Wake()
# Constants, not members looked up at every row: that costs 0.1 us each on Python 3.11.
_EVENT, _COMMAND = Kind.EVENT, Kind.COMMAND
#: The columns that a command does not fill: hint, priority, size, expiry.
_BLANK = (0.0, NONE, 0, inf)
