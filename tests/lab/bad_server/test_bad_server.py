"""The server in trouble of the tests: what a client sees after each switch, and what it records."""

import asyncio
import socket
import threading

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

import simlib as sl
from tests.lab.puppets import LIMIT_S
from tests.lab.puppets import attempt as attempt_once

pytestmark = pytest.mark.live


@pytest.fixture
def server():
    with sl.BadServer() as made:
        yield made


def outcome(server, **options):
    return asyncio.run(attempt_once(server.url, **options))


def rows(server):
    return [(each.kind, each.detail, each.opened) for each in server.attempts]


def test_each_switch_holds_for_the_attempts_that_come(server):
    server.status(503, retry_after_s=5)
    assert "status 503 retry 5" == outcome(server)
    server.status(401)
    assert "status 401" == outcome(server)
    server.refuse()
    assert "ended before it was open" == outcome(server)
    server.silence()
    assert "no answer in time" == outcome(server)
    server.close(4401)
    assert "open, then 4401" == outcome(server, open_timeout=LIMIT_S)
    server.close(1006)
    assert "open, then 1006" == outcome(server, open_timeout=LIMIT_S)
    server.refuse(closed=True)
    assert "refused" == outcome(server)
    kinds = [kind for kind, _, _ in rows(server)]
    assert ["status", "status", "refuse", "silent", "close", "close"] == kinds


def test_a_port_that_was_closed_opens_again_at_the_same_place(server):
    url = server.url
    server.refuse(closed=True)
    server.accept()
    assert url == server.url
    with connect(url) as client:
        client.send("still there?")
        assert "still there?" == client.recv()


def test_a_close_ends_what_is_open_and_its_row_says_so(server):
    with connect(server.url) as client:
        server.close(1012)
        server.accept()
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(timeout=LIMIT_S)
    assert 1012 == closed.value.rcvd.code
    assert [("close", "1012", True)] == rows(server)


@pytest.mark.parametrize("switch", ["refuse", "silence", "cut"])
def test_an_outage_ends_what_is_open_as_a_reset(server, switch):
    with connect(server.url, close_timeout=1) as client:
        getattr(server, switch)()
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(timeout=LIMIT_S)
    assert closed.value.rcvd is None


def test_a_half_open_connection_stays_and_says_nothing_ever_again(server):
    with connect(server.url, close_timeout=0.1) as client:
        server.half_open()
        client.send("anybody?")
        with pytest.raises(TimeoutError):
            client.recv(timeout=0.3)
        assert not client.ping().wait(0.3)
        assert 1 == server.open_connections
        server.accept()
        with pytest.raises(TimeoutError):
            client.recv(timeout=0.3)
        with connect(server.url) as another:
            another.send("hello")
            assert "hello" == another.recv(timeout=LIMIT_S)


def test_who_comes_while_it_is_half_open_is_let_in_to_silence(server):
    server.half_open()
    with connect(server.url, close_timeout=0.1) as client:
        client.send("anybody?")
        with pytest.raises(TimeoutError):
            client.recv(timeout=0.3)


def test_an_attempt_without_an_answer_is_cut_when_the_server_wakes(server):
    server.silence()
    ended = []
    with socket.create_connection(server.url.split("/")[2].split(":")) as client:
        client.settimeout(LIMIT_S)
        client.sendall(b"GET /ws HTTP/1.1\r\nHost: x\r\n\r\n")
        server.wait_for_attempts(1, LIMIT_S)
        server.accept()
        try:
            ended.append(client.recv(1))
        except ConnectionResetError:
            ended.append(b"")
    assert [b""] == ended


def test_attempts_are_counted_from_the_latest_switch(server):
    server.status(503)
    outcome(server)
    server.status(429)
    with pytest.raises(sl.Unexpected, match=r"0 of 1 attempt came within 0.1 s \(server: status"):
        server.wait_for_attempts(1, 0.1)
    outcome(server)
    server.wait_for_attempts(1, LIMIT_S)


def test_waiting_in_an_event_loop_names_what_to_await_instead(server):
    async def wait() -> None:
        server.wait_for_attempts(1)

    with pytest.raises(sl.MisuseError, match=r"await server.attempts_seen\(\)"):
        asyncio.run(wait())


def test_the_phases_of_an_observation_are_the_switches(server):
    server.status(503)
    outcome(server)
    server.refuse()
    server.status(401)  # nobody came between: the switch before is not a phase
    outcome(server)
    seen = server.observation()
    assert [0, 1] == [each.phase for each in seen.attempts]
    assert ["503", "401"] == [each.detail for each in seen.attempts]
    assert "401" in seen.script
    assert "refuse" not in seen.script


def test_what_was_seen_outlives_the_server():
    with sl.BadServer("phoenix", path="/socket") as server:
        server.status(503)
        with pytest.raises(InvalidStatus):
            connect(server.url)
    assert ["503"] == [each.detail for each in server.attempts]
    assert server.observation().observed_s > 0.0
    assert 0 == server.open_connections
    with pytest.raises(sl.MisuseError, match="stopped"):
        server.accept()
    server.stop()
    assert [] == [each for each in threading.enumerate() if each.name == "simlib-bad-server"]


def test_a_port_in_use_is_named_and_leaves_nothing_running(server):
    port = int(server.url.split("/")[2].split(":")[1])
    with pytest.raises(sl.SettingsError, match=f"port = {port}: is in use"):
        sl.BadServer(port=port)
    named = [each for each in threading.enumerate() if each.name == "simlib-bad-server"]
    assert 1 == len(named)


def test_a_bad_status_is_refused_where_it_is_given(server):
    with pytest.raises(sl.SettingsError, match="status = 200: must be a whole number, from 400"):
        server.status(200)
    with pytest.raises(sl.SettingsError, match="greeting"):
        server.greet("phoenx")
