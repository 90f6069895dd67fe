from math import inf, isnan, nan

import numpy as np
import pytest

from simlib.metrics.statistics import mean_of_known, named_quantiles, ratio


@pytest.mark.parametrize(
    ("values", "mean"),
    [([4.0], 4.0), ([1.0, nan, 6.0], 3.5), ([nan, 0.0], 0.0), ([1.0, inf, nan], inf)],
    ids=str,
)
def test_what_is_not_known_counts_in_no_mean(values, mean):
    assert mean == mean_of_known(np.array(values))


@pytest.mark.parametrize("values", [[], [nan], [nan, nan]], ids=str)
def test_of_nothing_known_there_is_no_mean(values):
    assert isnan(mean_of_known(np.array(values, float)))


def test_a_part_of_nothing_is_not_known():
    assert 0.75 == ratio(3, 4)
    assert isnan(ratio(0, 0))


def test_quantiles_are_values_that_were_observed_named_by_their_percents():
    found = named_quantiles("wait_s", np.array([4.0, 1.0, 3.0, 2.0]), 50, 95)
    assert {"wait_s_p50": 2.0, "wait_s_p95": 4.0} == found
