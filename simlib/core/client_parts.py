"""The parts of a client, each made when it is first needed, and what can be asked of them.

A storm has a million clients, and most need nothing but a link: a part that is not needed is None,
and costs eight bytes. The owner of a `ClientParts` is `simlib.core.client.Client`.
"""

from __future__ import annotations

from math import inf
from typing import TypeVar

from simlib.core.breaker import BreakerState
from simlib.core.channel import Channels
from simlib.core.delivery import Delivery
from simlib.core.draws import PER_LIFE
from simlib.core.events import Command
from simlib.core.fallback import Transport
from simlib.core.heartbeat import Heartbeat
from simlib.core.link_fields import idle
from simlib.core.link_table import State
from simlib.core.outbox import Outbox
from simlib.core.polling import Polling
from simlib.core.quality import Monitor, Quality
from simlib.core.session import Session
from simlib.core.settings import Settings

P = TypeVar("P")

# Plain numbers, read at every step: a member costs 0.1 us to look up on Python 3.11.
_OPEN, _POLL = State.OPEN.value, Transport.POLL.value
_BUSY = (State.CONNECTING.value, _OPEN)
#: Commands while no event is handled.
NO_COMMANDS: list[Command] = []


class ClientParts:
    """A client's link, its further parts, and the questions that all of its handlers ask."""

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
        self._commands = NO_COMMANDS
        self._numbered = self._sign_ins = life * PER_LIFE
        self._offline = False
        #: Since when the quality has called for polling; inf: it does not.
        self._poor_s = inf
        # These two act by themselves, without an event that would ask for them, so they cannot wait
        # to be made until then.
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

    def _next_number(self) -> int:
        self._numbered += 1
        return self._numbered

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
