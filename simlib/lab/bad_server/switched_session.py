"""The lab's server without a script: what it does is switched by whoever holds it."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy

from simlib.lab.observe.endpoint import Connection
from simlib.lab.observe.listener import ObservationListener
from simlib.lab.observe.observation import Attempt, Observation
from simlib.lab.observe.script import ABRUPT, Phase, PhaseKind, Script
from simlib.lab.observe.session import LabSession

#: An attempt that waits for its answer gets none, or a late one, through these.
_UNANSWERED = {PhaseKind.SILENT.name.lower(), PhaseKind.SLOW.name.lower()}


class SwitchedSession(LabSession):
    """Serves until it is ended; each switch begins a phase that lasts until the next one."""

    def __init__(
        self,
        *,
        greeting: str,
        host: str,
        port: int,
        path: str,
        listener: ObservationListener | None = None,
    ) -> None:
        script = Script(phases=(Phase(kind=PhaseKind.STAY),), name="bad_server")
        super().__init__(
            script, greeting=greeting, host=host, port=port, path=path, listener=listener
        )
        self._played = list(script.phases)

    @property
    def url(self) -> str:
        """Where clients connect."""
        return self._url(0)

    @property
    def doing(self) -> str:
        """What the server does now, in words."""
        return f"server: {self._phase.words}"

    @property
    def open_connections(self) -> list[Connection]:
        """The connections that are open now."""
        return [each for each in self._open if each.attempt.opened]

    async def open(self) -> None:
        """Begin to listen."""
        self._start_clock()
        self._begin(0, self._phase)
        await self._ports.open(self._connection)

    async def close(self) -> None:
        """End every connection, and listen no more."""
        self._record_phase()
        await self._finish_and_stop_clock()

    async def switch(self, phase: Phase) -> None:
        """Do this from now on: to those that are open, unless it leaves them, and to new ones."""
        was_closed = self._phase.closed
        # A phase that saw no attempt is replaced: between two numbers an attempt may be missing.
        number = self._number + (self._attempts_since_switch() > 0)
        self._record_phase()
        self._played[number:] = [phase]
        self._begin(number, phase)
        for connection in list(self._open):
            self._apply(phase, connection)
        if phase.closed and not was_closed:
            await self._ports.close()
        elif was_closed and not phase.closed:
            await self._ports.reopen(self._connection)
        self._changed.set()

    def on_open(self, connection: Connection) -> None:
        """Say nothing to a connection that opens half-open."""
        super().on_open(connection)
        if self._phase.kind is PhaseKind.NO_PONG:
            connection.mute()

    def cut(self) -> None:
        """Reset all connections once; what is done to new ones stays as it is."""
        for connection in list(self._open):
            connection.reset()

    def attempts(self) -> list[Attempt]:
        """Return copies of the attempts so far: these change no more."""
        return [copy(attempt) for attempt in self._rows]

    def observation(self, *, partial: bool = False) -> Observation:
        """Return what was seen so far."""
        self.script = Script(phases=tuple(self._played), name="bad_server")
        if not self._is_done:
            self._end_s = self.now_s()
        seen = super().observation(partial=partial)
        seen.attempts = self.attempts()
        return seen

    async def until(self, holds: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until something holds; return whether it did in time."""
        until_s = self.now_s() + timeout_s
        while not holds() and self.now_s() < until_s:
            await self._change(until_s)
        return holds()

    def _attempts_since_switch(self) -> int:
        return sum(attempt.phase == self._number for attempt in self._rows)

    def attempts_in_phase(self) -> int:
        """Return how many attempts there were since the latest switch."""
        return sum(
            attempt.phase == self._number and attempt.accept_s >= self._began_s
            for attempt in self._rows
        )

    def _apply(self, phase: Phase, connection: Connection) -> None:
        attempt = connection.attempt
        if not attempt.opened:
            # What was told to an attempt on its arrival is still done to it, if it is ever done.
            if attempt.kind in _UNANSWERED:
                connection.reset()
            return
        if phase.kind is PhaseKind.STAY or attempt.ended_by != "none":
            return
        # From now on its row says what ends it, and no more what it was accepted by.
        attempt.phase, attempt.kind = self._number, phase.kind.name.lower()
        attempt.detail = phase.detail
        if phase.kind is PhaseKind.NO_PONG:
            connection.mute()
        elif phase.kind is PhaseKind.CLOSE and phase.code != ABRUPT:
            connection.close(phase.code)
        elif phase.kind is PhaseKind.CLOSE:
            connection.leave_abruptly()
        else:
            attempt.kind, attempt.detail = PhaseKind.RESET.name.lower(), ""
            connection.reset()

    def _record_phase(self) -> None:
        """Keep what the phase that ends was, in the place of one of the same number."""
        phase = self._phase
        self._outcomes[self._number :] = [
            {
                "phase": self._number,
                "kind": phase.kind.name.lower(),
                "detail": phase.detail,
                "begin_s": self._began_s,
                "end_s": self.now_s(),
                "ended_by": "switch",
                "wanted": phase.attempts,
                "least": min((guest.ended for guest in self._guests.present()), default=0),
            }
        ]
