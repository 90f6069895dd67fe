"""What clients can do, with real sockets: the same counts and the same draws as in simulation."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

import simlib as sl
from simlib.core.draws import Stream, uniform
from simlib.trace.trace import Trace

pytestmark = pytest.mark.live

QUICK = sl.Settings(backoff=sl.Backoff(base_s=0.2, cap_s=0.4, jitter="none"), connect_timeout_s=5)


def scenario(**changes: Any) -> sl.Scenario:
    settings = {
        "clients": 4,
        "duration_s": 3,
        "ramp_s": 0.1,
        "client": QUICK,
        "workload": sl.Workload(rate_per_s=0),
    }
    return sl.Scenario(**(settings | changes))


def ends(trace: Trace, name: str) -> list[tuple[int, float, float]]:
    """Client, hint and wait of each attempt that failed, or connection that was lost."""
    rows = trace.frame().query("name == @name and state == 'waiting'").sort_values("client")
    return list(rows[["client", "hint_s", "wait_s"]].round(6).itertuples(index=False, name=None))


def drawn_s(client: int, window_s: float) -> float:
    """When a client comes back in a window that it is told after its first wait."""
    return round(max(0.2, window_s * uniform(1, client, Stream.WAIT, 0)), 6)


def test_a_window_in_a_close_frame_is_drawn_from_as_in_simulation() -> None:
    server = sl.ServerSettings(advises_window_s=2.5)
    trace = sl.run(
        scenario(server=server, faults=[sl.Fault("close", 1, code=1012)], duration_s=2, seed=1),
        on="live",
    )
    assert [(client, -2.5, drawn_s(client, 2.5)) for client in range(4)] == ends(trace, "lost")


def test_a_window_in_a_refusal_is_drawn_from_as_in_simulation() -> None:
    server = sl.ServerSettings(max_connections=1, advises_window_s=30.0)
    full = scenario(server=server, ramp_s=0.0, duration_s=1.5, seed=1)
    refused = ends(sl.run(full, on="live"), "failed")
    assert 3 == len(refused)
    assert [(client, -30.0, drawn_s(client, 30.0)) for client, _, _ in refused] == refused


def test_what_nobody_waits_for_is_sent_once_and_what_nobody_knows_again_counts_again() -> None:
    once = sl.OutboxLimits(awaits_ack=False, max_resends=0)
    again = sl.OutboxLimits(ack_timeout_s=0.15, max_resends=20)
    late = [sl.Fault("latency", 0.5, 1.5, amount_s=0.15)]
    server, work = sl.ServerSettings(deduplicates=False), sl.Workload(rate_per_s=4, stop_s=2)

    def row(outbox: sl.OutboxLimits) -> Any:
        client = dataclasses.replace(QUICK, outbox=outbox)
        played = sl.run(
            scenario(client=client, server=server, faults=late, workload=work), on="live"
        )
        return sl.summary(played).iloc[0]

    sent_once, sent_again = row(once), row(again)
    assert (0, 0, 1.0) == tuple(sent_once[["doubled", "lost", "delivered_fraction"]])
    assert sent_again["doubled"] > 3
    assert 1.0 == sent_again["delivered_fraction"]


@pytest.mark.slow
def test_real_timers_of_a_hidden_page_fire_at_its_own_moments() -> None:
    beat = sl.HeartbeatRules(interval_s=0.2, timeout_s=5)
    hidden = sl.Fault("client_throttle", 0.9, timers_every_s=1.0)
    client = dataclasses.replace(QUICK, heartbeat=beat)
    trace = sl.run(scenario(client=client, faults=[hidden], duration_s=5, seed=1), on="live")
    pings = trace.frame().query("name == 'ping' and time_s > 1.2")
    assert {0, 1, 2, 3} == set(pings["client"])
    for client_number, times_s in pings.groupby("client", observed=True)["time_s"]:
        first_s = uniform(1, int(client_number), Stream.TIMERS, 0)
        # One ping at each moment at most, and none before its moment.
        moments = ((times_s - first_s) // 1.0).tolist()
        assert sorted(set(moments)) == moments


def times_s(trace: Trace, name: str) -> list[list[float]]:
    """When something happened to each client."""
    rows = trace.frame().query("name == @name")
    return [rows[rows["client"] == client]["time_s"].tolist() for client in range(4)]


def assert_decided_alike(trace: Trace) -> None:
    """Assert that each client's core, fed the same events, decides the same once more."""
    for client in range(trace.scenario.clients):
        again = [decision for _, decision in trace.replay(client)]
        assert trace.recorded_decisions(client) == again


