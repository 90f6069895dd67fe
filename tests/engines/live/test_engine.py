"""The live engine: real sockets, a real server process, and nothing left behind."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx
import pytest

import simlib as sl
from simlib.engines.live import child_process
from simlib.engines.live import engine as live
from simlib.engines.live import open_files as limits
from simlib.engines.live.proxy import Proxy
from simlib.engines.world import World
from simlib.studies.compare.replay import replay
from simlib.trace.trace import Trace
from tests.batteries import with_slow

pytestmark = pytest.mark.live

QUICK = sl.Settings(
    backoff=sl.Backoff(base_s=0.2, cap_s=0.4, jitter="none"),
    connect_timeout_s=5,
)


#: Times of a trace are rounded to what a clock can tell.
CLOCK_S = 0.002


def scenario(**changes: Any) -> sl.Scenario:
    settings = {
        "clients": 4,
        "duration_s": 2.5,
        "ramp_s": 0.1,
        "client": QUICK,
        "workload": sl.Workload(rate_per_s=4, stop_s=2),
    }
    return sl.Scenario(**(settings | changes))


def children() -> set[str]:
    """Return the ids of this process's children."""
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def reasons(trace: Trace, name: str) -> dict[str, int]:
    rows = trace.frame().query("kind == 'event' and name == @name")
    counts = rows["reason"].value_counts()
    return {str(reason): int(count) for reason, count in counts.items() if count}


def test_a_quiet_run_delivers_every_message_once() -> None:
    quiet = scenario()
    counts = sl.run(quiet, on="live").counts()
    assert counts["opened"] == 4
    assert "lost" not in counts
    assert counts["received"] == counts["process"] == counts["send"]
    assert counts["send"] == sl.run(quiet).counts()["send"]


def test_an_outage_ends_connections_and_refuses_new_ones() -> None:
    outage = sl.Fault("outage", start_s=1, stop_s=3)
    trace = sl.run(scenario(faults=[outage], duration_s=6), on="live")
    assert reasons(trace, "lost") == {"reset": 4}
    assert set(reasons(trace, "failed")) == {"refused"}
    failed = trace.frame().query("name == 'failed'")
    assert set(failed["client"]) == {0, 1, 2, 3}
    assert trace.counts()["opened"] == 8


def test_a_reset_ends_connections_and_nothing_else() -> None:
    counts = sl.run(scenario(faults=[sl.Fault("reset", start_s=1)]), on="live").counts()
    assert (counts["lost"], counts["opened"]) == (4, 8)
    assert "failed" not in counts


def test_a_black_hole_holds_what_is_sent_into_it_and_then_lets_it_through() -> None:
    hole = sl.Fault("black_hole", start_s=0.5, stop_s=1.5)
    trace = sl.run(scenario(faults=[hole]), on="live")
    counts = trace.counts()
    assert "lost" not in counts
    assert counts["received"] == counts["send"]
    received = trace.frame().query("name == 'received'")
    # What was answered before it opened is on its way; one timer's lateness is allowed for.
    assert received.query("0.6 < time_s < 1.5").empty


def test_a_black_hole_makes_new_attempts_time_out() -> None:
    hole = sl.Fault("black_hole", start_s=0.0, stop_s=1.5)
    hasty = dataclasses.replace(QUICK, connect_timeout_s=0.5)
    trace = sl.run(scenario(faults=[hole], client=hasty, ramp_s=0.0, duration_s=6), on="live")
    closes = trace.frame().query("name == 'close'")["reason"].astype(str).tolist()
    assert set(closes) == {"timeout"}
    assert trace.counts()["opened"] == 4


def test_heartbeats_find_a_silent_connection() -> None:
    watched = scenario(
        faults=[sl.Fault("black_hole", start_s=0.8, stop_s=1.8)],
        client=sl.Settings(
            backoff=QUICK.backoff,
            connect_timeout_s=0.5,
            heartbeat=sl.HeartbeatRules(interval_s=0.3, timeout_s=0.3),
        ),
    )
    closes = sl.run(watched, on="live").frame().query("name == 'close'")["reason"]
    assert closes.astype(str).tolist().count("silent") == 4


