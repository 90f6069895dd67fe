"""The proxy's way through: what takes time, what is held, who is cut, and how ends arrive."""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from math import inf

import pytest

from simlib.core.balancer import Balance, Balancer
from simlib.core.client_path import ClientPath
from simlib.core.draws import Stream
from simlib.core.faults import Fault, Timeline
from simlib.core.path import Latency, Path
from simlib.engines.live import proxy as proxy_module
from simlib.engines.live.clock import WallClock
from simlib.engines.live.proxy import LONGEST_LINE_BYTES, Pipe, Proxy
from simlib.engines.live.tcp import begin_connecting

pytestmark = pytest.mark.live

AT_ONCE = Path(latency=Latency(mean_s=0.0))
Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class Server:
    """A server that keeps what it is told, by connection, and where the proxy before it listens."""

    proxy_port: int = 0
    told: list[bytearray] = field(default_factory=list)
    ended: list[bool] = field(default_factory=list)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = len(self.told)
        self.told.append(bytearray())
        self.ended.append(False)
        self.writers.append(writer)
        try:
            while data := await reader.read(1000):
                self.told[number] += data
        except ConnectionResetError:
            pass
        self.ended[number] = True
        writer.close()


@asynccontextmanager
async def running(
    *faults: Fault, path: Path = AT_ONCE, clients: int = 2
) -> AsyncIterator[tuple[Proxy, Server, Callable[..., asyncio.Future[Ends]]]]:
    """A proxy before a server, and a function that connects a client and says who it is."""
    loop = asyncio.get_running_loop()
    clock, timeline = WallClock(loop, loop.time()), Timeline(faults, 1)
    paths = [ClientPath(path, timeline, 1, client) for client in range(clients)]
    proxy = Proxy(clock, timeline, paths, Balancer(Balance.FIXED, 1, 1, timeline))
    server, opened = Server(), []
    server.proxy_port = proxy.listen()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    proxy.server_ports = [listening.sockets[0].getsockname()[1]]

    async def connect(client: int, route: str = "ws") -> Ends:
        ends = await asyncio.open_connection("127.0.0.1", server.proxy_port)
        opened.append(ends[1])
        ends[1].write(head(client, route))
        return ends

    try:
        yield proxy, server, connect
    finally:
        ends = [*opened, *server.writers]
        for writer in ends:
            writer.transport.abort()
        await asyncio.gather(*(each.wait_closed() for each in ends), return_exceptions=True)
        await proxy.close()
        clock.stop()
        listening.close()
        await until(lambda: all(server.ended))


def head(client: int, route: str = "ws") -> bytes:
    return b"GET /%s?client=%d&connection=1 HTTP/1.1\r\n" % (route.encode(), client)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - what it waits for sets no event
            await asyncio.sleep(0.002)


async def pipe_of(proxy: Proxy, server: Server) -> Pipe:
    """The pipe of the only connection, once the server has been told its head."""
    await until(lambda: bool(server.told and server.told[0]))
    [pipe] = proxy.pipes
    return pipe


async def is_reset(reader: asyncio.StreamReader) -> bool:
    try:
        await asyncio.wait_for(reader.read(), 60)
    except ConnectionResetError:
        return True
    return False


async def test_two_proxies_listen_at_once() -> None:
    async with running() as (_, one, _), running() as (_, other, _):
        assert one.proxy_port != other.proxy_port


async def test_what_takes_no_time_passes_at_once_unless_something_is_before_it() -> None:
    path = Path(latency=Latency(mean_s=0.0), bandwidth_bytes_per_s=10_000)
    async with running(path=path) as (proxy, server, connect):
        await connect(0)
        pipe, passed = await pipe_of(proxy, server), []
        await until(lambda: proxy.clock.peek() == inf)
        for way in (Stream.UP, Stream.DOWN):
            pipe._send(way, 0, passed.append, "at once")
            assert ["at once"] == passed
            pipe._send(way, 1000, passed.append, "squeezed through")
            pipe._send(way, 0, passed.append, "behind it")
            assert ["at once"] == passed
            await until(lambda: len(passed) == 3)
            pipe._send(way, 0, passed.append, "at once again")
            assert ["at once", "squeezed through", "behind it", "at once again"] == passed
            passed.clear()


