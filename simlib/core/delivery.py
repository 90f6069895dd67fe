"""A client's messages on their way: drafts, outbox, rate, posts, and what is saved meanwhile.

Rules of delivery:
- What is to outlive the client is saved before it is sent, and forgotten when it is delivered
  or given up.
- A limit that the server names pauses all sending until its hint, and keeps the message.
- An edit passes through the drafts before it gets into the outbox.
"""

from __future__ import annotations

from math import inf
from typing import Protocol

from simlib.core import events as ev
from simlib.core import meters
from simlib.core.draft import DraftRules, Drafts
from simlib.core.events import NONE, Command, Message, Reason
from simlib.core.meters import Rate
from simlib.core.outbox import Entry, Outbox, OutboxLimits

# Read at every answer, and a member costs 0.1 us to look up on Python 3.11.
_CONFLICT = Reason.CONFLICT
#: Answers to a message that the server has counted, or will never count.
_COUNTED = (Reason.ACCEPTED, Reason.DUPLICATE, _CONFLICT)

#: So many dead letters are kept for the application to look at.
DEAD_LETTERS_KEPT = 100


class DeliverySettings(Protocol):
    """The part of a client's settings that delivery follows."""

    @property
    def outbox(self) -> OutboxLimits:
        """The bounds of the outbox."""

    @property
    def draft(self) -> DraftRules:
        """How edits are held back."""

    @property
    def rate(self) -> Rate:
        """The client's own limit."""


