from math import inf

import pytest

from simlib.core.backoff import Backoff
from simlib.core.breaker import CLOSED, Breaker, BreakerState
from simlib.core.client import Client
from simlib.core.draft import DraftRules
from simlib.core.errors import MisuseError
from simlib.core.events import (
    Close,
    Drop,
    Edit,
    Failed,
    Forget,
    Hinted,
    Lost,
    Message,
    Notify,
    Open,
    Opened,
    Ping,
    Poll,
    Polled,
    Ponged,
    Post,
    Posted,
    Priority,
    Reason,
    Received,
    Save,
    Send,
    Start,
    Stop,
    Transmit,
    Wake,
)
from simlib.core.fallback import WEBSOCKET, Fallback, Transport
from simlib.core.heartbeat import HeartbeatRules
from simlib.core.link_table import State
from simlib.core.meters import Rate
from simlib.core.outbox import OutboxLimits
from simlib.core.quality import Quality, QualityRules
from simlib.core.settings import Settings

A, B, C = Message(0), Message(1), Message(2)


def client(**parts) -> Client:
    """A client that waits 1, 2, 4 ... 10 s without jitter, and gives an attempt 5 s."""
    backoff = {"base_s": 1, "cap_s": 10, "jitter": "none"} | parts.pop("backoff", {})
    return Client(Settings(backoff=Backoff(**backoff), connect_timeout_s=5, **parts), seed=1)


def told(one: Client, *events: tuple) -> list:
    """What a client asks for after the last of these (event, time), checked after each."""
    commands = []
    for event, now in events:
        commands = one.handle(event, now)
        one.check()
    return commands


def opened(**parts) -> Client:
    """A client whose connection 1 opened at 0 s."""
    one = client(**parts)
    assert [Open(1)] == told(one, (Start(), 0.0))
    told(one, (Opened(1), 0.0))
    return one


def polling(**parts) -> Client:
    """A client that has fallen back at 0 s and waits for the answer to poll 2."""
    one = client(fallback=Fallback(after_attempts=1, poll_interval_s=4, return_after_s=3), **parts)
    told(one, (Start(), 0.0))
    asked = told(one, (Failed(1, Reason.REFUSED), 0.0))
    assert [Notify(Reason.FELL_BACK), Poll(2)] == asked
    return one


def posting(**parts) -> Client:
    """A client that polls, with post 3 of message A on its way since 1 s."""
    one = polling(**parts)
    told(one, (Send(A), 0.5))
    assert [Post(3, A)] == told(one, (Polled(2, Reason.ACCEPTED), 1.0))
    return one


# --- attempts ----------------------------------------------------------------------------


def test_before_its_start_it_wants_nothing():
    one = client()
    one.check()
    assert (inf, False) == (one.deadline, one.available)


def test_it_opens_and_is_available():
    one = client()
    assert [Open(1)] == told(one, (Start(), 0.0))
    assert (5.0, False) == (one.deadline, one.available)
    assert [] == told(one, (Opened(1), 0.2))
    assert (inf, True) == (one.deadline, one.available)


def test_a_part_is_made_when_it_is_first_needed():
    one = opened()
    parts = ("_delivery", "_heartbeat", "_polling", "_session", "_channels", "_monitor")
    assert [None] * 6 == [getattr(one, part) for part in parts]
    told(one, (Lost(1, Reason.RESET), 1.0), (Wake(), 2.0), (Failed(2, Reason.REFUSED), 2.5))
    assert ["_monitor"] == [part for part in parts if getattr(one, part) is not None]
    told(one, (Send(A), 3.0))
    assert ["_delivery", "_monitor"] == [p for p in parts if getattr(one, p) is not None]


def test_a_failed_attempt_is_made_again_after_the_wait():
    one = client()
    assert [] == told(one, (Start(), 0.0), (Failed(1, Reason.REFUSED), 0.2))
    assert 1.2 == one.deadline
    assert [] == told(one, (Wake(), 1.1))
    assert [Open(2)] == told(one, (Wake(), 1.2))


def test_an_attempt_without_an_answer_is_closed():
    one = client(backoff={"base_s": 0.5})
    assert [Close(1, Reason.TIMEOUT)] == told(one, (Start(), 0.0), (Wake(), 5.0))
    assert (5.5, State.WAITING) == (one.deadline, one.link.state)


