"""Which codes stop a client: the lists, and what each code does in each state."""

from math import inf

import pytest

from simlib.core.errors import SettingsError
from simlib.core.events import (
    Close,
    Failed,
    Lost,
    Message,
    Notify,
    Online,
    Open,
    Opened,
    Poll,
    Polled,
    Post,
    Posted,
    Reason,
    Send,
    SignedIn,
    SignIn,
    Start,
    Wake,
)
from simlib.core.fallback import Fallback
from simlib.core.link_table import State
from simlib.core.session import SessionRules
from simlib.core.settings import Settings
from simlib.core.stops import Effect, Stops, as_codes, codes_in, effect
from tests.core.test_client import client, opened, told

ENDS, SUSPENDS, GOES_ON = Effect.ENDS, Effect.SUSPENDS, Effect.GOES_ON
STOPS = Stops(ends_on=[410, "4400-4403", 1008], suspends_on=[401, "4404-4499"])
POLLS = Fallback(after_attempts=1, poll_interval_s=4)


def of(code: int) -> Failed | Lost:
    """What a first connection is told: a status of an attempt, or a close code."""
    if code < 1000:
        return Failed(1, Reason.REJECTED, 0.0, code)
    return Lost(1, Reason.CLOSED, 0.0, code)


# --- the lists ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stops", "expected"),
    [
        (Stops(), {401: SUSPENDS, 402: GOES_ON, 403: SUSPENDS, 4400: GOES_ON, 4401: SUSPENDS}),
        (Stops(), {4402: GOES_ON, 4403: SUSPENDS, 503: GOES_ON, 1012: GOES_ON, 0: GOES_ON}),
        (Stops(suspends_on=[]), {401: GOES_ON, 4401: GOES_ON}),
        (STOPS, {410: ENDS, 409: GOES_ON, 411: GOES_ON, 1008: ENDS, 4399: GOES_ON}),
        (STOPS, {4400: ENDS, 4403: ENDS, 4404: SUSPENDS, 4499: SUSPENDS, 4500: GOES_ON}),
        (Stops(ends_on=[400, 599, 1000, 4999]), {400: ENDS, 599: ENDS, 1000: ENDS, 4999: ENDS}),
    ],
)
def test_what_a_code_does(stops, expected):
    assert expected == {code: effect(stops, code) for code in expected}


@pytest.mark.parametrize("code", [399, 600, 999, 5000, 0, -401, 401.0, True, "401-", "a-b", ""])
def test_what_is_no_code_is_refused_with_what_a_code_is(code):
    with pytest.raises(SettingsError) as error:
        Stops(ends_on=[1008, code])
    assert "ends_on[1]" == error.value.key
    assert "an HTTP status from 400 to 599, a close code from 1000 to 4999" in str(error.value)


@pytest.mark.parametrize("code", ["599-1000", "500-400", "4400-5000", "400-500-599"])
def test_a_range_is_of_statuses_or_of_close_codes_and_rises(code):
    with pytest.raises(SettingsError, match='or a range of either such as "4400-4499"'):
        Stops(suspends_on=[code])


def test_a_list_is_kept_as_it_is_and_cannot_be_changed_afterwards():
    codes = [1008, "4404-4499"]
    stops = Stops(ends_on=codes)
    codes.append(410)
    assert (1008, "4404-4499") == stops.ends_on
    assert {stops} == {Stops(ends_on=[1008, "4404-4499"])}


@pytest.mark.parametrize("codes", [401, "401", None])
def test_a_list_is_a_list(codes):
    with pytest.raises(SettingsError, match=r"must be a list of codes, such as \[410"):
        Stops(suspends_on=codes)


def test_a_code_that_no_frame_has_is_refused_since_it_would_never_come():
    for code in (1006, 1015):
        with pytest.raises(SettingsError, match=f"{code}: is in no close frame: a connection that"):
            Stops(ends_on=[code])
    # A range over one of them is of those beside it.
    assert ENDS == effect(Stops(ends_on=["1005-1007"]), 1007)


