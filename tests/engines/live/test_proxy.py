"""The proxy as a stranger meets it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from simlib.core.client_path import ClientPath
from simlib.core.faults import Timeline
from simlib.core.path import Latency, Path
from simlib.engines.live.clock import WallClock
from simlib.engines.live.proxy import Proxy

pytestmark = pytest.mark.live


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    loop = asyncio.get_running_loop()
    clock = WallClock(loop, loop.time())
    timeline = Timeline((), 1)
    client_path = ClientPath(Path(latency=Latency(mean_s=0.0)), timeline, 1, 0)
    made = Proxy(clock, timeline, [client_path])
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
    proxy.server_port = server.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", await proxy.listen())
    writer.write(FIRST[:10])
    await writer.drain()
    writer.write(FIRST[10:])
    for i in range(100):
        writer.write(b"%03d" % i)
    expected = FIRST + b"".join(b"%03d" % i for i in range(100))
    assert await asyncio.wait_for(reader.readexactly(len(expected)), 5) == expected
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
    reader, writer = await asyncio.open_connection("127.0.0.1", await proxy.listen())
    writer.write(head)
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(reader.read(1), 5)
    writer.close()


async def test_no_server_is_a_refusal(proxy: Proxy) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", await proxy.listen())
    writer.write(FIRST)
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(reader.read(1), 5)
    writer.close()
    assert not proxy.pipes