def test_a_late_open_after_giving_up_is_closed():
    one = client()
    told(one, (Start(), 0.0), (Wake(), 5.0))
    assert [Close(1)] == told(one, (Opened(1), 5.5))
    assert [Open(2)] == told(one, (Wake(), 6.0))
    assert [Close(1)] == told(one, (Opened(1), 6.5))
    assert [] == told(one, (Opened(2), 6.6))
    assert one.available


@pytest.mark.parametrize(
    "event",
    [
        Failed(1, Reason.REFUSED),
        Lost(1, Reason.RESET),
        Received(1, 0, Reason.ACCEPTED),
        Received(1, 0, Reason.LIMITED, 60.0),
        Ponged(1),
        Posted(1, 0, Reason.ACCEPTED),
        Polled(1, Reason.ACCEPTED),
    ],
    ids=lambda event: type(event).__name__,
)
def test_an_answer_on_an_earlier_connection_is_ignored(event):
    one = opened()
    told(one, (Lost(1, Reason.RESET), 1.0), (Wake(), 2.0), (Opened(2), 2.0), (Send(A), 2.0))
    before = (one.link, one.outbox.in_flight, one.deadline)
    assert [] == told(one, (event, 3.0))
    assert before == (one.link, one.outbox.in_flight, one.deadline)


def test_a_hint_postpones_the_next_attempt():
    one = client()
    told(one, (Start(), 0.0), (Failed(1, Reason.REJECTED, 7.0), 0.5))
    assert 7.5 == one.deadline
    one = opened()
    told(one, (Lost(1, Reason.CLOSED, 9.0), 1.0))
    assert 10.0 == one.deadline


def test_it_says_when_the_breaker_trips_and_mends():
    one = client(breaker=Breaker(trip_after=2, open_s=30))
    told(one, (Start(), 0.0), (Failed(1, Reason.REFUSED), 0.0), (Wake(), 1.0))
    assert [Notify(Reason.TRIPPED)] == told(one, (Failed(2, Reason.REFUSED), 1.0))
    assert 31.0 == one.deadline
    assert [Open(3)] == told(one, (Wake(), 31.0))
    assert [Notify(Reason.MENDED)] == told(one, (Opened(3), 31.0))


def test_it_says_that_the_breaker_trips_again_when_a_probe_fails():
    one = client(breaker=Breaker(trip_after=2, open_s=30))
    told(one, (Start(), 0.0), (Failed(1, Reason.REFUSED), 0.0), (Wake(), 1.0))
    told(one, (Failed(2, Reason.REFUSED), 1.0), (Wake(), 31.0))
    assert [Notify(Reason.TRIPPED)] == told(one, (Failed(3, Reason.REFUSED), 31.0))


def test_it_says_when_it_gives_up_and_starts_again_when_told():
    one = client(backoff={"max_attempts": 1})
    asked = told(one, (Start(), 0.0), (Failed(1, Reason.REFUSED), 0.0))
    assert [Notify(Reason.GAVE_UP)] == asked
    assert inf == one.deadline
    assert [] == told(one, (Wake(), 100.0))
    assert [Open(2)] == told(one, (Start(), 100.0))


def test_an_event_that_the_state_does_not_allow_is_a_mistake_of_the_caller():
    one = Client(Settings(), number=7)
    told(one, (Start(), 0.0))
    with pytest.raises(MisuseError, match="client 7: start told while connecting"):
        one.handle(Start(), 1.0)
    told(one, (Opened(1), 1.0))
    with pytest.raises(MisuseError, match="client 7: opened told while open"):
        one.handle(Opened(1), 2.0)


# --- messages ----------------------------------------------------------------------------


def test_a_message_waits_for_the_connection_and_leaves_with_it():
    one = client()
    assert [] == told(one, (Send(A), 0.0))
    assert [Open(1)] == told(one, (Start(), 1.0))
    assert [] == told(one, (Send(B), 1.1))
    assert [Transmit(1, A), Transmit(1, B)] == told(one, (Opened(1), 1.2))
    assert [Transmit(1, C)] == told(one, (Send(C), 1.3))


def test_at_the_very_beginning_nothing_holds_a_message_back():
    one = opened(rate=Rate(per_s=1, burst=2))
    assert [Transmit(1, A)] == told(one, (Send(A), 0.0))
    assert [Transmit(1, B)] == told(one, (Send(B), 0.0))


