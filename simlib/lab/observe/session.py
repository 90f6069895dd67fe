"""The lab server: it plays a script of faults to any WebSocket client and records it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from math import inf, isnan, nan
from pathlib import Path
from typing import Any

from simlib.core.card import count_in_words
from simlib.core.errors import SettingsError, on_one_line
from simlib.core.secrets import mask_secrets
from simlib.lab.observe.endpoint import Connection, Order
from simlib.lab.observe.identity import ObservedClient, ObservedClients
from simlib.lab.observe.lateness import Ticks
from simlib.lab.observe.listener import ObservationListener
from simlib.lab.observe.observation import Attempt, Observation
from simlib.lab.observe.ports import Ports
from simlib.lab.observe.protocols import greeting as greeting_of
from simlib.lab.observe.script import Phase, PhaseKind, Script
from simlib.lab.observe.script import script as script_of
from simlib.lab.observe.subprocesses import ClientProcess

#: More attempts than these are counted and not kept; more connections at once are reset.
MOST_ROWS, MOST_OPEN = 100_000, 1000
#: So many attempts within a second are a flood.
FLOOD_PER_S = 200
MOST_OBSERVED_CLIENTS = 100
#: Of what strangers may do in as many ways as they like, so much is noted: what they ask for, and
#: that they are gone. Else they could keep out what is noted of a flood.
_OF_STRANGERS, _MOST_NOTES = ("path ", "gone "), 50
#: Clients that a note names; of more it says how many there are.
_MOST_NAMED = 5
_LOOK_S = 0.1
_END_TIMEOUT_S = 2.0
#: What these phases do to an attempt may take longer than they have.
_HOLDING = {
    PhaseKind.SILENT,
    PhaseKind.NO_PONG,
    PhaseKind.OPEN_THEN_CUT,
    PhaseKind.SEVERAL,
    PhaseKind.STAY,
}


def _describe_short(short: Sequence[ObservedClient], within: str) -> str:
    told = ", ".join(f"client {each.number} made {each.ended}" for each in short[:_MOST_NAMED])
    more = len(short) - _MOST_NAMED
    return f"{told} {within}" + (
        f", and {count_in_words(more, 'more client')} too few" if more > 0 else ""
    )


class LabSession:
    """One observation: plays the script to every client that connects, and records its attempts."""

    def __init__(
        self,
        script: str | Path | Script = "standard",
        *,
        command: Sequence[str] = (),
        clients: int = 1,
        greeting: str = "echo",
        host: str = "127.0.0.1",
        port: int = 0,
        path: str = "/ws",
        wait_s: float = 60.0,
        listener: ObservationListener | None = None,
    ) -> None:
        if not 1 <= clients <= MOST_OBSERVED_CLIENTS:
            rule = f"must be a whole number from 1 to {MOST_OBSERVED_CLIENTS}"
            raise SettingsError("clients", clients, rule)
        if not wait_s > 0.0:
            raise SettingsError("wait_s", wait_s, "must be a number of seconds, above 0")
        if not path.startswith("/"):
            raise SettingsError("path", path, 'must begin with "/", as /ws does')
        self.script = script_of(script)
        self.greeting = greeting_of(greeting)
        self.path = path
        self._command, self._greeting = tuple(command), greeting
        self._host, self._wait_s = host, wait_s
        self._ports = Ports(host, port, clients if command else 1)
        self._listener = listener or ObservationListener()
        self._guests = ObservedClients(own_seats=bool(command))
        #: So many clients are waited for; known after the first phase.
        self._expected = clients
        self._commands: dict[int, ClientProcess] = {}
        self._rows: list[Attempt] = []
        self._open: dict[Connection, ObservedClient] = {}
        #: All whose sockets are not closed yet, those that nobody takes for a client included.
        self._connected: set[Connection] = set()
        self._outcomes: list[dict[str, Any]] = []
        self._notes: dict[str, str] = {}
        self._noted_of_strangers = 0
        self._number, self._phase = 0, self.script.phases[0]
        self._not_kept = 0
        self._second, self._within_second = -1, 0
        self._were_cut = self._stopped = self._is_done = False
        self._changed = asyncio.Event()
        self._start_s = self._end_s = self._began_s = 0.0
        #: How late the loop is; from the beginning on.
        self._ticks: Ticks | None = None

    # --- what connections ask ----------------------------------------------------------------

    def now_s(self) -> float:
        """Return the time since the beginning."""
        return asyncio.get_running_loop().time() - self._start_s

    def on_accept(self, connection: Connection) -> Order | None:
        """Assign a connection to its client and its row; return what to do to it, or refuse it."""
        now_s = self.now_s()
        self._count(now_s)
        if self._is_done or len(self._open) >= MOST_OPEN:
            self._not_kept += 1
            if not self._is_done:
                sentence = f"more than {MOST_OPEN:,} connections at once: the others were reset"
                self.odd("open", sentence)
            return None
        host, port = connection.source
        guest = self._guests.take(connection.seat, host)
        phase, name = self._phase, self._phase.kind.name.lower()
        attempt = Attempt(self._number, name, phase.detail, guest.number, f"{host}:{port}", now_s)
        connection.attempt = attempt
        self._open[connection] = guest
        attempt.late_s = self._late_s(guest)
        guest.waited_for_cpu_s = self._waited_for_cpu_s(guest)
        wait_s = guest.came(attempt)
        if len(self._rows) < MOST_ROWS:
            self._rows.append(attempt)
        else:
            self._not_kept += 1
            self.odd("rows", f"more than {MOST_ROWS:,} attempts: the others were not kept")
        self._listener.on_accept(attempt, wait_s)
        self._changed.set()
        return Order(phase, guest.begun - 1, rejects=self._were_cut)

    def on_open(self, connection: Connection) -> None:
        """Cut all connections at once when all clients are there, if that is the phase."""
        self._changed.set()
        if self._phase.kind is PhaseKind.SEVERAL and not self._were_cut:
            here = [guest for guest in self._guests.present() if guest.live and guest.live.opened]
            if len(here) >= max(self._expected, len(self._guests.present())):
                self._cut_together()

    def on_end(self, connection: Connection) -> None:
        """Record a connection's end."""
        guest = self._open.pop(connection, None)
        if guest is not None:
            self._note_lateness(connection.attempt, guest)
            guest.note_end(connection.attempt, self._number)
            self._listener.on_end(connection.attempt)
            self._changed.set()

    def on_close(self, connection: Connection) -> None:
        """Forget a connection: its socket is closed."""
        self._connected.discard(connection)
        self._changed.set()

    def odd(self, word: str, sentence: str) -> None:
        """Note something odd, once."""
        if word in self._notes:
            return
        if word.startswith(_OF_STRANGERS):
            if self._noted_of_strangers == _MOST_NOTES:
                self.odd("notes", f"more than {_MOST_NOTES} such notes: the others were left out")
                return
            self._noted_of_strangers += 1
        # What clients ask for and print may hold their users' secrets, and move the cursor.
        self._notes[word] = on_one_line(mask_secrets(sentence))
        self._listener.on_note(self._notes[word])

    # --- the script --------------------------------------------------------------------------

    async def play(self) -> None:
        """Listen, start the clients if a command says how, and play all phases."""
        self._start_clock()
        try:
            await self._ports.open(self._connection)
            self._listener.listening([self._url(seat) for seat in range(len(self._ports.numbers))])
            await self._play_phases()
        finally:
            await self._finish_and_stop_clock()

    def stop(self) -> None:
        """End the observation soon; what was seen is kept."""
        self._stopped = True
        self._changed.set()

    def observation(self, *, partial: bool = False) -> Observation:
        """Return what was seen so far."""
        return Observation(
            list(self._rows),
            script=self.script.dump(),
            command=self._command,
            greeting=self._greeting,
            observed_s=self._end_s,
            phases=list(self._outcomes),
            notes=list(self._notes.values()),
            not_kept=self._not_kept,
            partial=partial or self._stopped,
            timers_late={} if self._ticks is None else self._ticks.quantiles_s(),
        )

    async def _play_phases(self) -> None:
        until_s = inf
        for number, phase in enumerate(self.script.phases):
            self._begin(number, phase)
            await self._start_commands()
            if not await self._somebody():
                break
            if number == 0:
                until_s = self.now_s() + self.script.longest_s
            if phase.closed:
                await self._ports.close()
            why = await self._until_enough(min(self.now_s() + phase.longest_s, until_s))
            await self._end(why)
            if self._stopped:
                return
            if self.now_s() >= until_s:
                break
        rest = len(self.script.phases) - len(self._outcomes)
        if rest and self._rows and not self._stopped:
            self.odd("rest", f"the last {rest} of {len(self.script.phases)} phases were not played")

    def _begin(self, number: int, phase: Phase) -> None:
        self._number, self._phase = number, phase
        self._were_cut = False
        self._began_s = self.now_s()
        self._guests.begin_phase()
        self._listener.began(number, phase, self._began_s)

    async def _until_enough(self, until_s: float) -> str:
        """Wait until each client made its attempts, or the time is over; return which."""
        halfway_s = (self.now_s() + until_s) / 2.0
        while self.now_s() < until_s and not self._stopped:
            self._look_after()
            if self._is_enough():
                return "attempts" if self._guests.present() else "gone"
            if (
                self._phase.kind is PhaseKind.SEVERAL
                and self.now_s() > halfway_s
                and not self._were_cut
            ):
                sentence = "not all clients were open together; those that were, were cut"
                self.odd(f"several {self._number}", sentence)
                self._cut_together()
            await self._change(until_s)
        return "stopped" if self._stopped else "time"

    async def _change(self, until_s: float) -> None:
        """Wait for something to happen, but not for long: a process may end without a word."""
        self._changed.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, min(_LOOK_S, until_s - self.now_s()))):
                await self._changed.wait()

    def _is_enough(self) -> bool:
        if self._phase.closed or len(self._guests.known) < self._expected:
            return False
        if self._phase.kind is PhaseKind.SEVERAL and not self._were_cut:
            return False
        return all(guest.ended >= self._phase.attempts for guest in self._guests.present())

    def _cut_together(self) -> None:
        self._were_cut = True
        # What this phase asks of clients is what they do after the cut: attempts that failed while
        # the others were awaited are none of it.
        self._guests.begin_phase()
        for connection in list(self._open):
            connection.reset()

    async def _end(self, why: str) -> None:
        """End a phase: what it holds open is cut, what it closed is opened."""
        phase, number = self._phase, self._number
        cut = [
            connection for connection in self._open if why != "attempts" or phase.kind in _HOLDING
        ]
        for connection in cut:
            connection.reset()
        await self._until(lambda: not any(connection in self._open for connection in cut))
        if phase.closed:
            await self._ports.reopen(self._connection)
            sentence = f"phase {number} ({phase.words}): attempts at a closed port are not seen"
            self.odd(f"closed {number}", sentence)
        if number == 0:
            self._expected = max(1, len(self._guests.known))
        short = [guest for guest in self._guests.present() if guest.ended < phase.attempts]
        if short and not phase.closed and why == "time":
            sentence = f"not enough attempts in phase {number} ({phase.words}): "
            within = f"of {phase.attempts} within {self.now_s() - self._began_s:.0f} s"
            self.odd(f"few {number}", sentence + _describe_short(short, within))
        self._outcomes.append(
            {
                "phase": number,
                "kind": phase.kind.name.lower(),
                "detail": phase.detail,
                "begin_s": self._began_s,
                "end_s": self.now_s(),
                "ended_by": why,
                "wanted": phase.attempts,
                "least": min((guest.ended for guest in self._guests.present()), default=0),
            }
        )

    # --- the clients -------------------------------------------------------------------------

    async def _start_commands(self) -> None:
        """Start the clients, and again those that have ended: each is a new client then."""
        for seat in range(len(self._ports.numbers) if self._command else 0):
            here = [guest for guest in self._guests.known if guest.seat == seat]
            if here and not here[-1].gone:
                continue
            if seat in self._commands:
                await self._commands[seat].end()
            guest = self._guests.add(seat, self._host)
            url = self._url(seat)
            self._commands[seat] = await ClientProcess.start(self._command, url, guest.number)

    async def _somebody(self) -> bool:
        """Wait until a client is there; return whether one came in time."""
        until_s, patience_s = self.now_s() + self._wait_s, self._wait_s
        while not any(guest.attempts for guest in self._guests.present()):
            failed = [command for command in self._commands.values() if command.status is not None]
            if len(failed) == len(self._commands) > 0:
                said = await failed[0].last_words()
                words = f": {said}" if said else ""
                sentence = f"the command ended with status {failed[0].status} before it connected"
                self.odd(f"command {self._number}", sentence + words)
                return False
            if self.now_s() >= until_s or self._stopped:
                again = " again" if self._rows else ""
                until = "until it was stopped" if self._stopped else f"within {patience_s:g} s"
                sentence = f"nobody connected{again} to {self._url(0)} {until}"
                self.odd(f"nobody {self._number}", sentence)
                return False
            await self._change(until_s)
        return True

    def _look_after(self) -> None:
        """Note the clients that are gone."""
        now_s = self.now_s()
        for guest in self._guests.present():
            if self._phase.closed:
                guest.unseen_until_s = now_s
            command = self._commands.get(guest.seat)
            ended = command is not None and command.status is not None
            if guest.live is None and (ended or guest.is_quiet(now_s)):
                guest.gone = True
                how = f"did not come back for {now_s - guest.last_ended_s:.0f} s"
                if command is not None and ended:
                    how = f"ended with status {command.status}"
                last = f"after {guest.last_kind}" if guest.attempts else "before it connected"
                sentence = f"client {guest.number} {how} {last} (phase {self._number})"
                self.odd(f"gone {guest.number}", sentence)

    # --- lateness ----------------------------------------------------------------------------

    def _late_s(self, guest: ObservedClient) -> float:
        """Return how late a client's attempt may be: by its own lateness and by the lab's."""
        assert self._ticks is not None
        own_s = self._ticks.late_s()
        if not guest.attempts:
            return own_s
        waited_s = self._waited_for_cpu_s(guest) - guest.waited_for_cpu_s
        if isnan(waited_s):
            # As late as the lab's own timers were at worst, as on the same machine it may be.
            return self._ticks.latest_since_s(self._start_s + guest.last_ended_s)
        return own_s + max(0.0, waited_s)

    def _note_lateness(self, attempt: Attempt, guest: ObservedClient) -> None:
        """Record how late the end of an attempt may have been noted, and its client's clock."""
        assert self._ticks is not None
        attempt.end_late_s = self._ticks.late_s()
        waited_s = self._waited_for_cpu_s(guest)
        attempt.client_late_s = waited_s - guest.waited_for_cpu_s
        guest.waited_for_cpu_s = waited_s

    def _waited_for_cpu_s(self, guest: ObservedClient) -> float:
        command = self._commands.get(guest.seat)
        return nan if command is None else command.waited_for_cpu_s

    # --- beginning and end -------------------------------------------------------------------

    def _connection(self, seat: int) -> Connection:
        connection = Connection(self, seat)
        self._connected.add(connection)
        return connection

    def _url(self, seat: int) -> str:
        host = "127.0.0.1" if self._host in {"0.0.0.0", ""} else self._host
        return f"ws://{host}:{self._ports.numbers[seat]}{self.path}"

    def _count(self, now_s: float) -> None:
        if int(now_s) != self._second:
            self._second, self._within_second = int(now_s), 0
        self._within_second += 1
        if self._within_second > FLOOD_PER_S:
            self.odd("flood", f"a flood: more than {FLOOD_PER_S} attempts within one second")

    async def _until(self, holds: Callable[[], bool]) -> None:
        until_s = self.now_s() + _END_TIMEOUT_S
        while self.now_s() < until_s and not holds():
            await self._change(until_s)

    def _start_clock(self) -> None:
        self._start_s = asyncio.get_running_loop().time()
        self._ticks = Ticks()

    async def _finish_and_stop_clock(self) -> None:
        assert self._ticks is not None
        self._end_s = self.now_s()
        await self._finish()
        self._ticks.stop()

    async def _finish(self) -> None:
        """End everything: connections, ports, processes; note what was still there."""
        self._is_done = True
        for connection in list(self._open):
            attempt = connection.attempt
            self._open.pop(connection)
            connection.forget()
            self._listener.on_end(attempt)
        await self._ports.close()
        await asyncio.gather(*(command.end() for command in self._commands.values()))
        # What was being accepted when the ports closed was reset.
        await self._until(lambda: not self._connected)
        self._listener.on_finish()
