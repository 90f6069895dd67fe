"""The live engine: a run on the wall clock, from its begin to its end, however it ends.

Whatever ends the run, processes, sockets, tasks and files of it are gone after.
"""

from __future__ import annotations

import asyncio
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from simlib.core.errors import Interruption, SimlibError
from simlib.engines import garbage_collection as garbage
from simlib.engines.live.clock import WallClock, noting_standstills
from simlib.engines.live.host import LiveHost
from simlib.engines.live.target import Target
from simlib.engines.loops import run_to_end
from simlib.engines.world import Process
from simlib.scenario.scenario import Scenario
from simlib.trace.trace import Interrupted, Standstill, Trace, describe_stop

#: Sockets per client in this process: its own, and two of the proxy's; twice, for overlaps.
_SOCKETS_PER_CLIENT = 6
_PROGRESS_STEP_S = 0.1
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


async def play_async(
    scenario: Scenario,
    label: str = "",
    processes: Sequence[Process] = (),
    progress: Callable[[float], None] | None = None,
    trace: Trace | None = None,
    target: Target | None = None,
) -> Trace:
    """Play a scenario on real WebSockets; see `simlib.run_live`."""
    target = target or Target()
    scenario = target.fit(scenario)
    trace = Trace("live", scenario, label) if trace is None else trace
    _allow_sockets(scenario.clients)
    loop = asyncio.get_running_loop()
    clock = WallClock(loop)
    with tempfile.TemporaryDirectory(prefix="simlib-") as folder:
        host = LiveHost(scenario, trace, clock, Path(folder), target)
        trace.partial = True
        try:
            await host.begin()
            worked_s = time.process_time()
            with (
                garbage.freeze_objects(),
                garbage.collect_rarely(),
                noting_standstills(loop, _noting(trace, clock)),
            ):
                await _play(host, scenario.duration_s, processes, progress)
            trace.work_s = time.process_time() - worked_s
            trace.partial = False
        except asyncio.CancelledError:
            # Of the same kind, so that whoever cancelled is answered; it also says what was kept.
            raise Cancelled(trace) from None
        finally:
            trace.end_s = max(0.0, min(clock.now_s, scenario.duration_s))
            trace.late_s = clock.late_s
            clock.stop()
            try:
                await host.end()
            finally:
                for row in host.server_rows():
                    trace.append(row)
                trace.standstills += host.server_standstills()
    return trace


def _noting(trace: Trace, clock: WallClock) -> Callable[[float, float], None]:
    """Return what notes the standstills of this process."""

    def note_standstill(start_s: float, length_s: float) -> None:
        if start_s >= clock.began_s:
            trace.standstills.append(Standstill("client", start_s - clock.began_s, length_s))

    return note_standstill


async def _play(
    host: LiveHost,
    duration_s: float,
    processes: Sequence[Process],
    progress: Callable[[float], None] | None,
) -> None:
    host.world.begin(processes)
    host.clock.begin(asyncio.get_running_loop().time() + _LEAD_S)
    while not host.clock.failed.done() and host.clock.now_s < duration_s:
        rest_s = min(_PROGRESS_STEP_S, duration_s - host.clock.now_s)
        await asyncio.wait({host.clock.failed}, timeout=max(0.0, rest_s))
        if progress is not None:
            progress(min(1.0, max(0.0, host.clock.now_s / duration_s)))
    if host.clock.failed.done():
        host.clock.failed.result()


def play(
    scenario: Scenario,
    label: str = "",
    processes: Sequence[Process] = (),
    progress: Callable[[float], None] | None = None,
    target: Target | None = None,
) -> Trace:
    """Play a scenario on real WebSockets and return when all is over; see `simlib.api`."""
    trace = Trace("live", scenario, label)
    try:
        return run_to_end(play_async(scenario, label, processes, progress, trace, target))
    except KeyboardInterrupt:
        raise Interrupted(trace) from None


def _allow_sockets(clients: int) -> None:
    """Raise the limit of open files as far as the clients need and the machine allows."""
    needed = clients * _SOCKETS_PER_CLIENT + 100
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise SimlibError(
            f"{clients} live clients need {needed} open files and this machine allows {hard}: "
            "play fewer clients, or raise the limit with ulimit -n"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
