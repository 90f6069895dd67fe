"""The only loop: feed an event, write the trace, perform the commands, re-arm one timer."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any, Protocol

from simlib.core.client import Client
from simlib.core.events import Command, Event, Wake
from simlib.engines.store import Store
from simlib.trace.schema import Kind, command_row_cells, event_cells, state_cells
from simlib.trace.trace import Trace


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

    __slots__ = ("_clock", "_function", "_set_s", "_settings")

    def __init__(self, clock: Clock, function: Callable[[], None]) -> None:
        self._clock = clock
        self._function = function
        self._set_s = inf
        self._settings = 0

    def set(self, deadline_s: float) -> None:
        """Ring at this moment instead; inf: not at all."""
        if deadline_s != self._set_s:
            self._set_s = deadline_s
            self._settings += 1
            if deadline_s < inf:
                # Unbound: an earlier setting waits on in the queue, and a bound method is 64 bytes.
                self._clock.at(deadline_s, Alarm._ring, self, self._settings)

    def _ring(self, setting: int) -> None:
        # Not by the moment: one set to a moment, away, and back to it, comes in its last order.
        if setting == self._settings:
            self._set_s = inf
            self._function()


class Driver:
    """Drives one client: the same steps in every engine that has a host."""

    # fmt: off
    __slots__ = (
        "client", "store", "life", "observers", "_clock", "_host", "_trace", "_alarm", "_inbox",
        "_gone",
    )
    # fmt: on

    def __init__(
        self,
        client: Client,
        clock: Clock,
        host: Host,
        trace: Trace,
        store: Store,
        observers: list[Observer],
    ) -> None:
        self.client = client
        self.store = store
        #: How often the client was reloaded.
        self.life = 0
        self.observers = observers
        self._clock = clock
        self._host = host
        self._trace = trace
        self._alarm = Alarm(clock, self._wake)
        #: What a sleeping client has not been told yet; None: it is awake.
        self._inbox: list[Event] | None = None
        self._gone = False

    @property
    def gone(self) -> bool:
        """Whether the client is not there: its page is closed, or loading."""
        return self._gone

    def feed(self, event: Event) -> None:
        """Tell the client something, and do what it then asks for."""
        if self._inbox is not None:
            self._inbox.append(event)
            return
        if self._gone:
            return
        now = self._clock.now_s
        client = self.client
        commands = client.handle(event, now)
        after = state_cells(client, now)
        append, number = self._trace.append, client.number
        append((now, number, _EVENT, *event_cells(event), *after))
        for command in commands:
            append((now, number, _COMMAND, *command_row_cells(command), *after))
        for command in commands:
            self._host.perform(self, command)
        self._alarm.set(client.deadline)
        for observer in self.observers:
            observer(self, event, commands, now)

    def sleep(self) -> None:
        """Stop the client's timers; what it is told waits."""
        if self._inbox is None and not self._gone:
            self._inbox = []
            self._alarm.set(inf)

    def wake_up(self) -> None:
        """Tell the client what has waited, then that its deadline has come, if it has."""
        waited, self._inbox = self._inbox or [], None
        for event in waited:
            self.feed(event)
        if not self._gone:
            self._alarm.set(max(self.client.deadline, self._clock.now_s))

    def go(self) -> None:
        """Let the client end without a word: nothing reaches it any more."""
        self._inbox, self._gone = None, True
        self._alarm.set(inf)

    def come_back(self, client: Client) -> None:
        """Drive a fresh client in place of the one that went."""
        self.client, self._gone = client, False
        self.life += 1

    def _wake(self) -> None:
        self.feed(_WAKE)


#: Called after each step with the driver, the event, the commands and the time.
Observer = Callable[[Driver, Event, list[Command], float], None]

_WAKE = Wake()
# Constants, not members looked up at every row: that costs 0.1 us each on Python 3.11.
_EVENT, _COMMAND = Kind.EVENT, Kind.COMMAND
