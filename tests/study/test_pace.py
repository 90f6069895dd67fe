"""The same run in another pace is the same run."""

import numpy as np
import pytest

import simlib as sl
from simlib.study.pace import paced, stretched

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
    herds=[
        sl.Herd(
            clients_fraction=0.5,
            client=sl.Settings(backoff=sl.Backoff(jitter="none", base_s=2, cap_s=10)),
        )
    ],
    server=sl.ServerSettings(handshake_service_s=0.5, resync_service_s=1),
    stay_s=100,
)


def test_a_paced_run_stretched_is_the_run_itself():
    # A pace of a power of two changes no digit.
    whole, quick = sl.run(SCENARIO), sl.run(paced(SCENARIO, 4.0))
    slow = stretched(quick, SCENARIO, 4.0)
    assert whole.end_s == slow.end_s
    for name, column in whole.columns().items():
        if name != "quality":  # the classes of quality are paced too, but no more exact than that
            np.testing.assert_array_equal(column, slow.columns()[name], name)


def test_what_has_no_time_in_it_stays():
    quick = paced(SCENARIO, 3.0)
    assert (5, "scenario") == (quick.clients, quick.name)
    assert 3 == quick.client.breaker.trip_after
    assert quick.client.backoff.steps_s == pytest.approx((1 / 3, 2 / 3, 4 / 3))
    assert quick.workload.stop_s == SCENARIO.workload.stop_s
