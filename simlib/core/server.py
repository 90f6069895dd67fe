"""The server: admission, sessions, acknowledgement, duplicates, channels, rate limit, shedding.

Rules of the server:
- A handshake beyond the limit of its address is refused before anything else, with 429.
- A handshake is served by a worker, first come first served; when the backlog is full, the
  accept rate is passed or all connections are taken, it is refused with 503; without a session
  that holds, with 401.
- The work on a handshake is that of its TLS and its own. It is done even if the client has gone;
  only then is the result thrown away. A handshake that is refused costs none.
- After a handshake its worker brings the client up to date (resynchronisation) before the next.
- When too many handshakes wait, more workers come after a delay; what waits already stays where
  it waits, since new instances get new connections.
- A message counts once: a second copy is answered as a duplicate, over any connection. A server
  that does not deduplicate counts each copy. The ids outlive a crash only if they are kept on disk.
- Where it advises a window, it says so to the clients that it refuses with 503 and to those whose
  connections its operator ends, and each draws its moment within it.
- An edit counts if it was made on the newest version; otherwise it is a conflict.
- A message with a key is published on the channel of that key. A follower who is too far behind
  for the history gets the newest version only, sees the gap, and fetches the whole.
- A session that ends, or a connection that is silent or open for too long, ends the connection.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from heapq import heappop, heappush
from math import inf
from typing import Any

from simlib.core import events as ev
from simlib.core import meters
from simlib.core.admission import (
    AddressMeters,
    Decision,
    HandshakeVerdict,
    WorkerQueue,
    calls_for_step,
    find_limit,
)
from simlib.core.dropped_syns import DroppedSyns
from simlib.core.events import NONE, Reason, ServerCommand, ServerEvent
from simlib.core.server_messages import DedupWindow, ServerChannels
from simlib.core.server_settings import (
    FullBacklog,
    ServerSettings,
    accepts,
    advised_hint_s,
    decides,
    handshake_s,
    max_age_s,
    resync_s,
)

UNAUTHORIZED, UNAVAILABLE = 401, 503
# Read at every message, and a member costs 0.1 us to look up on Python 3.11.
_ACCEPTED = Reason.ACCEPTED
#: WebSocket close codes: the server goes away; a limit is passed; the session is over (private).
GOING_AWAY, TOO_MUCH, SESSION_OVER = 1001, 1008, 4401


_Where = tuple[int, int]


class Server:
    """One server, from its start to its crash.

    ``counted``: what it knows from earlier lives, by client; what it counts is added there.
    """

    def __init__(
        self,
        settings: ServerSettings,
        seed: int = 0,
        counted: dict[int, DedupWindow] | None = None,
    ) -> None:
        self.settings = settings
        self._seed = seed
        self._handshakes = WorkerQueue(settings.workers, settings.backlog)
        self._dropped = DroppedSyns() if settings.backlog_full == FullBacklog.DROP else None
        self._messages = WorkerQueue(1, inf)
        self._sign_ins = WorkerQueue(settings.workers, inf)
        self._accepts = accepts(settings.accept_per_s)
        self._accept_arrival_s = 0.0
        self._addresses = AddressMeters(settings.per_address)
        #: Steps of scaling so far, and when the workers of the last one are there.
        self._steps = 0
        self._ready_s = 0.0
        #: Handshakes being worked on, and open connections: when their session began.
        self._waiting: dict[_Where, float] = {}
        self._open: dict[_Where, float] = {}
        self._heard_s: dict[_Where, float] = {}
        self._arrivals_s: dict[int, float] = {}
        self._dedup_windows = {} if counted is None else counted
        self._channels = ServerChannels(settings.history)
        #: What ends connections: a moment, the connection, and the command; None: look for silence.
        self._endings: list[tuple[float, int, _Where, ev.CloseConnection | None]] = []
        self._numbers = itertools.count()
        self._shuns: list[ev.CloseClients] = []
        self._revoked_s = -inf
        self._slowness = 1.0
        #: What was decided on handshakes since the host last took it away, for the server's log;
        #: a server without limits, which takes all, notes nothing.
        self.verdicts: list[HandshakeVerdict] = []
        self._notes = decides(settings)
        #: When the server wants a `Wake`; inf: never.
        self.deadline = inf
        #: What the event being handled asks for; `handle` begins a new list.
        self._commands: list[ServerCommand] = []

    @property
    def connections(self) -> int:
        """Connections that are open."""
        return len(self._open)

    def handle(self, event: ServerEvent, now: float) -> list[ServerCommand]:
        """Process an event and return the commands to carry out."""
        # One list for the whole step, so that no handler must hand it on.
        commands = self._commands = []
        _HANDLERS[type(event)](self, event, now)
        if self._dropped is not None and self._dropped.deadline_s <= now:
            for again in self._dropped.pop_due(now):
                self._on_arrived(again, now)
        if self._handshakes.deadline_s <= now:
            for handshake in self._handshakes.pop_done(now):
                self._admit(handshake, now)
        if self._messages.deadline_s <= now:
            for framed in self._messages.pop_done(now):
                self._process(framed)
        if self._sign_ins.deadline_s <= now:
            lifetime_s, done = self.settings.session_lifetime_s, self._sign_ins.pop_done(now)
            commands.extend(ev.GrantSession(i, connection, lifetime_s) for i, connection in done)
        while self._endings and self._endings[0][0] <= now:
            _, _, where, shut = heappop(self._endings)
            self._look(where, shut, now)
        self.deadline = min(
            self._handshakes.deadline_s,
            self._messages.deadline_s,
            self._sign_ins.deadline_s,
            self._endings[0][0] if self._endings else inf,
            inf if self._dropped is None else self._dropped.deadline_s,
        )
        return commands

    def check(self) -> None:
        """Raise AssertionError where an invariant does not hold."""
        assert self._waiting.keys().isdisjoint(self._open)
        assert len(self._open) + len(self._waiting) <= self.settings.max_connections
        self._channels.check(set(self._open))

    # --- handshakes and requests ---------------------------------------------------------

    def _on_arrived(self, event: ev.HandshakeArrived, now: float) -> None:
        where = (event.client, event.connection)
        if self._dropped is not None:
            # Before all else: the kernel drops what the server never sees.
            if self._handshakes.is_full(now):
                self._dropped.add(event, now)
                self.verdicts.append(HandshakeVerdict(Decision.BACKLOG, *where))
                return
            self._dropped.forget(*where)
        if not self._addresses.take(event.client, now):
            # A limit stands in front of all that the server knows: of sessions, too.
            status = self.settings.per_address.status
            hint_s = self._hint_s(self.settings.retry_after_s)
            self._commands.append(ev.Refuse(*where, status, hint_s))
            self.verdicts.append(HandshakeVerdict(Decision.ADDRESS, *where))
            return
        if not self._is_authorized(event.signed_in_s, now):
            self._commands.append(ev.Refuse(*where, UNAUTHORIZED))
            self.verdicts.append(HandshakeVerdict(Decision.SESSION, *where))
            return
        refusal = self._take_handshake(where, now)
        if refusal:
            hint_s = self._hint_s(self.settings.retry_after_s)
            self._commands.append(ev.Refuse(*where, UNAVAILABLE, hint_s))
            self.verdicts.append(HandshakeVerdict(refusal, *where))
            return
        self._accept_arrival_s = meters.take(self._accept_arrival_s, now, self._accepts)
        self._waiting[where] = event.signed_in_s
        self._scale(now)

    def _take_handshake(self, where: _Where, now: float) -> int:
        """Give a handshake to a worker; return the `Decision` that refuses it, 0 for none."""
        taken, most = len(self._open) + len(self._waiting), self.settings.max_connections
        limit = find_limit(taken, most, self._accept_arrival_s, self._accepts, now)
        if limit:
            return limit
        begin_s = self._handshakes.begins_s(now) if self._notes else now
        work_s, after_s = self._handshake_s(where)
        if not self._handshakes.arrive(where, now, work_s, after_s):
            return Decision.BACKLOG
        if self._notes:
            done_s = begin_s + work_s
            self.verdicts.append(HandshakeVerdict(0, *where, begin_s, done_s, done_s + after_s))
        return 0

    def _handshake_s(self, where: _Where) -> tuple[float, float]:
        """Return the length of the work on a handshake, and of that after it."""
        settings, slowness = self.settings, self._slowness
        return handshake_s(settings, slowness, self._seed, *where), resync_s(settings, slowness)

    def _scale(self, now: float) -> None:
        settings = self.settings.scaling
        # To count who waits takes longer than all else, and most servers never scale.
        if settings.at_backlog == inf or self._steps == settings.most_steps:
            return
        waiting = self._handshakes.waiting
        if calls_for_step(waiting, self._steps, self._ready_s, settings, now):
            self._steps += 1
            self._ready_s = now + settings.delay_s
            self._handshakes.grow(settings.workers, self._ready_s)
            # In the place of a connection, how many they are.
            self.verdicts.append(
                HandshakeVerdict(Decision.CALLED, NONE, settings.workers, self._ready_s)
            )

    def _is_authorized(self, signed_in_s: float, now: float) -> bool:
        lifetime_s = self.settings.session_lifetime_s
        return lifetime_s == inf or (
            signed_in_s >= self._revoked_s and now < signed_in_s + lifetime_s
        )

    def _admit(self, where: _Where, now: float) -> None:
        if where not in self._waiting:
            return
        signed_in_s = self._open[where] = self._waiting.pop(where)
        self._commands.append(ev.Admit(*where))
        if self.settings.session_lifetime_s < inf:
            over_s = signed_in_s + self.settings.session_lifetime_s
            self._end_at(over_s, ev.CloseConnection(*where, SESSION_OVER))
        if self.settings.silence_timeout_s < inf:
            self._heard_s[where] = now
            self._watch(where, now)
        if self.settings.max_connection_age_s < inf:
            self._end_at(
                now + max_age_s(self.settings, self._seed, *where),
                ev.CloseConnection(*where, GOING_AWAY),
            )
        for shun in self._shuns:
            if now < shun.until_s and where[0] in shun.clients:
                self._end_at(now, self._close_of(where, shun))

    def _close_of(self, where: _Where, order: ev.CloseClients | ev.Drain) -> ev.CloseConnection:
        """Return the close of a connection that the operator ends."""
        return ev.CloseConnection(*where, order.code, self._hint_s(order.hint_s))

    def _hint_s(self, retry_after_s: float) -> float:
        return advised_hint_s(self.settings, float(retry_after_s))

    def _on_requested(self, event: ev.Requested, now: float) -> None:
        where = (event.client, event.connection)
        if event.signs_in:
            length_s = self.settings.sign_in_service_s * self._slowness
            self._sign_ins.arrive(where, now, length_s)
        elif not self._is_authorized(event.signed_in_s, now):
            self._commands.append(ev.Refuse(*where, UNAUTHORIZED))
        elif event.post is not None:
            self._take(event.post, now)
        else:
            pushes = (
                push
                for channel, version in event.channels
                for push in self._channels.find_missing(where, channel, version, whole=True)
            )
            self._commands.append(ev.AnswerPoll(*where, tuple(pushes)))

    # --- messages ------------------------------------------------------------------------

    def _on_framed(self, event: ev.MessageArrived, now: float) -> None:
        # What was on its way to a connection that the server has ended is not read any more.
        if (event.client, event.connection) in self._open:
            self._sign_of_life(event, now)
            self._take(event, now)

    def _take(self, event: ev.MessageArrived, now: float) -> None:
        if self.settings.rate.per_s < inf and not self._has_token(event, now):
            return
        self._messages.arrive(event, now, self.settings.message_service_s * self._slowness)

    def _has_token(self, event: ev.MessageArrived, now: float) -> bool:
        """Take a token for a message, or answer that the limit is passed."""
        arrival_s = self._arrivals_s.get(event.client, 0.0)
        ready_s = meters.ready_s(arrival_s, self.settings.rate)
        if now < ready_s:
            wait_s = ready_s - now
            self._commands.append(
                ev.Answer(event.client, event.connection, event.message, Reason.LIMITED, wait_s)
            )
            return False
        self._arrivals_s[event.client] = meters.take(arrival_s, now, self.settings.rate)
        return True

    def _process(self, framed: ev.MessageArrived) -> None:
        window = self._dedup_windows.get(framed.client)
        if window is None:
            window = self._dedup_windows[framed.client] = DedupWindow()
        if framed.key == NONE:
            is_first = window.add(framed.message) or not self.settings.deduplicates
            reason = _ACCEPTED if is_first else Reason.DUPLICATE
            self._commands.append(
                ev.Answer(framed.client, framed.connection, framed.message, reason)
            )
            return
        self._process_keyed(framed, window)

    def _process_keyed(self, framed: ev.MessageArrived, window: DedupWindow) -> None:
        """Count a message with a key, and publish it on the channel of the key."""
        reason, newest = _ACCEPTED, self._channels.newest(framed.key)
        if framed.message in window and self.settings.deduplicates:
            reason = Reason.DUPLICATE
            # It made the version after its base, perhaps in a life whose channels are lost.
            newest = max(newest, framed.base + 1)
        elif framed.base != NONE and framed.base < newest:
            reason = Reason.CONFLICT
        else:
            window.add(framed.message)
        # A server that lost its memory in a crash takes the client's word for the version.
        version = max(newest, framed.base) + (1 if reason == _ACCEPTED else 0)
        answered = version if framed.base != NONE else NONE
        self._commands.append(
            ev.Answer(framed.client, framed.connection, framed.message, reason, version=answered)
        )
        if reason == _ACCEPTED:
            self._commands.extend(self._channels.publish(framed.key, version))

    # --- channels ------------------------------------------------------------------------

    def _on_subscribed(self, event: ev.Subscribed, now: float) -> None:
        self._sign_of_life(event, now)
        where = (event.client, event.connection)
        if where not in self._open:
            return
        if not self._channels.follow(where, event.channel):
            self._end_at(now, ev.CloseConnection(*where, TOO_MUCH))
            return
        missing = self._channels.find_missing(where, event.channel, event.version, whole=False)
        self._commands.extend(missing)

    def _on_fetched(self, event: ev.Fetched, now: float) -> None:
        self._sign_of_life(event, now)
        newest, where = self._channels.newest(event.channel), (event.client, event.connection)
        if newest:
            self._commands.append(ev.Push(*where, event.channel, newest, Reason.SNAPSHOT))

    # --- ends ----------------------------------------------------------------------------

    def _on_ended(self, event: ev.Ended, now: float) -> None:
        self._let_go((event.client, event.connection))

    def _let_go(self, where: _Where) -> None:
        self._waiting.pop(where, None)
        if self._dropped is not None:
            self._dropped.forget(*where)
        self._heard_s.pop(where, None)
        self._open.pop(where, None)
        self._channels.unfollow_all(where)

    def _on_heard(self, event: ev.PingArrived, now: float) -> None:
        self._sign_of_life(event, now)

    def _sign_of_life(self, event: Any, now: float) -> None:
        if self._heard_s and (where := (event.client, event.connection)) in self._heard_s:
            self._heard_s[where] = now

    def _end_at(self, time_s: float, shut: ev.CloseConnection) -> None:
        where = (shut.client, shut.connection)
        heappush(self._endings, (time_s, next(self._numbers), where, shut))

    def _watch(self, where: _Where, heard_s: float) -> None:
        silent_s = heard_s + self.settings.silence_timeout_s
        heappush(self._endings, (silent_s, next(self._numbers), where, None))

    def _look(self, where: _Where, shut: ev.CloseConnection | None, now: float) -> None:
        """End a connection whose time has come, or look again later if it gave a sign of life."""
        if where not in self._open:
            return
        if shut is None:
            if now < self._heard_s[where] + self.settings.silence_timeout_s:
                self._watch(where, self._heard_s[where])
                return
            shut = ev.CloseConnection(*where, GOING_AWAY)
        self._let_go(where)
        self._commands.append(shut)

    # --- the operator --------------------------------------------------------------------

    def _on_revoke(self, _: ev.Revoke, now: float) -> None:
        if self.settings.session_lifetime_s == inf:
            return
        self._revoked_s = now
        for where, signed_in_s in self._open.items():
            if signed_in_s < now:
                self._end_at(now, ev.CloseConnection(*where, SESSION_OVER))

    def _on_shun(self, event: ev.CloseClients, now: float) -> None:
        self._shuns = [shun for shun in self._shuns if now < shun.until_s]
        if now < event.until_s:
            self._shuns.append(event)
        for where in self._open:
            if where[0] in event.clients:
                self._end_at(now, self._close_of(where, event))

    def _on_drain(self, event: ev.Drain, now: float) -> None:
        leaving = sorted(where for where in self._open if where[0] in event.clients)
        for i, where in enumerate(leaving, 1):
            time_s = now + (event.until_s - now) * i / len(leaving)
            self._end_at(time_s, self._close_of(where, event))

    def _on_slow(self, event: ev.Slow, now: float) -> None:
        self._slowness = event.factor

    def _on_woken(self, event: ev.Wake, now: float) -> None:
        """No-op: finished work is collected after every event."""


_HANDLERS: dict[type, Callable[[Server, Any, float], None]] = {
    ev.HandshakeArrived: Server._on_arrived,
    ev.MessageArrived: Server._on_framed,
    ev.Requested: Server._on_requested,
    ev.Subscribed: Server._on_subscribed,
    ev.Fetched: Server._on_fetched,
    ev.PingArrived: Server._on_heard,
    ev.Ended: Server._on_ended,
    ev.Revoke: Server._on_revoke,
    ev.CloseClients: Server._on_shun,
    ev.Drain: Server._on_drain,
    ev.Slow: Server._on_slow,
    ev.Wake: Server._on_woken,
}
