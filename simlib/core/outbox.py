"""Messages waiting: priority, bounds, expiry, in flight, resend, dead letters.

Rules of the outbox:
- The capacity counts everything not yet acknowledged, in flight included; only a message that
  is not in flight can be dropped to make room.
- The most urgent leaves first; within a priority the order of acceptance holds, also for one
  that comes back from in flight.
- A message in flight past its acknowledgement timeout is sent again, each time with twice the
  patience; after `max_resends` it is a dead letter.
- A message given back because its connection ended does not count as a resend.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from heapq import heappop, heappush
from math import inf

from simlib.core.errors import MisuseError
from simlib.core.events import Message, Priority, Reason
from simlib.core.rules import Count, Ruled, choice, count, seconds


class WhenFull(IntEnum):
    """Who yields when the outbox is full."""

    REJECT_NEW = 0
    DROP_OLDEST = 1
    DROP_LOWEST = 2


@dataclass(frozen=True, kw_only=True)
class OutboxLimits(Ruled):
    """The bounds of an outbox."""

    #: Messages not yet acknowledged that it may hold.
    capacity: Count = count(100, endless=True)
    #: Messages sent and not yet acknowledged.
    max_in_flight: Count = count(16, endless=True)
    #: No acknowledgement for this long: send again.
    ack_timeout_s: float = seconds(10.0, above=True, endless=True)
    #: After so many resends a message is a dead letter.
    max_resends: Count = count(5, low=0, endless=True)
    #: Who yields when full: reject_new, drop_oldest or drop_lowest.
    when_full: WhenFull = choice(WhenFull.REJECT_NEW)


@dataclass(slots=True)
class _Entry:
    message: Message
    order: int
    resends: int = 0
    #: The connection it is in flight on; 0: it is queued.
    connection: int = 0
    timeout_s: float = inf


class Outbox:
    """Accepted from the application, not yet acknowledged."""

    __slots__ = ("limits", "_entries", "_queues", "_in_flight", "_expiries", "_accepted")

    def __init__(self, limits: OutboxLimits) -> None:
        self.limits = limits
        self._entries: dict[int, _Entry] = {}
        # One by priority, made with the first message: a client that sends none needs none.
        self._queues: tuple[list[tuple[int, int]], ...] = ()
        self._in_flight: dict[int, _Entry] = {}
        self._expiries: list[tuple[float, int]] = []
        self._accepted = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def in_flight(self) -> int:
        """Messages sent and not acknowledged."""
        return len(self._in_flight)

    @property
    def has_next(self) -> bool:
        """Whether a message may be sent: one is queued and there is room in flight."""
        return (
            len(self._entries) > len(self._in_flight)
            and len(self._in_flight) < self.limits.max_in_flight
        )

    @property
    def deadline_s(self) -> float:
        """When a message in flight times out or a queued one expires; inf: never."""
        if not self._entries:
            return inf
        soonest_s = min((entry.timeout_s for entry in self._in_flight.values()), default=inf)
        while self._expiries and self._expiries[0][1] not in self._entries:
            heappop(self._expiries)
        return min(soonest_s, self._expiries[0][0]) if self._expiries else soonest_s

    def add(self, message: Message) -> list[tuple[Message, Reason]]:
        """Accept a message; return what was dropped for it, or itself if it was refused."""
        if message.id in self._entries:
            raise MisuseError(f"message {message.id} is in the outbox already")
        dropped = []
        if len(self._entries) >= self.limits.capacity:
            victim = self._victim(message.priority)
            if victim is None:
                return [(message, Reason.FULL)]
            dropped.append((self._remove(victim).message, Reason.EVICTED))
        entry = _Entry(message, self._accepted)
        self._accepted += 1
        self._entries[message.id] = entry
        self._enqueue(entry)
        self._watch_expiry(message)
        return dropped

    def send_next(self, now: float, connection: int) -> Message:
        """Put the most urgent queued message in flight and return it."""
        for queue in self._queues:
            if queue:
                entry = self._entries[heappop(queue)[1]]
                entry.connection = connection
                entry.timeout_s = now + self.limits.ack_timeout_s * 2.0**entry.resends
                self._in_flight[entry.message.id] = entry
                return entry.message
        raise MisuseError("nothing is queued")

    def acknowledge(self, message: int) -> bool:
        """Forget a delivered message; False if it is not here any more."""
        if message not in self._entries:
            return False
        self._remove(message)
        return True

    def give_back(self, message: int) -> None:
        """Return a message from in flight to its old place in the queue."""
        entry = self._in_flight.pop(message, None)
        if entry is not None:
            entry.connection, entry.timeout_s = 0, inf
            self._enqueue(entry)
            self._watch_expiry(entry.message)

    def give_back_all(self, connection: int) -> None:
        """Return what was in flight on a connection that ended."""
        for message in [m for m, e in self._in_flight.items() if e.connection == connection]:
            self.give_back(message)

    def sent_on(self, message: int) -> int:
        """Return the connection that a message is in flight on, or 0."""
        entry = self._in_flight.get(message)
        return entry.connection if entry else 0

    def overdue(self, now: float) -> list[Message]:
        """Return the messages in flight whose acknowledgement timeout has passed."""
        return [e.message for e in self._in_flight.values() if e.timeout_s <= now]

    def resend(self, message: int) -> bool:
        """Queue an overdue message again; False, and forgotten, if it was resent too often."""
        entry = self._entries[message]
        if entry.resends >= self.limits.max_resends:
            self._remove(message)
            return False
        self.give_back(message)
        entry.resends += 1
        return True

    def expire(self, now: float) -> list[Message]:
        """Remove and return the queued messages that are too old.

        One in flight may have arrived: it is left until it is acknowledged or comes back.
        """
        expired = []
        while self._expiries and self._expiries[0][0] <= now:
            _, message = heappop(self._expiries)
            if message in self._entries and message not in self._in_flight:
                expired.append(self._remove(message).message)
        return expired

    def depths(self) -> tuple[int, int, int, int]:
        """Return the number of messages by priority, most urgent first."""
        counts = [0, 0, 0, 0]
        for entry in self._entries.values():
            counts[entry.message.priority] += 1
        return counts[0], counts[1], counts[2], counts[3]

    def check(self) -> None:
        """Raise AssertionError where an invariant does not hold."""
        queued = {m for queue in self._queues for _, m in queue}
        assert len(self._entries) <= self.limits.capacity
        assert len(self._in_flight) <= self.limits.max_in_flight
        assert queued.isdisjoint(self._in_flight)
        assert queued | self._in_flight.keys() == self._entries.keys()

    def _victim(self, priority: Priority) -> int | None:
        when_full = self.limits.when_full
        if when_full == WhenFull.DROP_OLDEST:
            return min((queue[0] for queue in self._queues if queue), default=(0, None))[1]
        if when_full == WhenFull.DROP_LOWEST:
            for lower in range(Priority.LOW, priority, -1):
                if self._queues[lower]:
                    return self._queues[lower][0][1]
        return None

    def _enqueue(self, entry: _Entry) -> None:
        if not self._queues:
            self._queues = tuple([] for _ in Priority)
        heappush(self._queues[entry.message.priority], (entry.order, entry.message.id))

    def _watch_expiry(self, message: Message) -> None:
        if message.expires_s < inf:
            heappush(self._expiries, (message.expires_s, message.id))

    def _remove(self, message: int) -> _Entry:
        entry = self._entries.pop(message)
        if self._in_flight.pop(message, None) is None:
            queue = self._queues[entry.message.priority]
            if queue[0][1] == message:
                heappop(queue)
            else:
                queue.remove((entry.order, message))
                queue.sort()  # a sorted list is a heap
        return entry
