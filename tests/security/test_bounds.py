"""What strangers do over real sockets is bounded in memory and descriptors, counted and told."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute

import simlib as sl
from simlib.engines.live import codec
from simlib.engines.live.processes import Processes
from simlib.engines.live.service import listen_on
from simlib.engines.live.service_socket import MOST_UNREAD_BYTES, DirectProtocol, ServiceSocket
from simlib.engines.sockets import MOST_WAITING_BYTES
from simlib.lab.fault_proxy import relay
from simlib.lab.fault_proxy.flow import MOST_PIECES
from simlib.lab.observe import endpoint
from simlib.lab.observe.endpoint import MAX_MESSAGE_BYTES
from simlib.lab.observe.session import FLOOD_PER_S, MOST_OPEN
from tests.lab.fault_proxy.proxy_process import running
from tests.security.sockets import (
    MADE,
    Use,
    close_code,
    crowd,
    dial,
    ended,
    frame,
    is_open,
    is_turned_away,
    push,
    request,
    until,
    upgraded,
)

pytestmark = pytest.mark.live


@pytest.fixture(autouse=True)
def close_sockets():
    yield
    while MADE:
        MADE.pop().close()


TEXT, PING = 1, 9
#: Growth that is no leak: buffers of the allocator, code that is loaded late.
SMALL_MIB = 30.0


@contextmanager
def serving(folder, moment="at_s = 100"):
    """`simlib serve` as a process, and its port."""
    (folder / "s.toml").write_text(f'[[moments]]\nkind = "status"\n{moment}\n', encoding="utf-8")
    with running("--script", str(folder / "s.toml"), command="serve") as process:
        yield process, int(process.find(r"Listening on ws://[\d.]+:(\d+)"))


@contextmanager
def service(folder, **settings):
    """The server process of a live run, and its port."""
    loop = asyncio.new_event_loop()
    made = Processes(settings, 1, folder)
    try:
        loop.run_until_complete(made.prepare(1))
        yield made, loop.run_until_complete(made.listen())
    finally:
        loop.run_until_complete(made.end())
        loop.close()


SINK = """
import socket
listener, held = socket.create_server(("127.0.0.1", 0), backlog=4096), []
print(listener.getsockname()[1], flush=True)
while True:
    held.append(listener.accept()[0])
