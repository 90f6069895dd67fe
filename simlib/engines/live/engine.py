"""The live engine: a run on the wall clock, from its begin to its end, however it ends.

Whatever ends the run, processes, sockets, tasks and files of it are gone after.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from simlib.core.errors import Interruption
from simlib.engines import garbage_collection as garbage
from simlib.engines.live.clock import WallClock, noting_standstills
from simlib.engines.live.host import LiveHost
from simlib.engines.live.open_files import allow_sockets
from simlib.engines.live.run_parts import PROGRESS_STEP_S, note_standstills_in, report_progress
from simlib.engines.live.target import Target
from simlib.engines.live.workers import SharedRun, check_shareable
from simlib.engines.loops import run_to_end
from simlib.engines.world import Process
from simlib.scenario.scenario import Scenario
from simlib.support.messages import LOGGER
from simlib.trace.trace import Interrupted, Trace, describe_stop

#: Time between being ready and time zero, so that the first events are on time.
_LEAD_S = 0.05


class Cancelled(asyncio.CancelledError):
    """A run was cancelled, as a notebook does with what it awaits; carries what was played."""

    def __init__(self, trace: Trace) -> None:
        super().__init__(trace)
        self.trace = trace

    def __str__(self) -> str:
        return describe_stop(self.trace)

    _render_traceback_ = Interruption._render_traceback_


class OwnRun:
    """A run whose clients and proxy are in this process."""

    def __init__(
        self, scenario: Scenario, trace: Trace, clock: WallClock, folder: Path, target: Target
    ) -> None:
        self._trace, self._clock = trace, clock
        self._host = LiveHost(scenario, trace, clock, folder, target)
        self.begin, self.end = self._host.begin, self._host.end

    async def play(
        self, processes: Sequence[Process], progress: Callable[[float], None] | None
    ) -> None:
        """Play from the beginning to the end."""
        loop, trace, clock = asyncio.get_running_loop(), self._trace, self._clock
        duration_s = trace.scenario.duration_s
        worked_s = time.process_time()
        with (
            garbage.freeze_objects(),
            garbage.collect_rarely(),
            noting_standstills(loop, note_standstills_in(trace, clock)),
        ):
            self._host.world.begin(processes)
            clock.begin(loop.time() + _LEAD_S)
            while not clock.failed.done() and clock.now_s < duration_s:
                rest_s = min(PROGRESS_STEP_S, duration_s - clock.now_s)
                await asyncio.wait({clock.failed}, timeout=max(0.0, rest_s))
                report_progress(progress, clock, duration_s)
        if clock.failed.done():
            clock.failed.result()
        trace.work_s = time.process_time() - worked_s
        trace.partial = False

    def collect(self) -> None:
        """Add to the trace what is known only at the end."""
        self._trace.late_s = self._clock.late_s
        self._host.add_server_rows()


async def play_async(
    scenario: Scenario,
    label: str = "",
    processes: Sequence[Process] = (),
    progress: Callable[[float], None] | None = None,
    trace: Trace | None = None,
    target: Target | None = None,
    workers: int = 1,
) -> Trace:
    """Play a scenario on real WebSockets; see `simlib.run_live`."""
    target = target or Target()
    scenario = target.fit(scenario)
    check_shareable(scenario, workers, processes, target)
    trace = Trace("live", scenario, label) if trace is None else trace
    allow_sockets(scenario.clients, workers)
    clock = WallClock(asyncio.get_running_loop())
    with _temporary_folder() as folder:
        run: OwnRun | SharedRun
        if workers > 1:
            run = SharedRun(scenario, trace, clock, folder, target, workers)
        else:
            run = OwnRun(scenario, trace, clock, folder, target)
        trace.partial = True
        try:
            await run.begin()
            LOGGER.debug("live run of %s begins: %d clients", scenario.name, scenario.clients)
            await run.play(processes, progress)
        except asyncio.CancelledError:
            # Of the same kind, so that whoever cancelled is answered; it also says what was kept.
            raise Cancelled(trace) from None
        finally:
            trace.end_s = max(0.0, min(clock.now_s, scenario.duration_s))
            clock.stop()
            try:
                await run.end()
            finally:
                run.collect()
            LOGGER.debug("live run of %s ended at %.3f s", scenario.name, trace.end_s)
    return trace


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    """Give a folder that is gone afterwards, also if Ctrl-C is pressed while it is removed."""
    folder = Path(tempfile.mkdtemp(prefix="simlib-"))
    try:
        yield folder
    finally:
        try:
            shutil.rmtree(folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise


def play(
    scenario: Scenario,
    label: str = "",
    processes: Sequence[Process] = (),
    progress: Callable[[float], None] | None = None,
    target: Target | None = None,
    workers: int = 1,
) -> Trace:
    """Play a scenario on real WebSockets and return when all is over; see `simlib.api`."""
    trace = Trace("live", scenario, label)
    try:
        return run_to_end(play_async(scenario, label, processes, progress, trace, target, workers))
    except KeyboardInterrupt:
        raise Interrupted(trace) from None
