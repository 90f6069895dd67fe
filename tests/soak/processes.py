"""The processes of a soak: a server with its clients, which are killed, locked out and filled up.

`Station` is one server and the client processes that connect to it, `Member` one of those.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import simlib as sl
from simlib.core.errors import EngineError
from simlib.core.faults import Timeline
from simlib.engines.live.child_process import ChildProcess
from simlib.engines.live.clock import WallClock
from simlib.engines.live.sent_scenario import write_scenario
from simlib.engines.live.server_side import ServerSide
from tests.soak.judging import Fates, judge, read_accepted, read_counted
from tests.soak.schedule import Incident, shift_faults

#: An interpreter starts slowly on a busy machine, and reports come every second.
_READY_TIMEOUT_S, _REPORT_TIMEOUT_S, _END_TIMEOUT_S = 60.0, 60.0, 30.0
#: How long another process holds the lock, and how long a disk stays full.
_LOCKED_S, _FULL_S = 7.0, 3.0
#: Of the disk that fills up: what the store may need, which is a few MB.
_DISK_BYTES = 32 << 20
#: What refuses a store for good reason says so in these words.
REASONS = {"locked by another process": "locked", "the disk is full": "full"}


def can_fill_disks() -> bool:
    """Whether small disks can be made here: only root can."""
    return os.geteuid() == 0


class Member:
    """One process of clients after the other, with the same store."""

    def __init__(self, station: Station, number: int, clients: range, folder: Path) -> None:
        self._station, self._number, self._clients = station, number, clients
        self._folder = folder
        self.lives = 0
        self.accepted = folder / "accepted"
        self.has_small_disk = False
        #: What the process said last of itself while it lived, and at its end.
        self.report: dict[str, Any] = {}
        self.last_words: dict[str, Any] | None = None
        self._child: ChildProcess | None = None
        self._listening: asyncio.Task[None] | None = None
        #: Whether it is meant to live: its end is a finding then.
        self._is_meant_to_live = False
        self._beginning = asyncio.Lock()

    @property
    def pid(self) -> int:
        """The number of its process in the system."""
        assert self._child is not None
        return self._child.pid

    @property
    def _store(self) -> Path:
        return self._folder / "disk" / "outbox.sqlite"

    def prepare_disk(self, small: bool) -> None:
        """Make the folder of the store; a disk of its own where that can fill up."""
        disk = self._store.parent
        disk.mkdir(parents=True)
        if small:
            mount = ["mount", "-t", "tmpfs", "-o", f"size={_DISK_BYTES}", "tmpfs", str(disk)]
            done = subprocess.run(mount, check=False, capture_output=True)
            self.has_small_disk = done.returncode == 0

    async def begin(self, clock_step_s: float = 0.0) -> str:
        """Begin a life; return what it says if it does not come to life, else nothing."""
        async with self._beginning:
            life = self._folder / f"life-{self.lives}"
            life.mkdir()
            self.lives += 1
            errors = life / "errors"
            child = await ChildProcess.launch("tests.soak.clients", "the clients", errors)
            self._child = child
            now_s = max(0.0, self._station.clock.now_s)
            child.send_line(json.dumps(self._order(now_s, life, clock_step_s)))
            try:
                await child.read_line("ready", _READY_TIMEOUT_S)
            except EngineError:
                await child.end()
                return child.last_error()
            self._is_meant_to_live = True
            child.send_line(json.dumps({"begin": asyncio.get_running_loop().time()}))
            self.tell({"port": self._station.port})
            self._listening = asyncio.create_task(self._listen(child))
        return ""

    def _order(self, now_s: float, life: Path, clock_step_s: float) -> dict[str, Any]:
        station = self._station
        scenario = station.scenario.replace(
            faults=shift_faults(list(station.scenario.faults), now_s),
            seed=1000 * self._number + self.lives,
        )
        clients = self._clients
        return write_scenario(scenario) | {
            "clients": [clients.start, clients.stop, clients.step],
            "server": ["127.0.0.1", station.last_port, station.server.password, ""],
            "store": str(self._store),
            "folder": str(life),
            "accepted": str(self.accepted),
            "seed": f"{station.scenario.seed} {self._number} {self.lives}",
            "rate_per_s": station.rate_per_s,
            "clock_step_s": clock_step_s,
            "is_quiet": False,
        }

    def tell(self, what: dict[str, Any]) -> None:
        """Send a line to the process."""
        if self._child is not None:
            self._child.send_line(json.dumps(what))

    async def _listen(self, child: ChildProcess) -> None:
        with suppress(EngineError):
            while True:
                said = json.loads(await child.read_line("how it is", _REPORT_TIMEOUT_S))
                if "kept" in said:
                    self.report = said
                else:
                    self.last_words = said
        if self._is_meant_to_live:
            self._station.problems.append(f"clients ended by themselves: {child.last_error()}")

    # --- ends ----------------------------------------------------------------------------

    async def kill(self) -> None:
        """Kill the process outright (SIGKILL)."""
        self._is_meant_to_live = False
        if self._child is not None:
            self._child.kill()
        await self._forget()

    async def stop(self) -> None:
        """Let the process end, and hear what it has left."""
        async with self._beginning:  # a launch that goes on when the soak is interrupted
            self._is_meant_to_live, self.last_words = False, None
        assert self._child is not None
        if self._child.status is not None:
            self.last_words = {}  # it was killed, and has nothing to say
            return
        self.tell({"stop": True})
        await self._await_end()

    async def _await_end(self) -> bool:
        """Wait until the process has ended; False if it took too long."""
        assert self._child is not None
        with suppress(TimeoutError):
            async with asyncio.timeout(_END_TIMEOUT_S):
                await self._child.wait()
        ended = self._child.status is not None
        await self._forget()
        return ended

    async def _forget(self) -> None:
        if self._listening is not None:
            # It reads what was said last, and ends with the process.
            await asyncio.wait({self._listening}, timeout=1.0)
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
            self._listening = None
        if self._child is not None:
            await self._child.end()

    async def end(self) -> None:
        """Kill the process, wait until it is gone, and give its disk back."""
        async with self._beginning:  # one that is being launched could not be killed
            await self.kill()
        self._give_disk_back()

    def _give_disk_back(self) -> None:
        if self.has_small_disk:
            subprocess.run(["umount", "-l", str(self._store.parent)], check=True)
            self.has_small_disk = False

    # --- incidents -----------------------------------------------------------------------

    async def suffer(self, incidents: list[Incident]) -> None:
        """Let everything happen that is to happen to this process."""
        happen = {"kill": self._be_killed, "lock": self._be_locked_out, "fill": self._run_full}
        for incident in incidents:
            if incident.kind == "fill" and not self.has_small_disk:
                continue
            await asyncio.sleep(max(0.0, incident.time_s - self._station.clock.now_s))
            await happen[incident.kind](incident.clock_step_s)
            self._station.happened[incident.kind] += 1

    async def _be_killed(self, clock_step_s: float) -> None:
        await self.kill()
        await self._begin_again(clock_step_s)

    async def _be_locked_out(self, clock_step_s: float) -> None:
        await self.kill()
        with _locking(self._store):
            beginning = asyncio.create_task(self._begin_again(clock_step_s))
            await asyncio.sleep(_LOCKED_S)
        await beginning

    async def _run_full(self, clock_step_s: float) -> None:
        # Not killed: a log of changes that is left behind has room in it.
        await self.stop()
        await self._begin_again(clock_step_s)
        await asyncio.sleep(1.0)
        self._is_meant_to_live = False
        with _filling(self._store.parent):
            assert self._child is not None
            if not await self._await_end():
                self._station.problems.append("clients lived on though their disk was full")
            self._note_refusal(self._child.last_error())
            # What is there can be opened, and the first message that is saved ends them again.
            said = await asyncio.shield(self.begin(clock_step_s))
            self._is_meant_to_live = False
            await asyncio.sleep(_FULL_S)
            if said or self._child.status is not None:
                self._note_refusal(self._child.last_error())
        await self.kill()
        await self._begin_again(clock_step_s)

    async def _begin_again(self, clock_step_s: float) -> None:
        """Begin the next life, again and again while the store is refused."""
        for _ in range(30):
            # Whoever cancels the soak ends this member, and waits for a launch to be complete.
            said = await asyncio.shield(self.begin(clock_step_s))
            if not said:
                return
            self._note_refusal(said)
            await asyncio.sleep(0.5)
        self._station.problems.append(f"clients never came back: {said}")

    def _note_refusal(self, said: str) -> None:
        known = [word for words, word in REASONS.items() if words in said]
        self._station.told[known[0] if known else said] += 1
        if not known:
            self._station.problems.append(f"clients ended, and said: {said}")


@contextmanager
def _locking(store: Path) -> Iterator[None]:
    """Hold the lock of a store, as another process that has it open."""
    base = sqlite3.connect(store, isolation_level=None, timeout=5.0)
    try:
        base.execute("PRAGMA locking_mode = EXCLUSIVE")
        base.execute("BEGIN EXCLUSIVE")
        yield
    finally:
        base.close()


@contextmanager
def _filling(disk: Path) -> Iterator[None]:
    """Leave no room on a disk."""
    much = disk / "much"
    try:
        with suppress(OSError), much.open("wb", buffering=0) as file:
            while file.write(bytes(4096)):
                pass
        yield
    finally:
        much.unlink(missing_ok=True)


class Station:
    """One server, and the processes of clients that connect to it."""

    def __init__(
        self,
        name: str,
        scenario: sl.Scenario,
        clock: WallClock,
        folder: Path,
        rate_per_s: float,
    ) -> None:
        self.name, self.scenario, self.clock = name, scenario, clock
        self.rate_per_s = rate_per_s
        #: Where the server listens; None while it is down. And where it listened last.
        self.port: int | None = None
        self.last_port = 0
        #: What must not happen, in words; how often each incident happened; what stores refused.
        self.problems: list[str] = []
        self.happened: Counter[str] = Counter()
        self.told: Counter[str] = Counter()
        self._timeline = Timeline(scenario.faults, scenario.seed)
        self._folder = folder
        (folder / "server").mkdir(parents=True)
        self.server = ServerSide(scenario, self._timeline, clock, folder / "server", self._move)
        half = scenario.clients // 2
        #: The first is never killed; all incidents happen to the second.
        self.members = [
            Member(self, i, clients, folder / f"member-{i}")
            for i, clients in enumerate((range(half), range(half, scenario.clients)))
        ]

    def _move(self, port: int | None) -> None:
        self.port = port
        self.last_port = port or self.last_port
        for member in self.members:
            member.tell({"port": port})

    async def begin(self) -> None:
        """Start the server and the first processes of clients."""
        await self.server.begin()
        for member in self.members:
            member.prepare_disk(small=member is self.members[1] and can_fill_disks())

    async def begin_clients(self) -> None:
        """Start the first processes of clients, and let the faults of the server be played."""
        for member in self.members:
            said = await member.begin()
            if said:
                raise EngineError(f"clients do not begin: {said}")
        for time_s, index, starts in self._timeline.edges():
            play = self.server.fault_starts if starts else self.server.fault_stops
            self.clock.at(time_s, play, index)

    def quieten(self) -> None:
        """Let the applications send nothing more."""
        for member in self.members:
            member.tell({"quiet": True})

    def fates(self) -> Fates:
        """Return what became of the messages up to now."""
        logs = list((self._folder / "server").glob("service-*.log"))
        logs.sort(key=lambda path: int(path.stem.rpartition("-")[2]))
        accepted = read_accepted(m.accepted for m in self.members if m.accepted.exists())
        return judge(accepted, read_counted(logs))

    @property
    def kept(self) -> int:
        """How many messages the outboxes hold, as was said last."""
        return sum(member.report.get("kept", 0) for member in self.members)