def test_latency_slows_every_message() -> None:
    latency = sl.Fault("latency", start_s=0.0, stop_s=5, amount_s=0.1)
    slow = scenario(faults=[latency], duration_s=5)
    frame = sl.run(slow, on="live").frame()
    sent = frame.query("name == 'transmit'").set_index(["client", "message"])["time_s"]
    got = frame.query("name == 'received'").set_index(["client", "message"])["time_s"]
    assert (got - sent).min() >= 0.24


def test_a_crash_kills_the_server_process_and_another_takes_over() -> None:
    crash = scenario(duration_s=6, faults=[sl.Fault("server_crash", start_s=1.5, stop_s=2.0)])
    trace = sl.run(crash, on="live")
    assert reasons(trace, "lost") == {"reset": 4}
    assert set(reasons(trace, "failed")) == {"refused"}
    counts = trace.counts()
    assert counts["opened"] == 8
    delivered = trace.frame().query("name == 'process'").groupby(["client", "message"]).size()
    assert len(delivered) == counts["send"]


@pytest.mark.slow
@pytest.mark.few(1)
@pytest.mark.parametrize("remember", ["disk", "memory"])
def test_ids_on_disk_survive_a_real_crash_and_ids_in_memory_do_not(remember: str) -> None:
    # Seconds before each crash, for a busy machine on which a server takes some to begin.
    crashes = [sl.Fault("server_crash", 3.0, 3.3), sl.Fault("server_crash", 8.0, 8.3)]
    trace = sl.run(
        scenario(
            clients=10,
            duration_s=14,
            faults=crashes,
            path=sl.Path(latency=sl.Latency(mean_s=0.3)),
            workload=sl.Workload(rate_per_s=8, stop_s=9),
            server=sl.ServerSettings(remember=remember),
        ),
        on="live",
    )
    row = sl.summary(trace).iloc[0]
    assert (0, 0) == (row["lost"], row["undelivered"])
    # Answers that the crashes cut off: the copies came, and this alone decides how they count.
    assert row["duplicate_fraction"] > 0.0
    assert (remember == "memory") == (row["doubled"] > 0)


def test_two_crashes_that_overlap_keep_the_server_down_until_the_later_stop() -> None:
    crashes = [sl.Fault("server_crash", 1.5, 1.9), sl.Fault("server_crash", 1.7, 2.4)]
    trace = sl.run(scenario(duration_s=6, faults=crashes), on="live")
    opened = trace.frame().query("name == 'opened'")["time_s"]
    assert (opened < 1.5).sum() == (opened > 2.4).sum() == 4


def test_a_rejection_carries_its_retry_after_as_a_lower_bound() -> None:
    reject = sl.Fault("reject", start_s=0.0, stop_s=0.8, status=503, retry_after_s=1)
    trace = sl.run(scenario(faults=[reject], ramp_s=0.0), on="live")
    failed = trace.frame().query("name == 'failed'")
    assert failed["reason"].astype(str).tolist() == ["rejected"] * 4
    assert failed["hint_s"].tolist() == [1.0] * 4
    assert (failed["wait_s"] >= 1.0).all()


def stopped_by(trace: Trace) -> list[tuple[str, int, str]]:
    """Return what stopped clients: what they were told, its code, and how they then stood."""
    told = trace.frame().query("kind == 'event' and state in ('stopped', 'suspended') and code > 0")
    return sorted(
        told[["name", "code", "state"]]
        .astype({"name": str, "state": str})
        .itertuples(index=False, name=None)
    )


@pytest.mark.parametrize(
    ("stops", "expected"),
    with_slow(
        [(sl.Stops(), [("failed", 401, "suspended")] * 4)],
        [
            (sl.Stops(ends_on=[401], suspends_on=[]), [("failed", 401, "stopped")] * 4),
            (sl.Stops(suspends_on=[]), []),
        ],
    ),
)
def test_a_status_stops_real_clients_as_their_settings_say(
    stops: sl.Stops, expected: list[tuple[str, int, str]]
) -> None:
    reject = sl.Fault("reject", start_s=0.0, stop_s=0.8, status=401)
    client = dataclasses.replace(QUICK, stops=stops)
    trace = sl.run(scenario(client=client, faults=[reject], ramp_s=0.0), on="live")
    assert expected == stopped_by(trace)
    assert (0 if expected else 4) == trace.counts().get("opened", 0)


