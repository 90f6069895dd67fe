from itertools import pairwise
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simlib.core.backoff import Backoff
from simlib.core.breaker import Breaker, BreakerState
from simlib.core.draws import PER_LIFE, Stream, uniform
from simlib.core.fallback import Fallback, Transport
from simlib.core.link import step
from simlib.core.link_fields import Link, idle
from simlib.core.link_table import TABLE, Input, Move, State
from simlib.core.meters import AttemptBudget, Rate, ready_s
from simlib.core.settings import Settings

PLAIN = Settings(backoff=Backoff(base_s=1, cap_s=10, jitter="none"), connect_timeout_s=5)


def settings(**parts) -> Settings:
    """One to ten seconds without jitter, and these parts changed."""
    backoff = {"base_s": 1, "cap_s": 10, "jitter": "none"} | parts.pop("backoff", {})
    return Settings(backoff=Backoff(**backoff), connect_timeout_s=5, **parts)


def told(rules: Settings, *script: tuple) -> list[Link]:
    """The links after each (input, time[, hint]) of a script."""
    link, links = idle(), []
    for word, now, *hint_s in script:
        link = step(link, Input[word.upper()], now, rules, 1, 0, *(hint_s or [0.0]))
        links.append(link)
    return links


def last(rules: Settings, *script: tuple) -> Link:
    return told(rules, *script)[-1]


# --- the table ---------------------------------------------------------------------------

WAYS = {
    State.IDLE: [],
    State.CONNECTING: [("start", 0)],
    State.OPEN: [("start", 0), ("opened", 1)],
    State.WAITING: [("start", 0), ("failed", 1)],
    State.STOPPED: [("start", 0), ("stop", 1)],
    State.SUSPENDED: [("start", 0), ("suspend", 1)],
}
#: Where each input leads from each state; None: the state does not allow it.
LEADS = {
    State.IDLE: (
        "CONNECTING",
        None,
        None,
        None,
        "IDLE",
        "STOPPED",
        "SUSPENDED",
        *["IDLE"] * 3,
        None,
    ),
    State.CONNECTING: (
        *(None, "OPEN", "WAITING", "WAITING", "WAITING", "STOPPED", "SUSPENDED"),
        *["CONNECTING"] * 3,
        "STOPPED",
    ),
    State.OPEN: (
        *(None, None, None, "WAITING", "OPEN", "STOPPED", "SUSPENDED"),
        *["OPEN"] * 3,
        "STOPPED",
    ),
    State.WAITING: (
        *(None, None, None, None, "CONNECTING", "STOPPED", "SUSPENDED"),
        *["WAITING"] * 3,
        "STOPPED",
    ),
    State.STOPPED: ("CONNECTING", None, None, None, "STOPPED", "STOPPED", *["STOPPED"] * 5),
    State.SUSPENDED: (
        *(None, None, None, None, "SUSPENDED", "STOPPED", "SUSPENDED", "WAITING"),
        *["SUSPENDED"] * 2,
        "STOPPED",
    ),
}
CELLS = [(state, word) for state in State for word in Input]


@pytest.mark.parametrize(("state", "word"), CELLS, ids=lambda value: value.name)
def test_every_cell_of_the_table(state, word):
    before = last(PLAIN, *WAYS[state]) if WAYS[state] else idle()
    assert state == before.state
    leads = LEADS[state][word]
    assert (leads is None) == (TABLE[state][word] == Move.MISUSE)
    after = step(before, word, 100.0, PLAIN, 1, 0, 0.0)
    if leads is None:
        assert before == after
    else:
        assert State[leads] == after.state


def test_the_table_defines_every_cell():
    assert len(State) == len(TABLE)
    assert {len(Input)} == {len(row) for row in TABLE}


@pytest.mark.parametrize("state", State, ids=lambda state: state.name)
def test_a_wake_before_the_deadline_changes_nothing(state):
    link = last(PLAIN, *WAYS[state]) if WAYS[state] else idle()
    assert link == step(link, Input.WAKE, 1.5, PLAIN, 1, 0, 0.0)


