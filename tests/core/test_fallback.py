"""The transport never flaps: under any flap it changes at most once per dwell time."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

import simlib as sl
from tests.batteries import examples


@settings(max_examples=examples(25))
@given(
    period_s=st.floats(0.1, 60.0),
    down_fraction=st.floats(0.05, 0.95),
    dwell_s=st.sampled_from([1.0, 5.0, 20.0]),
    when_quality=st.sampled_from(["offline", "fair"]),
    seed=st.integers(0, 99),
)
def test_under_a_flap_of_any_period_the_transport_changes_once_per_dwell_time(
    period_s, down_fraction, dwell_s, when_quality, seed
):
    fallback = sl.Fallback(
        after_attempts=1,
        return_after_s=0.5,
        poll_interval_s=1,
        dwell_s=dwell_s,
        when_quality=when_quality,
        quality_for_s=0.5,
    )
    scenario = sl.Scenario(
        clients=2,
        duration_s=120,
        seed=seed,
        client=sl.Settings(
            backoff=sl.Backoff(base_s=0.2, cap_s=1, max_attempts=9),
            heartbeat=sl.HeartbeatRules(interval_s=1, timeout_s=1),
            fallback=fallback,
        ),
        faults=[sl.Fault("flap", 2, 110, period_s=period_s, down_fraction=down_fraction)],
    )
    frame = sl.run(scenario).frame()
    changes = frame[frame["reason"].isin(["fell_back", "returned"])]
    for _, of_client in changes.groupby("client"):
        times_s = of_client["time_s"].to_list()
        assert all(b >= a + dwell_s for a, b in pairwise(times_s))


def test_poor_quality_for_a_while_falls_back_and_good_quality_returns():
    scenario = sl.Scenario(
        clients=1,
        duration_s=40,
        client=sl.Settings(
            heartbeat=sl.HeartbeatRules(interval_s=0.5, timeout_s=5),
            quality=sl.QualityRules(better_after_s=1),
            fallback=sl.Fallback(
                when_quality="poor", quality_for_s=2, return_after_s=3, poll_interval_s=1
            ),
        ),
        faults=[sl.Fault("latency", 5, 12, amount_s=1.5)],
    )
    trace = sl.run(scenario)
    frame = trace.frame()
    notices = frame[frame["reason"].isin(["fell_back", "returned"])]
    assert ["fell_back", "returned"] == notices["reason"].to_list()
    fell_s, returned_s = notices["time_s"]
    poor = frame[(frame["quality"] == "poor") & (frame["time_s"] < fell_s)]["time_s"].min()
    assert fell_s - poor >= 2.0
    assert returned_s > 12.0
    # WebSocket stayed open all the time: it is watched, not given up.
    assert 1 == trace.counts()["opened"]