def test_a_close_code_stops_real_clients_as_their_settings_say() -> None:
    closing = sl.Fault("close", start_s=1.0, code=4410)
    client = dataclasses.replace(QUICK, stops=sl.Stops(ends_on=["4400-4499"], suspends_on=[]))
    trace = sl.run(scenario(client=client, faults=[closing]), on="live")
    assert [("lost", 4410, "stopped")] * 4 == stopped_by(trace)
    assert 4 == trace.counts()["opened"]


@pytest.mark.slow
def test_a_poll_s_status_stops_real_clients() -> None:
    client = dataclasses.replace(
        QUICK,
        stops=sl.Stops(ends_on=[599]),
        fallback=sl.Fallback(after_attempts=1, poll_interval_s=0.3),
    )
    faults = [
        sl.Fault("outage", start_s=0.0, stop_s=5, route="websocket"),
        sl.Fault("reject", start_s=1.0, stop_s=5, route="http", status=599),
    ]
    trace = sl.run(scenario(client=client, faults=faults, duration_s=5), on="live")
    assert {("polled", 599, "stopped"), ("posted", 599, "stopped")} >= set(stopped_by(trace))
    assert 4 == len(stopped_by(trace))


def test_the_server_sheds_handshakes_over_its_limit() -> None:
    full = scenario(server=sl.ServerSettings(max_connections=1, retry_after_s=1), ramp_s=0.0)
    trace = sl.run(full, on="live")
    assert set(reasons(trace, "failed")) == {"rejected"}
    assert trace.counts()["opened"] == 1


def test_handshakes_wait_for_a_worker() -> None:
    patient = dataclasses.replace(QUICK, connect_timeout_s=60)
    slow = scenario(
        server=sl.ServerSettings(handshake_service_s=0.2), client=patient, ramp_s=0.0, duration_s=6
    )
    rows = sl.run(slow, on="live").frame()
    # By the server's own clock: what a busy machine delays on its way says nothing of the queue.
    admitted = rows.query("name == 'admit'").sort_values("time_s")["time_s"].tolist()
    arrived = rows.query("name == 'arrived'").sort_values("time_s")["time_s"].tolist()
    assert len(admitted) == len(arrived) == 4
    # However late each is admitted, the n-th has waited for n turns of the one worker.
    assert all(admitted[turn] - arrived[0] >= 0.2 * (turn + 1) - CLOCK_S for turn in range(4))


def test_workers_come_and_cohorts_wait_and_one_leaves_as_in_simulation() -> None:
    server = sl.ServerSettings(
        handshake_service_s=0.2,
        resync_service_s=0.6,
        scaling=sl.Scaling(at_backlog=1, delay_s=0.1, workers=2),
    )
    cohort = sl.Cohort(clients_fraction=0.5, client=sl.Settings(connect_timeout_s=5))
    storm = scenario(
        server=server, cohorts=[cohort], seed=323, stay_s=2, ramp_s=0.04, duration_s=1,
        client=sl.Settings(backoff=QUICK.backoff, connect_timeout_s=5),
        faults=[sl.Fault("reset", start_s=0.7)],
    )  # fmt: skip
    simulated, live_run = sl.run(storm), sl.run(storm, on="live")
    # One waits for the first worker, and its resynchronisation, until 1 s and longer.
    assert live_run.counts()["opened"] == 3
    for name in ("stop", "lost"):
        rows = [trace.frame().query(f"name == '{name}'") for trace in (simulated, live_run)]
        one, other = (sorted(each["client"]) for each in rows)
        assert one == other
    waits = live_run.frame().query("name == 'lost'").set_index("client")["wait_s"].round(6)
    assert all((waits[c] == 0.2) == (storm.cohort_of(c) == 1) for c in waits.index)


def test_a_limited_message_is_kept_and_sent_again() -> None:
    limited = scenario(server=sl.ServerSettings(rate=sl.Rate(per_s=2)), duration_s=4)
    trace = sl.run(limited, on="live")
    assert reasons(trace, "received")["limited"] > 0
    frame = trace.frame()
    assert not (frame["name"] == "drop").any()