@pytest.mark.parametrize("reason", [Reason.ACCEPTED, Reason.DUPLICATE])
def test_an_acknowledged_message_is_forgotten(reason):
    one = opened()
    told(one, (Send(A), 1.0))
    assert [] == told(one, (Received(1, A.id, reason), 1.1))
    assert (0, inf) == (len(one.outbox), one.deadline)


def test_the_window_lets_the_next_leave_only_after_an_answer():
    one = opened(outbox=OutboxLimits(max_in_flight=1))
    assert [Transmit(1, A)] == told(one, (Send(A), 1.0))
    assert [] == told(one, (Send(B), 1.0))
    assert [Transmit(1, B)] == told(one, (Received(1, A.id, Reason.ACCEPTED), 1.1))


def test_what_was_in_flight_is_sent_again_over_the_next_connection():
    one = opened()
    told(one, (Send(A), 1.0), (Send(B), 1.0), (Received(1, B.id, Reason.ACCEPTED), 1.1))
    assert [] == told(one, (Lost(1, Reason.RESET), 2.0))
    assert [Open(2)] == told(one, (Wake(), 3.0))
    assert [Transmit(2, A)] == told(one, (Opened(2), 3.1))


def test_a_message_without_an_answer_is_sent_again_and_then_given_up():
    one = opened(outbox=OutboxLimits(ack_timeout_s=2, max_resends=1))
    told(one, (Send(A), 1.0))
    assert 3.0 == one.deadline
    assert [Transmit(1, A)] == told(one, (Wake(), 3.0))
    assert 7.0 == one.deadline
    assert [Drop(A, Reason.DEAD_LETTER)] == told(one, (Wake(), 7.0))
    assert inf == one.deadline
    # Its answer comes at last, to nobody.
    assert [] == told(one, (Received(1, A.id, Reason.ACCEPTED), 8.0))


def test_a_full_outbox_says_what_it_drops():
    one = client(outbox=OutboxLimits(capacity=1, when_full="drop_oldest"))
    told(one, (Send(A), 0.0))
    assert [Drop(A, Reason.EVICTED)] == told(one, (Send(B), 0.0))
    one = client(outbox=OutboxLimits(capacity=1))
    told(one, (Send(A), 0.0))
    assert [Drop(B, Reason.FULL)] == told(one, (Send(B), 0.0))


def test_an_old_message_expires_while_it_waits():
    one = client()
    old = Message(5, expires_s=3.0)
    told(one, (Send(old), 0.0))
    assert 3.0 == one.deadline
    assert [Drop(old, Reason.EXPIRED)] == told(one, (Wake(), 3.0))
    assert inf == one.deadline


def test_a_message_born_too_old_never_leaves():
    one = opened()
    old = Message(5, expires_s=1.0)
    assert [Drop(old, Reason.EXPIRED)] == told(one, (Send(old), 1.0))


def test_the_rate_paces_what_leaves():
    one = opened(rate=Rate(per_s=2, burst=1))
    assert [Transmit(1, A)] == told(one, (Send(A), 10.0))
    assert [] == told(one, (Send(B), 10.1))
    assert 10.5 == one.deadline
    assert [Transmit(1, B)] == told(one, (Wake(), 10.5))


def test_the_backlog_is_paced_too_most_urgent_first():
    one = client(rate=Rate(per_s=2, burst=2))
    urgent = Message(9, Priority.CRITICAL)
    told(one, (Send(A), 0.0), (Send(B), 0.0), (Send(urgent), 0.0), (Start(), 0.0))
    assert [Transmit(1, urgent), Transmit(1, A)] == told(one, (Opened(1), 1.0))
    assert 1.5 == one.deadline
    assert [Transmit(1, B)] == told(one, (Wake(), 1.5))


def test_the_server_s_limit_pauses_sending_and_keeps_the_message():
    one = opened()
    told(one, (Send(A), 1.0))
    assert [] == told(one, (Received(1, A.id, Reason.LIMITED, 4.0), 1.5))
    assert [] == told(one, (Send(B), 2.0))
    assert 5.5 == one.deadline
    assert [Transmit(1, A), Transmit(1, B)] == told(one, (Wake(), 5.5))


def test_a_limit_without_a_hint_pauses_for_the_base():
    one = opened()
    told(one, (Send(A), 1.0), (Received(1, A.id, Reason.LIMITED), 1.5))
    assert 2.5 == one.deadline


