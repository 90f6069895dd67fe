"""Connections alone: the numbers of the whole run, in less time."""

import numpy as np
import pytest

import simlib as sl
from simlib.engines.fleet import part
from simlib.experiments import connections
from simlib.experiments.connections import play_connections
from simlib.metrics.attempts import attempts_per_s
from simlib.metrics.fault_times import recovery_times_s
from simlib.metrics.meaning import OF_MESSAGES
from simlib.metrics.metrics import row

STORM = sl.Scenario(clients=40, duration_s=30, faults=[sl.Fault("outage", start_s=5, stop_s=9)])
BUSY = sl.ServerSettings(handshake_service_s=0.05, backlog=20, max_connections=35)
LOCKSTEP = sl.Settings(backoff=sl.Backoff(jitter="none"))
SCENARIOS = {
    "a plain path": STORM,
    "a queue, and no room for all": STORM.replace(server=BUSY),
    "lockstep before a server that tells": STORM.replace(server=BUSY, client=LOCKSTEP, ramp_s=0),
    "a deploy": STORM.replace(faults=[sl.Fault("deploy", 5, 9), sl.Fault("close", 15)]),
    "messages that share a random path": STORM.replace(
        path=sl.Path(latency=sl.Latency(distribution="lognormal"), loss_fraction=0.05)
    ),
    "polling, and a quality that messages tell": STORM.replace(
        {"client.fallback.after_attempts": 2, "client.fallback.when_quality": "fair"}
    ),
    "silence that messages break": STORM.replace("server.silence_timeout_s", 3),
    "clients that reload and sleep": STORM.replace(
        faults=[sl.Fault("client_reload", 4), sl.Fault("client_sleep", 8, 12)]
    ),
    "pings in vain": STORM.replace(
        "client.heartbeat", sl.HeartbeatRules(interval_s=2, timeout_s=0.04)
    ),
    "many messages, some of them edits": STORM.replace(
        workload=sl.Workload(arrivals="typing", rate_per_s=5, keys=3)
    ),
}


@pytest.mark.few(7)
@pytest.mark.parametrize("compiled", [True, False], ids=["fleet", "no fleet"])
@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS.keys())
def test_the_numbers_are_those_of_the_whole_run(scenario, compiled, monkeypatch):
    if compiled:
        pytest.importorskip("numba")
        part.Part(scenario, 0).load()
    else:
        monkeypatch.setattr(part, "is_compiled", lambda _: False)
    whole, seen = sl.run(scenario), play_connections(scenario)
    assert whole.scenario == seen.scenario
    assert np.array_equal(attempts_per_s(whole), attempts_per_s(seen))
    assert np.array_equal(np.sort(recovery_times_s(whole)), np.sort(recovery_times_s(seen)))
    expected, found = row(whole), row(seen)
    for name in expected.keys() - OF_MESSAGES - {"engine"}:
        # Sums are added up in another order.
        assert expected[name] == pytest.approx(found[name], rel=1e-9, nan_ok=True), name


@pytest.mark.parametrize(
    ("name", "engine"),
    [("a plain path", "fleet"), ("a deploy", "sim"), ("messages that share a random path", "sim")],
)
def test_the_engine_is_the_quickest_that_gives_them(name, engine):
    pytest.importorskip("numba")
    part.compile_ahead("plain")
    assert engine == play_connections(SCENARIOS[name]).engine


def test_messages_are_played_only_where_they_may_matter(monkeypatch):
    played = []
    monkeypatch.setattr(part, "is_compiled", lambda _: False)
    monkeypatch.setattr(
        connections, "run", lambda scenario, on="sim": played.append(scenario) or sl.run(scenario)
    )
    for name in ("a plain path", "a deploy", "messages that share a random path"):
        play_connections(SCENARIOS[name])
    assert [0.0, 0.0, 1.0] == [scenario.workload.rate_per_s for scenario in played]


def test_without_compiled_code_nobody_waits_for_it(monkeypatch, tmp_path):
    monkeypatch.setattr("simlib.engines.fleet.machine_code.cache_folder", lambda: tmp_path)
    assert "sim" == play_connections(STORM).engine
