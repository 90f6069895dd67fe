"""The moves of a client's link, and what follows from each for the other parts of the client.

Everything that starts, ends or suspends attempts goes through `_tell_link`. So what belongs to a
move (a new connection's number, messages given back, polls that begin or end, what the user is
told) happens in one place, and in one order, whatever the reason for the move.
"""

from __future__ import annotations

from math import inf

from simlib.core import events as ev
from simlib.core.breaker import BreakerState
from simlib.core.client_parts import ClientParts
from simlib.core.draws import Stream, uniform
from simlib.core.errors import MisuseError
from simlib.core.events import Reason
from simlib.core.fallback import Transport
from simlib.core.link import step
from simlib.core.link_fields import Link
from simlib.core.link_table import TABLE, Input, Move, State
from simlib.core.stops import Effect, effect

# Plain numbers, read at every step: a member costs 0.1 us to look up on Python 3.11.
_CONNECTING, _OPEN, _STOPPED = State.CONNECTING.value, State.OPEN.value, State.STOPPED.value
_SUSPENDED = State.SUSPENDED.value
_POLL, _MISUSE = Transport.POLL.value, Move.MISUSE.value
_END, _STOP = Input.END.value, Input.STOP.value


class ClientMoves(ClientParts):
    """A client whose link can be moved."""

    __slots__ = ()

    def _tell_link(self, input_: Input, now: float, hint_s: float = 0.0) -> None:
        before = self.link
        after = step(before, input_, now, self.settings, self.seed, self.number, hint_s)
        # `step` returns the very same object where nothing changes, so identity tells it without
        # comparing thirteen fields.
        if after is before:
            self._check_allowed(input_)
            return
        self.link = after
        # What was sent and not acknowledged may be lost: it is back in the outbox before anything
        # else can be sent.
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

    def _stand_by(self, now: float) -> None:
        """Suspend a client whose connection or attempt has ended, offline or without a session."""
        session = self._session
        # A session may run out while an attempt is under way, or offline: nobody else notices.
        if session is not None and not self._offline and session.has_run_out(now):
            self._session_over(now, closed=True)
        else:
            self._suspend(now, closed=True)

    def _resume(self, now: float) -> None:
        if self._must_wait(now):
            if self.link.state == _SUSPENDED:
                self._stand_by(now)
            return
        if self.link.transport == _POLL and self.polling.deadline_s == inf:
            self.polling.begin(now)
        self._tell_link(Input.RESUME, now)

    def _end(self, input_: Input, event: ev.Failed | ev.Lost, now: float) -> None:
        """Process the end of an attempt or a connection: its code may stop the client."""
        if event.code and self._obey_code(event.code, now, closed=True):
            return
        if self._must_wait(now):
            self._stand_by(now)
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

    def _session_over(self, now: float, closed: bool = False) -> None:
        # Drawn even if this session needs no wait: the draw's index is the number of sessions that
        # were over, and the same in every engine.
        u = uniform(self.seed, self.number, Stream.SIGN_IN, self._sign_ins)
        self._sign_ins += 1
        if self.session.over(now, u):
            self._commands.append(ev.Notify(Reason.SIGN_IN))
        self._suspend(now, closed)

    def _end_session(self) -> None:
        if self._session is None:
            return
        if self._session.connection:
            self._commands.append(ev.Close(self._session.connection))
        self._session.end()

    def _abandon_posts(self) -> None:
        if self._delivery is not None:
            self._delivery.abandon_posts()
