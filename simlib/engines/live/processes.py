"""Server processes of a live run: started, listening, killed, and always reaped.

Interpreters start slowly, so one is started ahead for each time the scenario has the server
come back; it listens only when told to.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections import deque
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from simlib.core.admission import HandshakeVerdict
from simlib.core.events import ServerEvent
from simlib.engines import operator as orders
from simlib.engines.live.child_process import ChildProcess
from simlib.engines.live.decision_log import STANDSTILL, VERDICT, read_log


class ServiceProcess(ChildProcess):
    """One server process, from its start to its end."""

    def __init__(
        self, process: asyncio.subprocess.Process, name: str, errors: Path, log: Path
    ) -> None:
        super().__init__(process, name, errors)
        self.log = log
        #: How many records of its log `Processes.new_verdicts` has returned or passed over.
        self.records_read = 0

    @classmethod
    async def start(cls, order: dict[str, Any], folder: Path, number: int) -> ServiceProcess:
        """Start a process and wait until it could listen."""
        log, errors = folder / f"service-{number}.log", folder / f"service-{number}.err"
        module = "simlib.engines.live.service"
        service = await cls.launch(module, "the server process", errors, log)
        try:
            service.send_line(json.dumps(order | {"log": str(log)}))
            await service.read_line("ready")
        except BaseException:
            await service.end()
            raise
        return service

    async def listen(self) -> int:
        """Make the process listen; return its port."""
        self.send_line("listen")
        return int(await self.read_line("its port"))

    def order(self, event: ServerEvent) -> None:
        """Send an operator's order to the process."""
        self.send_line(json.dumps(orders.encode(event)))


@dataclass(frozen=True)
class Keys:
    """What all servers of a run share: a cookie holds at each, and across a restart."""

    password: str = field(default_factory=secrets.token_urlsafe)
    secret: str = field(default_factory=partial(secrets.token_urlsafe, 32))
    #: The version of TLS, and the files of certificate and key; empty: nothing is encrypted.
    tls: tuple[str, ...] = ()
    #: The file of the authority that signed the certificate; empty: there is none.
    authority: str = ""


class Processes:
    """The processes of one server of a live run: the active one, and those on standby."""

    def __init__(
        self, server: dict[str, Any], seed: int, folder: Path, keys: Keys | None = None
    ) -> None:
        keys = keys or Keys()
        #: What signs a client in.
        self.password = keys.password
        self._order = {
            "server": server,
            "seed": seed,
            "secret": keys.secret,
            "password": self.password,
            **({"tls": list(keys.tls)} if keys.tls else {}),
        }
        self._folder = folder
        self._standby: deque[ServiceProcess] = deque()
        self._all: list[ServiceProcess] = []
        self._serving: ServiceProcess | None = None

    @property
    def pid(self) -> int:
        """The number of the process that serves, or served last, in the system."""
        assert self._serving is not None
        return self._serving.pid

    async def prepare(self, count: int) -> None:
        """Start processes ahead."""
        for _ in range(count):
            service = await ServiceProcess.start(self._order, self._folder, len(self._all))
            self._all.append(service)
            self._standby.append(service)

    async def listen(self) -> int:
        """Activate the next process, once the killed one is gone; return its port."""
        if not self._standby:
            await self.prepare(1)  # a crash that the scenario did not foresee
        before, self._serving = self._serving, self._standby.popleft()
        if before is not None:
            await before.wait()  # so that its log, which the next may read, is whole
        return await self._serving.listen()

    async def await_own_end(self) -> str:
        """Wait until the process that serves now ends; return how, empty if it was killed here."""
        assert self._serving is not None
        serving = self._serving
        await serving.wait()
        return "" if serving.was_killed_here else serving.describe_own_end()

    def order(self, event: ServerEvent) -> None:
        """Send an operator's order to the active process."""
        if self._serving is not None:
            self._serving.order(event)

    def kill(self) -> None:
        """Kill the process that serves."""
        if self._serving is not None:
            self._serving.kill()

    async def end(self) -> None:
        """Kill all and wait until they are gone."""
        for service in self._all:
            service.kill()
        async with AsyncExitStack() as stack:  # if one cannot be waited for, the others are
            for service in self._all:
                stack.push_async_callback(service.end)

    def log_lines(self) -> list[tuple[Any, ...]]:
        """Return what was decided: loop time, name, client, connection, message, reason."""
        return [
            (time_s, *decision)
            for time_s, _, *decision, _, _ in self._records()
            if decision[0] not in (STANDSTILL, VERDICT)
        ]

    def new_verdicts(self) -> list[tuple[float, HandshakeVerdict]]:
        """Return what was decided on handshakes since the last call, in loop time."""
        return [
            (time_s, HandshakeVerdict(decision, client, connection, begin_s, done_s, free_s))
            for time_s, begin_s, name, client, connection, decision, _, done_s, free_s in (
                chain.from_iterable(map(_new_records, self._all))
            )
            if name == VERDICT
        ]

    def standstills(self) -> list[tuple[float, float]]:
        """Return when the processes could not act, in loop time, and how long."""
        return [record[:2] for record in self._records() if record[2] == STANDSTILL]

    def _records(self) -> Iterator[tuple[Any, ...]]:
        return chain.from_iterable(read_log(service.log) for service in self._all)


def _new_records(service: ServiceProcess) -> list[tuple[Any, ...]]:
    """Return the records that a process has written since the last call."""
    records = list(read_log(service.log, service.records_read))
    service.records_read += len(records)
    return records