@pytest.mark.parametrize("persist", ["none", "all"])
def test_what_nobody_acknowledges_is_forgotten_as_it_leaves(persist):
    limits = OutboxLimits(awaits_ack=False, max_resends=0, persist=persist)
    one = client(outbox=limits)
    saved, forgotten = ([Save(A)], [Forget(A)]) if persist == "all" else ([], [])
    assert saved == told(one, (Send(A), 0.0))
    told(one, (Start(), 0.0))
    asked = told(one, (Opened(1), 1.0))
    assert [*forgotten, Transmit(1, A)] == asked
    assert (0, inf) == (len(one.outbox), one.deadline)
    # Nothing of it comes back.
    told(one, (Lost(1, Reason.RESET), 2.0), (Wake(), 3.0))
    assert [] == told(one, (Opened(2), 3.0))


def test_an_edit_awaits_its_answer_though_messages_do_not():
    limits = OutboxLimits(awaits_ack=False, max_resends=0)
    edit = Message(7, key=5, base=0)
    one = opened(outbox=limits, draft=DraftRules(debounce_s=0))
    assert [Transmit(1, edit)] == told(one, (Edit(edit), 1.0))
    assert 1 == one.outbox.in_flight


# --- heartbeat ---------------------------------------------------------------------------


def test_a_silent_connection_is_closed_and_counts_as_lost():
    one = opened(heartbeat=HeartbeatRules(interval_s=30, timeout_s=10))
    told(one, (Send(A), 1.0), (Received(1, A.id, Reason.ACCEPTED), 1.0))
    assert [Ping(1)] == told(one, (Wake(), 30.0))
    assert 40.0 == one.deadline
    assert [] == told(one, (Ponged(1), 30.5))
    assert [Ping(1)] == told(one, (Wake(), 60.0))
    assert [Close(1, Reason.SILENT)] == told(one, (Wake(), 70.0))
    assert (State.WAITING, 71.0) == (one.link.state, one.deadline)


def test_a_heartbeat_ends_with_its_connection_and_starts_with_the_next():
    one = opened(heartbeat=HeartbeatRules(interval_s=30, timeout_s=10))
    told(one, (Wake(), 30.0), (Lost(1, Reason.RESET), 31.0))
    assert 32.0 == one.deadline
    told(one, (Wake(), 32.0), (Opened(2), 33.0))
    assert 63.0 == one.deadline


# --- fallback ----------------------------------------------------------------------------


def test_messages_are_posted_once_a_poll_has_proved_the_route():
    one = polling()
    assert [] == told(one, (Send(A), 0.5))
    assert not one.available
    assert [Post(3, A)] == told(one, (Polled(2, Reason.ACCEPTED), 1.0))
    assert one.available
    assert [] == told(one, (Posted(3, A.id, Reason.ACCEPTED), 1.2))
    assert 0 == len(one.outbox)


def test_polls_follow_each_other_by_the_interval():
    one = polling(backoff={"first_s": 9})
    told(one, (Polled(2, Reason.ACCEPTED), 1.0))
    assert 4.0 == one.deadline
    assert [Poll(3)] == told(one, (Wake(), 4.0))
    # One that answers nothing is given up, and the next is due.
    assert 9.0 == one.deadline
    assert [Open(4), Close(3, Reason.TIMEOUT), Poll(5)] == told(one, (Wake(), 9.0))
    assert not one.available


def test_a_poll_given_up_before_the_next_is_due_is_followed_by_none_yet():
    one = client(
        fallback=Fallback(after_attempts=1, poll_interval_s=8), backoff={"max_attempts": 1}
    )
    told(one, (Start(), 0.0), (Failed(1, Reason.REFUSED), 0.0))
    assert [Close(2, Reason.TIMEOUT)] == told(one, (Wake(), 5.0))
    assert 8.0 == one.deadline
    assert [Poll(3)] == told(one, (Wake(), 8.0))


def test_a_failed_post_comes_back_and_waits_for_the_next_good_poll():
    one = posting(backoff={"first_s": 9})
    assert [] == told(one, (Posted(3, A.id, Reason.REFUSED), 2.0))
    assert (False, 0) == (one.available, one.outbox.in_flight)
    assert [Poll(4)] == told(one, (Wake(), 4.0))
    assert [Post(5, A)] == told(one, (Polled(4, Reason.ACCEPTED), 4.1))


