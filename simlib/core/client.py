"""The client: link, delivery, session, channels, heartbeat, quality and polling put together.

`handle(event, now)` returns the commands to carry out; `deadline` is the time of the next wake.
Order within one step: what the event itself changes, then what the link made of it, then what is
due by now (sign-in, poll, edits), then the flush of whatever may leave.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from typing import Any, TypeVar

from simlib.core import events as ev
from simlib.core import meters
from simlib.core.backoff import Backoff
from simlib.core.breaker import Breaker, BreakerState
from simlib.core.channel import Channels, Verdict
from simlib.core.delivery import Delivery
from simlib.core.draft import DraftRules
from simlib.core.draws import PER_LIFE, Stream, uniform
from simlib.core.errors import MisuseError
from simlib.core.events import Command, Event, Reason
from simlib.core.fallback import Fallback, Transport
from simlib.core.heartbeat import Heartbeat, HeartbeatRules
from simlib.core.link import TABLE, Input, Link, Move, State, idle, step
from simlib.core.outbox import Outbox, OutboxLimits
from simlib.core.polling import Polling
from simlib.core.quality import Monitor, Quality, QualityRules
from simlib.core.session import Session, SessionRules
from simlib.core.stops import Effect, Stops, effect
from simlib.core.validation import ValidatedSettings, seconds

P = TypeVar("P")

# Plain numbers, read at every step: a member costs 0.1 us to look up on Python 3.11.
_IDLE, _CONNECTING, _OPEN = State.IDLE.value, State.CONNECTING.value, State.OPEN.value
_WAITING, _STOPPED, _SUSPENDED = State.WAITING.value, State.STOPPED.value, State.SUSPENDED.value
#: Commands while no event is handled.
_NOTHING: list[Command] = []
_BUSY = (_CONNECTING, _OPEN)
_POLL, _MISUSE = Transport.POLL.value, Move.MISUSE.value
_END, _STOP = Input.END.value, Input.STOP.value


@dataclass(frozen=True, kw_only=True)
class Settings(ValidatedSettings):
    """Everything that makes one client behave as it does.

    Examples
    --------
    >>> Settings(backoff=Backoff(cap_s=5.0), connect_timeout_s=4.0).backoff.cap_s
    5.0
    """

    backoff: Backoff = field(default_factory=Backoff)
    breaker: Breaker = field(default_factory=Breaker)
    #: Attempts after a failure, as RPC libraries ration them.
    attempt_budget: meters.Rate = field(default_factory=meters.Rate)
    #: All attempts, as some services ration connections by the minute or the day.
    connect_budget: meters.Rate = field(default_factory=meters.Rate)
    outbox: OutboxLimits = field(default_factory=OutboxLimits)
    draft: DraftRules = field(default_factory=DraftRules)
    rate: meters.Rate = field(default_factory=meters.Rate)
    heartbeat: HeartbeatRules = field(default_factory=HeartbeatRules)
    quality: QualityRules = field(default_factory=QualityRules)
    fallback: Fallback = field(default_factory=Fallback)
    session: SessionRules = field(default_factory=SessionRules)
    stops: Stops = field(default_factory=Stops)
    #: An attempt, a poll or a sign-in without an answer for this long has failed.
    connect_timeout_s: float = seconds(10.0, above=True)


class Client:
    """A client as a state machine: `handle` takes an event and the time, and returns commands.

    It is the only mutable object of a client. It has no clock and no sockets: its host performs the
    commands, and wakes it at ``deadline``.

    Beside its link it has only those parts that it needs: `_add_part` makes each when it is first
    asked for. A client that sends nothing, polls nothing and signs in nowhere is a link.

    Examples
    --------
    >>> client = Client(Settings())
    >>> [type(command).__name__ for command in client.handle(ev.Start(), 0.0)]
    ['Open']
    """

    # fmt: off
    __slots__ = (
        "settings", "seed", "number", "link", "connection", "deadline",
        "_delivery", "_heartbeat", "_polling", "_session", "_channels", "_monitor", "_has_parts",
        "_commands", "_numbered", "_offline", "_poor_s", "_sign_ins",
    )
    # fmt: on

    def __init__(self, settings: Settings, seed: int = 0, number: int = 0, life: int = 0) -> None:
        self.settings = settings
        self.seed = seed
        self.number = number
        self.link = idle(life * PER_LIFE)
        #: The number of the current attempt or connection; 0: none yet.
        self.connection = 0
        #: When this client wants a `Wake`, in seconds; inf: never.
        self.deadline = inf
        self._delivery: Delivery | None = None
        self._heartbeat: Heartbeat | None = None
        self._polling: Polling | None = None
        self._session: Session | None = None
        self._channels: Channels | None = None
        self._monitor: Monitor | None = None
        #: Whether there is a part that may have something to do at any step.
        self._has_parts = settings.fallback.when_quality > 0
        #: What the event being handled asks for; `handle` begins a new list.
        self._commands = _NOTHING
        self._numbered = self._sign_ins = life * PER_LIFE
        self._offline = False
        #: Since when the quality has called for polling; inf: it does not.
        self._poor_s = inf
        if settings.heartbeat.interval_s < inf:
            self._heartbeat = self._add_part(Heartbeat(settings.heartbeat))
        if settings.session.sign_in_after_s < inf:
            self._session = self._add_part(Session(settings.session))

    def _add_part(self, part: P) -> P:
        self._has_parts = True
        return part

    @property
    def delivery(self) -> Delivery:
        """The messages on their way."""
        if self._delivery is None:
            self._delivery = self._add_part(Delivery(self.settings))
            self._delivery.commands = self._commands
        return self._delivery

    @property
    def heartbeat(self) -> Heartbeat:
        """The pings."""
        if self._heartbeat is None:
            self._heartbeat = self._add_part(Heartbeat(self.settings.heartbeat))
        return self._heartbeat

    @property
    def polling(self) -> Polling:
        """The polls."""
        if self._polling is None:
            interval_s = self.settings.fallback.poll_interval_s
            self._polling = self._add_part(Polling(interval_s, self.settings.connect_timeout_s))
        return self._polling

    @property
    def session(self) -> Session:
        """The cookie session."""
        if self._session is None:
            self._session = self._add_part(Session(self.settings.session))
        return self._session

    @property
    def channels(self) -> Channels:
        """The channels that it follows."""
        if self._channels is None:
            self._channels = Channels()
        return self._channels

    @property
    def monitor(self) -> Monitor:
        """What is known of the quality."""
        if self._monitor is None:
            self._monitor = Monitor(self.settings.quality)
        return self._monitor

    @property
    def outbox(self) -> Outbox:
        """The messages that are accepted and not yet acknowledged."""
        return self.delivery.outbox

    @property
    def available(self) -> bool:
        """Whether a message given now could leave now."""
        if self.link.transport_status.transport == _POLL:
            return self.polling.reachable
        return self.link.state == _OPEN

    @property
    def quality(self) -> Quality:
        """How well messages get through."""
        return self.level if self.available else Quality.OFFLINE

    @property
    def level(self) -> Quality:
        """How well messages got through, whether or not they do now."""
        return Quality.EXCELLENT if self._monitor is None else self._monitor.level

    @property
    def _busy(self) -> bool:
        return self.link.state in _BUSY

    def _must_wait(self, now: float) -> bool:
        """Whether attempts make no sense: offline, or without a session."""
        session = self._session
        return self._offline or (session is not None and not session.valid(now))

    def _is_current(self, connection: int) -> bool:
        return connection == self.connection and self.link.state in _BUSY

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
        self._commands = _NOTHING
        return commands

    def _tend_parts(self, now: float) -> None:
        """Do what is due by now beside the link, and send what may leave."""
        if self.settings.fallback.when_quality:
            self._weigh(now)
        if self._session is not None and now >= self._session.deadline_s:
            self._sign_in(now)
        polls = self.link.transport_status.transport == _POLL
        if polls and now >= self.polling.deadline_s:
            self._poll(now)
        if self._delivery is not None:
            self._delivery.tidy(now)
            if self._delivery.outbox.waiting and self.available:
                self._flush(self._delivery, now)

    def check(self) -> None:
        """Raise AssertionError where an invariant does not hold."""
        link = self.link
        if link.state in (State.CONNECTING, State.WAITING):
            assert link.deadline_s < inf
        assert link.breaker != BreakerState.OPEN or not self._busy
        assert not (self._offline and link.state in (State.CONNECTING, State.WAITING))
        if self._delivery is not None:
            self._delivery.check()
        if self._heartbeat is not None and self._heartbeat.deadline_s < inf:
            assert link.state == State.OPEN
        if self._polling is not None and self._polling.deadline_s < inf:
            assert link.transport == Transport.POLL

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

    def _abandon_posts(self) -> None:
        if self._delivery is not None:
            self._delivery.abandon_posts()

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

    def _end(self, input_: Input, event: ev.Failed | ev.Lost, now: float) -> None:
        """Process the end of an attempt or a connection: its code may stop the client."""
        if event.code and self._obey_code(event.code, now, closed=True):
            return
        if self._must_wait(now):
            self._suspend(now, closed=True)
        else:
            self._tell_link(input_, now, event.hint_s)

    def _obey_code(self, code: int, now: float, closed: bool = False) -> bool:
        """End or suspend the client if a code does so; ``closed``: its connection has ended."""
        what = effect(self.settings.stops, code)
        if what == Effect.ENDS:
            self._end_for_good(now, closed)
        elif what == Effect.SUSPENDS:
            self._session_over(now, closed)
        return what != Effect.GOES_ON

    def _end_for_good(self, now: float, closed: bool) -> None:
        if self._busy and not closed:
            self._commands.append(ev.Close(self.connection))
        self._abandon_posts()
        self._end_polling()
        self._end_session()
        self._tell_link(Input.END, now)

    def _end_session(self) -> None:
        if self._session is None:
            return
        if self._session.connection:
            self._commands.append(ev.Close(self._session.connection))
        self._session.end()

    def _on_received(self, event: ev.Received, now: float) -> None:
        if self._is_current(event.connection):
            self._take_answer(event, now)

    def _on_ponged(self, event: ev.Ponged, now: float) -> None:
        if self._is_current(event.connection):
            sent_s = self.heartbeat.sent_s
            if self.heartbeat.pong(now):
                self.monitor.record_answer(now, now - sent_s)

    def _on_pushed(self, event: ev.Pushed, now: float) -> None:
        current = self._is_current(event.connection)
        polled = 0 if self._polling is None else self._polling.connection
        if not current and event.connection != polled:
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

    # --- parts ---------------------------------------------------------------------------

    def _tell_link(self, input_: Input, now: float, hint_s: float = 0.0) -> None:
        before = self.link
        after = step(before, input_, now, self.settings, self.seed, self.number, hint_s)
        if after is before:
            self._check_allowed(input_)
            return
        self.link = after
        if before.state == _OPEN and after.state != _OPEN:
            self._leave_open()
        if after.state == _CONNECTING and before.state != _CONNECTING:
            self.connection = self._next_number()
            self._commands.append(ev.Open(self.connection))
        if after.transport_status.transport != before.transport_status.transport:
            self._change_transport(now)
        if input_ == _END:
            # That nothing polls any more is no return to WebSocket.
            if before.state != _STOPPED:
                self._commands.append(ev.Notify(Reason.GAVE_UP))
        elif input_ != _STOP and (
            after.breaker_status is not before.breaker_status
            or after.transport_status is not before.transport_status
            or after.rationed
            or after.state == _STOPPED
        ):
            self._notify(before, after)

    def _check_allowed(self, input_: Input) -> None:
        """Raise `MisuseError` if an input changed nothing since it may not come in this state."""
        if TABLE[self.link.state][input_] == _MISUSE:
            state = State(self.link.state).name.lower()
            raise MisuseError(f"client {self.number}: {input_.name.lower()} told while {state}")

    def _leave_open(self) -> None:
        """Take in that the connection is not open any more."""
        self._poor_s = inf
        if self._heartbeat is not None:
            self._heartbeat.end()
        if self._channels is not None:
            self._channels.interrupt()
        if self._delivery is not None:
            self._delivery.outbox.give_back_all(self.connection)

    def _notify(self, before: Link, after: Link) -> None:
        """Tell the user what is worth knowing of a change of the link."""
        told = self._commands
        if after.breaker_status.state != before.breaker_status.state:
            if after.breaker_status.state == BreakerState.OPEN:
                told.append(ev.Notify(Reason.TRIPPED))
            elif after.breaker_status.state == BreakerState.CLOSED:
                told.append(ev.Notify(Reason.MENDED))
        if after.transport_status.transport != before.transport_status.transport:
            polls = after.transport == Transport.POLL
            told.append(ev.Notify(Reason.FELL_BACK if polls else Reason.RETURNED))
        if after.rationed and not before.rationed:
            told.append(ev.Notify(Reason.BUDGET))
        if after.state == _STOPPED and before.state != _STOPPED:
            told.append(ev.Notify(Reason.GAVE_UP))

    def _change_transport(self, now: float) -> None:
        if self.link.transport == _POLL:
            if self.link.state == _OPEN:
                # What is in flight on the poor connection may yet be answered there.
                self._poor_s = inf
            self.polling.begin(now)
            return
        self._end_polling()

    def _end_polling(self) -> None:
        if self._polling is None:
            return
        if self._polling.connection:
            self._commands.append(ev.Close(self._polling.connection))
        self._polling.end()

    def _suspend(self, now: float, closed: bool = False) -> None:
        """Make no attempt and no poll until there is a network and a session."""
        if self._busy and not closed:
            self._commands.append(ev.Close(self.connection))
        self._end_polling()
        self._tell_link(Input.SUSPEND, now)

    def _resume(self, now: float) -> None:
        if self._must_wait(now):
            return
        if self.link.transport == _POLL and self.polling.deadline_s == inf:
            self.polling.begin(now)
        self._tell_link(Input.RESUME, now)

    def _session_over(self, now: float, closed: bool = False) -> None:
        u = uniform(self.seed, self.number, Stream.SIGN_IN, self._sign_ins)
        self._sign_ins += 1
        if self.session.over(now, u):
            self._commands.append(ev.Notify(Reason.SIGN_IN))
        self._suspend(now, closed)

    def _sign_in(self, now: float) -> None:
        if now >= self.session.timeout_s:
            self._commands.append(ev.Close(self.session.connection, Reason.TIMEOUT))
            self.session.fail(now)
        if now >= self.session.due_s:
            connection = self._next_number()
            self.session.begin_sign_in(now, connection, self.settings.connect_timeout_s)
            self._commands.append(ev.SignIn(connection))

    def _beat(self, heartbeat: Heartbeat, now: float) -> None:
        if now >= heartbeat.timeout_s:
            self.monitor.missed += 1
            self.monitor.record_failure(now)
            self._commands.append(ev.Close(self.connection, Reason.SILENT))
            if self._must_wait(now):
                self._suspend(now, closed=True)
            else:
                self._tell_link(Input.LOST, now)
        elif now >= heartbeat.due_s:
            self._ping(now)

    def _ping(self, now: float) -> None:
        self._commands.append(ev.Ping(self.connection))
        self.heartbeat.ping(now)

    def _weigh(self, now: float) -> None:
        """Choose the transport by the quality of an open connection."""
        if self.link.state != _OPEN:
            return
        fallback, transport_status = self.settings.fallback, self.link.transport_status
        poor = self.monitor.level <= fallback.when_quality
        if transport_status.transport == _POLL:
            if poor and transport_status.good_s < inf:
                self._tell_link(Input.POOR, now)
            elif not poor and transport_status.good_s == inf:
                self._tell_link(Input.GOOD, now)
            return
        self._poor_s = min(self._poor_s, now) if poor else inf
        if now >= self._poor_enough_s:
            self._tell_link(Input.POOR, now)

    @property
    def _poor_enough_s(self) -> float:
        """When the quality will have been poor for long enough to poll; inf: it is not poor."""
        fallback = self.settings.fallback
        dwelt_s = self.link.transport_status.changed_s + fallback.dwell_s
        return max(self._poor_s + fallback.quality_for_s, dwelt_s)

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

    def _poll(self, now: float) -> None:
        if now >= self.polling.timeout_s:
            self._commands.append(ev.Close(self.polling.connection, Reason.TIMEOUT))
            self.polling.take_answer(now, False, 0.0)
        if now >= self.polling.due_s:
            self.polling.begin_poll(now, self._next_number())
            self._commands.append(ev.Poll(self.polling.connection, self.channels.versions()))

    def _flush(self, delivery: Delivery, now: float) -> None:
        """Send what may leave, while there is a way for it."""
        polls = self.link.transport_status.transport == _POLL
        while delivery.may_send(now):
            if polls:
                connection = self._next_number()
                message = delivery.take(now, connection)
                delivery.posts[connection] = message.id
                self._commands.append(ev.Post(connection, message))
            else:
                message = delivery.take(now, self.connection)
                self._commands.append(ev.Transmit(self.connection, message))

    def _next_deadline(self) -> float:
        link = self.link
        soonest_s, polls = link.deadline_s, link.transport_status.transport == _POLL
        if self._session is not None:
            soonest_s = min(soonest_s, self._session.deadline_s)
        if link.state == _OPEN:
            if self._heartbeat is not None:
                soonest_s = min(soonest_s, self._heartbeat.deadline_s)
            if self._poor_s < inf and not polls:
                soonest_s = min(soonest_s, self._poor_enough_s)
        if polls:
            soonest_s = min(soonest_s, self.polling.deadline_s)
        if self._delivery is not None:
            outbox = self._delivery.outbox
            can_send = outbox.waiting > 0 and outbox.has_next and self.available
            soonest_s = min(soonest_s, self._delivery.deadline_s(can_send))
        return soonest_s

    def _next_number(self) -> int:
        self._numbered += 1
        return self._numbered


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
