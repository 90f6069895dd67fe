"""The fault proxy between real sockets: what it carries, holds, cuts and counts."""

import contextlib
import socket
import ssl
import threading
import time

import pytest
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import connect
from websockets.sync.server import serve

import simlib as sl
from simlib.engines.sockets import MOST_WAITING_BYTES, READ_BYTES

pytestmark = pytest.mark.live
LIMIT_S = 60.0
#: What a client says of an attempt that was reset.
NO_CONNECTION = (OSError, EOFError, WebSocketException)
#: Of this much a peer's own sockets take a part; the rest must wait at its sender.
MUCH = 64 * 1024 * 1024


@pytest.fixture
def server():
    with sl.BadServer() as made:
        yield made


@pytest.fixture
def proxy(server):
    with sl.FaultProxy(server.url) as made:
        yield made


def echoes(client, text):
    client.send(text)
    return client.recv(timeout=LIMIT_S)


def until(holds):
    until_s = time.monotonic() + LIMIT_S
    while not holds():
        assert time.monotonic() < until_s
        time.sleep(0.01)


def test_a_cut_ends_what_is_open_and_lets_new_connections_in(server, proxy):
    with connect(proxy.url) as client:
        assert "hello" == echoes(client, "hello")
        proxy.cut()
        with pytest.raises(ConnectionClosed):
            client.recv(timeout=LIMIT_S)
    with connect(proxy.url) as client:
        assert "again" == echoes(client, "again")
    assert (2, 1, 0) == (
        proxy.statistics.connections,
        proxy.statistics.cut,
        proxy.statistics.refused,
    )


def test_while_it_refuses_attempts_are_reset_and_after_a_restore_they_are_not(proxy):
    with connect(proxy.url) as client:
        proxy.refuse()
        with pytest.raises(ConnectionClosed):
            client.recv(timeout=LIMIT_S)
    with pytest.raises(NO_CONNECTION):
        connect(proxy.url)
    proxy.restore()
    with connect(proxy.url) as client:
        assert "again" == echoes(client, "again")
    assert 1 == proxy.statistics.refused


def test_a_black_hole_holds_and_after_a_restore_all_arrives(proxy):
    with connect(proxy.url) as client:
        proxy.black_hole()
        client.send("one")
        client.send("two")
        with pytest.raises(TimeoutError):
            client.recv(timeout=0.3)
        proxy.restore()
        assert ["one", "two"] == [client.recv(timeout=LIMIT_S) for _ in range(2)]


def test_a_half_open_connection_gets_nothing_back_ever_and_a_new_one_works(proxy):
    with connect(proxy.url, close_timeout=0.1) as client:
        proxy.half_open()
        client.send("one")
        with pytest.raises(TimeoutError):
            client.recv(timeout=0.3)
        proxy.restore()
        with pytest.raises(TimeoutError):
            client.recv(timeout=0.3)
        with connect(proxy.url) as another:
            assert "new" == echoes(another, "new")


def test_slow_makes_a_round_trip_longer_by_twice_the_latency(proxy):
    with connect(proxy.url) as client:
        proxy.slow(0.2)
        begun_s = time.monotonic()
        echoes(client, "hello")
        assert time.monotonic() - begun_s >= 0.4
        proxy.restore()


def test_bandwidth_bounds_what_arrives(proxy):
    with connect(proxy.url) as client:
        proxy.slow(bandwidth_bytes_per_s=20_000)
        begun_s = time.monotonic()
        echoes(client, "x" * 10_000)
        # Half a second up; the way down begins before all of it is there.
        assert time.monotonic() - begun_s >= 0.5


