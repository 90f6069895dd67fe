from math import inf, isnan

import numpy as np
import pytest

from simlib.metrics.intervals import edge, mean, median, share


def test_a_share_has_the_exact_interval():
    found = share(np.ones(59))
    assert (1.0, 1.0, 59) == (found.value, found.high, found.observations)
    assert 0.025 ** (1 / 59) == pytest.approx(found.low)
    assert isnan(share(np.array([])).value)


def test_a_mean_has_an_interval_that_covers_it_nineteen_times_in_twenty():
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(200):
        found = mean(rng.exponential(2.0, 60))
        covered += found.low <= 2.0 <= found.high
    assert 175 <= covered <= 200


def test_a_median_stands_times_that_never_came():
    values = np.array([1.0, 2.0, 3.0, inf, inf])
    assert 3.0 == median(values).value
    assert inf == median(values).high
    assert isnan(median(np.array([])).value)


def test_a_median_s_interval_covers_it_nineteen_times_in_twenty():
    rng = np.random.default_rng(6)
    found = [median(rng.normal(0.0, 1.0, 99)) for _ in range(300)]
    assert 275 <= sum(each.low <= 0.0 <= each.high for each in found)


@pytest.mark.parametrize(("at", "expected"), [(3.0, 3.0), (-1.0, -inf), (99.0, inf)])
def test_the_edge_is_found_or_said_to_be_beyond(at, expected):
    assert expected == pytest.approx(edge(lambda x: x < at, 0.0, 10.0, 0.001), abs=0.01)


def test_nothing_is_known_of_nothing():
    assert isnan(mean(np.array([])).low)