# --- waits -------------------------------------------------------------------------------


def test_an_attempt_has_a_deadline_of_its_own():
    link = last(PLAIN, ("start", 3))
    assert (State.CONNECTING, 8.0) == (link.state, link.deadline_s)


def test_waits_grow_with_each_failure_and_reset_on_open():
    script = [("start", 0)]
    now, waits = 0.0, []
    for _ in range(5):
        link = last(PLAIN, *script, ("failed", now))
        waits.append(link.deadline_s - now)
        script += [("failed", now), ("wake", link.deadline_s)]
        now = link.deadline_s
    assert [1, 2, 4, 8, 10] == waits
    opened = last(PLAIN, *script, ("opened", now))
    assert (0, 0, inf) == (opened.attempt, opened.failures, opened.deadline_s)
    lost = last(PLAIN, *script, ("opened", now), ("lost", now + 1))
    assert (1, 0, now + 2) == (lost.attempt, lost.failures, lost.deadline_s)


def test_a_timeout_is_a_failure():
    link = last(PLAIN, ("start", 0), ("wake", 5))
    assert (State.WAITING, 1, 1, 6.0) == (link.state, link.attempt, link.failures, link.deadline_s)


def test_waits_counted_from_the_start_of_attempts_keep_their_cadence():
    paced = settings(backoff={"factor": 1, "cap_s": 3, "base_s": 3, "counted_from": "start"})
    at_once = last(paced, ("start", 1), ("failed", 1.5))
    assert 4.0 == at_once.deadline_s, "3 s after the start, however soon it failed"
    timed_out = last(paced, ("start", 1), ("wake", 6))
    assert 6.0 == timed_out.deadline_s, "the time is over: no wait at all"
    lost = last(paced, ("start", 1), ("opened", 2), ("lost", 50))
    assert 50.0 == lost.deadline_s
    hinted = last(paced, ("start", 1), ("failed", 1.5, 20.0))
    assert 21.5 == hinted.deadline_s


def test_each_wait_takes_the_next_draw():
    full = settings(backoff={"jitter": "full"})
    first = last(full, ("start", 0), ("failed", 0))
    second = last(full, ("start", 0), ("failed", 0), ("wake", 10), ("failed", 10))
    assert (1, 2) == (first.draws, second.draws)
    assert 0.0 < first.delay_s < 1.0
    assert first.delay_s != second.delay_s / 2.0


def test_a_hint_is_a_lower_bound_of_the_wait():
    assert 7.0 == last(PLAIN, ("start", 0), ("failed", 0, 7.0)).deadline_s
    assert 1.0 == last(PLAIN, ("start", 0), ("failed", 0, 0.5)).deadline_s
    assert 12.0 == last(PLAIN, ("start", 0), ("opened", 1), ("lost", 2, 10.0)).deadline_s


def test_a_hint_is_not_bounded_by_the_cap_nor_kept_for_the_next_wait():
    script = [("start", 0), ("failed", 0, 60.0)]
    assert 60.0 == last(PLAIN, *script).deadline_s
    after = last(PLAIN, *script, ("wake", 60), ("failed", 60))
    assert (62.0, 2.0) == (after.deadline_s, after.delay_s)


# --- stability and giving up -------------------------------------------------------------


def test_the_count_resets_only_once_stable():
    rules = settings(backoff={"stable_after_s": 10})
    script = [("start", 0), ("failed", 0), ("wake", 1), ("opened", 2)]
    opened = last(rules, *script)
    assert (1, 1, 12.0) == (opened.attempt, opened.failures, opened.deadline_s)
    settled = last(rules, *script, ("wake", 12))
    assert (State.OPEN, 0, 0, inf) == (
        settled.state,
        settled.attempt,
        settled.failures,
        settled.deadline_s,
    )
    lost = last(rules, *script, ("lost", 11.9))
    assert (2, 2, 13.9) == (lost.attempt, lost.failures, lost.deadline_s)


