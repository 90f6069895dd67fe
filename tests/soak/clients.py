"""A process of clients in a soak: it lives until it is told to stop, or is killed.

Started by `tests.soak.processes`. The first line of standard input says what it plays; it answers
"ready". Later lines say when it begins, where the server is, and when to stop. Every second it says
how it is, and at the end what it has left. It writes down each message that its outboxes accepted,
after the store has it, in a file that outlives a kill.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any

import simpy

from simlib.core.draws import forget_blocks
from simlib.core.events import NONE, Command, Drop, Event, Priority, Send
from simlib.engines import garbage_collection as garbage
from simlib.engines.driver import Driver
from simlib.engines.live.clock import WallClock
from simlib.engines.live.host import LiveHost, ServerElsewhere
from simlib.engines.live.sent_scenario import read_scenario
from simlib.engines.live.target import Target
from simlib.engines.world import World
from simlib.trace.trace import Trace
from tests.soak.system import count_files

#: Time after which rows are let go of, as a worker of a live run does, and that between reports.
ROWS_S, REPORT_S = 0.2, 1.0


class Clients:
    """The clients of one process, from its begin to its end."""

    def __init__(self, order: dict[str, Any], clock: WallClock) -> None:
        self._files_before = count_files()
        self._order, self._clock = order, clock
        scenario = read_scenario(order)
        self._trace = Trace("live", scenario)
        self._accepted = os.open(order["accepted"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._host = LiveHost(
            scenario, self._trace, clock, Path(order["folder"]), Target(store=Path(order["store"])),
            range(*order["clients"]), ServerElsewhere(*order["server"]),
        )  # fmt: skip
        loop = asyncio.get_running_loop()
        self._begun: asyncio.Future[float] = loop.create_future()
        self._stopped: asyncio.Future[None] = loop.create_future()

    async def play(self) -> None:
        """Live to the end."""
        host, clock = self._host, self._clock
        host.world.observers.append(self._note_accepted)
        try:
            await host.begin()
            host.world.begin([partial(talk, client=i, order=self._order) for i in self._clients])
            print("ready", flush=True)
            clock.begin(await self._begun)
            # As in every live run.
            with garbage.freeze_objects(), garbage.collect_rarely():
                await self._live()
            if clock.failed.done():
                clock.failed.result()
        finally:
            clock.stop()
            await host.end()
        os.close(self._accepted)
        await asyncio.sleep(0.1)  # what was closed last leaves the loop
        print(json.dumps({
            "tasks": len(asyncio.all_tasks()) - 1,
            "files": count_files() - self._files_before,
            "notes": self._trace.notes,
        }), flush=True)  # fmt: skip

    async def _live(self) -> None:
        report_s = 0.0
        while not (self._stopped.done() or self._clock.failed.done()):
            ends = {self._stopped, self._clock.failed}
            await asyncio.wait(ends, timeout=ROWS_S, return_when=asyncio.FIRST_COMPLETED)
            self._let_go()
            if self._clock.now_s >= report_s:
                report_s = self._clock.now_s + REPORT_S
                forget_blocks()  # as a worker does
                self._report()
        self._report()

    @property
    def _clients(self) -> range:
        return self._host.world.clients

    def take_order(self, line: str) -> None:
        """Carry out a line from the soak's process; an empty one means that its end has come."""
        said = json.loads(line or '{"stop": true}')
        if "begin" in said:
            self._begun.set_result(said["begin"])
        if "quiet" in said:
            self._order["is_quiet"] = True
        if "port" in said:
            self._host.move_server(said["port"])
        if "stop" in said and not self._stopped.done():
            self._stopped.set_result(None)
            self._begun.cancel()

    def _note_accepted(
        self, driver: Driver, event: Event, commands: list[Command], now: float
    ) -> None:
        if isinstance(event, Send) and not any(isinstance(each, Drop) for each in commands):
            message = event.message
            line = f"{driver.client.number} {message.id} {message.key}\n"
            os.write(self._accepted, line.encode())

    def _let_go(self) -> None:
        # The records of a run grow with it: what is asked here is what grows besides.
        self._trace.take_rows()
        del self._clock.late_s[:]

    def _report(self) -> None:
        drivers = self._host.world.drivers
        kept = sum(len(driver.client.outbox) for driver in drivers)
        print(json.dumps({"kept": kept, "tasks": len(asyncio.all_tasks())}), flush=True)


def talk(world: World, client: int, order: dict[str, Any]) -> Iterator[simpy.Event]:
    """Give one client its messages: about nothing, about a draft that it follows, or another."""
    draw = random.Random(f"{order['seed']} {client}")
    keys = (NONE, client, world.scenario.clients + client)
    while True:
        yield world.clock.timeout(draw.expovariate(order["rate_per_s"]))
        if order["is_quiet"]:
            return
        priority, size_bytes = draw.choice(list(Priority)), draw.randint(60, 600)
        world.send(client, priority, size_bytes, key=draw.choice(keys))


async def _run(order: dict[str, Any]) -> None:
    loop = asyncio.get_running_loop()
    clients = Clients(order, WallClock(loop))
    Thread(target=_read_orders, args=(loop, clients), daemon=True).start()
    with suppress(asyncio.CancelledError):  # it was stopped before it began
        await clients.play()


def _read_orders(loop: asyncio.AbstractEventLoop, clients: Clients) -> None:
    with suppress(RuntimeError):  # the loop is closed: all is over
        for line in sys.stdin:
            loop.call_soon_threadsafe(clients.take_order, line)
        loop.call_soon_threadsafe(clients.take_order, "")


def _step_time_of_day(step_s: float) -> None:
    """Let the time of day of this process be wrong, as after a clock was set."""
    right = time.time
    time.time = lambda: right() + step_s


def live() -> None:
    """Live as the first line of standard input says."""
    status = 1
    try:
        order = json.loads(sys.stdin.readline())
        _step_time_of_day(order["clock_step_s"])
        asyncio.run(_run(order))
        status = 0
    except Exception:  # noqa: BLE001 - whatever it is, the soak's process reads the last line
        traceback.print_exc()
    sys.stderr.flush()
    os._exit(status)  # without waiting for the thread that reads standard input


if __name__ == "__main__":
    live()
