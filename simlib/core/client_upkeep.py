"""What a client does by itself as time passes: sign-ins, polls, pings, and sending what may leave.

None of it is the answer to an event: after each event, `_tend_parts` does whatever is due by now,
and `_next_deadline` says when there will be something to do again.
"""

from __future__ import annotations

from math import inf

from simlib.core import events as ev
from simlib.core.client_moves import ClientMoves
from simlib.core.delivery import Delivery
from simlib.core.events import Reason
from simlib.core.fallback import Transport
from simlib.core.heartbeat import Heartbeat
from simlib.core.link_table import Input, State

# Plain numbers, read at every step: a member costs 0.1 us to look up on Python 3.11.
_OPEN, _POLL = State.OPEN.value, Transport.POLL.value


class ClientUpkeep(ClientMoves):
    """A client that does what is due."""

    __slots__ = ()

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

    def _sign_in(self, now: float) -> None:
        # Two questions, not either-or: a sign-in that has just failed may be due again at once.
        if now >= self.session.timeout_s:
            self._commands.append(ev.Close(self.session.connection, Reason.TIMEOUT))
            self.session.fail(now)
        if now >= self.session.due_s:
            connection = self._next_number()
            self.session.begin_sign_in(now, connection, self.settings.connect_timeout_s)
            self._commands.append(ev.SignIn(connection))

    def _poll(self, now: float) -> None:
        # As with sign-ins: the poll that timed out and the next one may fall on the same moment.
        if now >= self.polling.timeout_s:
            self._commands.append(ev.Close(self.polling.connection, Reason.TIMEOUT))
            self.polling.take_answer(now, False, 0.0)
        if now >= self.polling.due_s:
            self.polling.begin_poll(now, self._next_number())
            self._commands.append(ev.Poll(self.polling.connection, self.channels.versions()))

    def _beat(self, heartbeat: Heartbeat, now: float) -> None:
        if now >= heartbeat.timeout_s:
            self.monitor.missed += 1
            self.monitor.record_failure(now)
            self._commands.append(ev.Close(self.connection, Reason.SILENT))
            if self._must_wait(now):
                self._stand_by(now)
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
