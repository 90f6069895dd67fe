"""The asyncio host: the same world on the wall clock, with real sockets and a real server.

Each client is a real `websockets` client (httpx when it polls), through the fault proxy, to a
server process. Whatever ends the run, processes, sockets, tasks and files of it are gone after.
"""

from __future__ import annotations

import asyncio
import resource
import socket
import tempfile
import time
import tomllib
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from math import inf
from pathlib import Path
from typing import Any

import httpx

from simlib.core import events as ev
from simlib.core.client_path import ClientPath
from simlib.core.errors import EngineError, Interruption, SettingsError, SimlibError
from simlib.core.events import NONE, Command, Reason
from simlib.core.faults import FaultKind
from simlib.core.outbox import Persist
from simlib.engines import garbage_collection as garbage
from simlib.engines import reasons
from simlib.engines import retry_after as hints
from simlib.engines.driver import Driver
from simlib.engines.live import codec
from simlib.engines.live.clock import WallClock, noting_standstills
from simlib.engines.live.processes import Processes
from simlib.engines.live.proxy import Proxy
from simlib.engines.live.target import Target
from simlib.engines.live.websocket import WebSocketConnection
from simlib.engines.loops import run_to_end
from simlib.engines.no_time import Restless, takes_no_time
from simlib.engines.operator import order
from simlib.engines.store import MemoryStore, SqliteStore, Store
from simlib.engines.world import Process, World, note
from simlib.scenario.scenario import Scenario, dump
from simlib.trace.schema import Kind, Name
from simlib.trace.trace import Interrupted, Standstill, Trace, describe_stop

#: Sockets per client in this process: its own, and two of the proxy's; twice, for overlaps.
_SOCKETS_PER_CLIENT = 6
_PROGRESS_STEP_S = 0.1
#: Time between being ready and time zero, so that the first events are on time.
_LEAD_S = 0.05


_Work = Callable[..., Coroutine[Any, Any, None]]


class Cancelled(asyncio.CancelledError):
    """A run was cancelled, as a notebook does with what it awaits; carries what was played."""

    def __init__(self, trace: Trace) -> None:
        super().__init__(trace)
        self.trace = trace

    def __str__(self) -> str:
        return describe_stop(self.trace)

    _render_traceback_ = Interruption._render_traceback_


class _Attempt:
    """Hears of one connection and tells its client."""

    def __init__(self, host: LiveHost, driver: Driver, connection: int) -> None:
        self._host = host
        self._driver = driver
        self._connection = connection

    def opened(self) -> None:
        self._host.tell(self._driver, ev.Opened(self._connection))

    def failed(self, reason: Reason, hint_s: float, status: int) -> None:
        self._host.tell(self._driver, ev.Failed(self._connection, reason, hint_s, status))

    def lost(self, reason: Reason, hint_s: float, code: int) -> None:
        self._host.tell(self._driver, ev.Lost(self._connection, reason, hint_s, code))

    def text(self, data: bytes) -> None:
        try:
            hear = codec.parse_server_frame if self._host.target.speaks_simlib else codec.parse_echo
            event = hear(data, self._connection)
        except EngineError:
            self._host.reject(self._driver, self._connection)
        else:
            self._host.tell(self._driver, event)

    def pong(self) -> None:
        self._host.tell(self._driver, ev.Ponged(self._connection))

    def odd(self, sentence: str) -> None:
        self._host.odd(sentence)


