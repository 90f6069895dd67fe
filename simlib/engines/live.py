"""The asyncio host: the same world on the wall clock, with real sockets and a real server.

Each client is a real `websockets` client (httpx when it polls), through the fault proxy, to a
server process. Whatever ends the run, processes, sockets, tasks and files of it are gone after.
"""

from __future__ import annotations

import asyncio
import resource
import tempfile
import time
import tomllib
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import httpx

from simlib.core import events as ev
from simlib.core.errors import EngineError, MisuseError, SimlibError
from simlib.core.events import Command, Reason
from simlib.core.faults import Crossing, FaultKind
from simlib.engines import codec, garbage
from simlib.engines.driver import Driver
from simlib.engines.processes import Processes
from simlib.engines.proxy import Proxy
from simlib.engines.wallclock import WallClock
from simlib.engines.world import Process, World, note
from simlib.engines.wsclient import WebSocketConnection, retry_after_s
from simlib.rows import Kind, Name
from simlib.scenario import Scenario, dump
from simlib.trace import Interrupted, Trace

#: Sockets per client in this process: its own, and two of the proxy's; twice, for overlaps.
_SOCKETS_PER_CLIENT = 6
_PROGRESS_STEP_S = 0.1
#: Time between being ready and time zero, so that the first events are on time.
_LEAD_S = 0.05


_Work = Callable[..., Coroutine[Any, Any, None]]


class _Attempt:
    """Hears of one connection and tells its client."""

    def __init__(self, host: LiveHost, driver: Driver, connection: int) -> None:
        self._host = host
        self._driver = driver
        self._connection = connection

    def opened(self) -> None:
        self._host.tell(self._driver, ev.Opened(self._connection))

    def failed(self, reason: Reason, hint_s: float) -> None:
        self._host.tell(self._driver, ev.Failed(self._connection, reason, hint_s))

    def lost(self, reason: Reason) -> None:
        self._host.tell(self._driver, ev.Lost(self._connection, reason))

    def text(self, data: bytes) -> None:
        self._host.tell(self._driver, ev.Received(self._connection, *codec.answer_of(data)))

    def pong(self) -> None:
        self._host.tell(self._driver, ev.Ponged(self._connection))


class LiveHost:
    """The clients' real sockets, the proxy and the server of one run."""

    def __init__(self, scenario: Scenario, trace: Trace, clock: WallClock, folder: Path) -> None:
        self.clock = clock
        self.world = World(scenario, clock, self, trace)
        self._processes = Processes(tomllib.loads(dump(scenario)).get("server", {}), folder)
        self._proxy = Proxy(
            clock,
            self.world.timeline,
            [
                Crossing(scenario.path, self.world.timeline, scenario.seed, i)
                for i in range(scenario.clients)
            ],
        )
        self._port = 0
        self._http = httpx.AsyncClient(
            timeout=None,
            trust_env=False,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
        )
        self._sockets: dict[tuple[int, int], WebSocketConnection] = {}
        self._tasks: dict[tuple[int, int], asyncio.Task[None]] = {}
        self._housework: set[asyncio.Task[None]] = set()
        self._ending = False

    async def begin(self) -> None:
        """Start the server processes and the proxy, and see that the server is well."""
        crashes = sum(f.kind == FaultKind.SERVER_CRASH for f in self.world.scenario.faults)
        await self._processes.prepare(1 + crashes)
        await self._serve()
        health = await self._http.get(f"http://127.0.0.1:{self._proxy.server_port}/health")
        if health.status_code != 200:
            raise EngineError(f"the server process is not well: HTTP {health.status_code}")
        self._port = await self._proxy.listen()

    async def end(self) -> None:
        """Close everything and wait until it is gone."""
        self._ending = True
        tasks = [*self._tasks.values(), *self._housework]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for connection in list(self._sockets.values()):
            connection.close()
        await self._proxy.close()
        await self._http.aclose()
        await self._processes.end()

    def tell(self, driver: Driver, event: ev.Event) -> None:
        """Feed an event from a socket; an error of ours ends the run."""
        if not self._ending:
            try:
                driver.feed(event)
            except Exception as error:  # noqa: BLE001 - whatever it is, it ends the run
                self.clock.fail(error)

    def server_rows(self) -> list[tuple[Any, ...]]:
        """Return what the server processes logged as rows of the trace."""
        lines = self._processes.log_lines()
        return sorted(_logged_row(line[0] - self.clock.began_s, *line[1:]) for line in lines)

    # --- what clients ask for ------------------------------------------------------------

    def perform(self, driver: Driver, command: Command) -> None:
        """Begin to carry out a command."""
        where = (driver.client.number, getattr(command, "connection", 0))
        match command:
            case ev.Open():
                self._spawn(where, self._open, driver, where)
            case ev.Poll():
                self._spawn(where, self._poll, driver, where)
            case ev.Post(_, message):
                self._spawn(where, self._post, driver, where, message)
            case ev.Transmit(_, message) if where in self._sockets:
                self._sockets[where].send_text(codec.message_text(message))
            case ev.Ping() if where in self._sockets:
                self._sockets[where].ping()
            case ev.Close():
                self._close(where)

    def _spawn(self, where: tuple[int, int], work: _Work, *arguments: Any) -> None:
        task = asyncio.get_running_loop().create_task(self._watched(work, *arguments))
        self._tasks[where] = task
        task.add_done_callback(lambda _: self._tasks.pop(where, None))

    async def _watched(self, work: _Work, *arguments: Any) -> None:
        try:
            await work(*arguments)
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends the run
            self.clock.fail(error)

    def _close(self, where: tuple[int, int]) -> None:
        if where in self._tasks:
            self._tasks[where].cancel()
        if where in self._sockets:
            self._sockets[where].close()

    async def _open(self, driver: Driver, where: tuple[int, int]) -> None:
        loop = asyncio.get_running_loop()
        uri = self._url("ws", "ws", where)
        attempt = _Attempt(self, driver, where[1])
        connection = WebSocketConnection(uri, attempt, lambda: self._forget(where))
        self._sockets[where] = connection
        try:
            await loop.create_connection(lambda: connection, "127.0.0.1", self._port)
        except OSError:
            self._forget(where)
            attempt.failed(Reason.REFUSED, 0.0)
        except asyncio.CancelledError:
            self._forget(where)
            raise

    async def _poll(self, driver: Driver, where: tuple[int, int]) -> None:
        reason, hint_s, _ = await self._request("GET", "poll", where)
        self.tell(driver, ev.Polled(where[1], reason, hint_s))

    async def _post(self, driver: Driver, where: tuple[int, int], message: ev.Message) -> None:
        text = codec.message_text(message)
        reason, hint_s, answer = await self._request("POST", "messages", where, text)
        if answer is not None:
            _, reason, hint_s = codec.answer_of(answer)
        self.tell(driver, ev.Posted(where[1], message.id, reason, hint_s))

    async def _request(
        self, method: str, path: str, where: tuple[int, int], text: str | None = None
    ) -> tuple[Reason, float, bytes | None]:
        try:
            url = self._url("http", path, where)
            response = await self._http.request(method, url, content=text)
        except httpx.TransportError:
            return Reason.REFUSED, 0.0, None
        if response.headers.get("content-type") == "application/json":
            return Reason.ACCEPTED, 0.0, response.content if text is not None else None
        return Reason.REJECTED, retry_after_s(response.headers.get("Retry-After")), None

    def _url(self, scheme: str, path: str, where: tuple[int, int]) -> str:
        client, connection = where
        return f"{scheme}://127.0.0.1:{self._port}/{path}?client={client}&connection={connection}"

    def _forget(self, where: tuple[int, int]) -> None:
        self._sockets.pop(where, None)

    # --- faults --------------------------------------------------------------------------

    def fault_starts(self, index: int) -> None:
        """Make a fault's start happen."""
        if self.world.scenario.faults[index].kind == FaultKind.SERVER_CRASH:
            self._proxy.server_port = None
            self._processes.kill()
        self._proxy.cut(index)

    def fault_stops(self, index: int) -> None:
        """Make a fault's stop happen."""
        crash = self.world.scenario.faults[index].kind == FaultKind.SERVER_CRASH
        if crash and not self.world.timeline.crashed(self.clock.now_s):
            task = asyncio.get_running_loop().create_task(self._watched(self._serve))
            self._housework.add(task)
            task.add_done_callback(self._housework.discard)

    async def _serve(self) -> None:
        self._proxy.server_port = await self._processes.listen()


