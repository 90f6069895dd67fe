"""A client with sessions, hints, channels, drafts and what it saves: whole stories."""

from math import inf

import pytest

from simlib.core import events
from simlib.core.draft import DraftRules
from simlib.core.events import (
    Close,
    Deliver,
    Drop,
    Edit,
    Failed,
    Fetch,
    Follow,
    Forget,
    Hinted,
    Lost,
    Message,
    Notify,
    Offline,
    Online,
    Open,
    Opened,
    Ping,
    Poll,
    Polled,
    Ponged,
    Post,
    Posted,
    Pushed,
    Reason,
    Received,
    Restored,
    Save,
    Send,
    SignedIn,
    SignIn,
    Start,
    Stop,
    Subscribe,
    Transmit,
    Wake,
)
from simlib.core.fallback import Fallback
from simlib.core.heartbeat import HeartbeatRules
from simlib.core.link_table import State
from simlib.core.meters import Rate
from simlib.core.outbox import OutboxLimits
from simlib.core.quality import Quality
from simlib.core.session import SessionRules
from tests.core.test_client import client, opened, told

A, B = Message(0), Message(1)
USER = SessionRules(sign_in_after_s=2, again_after_s=3)
SAVED = OutboxLimits(persist="all")


# --- sessions ----------------------------------------------------------------------------


def test_it_signs_in_before_it_connects():
    one = client(session=USER)
    assert [SignIn(1)] == told(one, (Start(), 0.0))
    assert State.SUSPENDED == one.link.state
    assert [] == told(one, (SignedIn(1, Reason.ACCEPTED, 60.0), 0.5))
    assert 0.5 == one.deadline
    assert [Open(2)] == told(one, (Wake(), 0.5))


def test_a_session_that_is_over_suspends_asks_once_and_resumes_with_everything():
    one = client(session=USER)
    told(one, (Start(), 0.0), (SignedIn(1, Reason.ACCEPTED, 60.0), 0.0), (Wake(), 0.0))
    told(one, (Opened(2), 0.0), (Send(A), 1.0))
    assert [Notify(Reason.SIGN_IN)] == told(one, (Lost(2, Reason.UNAUTHORIZED, 0.0, 4401), 5.0))
    assert (State.SUSPENDED, 7.0) == (one.link.state, one.deadline)
    told(one, (Send(B), 6.0))
    assert [SignIn(3)] == told(one, (Wake(), 7.0))
    assert [Notify(Reason.SIGNED_IN)] == told(one, (SignedIn(3, Reason.ACCEPTED, 60.0), 8.0))
    assert 9.0 >= one.deadline
    assert [Open(4)] == told(one, (Wake(), one.deadline))
    assert [Transmit(4, A), Transmit(4, B)] == told(one, (Opened(4), 9.5))


def test_an_expired_session_is_seen_before_the_attempt():
    one = client(session=USER)
    told(one, (Start(), 0.0), (SignedIn(1, Reason.ACCEPTED, 4.0), 0.0), (Wake(), 0.0))
    told(one, (Opened(2), 0.0), (Lost(2, Reason.RESET), 3.5))
    assert 4.5 == one.deadline
    assert [Notify(Reason.SIGN_IN)] == told(one, (Wake(), 4.5))
    assert State.SUSPENDED == one.link.state


#: What ends an attempt or a connection whose session has run out meanwhile, none by a code.
UNNOTICED = {
    "a failed attempt": [(Opened(2), 0.0), (Lost(2, Reason.RESET), 1.0), (Wake(), 2.0),
                         (Failed(3, Reason.REFUSED), 4.5)],
    "a lost connection": [(Opened(2), 0.0), (Lost(2, Reason.RESET), 4.5)],
    "silence": [(Opened(2), 0.0), (Wake(), 3.0), (Wake(), 4.5)],
    "offline, before the attempt": [(Opened(2), 0.0), (Lost(2, Reason.RESET), 1.0),
                                    (Offline(), 1.5), (Online(), 4.5)],
    "offline, the connection lost": [(Opened(2), 0.0), (Offline(), 1.0),
                                     (Lost(2, Reason.RESET), 4.2), (Online(), 4.5)],
}  # fmt: skip


