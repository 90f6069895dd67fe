"""Messages waiting: priority, bounds, expiry, in flight, resend, dead letters.

Rules of the outbox:
- The capacity counts everything not yet acknowledged, in flight included; only a message that
  is not in flight can be dropped to make room.
- The most urgent leaves first; within a priority the order of acceptance holds, also for one
  that comes back from in flight. Waiting may make a message more urgent (ageing).
- Of a key one message at a time is on its way, the others stand in line behind it: so their
  order holds, whatever is resent.
- A message in flight past its acknowledgement timeout is sent again, each time with twice the
  patience; after `max_resends` it is a dead letter.
- A message given back because its connection ended does not count as a resend.
- Where no acknowledgement is awaited a message leaves the outbox as it leaves the client, so it
  arrives once or never; an edit of a draft stays, since its answer has the draft's version.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import IntEnum
from heapq import heapify, heappop, heappush
from math import inf

from simlib.core.errors import MisuseError, SettingsError
from simlib.core.events import NONE, Message, Priority, Reason
from simlib.core.validation import Count, ValidatedSettings, choice, count, flag, number, seconds


class WhenFull(IntEnum):
    """Which message is dropped when the outbox is full."""

    REJECT_NEW = 0
    DROP_OLDEST = 1
    DROP_LOWEST = 2


class Persist(IntEnum):
    """Which messages are saved before they are sent, to outlive the client."""

    NONE = 0
    URGENT = 1
    ALL = 2


@dataclass(frozen=True, kw_only=True)
class OutboxLimits(ValidatedSettings):
    """The limits of an outbox: how many messages it holds and sends, and for how long.

    Examples
    --------
    >>> OutboxLimits(capacity=20)
    OutboxLimits(capacity=20)
    """

    #: Messages not yet acknowledged that it may hold.
    capacity: Count = count(100, endless=True)
    #: Messages sent and not yet acknowledged.
    max_in_flight: Count = count(16, endless=True)
    #: No acknowledgement for this long: send again.
    ack_timeout_s: float = seconds(10.0, above=True, endless=True)
    #: After so many resends a message is a dead letter.
    max_resends: Count = count(5, low=0, endless=True)
    #: Whether a message is kept until its acknowledgement; else it is forgotten as it is sent, and
    #: what is lost on the way is lost: at most once. Then there is nothing to send again, and
    #: max_resends must be 0.
    awaits_ack: bool = flag(True)
    #: Who yields when full: reject_new, drop_oldest or drop_lowest.
    when_full: WhenFull = choice(WhenFull.REJECT_NEW)
    #: Whether a newer message of a key stands for the queued one.
    coalesce: bool = flag(False)
    #: Each time it has waited this long, a message is treated as one priority higher.
    age_after_s: float = seconds(inf, above=True, endless=True)
    #: What is saved: none, urgent (critical and high) or all.
    persist: Persist = choice(Persist.NONE)
    #: live: Whether what is saved is flushed to the disk before the message is accepted. Then it
    #: survives a loss of power and not the client's death alone; it takes milliseconds a message.
    flush: bool = flag(False)
    #: Bytes of messages that the storage takes; a message beyond is refused.
    quota_bytes: float = number(5_000_000.0, "bytes", above=True, endless=True)

    def check(self) -> None:
        """Raise `SettingsError` where what is forgotten is sent again, or nothing is flushed."""
        if not self.awaits_ack and self.max_resends > 0:
            rule = "must be 0 where awaits_ack is false: what is forgotten is not sent again"
            raise SettingsError("max_resends", self.max_resends, rule)
        if self.flush and self.persist == Persist.NONE:
            rule = "must be false where persist is none: nothing is saved"
            raise SettingsError("flush", self.flush, rule)


_SAVED = {Persist.NONE: -1, Persist.URGENT: Priority.HIGH.value, Persist.ALL: Priority.LOW.value}


@dataclass(slots=True)
class Entry:
    """A message in the outbox."""

    message: Message
    order: int
    resends: int = 0
    #: The connection it is in flight on; 0: it is queued.
    connection: int = 0
    sent_s: float = inf
    timeout_s: float = inf


class Outbox:
    """Accepted from the application, not yet acknowledged."""

    # fmt: off
    __slots__ = (
        "limits", "saved_bytes", "saves", "waiting", "_entries", "_queues", "_in_flight",
        "expiries", "_accepted", "_lines", "_saved_priority", "_times_out_s",
    )
    # fmt: on

    def __init__(self, limits: OutboxLimits) -> None:
        self.limits = limits
        #: Size of what is saved.
        self.saved_bytes = 0
        #: How many messages are queued, or stand in line behind another of their key.
        self.waiting = 0
        self._entries: dict[int, Entry] = {}
        # One by priority, made with the first message: a client that sends none needs none.
        self._queues: tuple[list[tuple[int, int]], ...] = ()
        self._in_flight: dict[int, Entry] = {}
        #: A heap of when messages expire, and their numbers; some have left already.
        self.expiries: list[tuple[float, int]] = []
        self._accepted = 0
        # Of each key the messages in order; the first is queued or in flight, the others wait.
        self._lines: dict[int, deque[int]] = {}
        #: The least urgent priority that is saved; -1: none is.
        self._saved_priority = _SAVED[limits.persist]
        #: Whether any message is.
        self.saves = self._saved_priority >= 0
        #: When the first message in flight times out.
        self._times_out_s = inf

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def in_flight(self) -> int:
        """Messages sent and not acknowledged."""
        return len(self._in_flight)

    @property
    def has_next(self) -> bool:
        """Whether a message may be sent: one is queued and there is room in flight."""
        if self.waiting == 0 or len(self._in_flight) >= self.limits.max_in_flight:
            return False
        return any(self._queues)

    @property
    def deadline_s(self) -> float:
        """When a message in flight times out or a queued one expires; inf: never."""
        if not self._entries:
            return inf
        while self.expiries and self.expiries[0][1] not in self._entries:
            heappop(self.expiries)
        if self.expiries and self.expiries[0][0] < self._times_out_s:
            return self.expiries[0][0]
        return self._times_out_s

    def persists(self, message: Message) -> bool:
        """Whether a message is to outlive the client."""
        return message.priority <= self._saved_priority

    def add(self, message: Message) -> list[tuple[Message, Reason]]:
        """Accept a message; return what was dropped for it, or itself if it was refused."""
        if message.id in self._entries:
            raise MisuseError(f"message {message.id} is in the outbox already")
        older = self._coalesce(message) if self.limits.coalesce else None
        # What it stands for is forgotten only after it is saved, so both must fit.
        if self.saves and self.persists(message):
            saved_bytes = self.saved_bytes + message.size_bytes
            if saved_bytes > self.limits.quota_bytes:
                return [(message, Reason.QUOTA)]
        dropped = []
        if older is not None:
            dropped.append((self.remove(older).message, Reason.COALESCED))
        elif len(self._entries) >= self.limits.capacity:
            victim = self._victim(message.priority)
            if victim is None:
                return [(message, Reason.FULL)]
            dropped.append((self.remove(victim).message, Reason.EVICTED))
        self.accept(message)
        return dropped

    def accept(self, message: Message) -> None:
        """Take a message in, whatever the bounds say: one that an earlier life accepted."""
        entry = Entry(message, self._accepted)
        self._accepted += 1
        self.waiting += 1
        self._entries[message.id] = entry
        if self.saves and self.persists(message):
            self.saved_bytes += message.size_bytes
        if message.key == NONE or self._stand_in_line(message):
            self._enqueue(entry)
        if message.expires_s < inf:
            heappush(self.expiries, (message.expires_s, message.id))

    def send_next(self, now: float, connection: int) -> Message:
        """Put the most urgent queued message in flight and return it."""
        queue = self._most_urgent(now)
        entry = self._entries[heappop(queue)[1]]
        entry.connection, entry.sent_s = connection, now
        entry.timeout_s = now + self.limits.ack_timeout_s * 2.0**entry.resends
        self._in_flight[entry.message.id] = entry
        self.waiting -= 1
        self._times_out_s = min(self._times_out_s, entry.timeout_s)
        return entry.message

    def acknowledge(self, message: int) -> Entry | None:
        """Remove a delivered message and return it; None if it has been removed before."""
        return self.remove(message) if message in self._entries else None

    def give_back(self, message: int) -> None:
        """Return a message from in flight to its old place in the queue."""
        entry = self._in_flight.pop(message, None)
        if entry is not None:
            self._stop_waiting(entry)
            self.waiting += 1
            entry.connection, entry.timeout_s = 0, inf
            self._enqueue(entry)
            if entry.message.expires_s < inf:
                heappush(self.expiries, (entry.message.expires_s, message))

    def give_back_all(self, connection: int) -> None:
        """Return what was in flight on a connection that ended."""
        for message in [m for m, e in self._in_flight.items() if e.connection == connection]:
            self.give_back(message)

    def connection_of(self, message: int) -> int:
        """Return the connection that a message is in flight on, or 0."""
        entry = self._in_flight.get(message)
        return entry.connection if entry else 0

    def overdue(self, now: float) -> list[Message]:
        """Return the messages in flight whose acknowledgement timeout has passed."""
        if now < self._times_out_s:
            return []
        return [e.message for e in self._in_flight.values() if e.timeout_s <= now]

    def resend(self, message: int) -> bool:
        """Queue an overdue message again; False, and removed, if it was resent too often."""
        entry = self._entries[message]
        if entry.resends >= self.limits.max_resends:
            self.remove(message)
            return False
        self.give_back(message)
        entry.resends += 1
        return True

    def expire(self, now: float) -> list[Message]:
        """Remove and return the queued messages that are too old.

        One in flight may have arrived: it is left until it is acknowledged or comes back.
        """
        expired = []
        while self.expiries and self.expiries[0][0] <= now:
            _, message = heappop(self.expiries)
            if message in self._entries and message not in self._in_flight:
                expired.append(self.remove(message).message)
        return expired

    def remove(self, message: int) -> Entry:
        """Remove a message that is delivered or given up."""
        entry = self._entries.pop(message)
        if self.saves and self.persists(entry.message):
            self.saved_bytes -= entry.message.size_bytes
        if self._in_flight.pop(message, None) is None:
            self.waiting -= 1
            self._unqueue(entry)
        else:
            self._stop_waiting(entry)
        if entry.message.key != NONE:
            self._leave_line(entry.message)
        return entry

    def messages(self) -> list[Message]:
        """Return what it holds, in the order of acceptance."""
        return [entry.message for entry in self._entries.values()]

    def depths(self) -> tuple[int, int, int, int]:
        """Return the number of messages by priority, most urgent first."""
        counts = [0, 0, 0, 0]
        for entry in self._entries.values():
            counts[entry.message.priority] += 1
        return counts[0], counts[1], counts[2], counts[3]

    def check(self) -> None:
        """Raise AssertionError where an invariant does not hold."""
        queued = {m for queue in self._queues for _, m in queue}
        behind = {m for line in self._lines.values() for m in list(line)[1:]}
        assert len(self._entries) <= self.limits.capacity
        assert len(self._in_flight) <= self.limits.max_in_flight
        assert self.waiting == len(self._entries) - len(self._in_flight)
        assert queued.isdisjoint(self._in_flight)
        assert behind.isdisjoint(queued | self._in_flight.keys())
        assert queued | behind | self._in_flight.keys() == self._entries.keys()
        saved = (e.message for e in self._entries.values() if self.persists(e.message))
        assert self.saved_bytes == sum(message.size_bytes for message in saved)
        times_out_s = min((entry.timeout_s for entry in self._in_flight.values()), default=inf)
        assert self._times_out_s == times_out_s

    def _stop_waiting(self, entry: Entry) -> None:
        """Note that a message is not in flight any more."""
        if not self._in_flight:
            self._times_out_s = inf
        elif entry.timeout_s <= self._times_out_s:
            in_flight = self._in_flight.values()
            self._times_out_s = min([other.timeout_s for other in in_flight], default=inf)

    def _most_urgent(self, now: float) -> list[tuple[int, int]]:
        candidates = list(filter(None, self._queues))
        if not candidates:
            raise MisuseError("nothing is queued")
        if len(candidates) == 1 or self.limits.age_after_s == inf:
            return candidates[0]

        def rank(queue: list[tuple[int, int]]) -> tuple[float, int]:
            message = self._entries[queue[0][1]].message
            aged = (now - message.created_s) // self.limits.age_after_s
            return max(0.0, message.priority - aged), queue[0][0]

        return min(candidates, key=rank)

    def _victim(self, priority: Priority) -> int | None:
        when_full = self.limits.when_full
        if when_full == WhenFull.REJECT_NEW:
            return None
        waiting = [e for e in self._entries.values() if e.connection == 0]
        if when_full == WhenFull.DROP_LOWEST:
            waiting = [e for e in waiting if e.message.priority > priority]
            waiting.sort(key=lambda e: (-e.message.priority, e.order))
        return waiting[0].message.id if waiting else None

    def _coalesce(self, message: Message) -> int | None:
        """Return the queued message that a newer one stands for."""
        line = self._lines.get(message.key)
        if message.key == NONE or not line or line[-1] in self._in_flight:
            return None
        return line[-1]

    def _stand_in_line(self, message: Message) -> bool:
        """Append a message to the queue of its key; True if it is the first."""
        line = self._lines.setdefault(message.key, deque())
        line.append(message.id)
        return len(line) == 1

    def _leave_line(self, message: Message) -> None:
        line = self._lines[message.key]
        first = line[0] == message.id
        line.remove(message.id)
        if not line:
            del self._lines[message.key]
        elif first:
            self._enqueue(self._entries[line[0]])

    def _enqueue(self, entry: Entry) -> None:
        if not self._queues:
            self._queues = tuple([] for _ in Priority)
        heappush(self._queues[entry.message.priority], (entry.order, entry.message.id))

    def _unqueue(self, entry: Entry) -> None:
        queue = self._queues[entry.message.priority] if self._queues else []
        place = (entry.order, entry.message.id)
        if queue and queue[0] == place:
            heappop(queue)
        elif place in queue:
            queue.remove(place)
            heapify(queue)
