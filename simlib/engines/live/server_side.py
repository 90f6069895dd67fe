"""The server of a live run: its processes, and what the scenario's faults do to it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from simlib.core import events as ev
from simlib.core.admission import Decision, HandshakeVerdict
from simlib.core.errors import EngineError
from simlib.core.events import NONE, Reason
from simlib.core.faults import FaultKind, Timeline
from simlib.core.tls import Tls
from simlib.engines.live.clock import WallClock
from simlib.engines.live.processes import Keys, Processes
from simlib.engines.live.tls import make_certificate
from simlib.engines.operator import order
from simlib.scenario.scenario import Scenario, plain
from simlib.trace.columns import Kind, Name
from simlib.trace.notes import note
from simlib.trace.server_log import ServerLog
from simlib.trace.trace import Standstill, Trace


def make_keys(scenario: Scenario, folder: Path) -> Keys:
    """Return what all servers of a run share, with a certificate where there is TLS."""
    tls = scenario.path.tls
    if tls == Tls.NONE:
        return Keys()
    certificate = make_certificate(folder)
    return Keys(tls=(tls.name, *certificate[:2]), authority=certificate.authority)


class ServerSide:
    """The processes of one server; ``moved`` is called with its port, None while it is down."""

    def __init__(
        self,
        scenario: Scenario,
        timeline: Timeline,
        clock: WallClock,
        folder: Path,
        moved: Callable[[int | None], None],
        gateway: int = 0,
        keys: Keys | None = None,
    ) -> None:
        self._gateway = gateway
        self._scenario = scenario
        self._timeline = timeline
        self._clock = clock
        self._moved = moved
        keys = keys or make_keys(scenario, folder)
        #: The file of the authority that signed the certificate; empty: there is none.
        self.authority = keys.authority
        self._processes = Processes(plain(scenario).get("server", {}), scenario.seed, folder, keys)
        #: Restarts, and who waits for a server to end.
        self._tasks: set[asyncio.Task[None]] = set()
        #: When servers started to listen, and were killed, as far as `write_log` has not written
        #: it yet; before the run's begin counts as 0.
        self._starts_s: list[float] = []
        self._stops_s: list[float] = []

    @property
    def password(self) -> str:
        """What signs a client in."""
        return self._processes.password

    @property
    def pid(self) -> int:
        """The number of the process that serves, or served last, in the system."""
        return self._processes.pid

    async def begin(self) -> None:
        """Start the processes, and let one of them listen."""
        crashes = sum(
            fault.kind == FaultKind.SERVER_CRASH and self._concerns(i)
            for i, fault in enumerate(self._timeline.faults)
        )
        await self._processes.prepare(1 + crashes)
        await self._serve()

    async def end(self) -> None:
        """End the processes, and wait until they are gone."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._processes.end()

    def fault_starts(self, index: int) -> None:
        """Do to the server what a fault's start does, if it concerns this one."""
        if not self._concerns(index):
            return
        if self._timeline.faults[index].kind == FaultKind.SERVER_CRASH:
            self._moved(None)
            self._processes.kill()
            self._stops_s.append(self._clock.now_s)
        self._order(index, starts=True)

    def fault_stops(self, index: int) -> None:
        """Do to the server what a fault's stop does, if it concerns this one."""
        if not self._concerns(index):
            return
        crash = self._timeline.faults[index].kind == FaultKind.SERVER_CRASH
        if crash and not self._timeline.is_crashed(self._clock.now_s, self._gateway):
            self._spawn(self._restart())
        self._order(index, starts=False)

    def _concerns(self, index: int) -> bool:
        return self._timeline.concerns(index, self._gateway)

    async def _restart(self) -> None:
        try:
            await self._serve()
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends the run
            self._clock.fail(error)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _watch(self) -> None:
        """End the run if its server ends and no fault wants that: it would pass for one."""
        if how := await self._processes.await_own_end():
            at_s = max(0.0, self._clock.now_s)
            self._clock.fail(EngineError(f"{at_s:.2f} s after the beginning {how}"))

    async def _serve(self) -> None:
        self._moved(await self._processes.listen())
        self._spawn(self._watch())
        self._starts_s.append(max(0.0, self._clock.now_s))
        slowness = self._timeline.slowness(self._clock.now_s, self._gateway)
        if slowness > 1.0:
            self._processes.order(ev.Slow(slowness))

    def _order(self, index: int, starts: bool) -> None:
        clients, began_s = self._scenario.clients, self._clock.began_s
        event = order(self._timeline, index, starts, clients, began_s, self._gateway)
        if event is not None:
            self._processes.order(event)

    def add_to(self, trace: Trace) -> None:
        """Add to a trace what the server processes logged."""
        began_s = self._clock.began_s
        lines = self._processes.log_lines()
        for row in sorted(_logged_row(line[0] - began_s, *line[1:]) for line in lines):
            trace.append(row)
        self.write_log(trace.server_log)
        trace.standstills += [
            Standstill("server", start_s - began_s, length_s)
            for start_s, length_s in self._processes.standstills()
            if start_s >= began_s
        ]

    def write_log(self, log: ServerLog) -> None:
        """Add what the processes decided on handshakes, and their lives, since the last call."""
        began_s = self._clock.began_s
        for start_s in self._starts_s:
            log.note_start(start_s, self._gateway, self._scenario.server.workers)
        for stop_s in self._stops_s:
            log.note_stop(stop_s, self._gateway)
        self._starts_s.clear()
        self._stops_s.clear()
        for time_s, verdict in self._processes.new_verdicts():
            log.note(time_s - began_s, self._gateway, _since(began_s, verdict))


def _since(began_s: float, verdict: HandshakeVerdict) -> HandshakeVerdict:
    """Return a verdict in the time of the run; of a refusal nothing is begun."""
    if verdict.decision not in (Decision.TAKEN, Decision.CALLED):
        return verdict
    return verdict._replace(
        begin_s=verdict.begin_s - began_s,
        done_s=verdict.done_s - began_s,
        free_s=verdict.free_s - began_s,
    )


def _logged_row(
    time_s: float,
    name: int,
    client: int,
    connection: int,
    message: int = NONE,
    reason: int = Reason.NONE,
) -> tuple[Any, ...]:
    return note(time_s, client, Kind.SERVER, Name(name), connection, message, Reason(reason))
