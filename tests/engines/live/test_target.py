"""Clients against a server of the user's own, and what they keep when their process is killed."""

import asyncio
import re
import sys
from collections import Counter
from pathlib import Path

import pytest
from websockets.asyncio.server import serve

import simlib as sl
from simlib.api import engine
from simlib.core.errors import SettingsError
from simlib.core.events import Reason
from simlib.engines.live.processes import Processes
from simlib.engines.live.target import Target
from simlib.trace.columns import Name

HERE = Path(__file__).parent
#: What the server's log calls its answers to messages.
ANSWERS = {Name.PROCESS, Name.LIMIT, Name.CONTEST}


# --- what can be asked of whom -----------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "wrong"),
    [
        ({"url": "http://127.0.0.1/"}, "url = .* must be ws://HOST:PORT/PATH"),
        ({"url": "wss://127.0.0.1/"}, "cannot read what is encrypted"),
        ({"url": "ws://127.0.0.1:99999/"}, "a port from 1 to 65,535, or none"),
        ({"url": "ws://127.0.0.1:0/"}, "a port from 1 to 65,535, or none"),
        ({"url": "ws://example.org/"}, "allow_host = example.org"),
        ({"url": "ws://example.org/", "allow_host": "example.com"}, "allow_host = example.org"),
        ({"url": "ws://127.0.0.1/", "codec": "json"}, "must be one of simlib, echo, none"),
        ({"codec": "echo"}, "is for a server of your own"),
    ],
)
def test_a_target_that_cannot_be_is_refused(asked, wrong):
    with pytest.raises(SettingsError, match=wrong):
        Target(**asked)


@pytest.mark.parametrize(
    "url", ["ws://127.0.0.1:1/", "ws://localhost/", "ws://[::1]:9/x", "ws://127.8.8.8/"]
)
def test_this_machine_needs_no_leave(url):
    assert url == Target(url).url
    assert "example.org" == Target("ws://example.org/", allow_host="example.org").address[0]


@pytest.mark.parametrize(
    ("codec", "scenario", "wrong"),
    [
        ("simlib", sl.Scenario(faults=[sl.Fault("server_crash", 1)]), r"faults\[0\].kind"),
        ("simlib", sl.Scenario(faults=[sl.Fault("deploy", 1, 2)]), "did not start"),
        (
            "simlib",
            sl.Scenario(client=sl.Settings(session=sl.SessionRules(sign_in_after_s=1))),
            "cannot sign in",
        ),
        (
            "echo",
            sl.Scenario(client=sl.Settings(fallback=sl.Fallback(after_attempts=3))),
            "client.fallback.after_attempts = 3.0: must be inf",
        ),
        ("echo", sl.Scenario(workload=sl.Workload(arrivals="typing")), "workload.keys"),
    ],
)
def test_what_a_target_cannot_do_is_said_before_the_run(codec, scenario, wrong):
    with pytest.raises(SettingsError, match=wrong):
        Target("ws://127.0.0.1:1/", codec).fit(scenario)


def test_more_servers_than_can_be_started_are_refused_before_anything_is_played():
    several = sl.Scenario(gateways=17)
    for play in (Target().fit, lambda scenario: sl.run(scenario, "live"), sl.compare):
        with pytest.raises(SettingsError, match="gateways = 17: must be at most 16 in a live run"):
            play(several)
    with pytest.raises(SettingsError, match="gateways = 2: must be 1 on a server of your own"):
        Target("ws://127.0.0.1:1/").fit(sl.Scenario(gateways=2))


def test_what_any_cohort_asks_for_counts(tmp_path):
    polls = sl.Settings(fallback=sl.Fallback(after_attempts=3))
    with_cohorts = sl.Scenario(cohorts=[sl.Cohort(clients_fraction=0.1, client=polls)])
    with pytest.raises(SettingsError, match=r"client\.fallback\.after_attempts = 3"):
        Target("ws://127.0.0.1:1/", "echo").fit(with_cohorts)
    saves = sl.Settings(outbox=sl.OutboxLimits(persist="all"))
    kept = Target(store=tmp_path / "x")
    assert with_cohorts.replace("cohorts.0.client", saves) == kept.fit(
        with_cohorts.replace("cohorts.0.client", saves)
    )


def test_a_store_without_anything_to_save_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="keeps nothing"):
        Target(store=tmp_path / "x").fit(sl.Scenario())