@pytest.mark.parametrize(
    ("ends_on", "suspends_on", "key", "code"),
    [
        ([401], [403, 401], "suspends_on[1]", 401),
        (["4400-4499"], [4401], "suspends_on[0]", 4401),
        ([4450], ["4400-4499"], "suspends_on[0]", 4450),
        ([403], None, "suspends_on[1]", 403),
        (["4400-4450"], ["4450-4499"], "suspends_on[0]", 4450),
        (["4450-4499"], ["4400-4450"], "suspends_on[0]", 4450),
    ],
)
def test_no_code_is_in_both_lists(ends_on, suspends_on, key, code):
    given = {"ends_on": ends_on} | ({} if suspends_on is None else {"suspends_on": suspends_on})
    with pytest.raises(SettingsError) as error:
        Stops(**given)
    assert key == error.value.key
    assert f"is in ends_on too ({code})" in str(error.value)


def test_ranges_that_touch_share_no_code():
    stops = Stops(ends_on=["4400-4449", "4500-4599"], suspends_on=["4450-4499", "4600-4700"])
    found = [effect(stops, code) for code in (4449, 4450, 4499, 4500, 4599, 4600)]
    assert [ENDS, SUSPENDS, SUSPENDS, ENDS, ENDS, SUSPENDS] == found
    assert (2, 2) == (stops.end_count, stops.suspend_count)


def test_two_codes_in_a_row_are_no_range():
    assert (400, 401, "1000-1002", 4000) == as_codes([401, 400, 1000, 1001, 1002, 4000, 4000])


def test_every_code_of_a_list_is_said():
    assert [410, 4400, 4401, 4402, 4403, 1008] == list(codes_in(STOPS.ends_on))


# --- state x code ------------------------------------------------------------------------


@pytest.mark.parametrize("code", [410, 1008, 4401])
def test_a_code_that_ends_it_ends_it_for_good_and_says_so(code):
    one = client(stops=STOPS)
    told(one, (Start(), 0.0), *([(Opened(1), 0.0)] if code >= 1000 else []))
    assert [Notify(Reason.GAVE_UP)] == told(one, (of(code), 1.0))
    assert (State.STOPPED, inf) == (one.link.state, one.deadline)
    assert [] == told(one, (Online(), 2.0))
    assert State.STOPPED == one.link.state
    # The application may begin afresh, as after giving up.
    assert [Open(2)] == told(one, (Start(), 3.0))


@pytest.mark.parametrize("code", [401, 4444])
def test_a_code_that_suspends_it_waits_for_a_sign_in(code):
    one = client(stops=STOPS, session=SessionRules(sign_in_after_s=2))
    told(one, (Start(), 0.0), (SignedIn(1, Reason.ACCEPTED, inf), 0.0), (Wake(), 0.0))
    told(one, *([(Opened(2), 0.0)] if code >= 1000 else []))
    end = (
        Failed(2, Reason.REJECTED, 0.0, code) if code < 1000 else Lost(2, Reason.CLOSED, 0.0, code)
    )
    assert [Notify(Reason.SIGN_IN)] == told(one, (end, 1.0))
    assert (State.SUSPENDED, 3.0) == (one.link.state, one.deadline)
    assert [SignIn(3)] == told(one, (Wake(), 3.0))
    assert [Notify(Reason.SIGNED_IN)] == told(one, (SignedIn(3, Reason.ACCEPTED, inf), 3.5))
    assert State.WAITING == one.link.state


@pytest.mark.parametrize("code", [403, 503, 1012, 4500])
def test_every_other_code_is_a_failure_that_is_waited_out(code):
    one = client(stops=STOPS)
    told(one, (Start(), 0.0), *([(Opened(1), 0.0)] if code >= 1000 else []))
    assert [] == told(one, (of(code), 1.0))
    assert (State.WAITING, 2.0, 1) == (one.link.state, one.deadline, one.link.attempt)


