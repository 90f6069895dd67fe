"""The client: how it handles each event, whether from the application, the platform or the network.

`handle(event, now)` returns the commands to carry out; `deadline` is the time of the next wake.
Order within one step: what the event itself changes, then what the link made of it, then what is
due by now (sign-in, poll, edits), then the flush of whatever may leave.

A client is one object in four files, each of which builds on the one before: `client_parts.py` has
its parts, `client_moves.py` what follows when its link moves, `client_upkeep.py` what it does as
time passes, and this one what it does with each event. They are classes that inherit, and not
objects that hold each other: a storm has a million clients, and a call of a method on `self` costs
the same however many files the class is written in.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

from simlib.core import events as ev
from simlib.core.channel import Verdict
from simlib.core.client_parts import NO_COMMANDS
from simlib.core.client_upkeep import ClientUpkeep
from simlib.core.events import Command, Event, Reason
from simlib.core.fallback import Transport
from simlib.core.link_table import Input, State

# Plain numbers, read at every step: a member costs 0.1 us to look up on Python 3.11.
_IDLE, _CONNECTING, _OPEN = State.IDLE.value, State.CONNECTING.value, State.OPEN.value
_WAITING, _SUSPENDED = State.WAITING.value, State.SUSPENDED.value
_POLL = Transport.POLL.value


class Client(ClientUpkeep):
    """A client as a state machine: `handle` takes an event and the time, and returns commands.

    It is the only mutable object of a client. It has no clock and no sockets: its host performs the
    commands, and wakes it at ``deadline``.

    Beside its link it has only those parts that it needs: `_add_part` makes each when it is first
    asked for. A client that sends nothing, polls nothing and signs in nowhere is a link.

    Examples
    --------
    >>> from simlib.core.settings import Settings
    >>> client = Client(Settings())
    >>> [type(command).__name__ for command in client.handle(ev.Start(), 0.0)]
    ['Open']
    """

    __slots__ = ()

    def handle(self, event: Event, now: float) -> list[Command]:
        """Process an event and return the commands to carry out."""
        # One list for the whole step, so that no handler must hand it on.
        commands: list[Command] = []
        self._commands = commands
        if self._delivery is not None:
            self._delivery.commands = commands
        _HANDLERS[type(event)](self, event, now)
        if self._has_parts:
            self._tend_parts(now)
            self.deadline = self._next_deadline()
        else:
            self.deadline = self.link.deadline_s
        # The caller's from now on: kept here it would be 88 bytes for each client.
        self._commands = NO_COMMANDS
        return commands

    # --- told by the application and the platform ----------------------------------------

    def _on_start(self, _: ev.Start, now: float) -> None:
        if self._session is not None:
            self._session.begin(now)
        held = self._must_wait(now)
        if not held or self.link.state != _IDLE:
            self._tell_link(Input.START, now)
        if held:
            self._suspend(now)

    def _on_stop(self, _: ev.Stop, now: float) -> None:
        if self._busy:
            self._commands.append(ev.Close(self.connection))
        self._abandon_posts()
        self._tell_link(Input.STOP, now)
        self._end_session()

    def _on_send(self, event: ev.Send, now: float) -> None:
        self.delivery.send(event.message)

    def _on_edit(self, event: ev.Edit, now: float) -> None:
        self.delivery.edit(event.message, now)

    def _on_restored(self, event: ev.Restored, now: float) -> None:
        self.delivery.restore(event.message, now)

    def _on_follow(self, event: ev.Follow, now: float) -> None:
        self.channels.follow(event.channel, event.version)
        if self.link.state == _OPEN:
            self._commands.append(ev.Subscribe(self.connection, event.channel, event.version))

    def _on_offline(self, _: ev.Offline, now: float) -> None:
        if not self._offline:
            self._offline = True
            self._commands.append(ev.Notify(Reason.OFFLINE))
        # An open connection may live on; the heartbeat will tell.
        if self.link.state not in (_IDLE, _OPEN):
            self._suspend(now)

    def _on_online(self, _: ev.Online, now: float) -> None:
        if self._offline:
            self._offline = False
            self._commands.append(ev.Notify(Reason.ONLINE))
        self._resume(now)

    def _on_hinted(self, event: ev.Hinted, now: float) -> None:
        self.monitor.record_hint(now, event.rtt_s, event.downlink_bytes_per_s)
        fallback = self.settings.fallback
        self.polling.interval_s = fallback.poll_interval_s * (
            fallback.save_data_factor if event.save_data else 1.0
        )

    def _on_test(self, _: ev.Test, now: float) -> None:
        if self.link.state == _OPEN and self.heartbeat.timeout_s == inf:
            self._ping(now)
        elif self.link.transport == _POLL and self.polling.due_s < inf:
            self.polling.due_s = now

    # --- told by the network -------------------------------------------------------------

    def _on_signed_in(self, event: ev.SignedIn, now: float) -> None:
        if event.connection != self.session.connection:
            return
        if event.reason != Reason.ACCEPTED:
            self.session.fail(now)
            return
        if self.session.asked:
            self._commands.append(ev.Notify(Reason.SIGNED_IN))
        self.session.grant(now, event.lifetime_s)
        if self.link.state == _SUSPENDED:
            self._resume(now)

    def _on_opened(self, event: ev.Opened, now: float) -> None:
        if not self._is_current(event.connection):
            # An attempt that was given up opened after all.
            self._commands.append(ev.Close(event.connection))
            return
        if self.link.opened_s > -inf:
            self.monitor.reconnects += 1
        self._tell_link(Input.OPENED, now)
        if self._heartbeat is not None:
            self._heartbeat.begin(now)
        if self._channels is not None:
            for channel, version in self._channels.versions():
                self._commands.append(ev.Subscribe(self.connection, channel, version))

    def _on_failed(self, event: ev.Failed, now: float) -> None:
        if self._is_current(event.connection):
            self.monitor.record_failure(now)
            self._end(Input.FAILED, event, now)

    def _on_lost(self, event: ev.Lost, now: float) -> None:
        if self._is_current(event.connection):
            self._end(Input.LOST, event, now)

    def _on_received(self, event: ev.Received, now: float) -> None:
        if self._is_current(event.connection):
            self._hear(now)
            self._take_answer(event, now)

    def _hear(self, now: float) -> None:
        """Take in that the server is alive, where more than the answer to a ping says so."""
        if self._heartbeat is not None:
            self._heartbeat.hear(now)

    def _on_ponged(self, event: ev.Ponged, now: float) -> None:
        if self._is_current(event.connection):
            sent_s = self.heartbeat.sent_s
            if self.heartbeat.pong(now):
                self.monitor.record_answer(now, now - sent_s)

    def _on_pushed(self, event: ev.Pushed, now: float) -> None:
        current = self._is_current(event.connection)
        polled = 0 if self._polling is None else self._polling.connection
        if current:
            self._hear(now)
        elif event.connection != polled:
            return
        verdict = self.channels.take_push(event.channel, event.version, event.reason)
        if verdict == Verdict.DELIVER:
            if self._delivery is not None:
                self._delivery.drafts.note_version(event.channel, event.version)
            self._commands.append(ev.Deliver(event.channel, event.version, event.reason))
        elif verdict == Verdict.FETCH and current:
            self._commands.append(ev.Fetch(self.connection, event.channel))

    def _on_posted(self, event: ev.Posted, now: float) -> None:
        if self.delivery.posts.pop(event.connection, None) is not None:
            self._take_answer(event, now)
            if event.code:
                self._obey_code(event.code, now)

    def _on_polled(self, event: ev.Polled, now: float) -> None:
        if event.connection == self.polling.connection:
            self.polling.take_answer(now, event.reason == Reason.ACCEPTED, event.hint_s)
            if event.code:
                self._obey_code(event.code, now)

    def _on_wake(self, _: ev.Wake, now: float) -> None:
        if self._heartbeat is not None and self.link.state == _OPEN:
            self._beat(self._heartbeat, now)
        if now >= self.link.deadline_s:
            session = self._session
            if session is not None and self.link.state == _WAITING and not session.valid(now):
                self._session_over(now)
            else:
                if self.link.state == _CONNECTING:
                    self.monitor.record_failure(now)
                    self._commands.append(ev.Close(self.connection, Reason.TIMEOUT))
                self._tell_link(Input.WAKE, now)
        if self._delivery is not None and self._delivery.outbox.in_flight:
            for _each in range(self._delivery.resend(now)):
                self.monitor.record_failure(now)

    def _take_answer(self, event: ev.Received | ev.Posted, now: float) -> None:
        reason = event.reason
        # A limit without a hint still pauses, or it would be asked again every round trip.
        pause_s = event.hint_s or self.settings.backoff.base_s
        entry = self.delivery.take_answer(event.message, reason, pause_s, event.version, now)
        if entry is None:
            if self._polling is not None and reason not in _ANSWERS:
                self._polling.reachable = False
        # Of a message that was sent twice nobody knows which copy was answered (Karn).
        elif entry.connection == self.connection and entry.resends == 0:
            self.monitor.record_answer(now, now - entry.sent_s)


_ANSWERS = (Reason.ACCEPTED, Reason.DUPLICATE, Reason.CONFLICT, Reason.LIMITED)


_HANDLERS: dict[type, Callable[[Client, Any, float], None]] = {
    ev.Start: Client._on_start,
    ev.Stop: Client._on_stop,
    ev.Wake: Client._on_wake,
    ev.Send: Client._on_send,
    ev.Edit: Client._on_edit,
    ev.Restored: Client._on_restored,
    ev.Follow: Client._on_follow,
    ev.Online: Client._on_online,
    ev.Offline: Client._on_offline,
    ev.Hinted: Client._on_hinted,
    ev.Test: Client._on_test,
    ev.SignedIn: Client._on_signed_in,
    ev.Opened: Client._on_opened,
    ev.Failed: Client._on_failed,
    ev.Lost: Client._on_lost,
    ev.Received: Client._on_received,
    ev.Ponged: Client._on_ponged,
    ev.Pushed: Client._on_pushed,
    ev.Posted: Client._on_posted,
    ev.Polled: Client._on_polled,
}
