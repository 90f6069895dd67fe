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