def test_breakers_that_tripped_together_probe_at_moments_that_are_drawn() -> None:
    breaker = sl.Breaker(trip_after=1, open_s=1.0, open_spread_fraction=0.5)
    client = dataclasses.replace(QUICK, breaker=breaker)
    faults = [sl.Fault("reset", 1), sl.Fault("reject", 1, 1.9)]
    trace = sl.run(scenario(client=client, faults=faults, duration_s=5, seed=1), on="live")
    for number, opens_s in enumerate(times_s(trace, "open")):
        failed_s = times_s(trace, "failed")[number][0]
        # The wait after the loss is each client's first, so that of the refusal has the index 1.
        drawn_s = 1.0 + 0.5 * (2 * uniform(1, number, Stream.WAIT, 1) - 1)
        assert opens_s[2] >= failed_s + drawn_s
    assert_decided_alike(trace)


def test_a_real_retry_after_counts_up_to_the_client_s_own_bound() -> None:
    bounded = sl.Backoff(base_s=0.2, cap_s=0.4, jitter="none", hint_cap_s=0.6)
    client = dataclasses.replace(QUICK, backoff=bounded)
    faults = [sl.Fault("reset", 1), sl.Fault("reject", 1, 1.7, retry_after_s=600)]
    trace = sl.run(scenario(client=client, faults=faults, duration_s=4), on="live")
    for refused_s, opens_s in zip(times_s(trace, "failed"), times_s(trace, "open"), strict=True):
        # Those who heeded 600 s would not have come again, and without the hint they wait 0.4 s.
        assert opens_s[2] >= refused_s[0] + 0.6
    assert_decided_alike(trace)


@pytest.mark.slow
def test_a_budget_that_nothing_fills_ends_real_attempts_when_it_is_spent() -> None:
    budget = sl.AttemptBudget(per_s=0, burst=3)
    client = dataclasses.replace(QUICK, attempt_budget=budget)
    trace = sl.run(scenario(client=client, faults=[sl.Fault("outage", 1)], duration_s=4), on="live")
    # The first attempt of all is no attempt again, so each client makes three more.
    assert [4] * 4 == [len(opens_s) for opens_s in times_s(trace, "open")]
    assert 4 == sl.summary(trace).iloc[0]["gave_up"]
    assert_decided_alike(trace)


def test_real_clients_give_up_by_time() -> None:
    timed = sl.Backoff(base_s=0.2, cap_s=0.4, jitter="none", give_up_after_s=1.5)
    client = dataclasses.replace(QUICK, backoff=timed)
    trace = sl.run(scenario(client=client, faults=[sl.Fault("outage", 1)], duration_s=4), on="live")
    # Attempts after 0.2, 0.6, 1.0 and 1.4 s at most; another would be at 1.8 s.
    assert all(2 <= len(opens_s) <= 5 for opens_s in times_s(trace, "open"))
    assert 4 == sl.summary(trace).iloc[0]["gave_up"]
    assert_decided_alike(trace)


def test_a_wait_after_a_loss_is_spread_with_real_sockets_by_the_same_draws() -> None:
    spread = sl.Backoff(base_s=0.2, jitter="none", after_loss_s=1.0, after_loss_jitter="full")
    client = dataclasses.replace(QUICK, backoff=spread)
    trace = sl.run(
        scenario(client=client, faults=[sl.Fault("reset", 1)], duration_s=4, seed=1), on="live"
    )
    drawn_s = [round(uniform(1, number, Stream.WAIT, 0), 6) for number in range(4)]
    assert drawn_s == [wait_s for _, _, wait_s in ends(trace, "lost")]


@pytest.mark.slow
def test_a_real_connection_in_use_is_not_pinged_where_any_traffic_counts() -> None:
    def pings(any_traffic: bool) -> int:
        # Messages come 20 times in a second, so a silence of 2 s is none of a busy machine's.
        beat = sl.HeartbeatRules(interval_s=2.0, timeout_s=10, any_traffic=any_traffic)
        client = dataclasses.replace(QUICK, heartbeat=beat)
        work = sl.Workload(rate_per_s=20)
        trace = sl.run(scenario(client=client, workload=work, duration_s=5), on="live")
        assert_decided_alike(trace)
        return sum(map(len, times_s(trace, "ping")))

    assert pings(False) > pings(True) == 0