def test_the_very_first_connection_lost_before_it_is_stable_is_a_failure_too():
    rules = settings(backoff={"stable_after_s": 10, "max_attempts": 1})
    link = last(rules, ("start", 0), ("opened", 1), ("lost", 2))
    assert (State.STOPPED, 1) == (link.state, link.failures)


def test_lost_at_the_very_moment_of_stability_is_as_lost_after_the_wake():
    rules = settings(backoff={"stable_after_s": 10})
    script = [("start", 0), ("failed", 0), ("wake", 1), ("opened", 2)]
    assert last(rules, *script, ("wake", 12), ("lost", 12)) == last(rules, *script, ("lost", 12))


def test_it_gives_up_after_max_attempts_failures_in_a_row():
    rules = settings(backoff={"max_attempts": 2})
    script = [("start", 0), ("failed", 0), ("wake", 1), ("failed", 1)]
    assert [State.CONNECTING, State.WAITING, State.CONNECTING, State.STOPPED] == [
        link.state for link in told(rules, *script)
    ]
    link = last(rules, *script)
    assert (2, inf) == (link.attempt, link.deadline_s)


def test_the_loss_of_a_stable_connection_is_not_a_failed_attempt():
    rules = settings(backoff={"max_attempts": 1})
    script = [("start", 0), ("opened", 1), ("lost", 2)]
    assert State.WAITING == last(rules, *script).state
    assert State.STOPPED == last(rules, *script, ("wake", 3), ("failed", 3)).state


def test_a_start_after_giving_up_counts_afresh():
    rules = settings(backoff={"max_attempts": 1})
    link = last(rules, ("start", 0), ("failed", 0), ("start", 50))
    assert (State.CONNECTING, 0, 0, 55.0) == (
        link.state,
        link.attempt,
        link.failures,
        link.deadline_s,
    )


# --- the breaker -------------------------------------------------------------------------

TRIPS_AT_TWO = settings(breaker=Breaker(trip_after=2, open_s=30))
TRIPPED = [("start", 0), ("failed", 0), ("wake", 1), ("failed", 1)]


def test_the_breaker_trips_after_failures_in_a_row_and_postpones():
    first, link = last(TRIPS_AT_TWO, *TRIPPED[:2]), last(TRIPS_AT_TWO, *TRIPPED)
    assert (BreakerState.CLOSED, 1.0) == (first.breaker, first.deadline_s)
    assert (BreakerState.OPEN, 31.0, 31.0) == (
        link.breaker,
        link.breaker_status.until_s,
        link.deadline_s,
    )
    assert 2.0 == link.delay_s


def test_the_next_attempt_is_at_the_latest_of_backoff_breaker_and_hint():
    assert 61.0 == last(TRIPS_AT_TWO, *TRIPPED[:-1], ("failed", 1, 60.0)).deadline_s
    assert 31.0 == last(TRIPS_AT_TWO, *TRIPPED[:-1], ("failed", 1, 20.0)).deadline_s
    short = settings(breaker=Breaker(trip_after=2, open_s=0.5))
    assert 3.0 == last(short, *TRIPPED).deadline_s


def test_the_attempt_of_an_open_breaker_is_a_probe():
    link = last(TRIPS_AT_TWO, *TRIPPED, ("wake", 31))
    assert (State.CONNECTING, BreakerState.HALF_OPEN) == (link.state, link.breaker)


def test_a_probe_that_fails_opens_the_breaker_again():
    link = last(TRIPS_AT_TWO, *TRIPPED, ("wake", 31), ("failed", 32))
    assert (BreakerState.OPEN, 62.0, 62.0, 3) == (
        link.breaker,
        link.breaker_status.until_s,
        link.deadline_s,
        link.attempt,
    )


def test_a_probe_that_succeeds_closes_the_breaker():
    link = last(TRIPS_AT_TWO, *TRIPPED, ("wake", 31), ("opened", 32))
    assert (State.OPEN, BreakerState.CLOSED, 0) == (link.state, link.breaker, link.failures)
    again = last(TRIPS_AT_TWO, *TRIPPED, ("wake", 31), ("opened", 32), ("lost", 33))
    assert (BreakerState.CLOSED, 34.0) == (again.breaker, again.deadline_s)


