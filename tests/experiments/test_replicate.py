"""Replications: seeds, sequential stopping, intervals, and pairs under the same luck."""

import numpy as np
import pandas as pd
import pytest

import simlib as sl
from simlib.experiments.replicate import Paired, Replications
from simlib.metrics.intervals import quantile, t_interval

STORM = sl.Scenario(
    name="storm",
    clients=30,
    duration_s=30,
    ramp_s=2,
    seed=5,
    client=sl.Settings(backoff=sl.Backoff(base_s=1, cap_s=8)),
    workload=sl.Workload(rate_per_s=0),
    faults=[sl.Fault("outage", start_s=5, stop_s=9)],
)


def test_a_replication_is_the_run_of_its_seed():
    found = sl.replicate(STORM, 4)
    assert [5, 6, 7, 8] == found.table.index.tolist()
    alone = sl.summary(sl.run(STORM.replace(seed=7))).iloc[0]
    assert alone["attempts"] == found.table.loc[7, "attempts"]
    assert found.mean("attempts").value == found.values("attempts").mean()


def test_it_goes_on_until_the_interval_is_narrow_enough():
    wide = sl.replicate(STORM, until="ci", metric="attempts", within=0.2)
    narrow = sl.replicate(STORM, until="ci", metric="attempts", within=0.01)
    assert len(wide.table) < len(narrow.table)
    interval = narrow.mean("attempts")
    assert (interval.high - interval.low) / 2 <= 0.01 * interval.value
    assert "attempts is known within" in narrow.note


def test_it_stops_at_the_most_and_says_so():
    found = sl.replicate(STORM, until="ci", metric="attempts", within=1e-6, most=12)
    assert (12, True) == (len(found.table), "the most that was asked for" in found.note)


def test_students_interval_holds_the_mean_as_often_as_it_says():
    rng = np.random.default_rng(1)
    found = [t_interval(rng.normal(3.0, 1.0, 8)) for _ in range(2000)]
    share = np.mean([each.low <= 3.0 <= each.high for each in found])
    assert 0.93 < share < 0.97


def test_a_time_that_never_comes_makes_the_mean_infinite():
    found = t_interval(np.array([1.0, np.inf, 2.0]))
    assert (np.inf, np.inf) == (found.value, found.high)
    assert np.isnan(found.low)
    assert np.inf == quantile(np.array([1.0, np.inf, 2.0]), 0.9).value


def test_pairs_share_their_luck_and_so_the_difference_is_known_better():
    slower = STORM.replace(name="slower").replace("client.connect_timeout_s", 9)
    slower = slower.replace("path.latency.mean_s", 0.05)
    found = sl.paired(STORM, slower, 12, metric="time_to_recover_s_p95")
    assert found.variance_gain > 5
    assert found.difference.low > 0.0
    assert "common random numbers: variance" in repr(found)
    same = sl.paired(STORM, STORM, 3, metric="attempts")
    assert (0.0, np.inf) == (same.difference.value, same.variance_gain)
    assert "no variance at all, the difference is the same in every pair" in repr(same)


def test_pairs_are_compared_by_another_metric_without_being_played_again():
    found = sl.paired(STORM, STORM.replace("client.backoff.cap_s", 2), 3, metric="attempts")
    again = sl.paired(STORM, STORM.replace("client.backoff.cap_s", 2), 3, metric="mean_wait_s")
    assert again.in_words == found.of("mean_wait_s").in_words
    assert found.one is found.of("mean_wait_s").one
    with pytest.raises(sl.SettingsError, match="is no metric"):
        found.of("mean_wait")


def test_pairs_that_gain_nothing_say_so():
    one = pd.DataFrame({"attempts": [1.0, 2.0, 3.0]})
    other = pd.DataFrame({"attempts": [3.0, 2.0, 1.0]})
    found = Paired("attempts", *(Replications(STORM, "sim", each) for each in (one, other)))
    assert repr(found).endswith("little gain here, variance 2 times the unpaired one")


def test_pairs_that_never_end_have_no_difference_and_say_so():
    never = STORM.replace("faults.0.stop_s", 30)
    found = sl.paired(never, never.replace("client.backoff.cap_s", 4), 3)
    assert "no mean difference, since it is not finite in 3 of 3 pairs" in repr(found)
    assert np.isnan(found.variance_gain)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"n": 1}, "n = 1: must be a whole number from 2"),
        ({"until": "yes"}, 'until = "yes": must be "ci"'),
        ({"until": "ci", "n": 3}, "in the place of n"),
        ({"until": "ci", "within": 0.0}, "within = 0.0: must be a share of the mean"),
        ({"until": "ci", "metric": "atempts"}, "did you mean"),
        ({"n": 3, "metric": "atempts"}, "did you mean"),
        ({"until": "ci", "most": 3}, "most = 3: must be a whole number from 10"),
    ],
)
def test_what_cannot_be_is_refused(options, said):
    with pytest.raises(sl.SettingsError, match=said):
        sl.replicate(STORM, **options)