def test_messages_go_by_polling_while_the_websocket_route_is_out() -> None:
    fallback = scenario(
        duration_s=8,
        client=sl.Settings(
            backoff=QUICK.backoff,
            fallback=sl.Fallback(after_attempts=2, poll_interval_s=0.3, return_after_s=0.3),
        ),
        workload=sl.Workload(rate_per_s=6, stop_s=7),
        faults=[sl.Fault("outage", start_s=0.5, stop_s=2.0, route="websocket")],
    )
    trace = sl.run(fallback, on="live")
    # Sent again where a busy machine answers late, and then not counted again.
    assert {"accepted"} <= reasons(trace, "posted").keys() <= {"accepted", "duplicate"}
    notices = trace.frame().query("name == 'notify'")["reason"].astype(str).tolist()
    # Who was connected too late to be seen stable before the end has not returned.
    assert notices.count("fell_back") == 4 >= notices.count("returned")
    sent = trace.frame().query("name == 'transmit' and time_s > 2.6")
    assert len(sent) > 0


def test_the_recorded_events_make_a_fresh_client_decide_the_same() -> None:
    busy = scenario(
        faults=[
            sl.Fault("outage", start_s=0.4, stop_s=0.8),
            sl.Fault("server_crash", start_s=1.2, stop_s=1.6),
        ],
        client=sl.Settings(
            backoff=sl.Backoff(base_s=0.1, cap_s=0.5),
            breaker=sl.Breaker(trip_after=2, open_s=0.3),
            fallback=sl.Fallback(after_attempts=2, poll_interval_s=0.2, return_after_s=0.2),
        ),
    )
    result = replay(sl.run(busy, on="live"))
    assert result.first == ""
    assert result.matched == result.total > 20


def test_a_users_own_process_drives_the_real_clients() -> None:
    def three_messages(world: World) -> Generator[Any, Any, None]:
        yield world.clock.timeout(1.0)
        for _ in range(3):
            world.send(0, priority=sl.Priority.CRITICAL)
            yield world.clock.timeout(0.1)

    mute = scenario(workload=sl.Workload(rate_per_s=0))
    runs = [sl.run(mute, on=engine, processes=[three_messages]) for engine in ("sim", "live")]
    for trace in runs:
        rows = trace.frame().query("name == 'process'")
        assert rows["message"].tolist() == [0, 1, 2]


def by_hand(fault: sl.Fault, start_s: float, stop_s: float) -> Any:
    def hand(world: World) -> Generator[Any, Any, None]:
        yield world.clock.timeout(start_s)
        index = world.strike(fault)
        yield world.clock.timeout(stop_s - start_s)
        world.lift(index)

    return hand


def test_a_black_hole_by_hand_holds_and_lets_through_when_it_is_lifted() -> None:
    # A ramp into the hole: two clients connect before it, two connect through it.
    slow = scenario(ramp_s=1.0, client=sl.Settings(connect_timeout_s=5))
    hole = by_hand(sl.Fault("black_hole"), 0.6, 1.4)
    trace = sl.run(slow, on="live", processes=[hole])
    counts = trace.counts()
    assert counts["opened"] == 4
    assert "lost" not in counts
    assert "failed" not in counts
    assert counts["received"] == counts["process"] == counts["send"]
    assert trace.frame().query("name == 'received' and 0.7 < time_s < 1.4").empty
    (noted,) = trace.scenario.faults
    assert 0.6 <= noted.start_s < noted.stop_s


@pytest.mark.slow
def test_a_crash_by_hand_kills_the_server_and_starts_another() -> None:
    crash = by_hand(sl.Fault("server_crash"), 0.5, 0.8)
    trace = sl.run(scenario(duration_s=10), on="live", processes=[crash])
    assert reasons(trace, "lost") == {"reset": 4}
    assert trace.counts()["opened"] == 8
    assert children() == set()


async def test_nothing_is_left_after_a_run() -> None:
    await sl.run_live(scenario(duration_s=0.5, ramp_s=0.0))  # what is imported once, is now
    files, tasks = open_files(), asyncio.all_tasks()
    await sl.run_live(scenario(duration_s=1, faults=[sl.Fault("server_crash", 0.5, 0.8)]))
    assert asyncio.all_tasks() == tasks
    assert open_files() == files
    assert children() == set()


async def test_an_error_in_a_process_ends_the_run_and_leaves_nothing() -> None:
    def broken(world: World) -> Generator[Any, Any, None]:
        yield world.clock.timeout(0.2)
        raise ZeroDivisionError("in the user's process")

    with pytest.raises(ZeroDivisionError, match="in the user's process"):
        await sl.run_live(scenario(duration_s=20), processes=[broken])
    assert children() == set()
    assert len(asyncio.all_tasks()) == 1


