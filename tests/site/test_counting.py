"""The page's counters say what `sl.summary` says, to the last digit."""

from math import isnan

import numpy as np
import pytest
from hypothesis import given, settings

import simlib as sl
from simlib.metrics.attempts import attempts_per_s
from simlib.metrics.fault_times import recovery_times_s
from simlib.site.counting import count_connections, find_quantile
from tests.batteries import examples, with_slow
from tests.engines.test_sim_any_scenario import SCENARIOS


def same(expected: float, value: float) -> bool:
    return expected == value or (isnan(expected) and isnan(value))


def check(trace: sl.Trace) -> None:
    """Compare everything that is counted with the metrics of the same run."""
    row, counted = sl.summary(trace).iloc[0], count_connections(trace)
    times_s = counted.recovery_times_s()
    assert row["attempts"] == len(counted.attempts_s)
    assert row["gave_up"] == len(counted.gave_up)
    assert row["never_recovered"] == times_s.count(float("inf"))
    assert same(row["peak_attempts_per_s"], counted.peak_attempts_per_s())
    assert same(row["peak_after_fault_per_s"], counted.peak_after_fault_per_s())
    for percent in (50, 95, 99):
        expected = row[f"time_to_recover_s_p{percent}"]
        assert same(expected, find_quantile(times_s, percent / 100))
    assert attempts_per_s(trace).tolist() == counted.attempts_per_s()
    assert np.sort(recovery_times_s(trace)).tolist() == times_s


@pytest.mark.parametrize(
    "name",
    with_slow(
        ["first_outage", "black_hole"], ["reconnect_storm", "rolling_gateways", "fleet_storm"]
    ),
)
def test_a_shipped_scenario_is_counted_as_its_summary_says(name):
    check(sl.run(sl.load(f"data/scenarios/{name}.toml").replace("warm_up_s", 0.0)))


@settings(max_examples=examples(25), deadline=None)
@given(SCENARIOS)
def test_any_scenario_is_counted_as_its_summary_says(scenario):
    check(sl.run(scenario.replace("warm_up_s", 0.0)))