async def test_latency_delays_both_directions_and_then_nothing_is_on_the_way() -> None:
    async with running(path=Path(latency=Latency(mean_s=0.05))) as (proxy, server, connect):
        began_s = proxy.clock.now_s
        reader, _ = await connect(0)
        pipe = await pipe_of(proxy, server)
        # TCP takes two ways, the request one.
        assert proxy.clock.now_s - began_s >= 0.15
        sent_s = proxy.clock.now_s
        server.writers[0].write(b"answer")
        assert b"answer" == await asyncio.wait_for(reader.readexactly(6), 60)
        assert proxy.clock.now_s - sent_s >= 0.05
        assert {Stream.UP: 0, Stream.DOWN: 0} == pipe._on_the_way_bytes


async def test_both_sides_are_read_as_long_as_they_speak() -> None:
    async with running() as (proxy, server, connect):
        reader, writer = await connect(0)
        await pipe_of(proxy, server)
        for turn in range(1, 6):
            writer.write(b"ask ")
            await until(lambda turn=turn: server.told[0] == head(0) + turn * b"ask ")
            server.writers[0].write(b"answer")
            assert b"answer" == await asyncio.wait_for(reader.readexactly(6), 60)


async def test_what_is_sent_into_a_black_hole_arrives_in_order_when_it_ends() -> None:
    async with running() as (proxy, server, connect):
        _, writer = await connect(0)
        pipe = await pipe_of(proxy, server)
        hole = proxy.timeline.begin(Fault("black_hole"), proxy.clock.now_s)
        for said in (b"one ", b"two ", b"three"):
            held = len(proxy.held)
            writer.write(said)
            await until(lambda held=held: len(proxy.held) > held)
        await connect(1)
        await until(lambda: len(proxy.held) == 4)
        assert [head(0)] == server.told
        proxy.timeline.end(hole, proxy.clock.now_s)
        proxy.release()
        await until(lambda: len(server.told) == 2 and bool(server.told[1]))
        assert [head(0) + b"one two three", head(1)] == server.told
        assert [] == proxy.held
        # Nothing is before what comes now.
        assert {Stream.UP: 0, Stream.DOWN: 0} == pipe._waiting


async def test_who_connects_where_one_direction_is_lost_never_arrives() -> None:
    async with running() as (proxy, server, connect):
        lost = proxy.timeline.begin(Fault("half_open", direction="up"), proxy.clock.now_s)
        await connect(0)
        await until(lambda: any(pipe.client == 0 for pipe in proxy.pipes))
        proxy.timeline.end(lost, proxy.clock.now_s)
        assert [] == proxy.held
        proxy.release()
        await connect(1)
        await until(lambda: bool(server.told and server.told[0]))
        assert [head(1)] == server.told


async def test_what_is_sent_the_way_that_is_lost_never_arrives_and_is_held_by_nobody() -> None:
    async with running() as (proxy, server, connect):
        reader, writer = await connect(0)
        pipe = await pipe_of(proxy, server)
        lost = proxy.timeline.begin(Fault("half_open", direction="up"), proxy.clock.now_s)
        writer.write(b"gone")
        await until(lambda: pipe._on_the_way_bytes[Stream.UP] == 4)
        assert [] == proxy.held
        proxy.timeline.end(lost, proxy.clock.now_s)
        writer.write(b"gone, too")
        await until(lambda: pipe._on_the_way_bytes[Stream.UP] == 13)
        # The other way is as it was.
        server.writers[0].write(b"answer")
        assert b"answer" == await asyncio.wait_for(reader.readexactly(6), 60)
        assert ([head(0)], []) == (server.told, proxy.held)


async def test_a_fault_cuts_the_clients_and_routes_that_it_hits() -> None:
    reset = Fault("reset", route="websocket")
    async with running(reset) as (proxy, server, connect):
        stranger, unnamed = await asyncio.open_connection("127.0.0.1", server.proxy_port)
        hit = [(await connect(client))[0] for client in (0, 1)]
        _, spared = await connect(1, "poll")
        await until(lambda: len(server.told) == 3 and all(server.told))
        proxy.cut(0)
        assert [True, True] == [await is_reset(reader) for reader in hit]
        spared.write(b"still here")
        await until(lambda: head(1, "poll") + b"still here" in server.told)
        assert not stranger.at_eof()
        unnamed.close()
        await unnamed.wait_closed()


async def test_what_is_on_the_way_when_a_connection_is_cut_is_lost_and_all_is_let_go() -> None:
    async with running(Fault("reset")) as (proxy, server, connect):
        reader, writer = await connect(0)
        await pipe_of(proxy, server)
        hole = proxy.timeline.begin(Fault("black_hole"), proxy.clock.now_s)
        writer.write(b"too late")
        await until(lambda: bool(proxy.held))
        proxy.cut(0)
        assert await is_reset(reader)
        await until(lambda: not proxy.pipes and server.ended[0])
        proxy.timeline.end(hole, proxy.clock.now_s)
        proxy.release()
        await until(lambda: proxy.clock.peek() == inf)
        assert [head(0)] == server.told
        assert [0] == proxy.balancer.connections