@pytest.mark.parametrize("what", UNNOTICED)
def test_a_session_that_runs_out_unnoticed_is_signed_in_again(what):
    one = client(session=USER, heartbeat=HeartbeatRules(interval_s=3, timeout_s=1.5))
    told(one, (Start(), 0.0), (SignedIn(1, Reason.ACCEPTED, 4.0), 0.0), (Wake(), 0.0))
    asked = told(one, *UNNOTICED[what])
    assert Notify(Reason.SIGN_IN) in asked
    # What has ended by itself is not closed again; only silence is for the client to end.
    closes = [each for each in asked if isinstance(each, Close)]
    assert ([Close(2, Reason.SILENT)] if what == "silence" else []) == closes
    assert (State.SUSPENDED, 6.5) == (one.link.state, one.deadline)
    [sign_in] = told(one, (Wake(), 6.5))
    told(one, (SignedIn(sign_in.connection, Reason.ACCEPTED, 60.0), 7.0))
    assert [Open(sign_in.connection + 1)] == told(one, (Wake(), one.deadline))


def test_a_user_who_never_signs_in_is_asked_once():
    one = client()
    told(one, (Start(), 0.0), (Opened(1), 0.0))
    assert [Notify(Reason.SIGN_IN)] == told(one, (Lost(1, Reason.UNAUTHORIZED, 0.0, 4401), 1.0))
    told(one, (Offline(), 2.0))
    assert [Notify(Reason.ONLINE)] == told(one, (Online(), 3.0))
    assert (State.SUSPENDED, inf) == (one.link.state, one.deadline)


@pytest.mark.parametrize("reason", Reason, ids=lambda reason: reason.name)
def test_only_a_sign_in_that_is_accepted_gives_a_session(reason):
    one = client(session=USER)
    told(one, (Start(), 0.0), (SignedIn(1, reason, 60.0), 0.5))
    accepted = reason == Reason.ACCEPTED
    assert (0.5 if accepted else 3.5) == one.deadline
    assert accepted == one.session.valid(1.0)


def test_a_sign_in_without_an_answer_or_with_a_bad_one_is_tried_again():
    one = client(session=USER)
    told(one, (Start(), 0.0))
    assert [Close(1, Reason.TIMEOUT)] == told(one, (Wake(), 5.0))
    assert [SignIn(2)] == told(one, (Wake(), 8.0))
    assert [] == told(one, (SignedIn(2, Reason.REFUSED), 9.0))
    assert 12.0 == one.deadline
    assert [] == told(one, (SignedIn(1, Reason.ACCEPTED, 60.0), 9.5))


@pytest.mark.parametrize(
    "refused",
    [Posted(3, 0, Reason.UNAUTHORIZED, code=401), Polled(4, Reason.UNAUTHORIZED, code=403)],
)
def test_a_refused_poll_or_post_ends_the_session_too(refused):
    one = client(fallback=Fallback(after_attempts=1, poll_interval_s=0.8))
    told(one, (Start(), 0.0), (Failed(1, Reason.REFUSED), 0.0), (Send(A), 0.0))
    assert [Post(3, A)] == told(one, (Polled(2, Reason.ACCEPTED), 0.5))
    assert [Poll(4)] == told(one, (Wake(), 0.8))
    assert Notify(Reason.SIGN_IN) in told(one, (refused, 0.9))
    assert (State.SUSPENDED, inf) == (one.link.state, one.polling.deadline_s)


def test_a_client_that_gave_up_and_is_started_without_a_session_waits_for_one():
    one = client(session=USER)
    told(one, (Start(), 0.0), (SignedIn(1, Reason.ACCEPTED, 4.0), 0.0), (Wake(), 0.0))
    told(one, (Opened(2), 0.0), (Stop(), 3.0))
    assert [Open(3), Close(3), SignIn(4)] == told(one, (Start(), 5.0))


