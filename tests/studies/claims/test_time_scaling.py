"""The same run in another pace is the same run."""

import dataclasses

import numpy as np
import pytest

import simlib as sl
from simlib.studies.claims.time_scaling import scale_time, unscale_trace

SCENARIO = sl.Scenario(
    clients=5,
    duration_s=60,
    client=sl.Settings(
        backoff=sl.Backoff(jitter="none", base_s=1, cap_s=10, steps_s=[1, 2, 4]),
        breaker=sl.Breaker(trip_after=3, open_s=12),
        fallback=sl.Fallback(after_attempts=2),
    ),
    workload=sl.Workload(arrivals="constant", rate_per_s=1),
    faults=[sl.Fault("outage", 8, 24)],
    hints=[sl.Hint(start_s=30, rtt_s=0.8)],
    cohorts=[
        sl.Cohort(
            clients_fraction=0.5,
            client=sl.Settings(backoff=sl.Backoff(jitter="none", base_s=2, cap_s=10)),
        )
    ],
    server=sl.ServerSettings(handshake_service_s=0.5, resync_service_s=1),
    stay_s=100,
)


def test_a_paced_run_stretched_is_the_run_itself():
    # A pace of a power of two changes no digit.
    whole, quick = sl.run(SCENARIO), sl.run(scale_time(SCENARIO, 4.0))
    slow = unscale_trace(quick, SCENARIO, 4.0)
    assert whole.end_s == slow.end_s
    for name, column in whole.columns().items():
        if name != "quality":  # the classes of quality are paced too, but no more exact than that
            np.testing.assert_array_equal(column, slow.columns()[name], name)


RECORDED = [(4.0, "high", 100), (30.0, "low", 100), (50.0, "low", 100)]


@pytest.mark.parametrize(
    "changes",
    [
        {"workload": sl.Workload(arrivals="recorded", recorded=RECORDED)},
        {"workload": sl.Workload(arrivals="typing", rate_per_s=4, pause_s=2)},
        {"workload": sl.Workload(arrivals="bursts", rate_per_s=4)},
        {"client.rate.per_s": 0.25, "client.rate.burst": 1},
        {"client.attempt_budget.per_s": 0.125, "client.attempt_budget.burst": 1},
        {"client.connect_budget.per_s": 0.125, "client.connect_budget.burst": 1},
        {"server.rate.per_s": 0.25, "server.rate.burst": 1},
        {"server.max_connections": 3, "server.retry_after_s": 4},
        {"path": sl.Path(latency=sl.Latency(distribution="table", table_s=[0.1, 0.2, 0.4]))},
    ],
    ids=" ".join,
)
def test_every_kind_of_time_and_rate_is_paced(changes):
    scenario = SCENARIO.replace(cohorts=[])
    for key, value in changes.items():
        scenario = scenario.replace(key, value)
    whole, quick = sl.run(scenario), unscale_trace(sl.run(scale_time(scenario, 4.0)), scenario, 4.0)
    assert len(whole) == len(quick)
    for name in ("time_s", "client", "name", "message", "wait_s"):
        np.testing.assert_array_equal(whole.columns()[name], quick.columns()[name], name)


def numbers(settings, where=""):
    """Every number of settings that has a unit, by its place."""
    for item in dataclasses.fields(settings):
        value, rule = getattr(settings, item.name), item.metadata.get("rule")
        if dataclasses.is_dataclass(value):
            yield from numbers(value, f"{where}{item.name}.")
        elif rule is not None and rule.unit:
            yield f"{where}{item.name}", rule.unit, value


def test_every_time_is_shorter_and_every_rate_is_higher_whatever_its_name():
    found = list(zip(numbers(sl.Scenario()), numbers(scale_time(sl.Scenario(), 4.0)), strict=True))
    assert {"client.rate.per_s", "workload.rate_per_s", "duration_s"} <= {x[0] for x, _ in found}
    for (key, unit, whole), (_, _, quick) in found:
        times = {"seconds": 0.25, "bytes": 1.0}.get(unit, 4.0)
        assert (key, whole * times) == (key, quick)


def test_a_hint_that_becomes_short_is_a_hint_still():
    hinted = SCENARIO.replace("server.retry_after_s", 1)
    assert 1 == scale_time(hinted, 10.0).server.retry_after_s
    assert 0 == scale_time(SCENARIO, 10.0).server.retry_after_s


def test_what_has_no_time_in_it_stays():
    quick = scale_time(SCENARIO, 3.0)
    assert (5, "scenario") == (quick.clients, quick.name)
    assert 3 == quick.client.breaker.trip_after
    assert quick.client.backoff.steps_s == pytest.approx((1 / 3, 2 / 3, 4 / 3))
    assert quick.workload.stop_s == SCENARIO.workload.stop_s
