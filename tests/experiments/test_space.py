"""What may vary is checked before anything is played."""

import pytest

import simlib as sl
from simlib.experiments.space import POLICY, Axis, axes

SCENARIO = sl.Scenario()


def test_shares_of_an_axis_are_spread_as_its_kind_says():
    [cap, attempts, factor, jitter] = axes(
        SCENARIO,
        {
            "client.backoff.cap_s": (1, 100),
            "client.backoff.max_attempts": (1, 4),
            "client.backoff.factor": (1.5, 2.5),
            "client.backoff.jitter": ["none", "full"],
        },
    )
    assert [1.0, 10.0, 100.0] == [cap.at(share) for share in (0.0, 0.5, 1.0)]
    assert [1, 1, 2, 3, 4, 4] == [attempts.at(share) for share in (0, 0.2, 0.3, 0.6, 0.8, 1)]
    assert [1.5, 2.0, 2.5] == [factor.at(share) for share in (0.0, 0.5, 1.0)]
    assert ["none", "none", "full", "full"] == [jitter.at(s) for s in (0.0, 0.49, 0.5, 1.0)]


def test_the_default_is_the_reconnect_policy():
    assert list(POLICY) == [axis.key for axis in axes(SCENARIO, POLICY)]


@pytest.mark.parametrize(
    ("value", "is_near"), [(1.0, True), (1.05, True), (2.0, False), (70.0, False), (99.0, True)]
)
def test_a_value_near_an_end_of_its_range_is_told(value, is_near):
    assert is_near == Axis("client.backoff.cap_s", 1.0, 100.0, by_factors=True).is_near_an_end(
        value
    )


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ({}, "space = {}: must name a setting"),
        ({"client.backof.cap_s": (1, 2)}, "space client.backof .*did you mean"),
        ({"client.backoff.cap_s": (9, 3)}, r"space client.backoff.cap_s = \(9, 3\): must begin"),
        ({"client.backoff.cap_s": (-1, 3)}, "space client.backoff.cap_s = -1: must be a number"),
        ({"client.backoff.max_attempts": (1, float("inf"))}, "cannot be the end of a range"),
        ({"client.backoff.cap_s": (1, 2, 3)}, "must have two ends"),
        ({"client.backoff.jitter": ("none", "full")}, "has no range: give it a list of choices"),
        ({"client.backoff.jitter": ["nune"]}, r"space client.backoff.jitter = .*did you mean"),
        ({"client.backoff.jitter": "none"}, "must be a list of choices, or a tuple"),
        ({"client.backoff.jitter": []}, "must be a list of choices, or a tuple"),
    ],
)
def test_a_space_that_cannot_be_is_refused(space, said):
    with pytest.raises(sl.SettingsError, match=said):
        axes(SCENARIO, space)
