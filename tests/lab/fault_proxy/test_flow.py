"""One way of a connection through the fault proxy: when its source is read, and when not."""

import asyncio
import socket
from contextlib import asynccontextmanager

import pytest

from simlib.core.draws import Stream
from simlib.engines.live.tcp import TcpConnection
from simlib.lab.fault_proxy import flow as flow_module
from simlib.lab.fault_proxy.effects import EffectKind, ProxyEffect
from simlib.lab.fault_proxy.flow import Flow

pytestmark = pytest.mark.live


@asynccontextmanager
async def joined():
    """A flow between two sockets, its source, and what is read at its far end."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        ends = [socket.create_connection(listening.getsockname()) for _ in range(2)]
        sides = [TcpConnection(end, lambda _: None, lambda: None) for end in ends]
        accepted = [listening.accept()[0] for _ in range(2)]
    flow = Flow(Stream.UP, 1, 1)
    flow.join(*sides)
    try:
        yield flow, sides[0], accepted[1]
    finally:
        flow.drop()
        for side in sides:
            side.reset()
        for each in accepted:
            each.close()
        await asyncio.sleep(0.001)


async def test_a_source_is_read_until_too_much_is_held(monkeypatch):
    monkeypatch.setattr(flow_module, "MOST_WAITING_BYTES", 1000)
    async with joined() as (flow, source, far):
        flow.change([ProxyEffect(kind=EffectKind.HOLD)])
        is_paused = []
        for size in (999, 1):
            flow.receive(b"x" * size)
            is_paused.append(source._is_paused)
        assert [False, True] == is_paused
        flow.change([])
        assert not source._is_paused
        assert 0 == flow.held_bytes
        far.settimeout(60)
        came = b""
        while len(came) < 1000:
            came += far.recv(1000)
        assert b"x" * 1000 == came


async def test_a_source_is_read_again_once_half_of_it_is_gone(monkeypatch):
    monkeypatch.setattr(flow_module, "MOST_WAITING_BYTES", 100)
    async with joined() as (flow, source, _):
        # Ten bytes at a time; however late this is looked at, it holds.
        flow.change([ProxyEffect(kind=EffectKind.BANDWIDTH, bandwidth_bytes_per_s=200)])
        flow.receive(b"x" * 100)
        async with asyncio.timeout(60):
            while flow.held_bytes > 20:
                assert source._is_paused == (flow.held_bytes > 50)
                await asyncio.sleep(0.001)
