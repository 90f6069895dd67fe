"""One end of a TCP connection on the event loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from simlib.engines.live.tcp import TcpConnection, begin_connecting

pytestmark = pytest.mark.live
#: More than the system holds for a reader that does not read.
MUCH = bytes(range(256)) * 80_000


class Owner:
    """Hears a connection, and keeps what it hears."""

    def __init__(self, own: socket.socket) -> None:
        self.heard = b""
        self.ends = 0
        self.over = asyncio.Event()
        self.tcp = TcpConnection(own, self._hear, self._end)

    def _hear(self, data: bytes) -> None:
        self.heard += data

    def _end(self) -> None:
        self.ends += 1
        self.over.set()


@asynccontextmanager
async def listening() -> AsyncIterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield listener


async def pair(listener: socket.socket) -> tuple[Owner, Owner]:
    """Both ends of a connection."""
    near = Owner(begin_connecting(listener.getsockname()))
    accepted, _ = await asyncio.get_running_loop().sock_accept(listener)
    return near, Owner(accepted)


async def ended(*owners: Owner) -> None:
    for owner in owners:
        await asyncio.wait_for(owner.over.wait(), 60)
    assert [1] * len(owners) == [owner.ends for owner in owners]


async def test_all_that_is_written_comes_in_order_and_the_end_after_it() -> None:
    async with listening() as listener:
        near, far = await pair(listener)
        for start in range(0, len(MUCH), 1_000_000):
            near.tcp.write(MUCH[start : start + 1_000_000])
        near.tcp.close()
        near.tcp.write(b"too late")
        await ended(near, far)
    assert MUCH == far.heard
    assert near.tcp.reached


async def test_what_is_written_before_it_is_connected_is_sent_then() -> None:
    async with listening() as listener:
        near = Owner(begin_connecting(listener.getsockname()))
        near.tcp.write(b"early")
        accepted, _ = await asyncio.get_running_loop().sock_accept(listener)
        far = Owner(accepted)
        near.tcp.close()
        await ended(near, far)
    assert b"early" == far.heard


async def test_a_reset_is_a_reset_to_the_other_side_and_ends_both_once() -> None:
    async with listening() as listener:
        near, far = await pair(listener)
        far.tcp.reset()
        assert 0 == far.ends  # not from inside the call
        far.tcp.reset()
        await ended(near, far)


async def test_a_reset_is_told_from_an_end_by_any_client() -> None:
    async with listening() as listener:
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        accepted, _ = await asyncio.get_running_loop().sock_accept(listener)
        Owner(accepted).tcp.reset()
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(reader.read(), 60)
        writer.close()


async def test_who_is_refused_has_never_reached_anybody() -> None:
    async with listening() as listener:
        address = listener.getsockname()
    try:
        near = Owner(begin_connecting(address))
    except ConnectionRefusedError:
        return  # as some systems say at once
    near.tcp.write(b"is anybody there?")
    await ended(near)
    assert not near.tcp.reached


async def test_a_port_of_its_own_is_known_before_it_is_connected() -> None:
    async with listening() as listener:
        connecting = begin_connecting(listener.getsockname(), own_port=True)
        port = connecting.getsockname()[1]
        accepted, peer = await asyncio.get_running_loop().sock_accept(listener)
        assert port == peer[1] != 0
        connecting.close()
        accepted.close()
