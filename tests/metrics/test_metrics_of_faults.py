"""Whom a fault hit, how long they were away, the worst second, connections of use: by hand.

One way takes 0.02 s: an attempt opens 0.08 s after it began, and a close is heard after 0.02 s.
"""

from math import inf, isnan

import numpy as np
import pytest

import simlib as sl
from simlib.metrics.attempts import attempt_times_s, attempts_per_s, peak_attempts_per_s
from simlib.metrics.fault_times import downtimes_s, recovery_times_s
from simlib.metrics.metrics import summary

ENGINES = ["sim", "fleet"]


@pytest.fixture(autouse=True)
def _compiled():
    pytest.importorskip("numba")


def fixed(wait_s, **more):
    return sl.Settings(backoff=sl.Backoff(jitter="none", steps_s=[wait_s], cap_s=300, **more))


def scenario(*faults, wait_s=1.0, **changes):
    settings = {
        "clients": 1, "duration_s": 40, "ramp_s": 0, "client": fixed(wait_s), "faults": faults,
        "workload": sl.Workload(rate_per_s=0),
    }  # fmt: skip
    return sl.Scenario(**settings | changes)


def numbers(scenario, engine="sim"):
    return summary(sl.run(scenario, on=engine)).iloc[0]


# --- whom a fault hit, and how long they were away ---------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
def test_all_that_a_drain_threw_out_count_whether_they_were_back_before_its_end_or_not(engine):
    # A thousand connections are closed evenly within a minute; each dials again after 10 s.
    drain = sl.Fault("deploy", start_s=20, stop_s=80)
    trace = sl.run(scenario(drain, wait_s=10, clients=1000, duration_s=120, ramp_s=5), on=engine)
    assert 1000 == recovery_times_s(trace).size == downtimes_s(trace).size
    expected = {
        "time_to_recover_s_p50": 0.0,
        "time_to_recover_s_p95": 7.1,
        "time_to_recover_s_p99": 9.5,
        "last_back_s": 10.1,
        "never_recovered": 0,
        "downtime_s_p50": 10.08,
        "downtime_s_p99": 10.08,
    }
    found = summary(trace).iloc[0]
    assert expected == pytest.approx(found[list(expected)].to_dict(), abs=0.1)
    assert 10.08 == pytest.approx(found["downtime_s_p95"], abs=1e-9)


@pytest.mark.parametrize("engine", ENGINES)
def test_whoever_was_back_before_the_end_took_no_time_after_it(engine):
    half_a_minute = sl.Fault("close", start_s=5, clients_fraction=1.0)
    handled = numbers(scenario(half_a_minute), engine)
    assert handled["time_to_recover_s_p50"] == pytest.approx(1.1)
    long = numbers(scenario(sl.Fault("deploy", start_s=5, stop_s=25)), engine)
    # Its only connection is closed when the drain ends.
    assert long["time_to_recover_s_p50"] == pytest.approx(1.1)
    early = numbers(scenario(sl.Fault("deploy", start_s=5, stop_s=25), clients=2), engine)
    assert (0.0, 1.1) == (early["time_to_recover_s_p50"], pytest.approx(early["last_back_s"]))