def test_a_failed_poll_postpones_the_next_by_its_hint():
    one = polling(backoff={"first_s": 10})
    told(one, (Polled(2, Reason.REJECTED, 7.0), 1.0))
    assert (8.0, False) == (one.deadline, one.available)


def test_a_limited_post_pauses_without_doubting_the_route():
    one = posting(backoff={"first_s": 9})
    assert [] == told(one, (Posted(3, A.id, Reason.LIMITED, 2.0), 1.5))
    assert (True, 3.5) == (one.available, one.deadline)
    assert [Post(4, A)] == told(one, (Wake(), 3.5))


def test_a_post_without_an_answer_is_closed_and_sent_again():
    one = posting(backoff={"first_s": 9}, outbox=OutboxLimits(ack_timeout_s=2))
    assert [Close(3, Reason.TIMEOUT), Post(4, A)] == told(one, (Wake(), 3.0))
    assert [] == told(one, (Posted(3, A.id, Reason.ACCEPTED), 3.1))
    assert 1 == one.outbox.in_flight
    told(one, (Posted(4, A.id, Reason.ACCEPTED), 3.2))
    assert 0 == len(one.outbox)


def test_it_returns_to_the_websocket_once_that_was_good_for_long_enough():
    one = polling()
    told(one, (Polled(2, Reason.ACCEPTED), 0.5))
    assert [Open(3)] == told(one, (Wake(), 1.0))
    told(one, (Opened(3), 1.0))
    # Open already, yet messages still go by post.
    assert [Post(4, A)] == told(one, (Send(A), 2.0))
    assert [Notify(Reason.RETURNED)] == told(one, (Wake(), 4.0))
    assert Transport.WEBSOCKET == one.link.transport
    assert [Transmit(3, B)] == told(one, (Send(B), 4.5))
    # The post that was on its way still counts.
    told(one, (Posted(4, A.id, Reason.ACCEPTED), 5.0))
    assert [0] == [one.outbox.connection_of(A.id)]
    assert 1 == len(one.outbox)


def test_returning_closes_the_poll_that_is_on_its_way():
    one = polling()
    told(one, (Wake(), 1.0), (Opened(3), 1.0))
    assert [Close(2), Notify(Reason.RETURNED)] == told(one, (Wake(), 4.0))
    assert [] == told(one, (Polled(2, Reason.ACCEPTED), 4.1))


def test_polling_goes_on_after_giving_up():
    one = client(
        fallback=Fallback(after_attempts=1, poll_interval_s=4), backoff={"max_attempts": 1}
    )
    asked = told(one, (Start(), 0.0), (Failed(1, Reason.REFUSED), 0.0))
    assert [Notify(Reason.FELL_BACK), Notify(Reason.GAVE_UP), Poll(2)] == asked
    told(one, (Polled(2, Reason.ACCEPTED), 0.5))
    assert [Post(3, A)] == told(one, (Send(A), 1.0))


@pytest.mark.parametrize("reason", Reason, ids=lambda reason: reason.name)
def test_only_what_is_accepted_proves_the_route_and_ends_a_message(reason):
    polled = polling()
    told(polled, (Polled(2, reason), 1.0))
    assert polled.available == (reason == Reason.ACCEPTED)
    posted = posting()
    told(posted, (Posted(3, A.id, reason), 1.5))
    # Who answers that a message is known, contested or too much is there, too.
    answers = {Reason.ACCEPTED, Reason.DUPLICATE, Reason.CONFLICT, Reason.LIMITED}
    assert posted.available == (reason in answers)
    assert (0 if reason in answers - {Reason.LIMITED} else 1) == len(posted.outbox)


@pytest.mark.parametrize("reason", Reason, ids=lambda reason: reason.name)
def test_an_answer_over_the_connection_ends_a_message_or_gives_it_back(reason):
    one = opened(outbox=OutboxLimits(max_in_flight=1))
    told(one, (Send(A), 1.0), (Send(B), 1.0))
    asked = told(one, (Received(1, A.id, reason), 1.5))
    counted = {Reason.ACCEPTED, Reason.DUPLICATE, Reason.CONFLICT}
    assert (1 if reason in counted else 2) == len(one.outbox)
    sent = [command.message for command in asked if isinstance(command, Transmit)]
    # Of a limit alone it rests; what else it is given back for is sent again at once.
    assert ([] if reason == Reason.LIMITED else [B] if reason in counted else [A]) == sent


