from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simlib.core.errors import SettingsError
from simlib.core.meters import Rate, ready_s, take


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
