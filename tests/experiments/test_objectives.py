"""Objectives have a side, bounds have a number, and both are checked before anything is played."""

from math import inf, nan

import pytest

import simlib as sl
from simlib.experiments.objectives import constraint, constraints, objectives
from simlib.metrics.intervals import Estimate

STORM = sl.Scenario(name="storm", server=sl.ServerSettings(accept_per_s=50))


def test_more_is_better_of_some_and_less_of_others():
    names = ["delivered_fraction", "peak_attempts_per_s"]
    assert [-0.9, 12.0] == [o.loss(v) for o, v in zip(objectives(names), (0.9, 12.0), strict=True)]


@pytest.mark.parametrize(
    ("text", "bound", "at_most"),
    [
        ("peak_attempts_per_s <= 3 * server.accept_per_s", 150.0, True),
        ("peak_attempts_per_s<=3 server.accept_per_s", 150.0, True),
        ("peak_attempts_per_s < server.accept_per_s", 50.0, True),
        ("delivered_fraction >= 0.999", 0.999, False),
        ("lost <= 0", 0.0, True),
        ("attempts > 1e3", 1000.0, False),
    ],
)
def test_a_bound_is_read(text, bound, at_most):
    found = constraint(text, [STORM])
    assert (bound, at_most) == (found.bound(STORM), found.at_most)


@pytest.mark.parametrize(
    ("estimate", "excess", "surely"),
    [
        (Estimate(100.0, 90.0, 110.0, 5), -0.5 + 0.05, -0.5 - 0.05),
        (Estimate(210.0, 190.0, 230.0, 5), 0.15, -0.05),
        (Estimate(300.0, 280.0, 320.0, 5), 0.6, 0.4),
        (Estimate(inf, nan, inf, 5), inf, inf),
        (Estimate(nan, nan, nan, 5), inf, inf),
        (Estimate(100.0, nan, nan, 1), -0.5, -0.5),
    ],
)
def test_a_bound_holds_for_certain_or_breaks_for_certain(estimate, excess, surely):
    found = constraint("peak_attempts_per_s <= 4 * server.accept_per_s", [STORM])
    assert pytest.approx(excess) == found.excess(estimate, STORM)
    if estimate.value < inf or estimate.value == inf:
        assert pytest.approx(surely) == found.excess(estimate, STORM, surely=True)


@pytest.mark.parametrize(
    ("text", "mean", "holds"),
    [
        ("lost < 1", 1.0, False),
        ("lost <= 1", 1.0, True),
        ("lost < 1", 0.99, True),
        ("attempts > 50", 50.0, False),
        ("attempts >= 50", 50.0, True),
        ("peak_attempts_per_s < server.accept_per_s", 50.0, False),
        ("never_recovered < 1", 0.0, True),
        ("lost < 0", 0.0, False),
        ("availability_fraction <= 0.1", (0.1 + 0.1 + 0.1) / 3, True),  # off by rounding alone
        ("availability_fraction < 0.1", (0.1 + 0.1 + 0.1) / 3, False),
    ],
)
def test_less_than_is_not_at_most(text, mean, holds):
    found = constraint(text, [STORM]).excess(Estimate(mean, mean, mean, 5), STORM)
    assert holds == (found <= 0.0)


def test_what_everybody_wants_is_added_unless_it_is_bounded_otherwise():
    asked, everything = constraints(["peak_attempts_per_s <= 3"], [STORM])
    assert ["peak_attempts_per_s <= 3"] == [each.text for each in asked]
    assert ["never_recovered <= 0", *asked] == [everything[0].text, *everything[1:]]
    assert "never_recovered <= 5" == constraints(["never_recovered <= 5"], [STORM])[1][0].text
    assert ["never_recovered <= 0"] == [each.text for each in constraints([], [STORM])[1]]


def test_a_lower_bound_is_exceeded_downwards():
    found = constraint("delivered_fraction >= 0.8", [STORM])
    assert pytest.approx(0.25) == found.excess(Estimate(0.7, 0.6, 0.8, 5), STORM)
    assert pytest.approx(0.0) == found.excess(Estimate(0.7, 0.6, 0.8, 5), STORM, surely=True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("peak_attempts_per_s", 'must be as "peak_attempts_per_s <= 3'),
        ("peak <= 3", "did you mean|is no metric"),
        ("peak_attempts_per_s <= 3 * server.accept", "server.accept .*did you mean"),
        ("peak_attempts_per_s <= 3 * client.backoff.max_attempts", "has no limit in storm"),
        ("peak_attempts_per_s <= 3 * client.backoff.steps_s", "is no number"),
        ("peak_attempts_per_s = 3", "must be as"),
        ("lost <= -1", "must be as"),
    ],
)
def test_a_bound_that_cannot_be_is_refused(text, said):
    with pytest.raises(sl.SettingsError, match=said):
        constraint(text, [STORM])


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([], "must be a list of at least one metric"),
        ("attempts", "must be a list"),
        (["atempts"], "did you mean"),
        (["sent"], "has no better side"),
        (["engine"], "is no metric"),
    ],
)
def test_objectives_that_cannot_be_are_refused(names, said):
    with pytest.raises(sl.SettingsError, match=said):
        objectives(names)
