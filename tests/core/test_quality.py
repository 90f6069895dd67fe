from itertools import pairwise
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simlib.core.errors import SettingsError
from simlib.core.quality import Monitor, Quality, QualityRules

RULES = QualityRules(excellent_s=0.1, good_s=0.3, fair_s=1.0, margin_fraction=0.2, better_after_s=2)


def heard(*samples: tuple[float, float], rules: QualityRules = RULES) -> Monitor:
    """A monitor that was told of round trips: (when, how long)."""
    monitor = Monitor(rules)
    for now, rtt_s in samples:
        monitor.record_answer(now, rtt_s)
    return monitor


def test_the_round_trip_is_smoothed_as_rfc_6298_says():
    monitor = heard((0, 0.1))
    assert (0.1, 0.05) == (monitor.rtt_s, monitor.variation_s)
    monitor.record_answer(1, 0.3)
    assert (0.125, 0.0875) == pytest.approx((monitor.rtt_s, monitor.variation_s))
    assert 1.0 == monitor.timeout_s
    assert pytest.approx(3.0) == heard((0, 1.0)).timeout_s


def test_it_worsens_at_once():
    assert Quality.EXCELLENT == heard((0, 0.05)).level
    assert Quality.GOOD == heard((0, 0.2)).level
    assert Quality.FAIR == heard((0, 0.9)).level
    assert Quality.POOR == heard((0, 1.1)).level


def test_it_betters_a_class_at_a_time_after_long_enough():
    monitor = heard((0, 1.1))
    levels = []
    for now in range(1, 60):
        monitor.record_answer(float(now), 0.01)
        levels.append(monitor.level)
    assert levels == sorted(levels)
    assert {*Quality} - {Quality.OFFLINE} == set(levels)
    firsts = [levels.index(level) for level in sorted(set(levels))]
    assert all(b - a >= 2 for a, b in pairwise(firsts))


def test_a_round_trip_at_the_bound_does_not_better_it():
    # Below the bound of good (0.3 s), but not by a fifth of it.
    monitor = heard((0, 0.9), *((float(now), 0.28) for now in range(1, 100)))
    assert Quality.FAIR == monitor.level


@pytest.mark.parametrize(
    ("worse", "bound", "level"),
    [(1.1, 1.0, Quality.FAIR), (0.9, 0.3, Quality.GOOD), (0.2, 0.1, Quality.EXCELLENT)],
)
def test_a_class_betters_only_below_its_bound_by_the_margin(worse, bound, level):
    # A fifth below the bound of each class, the round trip is that of the class.
    for share, reached in ((0.81, level - 1), (0.79, level)):
        monitor = heard((0, worse), *((float(now), share * bound) for now in range(1, 200)))
        assert reached == monitor.level


def test_failures_too_must_be_below_their_bound_by_the_margin():
    rules = QualityRules(window=10, poor_failure_fraction=0.4, better_after_s=0)
    monitor, levels = heard(*[(0, 0.01)] * 5, rules=rules), []
    for _ in range(5):
        monitor.record_failure(0.0)
    for _ in range(10):
        monitor.record_answer(0.0, 0.01)
        levels.append((round(10 * monitor.failure_fraction), int(monitor.level)))
    # Poor above 3.2 of ten, at most fair above 1.6; a class at a time.
    after_answers = [(5, 1)] * 5 + [(4, 1), (3, 2), (2, 2), (1, 3), (0, 4)]
    assert after_answers == levels


def test_a_downlink_of_slow_2g_is_poor_and_at_its_bound_it_is_not():
    for bytes_per_s, level in ((1, 1), (6249, 1), (6250, 4), (0, 4)):
        monitor = Monitor(RULES)
        monitor.record_hint(0, 0.05, bytes_per_s)
        assert level == monitor.level


def test_it_betters_at_the_very_moment_at_which_it_may():
    monitor = Monitor(RULES)
    monitor.record_hint(10.0, 0.0, 5000)
    levels = []
    for now in (10.5, 12.4, 12.5, 14.4, 14.5):
        monitor.record_hint(now, 0.05, 0)
        levels.append(int(monitor.level))
    assert [1, 1, 2, 2, 3] == levels


def test_failures_make_it_poor_and_half_of_them_fair():
    rules = QualityRules(window=10, poor_failure_fraction=0.4)
    monitor = heard(*[(0, 0.01)] * 10, rules=rules)
    levels = []
    for _ in range(5):
        monitor.record_failure(1)
        levels.append(monitor.level)
    assert [0.5] == [monitor.failure_fraction]
    assert [4, 4, 2, 2, 1] == [int(level) for level in levels]


def test_a_hint_stands_in_until_something_is_measured():
    monitor = Monitor(RULES)
    assert Quality.EXCELLENT == monitor.level
    monitor.record_hint(0, 0.9, 0)
    assert Quality.FAIR == monitor.level
    monitor.record_hint(0, 0.0, 5000)
    assert Quality.POOR == monitor.level
    measured = heard((0, 0.05))
    measured.record_hint(1, 5.0, 0)
    assert Quality.EXCELLENT == measured.level


def test_the_bounds_must_ascend():
    with pytest.raises(SettingsError, match="must ascend"):
        QualityRules(excellent_s=0.5)


@given(st.lists(st.tuples(st.floats(0.0, 3.0), st.floats(0.0, 2.0) | st.just(inf))))
def test_no_class_is_bettered_sooner_than_it_may(steps):
    monitor, now, bettered_s = Monitor(RULES), 0.0, -inf
    for gap_s, rtt_s in steps:
        now += gap_s
        before = monitor.level
        if rtt_s == inf:
            monitor.record_failure(now)
        else:
            monitor.record_answer(now, rtt_s)
        assert monitor.level <= before + 1
        if monitor.level > before:
            assert now - bettered_s >= RULES.better_after_s
            bettered_s = now
        if monitor.level < before:
            bettered_s = now