async def test_who_is_cut_while_it_connects_does_not_reach_the_server() -> None:
    async with running(Fault("reset")) as (proxy, server, connect):
        hole = proxy.timeline.begin(Fault("black_hole"), proxy.clock.now_s)
        reader, _ = await connect(0)
        await until(lambda: bool(proxy.held))
        proxy.cut(0)
        assert await is_reset(reader)
        proxy.timeline.end(hole, proxy.clock.now_s)
        proxy.release()
        await until(lambda: proxy.clock.peek() == inf)
        await connect(1)
        await until(lambda: bool(server.told and server.told[0]))
        assert [head(1)] == server.told
        assert [1] == proxy.balancer.connections


async def test_a_server_that_goes_down_while_somebody_connects_is_a_refusal() -> None:
    async with running() as (proxy, server, connect):
        hole = proxy.timeline.begin(Fault("black_hole"), proxy.clock.now_s)
        reader, _ = await connect(0)
        await until(lambda: bool(proxy.held))
        proxy.timeline.end(hole, proxy.clock.now_s)
        # It was there as the connection got on its way again, and is not when that arrives.
        proxy.release()
        proxy.server_ports = [None]
        assert await is_reset(reader)
        await until(lambda: not proxy.pipes)
        assert ([0], []) == (proxy.balancer.connections, server.told)


async def test_who_leaves_while_it_connects_does_not_reach_the_server() -> None:
    async with running() as (proxy, server, connect):
        hole = proxy.timeline.begin(Fault("black_hole"), proxy.clock.now_s)
        _, writer = await connect(0)
        await until(lambda: bool(proxy.held))
        writer.transport.abort()
        await until(lambda: not proxy.pipes)
        proxy.timeline.end(hole, proxy.clock.now_s)
        proxy.release()
        await until(lambda: proxy.clock.peek() == inf)
        assert [0] == proxy.balancer.connections
        await connect(1)
        await until(lambda: bool(server.told and server.told[0]))
        assert [head(1)] == server.told


async def test_an_outage_refuses_the_route_that_it_is_about() -> None:
    async with running(Fault("outage", route="websocket")) as (_, server, connect):
        refused, _ = await connect(1)
        assert await is_reset(refused)
        await connect(1, "poll")
        await until(lambda: bool(server.told and server.told[0]))
        assert [head(1, "poll")] == server.told


