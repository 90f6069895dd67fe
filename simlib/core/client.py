"""The client: link, outbox, token bucket, heartbeat and polling put together.

`handle` is told an event and the time and answers commands; `deadline` says when it wants to
be woken. Order within one step: what the event itself changes, then what the link made of it,
then the flush of whatever may leave now.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from typing import Any

from simlib.core import events as ev
from simlib.core import meters
from simlib.core.backoff import Backoff
from simlib.core.errors import MisuseError
from simlib.core.events import Command, Event, Reason
from simlib.core.heartbeat import Heartbeat, HeartbeatRules
from simlib.core.link import (
    TABLE,
    Breaker,
    BreakerState,
    Fallback,
    Input,
    Move,
    State,
    Transport,
    idle,
    step,
)
from simlib.core.outbox import Outbox, OutboxLimits
from simlib.core.polling import Polling
from simlib.core.rules import Ruled, seconds

# Read at every step, and an enumeration's member costs 0.1 us to look up on Python 3.11.
_CONNECTING, _OPEN, _POLL = State.CONNECTING, State.OPEN, Transport.POLL


@dataclass(frozen=True, kw_only=True)
class Settings(Ruled):
    """Everything that makes one client behave as it does."""

    backoff: Backoff = field(default_factory=Backoff)
    breaker: Breaker = field(default_factory=Breaker)
    outbox: OutboxLimits = field(default_factory=OutboxLimits)
    rate: meters.Rate = field(default_factory=meters.Rate)
    heartbeat: HeartbeatRules = field(default_factory=HeartbeatRules)
    fallback: Fallback = field(default_factory=Fallback)
    #: An attempt, or a poll, without an answer for this long has failed.
    connect_timeout_s: float = seconds(10.0, above=True)


class Client:
    """One client; the one mutable object of its life."""

    # fmt: off
    __slots__ = (
        "settings", "seed", "number", "link", "outbox", "heartbeat", "polling", "connection",
        "deadline", "_numbered", "_posts", "_arrival_s", "_paused_until_s",
    )
    # fmt: on

    def __init__(self, settings: Settings, seed: int = 0, number: int = 0) -> None:
        self.settings = settings
        self.seed = seed
        self.number = number
        self.link = idle()
        self.outbox = Outbox(settings.outbox)
        self.heartbeat = Heartbeat(settings.heartbeat)
        self.polling = Polling(settings.fallback.poll_interval_s, settings.connect_timeout_s)
        #: The number of the current attempt or connection; 0: none yet.
        self.connection = 0
        #: When this client wants a `Wake`, in seconds; inf: never.
        self.deadline = inf
        self._numbered = 0
        self._posts: dict[int, int] = {}
        self._arrival_s = 0.0
        self._paused_until_s = 0.0

    @property
    def available(self) -> bool:
        """Whether a message given now could leave now."""
        if self.link.transport == _POLL:
            return self.polling.reachable
        return self.link.state == _OPEN

    @property
    def _busy(self) -> bool:
        return self.link.state in (_CONNECTING, _OPEN)

    def _is_current(self, connection: int) -> bool:
        return connection == self.connection and self._busy

    def handle(self, event: Event, now: float) -> list[Command]:
        """Take in an event and return what to do about it."""
        commands: list[Command] = []
        _TOLD[type(event)](self, event, now, commands)
        if self.link.transport == _POLL and now >= self.polling.deadline_s:
            self._poll(now, commands)
        if len(self.outbox):
            self._flush(now, commands)
        self.deadline = self._next_deadline()
        return commands

    def check(self) -> None:
        """Raise AssertionError where an invariant does not hold."""
        self.outbox.check()
        link = self.link
        if link.state in (State.CONNECTING, State.WAITING):
            assert link.deadline_s < inf
        if self.heartbeat.deadline_s < inf:
            assert link.state == State.OPEN
        assert (self.polling.deadline_s < inf) == (link.transport == Transport.POLL)
        assert link.breaker != BreakerState.OPEN or not self._busy
        assert all(self.outbox.sent_on(m) in (c, 0) for c, m in self._posts.items())

    # --- told ----------------------------------------------------------------------------

    def _start(self, _: ev.Start, now: float, commands: list[Command]) -> None:
        self._tell_link(Input.START, now, commands)

    def _stop(self, _: ev.Stop, now: float, commands: list[Command]) -> None:
        if self._busy:
            commands.append(ev.Close(self.connection))
        for connection, message in self._posts.items():
            commands.append(ev.Close(connection))
            self.outbox.give_back(message)
        self._posts.clear()
        self._tell_link(Input.STOP, now, commands)

    def _send(self, event: ev.Send, now: float, commands: list[Command]) -> None:
        commands.extend(ev.Drop(m, reason) for m, reason in self.outbox.add(event.message))

    def _opened(self, event: ev.Opened, now: float, commands: list[Command]) -> None:
        if self._is_current(event.connection):
            self._tell_link(Input.OPENED, now, commands)
            self.heartbeat.begin(now)
        else:
            # An attempt that was given up opened after all.
            commands.append(ev.Close(event.connection))

    def _failed(self, event: ev.Failed, now: float, commands: list[Command]) -> None:
        if self._is_current(event.connection):
            self._tell_link(Input.FAILED, now, commands, event.hint_s)

    def _lost(self, event: ev.Lost, now: float, commands: list[Command]) -> None:
        if self._is_current(event.connection):
            self._tell_link(Input.LOST, now, commands, event.hint_s)

    def _received(self, event: ev.Received, now: float, commands: list[Command]) -> None:
        if self._is_current(event.connection):
            self._answered(event.message, event.reason, event.hint_s, now)

    def _ponged(self, event: ev.Ponged, now: float, commands: list[Command]) -> None:
        if self._is_current(event.connection):
            self.heartbeat.pong(now)

    def _posted(self, event: ev.Posted, now: float, commands: list[Command]) -> None:
        if self._posts.pop(event.connection, None) is not None:
            self._answered(event.message, event.reason, event.hint_s, now)

    def _polled(self, event: ev.Polled, now: float, commands: list[Command]) -> None:
        if event.connection == self.polling.connection:
            self.polling.answered(now, event.reason == Reason.ACCEPTED, event.hint_s)

    def _wake(self, _: ev.Wake, now: float, commands: list[Command]) -> None:
        if self.link.state == _OPEN:
            self._beat(now, commands)
        if now >= self.link.deadline_s:
            if self.link.state == _CONNECTING:
                commands.append(ev.Close(self.connection, Reason.TIMEOUT))
            self._tell_link(Input.WAKE, now, commands)
        if self.outbox.in_flight:
            self._resend(now, commands)

    # --- parts ---------------------------------------------------------------------------

    def _tell_link(
        self, told: Input, now: float, commands: list[Command], hint_s: float = 0.0
    ) -> None:
        before = self.link
        if TABLE[before.state][told] == Move.MISUSE:
            state = State(before.state).name.lower()
            raise MisuseError(f"client {self.number}: {told.name.lower()} told while {state}")
        after = self.link = step(before, told, now, self.settings, self.seed, self.number, hint_s)
        if before.state == _OPEN and after.state != _OPEN:
            self.heartbeat.end()
            self.outbox.give_back_all(self.connection)
        if after.state == _CONNECTING and before.state != _CONNECTING:
            self.connection = self._next_number()
            commands.append(ev.Open(self.connection))
        if after.transport != before.transport:
            self._change_transport(now, commands)
        if told != Input.STOP:
            commands.extend(map(ev.Notify, _notices(before, after)))

    def _change_transport(self, now: float, commands: list[Command]) -> None:
        if self.link.transport == Transport.POLL:
            self.polling.begin(now)
            return
        if self.polling.connection:
            commands.append(ev.Close(self.polling.connection))
        self.polling.end()

    def _beat(self, now: float, commands: list[Command]) -> None:
        if now >= self.heartbeat.timeout_s:
            commands.append(ev.Close(self.connection, Reason.SILENT))
            self._tell_link(Input.LOST, now, commands)
        elif now >= self.heartbeat.due_s:
            commands.append(ev.Ping(self.connection))
            self.heartbeat.ping(now)

    def _answered(self, message: int, reason: Reason, hint_s: float, now: float) -> None:
        if reason in (Reason.ACCEPTED, Reason.DUPLICATE):
            self.outbox.acknowledge(message)
            return
        self.outbox.give_back(message)
        if reason == Reason.LIMITED:
            # A limit without a hint still pauses, or it would be asked again every round trip.
            pause_s = hint_s or self.settings.backoff.base_s
            self._paused_until_s = max(self._paused_until_s, now + pause_s)
        else:
            self.polling.reachable = False

    def _resend(self, now: float, commands: list[Command]) -> None:
        for message in self.outbox.overdue(now):
            connection = self.outbox.sent_on(message.id)
            if self._posts.pop(connection, None) is not None:
                commands.append(ev.Close(connection, Reason.TIMEOUT))
            if not self.outbox.resend(message.id):
                commands.append(ev.Drop(message, Reason.DEAD_LETTER))

    def _poll(self, now: float, commands: list[Command]) -> None:
        if now >= self.polling.timeout_s:
            commands.append(ev.Close(self.polling.connection, Reason.TIMEOUT))
            self.polling.answered(now, False, 0.0)
        if now >= self.polling.due_s:
            self.polling.sent(now, self._next_number())
            commands.append(ev.Poll(self.polling.connection))

    def _flush(self, now: float, commands: list[Command]) -> None:
        commands.extend(ev.Drop(m, Reason.EXPIRED) for m in self.outbox.expire(now))
        while self.available and self.outbox.has_next and now >= self._ready_s():
            self._arrival_s = meters.take(self._arrival_s, now, self.settings.rate)
            if self.link.transport == Transport.POLL:
                connection = self._next_number()
                message = self.outbox.send_next(now, connection)
                self._posts[connection] = message.id
                commands.append(ev.Post(connection, message))
            else:
                message = self.outbox.send_next(now, self.connection)
                commands.append(ev.Transmit(self.connection, message))

    def _ready_s(self) -> float:
        return max(meters.ready_s(self._arrival_s, self.settings.rate), self._paused_until_s)

    def _next_deadline(self) -> float:
        link = self.link
        soonest_s = link.deadline_s
        if link.state == _OPEN:
            soonest_s = min(soonest_s, self.heartbeat.deadline_s)
        if link.transport == _POLL:
            soonest_s = min(soonest_s, self.polling.deadline_s)
        if len(self.outbox):
            soonest_s = min(soonest_s, self.outbox.deadline_s)
            if self.outbox.has_next and self.available:
                soonest_s = min(soonest_s, self._ready_s())
        return soonest_s

    def _next_number(self) -> int:
        self._numbered += 1
        return self._numbered


def _notices(before: Any, after: Any) -> list[Reason]:
    """Return what a user would want to know of a change of the link."""
    notices = []
    if after.breaker != before.breaker:
        if after.breaker == BreakerState.OPEN:
            notices.append(Reason.TRIPPED)
        if after.breaker == BreakerState.CLOSED:
            notices.append(Reason.MENDED)
    if after.transport != before.transport:
        polls = after.transport == Transport.POLL
        notices.append(Reason.FELL_BACK if polls else Reason.RETURNED)
    if after.state == State.STOPPED and before.state != State.STOPPED:
        notices.append(Reason.GAVE_UP)
    return notices


_TOLD: dict[type, Callable[[Client, Any, float, list[Command]], None]] = {
    ev.Start: Client._start,
    ev.Stop: Client._stop,
    ev.Wake: Client._wake,
    ev.Send: Client._send,
    ev.Opened: Client._opened,
    ev.Failed: Client._failed,
    ev.Lost: Client._lost,
    ev.Received: Client._received,
    ev.Ponged: Client._ponged,
    ev.Posted: Client._posted,
    ev.Polled: Client._polled,
}