def test_whoever_stops_signs_in_no_more():
    one = client(session=USER)
    assert [SignIn(1)] == told(one, (Start(), 0.0))
    assert [Close(1)] == told(one, (Stop(), 0.5))
    # An answer that is on its way changes nothing, nor does the time at which it was due.
    assert [] == told(one, (SignedIn(1, Reason.ACCEPTED, 60.0), 0.6))
    assert (inf, State.STOPPED) == (one.deadline, one.link.state)


# --- the platform's word -----------------------------------------------------------------


def test_offline_suspends_attempts_and_online_makes_one_soon():
    one = client()
    told(one, (Start(), 0.0), (Failed(1, Reason.REFUSED), 0.0), (Wake(), 1.0))
    assert [Notify(Reason.OFFLINE), Close(2)] == told(one, (Offline(), 1.5))
    assert [] == told(one, (Offline(), 1.6))
    assert (State.SUSPENDED, inf, 1) == (one.link.state, one.deadline, one.link.failures)
    assert [Notify(Reason.ONLINE)] == told(one, (Online(), 60.0))
    assert [Open(3)] == told(one, (Wake(), 60.0))


def test_an_open_connection_is_left_alone_and_its_loss_offline_counts_for_nothing():
    one = opened()
    assert [Notify(Reason.OFFLINE)] == told(one, (Offline(), 1.0))
    assert State.OPEN == one.link.state
    assert [] == told(one, (Lost(1, Reason.RESET), 2.0))
    assert (State.SUSPENDED, 0) == (one.link.state, one.link.attempt)


def test_a_heartbeat_that_fails_offline_suspends_as_well():
    one = opened(heartbeat=HeartbeatRules(interval_s=2, timeout_s=1))
    told(one, (Offline(), 1.0))
    assert [Ping(1)] == told(one, (Wake(), 2.0))
    assert [Close(1, Reason.SILENT)] == told(one, (Wake(), 3.0))
    assert (State.SUSPENDED, 1) == (one.link.state, one.monitor.missed)


def test_online_cuts_a_long_wait_short_but_not_a_hint():
    one = client()
    told(one, (Start(), 0.0), (Failed(1, Reason.REJECTED, 30.0), 0.0))
    told(one, (Online(), 5.0))
    assert 30.0 == one.deadline
    other = client()
    told(other, (Start(), 0.0), (Failed(1, Reason.REFUSED), 0.0), (Online(), 0.2))
    assert 0.2 == other.deadline


def test_polling_rests_offline_and_goes_on_online():
    one = client(fallback=Fallback(after_attempts=1, poll_interval_s=4))
    told(one, (Start(), 0.0), (Failed(1, Reason.REFUSED), 0.0))
    assert [Notify(Reason.OFFLINE), Close(2)] == told(one, (Offline(), 0.5))
    assert [Notify(Reason.ONLINE), Poll(3)] == told(one, (Online(), 9.0))


def test_who_saves_data_polls_less_often():
    one = client(fallback=Fallback(after_attempts=1, poll_interval_s=4, save_data_factor=3))
    told(one, (Hinted(0.5, 0, True), 0.0), (Start(), 0.0), (Failed(1, Reason.REFUSED), 0.0))
    told(one, (Polled(2, Reason.ACCEPTED), 0.5))
    assert 12.0 == one.polling.due_s
    # The hint alone is fair; the attempt that failed makes it poor.
    assert Quality.POOR == one.quality


def test_a_connection_can_be_tested_by_hand():
    one = opened()
    assert [Ping(1)] == told(one, (events.Test(), 3.0))
    assert [] == told(one, (events.Test(), 3.1))
    told(one, (Ponged(1), 3.25))
    assert 0.25 == one.monitor.rtt_s
    polling = client(fallback=Fallback(after_attempts=1, poll_interval_s=4))
    told(polling, (Start(), 0.0), (Failed(1, Reason.REFUSED), 0.0))
    told(polling, (Polled(2, Reason.ACCEPTED), 0.5))
    assert [Poll(3)] == told(polling, (events.Test(), 0.8))
    assert [] == told(client(), (events.Test(), 0.0))


