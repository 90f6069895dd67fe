"""Waits late by about the same, or first waits alone, are told by one law that says them all."""

import numpy as np
import pytest

import simlib as sl
from simlib.core.backoff import Backoff
from simlib.lab.infer.fit import fit
from tests.batteries import with_slow
from tests.lab.playing import drawn, observe_late

DOUBLED = Backoff(jitter="none", base_s=0.2, cap_s=1)
LONG = Backoff(jitter="none", base_s=0.1, cap_s=2.5)
CONSTANT = Backoff(jitter="none", base_s=1, factor=1, cap_s=1)
LINEAR = Backoff(jitter="none", growth="linear", base_s=0.5, rise_s=0.5, cap_s=3)


def exactly(rng, count):
    return np.full(count, 0.04)


def around(rng, count):
    return rng.uniform(0.028, 0.052, count)


def mostly_little(rng, count):
    return rng.exponential(0.04, count)


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("family", "rules", "draw_late_s", "first_alone"),
    with_slow(
        [
            ("exponential, no jitter", DOUBLED, around, True),
            ("constant", CONSTANT, exactly, True),
        ],
        [
            ("exponential, no jitter", LONG, mostly_little, True),
            ("linear, no jitter", LINEAR, around, True),
            ("exponential, no jitter", LONG, exactly, False),
        ],
    ),
    ids=["first around", "constant", "first seldom much", "linear", "all by the same"],
)
def test_a_simple_policy_is_told_of_a_client_that_was_late(family, rules, draw_late_s, first_alone):
    found = sl.infer(observe_late(rules, draw_late_s, first_alone=first_alone), known={})
    assert family == found.verdict.partition(", from")[0]
    assert found.verdict.endswith("late: a busy process, or jitter no wider")
    for name, told in found.fit.best.values.items():
        assert getattr(rules, name) == pytest.approx(told, rel=0.07, abs=0.045), name
    words = found.finding("lateness_s").words
    assert words.startswith(f"its {'first waits in a row' if first_alone else 'waits'} were")


@pytest.mark.parametrize(
    ("family", "first"),
    with_slow(
        [("first wait spread", {"first_jitter": "full"})],
        [("first wait fixed", {"first_s": 0.5})],
    ),
)
def test_first_waits_that_are_far_from_the_law_have_their_own(family, first):
    rules = Backoff(**{"jitter": "none", "base_s": 0.2, "cap_s": 3, "first_s": 0.4} | first)
    found = fit(drawn(rules, 80), intervals=False)
    assert f"exponential, no jitter, {family}" == found.best.name
    assert not found.waits.is_late


@pytest.mark.slow
def test_a_table_that_no_simple_law_is_near_stays_one():
    steps_s = (0.05, 0.1, 0.15, 0.2, 0.25, 0.5, 1.0, 2.0)
    found = fit(drawn(Backoff(jitter="none", steps_s=steps_s), 80), intervals=False)
    assert "table of steps" == found.best.name
    assert not found.waits.is_late