def test_nobody_signs_in_for_a_client_that_was_ended():
    one = client(stops=Stops(ends_on=[410]), session=SessionRules(sign_in_after_s=0))
    told(one, (Start(), 0.0), (SignedIn(1, Reason.ACCEPTED, 9.0), 0.0), (Wake(), 0.0))
    told(one, (Failed(2, Reason.REJECTED, 0.0, 410), 1.0))
    assert (inf, State.STOPPED) == (one.deadline, one.link.state)


def polling(**parts):
    """A client that polls, with post 3 and poll 4 under way and a wait for its next attempt."""
    one = client(fallback=Fallback(after_attempts=1, poll_interval_s=0.8), **parts)
    told(one, (Start(), 0.0), (Failed(1, Reason.REFUSED), 0.0), (Send(Message(0)), 0.0))
    assert [Post(3, Message(0))] == told(one, (Polled(2, Reason.ACCEPTED), 0.5))
    assert [Poll(4)] == told(one, (Wake(), 0.8))
    return one


@pytest.mark.parametrize(
    ("answer", "closed"),
    [
        (Posted(3, 0, Reason.REJECTED, code=410), Close(4)),
        (Polled(4, Reason.REJECTED, code=410), Close(3)),
    ],
)
def test_the_status_of_a_poll_or_a_post_ends_it_too(answer, closed):
    one = polling(stops=STOPS)
    assert [closed, Notify(Reason.GAVE_UP)] == told(one, (answer, 0.9))
    assert (State.STOPPED, inf, False) == (one.link.state, one.deadline, one.available)
    # The message that was under way is still there, for an application that starts it again.
    assert 1 == len(one.outbox)
    assert 0 == one.outbox.in_flight


@pytest.mark.parametrize(
    "answer", [Posted(3, 0, Reason.REJECTED, code=403), Polled(4, Reason.REJECTED, code=403)]
)
def test_a_poll_or_a_post_with_another_status_proves_no_route_and_no_more(answer):
    one = polling(stops=STOPS)
    assert [] == told(one, (answer, 0.9))
    assert (State.WAITING, False) == (one.link.state, one.available)


def test_a_poll_s_status_ends_a_client_that_had_given_up_and_polled_on():
    one = client(stops=STOPS, fallback=POLLS, backoff={"max_attempts": 1})
    told(one, (Start(), 0.0), (Failed(1, Reason.REFUSED), 0.0))
    assert State.STOPPED == one.link.state
    # It has said before that it gave up.
    assert [] == told(one, (Polled(2, Reason.REJECTED, code=410), 0.5))
    assert inf == one.deadline


def test_an_open_connection_is_closed_when_a_poll_s_status_ends_the_client():
    one = client(stops=STOPS, fallback=Fallback(after_attempts=1, return_after_s=60))
    told(one, (Start(), 0.0), (Failed(1, Reason.REFUSED), 0.0), (Wake(), 1.0), (Opened(3), 1.5))
    assert [Close(3), Notify(Reason.GAVE_UP)] == told(
        one, (Polled(2, Reason.REJECTED, code=410), 1.6)
    )
    assert State.STOPPED == one.link.state


def test_an_answer_to_an_attempt_given_up_stops_nobody():
    one = opened(stops=STOPS)
    assert [] == told(one, (Failed(9, Reason.REJECTED, 0.0, 410), 1.0))
    assert State.OPEN == one.link.state


def test_by_default_it_is_as_a_session_is():
    assert Stops() == Settings().stops
    assert ((), (401, 403, 4401, 4403)) == (Stops().ends_on, Stops().suspends_on)


def test_codes_are_said_in_order_and_many_in_a_row_as_a_range():
    assert (410, 1008, 1009, "4400-4402") == as_codes({410, 4402, 4400, 4401, 1008, 1009})
    assert () == as_codes([])
