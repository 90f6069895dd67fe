"""The only loop: feed an event, write the trace, perform the commands, re-arm one timer."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, inf
from typing import Any, Protocol, TypeVar

from simlib.core.client import Client
from simlib.core.events import Command, Event, Wake
from simlib.core.fallback import Transport
from simlib.core.link_fields import Link
from simlib.core.link_table import State
from simlib.core.quality import Quality
from simlib.engines.store import Store
from simlib.trace.schema import pack_command, pack_event, pack_state
from simlib.trace.trace import Trace

_T = TypeVar("_T")


class Alarm(Protocol):
    """One timer that can be moved."""

    def set(self, deadline_s: float) -> None:
        """Set the timer to another moment; inf: switch it off."""


class Clock(Protocol):
    """The clock of a run: the time, and calls at a given time."""

    @property
    def now_s(self) -> float:
        """Seconds since the run began."""

    def at(self, time_s: float, function: Callable[..., None], *arguments: Any) -> None:
        """Call a function at a moment; never earlier."""

    def alarm(self, function: Callable[[_T], None], owner: _T) -> Alarm:
        """Return an alarm that calls a function with its owner when it rings."""


class ThrottledAlarm:
    """An alarm that rings at some moments only: the first of them that is not before its deadline.

    Examples
    --------
    >>> class Printed:
    ...     def set(self, deadline_s):
    ...         print(deadline_s)
    >>> ThrottledAlarm(Printed(), every_s=60.0, first_s=20.0).set(21.5)
    80.0
    """

    __slots__ = ("alarm", "_every_s", "_first_s")

    def __init__(self, alarm: Alarm, every_s: float, first_s: float) -> None:
        #: The alarm itself.
        self.alarm = alarm
        self._every_s = every_s
        self._first_s = first_s

    def set(self, deadline_s: float) -> None:
        """Set the alarm to the first of its moments from a deadline on; inf: switch it off."""
        if deadline_s < inf:
            times = ceil((deadline_s - self._first_s) / self._every_s)
            ring_s = self._first_s + times * self._every_s
            # Rounding may have put it a hair before its deadline, when nothing is due yet.
            deadline_s = ring_s if ring_s >= deadline_s else ring_s + self._every_s
        self.alarm.set(deadline_s)


class Host(Protocol):
    """Carries out what a client asks for; answers later, never from inside `perform`."""

    def perform(self, driver: Driver, command: Command) -> None:
        """Begin to carry out a command."""


class Driver:
    """Drives one client: the same steps in every engine that has a host."""

    # fmt: off
    __slots__ = (
        "client", "store", "life", "observers", "_clock", "_host", "_trace", "_alarm", "_inbox",
        "_gone", "_seen_link", "_seen_level", "_seen_state",
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
        self._alarm: Alarm = clock.alarm(Driver._wake, self)
        #: What a sleeping client has not been told yet; None: it is awake.
        self._inbox: list[Event] | None = None
        self._gone = False
        #: A link that is open, the quality then, and the cells that rows have for them.
        self._seen_link: Link | None = None
        self._seen_level = Quality.EXCELLENT
        self._seen_state = b""

    @property
    def gone(self) -> bool:
        """Whether the client is not there: its page is closed, or loading."""
        return self._gone

    def feed(self, event: Event) -> None:
        """Pass an event to the client and perform the commands that it returns."""
        if self._inbox is not None:
            self._inbox.append(event)
            return
        if self._gone:
            return
        now = self._clock.now_s
        client = self.client
        commands = client.handle(event, now)
        link, number = client.link, client.number
        if link is self._seen_link and client.level is self._seen_level:
            after = self._seen_state
        else:
            after = pack_state(client, now)
            if link.state == _OPEN and link.transport_status.transport == _WEBSOCKET:
                # Nothing in these cells depends on the time.
                self._seen_link, self._seen_level, self._seen_state = link, client.level, after
        rows = pack_event(now, number, event) + after
        for command in commands:
            rows += pack_command(now, number, command) + after
        self._trace.append_packed(rows)
        for command in commands:
            self._host.perform(self, command)
        self._alarm.set(client.deadline)
        for observer in self.observers:
            observer(self, event, commands, now)

    def sleep(self) -> None:
        """Stop the client's timers; events that arrive meanwhile are queued."""
        if self._inbox is None and not self._gone:
            self._inbox = []
            self._alarm.set(inf)

    def wake_up(self) -> None:
        """Pass the queued events to the client, then a wake-up if its deadline has passed."""
        waited, self._inbox = self._inbox or [], None
        for event in waited:
            self.feed(event)
        if not self._gone:
            self._alarm.set(max(self.client.deadline, self._clock.now_s))

    def throttle(self, every_s: float, first_s: float) -> None:
        """Let the client's timers fire at some moments only; ``every_s`` 0: at any."""
        # Another alarm instead of a question at each event: most clients are never throttled.
        alarm = self._alarm.alarm if isinstance(self._alarm, ThrottledAlarm) else self._alarm
        self._alarm = ThrottledAlarm(alarm, every_s, first_s) if every_s > 0.0 else alarm
        if self._inbox is None and not self._gone:
            self._alarm.set(max(self.client.deadline, self._clock.now_s))

    def go(self) -> None:
        """Stop driving a client whose page was closed."""
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
_OPEN, _WEBSOCKET = State.OPEN.value, Transport.WEBSOCKET.value
