from math import exp, inf, log
from statistics import NormalDist, fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from simlib.core.draws import Stream, uniform
from simlib.core.errors import SettingsError
from simlib.core.path import (
    MOST_SIGMA,
    NEW_LANE,
    Distribution,
    Lane,
    Latency,
    Path,
    latency_s,
    transit,
)

GRID = [(i + 0.5) / 20_000 for i in range(20_000)]
EXAMPLES = {
    "constant": Latency(mean_s=0.05),
    "uniform": Latency(distribution="uniform", mean_s=0.05, floor_s=0.02),
    "exponential": Latency(distribution="exponential", mean_s=0.05, floor_s=0.02),
    "lognormal": Latency(distribution="lognormal", mean_s=0.05, floor_s=0.02, shape=0.5),
    "pareto": Latency(distribution="pareto", mean_s=0.05, floor_s=0.02, shape=3),
    "table": Latency(distribution="table", table_s=[0.01, 0.05, 0.09]),
    "gamma": Latency(distribution="gamma", mean_s=0.05, floor_s=0.02, shape=2),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_mean_is_the_mean(name):
    # The quantile of a gamma distribution is sought step by step; its tail is light.
    grid = GRID[::10] if name == "gamma" else GRID
    assert fmean(latency_s(EXAMPLES[name], u) for u in grid) == pytest.approx(0.05, rel=3e-3)


@pytest.mark.parametrize(
    ("name", "quantile"),
    [
        ("constant", lambda p: 0.05),
        ("uniform", lambda p: 0.02 + 0.06 * p),
        ("exponential", lambda p: 0.02 - 0.03 * log(1 - p)),
        ("lognormal", lambda p: 0.02 + 0.03 * exp(0.5 * NormalDist().inv_cdf(p) - 0.125)),
        ("pareto", lambda p: 0.02 + 0.02 * (1 - p) ** (-1 / 3)),
        ("table", lambda p: 0.01 + 0.08 * p),
        ("gamma", lambda p: 0.02 + 0.015 * float(stats.gamma.ppf(p, 2))),
    ],
)
@pytest.mark.parametrize("p", [0.01, 0.25, 0.5, 0.9, 0.999])
def test_the_quantiles_are_those_of_the_distribution(name, quantile, p):
    assert latency_s(EXAMPLES[name], p) == pytest.approx(quantile(p), rel=1e-7)


def test_a_table_is_interpolated_between_equal_steps_of_probability():
    table = Latency(distribution="table", table_s=[1, 2, 6])
    assert [1.0, 1.5, 2.0, 4.0] == [latency_s(table, u) for u in (0.0, 0.25, 0.5, 0.75)]


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("u", [0.0, 2.0**-53, 1.0 - 2.0**-53])
def test_the_extreme_draws_give_a_finite_delay_not_below_the_floor(name, u):
    latency = EXAMPLES[name]
    floor_s = 0.01 if name == "table" else latency.floor_s
    assert floor_s <= latency_s(latency, u) < inf


@pytest.mark.parametrize("u", [0.0, 0.5, 1.0 - 2.0**-53])
def test_the_widest_lognormal_has_a_delay_for_every_draw(u):
    widest = Latency(distribution="lognormal", mean_s=0.05, shape=MOST_SIGMA)
    assert 0.0 <= latency_s(widest, u) < inf


@given(st.integers(2, 5000))
def test_the_last_draw_stays_inside_a_table_of_any_length(length):
    table = Latency(distribution="table", table_s=[float(i) for i in range(length)])
    assert latency_s(table, 1.0 - 2.0**-53) <= length - 1


@given(st.sampled_from(list(EXAMPLES)), st.floats(0.0, 0.999), st.floats(0.0, 0.999))
def test_a_larger_draw_is_never_a_shorter_delay(name, u, v):
    delays = [latency_s(EXAMPLES[name], w) for w in sorted((u, v))]
    assert delays[0] <= delays[1]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"floor_s": 0.03}, "floor_s = 0.03: must not be above mean_s (0.02)"),
        (
            {"distribution": "pareto", "shape": 1},
            "shape = 1.0: must be above 1 for pareto, or it has no mean",
        ),
        (
            {"distribution": "gamma", "shape": 0.09},
            "shape = 0.09: must be from 0.1 to 100 for gamma",
        ),
        (
            {"distribution": "gamma", "shape": 101},
            "shape = 101.0: must be from 0.1 to 100 for gamma",
        ),
        (
            {"distribution": "lognormal", "shape": 30.5},
            "shape = 30.5: must be 30 at most for lognormal",
        ),
        (
            {"distribution": "table", "table_s": [1]},
            "table_s = (1.0,): must have at least two quantiles",
        ),
        ({"distribution": "table", "table_s": [2, 1]}, "table_s = (2.0, 1.0): must ascend"),
        ({"table_s": [1, 2]}, 'table_s = (1.0, 2.0): is only for distribution = "table"'),
        (
            {"distribution": "table", "table_s": [1, 2], "floor_s": 0.01},
            "floor_s = 0.01: is not for a table, which has its own",
        ),
    ],
)
def test_parts_that_make_no_distribution_are_refused(wrong, message):
    with pytest.raises(SettingsError) as error:
        Latency(**wrong)
    assert message == str(error.value)