# --- stop --------------------------------------------------------------------------------


def test_a_stop_closes_everything_and_keeps_what_was_not_delivered():
    one = posting()
    told(one, (Wake(), 1.0))
    assert [Close(4), Close(3)] == told(one, (Stop(), 2.0))
    assert (inf, 1, 0) == (one.deadline, len(one.outbox), one.outbox.in_flight)
    assert [] == told(one, (Posted(3, A.id, Reason.ACCEPTED), 2.1))


def test_a_stop_closes_the_poll_on_its_way():
    one = polling()
    assert [Close(2)] == told(one, (Stop(), 0.5))
    assert inf == one.deadline


def test_a_stop_while_open_returns_what_was_in_flight():
    one = opened(heartbeat=HeartbeatRules(interval_s=30))
    told(one, (Send(A), 1.0))
    assert [Close(1)] == told(one, (Stop(), 2.0))
    assert (inf, False, 0) == (one.deadline, one.available, one.outbox.in_flight)
    assert [Close(1)] == told(one, (Opened(1), 3.0))
    assert [] == told(one, (Stop(), 4.0))
    told(one, (Start(), 5.0))
    assert [Transmit(2, A)] == told(one, (Opened(2), 5.0))


# --- quality -----------------------------------------------------------------------------

#: What a platform says of a network that is next to none, and of a good one.
POOR, FINE = Hinted(0.0, 5000, False), Hinted(0.05, 0, False)


def watching(**fallback) -> Client:
    """A client whose connection 1 opened at 0 s, and that polls after 2 s of poor quality."""
    rules = {"when_quality": "poor", "quality_for_s": 2, "return_after_s": 3, "poll_interval_s": 4}
    # Quality betters with each hint, as a class does after long enough.
    return opened(quality=QualityRules(better_after_s=0), fallback=Fallback(**rules | fallback))


def test_quality_that_is_poor_for_long_enough_falls_back_and_keeps_the_connection():
    one = watching()
    assert [] == told(one, (POOR, 10.0))
    assert (12.0, Quality.POOR) == (one.deadline, one.quality)
    assert [] == told(one, (POOR, 11.0), (Wake(), 11.9))
    assert 12.0 == one.deadline
    assert [Notify(Reason.FELL_BACK), Poll(2)] == told(one, (Wake(), 12.0))
    assert (State.OPEN, Transport.POLL) == (one.link.state, one.link.transport)
    # From now on the poll alone has a time.
    assert 17.0 == one.deadline


def test_quality_that_betters_in_time_does_not_fall_back():
    one = watching()
    told(one, (POOR, 10.0), (FINE, 11.0))
    assert inf == one.deadline
    told(one, (POOR, 11.5))
    assert 13.5 == one.deadline


def test_it_returns_once_quality_was_good_for_long_enough_and_not_before():
    one = watching()
    told(one, (POOR, 10.0), (Wake(), 12.0), (Polled(2, Reason.ACCEPTED), 12.5))
    told(one, (FINE, 13.0))
    # The return would be due at 16 s, as is the next poll.
    assert [Poll(3)] == told(one, (POOR, 14.0), (Wake(), 16.0))
    assert Transport.POLL == one.link.transport
    told(one, (FINE, 17.0))
    assert 20.0 == one.deadline
    assert [Close(3), Notify(Reason.RETURNED)] == told(one, (Wake(), 20.0))
    assert (Transport.WEBSOCKET, inf) == (one.link.transport, one.deadline)


def test_quality_changes_the_transport_once_per_dwell_time():
    one = watching(dwell_s=10)
    told(one, (POOR, 0.5))
    # It has not changed yet, so nothing keeps it.
    assert 2.5 == one.deadline
    told(one, (Wake(), 2.5), (FINE, 3.0))
    assert Transport.POLL == told_transport(one, 12.4)
    assert Transport.WEBSOCKET == told_transport(one, 12.5)
    told(one, (POOR, 13.0))
    assert 22.5 == one.deadline


def told_transport(one: Client, now: float) -> Transport:
    """What carries messages after a wake."""
    told(one, (Wake(), now))
    return Transport(one.link.transport)


