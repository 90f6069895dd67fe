"""A loopback TCP proxy between the real ends, with the network and the faults of the scenario.

It delays and holds what passes by the same `ClientPath` as the simulation, refuses, cuts and
rejects by the same `Timeline`. Whose connection it is, and on which route, it reads from the
first line that the client sends; or from the port that the client comes from, where the server is
not simlib's, and where TLS is spoken, which passes through as it is.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Callable, Iterator
from functools import partial
from http import HTTPStatus
from itertools import islice
from math import inf
from operator import length_hint
from typing import Any

from simlib.core.balancer import Balancer
from simlib.core.client_path import ClientPath, ConnectionPath
from simlib.core.draws import Stream
from simlib.core.faults import Fault, Route, Timeline
from simlib.engines import retry_after as hints
from simlib.engines.live.acceptor import Acceptor
from simlib.engines.live.clock import WallClock
from simlib.engines.live.tcp import TcpConnection, begin_connecting
from simlib.engines.sizes import ANSWER_BYTES
from simlib.engines.sockets import MOST_WAITING_BYTES

_FIRST_LINE = re.compile(rb"[A-Z]+ (/\w+)\?client=(\d{1,9})&connection=(\d{1,9}) ")
#: Who has sent more, and no whole first line, is nobody's client.
LONGEST_LINE_BYTES = 8192
_CLOSE_TIMEOUT_S = 10.0
#: In one turn of the loop, so that sockets that have work get on in between.
_RESETS_AT_ONCE = 20


class Proxy:
    """Listens for clients and passes what they say on to the server that the balancer chooses."""

    def __init__(
        self,
        clock: WallClock,
        timeline: Timeline,
        client_paths: list[ClientPath],
        balancer: Balancer,
    ) -> None:
        self.clock = clock
        self.timeline = timeline
        self.client_paths = client_paths
        self.balancer = balancer
        #: Where the servers are, as numbers; the port of one that is down is None.
        self.server_host = "127.0.0.1"
        self.server_ports: list[int | None] = [None] * len(balancer.connections)
        #: Whether what passes is encrypted: then nothing in it can be read.
        self.passes_tls = False
        #: Connections that do not name themselves in what they send, with their clients, by the
        #: port they come from.
        self.expected: dict[int, tuple[int, int]] = {}
        self.pipes: set[Pipe] = set()
        #: What was sent into a black hole without an end: sent again when a fault stops.
        self.held: list[tuple[Callable[..., None], Any]] = []
        self._acceptor: Acceptor | None = None
        self._empty = asyncio.Event()

    def listen(self) -> int:
        """Start to listen on a free loopback port and return it."""
        listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self._acceptor = Acceptor(listener, self._take, self.clock.catch_up)
        port: int = listener.getsockname()[1]
        return port

    def _take(self, accepted: socket.socket, port: int) -> None:
        self.pipes.add(Pipe(self, accepted, port))

    def cut(self, index: int) -> None:
        """End the connections that a fault's start ends."""
        cuts, concerns = self.timeline.cuts, self.timeline.concerns
        pipes = [
            p
            for p in self.pipes
            if p.client >= 0 and cuts(index, p.client, p.route) and concerns(index, p.gateway)
        ]
        self._reset(iter(pipes))

    def _reset(self, pipes: Iterator[Pipe]) -> None:
        # A few at a time, and timers before each: to end 500 connections takes 80 ms.
        for pipe in islice(pipes, _RESETS_AT_ONCE):
            self.clock.catch_up()
            pipe.reset()
        if length_hint(pipes):
            asyncio.get_running_loop().call_soon(self._reset, pipes)

    def is_up(self, gateway: int) -> bool:
        """Whether a server is there to be connected to."""
        return self.server_ports[gateway] is not None

    def release(self) -> None:
        """Send again what is held."""
        held, self.held = self.held, []
        for send_again, arguments in held:
            send_again(*arguments)

    async def close(self) -> None:
        """End every connection and stop listening."""
        if self._acceptor is not None:
            self._acceptor.close()
        if self.pipes:
            self._empty.clear()
            for pipe in list(self.pipes):
                pipe.reset()
            await asyncio.wait_for(self._empty.wait(), _CLOSE_TIMEOUT_S)

    def forget(self, pipe: Pipe) -> None:
        """Remove a pipe whose two sides have ended."""
        self.expected.pop(pipe.port, None)
        if pipe.gateway >= 0:
            self.balancer.release(pipe.gateway)
        self.pipes.discard(pipe)
        if not self.pipes:
            self._empty.set()