@pytest.mark.parametrize(
    "parts",
    [
        {"distribution": "gamma", "shape": 0.1},
        {"distribution": "gamma", "shape": 100},
        {"distribution": "pareto", "shape": 1.01},
        {"distribution": "table", "table_s": [1, 1]},
    ],
    ids=str,
)
def test_parts_at_their_bounds_make_a_distribution(parts):
    latency = Latency(**parts)
    assert 0.0 <= latency_s(latency, 0.25) <= latency_s(latency, 0.75) < inf


def test_a_floor_may_be_the_mean_and_then_the_delay_is_constant():
    flat = Latency(distribution="exponential", mean_s=0.03, floor_s=0.03)
    assert {0.03} == {latency_s(flat, u) for u in (0.0, 0.5, 0.999)}


# --- lanes -------------------------------------------------------------------------------


def test_a_frame_leaves_at_the_bandwidth_and_then_travels():
    assert Lane(10.2, 10.7) == transit(NEW_LANE, 10.0, 0.2, 0.5)


def test_frames_leave_one_after_the_other():
    lane, arrivals = NEW_LANE, []
    for now in (0.0, 0.0, 0.1, 5.0):
        lane = transit(lane, now, 0.2, 0.5)
        arrivals.append(lane.arrival_s)
    assert [0.7, 0.9, 1.1, 5.7] == pytest.approx(arrivals)


def test_a_fast_frame_does_not_overtake_a_slow_one():
    slow = transit(NEW_LANE, 0.0, 0.0, 3.0)
    fast = transit(slow, 0.01, 0.0, 0.0)
    assert slow.arrival_s == fast.arrival_s


@given(
    st.sampled_from(list(EXAMPLES)),
    st.lists(st.tuples(st.floats(0.0, 0.1), st.integers(0, 2000)), max_size=40),
    st.sampled_from([inf, 1000.0, 1e6]),
)
def test_frames_arrive_in_the_order_they_were_sent(name, frames, bandwidth):
    path = Path(latency=EXAMPLES[name], bandwidth_bytes_per_s=bandwidth)
    now, lane = 0.0, NEW_LANE
    for index, (gap_s, size_bytes) in enumerate(frames):
        now += gap_s
        before, u = lane, uniform(1, 0, Stream.UP, index)
        lane = transit(lane, now, size_bytes / bandwidth, latency_s(EXAMPLES[name], u))
        assert lane.arrival_s >= before.arrival_s
        assert lane.arrival_s >= now + size_bytes / bandwidth + latency_s(path.latency, u)


def test_every_distribution_has_an_example_here():
    assert {word.name.lower() for word in Distribution} == EXAMPLES.keys()
