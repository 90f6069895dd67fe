from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simlib.core.errors import SettingsError
from simlib.core.meters import AttemptBudget, Rate, earn, ready_s, take


def taken(rate: Rate, asked: list[float]) -> list[float]:
    """The moments, of those asked at, that got a token."""
    arrival_s, got = 0.0, []
    for now in asked:
        if now >= ready_s(arrival_s, rate):
            arrival_s = take(arrival_s, now, rate)
            got.append(now)
    return got


def test_a_full_bucket_gives_its_burst_and_then_its_rate():
    asked = [0.0] * 5 + [0.25, 0.5, 0.6, 1.0]
    assert [0.0, 0.0, 0.0, 0.5, 1.0] == taken(Rate(per_s=2, burst=3), asked)


def test_a_rest_fills_the_bucket_up_to_its_burst_and_no_further():
    assert [0.0, 0.0, 100.0, 100.0] == taken(Rate(per_s=2, burst=2), [0.0] * 2 + [100.0] * 3)


def test_an_endless_rate_always_gives():
    assert [0.0, 0.0, 5.0] == taken(Rate(), [0.0, 0.0, 5.0])


@given(
    st.floats(0.01, 1000.0),
    st.integers(1, 20),
    st.lists(st.floats(0.0, 3.0), min_size=1, max_size=60),
)
def test_the_next_token_is_there_exactly_when_it_said(per_s, burst, gaps):
    rate, arrival_s, now = Rate(per_s=per_s, burst=burst), 0.0, 0.0
    for got, gap_s in enumerate(gaps, 1):
        now = max(now + gap_s, ready_s(arrival_s, rate))
        arrival_s = take(arrival_s, now, rate)
        # Never more than the burst and what the time since the start has added.
        assert got <= burst + per_s * now * (1.0 + 1e-9) + 1e-6


@pytest.mark.parametrize("wrong", [{"per_s": 0}, {"burst": 0}, {"burst": inf}])
def test_a_bucket_that_never_gives_is_refused(wrong):
    with pytest.raises(SettingsError):
        Rate(**wrong)


# --- what successes fill -----------------------------------------------------------------


@pytest.mark.parametrize("share", [0.1, 0.2, 0.3, 1 / 3, 0.7])
def test_so_many_successes_bring_as_many_tokens_as_they_are_worth(share):
    budget = AttemptBudget(per_s=0, burst=5, success_fraction=share)
    empty, got = 5.0, 0
    arrival_s = empty
    for successes in range(1, 200):
        arrival_s = earn(arrival_s, budget)
        if ready_s(arrival_s, budget) < inf:
            arrival_s = take(arrival_s, 0.0, budget)
            got += 1
        assert got == int(successes * share + 1e-6)


def test_without_time_or_success_an_empty_budget_stays_empty():
    budget = AttemptBudget(per_s=0, burst=2)
    arrival_s = take(take(0.0, 5.0, budget), 6.0, budget)
    assert (0.0, inf) == (ready_s(1.0, budget), ready_s(arrival_s, budget))
    assert arrival_s == earn(arrival_s, budget)


@given(
    st.floats(0.01, 10.0),
    st.integers(1, 9),
    st.floats(0.0, 1.0),
    st.lists(st.tuples(st.booleans(), st.floats(0.0, 5.0)), max_size=60),
)
def test_a_budget_never_gives_more_than_it_had_and_got(per_s, burst, share, steps):
    budget = AttemptBudget(per_s=per_s, burst=burst, success_fraction=share)
    arrival_s, now, taken_, earned = 0.0, 0.0, 0, 0
    for is_success, gap_s in steps:
        now += gap_s
        if is_success:
            arrival_s = earn(arrival_s, budget)
            earned += 1
        elif now >= ready_s(arrival_s, budget):
            arrival_s = take(arrival_s, now, budget)
            taken_ += 1
        assert taken_ <= (burst + per_s * now + share * earned) * (1 + 1e-9) + 1e-6


def test_a_budget_without_a_limit_notes_nothing():
    budget = AttemptBudget(success_fraction=0.5)
    assert 0.0 == take(0.0, 5.0, budget) == earn(0.0, budget)
