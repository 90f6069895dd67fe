"""Live counters of a run: readable at any moment, in every engine.

They observe each client's steps. At the end of a run they equal the metrics of its trace
(`metrics/metrics.py`).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from simlib.core import events as ev
from simlib.core.breaker import BreakerState
from simlib.core.client import Client
from simlib.core.events import Command, Event, Priority, Reason
from simlib.core.fallback import Transport
from simlib.core.link_table import State
from simlib.core.notices import Board, Notice, merge_notices
from simlib.core.quality import Quality
from simlib.engines.driver import Driver
from simlib.metrics.intervals import observed_quantiles

#: Latencies kept of each priority: the quantiles are those of the last ones.
LATENCIES_KEPT = 1000


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Half of the values, and 95 in 100, are no longer than this; NaN: there are none."""

    p50_s: float
    p95_s: float


@dataclass(frozen=True, slots=True)
class Counts:
    """How clients stand, and what they did so far; by word, in the order of the words."""

    #: Clients by state, transport, breaker and quality.
    states: dict[str, int]
    transports: dict[str, int]
    breakers: dict[str, int]
    qualities: dict[str, int]
    #: Messages that the outboxes hold, in flight included, by priority.
    outbox: dict[str, int]
    #: Time from send to acknowledgement, of the last ones by priority.
    latencies: dict[str, Quantiles]
    #: Tries to open a connection, and those that succeeded.
    attempts: int
    opens: int
    #: Attempts that failed and connections that were lost, by reason.
    failures: dict[str, int]
    #: Clients that gave up at least once.
    gave_up: int
    #: Messages that the application gave to its clients, and those that were acknowledged.
    sent: int
    acknowledged: int
    #: Messages that an outbox gave up, by reason.
    dropped: dict[str, int]
    #: The notices that stand, the worst first.
    notices: tuple[Notice, ...]