@contextlib.contextmanager
def plain_server(serve):
    """A TCP server whose connections are served by a function, in threads."""
    listener = socket.create_server(("127.0.0.1", 0))
    kept = []

    def take():
        with contextlib.suppress(OSError):
            while True:
                accepted, _ = listener.accept()
                kept.append(accepted)
                threading.Thread(target=serve, args=(accepted,), daemon=True).start()

    threading.Thread(target=take, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for each in kept:
            each.close()


def pour(connection, sent):
    """Send as much as there is room for; keep how much that was."""
    with contextlib.suppress(OSError):
        while sent[0] < MUCH:
            sent[0] += connection.send(b"x" * READ_BYTES)


def settles(sent):
    """Wait until no more is taken."""
    until_s = time.monotonic() + LIMIT_S
    before, since_s = -1, time.monotonic()
    while time.monotonic() - since_s < 1.0:
        assert time.monotonic() < until_s
        if sent[0] != before:
            before, since_s = sent[0], time.monotonic()
        time.sleep(0.05)


def address(url):
    host, _, port = url.partition("//")[2].partition(":")
    return host, int(port)


def test_a_server_that_does_not_read_slows_the_client_down():
    with (
        plain_server(lambda _: None) as url,
        sl.FaultProxy(url) as proxy,
        socket.create_connection(address(proxy.url)) as client,
    ):
        sent = [0]
        threading.Thread(target=pour, args=(client, sent), daemon=True).start()
        settles(sent)
        assert sent[0] < MUCH
        assert proxy.statistics.most_waiting_bytes <= 2 * (MOST_WAITING_BYTES + READ_BYTES)


def test_a_client_that_does_not_read_slows_the_server_down():
    sent = [0]
    with (
        plain_server(lambda accepted: pour(accepted, sent)) as url,
        sl.FaultProxy(url) as proxy,
        socket.create_connection(address(proxy.url)) as client,
    ):
        settles(sent)
        assert 0 < sent[0] < MUCH
        assert proxy.statistics.most_waiting_bytes <= 2 * (MOST_WAITING_BYTES + READ_BYTES)
        # It goes on as soon as the client reads.
        before = sent[0]
        client.settimeout(LIMIT_S)
        for _ in range(100):
            client.recv(READ_BYTES)
        until(lambda: sent[0] > before)


def test_what_is_held_in_a_black_hole_is_bounded():
    with (
        plain_server(lambda _: None) as url,
        sl.FaultProxy(url) as proxy,
        socket.create_connection(address(proxy.url)) as client,
    ):
        proxy.black_hole()
        sent = [0]
        threading.Thread(target=pour, args=(client, sent), daemon=True).start()
        settles(sent)
        assert proxy.statistics.most_waiting_bytes <= MOST_WAITING_BYTES + READ_BYTES


def test_all_that_is_poured_arrives_in_order():
    got, ended = bytearray(), threading.Event()
    whole = bytes(range(256)) * 8192  # 2 MiB

    def read(accepted):
        while data := accepted.recv(READ_BYTES):
            got.extend(data)
        ended.set()

    with plain_server(read) as url, sl.FaultProxy(url) as proxy:
        with socket.create_connection(address(proxy.url)) as client:
            proxy.slow(0.01, jitter_s=0.01)
            client.sendall(whole)
        # Not before the end of the stream: a proxy that stops resets what is still open.
        assert ended.wait(LIMIT_S)
    assert whole == bytes(got)


def test_a_target_that_is_not_there_resets_clients_until_it_is():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with sl.FaultProxy(f"ws://127.0.0.1:{port}/ws") as proxy:
        with pytest.raises(NO_CONNECTION):
            connect(proxy.url)
        with sl.BadServer(port=port), connect(proxy.url) as client:
            assert "back" == echoes(client, "back")
    assert (2, 1) == (proxy.statistics.connections, proxy.statistics.unreachable)


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8000", "ftp://x", "ws://", "ws://a:b@host", "ws://[::1"]
)
def test_what_is_no_url_of_a_server_is_refused(url):
    with pytest.raises(sl.SettingsError, match=r"to = .*must be a URL such as"):
        sl.FaultProxy(url)


def test_a_host_that_nobody_knows_is_named():
    with pytest.raises(sl.SettingsError, match="cannot be found"):
        sl.FaultProxy("ws://nobody.invalid:80")


def test_after_its_end_nothing_runs_and_the_numbers_stay(server):
    with sl.FaultProxy(server.url) as proxy, connect(proxy.url) as client:
        echoes(client, "hello")
    assert 1 == proxy.statistics.connections
    assert proxy.statistics.up_bytes > 0
    assert [] == [each for each in threading.enumerate() if each.name == "simlib-fault-proxy"]
    with pytest.raises(sl.MisuseError, match="stopped"):
        proxy.cut()


def test_tls_passes_through_untouched():
    trustme = pytest.importorskip("trustme")
    authority = trustme.CA()
    ours, theirs = (
        ssl.SSLContext(kind) for kind in (ssl.PROTOCOL_TLS_CLIENT, ssl.PROTOCOL_TLS_SERVER)
    )
    authority.configure_trust(ours)
    authority.issue_cert("127.0.0.1").configure_cert(theirs)

    def serve_echo(connection):
        for message in connection:
            connection.send(message)

    with serve(serve_echo, "127.0.0.1", 0, ssl=theirs) as server:
        threading.Thread(target=server.serve_forever).start()
        port = server.socket.getsockname()[1]
        with sl.FaultProxy(f"wss://127.0.0.1:{port}") as proxy:
            with connect(proxy.url, ssl=ours) as client:
                assert "secret" == echoes(client, "secret")
                proxy.cut()
                with pytest.raises(ConnectionClosed):
                    client.recv(timeout=LIMIT_S)
            assert proxy.url.startswith("wss://127.0.0.1:")
        server.shutdown()
