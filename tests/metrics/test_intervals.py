from math import inf, isnan

import numpy as np
import pytest
from scipy import stats

from simlib.metrics.intervals import (
    bracket,
    edge,
    mean,
    median,
    observed_quantiles,
    quantile,
    ratio_interval,
    share,
    t_interval,
)


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


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
@pytest.mark.parametrize("values", [[1.0, 4.0], [0.5, 2.0, 2.5, 9.0, -3.0]])
def test_student_s_interval_is_that_of_the_books(values, confidence):
    found = t_interval(np.array(values), confidence)
    books = stats.t.interval(confidence, len(values) - 1, np.mean(values), stats.sem(values))
    assert books == pytest.approx((found.low, found.high))
    assert (np.mean(values), len(values)) == (found.value, found.observations)


def test_a_mean_of_what_never_comes_is_infinite_and_one_value_has_no_interval():
    never = t_interval(np.array([1.0, inf, 2.0]))
    assert (inf, inf) == (never.value, never.high)
    assert isnan(never.low)
    alone = t_interval(np.array([3.0]))
    assert (3.0, 1) == (alone.value, alone.observations)
    assert isnan(alone.low)
    assert isnan(alone.high)
    assert isnan(t_interval(np.array([])).value)


def test_a_ratio_s_interval_ends_where_student_s_of_the_difference_just_has_0():
    rng = np.random.default_rng(3)
    below = rng.normal(10.0, 1.0, 12)
    above = 0.3 * below + rng.normal(0.0, 0.5, 12)
    found = ratio_interval(above, below)
    assert above.mean() / below.mean() == pytest.approx(found.value)
    for end in (found.low, found.high):
        of_difference = t_interval(above - end * below)
        nearest = min(abs(of_difference.low), abs(of_difference.high))
        assert 0.0 == pytest.approx(nearest, abs=1e-9)
    assert found.low < found.value < found.high


def test_a_ratio_over_what_is_below_0_is_that_over_its_opposite():
    above, below = np.array([0.9, 1.1, 1.0]), np.array([10.0, 10.5, 10.0])
    found, mirrored = ratio_interval(above, below), ratio_interval(above, -below)
    assert (-found.high, -found.value, -found.low) == pytest.approx(
        (mirrored.low, mirrored.value, mirrored.high)
    )


def test_a_ratio_over_what_may_be_0_is_known_and_its_interval_is_endless():
    uncertain = ratio_interval(np.array([1.0, 2.0, 3.0]), np.array([-1.0, 0.0, 2.0]))
    assert 6.0 == pytest.approx(uncertain.value)
    assert (-inf, inf, 3) == (uncertain.low, uncertain.high, uncertain.observations)
    nothing = ratio_interval(np.array([1.0, 2.0]), np.zeros(2))
    assert isnan(nothing.value)
    assert (-inf, inf) == (nothing.low, nothing.high)
    alone = ratio_interval(np.array([4.0]), np.array([2.0]))
    assert (2.0, -inf, inf, 1) == (alone.value, alone.low, alone.high, alone.observations)


@pytest.mark.parametrize("n", [5, 6, 20, 101])
def test_a_median_s_interval_has_the_two_values_of_the_sign_test(n):
    """As many values are left out on each side as fewer heads of n coins would be too rare."""
    found = median(np.arange(1.0, n + 1.0))
    rare = [k for k in range(n) if stats.binom.cdf(k, n, 0.5) < 0.025]
    left_out = max(0, len(rare) - 1)
    assert (1.0 + left_out, n - left_out) == (found.low, found.high)
    assert ((n + 1) // 2, n) == (found.value, found.observations)


def test_quantiles_are_values_that_were_observed():
    values = np.array([4.0, 1.0, 3.0, 2.0])
    assert [1.0, 1.0, 2.0, 4.0] == observed_quantiles(values, [0.0, 0.25, 0.5, 1.0])
    assert all(isnan(each) for each in observed_quantiles(np.array([]), [0.5, 0.9]))
    found = quantile(np.arange(1.0, 101.0), 0.9)
    assert (90.0, 100) == (found.value, found.observations)
    assert {found.low, found.high} <= set(np.arange(1.0, 101.0))
    # The number of values below it is binomial: its interval reaches two spreads to either side.
    assert 2.0 * 3.0 == pytest.approx(found.value - found.low, abs=2.0)
    assert 2.0 * 3.0 == pytest.approx(found.high - found.value, abs=2.0)


@pytest.mark.parametrize("last", [0.5, 3.2, 6.5, 99.4])
def test_a_bracket_halves_until_it_is_narrow_enough(last):
    asked = []

    def holds(value):
        asked.append(value)
        return value < last

    low, high = bracket(holds, 0.0, 100.0, 1.0)
    assert low < last <= high
    assert high - low <= 1.0
    assert 7 == len(asked)  # 100 / 2**7 is the first below 1
    low, high = bracket(holds, 0.0, 100.0, 1.0, whole=True)
    assert low < last <= high == low + 1.0
    assert all(value == int(value) for value in asked[7:])
    assert len(asked) <= 7 + 8


def test_the_same_values_have_the_same_interval_whoever_draws_it():
    values = np.random.default_rng(9).exponential(2.0, 30)
    drawn = values[np.random.default_rng(1).integers(0, 30, (2000, 30))]
    found = mean(values)
    assert (values.mean(), 30) == (found.value, found.observations)
    assert tuple(np.quantile(drawn.mean(axis=1), [0.025, 0.975])) == pytest.approx(
        (found.low, found.high)
    )
    found = quantile(values, 0.75)
    tops = np.quantile(drawn, 0.75, axis=1, method="inverted_cdf")
    assert np.quantile(tops, [0.025, 0.975], method="inverted_cdf").tolist() == [
        found.low, found.high,
    ]  # fmt: skip


def test_an_edge_is_sought_until_it_is_known_to_a_fiftieth_of_the_highest_value():
    asked = []

    def holds(value):
        asked.append(value)
        return value < 3.0

    # 10 / 2**6 is the first below 0.2; the ends are asked about before.
    assert 3.0 == pytest.approx(edge(holds, 0.0, 10.0), abs=0.1)
    assert [0.0, 10.0, 5.0, 2.5] == asked[:4]
    assert 2 + 6 == len(asked)
    assert -3.0 == pytest.approx(edge(lambda x: x < -3.0, -10.0, -1.0, 0.01), abs=0.01)


def test_half_of_the_values_are_below_a_median_of_an_even_number():
    assert 2.0 == median(np.array([4.0, 1.0, 3.0, 2.0])).value
    assert 7.0 == median(np.array([7.0])).value
    assert (7.0, 7.0) == (median(np.array([7.0])).low, median(np.array([7.0])).high)
