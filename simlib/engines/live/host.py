"""The asyncio host: what clients ask for, done with real sockets and a real server.

Each client is a real `websockets` client (httpx when it polls), through the fault proxy, to a
server process. `engine.py` begins and ends a host; after that no process, socket or task is left.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from math import inf
from pathlib import Path
from typing import Any, NamedTuple

from websockets.uri import WebSocketURI, parse_uri

from simlib.core import events as ev
from simlib.core.balancer import Balancer
from simlib.core.client_path import ClientPath
from simlib.core.errors import EngineError
from simlib.core.events import Command, Reason
from simlib.core.faults import Timeline
from simlib.core.outbox import Persist
from simlib.engines.driver import Driver
from simlib.engines.live import codec, tcp
from simlib.engines.live.clock import WallClock
from simlib.engines.live.http_requests import ConnectionKey, HttpRequests
from simlib.engines.live.proxy import Proxy
from simlib.engines.live.server_side import ServerSide, make_keys
from simlib.engines.live.target import Target
from simlib.engines.live.tls import TlsClients
from simlib.engines.live.websocket import WebSocketConnection
from simlib.engines.no_time import Restless, takes_no_time
from simlib.engines.store import MemoryStore, SqliteStore, Store
from simlib.engines.world import World
from simlib.scenario.scenario import Scenario
from simlib.support.messages import LOGGER
from simlib.trace.server_log import ServerLog
from simlib.trace.trace import Trace

_Work = Callable[..., Coroutine[Any, Any, None]]
_Request = Callable[..., Coroutine[Any, Any, Sequence[ev.Event]]]


class ServerElsewhere(NamedTuple):
    """The server that another process has started."""

    host: str
    port: int
    password: str
    #: The file of the authority that signed its certificate; empty: no TLS.
    authority: str = ""


class _Attempt:
    """The listener of one connection: it passes events to its client."""

    def __init__(self, host: LiveHost, driver: Driver, connection: int) -> None:
        self._host = host
        self._driver = driver
        self._connection = connection

    def on_opened(self) -> None:
        self._host.tell(self._driver, ev.Opened(self._connection))

    def on_failed(self, reason: Reason, hint_s: float, status: int) -> None:
        self._host.tell(self._driver, ev.Failed(self._connection, reason, hint_s, status))

    def on_lost(self, reason: Reason, hint_s: float, code: int) -> None:
        self._host.tell(self._driver, ev.Lost(self._connection, reason, hint_s, code))

    def on_text(self, data: bytes) -> None:
        try:
            hear = codec.parse_server_frame if self._host.target.speaks_simlib else codec.parse_echo
            event = hear(data, self._connection)
        except EngineError:
            self._host.reject(self._driver, self._connection)
        else:
            self._host.tell(self._driver, event)

    def on_pong(self) -> None:
        self._host.tell(self._driver, ev.Ponged(self._connection))

    def on_odd(self, sentence: str) -> None:
        self._host.odd(sentence)


class LiveHost:
    """The clients' real sockets, the proxy and the server of one run.

    ``clients``: those that are played in this process. ``server``: the server that another process
    has started; by default it is the target's, or started here.
    """

    def __init__(
        self,
        scenario: Scenario,
        trace: Trace,
        clock: WallClock,
        folder: Path,
        target: Target,
        clients: range | None = None,
        server: ServerElsewhere | None = None,
    ) -> None:
        self.clock = clock
        self.target = target
        self._store = _store(scenario, target.store or folder / "outbox.sqlite")
        self.world = World(scenario, clock, self, trace, self._store, clients)
        if takes_no_time(scenario):
            self.world.observers.append(Restless(scenario.duration_s))
        timeline = self.world.timeline
        #: Of each gateway, unless the server is somebody else's.
        self._servers: list[ServerSide] = []
        if not target.url and server is None:
            self._servers = _servers(scenario, timeline, clock, folder, self.move_server)
        self._proxy = Proxy(
            clock,
            timeline,
            [
                ClientPath(scenario.path, timeline, scenario.seed, i)
                for i in range(scenario.clients)
            ],
            Balancer(scenario.balance, scenario.gateways, scenario.seed, timeline),
        )
        password = authority = ""
        if server is not None:
            password, authority = server.password, server.authority
            self._proxy.server_host, self._proxy.server_ports = server.host, [server.port]
        elif self._servers:
            password, authority = self._servers[0].password, self._servers[0].authority
        self._tls = TlsClients(scenario.path.tls, authority) if authority else None
        self._proxy.passes_tls = self._tls is not None
        self._requests = HttpRequests(
            password, lambda: clock.now_s, self.odd, self._tls.context if self._tls else None
        )
        #: Where the clients' handshakes are addressed to.
        self._uri: WebSocketURI
        self._sockets: dict[ConnectionKey, WebSocketConnection] = {}
        self._tasks: dict[ConnectionKey, asyncio.Task[None]] = {}
        self._ending = False

    async def begin(self) -> None:
        """Start the server processes and the proxy, and see that the server is well."""
        for server in self._servers:
            await server.begin()
        if self._servers:
            for port in self._proxy.server_ports:
                assert port is not None
                await self._requests.check_health(port)
        elif not self._proxy.is_up(0):
            self._proxy.server_host, port = await self.target.reach()
            self._proxy.server_ports = [port]
        self._requests.port = self._proxy.listen()
        url = self.target.url
        if self.target.speaks_simlib:
            scheme = "ws" if self._tls is None else "wss"
            url = f"{scheme}://127.0.0.1:{self._requests.port}/ws"
        self._uri = parse_uri(url)

    def move_server(self, port: int | None, gateway: int = 0) -> None:
        """Set a server's port for new connections; None: the server is down."""
        self._proxy.server_ports[gateway] = port

    async def end(self) -> None:
        """Close everything and wait until it is gone; what cannot be closed is noted.

        Whatever happens on the way, a second Ctrl-C included, the rest is closed as well.
        """
        self._ending = True
        async with AsyncExitStack() as last_first:
            # Ended from the last to the first: clients before the proxy, which they talk through;
            # the proxy before the servers; the file last, since clients write to it until they end.
            last_first.callback(self._store.close)
            for what, close in (
                *(("server processes", server.end) for server in self._servers),
                ("HTTP connections", self._requests.close),
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
        tasks = list(self._tasks.values())
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
        """Note an irregularity, such as an invalid header from a server."""
        self.world.trace.add_foreign_note(sentence)

    def reject(self, driver: Driver, connection: int) -> None:
        """End a connection whose server says what no server should."""
        open_socket = self._sockets.get((driver.client.number, connection))
        if open_socket is not None:
            open_socket.reject()

    def add_server_rows(self) -> None:
        """Add what the server processes logged to the trace."""
        for server in self._servers:
            server.add_to(self.world.trace)

    def server_log(self) -> ServerLog:
        """Return what the servers decided so far; the server of another process tells nothing."""
        log = self.world.trace.server_log
        if self.clock.began_s < inf:
            for server in self._servers:
                server.write_log(log)
        return log

    def session_s(self, client: int) -> float:
        """Return when the session of a client's cookie ends."""
        return self._requests.session_s(client)

    # --- what clients ask for ------------------------------------------------------------

    def perform(self, driver: Driver, command: Command) -> None:
        """Begin to carry out a command."""
        key = (driver.client.number, getattr(command, "connection", 0))
        match command:
            case ev.Open():
                self._open(driver, key)
            case ev.Poll():
                self._spawn(key, self._request, driver, self._requests.poll, key, command)
            case ev.Post():
                self._spawn(key, self._request, driver, self._requests.post, key, command)
            case ev.SignIn():
                self._spawn(key, self._request, driver, self._requests.sign_in, key)
            case ev.Transmit() | ev.Subscribe() | ev.Fetch() if key in self._sockets:
                self._sockets[key].send_text(codec.text_of(command))
            case ev.Ping() if key in self._sockets:
                self._sockets[key].ping()
            case ev.Close():
                self._close(key)
            case ev.Save(message):
                driver.store.save(driver.client.number, message)
            case ev.Forget(message):
                driver.store.forget(driver.client.number, message.id)

    def vanish(self, driver: Driver) -> None:
        """End all connections of a client that is gone."""
        number = driver.client.number
        for key in [key for key in (*self._sockets, *self._tasks) if key[0] == number]:
            self._close(key)

    def _spawn(self, key: ConnectionKey, work: _Work, *arguments: Any) -> None:
        # The coroutine is made inside the task: one made here would never be awaited, which Python
        # warns of, where the task is cancelled before its first step.
        task = asyncio.get_running_loop().create_task(self._end_run_on_error(work, *arguments))
        self._tasks[key] = task
        task.add_done_callback(lambda _: self._tasks.pop(key, None))

    async def _end_run_on_error(self, work: _Work, *arguments: Any) -> None:
        try:
            await work(*arguments)
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends the run
            self.clock.fail(error)

    def _close(self, key: ConnectionKey) -> None:
        if key in self._tasks:
            self._tasks[key].cancel()
        if key in self._sockets:
            self._sockets[key].close()

    async def _request(self, driver: Driver, request: _Request, *arguments: Any) -> None:
        for event in await request(*arguments):
            self.tell(driver, event)

    def _open(self, driver: Driver, key: ConnectionKey) -> None:
        attempt = _Attempt(self, driver, key[1])
        try:
            connecting = self._reach_proxy(key)
        except OSError:
            # Later: a driver is not fed from inside its own step.
            later = asyncio.get_running_loop().call_soon
            later(attempt.on_failed, Reason.REFUSED, 0.0, 0)
            return
        uri = self._uri
        if self.target.speaks_simlib:
            uri = replace(uri, query=f"client={key[0]}&connection={key[1]}")
        cookie = self._requests.cookie(key[0])
        self._sockets[key] = WebSocketConnection(
            uri,
            cookie,
            attempt,
            lambda: self._forget(key),
            connecting,
            self.clock.catch_up,
            self._tls,
        )

    def _reach_proxy(self, key: ConnectionKey) -> socket.socket:
        """Return a socket to the proxy, which knows whose it is before it hears anything."""
        named = self.target.speaks_simlib and self._tls is None
        address = ("127.0.0.1", self._requests.port)
        connecting = tcp.begin_connecting(address, own_port=not named)
        if not named:
            self._proxy.expected[connecting.getsockname()[1]] = key
        return connecting

    def _forget(self, key: ConnectionKey) -> None:
        self._sockets.pop(key, None)

    # --- faults --------------------------------------------------------------------------

    def fault_starts(self, index: int) -> None:
        """Make a fault's start happen."""
        self._log_fault(index, "starts")
        for server in self._servers:
            server.fault_starts(index)
        self._proxy.cut(index)

    def fault_stops(self, index: int) -> None:
        """Make a fault's stop happen."""
        self._log_fault(index, "stops")
        self._proxy.release()
        for server in self._servers:
            server.fault_stops(index)

    def _log_fault(self, index: int, does: str) -> None:
        fault = self._proxy.timeline.faults[index]
        LOGGER.debug("%s %s: %d connections", fault.kind.name.lower(), does, len(self._proxy.pipes))


def _servers(
    scenario: Scenario,
    timeline: Timeline,
    clock: WallClock,
    folder: Path,
    move: Callable[[int | None, int], None],
) -> list[ServerSide]:
    """Return the server of each gateway; each has a folder for the files of its processes."""
    keys, servers = make_keys(scenario, folder), []
    for gateway in range(scenario.gateways):
        own = folder / f"gateway-{gateway}"
        own.mkdir()
        moved = partial(_move, move, gateway)
        servers.append(ServerSide(scenario, timeline, clock, own, moved, gateway, keys))
    return servers


def _move(move: Callable[[int | None, int], None], gateway: int, port: int | None) -> None:
    move(port, gateway)


def _store(scenario: Scenario, path: Path) -> Store:
    """Return the store of messages: SQLite if any message is saved, else memory."""
    outboxes = [client.outbox for client in scenario.policies]
    if all(outbox.persist == Persist.NONE for outbox in outboxes):
        return MemoryStore()
    return SqliteStore(path, flush=any(outbox.flush for outbox in outboxes))
