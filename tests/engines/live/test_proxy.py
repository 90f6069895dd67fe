"""The proxy as a stranger meets it."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from simlib.core.balancer import Balance, Balancer
from simlib.core.client_path import ClientPath
from simlib.core.draws import Stream
from simlib.core.faults import Timeline
from simlib.core.path import Latency, Path
from simlib.engines.live import acceptor
from simlib.engines.live.clock import WallClock
from simlib.engines.live.proxy import LONGEST_LINE_BYTES, Proxy
from simlib.engines.sockets import MOST_WAITING_BYTES, READ_BYTES

pytestmark = pytest.mark.live


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    loop = asyncio.get_running_loop()
    clock = WallClock(loop, loop.time())
    timeline = Timeline((), 1)
    client_path = ClientPath(Path(latency=Latency(mean_s=0.0)), timeline, 1, 0)
    made = Proxy(clock, timeline, [client_path], Balancer(Balance.FIXED, 1, 1, timeline))
    yield made
    await made.close()
    clock.stop()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1000):
        writer.write(data)
    writer.close()


FIRST = b"GET /ws?client=0&connection=1 HTTP/1.1\r\n"


async def test_bytes_pass_in_order_and_ends_follow_them(proxy: Proxy) -> None:
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    proxy.server_ports = [server.sockets[0].getsockname()[1]]
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.listen())
    writer.write(FIRST[:10])
    await writer.drain()
    writer.write(FIRST[10:])
    for i in range(100):
        writer.write(b"%03d" % i)
    expected = FIRST + b"".join(b"%03d" % i for i in range(100))
    assert await asyncio.wait_for(reader.readexactly(len(expected)), 60) == expected
    server.close()
    writer.close()
    await writer.wait_closed()
    await proxy.close()
    assert not proxy.pipes


@pytest.mark.parametrize(
    "head",
    [
        b"\x16\x03\x01 TLS\r\n",
        b"GET /ws HTTP/1.1\r\n",
        b"GET /ws?client=1&connection=1 HTTP/1.1\r\n",
        b"x" * 9000,
    ],
)
async def test_what_is_no_client_of_the_run_is_reset(proxy: Proxy, head: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.listen())
    writer.write(head)
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(reader.read(1), 60)
    writer.close()


@pytest.mark.parametrize("size_bytes", [LONGEST_LINE_BYTES + 1, 20 * MOST_WAITING_BYTES])
async def test_what_follows_the_first_line_waits_for_the_connection(
    proxy: Proxy, size_bytes: int
) -> None:
    came = bytearray()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(READ_BYTES):
            came.extend(data)
        writer.close()

    slow = Path(latency=Latency(mean_s=0.2))
    proxy.client_paths = [ClientPath(slow, proxy.timeline, 1, 0)]
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    proxy.server_ports = [server.sockets[0].getsockname()[1]]
    _, writer = await asyncio.open_connection("127.0.0.1", proxy.listen())
    sent = FIRST + b"x" * (size_bytes - 1) + b"."
    writer.write(sent)
    async with asyncio.timeout(60):
        while bytes(came) != sent:
            assert all(len(pipe._head) < MOST_WAITING_BYTES + READ_BYTES for pipe in proxy.pipes)
            await asyncio.sleep(0.01)
    writer.close()
    server.close()


async def test_no_server_is_a_refusal(proxy: Proxy) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.listen())
    writer.write(FIRST)
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(reader.read(1), 60)
    writer.close()
    assert not proxy.pipes


async def test_a_crowd_is_let_in_a_few_at_a_time_and_nobody_is_forgotten(proxy: Proxy) -> None:
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    proxy.server_ports = [server.sockets[0].getsockname()[1]]
    port = proxy.listen()

    async def say(number: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(FIRST + b"%03d" % number)
        said = await reader.readexactly(len(FIRST) + 3)
        writer.close()
        return said[-3:]

    said = await asyncio.wait_for(asyncio.gather(*map(say, range(200))), 60)
    assert [b"%03d" % number for number in range(200)] == said
    server.close()


async def test_who_comes_when_there_are_no_files_left_is_let_in_later(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acceptor, "_FULL_S", 0.01)
    accept, refused = socket.socket.accept, []

    def accept_after_one_failure(listener: socket.socket) -> Any:
        if not refused:
            refused.append(True)
            raise OSError(errno.EMFILE, "too many open files")
        return accept(listener)

    monkeypatch.setattr(socket.socket, "accept", accept_after_one_failure)
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.listen())
    writer.write(FIRST)  # there is no server: the proxy is there to say so
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(reader.read(1), 60)
    assert refused
    writer.close()


#: More than all buffers on the way together take.
MUCH = 64 * 1024 * 1024


async def pour(writer: asyncio.StreamWriter, poured: list[int]) -> None:
    """Write as long as there is room."""
    while poured[0] < MUCH:
        writer.write(b"x" * 65536)
        poured[0] += 65536
        await writer.drain()


async def stands_still(poured: list[int]) -> None:
    """Wait until no more is taken."""
    async with asyncio.timeout(60):
        before = -1
        while before != poured[0]:
            before = poured[0]
            await asyncio.sleep(1.0)


def waiting_bytes(proxy: Proxy) -> int:
    return sum(
        pipe._on_the_way_bytes[way] + sink.unsent_bytes
        for pipe in proxy.pipes
        for way, sink in ((Stream.UP, pipe._up), (Stream.DOWN, pipe._down))
        if sink is not None
    )


@pytest.mark.parametrize("reader_is", ["server", "client"])
async def test_who_does_not_read_slows_the_other_side_down(proxy: Proxy, reader_is: str) -> None:
    poured, pouring, writers, begun = [0], [], [], asyncio.Event()

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        begun.set()
        if reader_is == "client":
            pouring.append(asyncio.ensure_future(pour(writer, poured)))

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1024)
    proxy.server_ports = [server.sockets[0].getsockname()[1]]
    _, writer = await asyncio.open_connection("127.0.0.1", proxy.listen(), limit=1024)
    writer.write(FIRST)
    await asyncio.wait_for(begun.wait(), 60)
    if reader_is == "server":
        pouring.append(asyncio.ensure_future(pour(writer, poured)))
    await stands_still(poured)
    assert 0 < poured[0] < MUCH
    assert waiting_bytes(proxy) <= MOST_WAITING_BYTES + READ_BYTES
    for task in pouring:
        task.cancel()
    for each in (writer, *writers):
        each.transport.abort()
    await asyncio.gather(
        *(each.wait_closed() for each in (writer, *writers)), *pouring, return_exceptions=True
    )
    server.close()