def test_several_probes_must_succeed_and_a_stable_loss_between_does_not_count_against():
    rules = settings(breaker=Breaker(trip_after=2, open_s=30, probes=2))
    script = [*TRIPPED, ("wake", 31), ("opened", 32)]
    opened = last(rules, *script)
    assert (BreakerState.HALF_OPEN, 1) == (opened.breaker, opened.breaker_status.probes)
    script += [("lost", 33), ("wake", 34)]
    second = last(rules, *script)
    assert (BreakerState.HALF_OPEN, 1) == (second.breaker, second.breaker_status.probes)
    assert BreakerState.CLOSED == last(rules, *script, ("opened", 35)).breaker
    failed = last(rules, *script, ("failed", 35))
    assert (BreakerState.OPEN, 65.0) == (failed.breaker, failed.deadline_s)
    assert 0 == last(rules, *script, ("failed", 35), ("wake", 65)).breaker_status.probes


def test_a_probe_lost_before_it_was_stable_opens_the_breaker_again():
    rules = settings(breaker=Breaker(trip_after=2, open_s=30), backoff={"stable_after_s": 10})
    link = last(rules, *TRIPPED, ("wake", 31), ("opened", 32), ("lost", 33))
    # It closed on opening; the failures in a row trip it again.
    assert (BreakerState.OPEN, 63.0) == (link.breaker, link.breaker_status.until_s)


def test_giving_up_keeps_the_breaker_as_the_last_failure_left_it():
    rules = settings(breaker=Breaker(trip_after=2, open_s=30), backoff={"max_attempts": 2})
    link = last(rules, *TRIPPED)
    assert (State.STOPPED, BreakerState.OPEN, 31.0) == (
        link.state,
        link.breaker,
        link.breaker_status.until_s,
    )
    afresh = last(rules, *TRIPPED, ("start", 5))
    assert (State.CONNECTING, BreakerState.HALF_OPEN) == (afresh.state, afresh.breaker)


# --- the fallback ------------------------------------------------------------------------

FALLS_BACK = settings(fallback=Fallback(after_attempts=2, return_after_s=5))


def test_it_falls_back_after_failures_in_a_row():
    links = told(FALLS_BACK, *TRIPPED)
    assert [0, 0, 0, 1] == [link.transport for link in links]


def test_it_returns_once_open_for_long_enough():
    script = [*TRIPPED, ("wake", 3), ("opened", 4)]
    opened = last(FALLS_BACK, *script)
    assert (Transport.POLL, 9.0) == (opened.transport, opened.deadline_s)
    back = last(FALLS_BACK, *script, ("wake", 9))
    assert (State.OPEN, Transport.WEBSOCKET, inf) == (back.state, back.transport, back.deadline_s)


def test_it_keeps_polling_when_the_connection_is_lost_before_the_return():
    link = last(FALLS_BACK, *TRIPPED, ("wake", 3), ("opened", 4), ("lost", 8))
    assert (State.WAITING, Transport.POLL) == (link.state, link.transport)


def test_stable_and_return_each_have_their_moment():
    rules = settings(
        fallback=Fallback(after_attempts=2, return_after_s=5), backoff={"stable_after_s": 8}
    )
    script = [*TRIPPED, ("wake", 3), ("opened", 4)]
    links = told(rules, *script, ("wake", 9), ("wake", 12))
    assert [(9.0, 2, 1), (12.0, 2, 0), (inf, 0, 0)] == [
        (link.deadline_s, link.failures, link.transport) for link in links[-3:]
    ]


def test_it_returns_at_once_with_no_dwell():
    rules = settings(fallback=Fallback(after_attempts=1, return_after_s=0))
    links = told(rules, ("start", 0), ("failed", 0), ("wake", 1), ("opened", 2))
    assert [0, 1, 1, 0] == [link.transport for link in links]


def test_an_open_breaker_starts_the_fallback_before_its_own_count():
    rules = settings(breaker=Breaker(trip_after=2), fallback=Fallback(after_attempts=9))
    assert Transport.POLL == last(rules, *TRIPPED).transport
    assert Transport.WEBSOCKET == last(TRIPS_AT_TWO, *TRIPPED).transport