class LiveHost:
    """The clients' real sockets, the proxy and the server of one run."""

    def __init__(
        self, scenario: Scenario, trace: Trace, clock: WallClock, folder: Path, target: Target
    ) -> None:
        self.clock = clock
        self.target = target
        self._store = _store(scenario, target.store or folder / "outbox.sqlite")
        self.world = World(scenario, clock, self, trace, self._store)
        if takes_no_time(scenario):
            self.world.observers.append(Restless(scenario.duration_s))
        self._processes = Processes(
            tomllib.loads(dump(scenario)).get("server", {}), scenario.seed, folder
        )
        self._proxy = Proxy(
            clock,
            self.world.timeline,
            [
                ClientPath(scenario.path, self.world.timeline, scenario.seed, i)
                for i in range(scenario.clients)
            ],
        )
        self._port = 0
        self._http = httpx.AsyncClient(
            timeout=None,
            trust_env=False,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
        )
        self._cookies: dict[int, str] = {}
        self._sessions_s: dict[int, float] = {}
        self._sockets: dict[_Where, WebSocketConnection] = {}
        self._tasks: dict[_Where, asyncio.Task[None]] = {}
        self._housework: set[asyncio.Task[None]] = set()
        self._ending = False

    async def begin(self) -> None:
        """Start the server processes and the proxy, and see that the server is well."""
        if self.target.url:
            self._proxy.server_host, self._proxy.server_port = self.target.address
            await _check_reachable(*self.target.address)
        else:
            await self._begin_server()
        self._port = await self._proxy.listen()

    async def _begin_server(self) -> None:
        crashes = sum(f.kind == FaultKind.SERVER_CRASH for f in self.world.scenario.faults)
        await self._processes.prepare(1 + crashes)
        await self._serve()
        health = await self._http.get(f"http://127.0.0.1:{self._proxy.server_port}/health")
        if health.status_code != 200:
            raise EngineError(f"the server process is not well: HTTP {health.status_code}")

    async def end(self) -> None:
        """Close everything and wait until it is gone; what cannot be closed is noted.

        Whatever happens on the way, a second Ctrl-C included, the rest is closed as well.
        """
        self._ending = True
        async with AsyncExitStack() as last_first:
            last_first.callback(self._store.close)
            for what, close in (
                ("server processes", self._processes.end),
                ("HTTP connections", self._http.aclose),
                ("proxy", self._proxy.close),
                ("clients", self._end_clients),
            ):
                last_first.push_async_callback(self._close_or_note, what, close)

    async def _close_or_note(self, what: str, close: Callable[[], Awaitable[None]]) -> None:
        try:
            await close()
        except Exception as error:  # noqa: BLE001 - the run is over, and its trace is good
            said = f"{type(error).__name__} {error}".strip()
            self.odd(f"After the run the {what} could not be closed: {said}.")

    async def _end_clients(self) -> None:
        tasks = [*self._tasks.values(), *self._housework]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for connection in list(self._sockets.values()):
            connection.close()

    def tell(self, driver: Driver, event: ev.Event) -> None:
        """Feed an event from a socket; an error of ours ends the run."""
        if not self._ending:
            try:
                driver.feed(event)
            except Exception as error:  # noqa: BLE001 - whatever it is, it ends the run
                self.clock.fail(error)

    def odd(self, sentence: str) -> None:
        """Note something odd, such as what a server said."""
        self.world.trace.add_note(sentence)

    def reject(self, driver: Driver, connection: int) -> None:
        """End a connection whose server says what no server should."""
        open_socket = self._sockets.get((driver.client.number, connection))
        if open_socket is not None:
            open_socket.reject()

    def server_rows(self) -> list[tuple[Any, ...]]:
        """Return what the server processes logged as rows of the trace."""
        lines = self._processes.log_lines()
        return sorted(_logged_row(line[0] - self.clock.began_s, *line[1:]) for line in lines)

    def server_standstills(self) -> list[Standstill]:
        """Return when the server processes could not act, since the run began."""
        began_s = self.clock.began_s
        found = [
            (start_s - began_s, length_s) for start_s, length_s in self._processes.standstills()
        ]
        return [Standstill("server", *each) for each in found if each[0] >= 0.0]

    def session_s(self, client: int) -> float:
        """Return when the session of a client's cookie ends."""
        return self._sessions_s.get(client, -inf)

    # --- what clients ask for ------------------------------------------------------------

    def perform(self, driver: Driver, command: Command) -> None:
        """Begin to carry out a command."""
        where = (driver.client.number, getattr(command, "connection", 0))
        match command:
            case ev.Open() | ev.Poll() | ev.Post() | ev.SignIn():
                self._spawn(where, _WORK[type(command)], self, driver, where, command)
            case ev.Transmit() | ev.Subscribe() | ev.Fetch() if where in self._sockets:
                self._sockets[where].send_text(codec.text_of(command))
            case ev.Ping() if where in self._sockets:
                self._sockets[where].ping()
            case ev.Close():
                self._close(where)
            case ev.Save(message):
                driver.store.save(driver.client.number, message)
            case ev.Forget(message):
                driver.store.forget(driver.client.number, message.id)

    def vanish(self, driver: Driver) -> None:
        """End all connections of a client that is gone."""
        number = driver.client.number
        for where in [where for where in (*self._sockets, *self._tasks) if where[0] == number]:
            self._close(where)

    def _spawn(self, where: _Where, work: _Work, *arguments: Any) -> None:
        task = asyncio.get_running_loop().create_task(self._watched(work, *arguments))
        self._tasks[where] = task
        task.add_done_callback(lambda _: self._tasks.pop(where, None))

    async def _watched(self, work: _Work, *arguments: Any) -> None:
        try:
            await work(*arguments)
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends the run
            self.clock.fail(error)

    def _close(self, where: _Where) -> None:
        if where in self._tasks:
            self._tasks[where].cancel()
        if where in self._sockets:
            self._sockets[where].close()

    async def _open(self, driver: Driver, where: _Where, _: ev.Open) -> None:
        loop = asyncio.get_running_loop()
        attempt = _Attempt(self, driver, where[1])
        named = self.target.speaks_simlib
        connection = WebSocketConnection(
            self._url("ws", "ws", where) if named else self.target.url,
            self._cookies.get(where[0], ""),
            attempt,
            lambda: self._forget(where),
        )
        self._sockets[where] = connection
        try:
            await loop.create_connection(lambda: connection, sock=await self._reach_proxy(where))
        except OSError:
            self._forget(where)
            attempt.failed(Reason.REFUSED, 0.0, 0)
        except asyncio.CancelledError:
            self._forget(where)
            raise

    async def _reach_proxy(self, where: _Where) -> socket.socket:
        """Return a socket to the proxy, which knows whose it is before it hears anything."""
        reached = socket.socket()
        try:
            reached.setblocking(False)
            if not self.target.speaks_simlib:
                reached.bind(("127.0.0.1", 0))
                self._proxy.expected[reached.getsockname()[1]] = where[0]
            loop = asyncio.get_running_loop()
            await loop.sock_connect(reached, ("127.0.0.1", self._port))
        except BaseException:
            reached.close()
            raise
        return reached

    async def _poll(self, driver: Driver, where: _Where, command: ev.Poll) -> None:
        response = await self._request("GET", "poll", where, channels=command.channels)
        (reason, code), hint_s, updates = _outcome(response), self._hint_s(response), []
        if response is not None and reason == Reason.ACCEPTED:
            try:
                updates = codec.updates_of(response.content, where[1])
            except EngineError:
                reason = Reason.PROTOCOL
        for update in updates:
            self.tell(driver, update)
        self.tell(driver, ev.Polled(where[1], reason, hint_s, code))

    async def _post(self, driver: Driver, where: _Where, command: ev.Post) -> None:
        text = codec.message_text(command.message)
        response = await self._request("POST", "messages", where, text)
        (reason, code), hint_s, version = _outcome(response), self._hint_s(response), NONE
        if response is not None and reason in (Reason.ACCEPTED, Reason.LIMITED):
            try:
                _, reason, hint_s, version = codec.answer_of(response.content)
            except EngineError:
                reason = Reason.PROTOCOL
        self.tell(driver, ev.Posted(where[1], command.message.id, reason, hint_s, version, code))

    async def _sign_in(self, driver: Driver, where: _Where, _: ev.SignIn) -> None:
        response = await self._request("POST", "login", where, self._processes.password)
        reason = _outcome(response)[0]
        if response is None or reason != Reason.ACCEPTED:
            self.tell(driver, ev.SignedIn(where[1], reason))
            return
        lifetime_s = response.json()["lifetime_s"]
        lifetime_s = inf if lifetime_s is None else float(lifetime_s)
        self._cookies[where[0]] = response.headers.get("set-cookie", "").partition(";")[0]
        self._sessions_s[where[0]] = self.clock.now_s + lifetime_s
        self.tell(driver, ev.SignedIn(where[1], Reason.ACCEPTED, lifetime_s))

    async def _request(
        self,
        method: str,
        path: str,
        where: _Where,
        text: str | None = None,
        channels: tuple[tuple[int, int], ...] = (),
    ) -> httpx.Response | None:
        """Return the response; None if the request failed on its way."""
        url = self._url("http", path, where)
        if channels:
            url += f"&channels={codec.channels_text(channels)}"
        headers = {"Cookie": self._cookies[where[0]]} if where[0] in self._cookies else {}
        try:
            return await self._http.request(method, url, content=text, headers=headers)
        except httpx.TransportError:
            return None

    def _hint_s(self, response: httpx.Response | None) -> float:
        headers = [] if response is None else response.headers.multi_items()
        return hints.read(headers, self.odd)

    def _url(self, scheme: str, path: str, where: _Where) -> str:
        client, connection = where
        return f"{scheme}://127.0.0.1:{self._port}/{path}?client={client}&connection={connection}"

    def _forget(self, where: _Where) -> None:
        self._sockets.pop(where, None)

    # --- faults --------------------------------------------------------------------------

    def fault_starts(self, index: int) -> None:
        """Make a fault's start happen."""
        if self.world.timeline.faults[index].kind == FaultKind.SERVER_CRASH:
            self._proxy.server_port = None
            self._processes.kill()
        self._order(index, starts=True)
        self._proxy.cut(index)

    def fault_stops(self, index: int) -> None:
        """Make a fault's stop happen."""
        self._proxy.release()
        timeline = self.world.timeline
        crash = timeline.faults[index].kind == FaultKind.SERVER_CRASH
        if crash and not timeline.is_crashed(self.clock.now_s):
            task = asyncio.get_running_loop().create_task(self._watched(self._serve))
            self._housework.add(task)
            task.add_done_callback(self._housework.discard)
        self._order(index, starts=False)

    def _order(self, index: int, starts: bool) -> None:
        timeline, clients = self.world.timeline, self.world.scenario.clients
        event = order(timeline, index, starts, clients, self.clock.began_s)
        if event is not None:
            self._processes.order(event)

    async def _serve(self) -> None:
        self._proxy.server_port = await self._processes.listen()
        slowness = self.world.timeline.slowness(self.clock.now_s)
        if slowness > 1.0:
            self._processes.order(ev.Slow(slowness))