async def play_async(
    scenario: Scenario,
    label: str = "",
    processes: Sequence[Process] = (),
    progress: Callable[[float], None] | None = None,
    trace: Trace | None = None,
) -> Trace:
    """Play a scenario on real WebSockets; see `simlib.run_live`."""
    trace = Trace("live", scenario, label) if trace is None else trace
    _allow_sockets(scenario.clients)
    loop = asyncio.get_running_loop()
    clock = WallClock(loop, loop.time())
    with tempfile.TemporaryDirectory(prefix="simlib-") as folder:
        host = LiveHost(scenario, trace, clock, Path(folder))
        trace.partial = True
        try:
            await host.begin()
            worked_s = time.process_time()
            with garbage.settled():
                await _play(host, scenario.duration_s, processes, progress)
            trace.work_s = time.process_time() - worked_s
            trace.partial = False
        finally:
            trace.end_s = min(clock.now_s, scenario.duration_s)
            trace.late_s = clock.late_s
            clock.stop()
            await host.end()
            for row in host.server_rows():
                trace.append(row)
    return trace


async def _play(
    host: LiveHost,
    duration_s: float,
    processes: Sequence[Process],
    progress: Callable[[float], None] | None,
) -> None:
    host.clock.began_s = asyncio.get_running_loop().time() + _LEAD_S
    host.world.begin(processes)
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
) -> Trace:
    """Play a scenario on real WebSockets in an event loop of its own; see `simlib.run`."""
    trace = Trace("live", scenario, label)
    if _in_a_loop():
        raise MisuseError(
            "an event loop is running already, as in a notebook: "
            "use await sl.run_live(...) or await sl.compare_live(...)"
        )
    try:
        return asyncio.run(play_async(scenario, label, processes, progress, trace))
    except KeyboardInterrupt:
        raise Interrupted(trace) from None


def _in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


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


_NAMES = {
    "arrived": Name.ARRIVED,
    "admit": Name.ADMIT,
    "refuse": Name.REFUSE,
    "answer": Name.PROCESS,
}


def _logged_row(
    time_s: float,
    name: str,
    client: int,
    connection: int,
    message: int = -1,
    reason: int = Reason.NONE,
) -> tuple[Any, ...]:
    row_name = Name.LIMIT if reason == Reason.LIMITED else _NAMES[name]
    answered = Reason.REJECTED if row_name == Name.REFUSE else Reason(reason)
    return note(time_s, client, Kind.SERVER, row_name, connection, message, answered)