def test_polling_goes_on_after_giving_up_and_ends_with_a_stop():
    rules = settings(fallback=Fallback(after_attempts=2), backoff={"max_attempts": 2})
    gave_up = last(rules, *TRIPPED)
    assert (State.STOPPED, Transport.POLL) == (gave_up.state, gave_up.transport)
    stopped = last(rules, *TRIPPED, ("stop", 9))
    assert (State.STOPPED, Transport.WEBSOCKET) == (stopped.state, stopped.transport)


# --- properties --------------------------------------------------------------------------

COUNT = st.sampled_from([1, 2, 3, inf])
RULES = st.builds(
    Settings,
    backoff=st.builds(
        Backoff,
        jitter=st.sampled_from(["none", "full", "equal", "decorrelated", "proportional"]),
        first_s=st.sampled_from([inf, 0.0, 0.5]),
        max_attempts=COUNT,
        stable_after_s=st.sampled_from([0.0, 5.0]),
    ),
    breaker=st.builds(Breaker, trip_after=COUNT, probes=st.integers(1, 3)),
    fallback=st.builds(
        Fallback,
        after_attempts=COUNT,
        return_after_s=st.sampled_from([0.0, 3.0, 8.0]),
        dwell_s=st.sampled_from([0.0, 4.0, 50.0]),
    ),
    attempt_budget=st.sampled_from([Rate(), Rate(per_s=0.1, burst=2)]),
)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(Input),
        st.sampled_from([0.0, 0.1, 5.0, 100.0]) | st.just("deadline"),
        st.sampled_from([0.0, 2.0, 60.0]),
    ),
    max_size=40,
)


@given(RULES, STEPS)
def test_any_sequence_of_inputs_keeps_the_rules(rules, steps):
    link, now, waits, hinted_s, changes = idle(), 0.0, 0, 0.0, []
    for word, gap_s, hint_s in steps:
        # A deadline is never far behind: a host wakes the link before time goes on.
        now = max(now, min(link.deadline_s, now + 1e6)) if gap_s == "deadline" else now + gap_s
        before, link = link, step(link, word, now, rules, 7, 3, hint_s)
        backoff = rules.backoff
        assert (link.state in {State.CONNECTING, State.WAITING}) <= (link.deadline_s < inf)
        assert (link.state in {State.IDLE, State.SUSPENDED}) <= (link.deadline_s == inf)
        assert (link.breaker == BreakerState.OPEN) <= (link.state in RESTING)
        assert 0 <= link.failures <= link.attempt
        assert link.failures <= backoff.max_attempts
        changes = [*changes, now] if link.transport != before.transport else changes
        if link.state == State.WAITING and link is not before:
            waits += 1
            hinted_s = now + hint_s if word in {Input.FAILED, Input.LOST} else hinted_s
            assert 0.0 <= link.delay_s <= backoff.cap_s
            assert link.deadline_s >= hinted_s
            assert link.deadline_s >= ready_s(link.budget.attempt_s, rules.attempt_budget)
            assert word == Input.RESUME or link.deadline_s >= now + link.delay_s
            assert (
                link.breaker != BreakerState.OPEN or link.deadline_s >= link.breaker_status.until_s
            )
        assert link.draws == waits
    # A stop ends the fallback whatever the dwell time says.
    if Input.STOP not in {word for word, _, _ in steps}:
        assert all(b - a >= rules.fallback.dwell_s for a, b in pairwise(changes))


RESTING = {State.WAITING, State.STOPPED, State.SUSPENDED}


# --- forms of real clients ---------------------------------------------------------------


def waited(rules: Settings, client: int, draws: int = 0, failures: int = 3) -> list[float]:
    """The waits of a client after failures in a row, from its start."""
    link, result = step(idle(draws), Input.START, 0.0, rules, 1, client, 0.0), []
    for _ in range(failures):
        link = step(link, Input.FAILED, 0.0, rules, 1, client, 0.0)
        result.append(link.delay_s)
        link = step(link, Input.WAKE, link.deadline_s, rules, 1, client, 0.0)
    return result


