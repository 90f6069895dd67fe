from math import inf

from hypothesis import given
from hypothesis import strategies as st

from simlib.core.breaker import (
    CLOSED,
    Breaker,
    BreakerState,
    BreakerStatus,
    begin_probe,
    count_failure,
    count_success,
)

HALF = Breaker(failure_fraction=0.5, window=4, least=3, open_s=10)


def after(rules: Breaker, outcomes: str) -> BreakerStatus:
    """The breaker after attempts that count_success (s) or failed (f), a second apart."""
    guard, failures = CLOSED, 0
    for now, outcome in enumerate(outcomes):
        failures = failures + 1 if outcome == "f" else 0
        if outcome == "f":
            guard = count_failure(guard, failures, float(now), rules)
        else:
            guard = count_success(guard, rules)
    return guard


def test_it_trips_on_the_share_of_failures_once_there_are_enough():
    assert BreakerState.CLOSED == after(HALF, "ff").state
    assert BreakerState.OPEN == after(HALF, "fsf").state
    assert BreakerState.CLOSED == after(HALF, "sssf").state
    assert BreakerState.OPEN == after(HALF, "sssfsf").state


def test_it_looks_no_further_back_than_its_window():
    # Two failures of the last four, though two of seven are below a half.
    assert BreakerState.OPEN == after(HALF, "ssssfsf").state
    assert BreakerState.CLOSED == after(HALF, "ffssss"[2:] + "f").state


def test_each_trip_in_a_row_refuses_for_longer_up_to_the_longest():
    rules = Breaker(trip_after=1, open_s=10, factor=2, longest_open_s=35)
    guard, waits = CLOSED, []
    for _ in range(4):
        guard = count_failure(guard, 1, 100.0, rules)
        waits.append(guard.until_s - 100.0)
        guard = begin_probe(guard)
    assert [10.0, 20.0, 35.0, 35.0] == waits
    closed = count_success(guard, rules)
    assert (BreakerState.CLOSED, 0) == (closed.state, closed.trips)
    assert 110.0 == count_failure(closed, 1, 100.0, rules).until_s


def test_how_long_it_refuses_is_spread_by_its_share_also_at_the_longest():
    rules = Breaker(trip_after=1, open_s=10, factor=4, longest_open_s=20, open_spread_fraction=0.25)
    first, last = [CLOSED, begin_probe(count_failure(CLOSED, 1, 0.0, rules))]
    for guard, length_s in ((first, 10.0), (last, 20.0)):
        waits = [count_failure(guard, 1, 100.0, rules, u).until_s - 100.0 for u in (0, 0.5, 1)]
        assert [0.75 * length_s, length_s, 1.25 * length_s] == waits


def test_a_longest_below_the_first_time_shortens_nothing_and_lets_nothing_grow():
    rules = Breaker(trip_after=1, open_s=10, factor=3, longest_open_s=5)
    guard, waits = CLOSED, []
    for _ in range(3):
        guard = count_failure(guard, 1, 0.0, rules)
        waits.append(guard.until_s)
        guard = begin_probe(guard)
    assert [10.0] * 3 == waits


def test_a_trip_and_a_closing_forget_what_was_seen_before():
    tripped = after(HALF, "sfsf")
    assert (BreakerState.OPEN, 1, 0, 0) == (
        tripped.state, tripped.trips, tripped.outcomes, tripped.seen,
    )  # fmt: skip
    closed = count_success(begin_probe(tripped), HALF)
    assert (BreakerState.CLOSED, 0, 0, 0) == (
        closed.state, closed.trips, closed.outcomes, closed.seen,
    )  # fmt: skip
    # Failures of before do not trip it again.
    assert BreakerState.CLOSED == count_failure(closed, 1, 9.0, HALF).state


def test_both_ways_to_trip_are_looked_at():
    rules = Breaker(trip_after=3, failure_fraction=0.75, window=8, least=4, open_s=10)
    assert BreakerState.CLOSED == after(rules, "ssff").state
    assert BreakerState.OPEN == after(rules, "sssfff").state
    assert BreakerState.OPEN == after(rules, "ffsf").state
    assert BreakerState.CLOSED == after(rules, "fsfsf").state


def test_a_breaker_that_is_open_already_counts_a_late_failure_and_stays_as_it_is():
    opened = count_failure(CLOSED, 1, 100.0, Breaker(trip_after=1, open_s=10))
    late = count_failure(opened, 2, 105.0, Breaker(trip_after=1, open_s=10))
    assert opened == late


def test_a_factor_without_a_longest_grows_on():
    rules = Breaker(trip_after=1, open_s=1, factor=3)
    guard = CLOSED
    for _ in range(5):
        guard = begin_probe(count_failure(guard, 1, 0.0, rules))
    assert 81.0 == guard.until_s


def test_a_success_under_a_half_open_breaker_counts_until_there_are_enough():
    rules = Breaker(trip_after=1, probes=2)
    guard = begin_probe(count_failure(CLOSED, 1, 0.0, rules))
    once = count_success(guard, rules)
    assert (BreakerState.HALF_OPEN, 1) == (once.state, once.probes)
    assert BreakerState.CLOSED == count_success(once, rules).state


def test_a_closed_breaker_counts_no_probes():
    assert 0 == after(HALF, "fs").probes
    probed = count_success(begin_probe(count_failure(CLOSED, 1, 0.0, Breaker(trip_after=1))), HALF)
    assert [0, 0] == [count_success(probed, rules).probes for rules in (HALF, Breaker())]
    rules = Breaker(trip_after=1, probes=2)
    assert (
        BreakerState.HALF_OPEN
        == count_success(begin_probe(count_failure(probed, 1, 9.0, rules)), rules).state
    )


@given(st.text("sf", max_size=40), st.sampled_from([0.3, 0.5, 1.0, inf]), st.integers(1, 6))
def test_the_window_is_what_counting_says(outcomes, fraction, least):
    rules = Breaker(failure_fraction=fraction, window=5, least=least)
    seen = ""
    for length in range(1, len(outcomes) + 1):
        guard = after(rules, outcomes[:length])
        seen = outcomes[max(0, length - 5) : length]
        trips = outcomes[length - 1] == "f" and len(seen) >= least
        trips = trips and seen.count("f") >= fraction * len(seen)
        if trips:
            assert BreakerState.OPEN == guard.state
            return
        assert BreakerState.CLOSED == guard.state