async def test_a_cancelled_run_leaves_nothing_and_is_partial() -> None:
    trace = Trace("live", scenario(duration_s=20))
    played = asyncio.Event()
    task = asyncio.create_task(
        live.play_async(trace.scenario, progress=lambda _: played.set(), trace=trace)
    )
    await asyncio.wait_for(played.wait(), 300)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert trace.partial
    assert 0 < trace.end_s < 20
    assert children() == set()


def test_ctrl_c_saves_what_was_played(tmp_path: Path) -> None:
    script = textwrap.dedent(f"""
        import simlib as sl
        from simlib.trace.trace import Interrupted

        def tell(fraction):
            if fraction > 0.01:
                print("playing", flush=True)

        try:
            sl.run(sl.Scenario(clients=5, duration_s=60), on="live", progress=tell)
        except Interrupted as interrupted:
            interrupted.trace.save({str(tmp_path / "partial.parquet")!r})
            print("saved", flush=True)
    """)
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "playing\n"
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        assert process.wait(300) == 0
    assert rest.splitlines()[-1] == "saved"
    assert Trace.load(tmp_path / "partial.parquet").partial
    assert subprocess.run(["pgrep", "-s", str(process.pid)], check=False).returncode == 1


@pytest.mark.parametrize("broken", ["proxy", "http"])
async def test_what_cannot_be_closed_is_noted_and_the_rest_is_closed(
    monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    closing = {"proxy": (Proxy, "close"), "http": (httpx.AsyncClient, "aclose")}[broken]
    close = getattr(*closing)

    async def fails(self: Any) -> None:
        await close(self)
        raise TimeoutError("too late")

    monkeypatch.setattr(*closing, fails)
    trace = await sl.run_live(scenario(duration_s=1, ramp_s=0.0))
    assert not trace.partial
    assert 4 == trace.counts()["arrived"]  # from the server's side
    words = {"proxy": "proxy", "http": "HTTP connections"}[broken]
    assert [f"After the run the {words} could not be closed: TimeoutError too late."] == trace.notes
    assert children() == set()
    assert len(asyncio.all_tasks()) == 1


@pytest.mark.slow
def test_a_second_ctrl_c_leaves_nothing_and_keeps_the_server_s_rows(tmp_path: Path) -> None:
    script = textwrap.dedent(f"""
        import asyncio
        import simlib as sl
        from simlib.engines.live.proxy import Proxy
        from simlib.trace.trace import Interrupted

        async def hangs(self):
            print("closing", flush=True)
            await asyncio.sleep(600)

        def tell(fraction):
            if fraction > 0.01:
                print("playing", flush=True)

        Proxy.close = hangs
        try:
            sl.run(sl.Scenario(clients=5, duration_s=60, ramp_s=0), on="live", progress=tell)
        except Interrupted as interrupted:
            interrupted.trace.save({str(tmp_path / "partial.parquet")!r})
            print("saved", flush=True)
    """)
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        for said in ("playing", "closing"):
            while process.stdout.readline() != f"{said}\n":
                assert process.poll() is None
            process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        assert process.wait(300) == 0
    assert rest.splitlines()[-1] == "saved"
    assert 5 == Trace.load(tmp_path / "partial.parquet").counts()["arrived"]
    assert subprocess.run(["pgrep", "-s", str(process.pid)], check=False).returncode == 1


def test_a_server_that_dies_at_its_start_is_an_error_in_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(child_process.sys, "executable", "/bin/false")
    with pytest.raises(sl.EngineError, match="ended before it said ready: it wrote no error"):
        sl.run(scenario(), on="live")
    assert children() == set()


def test_more_clients_than_the_machine_has_sockets_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits.resource, "getrlimit", lambda _: (100, 100))
    with pytest.raises(sl.SimlibError, match="4 live clients need 124 open files"):
        sl.run(scenario(), on="live")


async def test_where_a_loop_runs_as_in_a_notebook_it_is_played_all_the_same() -> None:
    trace = sl.run(scenario(duration_s=0.5, ramp_s=0.0), on="live")
    assert not trace.partial
    assert 4 == int(trace.counts()["opened"])
