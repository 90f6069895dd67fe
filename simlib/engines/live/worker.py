"""The worker process of a live run: it plays a share of the clients, with a proxy of its own.

Started by `simlib.engines.live.workers`. The first line of standard input says what it plays; it
answers "ready". Later lines say when the run begins, when the server's port changes, and when to
stop. Rows are written to a file every 0.2 s, so that they outlive a kill. The process exits when
its standard input is closed, so it cannot be left behind.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

from simlib.core.draws import forget_blocks
from simlib.engines import garbage_collection as garbage
from simlib.engines.live.clock import WallClock, noting_standstills
from simlib.engines.live.host import LiveHost, ServerElsewhere
from simlib.engines.live.run_parts import explain_no_room, note_standstills_in
from simlib.engines.live.sent_scenario import read_scenario
from simlib.engines.live.target import Target
from simlib.support.files import replacing
from simlib.trace.trace import Trace

#: Time between two writes of rows: what a kill may take.
_WRITE_S = 0.2
#: So often the draws that were kept are forgotten; those still wanted take a few ms to draw again.
_FORGET_S = 10.0


class Worker:
    """The clients of one worker, from the beginning of the run to its end or to a stop."""

    def __init__(self, order: dict[str, Any], clock: WallClock) -> None:
        self._scenario = read_scenario(order)
        self._clock = clock
        self._trace = Trace("live", self._scenario)
        self._rows, self._rest = Path(order["rows"]), Path(order["rest"])
        clients = range(*order["clients"])
        server = ServerElsewhere(*order["server"]) if order["server"] else None
        folder = self._rows.parent / f"{self._rows.stem}-store"
        folder.mkdir()
        self._host = LiveHost(
            self._scenario, self._trace, clock, folder, Target(**order["target"]), clients, server
        )
        loop = asyncio.get_running_loop()
        self.begun: asyncio.Future[float] = loop.create_future()
        self.stopped: asyncio.Future[None] = loop.create_future()

    async def prepare(self) -> None:
        """Start the proxy and schedule what the clients do."""
        await self._host.begin()
        self._host.world.begin()

    def take_order(self, line: str) -> None:
        """Carry out a line from the main process; an empty one means that its end has come."""
        said = json.loads(line or '{"stop": true}')
        if "begin" in said and not self.begun.done():
            self.begun.set_result(said["begin"])
        if "port" in said:
            self._host.move_server(said["port"])
        if "stop" in said and not self.stopped.done():
            self.stopped.set_result(None)
            self.begun.cancel()

    async def play(self) -> None:
        """Play to the end or to a stop, and write what was played."""
        trace, clock = self._trace, self._clock
        worked_s = time.process_time()
        try:
            clock.begin(await self.begun)
            with (
                garbage.freeze_objects(),
                garbage.collect_rarely(),
                noting_standstills(asyncio.get_running_loop(), note_standstills_in(trace, clock)),
            ):
                await self._play_on()
        finally:
            trace.end_s = max(0.0, min(clock.now_s, self._scenario.duration_s))
            clock.stop()
            await self._host.end()
            self._write_rows()
            trace.work_s = time.process_time() - worked_s
            self._write_rest()

    async def _play_on(self) -> None:
        clock, duration_s, forget_s = self._clock, self._scenario.duration_s, _FORGET_S
        while not self.stopped.done() and not clock.failed.done() and clock.now_s < duration_s:
            rest_s = max(0.0, min(_WRITE_S, duration_s - clock.now_s))
            ends = {clock.failed, self.stopped}
            await asyncio.wait(ends, timeout=rest_s, return_when=asyncio.FIRST_COMPLETED)
            self._write_rows()
            if clock.now_s >= forget_s:
                # Draws that are over would stay: a worker's memory is not to grow with the run.
                forget_s = clock.now_s + _FORGET_S
                forget_blocks()
        if clock.failed.done():
            clock.failed.result()

    def _write_rows(self) -> None:
        try:
            with self._rows.open("ab") as file:
                file.write(self._trace.take_rows())
        except OSError as error:
            raise explain_no_room("its rows", error) from error

    def _write_rest(self) -> None:
        trace = self._trace
        rest = {
            "late_s": list(self._clock.late_s),
            "standstills": trace.standstills,
            "work_s": trace.work_s,
            "notes": trace.notes,
        }
        # Whole or not at all: whoever reads it may find what a kill or a full disk has left.
        with replacing(self._rest) as temporary:
            temporary.write_text(json.dumps(rest))


async def _run(order: dict[str, Any]) -> None:
    loop = asyncio.get_running_loop()
    worker = Worker(order, WallClock(loop))
    await worker.prepare()
    # No executor's thread: these are waited for at the end, and this one waits for a line.
    Thread(target=_read_orders, args=(loop, worker), daemon=True).start()
    print("ready", flush=True)
    with suppress(asyncio.CancelledError):  # it was stopped before it began
        await worker.play()


def _read_orders(loop: asyncio.AbstractEventLoop, worker: Worker) -> None:
    with suppress(RuntimeError):  # the loop is closed: all is over
        for line in sys.stdin:
            loop.call_soon_threadsafe(worker.take_order, line)
        loop.call_soon_threadsafe(worker.take_order, "")


def work() -> None:
    """Play one worker's clients."""
    status = 1
    try:
        asyncio.run(_run(json.loads(sys.stdin.readline())))
        status = 0
    except Exception:  # noqa: BLE001 - whatever it is, the run's process reads the last line
        traceback.print_exc()
    sys.stderr.flush()
    os._exit(status)  # without waiting for the thread that reads standard input


if __name__ == "__main__":
    work()