def test_a_draw_for_life_is_another_for_each_client_and_each_of_its_lives():
    rules = settings(backoff={"jitter": "full", "drawn_once": True})
    first, other, again = waited(rules, 0), waited(rules, 1), waited(rules, 0, PER_LIFE)
    assert [first[0] * 2**k for k in range(3)] == first
    assert 3 == len({first[0], other[0], again[0]})


def test_after_the_loss_of_a_stable_connection_the_count_begins_with_the_next_failure():
    rules = settings(backoff={"after_loss_s": 0, "stable_after_s": 5})
    lost = ("start", 0), ("opened", 1), ("lost", 10)
    again = (*lost, ("wake", 10), ("failed", 11))
    assert (0, 10.0) == (last(rules, *lost).attempt, last(rules, *lost).deadline_s)
    assert (1, 12.0) == (last(rules, *again).attempt, last(rules, *again).deadline_s)
    # One that was not stable is a failure like others.
    unstable = last(rules, ("start", 0), ("opened", 1), ("lost", 2))
    assert (1, 3.0) == (unstable.attempt, unstable.deadline_s)


def test_a_client_of_no_attempts_stops_at_the_first_loss_and_the_first_failure():
    rules = settings(backoff={"max_attempts": 0})
    for script in ((("opened", 1), ("lost", 9)), (("failed", 1),)):
        link = last(rules, ("start", 0), *script)
        assert (State.STOPPED, inf) == (link.state, link.deadline_s)


def test_a_hint_that_is_not_heeded_changes_nothing():
    rules = settings(backoff={"heeds_hint": False})
    assert 2.0 == last(rules, ("start", 0), ("failed", 1, 30.0)).deadline_s


def test_the_time_after_which_it_gives_up_counts_from_its_start_and_anew_from_the_next():
    rules = settings(backoff={"factor": 2, "give_up_after_s": 10})
    # It starts at 5, and waits for 1, 2 and 4 s: the last of these waits ends at 15, just in time.
    tries = [("start", 5), ("failed", 6), ("wake", 7), ("failed", 8), ("wake", 10), ("failed", 11)]
    link = last(rules, *tries)
    assert (State.WAITING, 15.0) == (link.state, link.deadline_s)
    stopped = last(rules, *tries, ("wake", 15), ("failed", 16))
    assert State.STOPPED == stopped.state
    again = last(rules, *tries, ("wake", 15), ("failed", 16), ("start", 100), ("failed", 101))
    assert State.WAITING == again.state


# --- a resumption ------------------------------------------------------------------------


FULL = settings(backoff={"jitter": "full"})


def drawn(index: int) -> float:
    """The draw of a wait, of the links of `told`."""
    return uniform(1, 0, Stream.WAIT, index)


@pytest.mark.parametrize(
    "script",
    [
        [("start", 0), ("opened", 1), ("suspend", 5)],
        [("start", 0), ("failed", 1), ("suspend", 5)],
        [("start", 0), ("opened", 1), ("lost", 2), ("suspend", 5)],
    ],
    ids=["opened", "failed", "lost"],
)
def test_whoever_was_there_before_resumes_scattered_over_a_first_wait(script):
    before, link = told(FULL, *script, ("resume", 10))[-2:]
    assert State.WAITING == link.state
    assert 10.0 + drawn(before.draws) * 1.0 == link.deadline_s
    assert before.draws + 1 == link.draws
    plain = last(PLAIN, *script, ("resume", 10))
    assert (10.0, before.draws + 1) == (plain.deadline_s, plain.draws)


def test_a_very_first_attempt_that_had_to_wait_resumes_at_once():
    link = last(FULL, ("suspend", 0), ("resume", 10))
    assert (State.WAITING, 10.0, 1) == (link.state, link.deadline_s, link.draws)