_Where = tuple[int, int]
#: What carries out a command that takes its time.
_WORK: dict[type, _Work] = {
    ev.Open: LiveHost._open,
    ev.Poll: LiveHost._poll,
    ev.Post: LiveHost._post,
    ev.SignIn: LiveHost._sign_in,
}


async def _check_reachable(host: str, port: int) -> None:
    """Say before the run, not in every attempt of it, that nobody listens."""
    try:
        async with asyncio.timeout(_REACH_TIMEOUT_S):
            _, writer = await asyncio.open_connection(host, port)
        writer.close()
        await writer.wait_closed()
    except (OSError, TimeoutError) as error:
        raise SettingsError(
            "url", f"{host}:{port}", f"cannot be reached: {error or 'no answer'}; start your server"
        ) from error


#: How long a user's server may take to accept, before the run.
_REACH_TIMEOUT_S = 5.0


def _store(scenario: Scenario, path: Path) -> Store:
    """Return where messages are saved: SQLite, if anything is saved at all."""
    if all(client.outbox.persist == Persist.NONE for client in scenario.policies):
        return MemoryStore()
    return SqliteStore(path)


def _outcome(response: httpx.Response | None) -> tuple[Reason, int]:
    """Return what came of a request, and the status that refused it, or 0."""
    if response is None:
        return Reason.REFUSED, 0
    if response.status_code == 200:
        return Reason.ACCEPTED, 0
    is_answer = response.headers.get("content-type") == "application/json"
    if response.status_code == 429 and is_answer:
        return Reason.LIMITED, 0
    return reasons.of_status(response.status_code), response.status_code


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
    clock = WallClock(loop, loop.time())
    with tempfile.TemporaryDirectory(prefix="simlib-") as folder:
        host = LiveHost(scenario, trace, clock, Path(folder), target)
        trace.partial = True
        try:
            await host.begin()
            worked_s = time.process_time()
            with garbage.freeze_objects(), noting_standstills(loop, _noting(trace, clock)):
                await _play(host, scenario.duration_s, processes, progress)
            trace.work_s = time.process_time() - worked_s
            trace.partial = False
        except asyncio.CancelledError:
            # Of the same kind, so that whoever cancelled is answered; it also says what was kept.
            raise Cancelled(trace) from None
        finally:
            trace.end_s = min(clock.now_s, scenario.duration_s)
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


def _logged_row(
    time_s: float,
    name: int,
    client: int,
    connection: int,
    message: int = NONE,
    reason: int = Reason.NONE,
) -> tuple[Any, ...]:
    return note(time_s, client, Kind.SERVER, Name(name), connection, message, Reason(reason))
