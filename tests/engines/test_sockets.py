"""Sockets are closed, whatever moment they are in."""

import asyncio
import gc
import socket
from contextlib import suppress

import pytest

from simlib.engines import sockets


@pytest.mark.few(2)
@pytest.mark.live
@pytest.mark.parametrize("turns", range(5))
def test_no_socket_is_left_by_a_server_that_stops_while_it_accepts(turns):
    made = []

    class Protocol(asyncio.Protocol):
        def connection_made(self, transport):
            made.append(transport)
            transport.abort()

    async def play():
        server = await asyncio.get_running_loop().create_server(Protocol, "127.0.0.1", 0)
        client = socket.create_connection(server.sockets[0].getsockname())
        for _ in range(turns):
            await asyncio.sleep(0)
        await sockets.stop_listening([server])
        await asyncio.sleep(0)
        assert [] == list(server.sockets)
        return client

    with asyncio.run(play()) as client:
        client.settimeout(60.0)
        with suppress(ConnectionResetError):
            assert b"" == client.recv(1)
    gc.collect()  # a socket without an owner would warn here, and a warning is an error
    assert turns < 2 or made
