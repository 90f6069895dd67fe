"""Rules of --fail-if: how they are written, and that they fail only on what is sure."""

from math import inf, nan

import numpy as np
import pytest

from simlib.core.errors import SettingsError
from simlib.differences.fail_rules import fail_rule, judge
from simlib.differences.metric_changes import MetricPairs
from simlib.differences.words import say_verdict


def pairs(metric: str, old, new) -> MetricPairs:
    return MetricPairs(metric, np.array(old, float), np.array(new, float))


def verdict(text: str, old, new):
    rule = fail_rule(text)
    return judge(rule, pairs(rule.metric, old, new))


@pytest.mark.parametrize(
    ("text", "metric", "rises", "limit", "is_share"),
    [
        ("time_to_recover_s_p95 > +5%", "time_to_recover_s_p95", True, 0.05, True),
        ("lost>+0", "lost", True, 0, False),
        ("  latency_s_p95  >  + 0.5 ", "latency_s_p95", True, 0.5, False),
        ("availability_fraction < -1 %", "availability_fraction", False, 0.01, True),
        ("attempts > +1e3", "attempts", True, 1000, False),
        ("mean_wait_s < -.5", "mean_wait_s", False, 0.5, False),
        ("mean_wait_s > +.5", "mean_wait_s", True, 0.5, False),
    ],
)
def test_a_rule_is_read(text, metric, rises, limit, is_share):
    rule = fail_rule(text)
    assert (metric, rises, limit, is_share) == (
        rule.metric, rule.rises, rule.limit, rule.is_share,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "must be METRIC > +LIMIT"),
        ("lost", "must be METRIC > +LIMIT"),
        ("lost > 5%", "must be METRIC > +LIMIT"),
        ("lost >= +5%", "must be METRIC > +LIMIT"),
        ("lost > +5%%", "must be METRIC > +LIMIT"),
        ("lost > +nan", "must be METRIC > +LIMIT"),
        ("lost > +inf", "must be METRIC > +LIMIT"),
        ("lost > +5% and attempts > +5%", "must be METRIC > +LIMIT"),
        ("lsot > +5%", 'lsot is no metric (did you mean "lost"?)'),
        ("engine > +1", "engine is no metric"),
        ("lost > -1", "must have a plus after >"),
        ("lost < +1", "must have a plus after >"),
        ("lost < -1", 'less of it is better: write "lost > +1"'),
        ("delivered_fraction > +1%", 'more of it is better: write "delivered_fraction < -1%"'),
    ],
)
def test_what_is_no_rule_is_refused_by_its_text(text, said):
    with pytest.raises(SettingsError) as refused:
        fail_rule(text)
    assert f'fail_if = "{text}"' in str(refused.value)
    assert said in str(refused.value)


#: A rise of a tenth that is known well, of a tenth that is not, and of nothing.
OLD = [10, 11, 12, 13, 14]
SURE = [11, 12.1, 13.2, 14.3, 15.4]
VAGUE = [14, 9, 15, 10, 18]


@pytest.mark.parametrize(
    ("text", "new", "is_exceeded", "may_be"),
    [
        ("time_to_recover_s_p95 > +5%", SURE, True, True),
        ("time_to_recover_s_p95 > +9.9%", SURE, True, True),
        ("time_to_recover_s_p95 > +10.1%", SURE, False, False),
        ("time_to_recover_s_p95 > +5%", VAGUE, False, True),
        ("time_to_recover_s_p95 > +1", SURE, True, True),
        ("time_to_recover_s_p95 > +1.3", SURE, False, False),
        ("time_to_recover_s_p95 > +0", OLD, False, False),
        ("availability_fraction < -0.5", SURE, False, False),
        ("mean_wait_s > +5%", SURE, True, True),
        ("mean_wait_s < -5%", SURE, False, False),
    ],
)
def test_a_rule_fails_only_if_the_whole_interval_lies_beyond_its_limit(
    text, new, is_exceeded, may_be
):
    found = verdict(text, OLD, new)
    assert (is_exceeded, may_be) == (found.is_exceeded, found.may_be_exceeded)


def test_a_fall_of_what_should_not_fall_fails():
    assert verdict("delivered_fraction < -1%", [1, 1, 1], [0.9, 0.91, 0.9]).is_exceeded
    assert verdict("delivered_fraction < -0.05", [1, 1, 1], [0.9, 0.91, 0.9]).is_exceeded
    assert not verdict("delivered_fraction < -20%", [1, 1, 1], [0.9, 0.91, 0.9]).is_exceeded


def test_from_nothing_any_rise_is_more_than_every_percentage():
    assert verdict("lost > +500%", [0, 0, 0], [1, 1, 1]).is_exceeded
    assert not verdict("lost > +5%", [0, 0, 0], [0, 0, 0]).is_exceeded
    assert "since it was 0" in say_verdict(verdict("lost > +500%", [0, 0, 0], [1, 1, 1]))


def test_what_never_comes_any_more_fails_and_what_never_came_does_not():
    rule = "time_to_recover_s_p95 > +5%"
    assert verdict(rule, [5] * 8, [inf] * 8).is_exceeded
    assert not verdict(rule, [inf] * 8, [inf] * 8).is_exceeded
    assert not verdict(rule, [inf] * 8, [5] * 8).is_exceeded
    one_of_ten = verdict(rule, [5] * 10, [inf] + [5] * 9)
    assert not one_of_ten.is_exceeded


def test_of_two_single_runs_the_difference_itself_counts():
    assert verdict("time_to_recover_s_p95 > +5%", [10], [11]).is_exceeded
    assert not verdict("time_to_recover_s_p95 > +5%", [10], [10.4]).is_exceeded


@pytest.mark.parametrize("given", [None, pairs("lost", [nan, nan], [1, 2])])
def test_a_metric_without_a_value_cannot_be_judged(given):
    with pytest.raises(SettingsError, match="has no value in these runs"):
        judge(fail_rule("lost > +1"), given)


def test_a_rule_on_equal_versions_holds_however_many_are_asked():
    random = np.random.default_rng(4)
    fails = 0
    for _ in range(400):
        old = random.normal(100, 5, 20)
        fails += verdict("attempts > +0%", old, old + random.normal(0, 3, 20)).is_exceeded
    # 2.5 % is expected: 22 and more of 400 have a chance of 0.04 %.
    assert fails < 22


def test_verdicts_say_the_change_with_its_interval():
    assert "FAILS time_to_recover_s_p95 > +5%: the change is +10 %" == say_verdict(
        verdict("time_to_recover_s_p95 > +5%", OLD, SURE)
    )
    said = say_verdict(verdict("time_to_recover_s_p95 > +5%", OLD, VAGUE))
    assert said.startswith("not sure time_to_recover_s_p95 > +5%: the change is +10 % (-")
    assert said.endswith("more replications would tell")
    assert say_verdict(verdict("attempts > +5", OLD, OLD)).startswith(
        "passes attempts > +5: the change is 0"
    )
