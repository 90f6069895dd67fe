"""A live run that shares its clients among several processes of this machine.

Worker k of n plays the clients k, k + n, k + 2n and so on, with a proxy of its own. The main
process has the server, and the faults that concern the server. All use the machine's clock. A
client's draws are addressed by its number, so sharing does not change them.
"""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from simlib.core.errors import EngineError, SettingsError
from simlib.core.faults import Timeline
from simlib.engines.live.child_process import START_TIMEOUT_S, ChildProcess
from simlib.engines.live.clock import WallClock
from simlib.engines.live.run_parts import PROGRESS_STEP_S, report_progress
from simlib.engines.live.sent_scenario import write_scenario
from simlib.engines.live.server_side import ServerSide
from simlib.engines.live.target import Target
from simlib.engines.world import Process
from simlib.scenario.scenario import Scenario
from simlib.trace.columns import Name
from simlib.trace.notes import fault_row
from simlib.trace.trace import Standstill, Trace

#: From telling the workers when the run begins to its beginning.
_LEAD_S = 0.25
#: A worker builds its clients before it is ready, and closes their sockets after the end.
_EACH_CLIENT_S = 0.02
_END_TIMEOUT_S = 30.0


def check_shareable(
    scenario: Scenario, workers: int, processes: Sequence[Process], target: Target
) -> None:
    """Raise `SettingsError` if a run cannot be shared among so many workers."""
    if workers < 1 or workers > scenario.clients:
        rule = f"must be from 1 to the number of clients, which is {scenario.clients}"
        raise SettingsError("workers", workers, rule)
    if workers > 1 and processes:
        rule = "must be 1 with processes of your own: they drive all clients from one process"
        raise SettingsError("workers", workers, rule)
    if workers > 1 and scenario.gateways > 1:
        rule = "must be 1 with several gateways: one balancer knows the connections of each"
        raise SettingsError("workers", workers, rule)
    if workers > 1 and target.store is not None:
        rule = "must be 1 with a store: one process writes its file"
        raise SettingsError("workers", workers, rule)


class WorkerProcess(ChildProcess):
    """One process with a share of the clients."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        name: str,
        errors: Path,
        clients: range,
        folder: Path,
    ) -> None:
        super().__init__(process, name, errors)
        self.clients = clients
        self._rows, self._rest = folder / f"{errors.stem}.rows", folder / f"{errors.stem}.json"

    @classmethod
    async def start(
        cls, scenario: Scenario, folder: Path, number: int, workers: int
    ) -> WorkerProcess:
        """Start a worker process."""
        clients = range(number, scenario.clients, workers)
        name = f"worker {number + 1} of {workers}"
        errors = folder / f"worker-{number + 1}.err"
        return await cls.launch("simlib.engines.live.worker", name, errors, clients, folder)

    async def prepare(self, order: dict[str, Any]) -> None:
        """Send it what to play, and wait until it is ready to begin."""
        clients = self.clients
        own = {
            "clients": [clients.start, clients.stop, clients.step],
            "rows": str(self._rows),
            "rest": str(self._rest),
        }
        self.send_line(json.dumps(order | own))
        await self.read_line("ready", START_TIMEOUT_S + _EACH_CLIENT_S * len(clients))

    async def stop(self) -> None:
        """Ask it to stop and to write its rows; kill it if it takes too long."""
        self.send_line(json.dumps({"stop": True}))
        try:
            async with asyncio.timeout(_END_TIMEOUT_S + _EACH_CLIENT_S * len(self.clients)):
                await self.wait()
        except TimeoutError:
            self.kill()

    @property
    def title(self) -> str:
        """Its name at the beginning of a sentence."""
        return self.name[0].upper() + self.name[1:]

    def describe_end(self, now_s: float) -> str:
        """Return a sentence on a worker that was killed, and on the rows that are kept."""
        assert self.status is not None
        why = f"was killed ({signal.Signals(-self.status).name})"
        whose = ", ".join(map(str, self.clients[:3])) + " and so on" * (len(self.clients) > 3)
        return (
            f"{self.title} {why} {now_s:.2f} s after the beginning: the "
            f"rows of its {len(self.clients)} clients ({whose}) end there. All others are whole."
        )

    def rows(self) -> bytes:
        """Return the rows that it has written."""
        return self._rows.read_bytes() if self._rows.exists() else b""

    def add_rest_to(self, trace: Trace) -> None:
        """Add a finished worker's lateness, standstills, processor time and notes to a trace."""
        if not self._rest.exists():
            return
        rest = json.loads(self._rest.read_text())
        trace.late_s.extend(rest["late_s"])
        trace.standstills += [Standstill(*row) for row in rest["standstills"]]
        trace.work_s += rest["work_s"]
        for sentence in rest["notes"]:
            trace.add_foreign_note(sentence)


