"""Two hundred live clients, every fault at once, kills, locked and full disks: is a message lost?

python -m tests.soak plays it, prints a table, writes out/soak.json, and exits with 1 if something
does not hold. Two servers have half of the clients each. One of them
crashes again and again; each has two processes of clients, one of which is killed again and again.
A process that is killed begins anew, so memory is judged on those that never are.
"""

from __future__ import annotations

import asyncio
import signal
import tempfile
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import simlib as sl
from simlib.engines.live.clock import WallClock
from simlib.engines.live.open_files import allow_sockets
from tests.soak.judging import Fates
from tests.soak.processes import Station
from tests.soak.schedule import draw_faults, draw_incidents
from tests.soak.system import count_children, count_files, count_folders, count_sockets, own_bytes

#: Messages of each client.
RATE_PER_S = 0.5
#: After the faults: until all messages are there, and until sockets are closed.
DRAIN_S, CLOSE_S = 150.0, 15.0
SAMPLE_S, LOOK_S = 5.0, 0.5


def scenario(name: str, clients: int, length_s: float, seed: int, *, crashes: bool) -> sl.Scenario:
    """Return what one server and its clients are."""
    return sl.Scenario(
        name=name,
        clients=clients,
        duration_s=length_s + DRAIN_S + 60.0,
        seed=seed,
        ramp_s=2,
        client=sl.Settings(
            backoff=sl.Backoff(base_s=0.2, cap_s=2),
            outbox=sl.OutboxLimits(
                capacity=1000, ack_timeout_s=3, max_resends=float("inf"), persist="all"
            ),
            heartbeat=sl.HeartbeatRules(interval_s=2, timeout_s=1),
            fallback=sl.Fallback(after_attempts=4, poll_interval_s=1, return_after_s=1),
            session=sl.SessionRules(sign_in_after_s=0.5, spread_s=1, again_after_s=1),
            connect_timeout_s=3,
        ),
        server=sl.ServerSettings(
            message_service_s=0.0005,
            session_lifetime_s=60,
            # Nobody tells a server of a connection that a handover has killed.
            silence_timeout_s=10,
            # Without, messages that it counted and did not acknowledge are doubled by its crash.
            remember="disk",
        ),
        path=sl.Path(latency=sl.Latency(mean_s=0.01)),
        # Each client follows the draft of its number; `clients.talk` sends its messages.
        workload=sl.Workload(rate_per_s=0, keys=clients),
        faults=draw_faults(length_s, seed, crashes=crashes),
    )