class Delivery:
    """The messages of one client."""

    # fmt: off
    __slots__ = (
        "outbox", "posts", "dead_letters", "commands", "_drafts", "_draft_rules", "_rate",
        "_arrival_s", "_paused_until_s",
    )
    # fmt: on

    def __init__(self, settings: DeliverySettings) -> None:
        self.outbox = Outbox(settings.outbox)
        # Most applications have no drafts.
        self._drafts: Drafts | None = None
        self._draft_rules = settings.draft
        #: Unanswered posts: connection to message.
        self.posts: dict[int, int] = {}
        self.dead_letters: tuple[Message, ...] = ()
        #: What is asked for; the client replaces the list before each event.
        self.commands: list[Command] = []
        self._rate = settings.rate
        self._arrival_s = 0.0
        self._paused_until_s = 0.0

    @property
    def drafts(self) -> Drafts:
        """The edits that are held back."""
        if self._drafts is None:
            self._drafts = Drafts(self._draft_rules)
        return self._drafts

    @property
    def ready_s(self) -> float:
        """The moment from which rate and server allow the next message."""
        if self._rate.per_s == inf:
            return self._paused_until_s
        return max(meters.ready_s(self._arrival_s, self._rate), self._paused_until_s)

    def deadline_s(self, can_send: bool) -> float:
        """Return when something is due here; inf: never.

        ``can_send``: a message waits that could leave, but for the limits.
        """
        soonest_s = self.outbox.deadline_s
        if self._drafts is not None:
            soonest_s = min(soonest_s, self._drafts.deadline_s)
        if can_send:
            soonest_s = min(soonest_s, self.ready_s)
        return soonest_s

    def check(self) -> None:
        """Raise AssertionError where an invariant does not hold."""
        self.outbox.check()
        assert all(self.outbox.connection_of(m) in (c, 0) for c, m in self.posts.items())

    # --- from the application ------------------------------------------------------------

    def send(self, message: Message) -> None:
        """Accept a message, or refuse it."""
        dropped = self.outbox.add(message)
        if not dropped and not self.outbox.saves:
            return
        refused = bool(dropped) and dropped[-1][0] is message
        # An edit was saved when it was made.
        if not refused and message.base == NONE and self.outbox.persists(message):
            self.commands.append(ev.Save(message))
        for dropped_message, reason in dropped:
            self._drop(dropped_message, reason, never_saved=refused and message.base == NONE)
        if refused and dropped[-1][1] == Reason.QUOTA:
            self.commands.append(ev.Notify(Reason.QUOTA))

    def edit(self, message: Message, now: float) -> None:
        """Hold an edit until the typing pauses."""
        held, replaced = self.drafts.edit(message, now)
        if self.outbox.persists(held):
            self.commands.append(ev.Save(held))
        if replaced is not None:
            self._drop(replaced, Reason.COALESCED)

    def restore(self, message: Message, now: float) -> None:
        """Take back what an earlier life saved."""
        if message.base == NONE:
            self.outbox.accept(message)
            return
        replaced = self.drafts.restore(message, now)
        if replaced is not None:
            self._drop(replaced, Reason.COALESCED)

    # --- from the server -----------------------------------------------------------------

    def take_answer(
        self, message: int, reason: Reason, pause_s: float, version: int, now: float
    ) -> Entry | None:
        """Process the answer to a message; return its entry if it was the one awaited."""
        if reason in _COUNTED:
            entry = self.outbox.acknowledge(message)
            if entry is not None:
                self._over(entry.message, reason, version)
            return entry
        self.outbox.give_back(message)
        if reason == Reason.LIMITED:
            self._paused_until_s = max(self._paused_until_s, now + pause_s)
        return None

    def _over(self, message: Message, reason: Reason, version: int) -> None:
        accepted = reason != _CONFLICT
        if self.outbox.saves and self.outbox.persists(message):
            self.commands.append(ev.Forget(message))
        if message.base != NONE:
            rebased = self.drafts.end(message, version, accepted)
            if rebased is not None and self.outbox.persists(rebased):
                self.commands.append(ev.Save(rebased))
        if not accepted:
            self.commands.extend((ev.Drop(message, reason), ev.Notify(reason)))

    # --- time ----------------------------------------------------------------------------

    def resend(self, now: float) -> int:
        """Queue again what waits for its acknowledgement for too long; return how many."""
        overdue = self.outbox.overdue(now)
        for message in overdue:
            connection = self.outbox.connection_of(message.id)
            if self.posts.pop(connection, None) is not None:
                self.commands.append(ev.Close(connection, Reason.TIMEOUT))
            if not self.outbox.resend(message.id):
                self.dead_letters = (*self.dead_letters, message)[-DEAD_LETTERS_KEPT:]
                self._drop(message, Reason.DEAD_LETTER)
        return len(overdue)

    def tidy(self, now: float) -> None:
        """Drop messages that have expired, and release edits that have been held long enough."""
        if self._drafts is not None and now >= self._drafts.deadline_s:
            for edit in self._drafts.leaving(now):
                self.send(edit)
        if self.outbox.expiries:
            for message in self.outbox.expire(now):
                self._drop(message, Reason.EXPIRED)

    def may_send(self, now: float) -> bool:
        """Whether a message may leave now."""
        return self.outbox.waiting > 0 and self.outbox.has_next and now >= self.ready_s

    def take(self, now: float, connection: int) -> Message:
        """Return the next message, in flight over a connection from now on."""
        if self._rate.per_s < inf:
            self._arrival_s = meters.take(self._arrival_s, now, self._rate)
        message = self.outbox.send_next(now, connection)
        if not self.outbox.limits.awaits_ack and message.base == NONE:
            self._forget(message)
        return message

    def _forget(self, message: Message) -> None:
        """Let go of a message whose acknowledgement nobody awaits."""
        self.outbox.remove(message.id)
        if self.outbox.persists(message):
            self.commands.append(ev.Forget(message))

    def abandon_posts(self) -> None:
        """Abandon every unanswered post; its message is queued again."""
        for connection, message in self.posts.items():
            self.commands.append(ev.Close(connection))
            self.outbox.give_back(message)
        self.posts.clear()

    def _drop(self, message: Message, reason: Reason, never_saved: bool = False) -> None:
        self.commands.append(ev.Drop(message, reason))
        if self.outbox.persists(message) and not never_saved:
            self.commands.append(ev.Forget(message))
        if message.base != NONE:
            self.drafts.end(message, NONE, accepted=False)