@pytest.mark.parametrize("engine", ENGINES)
def test_of_a_client_that_one_fault_hit_several_times_the_last_return_counts(engine):
    # Outages from 5, 15 and 25 s on; between them it is back. The flap ends at 32 s.
    flap = sl.Fault("flap", start_s=5, stop_s=32, period_s=10, down_fraction=0.2)
    trace = sl.run(scenario(flap, wait_s=3), on=engine)
    assert [0.0] == recovery_times_s(trace).tolist()
    assert [3.08] * 3 == pytest.approx(downtimes_s(trace).tolist())
    last = sl.Fault("flap", start_s=5, stop_s=26.5, period_s=10, down_fraction=0.2)
    assert [25 + 3.08 - 26.5] == pytest.approx(
        recovery_times_s(sl.run(scenario(last, wait_s=3), on=engine)).tolist()
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_each_fault_has_a_time_of_its_own_for_whoever_is_away_through_it(engine):
    outages = [sl.Fault("outage", start_s=5, stop_s=8), sl.Fault("outage", start_s=9, stop_s=12)]
    trace = sl.run(scenario(*outages, wait_s=8), on=engine)
    assert [1.08, 5.08] == pytest.approx(sorted(recovery_times_s(trace)))
    assert [8.08] == pytest.approx(downtimes_s(trace).tolist())


@pytest.mark.parametrize("engine", ENGINES)
def test_a_loss_that_is_not_over_at_the_end_has_no_end(engine):
    found = numbers(scenario(sl.Fault("outage", start_s=5, stop_s=10), wait_s=100), engine)
    assert inf == found["downtime_s_p50"] == found["last_back_s"] == found["time_to_recover_s_p50"]
    assert 1 == found["never_recovered"]
    # The fault outlives the run: nobody has a time after its end, and all are away.
    endless = numbers(scenario(sl.Fault("outage", start_s=5)), engine)
    assert inf == endless["downtime_s_p95"]
    assert isnan(endless["last_back_s"])


@pytest.mark.parametrize("engine", ENGINES)
def test_a_loss_counts_whatever_caused_it_from_the_end_of_the_warm_up_on(engine):
    faults = [sl.Fault("reset", start_s=t) for t in (5, 10, 15)]
    trace = sl.run(scenario(*faults, wait_s=2, warm_up_s=9), on=engine)
    assert [2.08, 2.08] == pytest.approx(downtimes_s(trace).tolist())
    assert [2.08, 2.08] == pytest.approx(recovery_times_s(trace).tolist())


@pytest.mark.parametrize("engine", ENGINES)
def test_whoever_leaves_for_good_while_away_is_not_waited_for(engine):
    fault = sl.Fault("outage", start_s=5, stop_s=10)
    trace = sl.run(scenario(fault, wait_s=100, clients=50, stay_s=8), on=engine)
    rows = sl.run(scenario(fault, wait_s=100, clients=50, stay_s=8)).frame()
    left_s = rows[(rows["name"] == "stop")].groupby("client")["time_s"].first()
    still_there = 50 - left_s.size
    assert 0 < still_there < 20
    assert [inf] * still_there == downtimes_s(trace).tolist() == recovery_times_s(trace).tolist()


# --- the worst second --------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
def test_a_burst_across_the_edge_of_a_second_is_one_burst(engine):
    # A hundred attempts within 0.8 s, from 9.6 s on.
    spread = sl.Backoff(jitter="additive", add_least_s=0, add_most_s=0.8, base_s=0.1, cap_s=1)
    burst = scenario(
        sl.Fault("reset", start_s=9.5), client=sl.Settings(backoff=spread), clients=100,
        ramp_s=2, path=sl.Path(latency=sl.Latency(mean_s=0)), duration_s=20,
    )  # fmt: skip
    trace = sl.run(burst, on=engine)
    assert attempts_per_s(trace)[2:].max() < 70
    assert 100 == summary(trace)["peak_attempts_per_s"].iloc[0]
    assert 100 == peak_attempts_per_s(trace, 9.0)
    assert 0 == peak_attempts_per_s(trace, 11.0)


def worst_by_hand(times_s, from_s):
    tenths = [int(time_s * 10) for time_s in times_s if time_s >= from_s]
    return max((sum(k <= t < k + 10 for t in tenths) for k in set(tenths)), default=0)


@pytest.mark.parametrize("warm_up_s", [0.0, 0.35, 10.25])
@pytest.mark.parametrize("engine", ENGINES)
def test_the_peak_is_the_worst_of_all_seconds_that_begin_at_a_tenth(engine, warm_up_s):
    storm = scenario(
        sl.Fault("outage", start_s=10, stop_s=14), clients=40, ramp_s=3, warm_up_s=warm_up_s,
        client=sl.Settings(backoff=sl.Backoff(base_s=0.5, cap_s=2)),
    )  # fmt: skip
    expected = worst_by_hand(attempt_times_s(sl.run(storm)), warm_up_s)
    assert expected == numbers(storm, engine)["peak_attempts_per_s"]


def test_a_run_without_attempts_has_no_peak():
    late = scenario(clients=2, ramp_s=1, warm_up_s=39)
    for engine in ENGINES:
        found = numbers(late, engine)
        assert (0, 0) == (found["attempts"], found["peak_attempts_per_s"])
        assert isnan(found["amplification"])


# --- connections of use ------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
def test_connections_that_are_accepted_and_closed_at_once_are_of_no_use(engine):
    closing = sl.Fault("close", start_s=5, stop_s=25)
    found = numbers(scenario(closing, wait_s=0.42), engine)
    # One from 0 s on, and the one that is open at the end; every 0.54 s one in between.
    assert found["attempts"] > 30
    assert found["attempts"] / 2 == found["amplification"]
    useless = numbers(scenario(sl.Fault("close", start_s=0.1, stop_s=39.9), wait_s=60), engine)
    assert inf == useless["amplification"]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("stable_after_s", "of_use"), [(0.0, 3), (1.5, 3), (4.0, 2), (6.0, 1)])
def test_of_use_is_what_was_open_until_it_counted_as_stable(engine, stable_after_s, of_use):
    # Open for 4.92 s, then for 2.92 s, then to the end.
    client = fixed(1.0, stable_after_s=stable_after_s)
    resets = [sl.Fault("reset", start_s=5), sl.Fault("reset", start_s=9)]
    found = numbers(scenario(*resets, client=client), engine)
    assert 3 / of_use == pytest.approx(found["amplification"])


@pytest.mark.parametrize("engine", ENGINES)
def test_each_cohort_has_its_own_time_until_a_connection_is_of_use(engine):
    cohort = sl.Cohort(name="slow", clients_fraction=0.5, client=fixed(1.0, stable_after_s=10))
    mixed = scenario(sl.Fault("reset", start_s=5), clients=40, cohorts=[cohort])
    slow = sum(mixed.cohort_of(client) == 0 for client in range(40))
    assert 0 < slow < 40
    assert 80 / (80 - slow) == pytest.approx(numbers(mixed, engine)["amplification"])


@pytest.mark.parametrize("engine", ENGINES)
def test_whoever_leaves_early_had_a_connection_of_use(engine):
    leaving = scenario(clients=60, stay_s=2, client=fixed(1.0, stable_after_s=10))
    opened = (sl.run(leaving).frame()["name"] == "opened").sum()
    assert 60 / opened == pytest.approx(numbers(leaving, engine)["amplification"])


@pytest.mark.live
def test_a_live_run_has_the_same_numbers():
    flap = sl.Fault("flap", start_s=1, stop_s=5, period_s=1.5, down_fraction=0.2)
    short = scenario(flap, wait_s=0.5, duration_s=6, clients=5)
    simulated, played = numbers(short), numbers(short, "live")
    for name in ("time_to_recover_s_p99", "last_back_s", "amplification", "attempts"):
        assert simulated[name] == played[name], name
    assert 3 * 5 == downtimes_s(sl.run(short)).size
    assert simulated["downtime_s_p50"] <= played["downtime_s_p50"] < np.inf