def test_a_budget_that_is_spent_waits_and_says_so():
    one = client(connect_budget=Rate(per_s=0.1, burst=1))
    assert [Open(1)] == told(one, (Start(), 0.0))
    assert [Notify(Reason.BUDGET)] == told(one, (Failed(1, Reason.REFUSED), 1.0))
    assert 10.0 == one.deadline


# --- channels ----------------------------------------------------------------------------


def test_channels_are_followed_again_after_each_open_from_where_they_were():
    one = opened()
    assert [Subscribe(1, 7, 0)] == told(one, (Follow(7), 0.0))
    assert [Deliver(7, 1)] == told(one, (Pushed(1, 7, 1), 1.0))
    assert [] == told(one, (Pushed(1, 7, 1), 1.0))
    assert [] == told(one, (Pushed(9, 7, 2), 1.0))
    told(one, (Lost(1, Reason.RESET), 2.0), (Wake(), 3.0))
    assert [Subscribe(2, 7, 1)] == told(one, (Opened(2), 3.0))
    assert [Fetch(2, 7)] == told(one, (Pushed(2, 7, 5), 3.1))
    assert [Deliver(7, 5, Reason.SNAPSHOT)] == told(one, (Pushed(2, 7, 5, Reason.SNAPSHOT), 3.2))


def test_a_poll_asks_for_the_channels_and_their_updates_count():
    one = client(fallback=Fallback(after_attempts=1, poll_interval_s=4))
    told(one, (Follow(7, 3), 0.0), (Start(), 0.0))
    asked = told(one, (Failed(1, Reason.REFUSED), 0.0))
    assert Poll(2, ((7, 3),)) == asked[-1]
    assert [Deliver(7, 4)] == told(one, (Pushed(2, 7, 4), 0.5))
    # A gap cannot be fetched by polling: the poll itself brings the whole.
    assert [] == told(one, (Pushed(2, 7, 9), 0.5))


# --- drafts ------------------------------------------------------------------------------


def edit(number: int, base: int = 0) -> Message:
    return Message(number, key=5, base=base)


def test_edits_are_saved_at_once_and_leave_when_the_typing_pauses():
    one = opened(outbox=SAVED, draft=DraftRules(debounce_s=1))
    assert [Save(edit(0))] == told(one, (Edit(edit(0)), 0.0))
    superseded = [Drop(edit(0), Reason.COALESCED), Forget(edit(0))]
    assert [Save(edit(1)), *superseded] == told(one, (Edit(edit(1)), 0.5))
    assert 1.5 == one.deadline
    assert [Transmit(1, edit(1))] == told(one, (Wake(), 1.5))
    # The next edit was made on this one, whose version comes with its acknowledgement.
    told(one, (Edit(edit(2)), 1.6))
    answered = told(one, (Received(1, 1, Reason.ACCEPTED, 0.0, 4), 2.0))
    assert [Forget(edit(1)), Save(edit(2, base=4))] == answered


def test_a_conflict_is_told_and_not_overwritten():
    one = opened(outbox=SAVED, draft=DraftRules(debounce_s=0))
    told(one, (Edit(edit(0)), 0.0))
    told(one, (Wake(), 0.0))
    conflict = told(one, (Received(1, 0, Reason.CONFLICT, 0.0, 9), 1.0))
    assert [Forget(edit(0)), Drop(edit(0), Reason.CONFLICT), Notify(Reason.CONFLICT)] == conflict
    assert 9 == one.delivery.drafts.edit(edit(1), 2.0)[0].base


# --- what is saved -----------------------------------------------------------------------


def test_a_message_is_saved_before_it_is_sent_and_forgotten_when_it_is_delivered():
    one = opened(outbox=SAVED)
    assert [Save(A), Transmit(1, A)] == told(one, (Send(A), 1.0))
    assert [Forget(A)] == told(one, (Received(1, 0, Reason.ACCEPTED), 1.1))


