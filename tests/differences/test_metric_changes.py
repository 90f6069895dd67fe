"""By how much a metric changed: means of pairs, what never ends, and what is beyond chance."""

from math import inf, nan

import numpy as np
import pandas as pd
import pytest

from simlib.differences.metric_changes import MetricPairs, group_of, list_changes, pairs_of
from simlib.experiments.replicate import Replications
from simlib.metrics.description import GROUPS
from simlib.metrics.intervals import CONFIDENCE, ratio_interval, t_interval
from simlib.metrics.meaning import MEANING
from simlib.scenario.scenario import Scenario

METRICS = [metric for metric in MEANING if metric != "engine"]


def pairs(old, new, metric="time_to_recover_s_p95") -> MetricPairs:
    return MetricPairs(metric, np.array(old, float), np.array(new, float))


def change(old, new, metric="time_to_recover_s_p95"):
    (found,) = list_changes([pairs(old, new, metric)])
    return found


def test_a_change_has_both_means_their_difference_and_its_share():
    found = change([10, 11, 12, 13], [12, 13.1, 14, 14.9])
    assert (11.5, 13.5) == (found.old, found.new)
    assert 2 == pytest.approx(found.difference.value)
    assert 2 / 11.5 == pytest.approx(found.relative)
    assert found.is_sure
    assert "worse" == found.direction


def test_what_scatters_around_nothing_is_not_sure():
    assert not change([1, 2, 3, 4], [2, 1, 4, 3]).is_sure


def test_rounding_is_no_change():
    found = change([0.3] * 4, [0.1 + 0.2] * 4)
    assert 0 == found.difference.value
    assert found.is_same


@pytest.mark.parametrize(
    ("old", "new", "sure", "difference"),
    [
        ([5] * 10, [inf] * 10, True, inf),
        ([inf] * 10, [5] * 10, True, -inf),
        ([inf] * 10, [inf] * 10, False, 0),
        ([5] * 10, [inf] + [5] * 9, False, 0),
    ],
)
def test_a_time_that_never_comes_is_beyond_every_number(old, new, sure, difference):
    found = change(old, new)
    assert sure == found.is_sure
    assert difference == found.difference.value


def test_one_run_in_ten_that_never_ends_does_not_make_the_others_endless():
    found = change([5] * 10, [6] * 9 + [inf])
    assert (5, 6) == (found.old, found.new)
    assert 1 == found.difference.value


def test_a_metric_that_only_one_version_has_a_value_of_is_a_sure_change():
    found = change([nan, nan], [3, 4])
    assert found.is_sure
    assert "" == found.direction


def test_pairs_without_a_value_are_left_out():
    assert 3 == change([1, 2, 3, nan], [2, 3.1, 4, 5]).difference.observations


def test_all_intervals_together_are_wider_than_one_alone():
    old, new = [1, 2, 3, 4], [2, 2.5, 4.5, 5]
    alone = t_interval(pairs(old, new).differences)
    several = list_changes([pairs(old, new, metric) for metric in METRICS[:20]])
    for each in several:
        assert each.difference.low < alone.low < alone.high < each.difference.high


@pytest.mark.slow
def test_under_no_difference_hardly_a_diff_of_many_metrics_calls_one_sure():
    random = np.random.default_rng(5)
    count = 0
    for _ in range(200):
        noise = random.normal(size=(2, 20, 40)) + random.normal(size=(20, 40))
        found = list_changes(
            [MetricPairs(METRICS[i], noise[0, :, i], noise[1, :, i]) for i in range(40)]
        )
        count += any(each.is_sure for each in found)
    # At 5 % expected: 20 or more of 200 has a chance of 0.3 %.
    assert count < 20


def test_each_group_begins_with_its_most_important_change():
    found = list_changes(
        [
            pairs([10, 10], [11, 11], "attempts"),
            pairs([0, 0], [3, 3], "never_recovered"),
            pairs([10, 10], [20, 20], "peak_attempts_per_s"),
            pairs([0.99, 0.99], [0.95, 0.95], "availability_fraction"),
            pairs([10, 10], [12, 12], "mean_wait_s"),
        ]
    )
    assert [
        "peak_attempts_per_s", "attempts", "never_recovered", "availability_fraction",
        "mean_wait_s",
    ] == [each.metric for each in found]  # fmt: skip


def test_every_metric_has_a_group_of_simlib_run():
    assert {group_of(metric) for metric in METRICS} == set(GROUPS)
    assert "Getting back" == group_of("last_back_s")
    assert "Messages" == group_of("latency_s_p95_critical")


def test_replications_are_paired_by_their_seeds():
    def runs(numbers: dict[int, float]) -> Replications:
        table = pd.DataFrame([dict.fromkeys(METRICS, nan)] * len(numbers), index=list(numbers))
        table["attempts"] = list(numbers.values())
        return Replications(Scenario(), "sim", table)

    (found,) = pairs_of(runs({1: 10, 2: 20}), runs({2: 21, 1: 11}))
    assert [1, 1] == found.differences.tolist()


def test_the_interval_of_a_ratio_holds_the_truth_as_often_as_it_says():
    random = np.random.default_rng(3)
    hits = 0
    for _ in range(1000):
        bottom = random.normal(10, 1, 15)
        found = ratio_interval(0.3 * bottom + random.normal(0, 0.5, 15), bottom)
        hits += found.low <= 0.3 <= found.high
    assert CONFIDENCE - 0.02 < hits / 1000 < CONFIDENCE + 0.02


def test_a_ratio_to_what_may_be_nothing_has_no_ends():
    found = ratio_interval(np.array([1.0, 2.0, 1.0]), np.array([1.0, -1.0, 0.5]))
    assert (-inf, inf) == (found.low, found.high)
