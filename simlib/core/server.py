"""The server: admission, acknowledgement, duplicates, rate limit, shedding.

Rules of the server:
- A handshake is served by a worker, first come first served; when the backlog is full, the
  accept rate is passed or all connections are taken, it is refused with 503.
- Work on a handshake whose client has gone is still done; only then is the result thrown away.
- A message counts once: a second copy is answered as a duplicate, over any connection.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heapreplace
from math import ceil, inf
from typing import Any

from simlib.core import events as ev
from simlib.core import meters
from simlib.core.events import Reason, ServerCommand, ServerEvent
from simlib.core.meters import Rate
from simlib.core.rules import Count, Ruled, count, number, seconds

UNAVAILABLE = 503


@dataclass(frozen=True, kw_only=True)
class ServerSettings(Ruled):
    """What one server can do; by default everything at once."""

    #: Handshakes accepted per second (one second's worth at once); inf: no limit.
    accept_per_s: float = number(inf, "handshakes per second", above=True, endless=True)
    #: Handshakes worked on at the same time.
    workers: int = count(1, high=10_000)
    #: Work on one handshake.
    handshake_service_s: float = seconds(0.0)
    #: Handshakes that may wait for a worker; beyond, they are refused.
    backlog: Count = count(inf, low=0, endless=True)
    #: Connections open at the same time.
    max_connections: Count = count(inf, endless=True)
    #: Work on one message; messages are worked on one at a time.
    message_service_s: float = seconds(0.0)
    #: Messages accepted from each client.
    rate: Rate = field(default_factory=Rate)
    #: The Retry-After of a refusal, whole seconds as in HTTP; 0: none.
    retry_after_s: float = number(0.0, "seconds", whole=True)


class Station:
    """Workers with one queue, first come first served: who comes now is done when?

    Nothing overtakes, so the moment each job is done is known when it arrives.
    """

    def __init__(self, workers: int, service_s: float, backlog: float) -> None:
        self._free_s = [0.0] * workers
        self._service_s = service_s
        self._backlog = backlog
        self._jobs: deque[tuple[float, float, Any]] = deque()

    @property
    def deadline_s(self) -> float:
        """When the next job is done; inf: none is under way."""
        return self._jobs[0][1] if self._jobs else inf

    @property
    def waiting(self) -> int:
        """Jobs that no worker has taken yet, as of the last arrival or completion."""
        return sum(start_s > self._now for start_s, _, _ in self._jobs)

    _now = 0.0

    def arrive(self, job: Any, now: float) -> bool:
        """Take in a job; False if the backlog is full."""
        self._now = now
        start_s = max(now, self._free_s[0])
        if start_s > now and self._backlog < inf and self.waiting >= self._backlog:
            return False
        heapreplace(self._free_s, start_s + self._service_s)
        self._jobs.append((start_s, start_s + self._service_s, job))
        return True

    def done(self, now: float) -> list[Any]:
        """Remove and return the jobs that are done by now."""
        self._now = now
        finished = []
        while self._jobs and self._jobs[0][1] <= now:
            finished.append(self._jobs.popleft()[2])
        return finished


class Seen:
    """The message ids of one client that were counted, kept as a prefix and the rest."""

    def __init__(self) -> None:
        self._below = 0
        self._rest: set[int] = set()

    def add(self, message: int) -> bool:
        """Count a message; False if it was counted before."""
        if message < self._below or message in self._rest:
            return False
        self._rest.add(message)
        while self._below in self._rest:
            self._rest.remove(self._below)
            self._below += 1
        return True


class Server:
    """One server, from its start to its crash."""

    def __init__(self, settings: ServerSettings) -> None:
        self.settings = settings
        self._handshakes = Station(settings.workers, settings.handshake_service_s, settings.backlog)
        self._messages = Station(1, settings.message_service_s, inf)
        per_s = settings.accept_per_s
        self._accepts = Rate(per_s=per_s, burst=1 if per_s == inf else max(1, ceil(per_s)))
        self._accept_arrival_s = 0.0
        self._waiting: set[tuple[int, int]] = set()
        self._open: set[tuple[int, int]] = set()
        self._arrivals_s: dict[int, float] = {}
        self._seen: dict[int, Seen] = {}
        #: When the server wants a `Wake`; inf: never.
        self.deadline = inf

    @property
    def connections(self) -> int:
        """Connections that are open."""
        return len(self._open)

    def handle(self, event: ServerEvent, now: float) -> list[ServerCommand]:
        """Take in an event and return what to do about it."""
        commands: list[ServerCommand] = []
        _TOLD[type(event)](self, event, now, commands)
        for handshake in self._handshakes.done(now):
            self._admit(handshake, commands)
        for client, connection, message in self._messages.done(now):
            seen = self._seen.setdefault(client, Seen())
            reason = Reason.ACCEPTED if seen.add(message) else Reason.DUPLICATE
            commands.append(ev.Answer(client, connection, message, reason))
        self.deadline = min(self._handshakes.deadline_s, self._messages.deadline_s)
        return commands

    def check(self) -> None:
        """Raise AssertionError where an invariant does not hold."""
        assert self._waiting.isdisjoint(self._open)
        assert len(self._open) + len(self._waiting) <= self.settings.max_connections

    def _arrived(self, event: ev.Arrived, now: float, commands: list[ServerCommand]) -> None:
        handshake = (event.client, event.connection)
        taken = len(self._open) + len(self._waiting)
        if (
            taken < self.settings.max_connections
            and now >= meters.ready_s(self._accept_arrival_s, self._accepts)
            and self._handshakes.arrive(handshake, now)
        ):
            self._accept_arrival_s = meters.take(self._accept_arrival_s, now, self._accepts)
            self._waiting.add(handshake)
            return
        hint_s = float(self.settings.retry_after_s)
        commands.append(ev.Refuse(event.client, event.connection, UNAVAILABLE, hint_s))

    def _admit(self, handshake: tuple[int, int], commands: list[ServerCommand]) -> None:
        if handshake in self._waiting:
            self._waiting.remove(handshake)
            self._open.add(handshake)
            commands.append(ev.Admit(*handshake))

    def _framed(self, event: ev.Framed, now: float, commands: list[ServerCommand]) -> None:
        arrival_s = self._arrivals_s.get(event.client, 0.0)
        ready_s = meters.ready_s(arrival_s, self.settings.rate)
        if now < ready_s:
            wait_s = ready_s - now
            commands.append(
                ev.Answer(event.client, event.connection, event.message, Reason.LIMITED, wait_s)
            )
            return
        self._arrivals_s[event.client] = meters.take(arrival_s, now, self.settings.rate)
        self._messages.arrive((event.client, event.connection, event.message), now)

    def _ended(self, event: ev.Ended, now: float, commands: list[ServerCommand]) -> None:
        self._waiting.discard((event.client, event.connection))
        self._open.discard((event.client, event.connection))

    def _woken(self, event: ev.Wake, now: float, commands: list[ServerCommand]) -> None:
        """Do nothing: what is done by now is handed out after every event."""


_TOLD: dict[type, Callable[[Server, Any, float, list[ServerCommand]], None]] = {
    ev.Arrived: Server._arrived,
    ev.Framed: Server._framed,
    ev.Ended: Server._ended,
    ev.Wake: Server._woken,
}