class SharedRun:
    """A run whose clients are played by workers; the server belongs to this process."""

    def __init__(
        self,
        scenario: Scenario,
        trace: Trace,
        clock: WallClock,
        folder: Path,
        target: Target,
        workers: int,
    ) -> None:
        self._scenario, self._trace, self._clock = scenario, trace, clock
        self._folder, self._target, self._count = folder, target, workers
        self._timeline = Timeline(scenario.faults, scenario.seed, scenario.gateways)
        self._server = (
            None
            if target.url
            else ServerSide(scenario, self._timeline, clock, folder, self._move_server)
        )
        self._port: int | None = None
        self._workers: list[WorkerProcess] = []
        #: The rows of the faults, which the workers leave to this process.
        self._faults = Trace("live", scenario)

    async def begin(self) -> None:
        """Start the server and the workers, and wait until all are ready."""
        if self._server is not None:
            await self._server.begin()
        for number in range(self._count):
            self._workers.append(
                await WorkerProcess.start(self._scenario, self._folder, number, self._count)
            )
        target = self._target
        order: dict[str, Any] = {
            **write_scenario(self._scenario),
            "target": {"url": target.url, "codec": target.codec, "allow_host": target.allow_host},
            "server": None,
        }
        if self._server is not None:
            order["server"] = [
                "127.0.0.1", self._port, self._server.password, self._server.authority,
            ]  # fmt: skip
        await asyncio.gather(*(worker.prepare(order) for worker in self._workers))

    async def play(
        self, processes: Sequence[Process], progress: Callable[[float], None] | None
    ) -> None:
        """Let all workers begin at the same moment, and wait until they have ended."""
        clock, duration_s = self._clock, self._scenario.duration_s
        for time_s, index, starts in self._timeline.edges():
            if time_s < duration_s:
                clock.at(time_s, self._fault, index, starts)
        # The loop's clock is the machine's monotonic one, which all its processes share: so one
        # number is the same moment for each of them.
        began_s = asyncio.get_running_loop().time() + _LEAD_S
        self._send_all({"begin": began_s})
        clock.begin(began_s)
        endings = {asyncio.ensure_future(worker.wait()): worker for worker in self._workers}
        try:
            while endings and not clock.failed.done() and clock.now_s < self._overdue_s:
                awaited: set[asyncio.Future[Any]] = {*endings, clock.failed}
                await asyncio.wait(
                    awaited,
                    timeout=PROGRESS_STEP_S,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                for ending in [ending_worker for ending_worker in endings if ending_worker.done()]:
                    self._note_end(endings.pop(ending))
                report_progress(progress, clock, duration_s)
        finally:
            for ending in endings:
                ending.cancel()
        for worker in endings.values():
            self._trace.add_note(
                f"{worker.title} had not ended long after its time, and was killed."
            )
        if clock.failed.done():
            clock.failed.result()
        if all(worker.status for worker in self._workers):
            raise EngineError(f"all {self._count} workers were killed before the end")
        self._trace.partial = any(worker.status != 0 for worker in self._workers)

    @property
    def _overdue_s(self) -> float:
        """When a worker that has not ended by then is ended."""
        return self._scenario.duration_s + _END_TIMEOUT_S + _EACH_CLIENT_S * self._scenario.clients

    def _note_end(self, worker: WorkerProcess) -> None:
        assert worker.status is not None
        # A signal (out of memory, a user's kill) takes one share of the clients away and leaves the
        # others whole: the run is kept as partial. A status above 0 is a fault of ours, and ends
        # it.
        if worker.status < 0:
            self._trace.add_note(worker.describe_end(self._clock.now_s))
        elif worker.status > 0:
            self._clock.fail(EngineError(f"{worker.name} failed: {worker.last_error()}"))

    async def end(self) -> None:
        """Stop the workers and the server; on an error or a second Ctrl-C, kill them."""
        # Whatever fails or is interrupted on the way, every process below is still ended.
        async with AsyncExitStack() as last_first:
            if self._server is not None:
                last_first.push_async_callback(self._server.end)
            for worker in self._workers:
                last_first.push_async_callback(worker.end)
            await asyncio.gather(*(worker.stop() for worker in self._workers))

    def collect(self) -> None:
        """Add to the trace the rows of the workers, in the order of time, and the server's."""
        rows = [worker.rows() for worker in self._workers]
        self._trace.merge_packed([self._faults.packed_rows(), *rows])
        for worker in self._workers:
            worker.add_rest_to(self._trace)
        if self._server is not None:
            self._server.add_to(self._trace)

    def _fault(self, index: int, starts: bool) -> None:
        origin = self._timeline.origins[index]
        kind = self._scenario.faults[origin].kind
        name = Name.FAULT_START if starts else Name.FAULT_STOP
        self._faults.append(fault_row(self._clock.now_s, name, origin, kind))
        if self._server is not None:
            (self._server.fault_starts if starts else self._server.fault_stops)(index)

    def _move_server(self, port: int | None) -> None:
        self._port = port
        self._send_all({"port": port})

    def _send_all(self, what: dict[str, Any]) -> None:
        for worker in self._workers:
            worker.send_line(json.dumps(what))
