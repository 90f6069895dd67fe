"""What bare `websockets` reaches on this machine: the yardstick of the live engine."""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from websockets.asyncio.client import ClientConnection, connect

from simlib.core.events import Message
from simlib.engines.live.codec import message_text


@contextmanager
def server() -> Iterator[str]:
    """Run the bare server; give its URI."""
    script = Path(__file__).with_name("bare_server.py")
    # In a session of its own, as the service is: Linux shares processors among sessions, so on a
    # busy machine it matters whether two processes are in one.
    process = subprocess.Popen(
        [sys.executable, script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        try:
            yield f"ws://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


def connections_per_s(uri: str, clients: int) -> float:
    """Open so many connections, all asked for at once, from this process."""
    return asyncio.run(_connections_per_s(uri, clients))


def round_trip_s(uri: str, messages: int, gap_s: float, size_bytes: int) -> float:
    """Send messages one by one at an even pace over one connection; return the median."""
    return asyncio.run(_round_trip_s(uri, messages, gap_s, size_bytes))


async def _connections_per_s(uri: str, clients: int) -> float:
    began_s = time.perf_counter()
    connections = await asyncio.gather(*(_connect(uri) for _ in range(clients)))
    spent_s = time.perf_counter() - began_s
    await asyncio.gather(*(connection.close() for connection in connections))
    return clients / spent_s


async def _round_trip_s(uri: str, messages: int, gap_s: float, size_bytes: int) -> float:
    connection = await _connect(uri)
    began_s, taken_s = time.perf_counter(), []
    for i in range(messages):
        await asyncio.sleep(began_s + gap_s * i - time.perf_counter())
        sent_s = time.perf_counter()
        await connection.send(message_text(Message(i, size_bytes=size_bytes)))
        await connection.recv()
        taken_s.append(time.perf_counter() - sent_s)
    await connection.close()
    return statistics.median(taken_s)


async def _connect(uri: str) -> ClientConnection:
    return await connect(uri, compression=None, ping_interval=None, open_timeout=60)
