"""Options and close of TCP sockets beneath their transports."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Sequence

#: Turns of the loop until what it has accepted is a connection.
_TURNS = 3
#: What is read at once: memory that a process has at hand. For asyncio's own 256 KiB it asks the
#: system each time, and gives them back, which takes three times as long as to read a message.
READ_BYTES = 64 * 1024
#: When so much waits in a proxy for one way of a connection, it reads no more before some of it is
#: gone; one read may come on top. TCP itself slows the sender down then, as without a proxy.
MOST_WAITING_BYTES = 256 * 1024


def read_quickly(transport: asyncio.BaseTransport) -> None:
    """Have a transport read no more at once than is cheap; others than asyncio's own stay."""
    if hasattr(transport, "max_size"):
        transport.max_size = READ_BYTES


def reset(transport: asyncio.Transport) -> None:
    """Close with a reset (RST) rather than a polite end; what is on its way is lost."""
    connection = transport.get_extra_info("socket")
    if connection is not None and connection.fileno() >= 0:
        linger = struct.pack("ii", 1, 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    transport.abort()


async def stop_listening(servers: Sequence[asyncio.Server]) -> None:
    """Close servers, and leave no socket without an owner.

    A server that is closed does not take what it has accepted and not yet made a connection of
    (Python 3.11): that socket would stay open until it is collected as garbage.
    """
    loop = asyncio.get_running_loop()
    for listener in (listener for server in servers for listener in server.sockets):
        loop.remove_reader(listener.fileno())
    for _ in range(_TURNS):
        await asyncio.sleep(0)
    for server in servers:
        server.close()
