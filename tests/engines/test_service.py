"""The service as a stranger meets it: over a real socket, with good and bad requests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from simlib.engines.processes import Processes

pytestmark = pytest.mark.live


@pytest.fixture
async def address(tmp_path: Path) -> AsyncIterator[str]:
    service = Processes({"rate": {"per_s": 0.001, "burst": 2}, "max_connections": 1}, tmp_path)
    try:
        await service.prepare(1)
        yield f"127.0.0.1:{await service.listen()}"
    finally:
        await service.end()


async def test_messages_are_answered_over_websocket_and_http(address: str) -> None:
    where = "client=0&connection={}"
    async with connect(f"ws://{address}/ws?{where.format(1)}", proxy=None) as websocket:
        await websocket.send('{"message": 0}')
        assert '"answer": "accepted"' in str(await websocket.recv())
    async with httpx.AsyncClient(trust_env=False) as http:
        url = f"http://{address}/messages?{where}"
        again = await http.post(url.format(2), content='{"message": 0}')
        assert (again.status_code, again.json()["answer"]) == (200, "duplicate")
        limited = await http.post(url.format(3), content='{"message": 1}')
        assert (limited.status_code, limited.json()["answer"]) == (429, "limited")
        assert limited.json()["retry_after_s"] > 0
        poll = await http.get(f"http://{address}/poll?client=0&connection=4")
        assert poll.json() == {"messages": []}


@pytest.mark.parametrize("frame", ["not json", "[]", '{"message": -1}', '{"message": "x"}', b"\0"])
async def test_a_frame_that_is_no_message_closes_the_connection(
    address: str, frame: str | bytes
) -> None:
    async with connect(f"ws://{address}/ws?client=0&connection=1", proxy=None) as websocket:
        await websocket.send(frame)
        with pytest.raises(ConnectionClosedError, match="1003"):
            await websocket.recv()


async def test_a_body_that_is_no_message_is_a_bad_request(address: str) -> None:
    async with httpx.AsyncClient(trust_env=False) as http:
        url = f"http://{address}/messages?client=0&connection=1"
        response = await http.post(url, content="not json")
    assert (response.status_code, response.json()) == (400, {"error": "a frame is not JSON"})


async def test_a_second_connection_is_shed(address: str) -> None:
    async with connect(f"ws://{address}/ws?client=0&connection=1", proxy=None):
        with pytest.raises(InvalidStatus, match="503"):
            await connect(f"ws://{address}/ws?client=1&connection=1", proxy=None)