"""


@contextmanager
def sink():
    """A server that accepts everybody, and reads nothing."""
    with subprocess.Popen([sys.executable, "-c", SINK], stdout=subprocess.PIPE) as process:
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


WHERE = "/ws?client=0&connection=1"

# --- half-open connections and slow handshakes ------------------------------------------------


@pytest.mark.slow
def test_the_server_in_trouble_lets_in_a_thousand_at_once_and_tells_of_the_others(tmp_path):
    with serving(tmp_path) as (process, port):
        use, begun_s = Use(process.pid), time.monotonic()
        with crowd(port, MOST_OPEN, b"GET /ws HTTP/1.1\r\nX-Slow: ") as half_open:
            assert until(lambda: use.files >= MOST_OPEN)
            assert all(map(is_open, half_open))
            assert is_turned_away(port)
            process.find("more than 1,000 connections at once: the others were reset")
            with crowd(port, 9000):
                # As many as may wait are taken in at once, before the first of them is reset.
                assert until(lambda: use.files <= MOST_OPEN + 20)
                assert use.mib < 2 * SMALL_MIB
            if time.monotonic() - begun_s > endpoint.REQUEST_TIMEOUT_S:
                pytest.skip("the half-open ones were reset in time, before all others had dialled")
            assert all(map(is_open, half_open))
        assert until(lambda: use.files <= 20)
        allowed, head = upgraded(port)
        allowed.close()
        assert b" 101 " in head
        _, printed = process.end()
    assert f"{MOST_OPEN + 1} attempts" in printed[0].replace(",", "")


def test_who_sends_no_whole_request_in_time_is_reset_and_told_of(monkeypatch):
    monkeypatch.setattr(endpoint, "REQUEST_TIMEOUT_S", 0.5)
    with sl.BadServer() as server:
        port = int(server.url.split(":")[2].split("/")[0])
        slow, (quick, _) = dial(port, b"GET /ws HTTP/1.1\r\n"), upgraded(port)
        assert ended(slow) == b""
        assert is_open(quick)
        quick.close()
        assert any("no whole request within 0.5 s" in each for each in server.observation().notes)


@pytest.mark.slow
def test_a_proxy_lets_in_ten_thousand_or_what_the_machine_allows_and_counts_the_others():
    with sink() as target, running("--to", f"ws://127.0.0.1:{target}") as process:
        port = int(process.find(r"Listening on ws://[\d.]+:(\d+)"))
        use = Use(process.pid)
        import psutil

        allowed = psutil.Process(process.pid).rlimit(psutil.RLIMIT_NOFILE)[0]
        most = min(relay.MOST_CONNECTIONS, (allowed - 100) // 2)
        own = psutil.Process(os.getpid()).rlimit(psutil.RLIMIT_NOFILE)[0]
        if own < most + 1000:
            pytest.skip(f"this process may have {own} files, and needs {most + 1000}")
        with crowd(port, most, b"GET "):
            assert until(lambda: use.files >= 2 * most)
            assert is_turned_away(port)
            process.find(f"{most:,} connections are open, the most: more are reset")
            with crowd(port, 500):
                assert until(lambda: use.files <= 2 * most + 20)
            # A connection costs the proxy some 4 kB.
            assert use.mib < 10 * most / 1000 + SMALL_MIB
        assert until(lambda: use.files <= 20)
        _, printed = process.end()
    assert re.search(r"50[01] turned away", printed[0])


def test_one_more_than_the_most_is_turned_away_and_counted(monkeypatch):
    monkeypatch.setattr(relay, "MOST_CONNECTIONS", 5)
    with sl.BadServer() as server, sl.FaultProxy(server.url) as proxy:
        port = int(proxy.url.split(":")[2].split("/")[0])
        made = [upgraded(port)[0] for _ in range(5)]
        assert is_turned_away(port)
        assert (6, 1) == (proxy.statistics.connections, proxy.statistics.turned_away)
        made.pop().close()
        assert until(lambda: b" 101 " in _answer(port))
        for each in made:
            each.close()


def _answer(port):
    try:
        own, head = upgraded(port)
    except OSError:
        return b""
    own.close()
    return head


@pytest.mark.slow
def test_the_server_of_a_live_run_bears_slow_handshakes_and_still_serves(tmp_path):
    with service(tmp_path) as (made, port):
        use = Use(_pid(made))
        with crowd(port, 4000, b"GET /ws?client=0&connection=1 HTTP/1.1\r\nX: "):
            assert until(lambda: use.files >= 4000)
            assert use.mib < 20 * 4 + SMALL_MIB
            own, head = upgraded(port, WHERE)
            own.close()
            assert b" 101 " in head
        assert until(lambda: use.files <= 20)


def _pid(made: Processes) -> int:
    import psutil

    (child,) = (
        each
        for each in psutil.Process().children(recursive=True)
        if "simlib.engines.live.service" in " ".join(each.cmdline()) and each.net_connections("tcp")
    )
    return child.pid


# --- slow readers -----------------------------------------------------------------------------

#: More than all buffers of the system on the way, and than what memory may grow by.
FLOOD_BYTES = 200 * 2**20
PINGS = frame(PING, b"x" * 125) * 500
TEXTS = frame(TEXT, b"y" * 60_000)


@pytest.mark.slow
@pytest.mark.parametrize("piece", [PINGS, TEXTS], ids=["pings", "texts"])
def test_who_reads_nothing_is_not_read_from_by_the_server_in_trouble(piece, tmp_path):
    with serving(tmp_path) as (process, port):
        own, _ = upgraded(port)
        use = Use(process.pid)
        assert push(own, piece, FLOOD_BYTES) < FLOOD_BYTES
        assert use.mib < SMALL_MIB
        own.close()
        other, head = upgraded(port)
        other.close()
        assert b" 101 " in head


MESSAGES = b"".join(frame(TEXT, b'{"message": %d}' % i) for i in range(3000))


@pytest.mark.slow
@pytest.mark.parametrize("piece", [PINGS, MESSAGES], ids=["pings", "messages"])
def test_who_reads_nothing_is_not_read_from_by_the_server_of_a_live_run(piece, tmp_path):
    with service(tmp_path) as (made, port):
        own, _ = upgraded(port, WHERE)
        use = Use(_pid(made))
        assert push(own, piece, FLOOD_BYTES) < FLOOD_BYTES
        assert use.mib < SMALL_MIB
        own.close()


@pytest.mark.slow
def test_who_reads_nothing_holds_up_no_more_than_its_share_in_the_proxy():
    with sink() as target, running("--to", f"ws://127.0.0.1:{target}") as process:
        port = int(process.find(r"Listening on ws://[\d.]+:(\d+)"))
        use = Use(process.pid)
        own = dial(port)
        assert push(own, b"z" * 65536, FLOOD_BYTES) < FLOOD_BYTES
        assert use.mib < SMALL_MIB
        own.close()
        _, printed = process.end()
    waited = int(re.search(r"at most ([\d,]+) bytes", printed[-1])[1].replace(",", ""))
    assert MOST_WAITING_BYTES <= waited <= MOST_WAITING_BYTES + 65536


def test_who_leaves_too_much_of_others_updates_unread_is_cut():
    async def fill() -> tuple[bool, bool]:
        is_cut: asyncio.Future[tuple[bool, bool]] = asyncio.get_running_loop().create_future()

        async def push_updates(websocket):
            await websocket.accept()
            own, update = ServiceSocket(websocket), "u" * 65536
            transport = own._protocol.transport
            while transport.get_write_buffer_size() + 2 * len(update) <= MOST_UNREAD_BYTES:
                own.send_text(update)
            at_bound = transport.is_closing()
            own.send_text(update)
            own.send_text(update)
            is_cut.set_result((at_bound, transport.is_closing()))

        app = Starlette(routes=[WebSocketRoute("/ws", push_updates)])
        config = uvicorn.Config(app, ws=DirectProtocol, lifespan="off", log_level="critical")
        server, listener = uvicorn.Server(config), listen_on(0)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        own, head = await asyncio.to_thread(upgraded, listener.getsockname()[1])
        assert b" 101 " in head
        try:
            return await asyncio.wait_for(is_cut, 60.0)
        finally:
            own.close()
            server.should_exit = True
            await serving

    assert (False, True) == asyncio.run(fill())


def test_a_narrow_way_cuts_what_it_reads_into_few_pieces():
    from simlib.core.draws import Stream
    from simlib.lab.fault_proxy.effects import ProxyEffect
    from simlib.lab.fault_proxy.flow import Flow

    async def count(size_bytes: int) -> int:
        flow = Flow(Stream.UP, 1, 0)
        flow.change([ProxyEffect(kind="bandwidth", bandwidth_bytes_per_s=1.0)])
        flow.receive(bytes(size_bytes))
        pieces = len(flow._queue)
        flow.drop()
        return pieces

    assert MOST_PIECES == asyncio.run(count(MOST_PIECES))
    assert MOST_PIECES >= asyncio.run(count(MOST_PIECES + 1))
    assert MOST_PIECES == asyncio.run(count(65536))


# --- sizes ------------------------------------------------------------------------------------


def test_the_largest_message_is_echoed_and_a_larger_one_ends_the_connection():
    with sl.BadServer() as server:
        port = int(server.url.split(":")[2].split("/")[0])
        own, _ = upgraded(port)
        own.sendall(frame(TEXT, b"a" * MAX_MESSAGE_BYTES))
        came = b""
        while len(came) < MAX_MESSAGE_BYTES:
            came += own.recv(65536)
        own.sendall(frame(TEXT, b"a" * (MAX_MESSAGE_BYTES + 1))[:100])
        assert 1009 == close_code(ended(own))


def test_a_message_in_pieces_is_bounded_as_a_whole_one_is():
    with sl.BadServer() as server:
        port = int(server.url.split(":")[2].split("/")[0])
        own, _ = upgraded(port)
        pieces = frame(TEXT, b"a" * 1000, last=False)
        pieces += frame(0, b"a" * 1000, last=False) * (MAX_MESSAGE_BYTES // 1000 - 1)
        own.sendall(pieces)
        assert is_open(own)
        own.setblocking(True)
        own.sendall(frame(0, b"a"))
        assert 1009 == close_code(ended(own))


def test_frames_and_handshakes_that_come_byte_by_byte_are_as_good():
    with sl.BadServer() as server:
        port = int(server.url.split(":")[2].split("/")[0])
        own = dial(port)
        for byte in request() + frame(TEXT, b"hello"):
            own.sendall(bytes([byte]))
        came = b""
        while not came.endswith(b"\x81\x05hello"):
            part = own.recv(100)
            assert part, came
            came += part
        own.close()


def padded(size_bytes: int) -> bytes:
    head, end = b'{"message": 0, "padding": "', b'"}'
    return head + b"x" * (size_bytes - len(head) - len(end)) + end


def test_a_live_run_takes_frames_and_requests_up_to_one_bound(tmp_path):
    most = codec.MAX_FRAME_BYTES
    with service(tmp_path) as (_, port):
        own, _ = upgraded(port, WHERE)
        own.sendall(frame(TEXT, padded(most)))
        assert b"accepted" in own.recv(1000)
        own.sendall(frame(TEXT, padded(most + 1))[:100])
        assert 1009 == close_code(ended(own))
        url = f"http://127.0.0.1:{port}/messages?client=0&connection=2"
        with httpx.Client(trust_env=False) as client:
            assert 200 == client.post(url, content=padded(most)).status_code
            refused = client.post(url, content=padded(most + 1))
            assert (400, True) == (refused.status_code, "at most 2,000,000" in refused.text)


# --- what is no WebSocket -----------------------------------------------------------------------

DEFLATE = b"Sec-WebSocket-Extensions: permessage-deflate\r\n"
#: What an end of a connection must be closed with.
PROTOCOL_ERROR, NOT_UTF8 = 1002, 1007


@pytest.fixture(params=["lab", "live"])
def server(request, tmp_path):
    """The port and path of a server: of the lab, and of a live run."""
    if request.param == "lab":
        with sl.BadServer() as made:
            yield int(made.url.split(":")[2].split("/")[0]), "/ws"
    else:
        with service(tmp_path) as (_, port):
            yield port, WHERE


def test_compression_is_not_agreed_on_so_no_bomb_is_unpacked(server):
    own, head = upgraded(*server, DEFLATE)
    assert b" 101 " in head
    assert b"deflate" not in head.lower()
    own.sendall(frame(TEXT, b"\x00" * 100, reserved=4))
    assert PROTOCOL_ERROR == close_code(ended(own))


@pytest.mark.parametrize(
    "bad",
    [
        frame(3, b"?"),
        frame(PING, b"x" * 126),
        frame(PING, last=False),
        frame(0, b"no beginning"),
        b"\x81\x05hello",
        frame(8, b"\x00"),
        frame(8, (1005).to_bytes(2, "big")),
    ],
    ids=["opcode", "long ping", "split ping", "no beginning", "unmasked", "half code", "code 1005"],
)
def test_a_frame_that_breaks_the_protocol_ends_its_connection_alone(bad, server):
    (own, _), (other, _) = upgraded(*server), upgraded(server[0], server[1].replace("=1", "=2"))
    own.sendall(bad)
    assert PROTOCOL_ERROR == close_code(ended(own))
    assert is_open(other)
    other.close()


def test_what_is_no_utf_8_is_no_harm(server):
    own, _ = upgraded(*server)
    own.sendall(frame(TEXT, b"\xff\xfe{"))
    if server[1] == WHERE:
        assert NOT_UTF8 == close_code(ended(own))
        return
    # The lab answers whatever comes.
    assert "\N{REPLACEMENT CHARACTER}" in own.recv(100).decode(errors="replace")
    own.sendall(frame(8, (1000).to_bytes(2, "big")))
    assert 1000 == close_code(ended(own))


HEADS = {
    "no HTTP": b"\x00\x01\x02 nothing\r\n\r\n",
    "many headers": request(more=b"X: y\r\n" * 20_000),
    "a long line": b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n",
    "a line without end": b"GET /ws HTTP/1.1\r\nX: " + b"a" * 100_000,
}


@pytest.mark.parametrize("name", HEADS)
def test_a_flood_of_headers_ends_its_connection_alone(name, server):
    own = dial(server[0])
    push(own, HEADS[name], len(HEADS[name]))
    came = ended(own)
    assert came is not None
    assert b" 101 " not in came
    other, head = upgraded(*server)
    other.close()
    assert b" 101 " in head


@pytest.mark.parametrize("origin", [b"http://[", b"null", b"http://elsewhere"])
def test_an_origin_that_is_none_is_another_site(origin, tmp_path):
    with service(tmp_path) as (_, port):
        _, head = upgraded(port, WHERE, b"Origin: " + origin + b"\r\n")
    assert b" 403 " in head


@pytest.mark.slow
def test_a_thousand_attempts_a_second_are_all_counted_and_told_of(tmp_path):
    with serving(tmp_path, "at_s = 0") as (process, port):
        use, whole = Use(process.pid), request()
        answers = []

        def attempt(count):
            for _ in range(count):
                with dial(port, whole) as own:
                    answers.append(own.recv(12))

        threads = [threading.Thread(target=attempt, args=(1000,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        process.find(f"a flood: more than {FLOOD_PER_S} attempts within one second")
        assert use.mib < SMALL_MIB
        assert until(lambda: use.files <= 10)
        _, printed = process.end()
    assert {b"HTTP/1.1 503"} == set(answers)
    assert printed[0].startswith("4,000 attempts of")