def test_without_messages_the_workload_is_empty():
    fitted = Target("ws://127.0.0.1:1/", "none").fit(sl.Scenario())
    assert 0.0 == fitted.workload.rate_per_s


def test_a_target_needs_the_live_engine():
    with pytest.raises(SettingsError, match="must be live"):
        sl.run(sl.Scenario(), target=Target("ws://127.0.0.1:1/"))


# --- played for real ---------------------------------------------------------------------

SHORT = sl.Scenario(
    clients=4,
    duration_s=3,
    ramp_s=0.2,
    client=sl.Settings(backoff=sl.Backoff(base_s=0.1, cap_s=0.3)),
    path=sl.Path(latency=sl.Latency(mean_s=0.01)),
    workload=sl.Workload(rate_per_s=4, stop_s=2.5),
    faults=[sl.Fault("outage", 1, 1.5)],
)


async def play(target: Target, scenario: sl.Scenario = SHORT) -> sl.Trace:
    trace: sl.Trace = await engine("live").play_async(scenario, target=target)
    return trace


@pytest.mark.live
async def test_an_echo_server_acknowledges_by_its_echo():
    async def echo(websocket):
        async for text in websocket:
            await websocket.send(text)

    async with serve(echo, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        trace = await play(Target(f"ws://127.0.0.1:{port}/any/path", "echo"))
    row = sl.summary(trace).iloc[0]
    assert (1.0, 0, 0) == (row["delivered_fraction"], row["lost"], row["never_recovered"])
    assert row["sent"] > 20
    assert 4 < row["attempts"]


@pytest.mark.live
async def test_of_a_silent_server_the_connections_are_watched():
    async def listen(websocket):
        await websocket.wait_closed()

    async with serve(listen, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        trace = await play(Target(f"ws://127.0.0.1:{port}", "none"))
    row = sl.summary(trace).iloc[0]
    assert (0, 0) == (row["sent"], row["never_recovered"])
    assert 4 == trace.counts()["lost"]


@pytest.mark.live
async def test_a_hostile_server_ends_its_connections_and_nothing_else():
    nonsense = ["hello", b"\0\1", '{"message": 1e400}', "[" * 9000, "x" * 2_000_001]
    said = 0

    async def shout(websocket):
        nonlocal said
        said += 1
        await websocket.send(nonsense[said % len(nonsense)])
        await websocket.wait_closed()

    async with serve(shout, "127.0.0.1", 0, max_size=None) as server:
        port = server.sockets[0].getsockname()[1]
        trace = await play(Target(f"ws://127.0.0.1:{port}", "echo"), SHORT.replace(faults=[]))
    frame = trace.frame()
    why = frame.loc[frame["name"] == "lost", "reason"]
    assert {"protocol"} == set(why)
    assert len(why) > len(nonsense)


@pytest.mark.live
async def test_a_server_that_is_not_there_is_said_before_the_run():
    async with serve(lambda _: None, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
    with pytest.raises(SettingsError, match="cannot be reached"):
        await play(Target(f"ws://127.0.0.1:{port}", "none"))


@pytest.mark.live
@pytest.mark.long
@pytest.mark.parametrize("kills", [12, pytest.param(50, marks=pytest.mark.slow)])
async def test_a_client_killed_again_and_again_delivers_each_accepted_message_once(tmp_path, kills):
    service = Processes({}, 1, tmp_path)
    accepted = tmp_path / "accepted"
    try:
        await service.prepare(1)
        url = f"ws://127.0.0.1:{await service.listen()}/ws"
        arguments = [url, tmp_path / "outbox.sqlite", accepted, kills, 7]
        killed = await asyncio.create_subprocess_exec(
            *[sys.executable, HERE / "lives.py", *map(str, arguments)],
            stderr=asyncio.subprocess.PIPE,
        )
        _, errors = await asyncio.wait_for(killed.communicate(), 600)
        assert (0, b"") == (killed.returncode, errors)
        answers = [line for line in service.log_lines() if line[1] in ANSWERS]
    finally:
        await service.end()
    numbers = [int(number) for number in re.findall(r"\d+", accepted.read_text())]
    counted = [line[4] for line in answers if line[5] == Reason.ACCEPTED]
    assert len(numbers) >= kills // 2
    # A message may be saved, and the process killed before it could say so.
    assert set(numbers) <= set(counted)
    assert {1} == set(Counter(counted).values())
    assert counted == sorted(counted)
    assert len(answers) >= len(counted)