async def test_a_rejection_is_the_proxy_s_own_answer() -> None:
    reject = Fault("reject", status=429, retry_after_s=7)
    async with running(reject) as (_, server, connect):
        reader, _ = await connect(0)
        answer = await asyncio.wait_for(reader.read(), 60)
        assert answer.startswith(b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\n")
        assert [] == server.told


async def test_the_server_s_end_arrives_after_what_it_sent_before() -> None:
    async with running(path=Path(latency=Latency(mean_s=0.05))) as (proxy, server, connect):
        reader, _ = await connect(0)
        await pipe_of(proxy, server)
        server.writers[0].write(b"farewell")
        server.writers[0].close()
        assert b"farewell" == await asyncio.wait_for(reader.read(), 60)


async def test_the_client_s_end_arrives_after_what_it_sent_before_and_takes_no_bandwidth() -> None:
    async with running(path=Path(latency=Latency(mean_s=0.05))) as (proxy, server, connect):
        _, writer = await connect(0)
        await pipe_of(proxy, server)
        before = proxy.client_paths[0]._sent_up
        writer.write(b"farewell")
        await until(lambda: proxy.client_paths[0]._sent_up > before)
        narrow = Fault("bandwidth", bandwidth_bytes_per_s=0.001)
        proxy.timeline.begin(narrow, proxy.clock.now_s)
        writer.close()
        await until(lambda: server.ended[0])
        assert [head(0) + b"farewell"] == server.told


async def test_the_server_s_end_takes_no_bandwidth() -> None:
    async with running() as (proxy, server, connect):
        reader, _ = await connect(0)
        await pipe_of(proxy, server)
        narrow = Fault("bandwidth", bandwidth_bytes_per_s=0.001)
        proxy.timeline.begin(narrow, proxy.clock.now_s)
        server.writers[0].close()
        assert b"" == await asyncio.wait_for(reader.read(), 60)


async def test_what_is_idle_is_closed_when_it_has_been_so_for_long_enough_and_not_before() -> None:
    path = Path(latency=Latency(mean_s=0.0), idle_timeout_s=0.4, idle_action="close")
    async with running(path=path) as (proxy, server, connect):
        reader, writer = await connect(0)
        pipe = await pipe_of(proxy, server)
        await asyncio.sleep(0.1)
        writer.write(b"puts it off")
        assert await is_reset(reader)
        assert pipe._connection_path is not None
        # Whatever else the machine did meanwhile.
        assert proxy.clock.now_s >= pipe._connection_path.closes_s
        await until(lambda: not proxy.pipes)


async def test_what_has_ended_before_it_was_idle_for_too_long_is_let_go_once() -> None:
    path = Path(latency=Latency(mean_s=0.0), idle_timeout_s=0.2, idle_action="close")
    async with running(path=path) as (proxy, server, connect):
        _, writer = await connect(0)
        await pipe_of(proxy, server)
        writer.close()
        await until(lambda: not proxy.pipes and proxy.clock.peek() == inf)
        assert [0] == proxy.balancer.connections


@pytest.mark.parametrize("way", [Stream.UP, Stream.DOWN])
async def test_a_side_is_read_until_too_much_waits_and_again_once_half_of_it_is_gone(
    way: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So little that a socket takes each piece at once: only what the network holds waits.
    monkeypatch.setattr(proxy_module, "MOST_WAITING_BYTES", 1000)
    async with running() as (proxy, server, connect):
        await connect(0)
        pipe = await pipe_of(proxy, server)
        await until(lambda: pipe._up is not None and pipe._up.reached)
        source, other = (pipe._down, pipe._up) if way is Stream.UP else (pipe._up, pipe._down)
        assert source is not None
        assert other is not None
        proxy.timeline.begin(Fault("black_hole"), proxy.clock.now_s)
        is_paused = []
        for size in (499, 1, 499, 1):
            pipe._pass_on(way, b"x" * size)
            is_paused.append(source._is_paused)
        assert [False, False, False, True] == is_paused
        # They arrive one by one: 501 and then 500 bytes are left on the way.
        for size in (499, 1):
            pipe._deliver(way, b"x" * size)
            is_paused.append(source._is_paused)
        assert [True, False] == is_paused[4:]
        assert not other._is_paused


async def test_where_no_server_is_any_more_what_is_on_the_way_alone_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(proxy_module, "MOST_WAITING_BYTES", 1000)
    async with running() as (proxy, server, connect):
        await connect(0)
        pipe = await pipe_of(proxy, server)
        proxy.timeline.begin(Fault("black_hole"), proxy.clock.now_s)
        server.writers[0].close()
        await until(lambda: pipe._up is None)
        assert pipe._down is not None
        is_paused = []
        for size in (999, 1):
            pipe._pass_on(Stream.UP, b"x" * size)
            is_paused.append(pipe._down._is_paused)
        assert [False, True] == is_paused


async def test_closing_ends_every_connection_and_lets_nobody_in() -> None:
    async with running() as (proxy, server, connect):
        readers = [(await connect(client))[0] for client in (0, 1)]
        unnamed, writer = await asyncio.open_connection("127.0.0.1", server.proxy_port)
        await until(lambda: len(server.told) == 2 and all(server.told) and len(proxy.pipes) == 3)
        await proxy.close()
        assert set() == proxy.pipes
        assert [True] * 3 == [await is_reset(reader) for reader in (*readers, unnamed)]
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", server.proxy_port)
        writer.transport.abort()
        await until(lambda: all(server.ended))
        # To close what is closed does nothing.
        await proxy.close()


async def test_what_a_socket_has_not_taken_waits_too() -> None:
    async with running() as (proxy, server, connect):
        await connect(0)
        pipe = await pipe_of(proxy, server)
        assert pipe._up is not None
        assert pipe._down is not None
        # Nothing of it is on its way: all of it waits behind the server's and the client's sockets.
        for way, source, sink in (
            (Stream.UP, pipe._down, pipe._up),
            (Stream.DOWN, pipe._up, pipe._down),
        ):
            while sink.unsent_bytes < proxy_module.MOST_WAITING_BYTES:
                assert not source._is_paused
                pipe._pass_on(way, b"x" * 65536)
            assert source._is_paused
            assert 0 == pipe._on_the_way_bytes[way]


async def test_a_head_may_be_so_long_and_no_longer() -> None:
    async with running() as (proxy, server, _):
        ends = [await asyncio.open_connection("127.0.0.1", server.proxy_port) for _ in range(2)]
        for i, (_, writer) in enumerate(ends):
            writer.write(b"x" * (LONGEST_LINE_BYTES + i))
        assert await is_reset(ends[1][0])
        await until(lambda: [8192] == [len(pipe._head) for pipe in proxy.pipes])
        assert [False] == [pipe._cut for pipe in proxy.pipes]
        # It waits for the first line's end: then it says that this is nobody.
        ends[0][1].write(b"\r\n")
        assert await is_reset(ends[0][0])
        for _, writer in ends:
            writer.transport.abort()


async def test_a_first_line_that_comes_in_pieces_is_waited_for() -> None:
    async with running() as (proxy, server, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.proxy_port)
        writer.write(head(1)[:-2])
        await until(lambda: any(pipe._head for pipe in proxy.pipes))
        assert [-1] == [pipe.client for pipe in proxy.pipes]
        writer.write(head(1)[-2:])
        assert 1 == (await pipe_of(proxy, server)).client
        assert [head(1)] == server.told
        assert not reader.at_eof()
        writer.transport.abort()


async def test_a_head_that_comes_in_pieces_is_read_once_and_passed_on_whole() -> None:
    async with running(path=Path(latency=Latency(mean_s=0.05))) as (proxy, server, connect):
        for number in range(2):
            _, writer = await connect(number)
            await until(lambda number=number: any(p.client == number for p in proxy.pipes))
            writer.write(b"Host: here\r\n\r\n")
            whole = head(number) + b"Host: here\r\n\r\n"
            await until(lambda whole=whole: whole in server.told)
            assert [number + 1] == proxy.balancer.connections


@pytest.mark.parametrize("client", [0, 1])
async def test_who_cannot_be_read_is_known_by_the_port_it_comes_from(client: int) -> None:
    async with running() as (proxy, server, _):
        proxy.passes_tls = True
        begun = begin_connecting(("127.0.0.1", server.proxy_port), own_port=True)
        proxy.expected[begun.getsockname()[1]] = (client, 3)
        await until(lambda: select.select([], [begun], [], 0)[1] != [])
        _, writer = await asyncio.open_connection(sock=begun)
        writer.write(b"\x16\x03\x01 no line")
        pipe = await pipe_of(proxy, server)
        assert client == pipe.client
        assert [b"\x16\x03\x01 no line"] == server.told
        writer.transport.abort()
        await until(lambda: not proxy.pipes)
        assert {} == proxy.expected


async def test_who_never_said_who_it_is_was_on_no_server() -> None:
    async with running() as (proxy, server, _):
        _, writer = await asyncio.open_connection("127.0.0.1", server.proxy_port)
        await until(lambda: len(proxy.pipes) == 1)
        writer.transport.abort()
        await until(lambda: not proxy.pipes)
        assert [0] == proxy.balancer.connections


async def test_a_server_that_does_not_listen_is_a_refusal() -> None:
    async with running() as (proxy, server, connect):
        with socket.create_server(("127.0.0.1", 0)) as gone:
            proxy.server_ports = [gone.getsockname()[1]]
        reader, _ = await connect(0)
        assert await is_reset(reader)
        await until(lambda: not proxy.pipes)
        assert [0] == proxy.balancer.connections
        assert [] == server.told


@pytest.mark.parametrize(
    ("fault", "answer"),
    [
        (
            Fault("reject", status=503),
            b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n",
        ),
        (Fault("reject", status=599), b"HTTP/1.1 599 Rejected\r\nContent-Length: 0\r\n"),
        (
            Fault("reject", status=429, retry_after_s=1),
            b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\n",
        ),
    ],
)
async def test_a_rejection_says_what_the_fault_says_and_no_more(
    fault: Fault, answer: bytes
) -> None:
    async with running(fault) as (proxy, _, connect):
        reader, _ = await connect(0)
        said = await asyncio.wait_for(reader.read(), 60)
        assert answer + b"Connection: close\r\n\r\n" == said
        await until(lambda: not proxy.pipes)


async def test_a_crowd_is_cut_a_few_at_a_time() -> None:
    async with running(Fault("reset")) as (proxy, server, connect):
        readers = [(await connect(0))[0] for _ in range(45)]
        await until(lambda: len(server.told) == 45 and all(server.told))
        pipes = list(proxy.pipes)
        proxy.cut(0)
        # Sockets that have work get on before the next ones are cut.
        assert 20 == sum(pipe._cut for pipe in pipes)
        assert all([await is_reset(reader) for reader in readers])
        await until(lambda: not proxy.pipes)
