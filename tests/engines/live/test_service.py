"""The service as a stranger meets it: over a real socket, with good and bad requests."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from simlib.core.events import CloseClients, Revoke
from simlib.engines.live.processes import Processes
from simlib.engines.live.service import listen_on
from simlib.trace.columns import Name

pytestmark = pytest.mark.live
WHERE = "client=0&connection={}"


@asynccontextmanager
async def serving(folder: Path, **server: Any) -> AsyncIterator[tuple[Processes, str]]:
    """A real server process and its address."""
    service = Processes(server, 1, folder)
    try:
        await service.prepare(1)
        yield service, f"127.0.0.1:{await service.listen()}"
    finally:
        await service.end()


@pytest.fixture
async def address(tmp_path: Path) -> AsyncIterator[str]:
    async with serving(tmp_path, rate={"per_s": 0.001, "burst": 2}, max_connections=1) as (_, at):
        yield at


def http() -> httpx.AsyncClient:
    return httpx.AsyncClient(trust_env=False)


# --- messages ----------------------------------------------------------------------------


def test_an_answer_does_not_wait_for_the_next_message() -> None:
    with listen_on(0) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_messages_are_answered_over_websocket_and_http(address: str) -> None:
    async with connect(f"ws://{address}/ws?{WHERE.format(1)}", proxy=None) as websocket:
        await websocket.send('{"message": 0}')
        assert '"answer": "accepted"' in str(await websocket.recv())
    async with http() as browser:
        url = f"http://{address}/messages?{WHERE}"
        again = await browser.post(url.format(2), content='{"message": 0}')
        assert (again.status_code, again.json()["answer"]) == (200, "duplicate")
        limited = await browser.post(url.format(3), content='{"message": 1}')
        assert (limited.status_code, limited.json()["answer"]) == (429, "limited")
        assert limited.json()["retry_after_s"] > 0
        poll = await browser.get(f"http://{address}/poll?{WHERE.format(4)}")
        assert poll.json() == {"updates": []}


async def test_an_edit_is_published_to_those_who_follow_and_a_stale_one_is_a_conflict(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path, history=1) as (_, at), http() as browser:
        async with connect(f"ws://{at}/ws?client=1&connection=1", proxy=None) as reader:
            await reader.send('{"subscribe": 5, "after": 0}')
            url = f"http://{at}/messages?{WHERE}"
            first = await browser.post(url.format(1), content='{"message": 0, "key": 5, "base": 0}')
            assert ("accepted", 1) == (first.json()["answer"], first.json()["version"])
            assert '{"channel": 5, "version": 1, "whole": false}' == await reader.recv()
            stale = await browser.post(url.format(2), content='{"message": 1, "key": 5, "base": 0}')
            assert ("conflict", 1) == (stale.json()["answer"], stale.json()["version"])
            await browser.post(url.format(3), content='{"message": 2, "key": 5, "base": 1}')
            assert '{"channel": 5, "version": 2, "whole": false}' == await reader.recv()
        # Who comes back too late for the history gets the newest, and by polling all of it.
        async with connect(f"ws://{at}/ws?client=1&connection=2", proxy=None) as reader:
            await reader.send('{"subscribe": 5, "after": 0}')
            assert '{"channel": 5, "version": 2, "whole": false}' == await reader.recv()
            await reader.send('{"fetch": 5}')
            assert '{"channel": 5, "version": 2, "whole": true}' == await reader.recv()
        poll = await browser.get(f"http://{at}/poll?{WHERE.format(4)}&channels=5:0,6:0")
        assert [{"channel": 5, "version": 2, "whole": True}] == poll.json()["updates"]


async def test_a_second_connection_is_shed(address: str) -> None:
    async with connect(f"ws://{address}/ws?{WHERE.format(1)}", proxy=None):
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"ws://{address}/ws?{WHERE.format(2)}", proxy=None)
    assert refused.value.response.status_code == 503


async def test_texts_are_answered_in_their_order_whole_or_in_pieces(address: str) -> None:
    async with connect(f"ws://{address}/ws?{WHERE.format(1)}", proxy=None) as websocket:
        await websocket.send(['{"message"', ": 0}"])
        await websocket.send('{"message": 1}')
        await websocket.send('{"message": 2}')
        answered = [json.loads(await websocket.recv()) for _ in range(3)]
    assert [(0, "accepted"), (1, "accepted"), (2, "limited")] == [
        (answer["message"], answer["answer"]) for answer in answered
    ]


async def test_many_texts_at_once_are_all_answered_and_all_logged(tmp_path: Path) -> None:
    async with serving(tmp_path) as (service, at):
        async with connect(f"ws://{at}/ws?{WHERE.format(1)}", proxy=None) as websocket:
            for number in range(500):
                await websocket.send(f'{{"message": {number}}}')
            answered = [json.loads(await websocket.recv())["message"] for _ in range(500)]
        # The process goes on: what it has said is in its log by then.
        logged = [line[4] for line in service.log_lines() if line[1] == Name.PROCESS]
    assert list(range(500)) == answered == logged


# --- what nobody should say --------------------------------------------------------------


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("not json", 1003),
        ("[]", 1003),
        ('{"message": -1}', 1003),
        ('{"message": 1e400}', 1003),
        ('{"message": "x"}', 1003),
        (b"\0", 1003),
        ("x" * 2_000_001, 1009),
    ],
    ids=["text", "list", "negative", "huge", "word", "binary", "oversized"],
)
async def test_a_frame_that_is_no_message_closes_the_connection(
    address: str, frame: str | bytes, code: int
) -> None:
    async with connect(f"ws://{address}/ws?{WHERE.format(1)}", proxy=None) as websocket:
        await websocket.send(frame)
        with pytest.raises(ConnectionClosedError, match=str(code)):
            await websocket.recv()
    async with http() as browser:
        assert 200 == (await browser.get(f"http://{address}/health")).status_code


async def test_a_thousand_subscriptions_are_too_many(address: str) -> None:
    async with connect(f"ws://{address}/ws?{WHERE.format(1)}", proxy=None) as websocket:
        with suppress(ConnectionClosedError):
            for channel in range(1000):
                await websocket.send(f'{{"subscribe": {channel}, "after": 0}}')
        with pytest.raises(ConnectionClosedError, match="1008"):
            await websocket.recv()


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("query", "body", "error"),
    [
        (WHERE.format(1), "not json", "a frame is not JSON"),
        (WHERE.format(1), '{"subscribe": 1}', "only messages are posted"),
        ("client=0", "{}", "the address must name client and connection"),
        ("client=0&connection=x", "{}", "the address must name client and connection"),
        (f"client=0&connection={1 << 40}", "{}", "client or connection is out of bounds"),
        (f"{WHERE.format(1)}&token=abc", "{}", "token has no place in an address"),
    ],
)
async def test_a_bad_request_is_told_what_is_wrong(
    address: str, query: str, body: str, error: str
) -> None:
    async with http() as browser:
        response = await browser.post(f"http://{address}/messages?{query}", content=body)
    assert 400 == response.status_code
    assert response.json()["error"].startswith(error)


@pytest.mark.parametrize("query", ["client=0", f"{WHERE.format(1)}&access_token=abc"])
async def test_a_handshake_with_a_bad_address_is_refused(address: str, query: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await connect(f"ws://{address}/ws?{query}", proxy=None)
    assert 400 == refused.value.response.status_code


# --- sessions ----------------------------------------------------------------------------


async def sign_in(browser: httpx.AsyncClient, service: Processes, at: str, client: int) -> str:
    """Sign a client in; return its Set-Cookie header."""
    url = f"http://{at}/login?client={client}&connection=1"
    response = await browser.post(url, content=service.password)
    assert 200 == response.status_code
    browser.cookies.clear()
    return response.headers["set-cookie"]


async def handshake(at: str, cookie: str, **headers: str) -> int:
    """The status that a handshake with a cookie is answered with."""
    try:
        async with connect(
            f"ws://{at}/ws?{WHERE.format(2)}",
            proxy=None,
            additional_headers={"Cookie": cookie} | headers,
        ):
            return 101
    except InvalidStatus as error:
        return error.response.status_code


async def test_only_the_user_s_own_unaltered_cookie_opens_anything(tmp_path: Path) -> None:
    async with serving(tmp_path, session_lifetime_s=60) as (service, at), http() as browser:
        header = await sign_in(browser, service, at, 0)
        assert "httponly" in header.lower()
        assert "samesite=strict" in header.lower()
        own = header.partition(";")[0]
        other = (await sign_in(browser, service, at, 1)).partition(";")[0]
        name, value = own.split("=", 1)
        body, _, signature = value.partition(".")
        forged = f"{name}={'A' if body[0] != 'A' else 'B'}{body[1:]}.{signature}"
        wrong = {"none": "", "truncated": own[:-4], "forged": forged, "another user's": other}
        for cookie in wrong.values():
            assert 401 == await handshake(at, cookie)
            for path in ("poll", "messages"):
                method = "GET" if path == "poll" else "POST"
                response = await browser.request(
                    method,
                    f"http://{at}/{path}?{WHERE.format(3)}",
                    headers={"Cookie": cookie},
                    content='{"message": 0}' if path == "messages" else None,
                )
                assert (401, b"") == (response.status_code, response.content)
        assert 101 == await handshake(at, own)


async def test_a_wrong_password_is_no_sign_in(tmp_path: Path) -> None:
    async with serving(tmp_path, session_lifetime_s=60) as (_, at), http() as browser:
        response = await browser.post(f"http://{at}/login?{WHERE.format(1)}", content="guess")
        assert 403 == response.status_code
        assert "set-cookie" not in response.headers


async def test_a_page_of_another_site_cannot_use_its_visitor_s_cookie(tmp_path: Path) -> None:
    async with serving(tmp_path, session_lifetime_s=60) as (service, at), http() as browser:
        cookie = (await sign_in(browser, service, at, 0)).partition(";")[0]
        assert 403 == await handshake(at, cookie, Origin="http://evil.example")
        assert 101 == await handshake(at, cookie, Origin=f"http://{at}")


async def test_a_session_that_is_over_ends_its_connection(tmp_path: Path) -> None:
    async with serving(tmp_path, session_lifetime_s=60) as (service, at), http() as browser:
        cookie = (await sign_in(browser, service, at, 0)).partition(";")[0]
        address = f"ws://{at}/ws?{WHERE.format(2)}"
        headers = {"Cookie": cookie}
        async with connect(address, proxy=None, additional_headers=headers) as websocket:
            service.order(Revoke())
            with pytest.raises(ConnectionClosedError, match="4401"):
                await websocket.recv()
        assert 401 == await handshake(at, cookie)


# --- the operator ------------------------------------------------------------------------


async def test_a_close_says_when_to_come_back(tmp_path: Path) -> None:
    async with (
        serving(tmp_path) as (service, at),
        connect(f"ws://{at}/ws?{WHERE.format(1)}", proxy=None) as websocket,
    ):
        service.order(CloseClients(frozenset({0}), 1013, 0.0, 5.0))
        with pytest.raises(ConnectionClosedError, match=r"1013.*retry_after_s=5"):
            await websocket.recv()


async def test_who_is_admitted_while_the_server_closes_everybody_is_closed_too(
    tmp_path: Path,
) -> None:
    # The handshake takes its time, so the close is decided before the handshake is answered.
    async with serving(tmp_path, handshake_service_s=0.05) as (service, at):
        until_s = asyncio.get_running_loop().time() + 600
        service.order(CloseClients(frozenset({0}), 1013, until_s, 5.0))
        async with connect(f"ws://{at}/ws?{WHERE.format(1)}", proxy=None) as websocket:
            with pytest.raises(ConnectionClosedError, match=r"1013.*retry_after_s=5"):
                await asyncio.wait_for(websocket.recv(), 60)


async def test_text_that_is_no_unicode_ends_its_connection(address: str) -> None:
    async with connect(f"ws://{address}/ws?{WHERE.format(1)}", proxy=None) as websocket:
        await websocket.send(b"\xff", text=True)
        with pytest.raises(ConnectionClosedError, match="1007"):
            await asyncio.wait_for(websocket.recv(), 60)
