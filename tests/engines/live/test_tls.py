"""A live run speaks real TLS, through the proxy, with a certificate of its own."""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from pathlib import Path

import pytest

import simlib as sl
from simlib.core.errors import SettingsError
from simlib.core.tls import Tls
from simlib.engines.live import tcp
from simlib.engines.live.target import Target
from simlib.engines.live.tls import TlsClients, TlsConnection, make_certificate, server_context
from simlib.trace.columns import Name
from tests.batteries import with_slow

pytestmark = pytest.mark.live
pytest.importorskip("trustme")
TRIPS = {"none": 0, "1.2": 2, "1.3": 1, "resumed": 1}


def scenario(tls: str = "1.3", **changes) -> sl.Scenario:
    settings = {
        "clients": 6,
        "duration_s": 6,
        "ramp_s": 0.3,
        "seed": 4,
        "client": sl.Settings(backoff=sl.Backoff(base_s=0.2, cap_s=0.5), connect_timeout_s=60),
        "path": sl.Path(latency=sl.Latency(mean_s=0.03), tls=tls),
        "workload": sl.Workload(rate_per_s=2, stop_s=4),
        "faults": [sl.Fault("reset", start_s=2)],
    }
    return sl.Scenario(**(settings | changes))


def times_s(trace: sl.Trace, name: Name) -> list[float]:
    columns = trace.columns()
    return [
        float(at)
        for at, each in zip(columns["time_s"], columns["name"], strict=True)
        if each == name
    ]


def count(trace: sl.Trace) -> dict[str, float]:
    row = sl.summary(trace).iloc[0]
    return {
        name: row[name] for name in ("attempts", "never_recovered", "sent", "delivered_fraction")
    }


@pytest.mark.parametrize("tls", with_slow(["resumed"], ["1.2", "1.3"]))
def test_a_run_over_tls_plays_what_sim_plays(tls):
    played = sl.run(scenario(tls), on="live")
    assert count(sl.run(scenario(tls))) == count(played)
    assert [] == played.notes
    # An attempt takes TCP's round trip, those of TLS, and that of the upgrade; never less.
    first = played.frame().query("client == 0")
    began_s = first.query("name == 'open'")["time_s"].iloc[0]
    opened_s = first.query("name == 'opened'")["time_s"].iloc[0]
    assert (2 + TRIPS[tls]) * 0.06 <= opened_s - began_s


@pytest.mark.slow
def test_a_server_that_crashes_comes_back_with_the_same_certificate():
    crash = scenario(faults=[sl.Fault("server_crash", start_s=1.5, stop_s=2.5)])
    result = count(sl.run(crash, on="live"))
    assert 0 == result["never_recovered"]
    assert 1.0 == result["delivered_fraction"]


@pytest.mark.slow
def test_workers_trust_the_server_of_the_run():
    result = count(sl.run(scenario(), on="live", workers=2))
    assert count(sl.run(scenario())) == result


@pytest.mark.slow
def test_an_outage_refuses_over_tls_as_without():
    outage = scenario(faults=[sl.Fault("outage", start_s=1.5, stop_s=2.5)])
    played = sl.run(outage, on="live")
    assert 0 == count(played)["never_recovered"]
    frame = played.frame()
    assert {"refused"} == set(frame[frame["name"] == "failed"]["reason"])


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"faults": [sl.Fault("reject", start_s=1)]}, "faults[0].kind"),
        (
            {"client": sl.Settings(fallback=sl.Fallback(after_attempts=2))},
            "client.fallback.after_attempts",
        ),
        (
            {"client": sl.Settings(session=sl.SessionRules(sign_in_after_s=1))},
            "client.session.sign_in_after_s",
        ),
    ],
)
def test_what_a_proxy_would_have_to_read_inside_of_tls_is_refused(changes, key):
    with pytest.raises(SettingsError) as error:
        sl.run(scenario(**changes), on="live")
    assert key == error.value.key
    assert "cannot look inside" in str(error.value)
    # Without TLS it is played.
    plain = scenario("none", **changes)
    assert plain == Target().fit(plain)


def test_a_server_of_the_user_s_own_has_its_tls_in_its_address():
    with pytest.raises(SettingsError, match="said by its url"):
        Target(url="ws://127.0.0.1:9/x").fit(scenario())


def test_without_the_library_a_run_over_tls_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "trustme", None)
    with pytest.raises(sl.SimlibError, match=r'pip install -e "\.\[tls\]"'):
        sl.run(scenario(), on="live")


# --- one connection ----------------------------------------------------------------------


async def echoed(tls: Tls, folder: Path, count: int) -> TlsClients:
    """Connect so often to a server that echoes; return what the clients spoke TLS with."""
    files = make_certificate(folder)

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readexactly(4))
        await writer.drain()
        await reader.read()
        writer.close()

    context = server_context(tls, files.certificate, files.key)
    server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=context)
    address = server.sockets[0].getsockname()
    clients = TlsClients(tls, files.authority)
    for _ in range(count):
        await echo_once(clients, address)
    server.close()
    return clients


async def echo_once(clients: TlsClients, address: tuple[str, int]) -> None:
    """Connect, say something, hear it again, and close."""
    loop = asyncio.get_running_loop()
    heard, ended = loop.create_future(), loop.create_future()
    own = tcp.begin_connecting(address)
    connection = TlsConnection(clients, own, heard.set_result, partial(ended.set_result, None))
    connection.write(b"over")
    assert b"over" == await asyncio.wait_for(heard, 60)
    connection.close()
    await asyncio.wait_for(ended, 60)


@pytest.mark.parametrize(("tls", "resumed"), [(Tls["1.2"], 0), (Tls["1.3"], 0), (Tls.RESUMED, 3)])
async def test_after_the_first_handshake_a_session_is_resumed_where_it_is_asked_for(
    tls, resumed, tmp_path
):
    clients = await echoed(tls, tmp_path, 4)
    assert (4, resumed) == (clients.agreed, clients.resumed)


async def test_what_is_not_tls_or_not_trusted_ends_the_connection(tmp_path):
    async def answer_in_the_clear(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 no TLS here\r\n\r\n")
        writer.close()

    (tmp_path / "others").mkdir()
    mine, others = make_certificate(tmp_path), make_certificate(tmp_path / "others")
    context = server_context(Tls["1.3"], others.certificate, others.key)
    for spoken in (context, None):
        server = await asyncio.start_server(answer_in_the_clear, "127.0.0.1", 0, ssl=spoken)
        clients = TlsClients(Tls["1.3"], mine.authority)
        ended = asyncio.get_running_loop().create_future()
        own = tcp.begin_connecting(server.sockets[0].getsockname())
        TlsConnection(clients, own, pytest.fail, partial(ended.set_result, None))
        await asyncio.wait_for(ended, 60)
        assert 0 == clients.agreed
        server.close()