def test_what_storage_cannot_take_is_refused_and_said():
    one = opened(outbox=OutboxLimits(persist="all", quota_bytes=150))
    told(one, (Send(A), 1.0))
    assert [Drop(B, Reason.QUOTA), Notify(Reason.QUOTA)] == told(one, (Send(B), 1.0))


def test_a_fresh_client_goes_on_with_what_an_earlier_life_saved():
    one = client(outbox=SAVED)
    told(one, (Restored(A), 0.0), (Restored(edit(4, base=2)), 0.0))
    # One edit of a draft is on its way; of those behind it the newest stands for all.
    told(one, (Restored(edit(5, base=2)), 0.0))
    older = told(one, (Restored(edit(6, base=2)), 0.0))
    assert [Drop(edit(5, base=2), Reason.COALESCED), Forget(edit(5, base=2))] == older
    told(one, (Start(), 0.0))
    assert [Transmit(1, A), Transmit(1, edit(4, base=2))] == told(one, (Opened(1), 0.1))
    answered = told(one, (Received(1, 4, Reason.ACCEPTED, 0.0, 3), 0.2))
    assert [
        Forget(edit(4, base=2)),
        Save(edit(6, base=3)),
        Transmit(1, edit(6, base=3)),
    ] == answered


def test_a_sign_in_that_was_not_asked_for_tells_nobody_anything():
    one = client(session=SessionRules(sign_in_after_s=0, renew_before_s=10))
    told(one, (Start(), 0.0), (SignedIn(1, Reason.ACCEPTED, 60.0), 0.0), (Wake(), 0.0))
    told(one, (Opened(2), 0.0))
    assert [SignIn(3)] == told(one, (Wake(), 50.0))
    assert [] == told(one, (SignedIn(3, Reason.ACCEPTED, 60.0), 50.5))
    assert (State.OPEN, 100.5) == (one.link.state, one.session.due_s)


def test_online_without_a_session_resumes_nothing():
    one = client(session=USER)
    told(one, (Start(), 0.0), (Offline(), 0.1))
    assert [Notify(Reason.ONLINE)] == told(one, (Online(), 0.2))
    assert State.SUSPENDED == one.link.state


def test_dead_letters_are_kept_for_the_application():
    one = opened(outbox=OutboxLimits(ack_timeout_s=1, max_resends=0, persist="all"))
    told(one, (Send(A), 0.0))
    assert [Drop(A, Reason.DEAD_LETTER), Forget(A)] == told(one, (Wake(), 1.0))
    assert (A,) == one.delivery.dead_letters


def test_the_last_hundred_dead_letters_are_kept():
    limits = OutboxLimits(ack_timeout_s=1, max_resends=0, capacity=200, max_in_flight=200)
    one = opened(outbox=limits)
    for number in range(102):
        told(one, (Send(Message(number)), 0.0))
    assert 102 == len(told(one, (Wake(), 1.0)))
    assert list(range(2, 102)) == [letter.id for letter in one.delivery.dead_letters]


@pytest.mark.parametrize("reason", [Reason.FULL, Reason.QUOTA])
def test_an_edit_that_the_outbox_refuses_is_let_go_of_entirely(reason):
    limits = {Reason.FULL: {"capacity": 1}, Reason.QUOTA: {"quota_bytes": 150}}[reason]
    one = client(outbox=OutboxLimits(persist="all", **limits), draft=DraftRules(debounce_s=0))
    told(one, (Send(A), 0.0))
    asked = told(one, (Edit(edit(1)), 0.0))
    assert [Save(edit(1)), Drop(edit(1), reason), Forget(edit(1))] == asked[:3]
    # The draft is free again: the next edit may leave.
    assert [] == one.delivery.drafts.messages()
    told(one, (Edit(edit(2)), 1.0))
    assert [] == one.delivery.drafts.messages()