def test_a_resumption_may_only_shorten_a_wait():
    # The second wait is two seconds long, without jitter: until 3 s.
    script = [("start", 0), ("failed", 0), ("wake", 1), ("failed", 1)]
    assert [3.0, 1.5] == [link.deadline_s for link in told(PLAIN, *script, ("resume", 1.5))[-2:]]
    # What was drawn is later than what is left of the wait.
    late = 3.0 - drawn(0) / 2
    plain = last(PLAIN, *script)
    assert late < 3.0 < late + drawn(2)
    assert 3.0 == step(plain, Input.RESUME, late, FULL, 1, 0, 0.0).deadline_s


def test_a_resumption_waits_for_the_breaker_and_for_the_hint():
    tripped = [*TRIPPED, ("suspend", 5), ("resume", 10)]
    assert 31.0 == last(TRIPS_AT_TWO, *tripped).deadline_s
    assert 40.0 == last(TRIPS_AT_TWO, *tripped[:-1], ("resume", 40)).deadline_s
    hinted = [("start", 0), ("failed", 0, 20.0), ("suspend", 5)]
    assert 20.0 == last(PLAIN, *hinted, ("resume", 10)).deadline_s
    assert 25.0 == last(PLAIN, *hinted, ("resume", 25)).deadline_s


# --- budgets -----------------------------------------------------------------------------

RATIONED = settings(attempt_budget=AttemptBudget(per_s=0.1, burst=1))


def test_attempts_after_failures_take_tokens_and_the_first_takes_none():
    links = told(RATIONED, ("start", 0), ("failed", 0), ("wake", 1), ("failed", 1))
    assert [(1.0, 0), (11.0, 1)] == [(link.deadline_s, link.rationed) for link in links[1::2]]
    assert [0.0, 0.0, 11.0, 11.0] == [link.budget.attempt_s for link in links]


def test_every_attempt_takes_a_token_of_the_budget_of_connections():
    rules = settings(connect_budget=Rate(per_s=0.1, burst=1))
    links = told(rules, ("start", 0), ("failed", 0), ("wake", 10), ("opened", 11), ("lost", 12))
    assert [(10.0, 1), (20.0, 1)] == [(link.deadline_s, link.rationed) for link in links[1::3]]
    assert [10.0, 10.0, 20.0, 20.0, 20.0] == [link.budget.connect_s for link in links]


def test_a_budget_that_is_ready_as_the_wait_ends_rations_nothing():
    rules = settings(connect_budget=Rate(per_s=1, burst=1))
    link = last(rules, ("start", 0), ("failed", 0))
    assert (1.0, 0) == (link.deadline_s, link.rationed)


def test_the_later_of_two_budgets_decides():
    both = settings(
        attempt_budget=AttemptBudget(per_s=0.1, burst=1), connect_budget=Rate(per_s=0.05, burst=1)
    )
    script = [("start", 0), ("failed", 0), ("wake", 20), ("failed", 20)]
    assert [20.0, 40.0] == [link.deadline_s for link in told(both, *script)[1::2]]
    other = settings(
        attempt_budget=AttemptBudget(per_s=0.1, burst=1), connect_budget=Rate(per_s=0.5, burst=1)
    )
    assert [2.0, 12.0] == [
        link.deadline_s
        for link in told(other, ("start", 0), ("failed", 0), ("wake", 2), ("failed", 2))[1::2]
    ]


@pytest.mark.parametrize(("success_fraction", "attempt_s"), [(0.0, 1.0), (0.25, 0.75), (1.0, 0.0)])
def test_a_success_brings_a_share_of_a_token(success_fraction, attempt_s):
    budget = AttemptBudget(per_s=0, burst=2, success_fraction=success_fraction)
    rules = settings(attempt_budget=budget)
    link = last(rules, ("start", 0), ("failed", 0), ("wake", 1), ("opened", 2))
    assert (attempt_s, 0) == (link.budget.attempt_s, link.rationed)


def test_a_resumption_waits_for_the_budget_too():
    script = [("start", 0), ("failed", 0), ("wake", 1), ("failed", 1), ("suspend", 2)]
    links = [last(RATIONED, *script, ("resume", now)) for now in (5, 11, 15)]
    assert [(11.0, 1), (11.0, 0), (15.0, 0)] == [(x.deadline_s, x.rationed) for x in links]