class Counters:
    """The live counters of one run's clients; add them to `World.observers`.

    Parameters
    ----------
    clients : int
        How many clients the run has.

    Examples
    --------
    >>> import simlib as sl
    >>> counters = Counters(clients=3)
    >>> def attach(world):
    ...     world.observers.append(counters)
    ...     yield from ()
    >>> trace = sl.run(sl.Scenario(clients=3, duration_s=5), processes=[attach])
    >>> counters.snapshot().states["open"]
    3
    """

    def __init__(self, clients: int) -> None:
        self._looks: list[_Look] = [_NEW] * clients
        self._by_look: Counter[_Look] = Counter({_NEW: clients})
        self._depths = [_EMPTY] * clients
        self._held = [0, 0, 0, 0]
        #: When each message not yet acknowledged was sent; also of dropped ones, since an
        #: answer to what was given up can still come.
        self._sent: dict[tuple[int, int], tuple[float, Priority]] = {}
        self._latencies_s = [deque[float](maxlen=LATENCIES_KEPT) for _ in Priority]
        self._boards: dict[int, Board] = {}
        self._gave_up: set[int] = set()
        self._failures: Counter[Reason] = Counter()
        self._dropped: Counter[Reason] = Counter()
        self._attempts = self._opens = self._messages = self._acknowledged = 0

    def __call__(self, driver: Driver, event: Event, commands: list[Command], now: float) -> None:
        """Count one step of a client."""
        client = driver.client
        self._count_event(client.number, event, now)
        for command in commands:
            self._count_command(client.number, command, now)
        self._follow(client, event, commands)
        if len(client.outbox) or self._depths[client.number] != _EMPTY:
            self._measure(client)

    def snapshot(self) -> Counts:
        """Return what is known now."""
        states, transports, breakers, qualities = self._by_part()
        return Counts(
            states=_in_words(states, State),
            transports=_in_words(transports, Transport),
            breakers=_in_words(breakers, BreakerState),
            qualities=_in_words(qualities, Quality),
            outbox=_in_words(dict(enumerate(self._held)), Priority),
            latencies={
                priority.name.lower(): _quantiles(self._latencies_s[priority])
                for priority in Priority
            },
            attempts=self._attempts,
            opens=self._opens,
            failures=_in_words(self._failures, sorted(self._failures)),
            gave_up=len(self._gave_up),
            sent=self._messages,
            acknowledged=self._acknowledged,
            dropped=_in_words(self._dropped, sorted(self._dropped)),
            notices=tuple(merge_notices(self._boards.values())),
        )

    def _count_event(self, number: int, event: Event, now: float) -> None:
        match event:
            case ev.Send(message) | ev.Edit(message):
                self._messages += 1
                self._sent[number, message.id] = (now, message.priority)
            case ev.Stop():
                # Whoever has left reads no notice any more.
                self._boards.pop(number, None)
            case ev.Received(_, answered, Reason.ACCEPTED | Reason.DUPLICATE) | ev.Posted(
                _, answered, Reason.ACCEPTED | Reason.DUPLICATE
            ) if (number, answered) in self._sent:
                sent_s, priority = self._sent.pop((number, answered))
                self._acknowledged += 1
                self._latencies_s[priority].append(now - sent_s)

    def _count_command(self, number: int, command: Command, now: float) -> None:
        match command:
            case ev.Open():
                self._attempts += 1
            case ev.Drop(_, reason):
                self._dropped[reason] += 1
            case ev.Notify(reason):
                self._boards.setdefault(number, Board()).post(reason, now)
                if reason == Reason.GAVE_UP:
                    self._gave_up.add(number)

    def _follow(self, client: Client, event: Event, commands: Sequence[Command]) -> None:
        """Count a client's state after a step."""
        before, after = self._looks[client.number], _look(client)
        if after == before:
            return
        self._looks[client.number] = after
        self._by_look[before] -= 1
        self._by_look[after] += 1
        if after[0] == before[0]:
            return
        if after[0] == State.OPEN:
            self._opens += 1
            if client.number in self._boards:
                self._boards[client.number].clear_at_open()
        elif before[0] in _BUSY and not isinstance(event, ev.Stop):
            why = _why(event, commands)
            # A client that is offline, or has no session, ends its attempt itself.
            self._failures[why] += why != Reason.NONE

    def _measure(self, client: Client) -> None:
        """Measure the number of messages in a client's outbox."""
        before, after = self._depths[client.number], client.outbox.depths()
        self._depths[client.number] = after
        for priority, (less, more) in enumerate(zip(before, after, strict=True)):
            self._held[priority] += more - less

    def _by_part(self) -> list[Counter[Any]]:
        parts: list[Counter[Any]] = [Counter() for _ in _NEW]
        for look, clients in self._by_look.items():
            for part, value in zip(parts, look, strict=True):
                part[value] += clients
        return parts


#: State, transport, breaker and quality of a client.
_Look = tuple[int, int, int, int]
_NEW: _Look = (State.IDLE, Transport.WEBSOCKET, BreakerState.CLOSED, Quality.OFFLINE)
_EMPTY = (0, 0, 0, 0)
_BUSY = (State.CONNECTING, State.OPEN)


def _look(client: Client) -> _Look:
    link = client.link
    return link.state, link.transport, link.breaker, client.quality


def _why(event: Event, commands: Sequence[Command]) -> Reason:
    """Return why an attempt or a connection ended: the reason given, or the client's own."""
    if isinstance(event, (ev.Failed, ev.Lost)):
        return event.reason
    closes = (command.reason for command in commands if isinstance(command, ev.Close))
    return next(closes, Reason.NONE)


def _in_words(counts: Any, members: Any) -> dict[str, int]:
    return {member.name.lower(): counts.get(member, 0) for member in members}


def _quantiles(values: deque[float]) -> Quantiles:
    return Quantiles(*observed_quantiles(np.array(values), (0.5, 0.95)))