def test_a_new_connection_is_poor_from_its_own_beginning():
    one = watching()
    told(one, (POOR, 10.0), (Lost(1, Reason.RESET), 11.0), (Wake(), 12.0), (Opened(2), 12.5))
    assert 14.5 == one.deadline


def test_what_is_asked_of_a_client_tells_how_good_its_way_is():
    one = opened(heartbeat=HeartbeatRules(interval_s=30, timeout_s=10))
    told(one, (Send(A), 1.0), (Received(1, A.id, Reason.ACCEPTED), 1.25))
    assert (0.25, 0.0) == (one.monitor.rtt_s, one.monitor.failure_fraction)
    assert (0, 0) == (one.monitor.reconnects, one.monitor.missed)
    told(one, (Wake(), 30.0), (Wake(), 40.0))
    assert (0.5, 1) == (one.monitor.failure_fraction, one.monitor.missed)
    told(one, (Wake(), 41.0), (Failed(2, Reason.REFUSED), 41.5))
    assert 2 / 3 == one.monitor.failure_fraction
    # The second wait is two seconds long.
    told(one, (Wake(), 43.5), (Wake(), 48.5))
    assert 3 / 4 == one.monitor.failure_fraction
    told(one, (Wake(), 52.5), (Opened(4), 53.0))
    assert (1, 3 / 4) == (one.monitor.reconnects, one.monitor.failure_fraction)


def test_of_a_message_that_was_sent_twice_no_round_trip_is_known():
    one = opened(outbox=OutboxLimits(ack_timeout_s=2))
    told(one, (Send(A), 1.0), (Wake(), 3.0), (Received(1, A.id, Reason.ACCEPTED), 3.5))
    assert (inf, 1.0) == (one.monitor.rtt_s, one.monitor.failure_fraction)
    # Given back and sent over the next connection: once over this one.
    told(one, (Send(B), 4.0), (Lost(1, Reason.RESET), 4.5), (Wake(), 5.5), (Opened(2), 5.5))
    told(one, (Received(2, B.id, Reason.ACCEPTED), 6.0))
    assert 0.5 == one.monitor.rtt_s


# --- what may never be -------------------------------------------------------------------


def broken(one: Client, **fields) -> Client:
    """The client with fields of its link changed, as no input changes them."""
    one.link = one.link._replace(**fields)
    return one


def told_offline(one: Client) -> Client:
    one._offline = True
    return one


TRIPPED_STATUS = CLOSED._replace(state=BreakerState.OPEN.value)


@pytest.mark.parametrize(
    "one",
    [
        broken(opened(), state=State.WAITING, deadline_s=inf),
        broken(opened(), state=State.CONNECTING, deadline_s=inf),
        broken(opened(), breaker_status=TRIPPED_STATUS),
        broken(opened(), state=State.CONNECTING, deadline_s=9.0, breaker_status=TRIPPED_STATUS),
        told_offline(broken(opened(), state=State.CONNECTING, deadline_s=9.0)),
        told_offline(broken(opened(), state=State.WAITING, deadline_s=9.0)),
        broken(opened(heartbeat=HeartbeatRules(interval_s=30)), state=State.STOPPED),
        broken(polling(), transport_status=WEBSOCKET),
    ],
)
def test_a_client_that_is_in_no_state_of_its_own_is_told(one):
    with pytest.raises(AssertionError):
        one.check()


@pytest.mark.parametrize(
    "one",
    [
        broken(opened(), state=State.WAITING, deadline_s=9.0, breaker_status=TRIPPED_STATUS),
        told_offline(opened()),
        told_offline(broken(opened(), state=State.SUSPENDED)),
        opened(heartbeat=HeartbeatRules(interval_s=30)),
        polling(),
    ],
)
def test_a_client_whose_state_is_one_of_its_own_is_not(one):
    one.check()


def test_each_life_of_a_client_has_numbers_and_draws_of_its_own():
    one = Client(Settings(), seed=1, life=2)
    assert [Open(2 * 65_536 + 1)] == told(one, (Start(), 0.0))
    assert 2 * 65_536 == one.link.draws


def test_a_client_and_its_parts_have_no_dictionary_since_there_may_be_millions():
    one = client()
    parts = [
        *(one, one.link, one.delivery, one.outbox, one.heartbeat),
        *(one.polling, one.session, one.channels, one.monitor),
    ]
    assert [] == [type(part).__name__ for part in parts if hasattr(part, "__dict__")]