class Pipe:
    """One client's connection through the proxy: the client's side is down, the server's is up."""

    def __init__(self, proxy: Proxy, accepted: socket.socket, port: int) -> None:
        self._proxy = proxy
        self._clock = proxy.clock
        self.client = -1
        #: The server that the balancer has chosen; -1: none yet.
        self.gateway = -1
        self.port = port
        self.route = Route.WEBSOCKET
        self._connection_path: ConnectionPath | None = None
        self._waiting = {Stream.UP: 0, Stream.DOWN: 0}
        self._on_the_way_bytes = {Stream.UP: 0, Stream.DOWN: 0}
        self._head = b""
        self._connected = False
        self._cut = False
        self._down: TcpConnection | None = TcpConnection(
            accepted, self._receive_from_client, self._on_client_left, self._clock.catch_up
        )
        self._down.on_sent = partial(self._slow_the_source, Stream.DOWN)
        self._up: TcpConnection | None = None

    # --- the client's side ---------------------------------------------------------------

    def _receive_from_client(self, data: bytes) -> None:
        if self._connected:
            self._pass_on(Stream.UP, data)
            return
        self._head += data
        if self.client < 0 and (self._proxy.passes_tls or b"\r\n" in self._head):
            self._begin()
        if self.client < 0:
            if len(self._head) > LONGEST_LINE_BYTES:
                self.reset()
        elif self._down is not None and len(self._head) >= MOST_WAITING_BYTES:
            # A post's body may come while it is not connected yet.
            self._down.pause_reading()

    def _on_client_left(self) -> None:
        """Pass the client's end on, after what it sent before."""
        self._down = None
        if self._connected and not self._cut:
            self._send(Stream.UP, 0, self._end_up)
        else:
            self._end_up()

    # --- the way through -----------------------------------------------------------------

    def _begin(self) -> None:
        match = _FIRST_LINE.match(self._head)
        if self.port in self._proxy.expected:
            self.client, connection = self._proxy.expected[self.port]
            self._choose(connection)
        elif match is not None and int(match[2]) < len(self._proxy.client_paths):
            self.client = int(match[2])
            self.route = Route.WEBSOCKET if match[1] == b"/ws" else Route.HTTP
            self._choose(int(match[3]))
        else:
            self.reset()
            return
        self._reach()

    def _choose(self, connection: int) -> None:
        proxy = self._proxy
        self.gateway = proxy.balancer.choose(
            self.client, connection, self._clock.now_s, proxy.is_up
        )

    def _reach(self) -> None:
        now, proxy = self._clock.now_s, self._proxy
        client_path = proxy.client_paths[self.client]
        self._connection_path = ConnectionPath(client_path, self.route, now)
        self._look_at_idleness()
        connected_s = client_path.connect(self.route, now)
        if connected_s == inf and self._connection_path.holds(Stream.UP, now):
            proxy.held.append((self._reach, ()))
            return
        is_up = proxy.is_up(self.gateway)
        down = not is_up or proxy.timeline.refuses(self.client, self.route, now)
        self._clock.at(connected_s, self.reset if down else self._connect)

    def _look_at_idleness(self) -> None:
        """End a connection that was idle for too long, or look again when it may have been."""
        assert self._connection_path is not None
        closes_s = self._connection_path.closes_s
        if self._cut or closes_s == inf or (self._down is None and self._up is None):
            return
        if closes_s <= self._clock.now_s:
            self.reset()
        else:
            self._clock.at(closes_s, self._look_at_idleness)

    def _connect(self) -> None:
        if self._down is None or self._cut:
            return
        self._connected = True
        self._on_the_way_bytes[Stream.UP] += len(self._head)
        self._send(Stream.UP, len(self._head), self._request)

    def _request(self) -> None:
        now = self._clock.now_s
        fault = self._proxy.timeline.rejection(self.client, self.route, now)
        if fault is not None:
            self._send(Stream.DOWN, ANSWER_BYTES, self._reject, fault)
            return
        self._reach_server()

    def _reach_server(self) -> None:
        host, port = self._proxy.server_host, self._proxy.server_ports[self.gateway]
        try:
            if port is None:
                raise ConnectionRefusedError
            connecting = begin_connecting((host, port))
        except OSError:
            self.reset()
            return
        self._up = TcpConnection(
            connecting, self._receive_from_server, self._on_server_left, self._clock.catch_up
        )
        self._up.on_sent = partial(self._slow_the_source, Stream.UP)
        self._up.write(self._head)
        self._on_the_way_bytes[Stream.UP] -= len(self._head)
        self._head = b""
        self._slow_the_source(Stream.UP)

    def _reject(self, fault: Fault) -> None:
        if self._down is not None:
            phrase = HTTPStatus(fault.status).phrase if fault.status in _STATUSES else "Rejected"
            hint_s = fault.retry_after_s
            hint = f"Retry-After: {hints.format_header(hint_s)}\r\n" if hint_s else ""
            self._down.write(
                f"HTTP/1.1 {fault.status} {phrase}\r\n{hint}"
                "Content-Length: 0\r\nConnection: close\r\n\r\n".encode()
            )
            self._down.close()

    def _send(
        self, way: Stream, size_bytes: int, function: Callable[..., None], *arguments: Any
    ) -> None:
        """Call a function when what is sent now has crossed the network."""
        assert self._connection_path is not None
        now = self._clock.now_s
        arrival_s = self._connection_path.send(way, now, size_bytes)
        if arrival_s == inf and self._connection_path.holds(way, now):
            self._waiting[way] += 1
            again = (self._send, (way, size_bytes, function, *arguments))
            self._proxy.held.append((self._arrive, (way, *again)))
            return
        if arrival_s <= now and not self._waiting[way]:
            function(*arguments)
            return
        self._waiting[way] += 1
        self._clock.at(arrival_s, self._arrive, way, function, arguments)

    def _arrive(self, way: Stream, function: Callable[..., None], arguments: Any) -> None:
        self._waiting[way] -= 1
        if not self._cut:
            function(*arguments)

    def _pass_on(self, way: Stream, data: bytes) -> None:
        self._on_the_way_bytes[way] += len(data)
        self._send(way, len(data), self._deliver, way, data)
        self._slow_the_source(way)

    def _deliver(self, way: Stream, data: bytes) -> None:
        self._on_the_way_bytes[way] -= len(data)
        sink = self._up if way is Stream.UP else self._down
        if sink is not None:
            sink.write(data)
        self._slow_the_source(way)

    def _slow_the_source(self, way: Stream) -> None:
        """Read no more from a side while too much of it waits here."""
        source, sink = (self._down, self._up) if way is Stream.UP else (self._up, self._down)
        waiting = self._on_the_way_bytes[way] + (0 if sink is None else sink.unsent_bytes)
        if source is None:
            return
        if waiting >= MOST_WAITING_BYTES:
            source.pause_reading()
        elif waiting <= MOST_WAITING_BYTES // 2:
            source.resume_reading()

    def _end_up(self) -> None:
        if self._up is not None:
            self._up.close()
        self._forget_if_done()

    def _end_down(self) -> None:
        if self._down is not None:
            self._down.close()

    # --- the server's side ---------------------------------------------------------------

    def _receive_from_server(self, data: bytes) -> None:
        self._pass_on(Stream.DOWN, data)

    def _on_server_left(self) -> None:
        """Pass the server's end on, after what it sent before."""
        assert self._up is not None
        reached, self._up = self._up.reached, None
        if not reached:
            self.reset()
            return
        if self._down is not None and not self._cut:
            self._send(Stream.DOWN, 0, self._end_down)
        self._forget_if_done()

    def reset(self) -> None:
        """End both sides at once, as a reset; what is on its way is lost."""
        self._cut = True
        for side in (self._down, self._up):
            if side is not None:
                side.reset()
        self._forget_if_done()

    def _forget_if_done(self) -> None:
        if self._down is None and self._up is None:
            self._proxy.forget(self)


_STATUSES = {status.value for status in HTTPStatus}