def test_whoever_may_never_attempt_again_stops():
    spent = settings(attempt_budget=AttemptBudget(per_s=0, burst=1))
    script = [("start", 0), ("failed", 0), ("wake", 1)]
    assert State.STOPPED == last(spent, *script, ("failed", 1)).state
    link = last(spent, *script, ("suspend", 1.5), ("resume", 2))
    assert (State.STOPPED, inf, 1) == (link.state, link.deadline_s, link.draws)


# --- giving up, and what goes on ---------------------------------------------------------


def test_the_time_after_which_it_gives_up_counts_anew_from_each_loss_of_a_stable_connection():
    rules = settings(backoff={"give_up_after_s": 10})
    script = [("start", 5), ("opened", 6), ("lost", 100)]
    assert [5.0, inf, 100.0] == [link.budget.since_s for link in told(rules, *script)]
    # Waits of 1, 2 and 4 s would end at 101, 103 and 107; the next of 8 s is too late.
    script += [("wake", 101), ("failed", 101), ("wake", 103), ("failed", 103)]
    waiting = last(rules, *script)
    assert (State.WAITING, 107.0) == (waiting.state, waiting.deadline_s)
    assert State.STOPPED == last(rules, *script, ("wake", 107), ("failed", 107)).state
    # A suspension ends the count, and the next attempt begins it.
    links = told(rules, ("start", 5), ("failed", 6), ("suspend", 7), ("resume", 90), ("wake", 90))
    assert [5.0, 5.0, inf, inf, 90.0] == [link.budget.since_s for link in links]


def test_a_connection_that_was_not_stable_goes_on_with_the_count():
    rules = settings(backoff={"give_up_after_s": 10, "stable_after_s": 4})
    script = [("start", 5), ("opened", 6), ("lost", 8)]
    assert [5.0, 5.0, 5.0] == [link.budget.since_s for link in told(rules, *script)]
    assert inf == last(rules, ("start", 5), ("opened", 6), ("wake", 10)).budget.since_s


def test_giving_up_spreads_nothing():
    breaker = Breaker(trip_after=2, open_s=30, open_spread_fraction=0.5)
    rules = settings(breaker=breaker, backoff={"max_attempts": 2})
    link = last(rules, *TRIPPED)
    assert (State.STOPPED, 31.0) == (link.state, link.breaker_status.until_s)


def test_a_fallback_that_the_dwell_time_forbids_comes_later_though_it_gave_up():
    rules = settings(
        fallback=Fallback(after_attempts=1, return_after_s=0, dwell_s=50),
        backoff={"max_attempts": 2},
    )
    script = [("start", 0), ("failed", 0), ("wake", 1), ("opened", 60), ("lost", 61)]
    script += [("wake", 62), ("failed", 62), ("wake", 64), ("failed", 64)]
    links = told(rules, *script)
    assert [0, 1, 1, 0, 0, 0, 0, 0, 0] == [link.transport for link in links]
    assert (State.STOPPED, 110.0) == (links[-1].state, links[-1].deadline_s)
    polls = last(rules, *script, ("wake", 110))
    assert (State.STOPPED, Transport.POLL, inf) == (polls.state, polls.transport, polls.deadline_s)


def test_a_stop_keeps_when_the_transport_changed_last():
    stopped = last(FALLS_BACK, *TRIPPED, ("stop", 9))
    assert (1.0, inf) == (
        stopped.transport_status.changed_s, stopped.transport_status.good_s,
    )  # fmt: skip
    suspended = last(FALLS_BACK, *TRIPPED, ("wake", 3), ("opened", 4), ("suspend", 5))
    assert (Transport.POLL, inf) == (suspended.transport, suspended.transport_status.good_s)


def test_a_hint_that_was_heeded_is_kept_and_none_is_now():
    assert [0.0, 7.0, 7.0, 9.0] == [
        link.hinted_s
        for link in told(PLAIN, ("start", 0), ("failed", 0, 7.0), ("wake", 7), ("failed", 9))
    ]