class Soak:
    """A soak from its begin to its end, and what was found."""

    def __init__(self, length_s: float, clients: int, seed: int, folder: Path) -> None:
        self.length_s, self.clients, self.seed = length_s, clients, seed
        self._clock = WallClock(asyncio.get_running_loop())
        self.stations = [
            Station(
                name,
                scenario(name, clients // 2, length_s, seed + i, crashes=bool(i)),
                self._clock, folder / name, RATE_PER_S,
            )
            for i, name in enumerate(("steady", "crashing"))
        ]  # fmt: skip
        self.samples: list[dict[str, float]] = []
        self.interrupted = asyncio.Event()
        self.played_s = 0.0
        self.left: dict[str, int] = {}
        self.fates: dict[str, Fates] = {}

    async def play(self) -> None:
        """Play it to the end, or until it is interrupted; everything is closed after."""
        async with AsyncExitStack() as stack:
            for station in self.stations:
                stack.push_async_callback(station.server.end)
                for member in station.members:
                    stack.push_async_callback(member.end)
                await station.begin()
            sockets = {s.name: count_sockets(s.server.pid) for s in self.stations}
            await asyncio.gather(*(station.begin_clients() for station in self.stations))
            self._clock.begin(asyncio.get_running_loop().time())
            minutes = self.length_s / 60.0
            print(f"The soak begins: {minutes:g} minutes, seed {self.seed}", flush=True)
            await self._suffer()
            self.played_s = self._clock.now_s
            for station in self.stations:
                station.quieten()
            await _until(lambda: self.interrupted.is_set() or self._is_drained(), DRAIN_S)
            await asyncio.gather(*(m.stop() for s in self.stations for m in s.members))
            await _until(lambda: not self._count_sockets_left(sockets), CLOSE_S)
            self.left["sockets of servers"] = self._count_sockets_left(sockets)
        self._clock.stop()

    async def _suffer(self) -> None:
        """Let everything happen that is drawn; watch memory meanwhile."""
        happening = [
            asyncio.create_task(
                station.members[1].suffer(draw_incidents(self.length_s, self.seed + i))
            )
            for i, station in enumerate(self.stations)
        ]
        sampling = asyncio.create_task(self._sample())
        try:
            rest_s = self.length_s - self._clock.now_s
            with suppress(TimeoutError):
                await asyncio.wait_for(self.interrupted.wait(), rest_s)
            if not self.interrupted.is_set():
                # The last one may take longer than was thought, on a busy machine.
                await asyncio.gather(*happening)
        finally:
            for task in (*happening, sampling):
                task.cancel()
            await asyncio.gather(*happening, sampling, return_exceptions=True)

    async def _sample(self) -> None:
        while True:
            await asyncio.sleep(SAMPLE_S)
            steady = self.stations[0]
            sample = {"time_s": self._clock.now_s, "server": own_bytes(steady.server.pid)}
            for station in self.stations:
                member = station.members[0]
                sample[f"clients of {station.name}"] = own_bytes(member.pid)
                sample[f"tasks of {station.name}"] = member.report.get("tasks", 0)
            self.samples.append(sample)
            if len(self.samples) % 6 == 0:
                self._say_how_it_is(sample)

    def _say_how_it_is(self, sample: dict[str, float]) -> None:
        fates = [station.fates() for station in self.stations]
        mib = {name: value / 2**20 for name, value in sample.items()}
        print(
            f"{sample['time_s']:5.0f} s: {sum(f.accepted for f in fates)} messages accepted, "
            f"{sum(f.delivered for f in fates)} delivered, "
            f"{sum(len(f.doubled) for f in fates)} doubled; own memory: server "
            f"{mib['server']:.1f}, clients {mib['clients of steady']:.1f} and "
            f"{mib['clients of crashing']:.1f} MiB",
            flush=True,
        )

    def _is_drained(self) -> bool:
        return all(not station.fates().lost and station.kept == 0 for station in self.stations)

    def _count_sockets_left(self, before: dict[str, int]) -> int:
        return sum(
            max(0, count_sockets(station.server.pid) - before[station.name])
            for station in self.stations
        )


async def _until(holds: Callable[[], bool], longest_s: float) -> None:
    """Wait until something holds, for so long at most."""
    for _ in range(int(longest_s / LOOK_S)):
        if holds():
            return
        await asyncio.sleep(LOOK_S)


async def play(length_s: float, clients: int, seed: int) -> Soak:
    """Play a soak, and count what is left of it."""
    loop = asyncio.get_running_loop()
    allow_sockets(clients)
    files_before, tasks_before = count_files(), len(asyncio.all_tasks())
    with tempfile.TemporaryDirectory(prefix="simlib-soak-") as folder:
        soak = Soak(length_s, clients, seed, Path(folder))

        def interrupt() -> None:
            loop.remove_signal_handler(signal.SIGINT)  # the next one ends this process
            soak.interrupted.set()

        loop.add_signal_handler(signal.SIGINT, interrupt)
        try:
            await soak.play()
        finally:
            loop.remove_signal_handler(signal.SIGINT)
            soak.fates = {station.name: station.fates() for station in soak.stations}
    await asyncio.sleep(0.1)  # what was closed last leaves the loop
    soak.left |= {
        "tasks": len(asyncio.all_tasks()) - tasks_before,
        "files": count_files() - files_before,
        "processes": count_children(),
        "folders": count_folders(folder),
    }
    return soak
