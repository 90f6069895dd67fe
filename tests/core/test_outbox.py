from math import inf

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from simlib.core.errors import MisuseError, SettingsError
from simlib.core.events import Message, Priority, Reason
from simlib.core.outbox import Outbox, OutboxLimits, WhenFull
from tests.batteries import examples

CRITICAL, HIGH, NORMAL, LOW = Priority


def message(number: int, priority: Priority = NORMAL, expires_s: float = inf) -> Message:
    return Message(number, priority, expires_s=expires_s)


def filled(*messages: Message, **limits) -> Outbox:
    """An outbox that has accepted these messages."""
    outbox = Outbox(OutboxLimits(**limits))
    for each in messages:
        assert [] == outbox.add(each)
        outbox.check()
    return outbox


def sent(outbox: Outbox, now: float = 0.0, connection: int = 1) -> list[int]:
    """The ids of the messages in the order they leave."""
    order = []
    while outbox.has_next:
        order.append(outbox.send_next(now, connection).id)
        outbox.check()
    return order


# --- order -------------------------------------------------------------------------------


def test_the_most_urgent_leaves_first_and_otherwise_the_first_accepted():
    outbox = filled(
        message(0, LOW), message(1), message(2, CRITICAL), message(3, HIGH), message(4, CRITICAL)
    )
    assert (2, 1, 1, 1) == outbox.depths()
    assert [2, 4, 3, 1, 0] == sent(outbox)


def test_one_given_back_returns_to_its_old_place():
    outbox = filled(message(0), message(1), message(2), max_in_flight=2)
    assert [0, 1] == sent(outbox)
    outbox.give_back(0)
    assert [0] == sent(outbox)
    outbox.give_back_all(1)
    assert 0 == outbox.in_flight
    assert [0, 1] == sent(outbox)


def test_only_what_was_in_flight_on_a_connection_comes_back_from_it():
    outbox = filled(message(0), message(1), message(2))
    outbox.send_next(0.0, 1)
    outbox.send_next(0.0, 2)
    outbox.give_back_all(1)
    assert [0, 2, 0] == [outbox.connection_of(number) for number in (0, 1, 2)]


def test_giving_back_what_is_not_in_flight_changes_nothing():
    outbox = filled(message(0))
    outbox.give_back(0)
    outbox.give_back(99)
    assert [0] == sent(outbox)


# --- bounds ------------------------------------------------------------------------------


def test_the_in_flight_window_is_never_passed():
    outbox = filled(message(0), message(1), message(2), max_in_flight=2)
    assert [0, 1] == sent(outbox)
    assert (2, 3) == (outbox.in_flight, len(outbox))
    assert outbox.acknowledge(1)
    assert [2] == sent(outbox)


def test_sending_with_nothing_queued_is_a_mistake():
    outbox = filled(message(0))
    sent(outbox)
    assert not outbox.has_next
    with pytest.raises(MisuseError, match="nothing is queued"):
        outbox.send_next(0.0, 1)


def test_the_same_message_twice_is_a_mistake():
    with pytest.raises(MisuseError, match="message 7 is in the outbox already"):
        filled(message(7), message(7))


@pytest.mark.parametrize(
    ("when_full", "new", "dropped"),
    [
        ("reject_new", message(9, CRITICAL), (9, Reason.FULL)),
        ("drop_oldest", message(9, LOW), (0, Reason.EVICTED)),
        ("drop_lowest", message(9, CRITICAL), (1, Reason.EVICTED)),
        ("drop_lowest", message(9, NORMAL), (1, Reason.EVICTED)),
        ("drop_lowest", message(9, LOW), (9, Reason.FULL)),
    ],
)
def test_who_yields_when_full(when_full, new, dropped):
    before = [message(0, HIGH), message(1, LOW), message(2, NORMAL), message(3, LOW)]
    outbox = filled(*before, capacity=4, when_full=when_full)
    assert [dropped] == [(gone.id, reason) for gone, reason in outbox.add(new)]
    outbox.check()
    assert {0, 1, 2, 3, 9} - {dropped[0]} == set(sent(outbox))


@pytest.mark.parametrize("lowest", [HIGH, NORMAL, LOW])
def test_the_lowest_priority_there_is_yields_its_oldest(lowest):
    outbox = filled(
        message(0, CRITICAL),
        message(1, lowest),
        message(2, lowest),
        capacity=3,
        when_full="drop_lowest",
    )
    assert [1] == [gone.id for gone, _ in outbox.add(message(9, CRITICAL))]
    assert [0, 9, 2] == sent(outbox)


@pytest.mark.parametrize("when_full", WhenFull)
def test_what_is_in_flight_is_never_dropped_to_make_room(when_full):
    outbox = filled(message(0, LOW), message(1, LOW), capacity=2, when_full=when_full)
    sent(outbox)
    urgent = message(2, CRITICAL)
    assert [(urgent, Reason.FULL)] == outbox.add(urgent)
    assert 2 == len(outbox)


def test_an_evicted_message_may_stand_anywhere_in_its_queue():
    outbox = filled(*(message(i) for i in range(5)), capacity=5, when_full="drop_oldest")
    outbox.acknowledge(2)
    outbox.check()
    assert [0, 1, 3, 4] == sent(outbox)


# --- acknowledgement, resend, dead letters -------------------------------------------------


def test_an_acknowledged_message_is_forgotten_wherever_it_is():
    outbox = filled(message(0), message(1))
    outbox.send_next(0.0, 1)
    assert outbox.acknowledge(0)
    assert outbox.acknowledge(1)
    assert not outbox.acknowledge(1)
    assert (0, inf) == (len(outbox), outbox.deadline_s)


def test_each_resend_has_twice_the_patience_and_then_it_is_a_dead_letter():
    outbox = filled(message(0), ack_timeout_s=10, max_resends=2)
    now, patience = 0.0, []
    while True:
        sent(outbox, now)
        deadline_s = outbox.deadline_s
        assert [] == outbox.overdue(deadline_s - 0.001)
        assert [0] == [each.id for each in outbox.overdue(deadline_s)]
        patience.append(deadline_s - now)
        now = deadline_s
        if not outbox.resend(0):
            break
        outbox.check()
    assert [10, 20, 40] == patience
    assert 0 == len(outbox)


def test_coming_back_with_its_connection_does_not_count_as_a_resend():
    outbox = filled(message(0), ack_timeout_s=10, max_resends=0)
    for connection in range(1, 5):
        sent(outbox, 100.0 * connection, connection)
        assert 100.0 * connection + 10.0 == outbox.deadline_s
        outbox.give_back_all(connection)
    assert (1, inf) == (len(outbox), outbox.deadline_s)


def test_of_two_on_their_way_the_first_to_time_out_wakes_the_client():
    for acknowledged, left_s in ((0, 13.0), (1, 10.0)):
        outbox = filled(message(0), message(1), ack_timeout_s=10)
        for now in (0.0, 3.0):
            outbox.send_next(now, 1)
            outbox.check()
            assert 10.0 == outbox.deadline_s
        outbox.acknowledge(acknowledged)
        outbox.check()
        assert left_s == outbox.deadline_s


def test_without_a_timeout_nothing_is_ever_overdue():
    outbox = filled(message(0), ack_timeout_s=inf)
    sent(outbox)
    assert inf == outbox.deadline_s
    assert [] == outbox.overdue(1e12)


# --- expiry ------------------------------------------------------------------------------


def test_a_queued_message_expires_at_its_moment():
    outbox = filled(message(0, expires_s=5), message(1), message(2, expires_s=3))
    assert 3.0 == outbox.deadline_s
    assert [] == outbox.expire(2.9)
    assert [2, 0] == [each.id for each in outbox.expire(5.0)]
    outbox.check()
    assert inf == outbox.deadline_s


def test_one_in_flight_expires_only_when_it_comes_back():
    outbox = filled(message(0, expires_s=5), ack_timeout_s=inf)
    sent(outbox)
    assert [] == outbox.expire(6.0)
    outbox.give_back(0)
    assert 5.0 == outbox.deadline_s
    assert [0] == [each.id for each in outbox.expire(7.0)]
    outbox.check()


def test_the_expiry_of_one_that_is_gone_wakes_nobody():
    outbox = filled(message(0, expires_s=5), message(1, expires_s=9))
    outbox.acknowledge(0)
    assert 9.0 == outbox.deadline_s
    outbox.acknowledge(1)
    assert inf == outbox.deadline_s
    assert [] == outbox.expire(100.0)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("capacity", 0),
        ("capacity", 1.5),
        ("max_in_flight", 0),
        ("ack_timeout_s", 0),
        ("max_resends", -1),
        ("when_full", "drop"),
        ("flush", True),  # nothing is saved
    ],
)
def test_bounds_that_make_no_outbox_are_refused(key, value):
    with pytest.raises(SettingsError) as error:
        OutboxLimits(**{key: value})
    assert (key, value) == (error.value.key, error.value.value)


def test_what_is_forgotten_as_it_is_sent_is_never_sent_again():
    with pytest.raises(SettingsError, match=r"max_resends = 1\.0: must be 0 where awaits_ack"):
        OutboxLimits(awaits_ack=False, max_resends=1)
    assert 0 == OutboxLimits(awaits_ack=False, max_resends=0).max_resends


# --- any order of calls ------------------------------------------------------------------


class OutboxMachine(RuleBasedStateMachine):
    """Whatever is asked, in whatever order: nothing is lost, doubled or out of order."""

    @initialize(
        capacity=st.sampled_from([1, 3, 6, inf]),
        max_in_flight=st.sampled_from([1, 2, inf]),
        max_resends=st.sampled_from([0, 1, inf]),
        when_full=st.sampled_from(WhenFull),
    )
    def begin(self, **limits):
        self.outbox = Outbox(OutboxLimits(ack_timeout_s=4, **limits))
        self.now = 0.0
        self.connection = 1
        self.messages: dict[int, Message] = {}
        #: Accepted, and neither acknowledged nor dropped.
        self.held: set[int] = set()

    def let_go(self, number: int):
        self.held.remove(number)

    @rule(priority=st.sampled_from(Priority), lives_s=st.sampled_from([inf, 0.0, 3.0, 20.0]))
    def add(self, priority, lives_s):
        new = Message(len(self.messages), priority, expires_s=self.now + lives_s)
        self.messages[new.id] = new
        full = len(self.held) >= self.outbox.limits.capacity
        self.held.add(new.id)
        dropped = self.outbox.add(new)
        assert full == (len(dropped) == 1)
        for gone, reason in dropped:
            assert (reason == Reason.FULL) == (gone is new)
            assert self.outbox.connection_of(gone.id) == 0
            self.let_go(gone.id)

    @precondition(lambda self: self.outbox.has_next)
    @rule()
    def send(self):
        queued = [m for m in self.held if self.outbox.connection_of(m) == 0]
        first = min(queued, key=lambda m: (self.messages[m].priority, m))
        assert first == self.outbox.send_next(self.now, self.connection).id

    @precondition(lambda self: self.messages)
    @rule(data=st.data())
    def acknowledge(self, data):
        number = data.draw(st.sampled_from(list(self.messages)))
        assert (number in self.held) == bool(self.outbox.acknowledge(number))
        self.held.discard(number)

    @precondition(lambda self: self.messages)
    @rule(data=st.data())
    def give_back(self, data):
        number = data.draw(st.sampled_from(list(self.messages)))
        self.outbox.give_back(number)
        assert 0 == self.outbox.connection_of(number)

    @rule()
    def lose_connection(self):
        self.outbox.give_back_all(self.connection)
        assert 0 == self.outbox.in_flight
        self.connection += 1

    @rule(gap_s=st.sampled_from([0.0, 1.0, 4.0, 50.0]))
    def pass_time(self, gap_s):
        self.now += gap_s
        for each in self.outbox.overdue(self.now):
            if not self.outbox.resend(each.id):
                self.let_go(each.id)
        for each in self.outbox.expire(self.now):
            assert each.expires_s <= self.now
            self.let_go(each.id)
        assert self.outbox.deadline_s > self.now

    @invariant()
    def nothing_disappears_and_nothing_passes_its_bound(self):
        self.outbox.check()
        assert len(self.held) == len(self.outbox) == sum(self.outbox.depths())
        assert all(self.outbox.connection_of(m) == 0 for m in self.messages.keys() - self.held)


TestOutboxMachine = OutboxMachine.TestCase
TestOutboxMachine.settings = settings(max_examples=examples(60), stateful_step_count=40)


# --- keys, ageing, saving ----------------------------------------------------------------


def about(number: int, key: int, priority: Priority = NORMAL) -> Message:
    return Message(number, priority, key=key)


def test_of_a_key_one_message_at_a_time_is_on_its_way():
    outbox = filled(about(0, 3), about(1, 3, CRITICAL), about(2, 4), message(5))
    assert [0, 2, 5] == sent(outbox)
    outbox.acknowledge(0)
    assert [1] == sent(outbox)
    outbox.check()


def test_what_comes_back_is_still_before_those_behind_it():
    outbox = filled(about(0, 3), about(1, 3))
    assert [0] == sent(outbox)
    outbox.give_back_all(1)
    outbox.check()
    assert [0] == sent(outbox)


def test_one_that_stands_behind_can_go_without_moving_the_line():
    outbox = filled(about(0, 3), about(1, 3), about(2, 3))
    outbox.remove(1)
    outbox.check()
    assert [0] == sent(outbox)
    outbox.acknowledge(0)
    assert [2] == sent(outbox)


def test_a_newer_message_of_a_key_stands_for_the_queued_one_but_not_for_one_on_its_way():
    outbox = filled(about(0, 3), coalesce=True, capacity=2)
    assert [(about(0, 3), Reason.COALESCED)] == outbox.add(about(1, 3))
    assert [1] == sent(outbox)
    assert [] == outbox.add(about(2, 3))
    assert [(about(2, 3), Reason.COALESCED)] == outbox.add(about(3, 3))
    assert [(message(9), Reason.FULL)] == outbox.add(message(9))


def test_waiting_makes_a_message_more_urgent():
    old = Message(0, LOW, created_s=0.0)
    outbox = filled(old, Message(1, NORMAL, created_s=25.0), Message(2, HIGH, created_s=26.0),
                    age_after_s=10)  # fmt: skip
    # At 26 s the old one has waited two periods: low, normal, high; and it was there first.
    assert [0, 2, 1] == sent(outbox, now=26.0)


def test_nothing_is_more_urgent_than_critical_however_long_it_waits():
    # Both were accepted before the critical one; only what has waited three periods is as urgent.
    outbox = filled(Message(0, HIGH), Message(1, LOW), Message(2, CRITICAL), age_after_s=10)
    assert [2, 0, 1] == sent(outbox, now=9.0)
    outbox = filled(Message(0, CRITICAL), Message(1, LOW), age_after_s=10)
    assert [0, 1] == sent(outbox, now=1000.0)
    outbox = filled(Message(0, LOW), Message(1, CRITICAL, created_s=25.0), age_after_s=10)
    assert [1, 0] == sent(outbox, now=29.9)
    outbox = filled(Message(0, LOW), Message(1, CRITICAL, created_s=25.0), age_after_s=10)
    assert [0, 1] == sent(outbox, now=30.0)


def test_without_ageing_the_low_one_waits():
    outbox = filled(Message(0, LOW), Message(1, NORMAL, created_s=25.0))
    assert [1, 0] == sent(outbox, now=99.0)


@pytest.mark.parametrize(
    ("persist", "saved"), [("none", []), ("urgent", [CRITICAL, HIGH]), ("all", list(Priority))]
)
def test_what_is_saved_depends_on_its_priority(persist, saved):
    outbox = Outbox(OutboxLimits(persist=persist))
    assert saved == [each for each in Priority if outbox.persists(message(0, each))]


def test_storage_has_its_quota():
    outbox = filled(Message(0, size_bytes=600), persist="all", quota_bytes=1000)
    refused = Message(1, size_bytes=401)
    assert [(refused, Reason.QUOTA)] == outbox.add(refused)
    assert [] == outbox.add(Message(2, size_bytes=400))
    assert 1000 == outbox.saved_bytes
    outbox.acknowledge(0)
    assert 400 == outbox.saved_bytes
    assert [2] == [each.id for each in outbox.messages()]


# --- what may never be -------------------------------------------------------------------


def lose_count(outbox: Outbox):
    outbox.waiting += 1


def exceed_capacity(outbox: Outbox):
    outbox.accept(message(9))
    outbox.accept(message(10))


def queue_twice(outbox: Outbox):
    outbox._in_flight[1] = outbox._entries[1]
    outbox.waiting -= 1


def lose_a_message(outbox: Outbox):
    outbox._queues[NORMAL].clear()


def fly_too_many(outbox: Outbox):
    for number in (1, 2):
        outbox._in_flight[number] = outbox._entries[number]
    outbox._queues[NORMAL].clear()
    outbox.waiting -= 2


def save_more(outbox: Outbox):
    outbox.saved_bytes += 1


def forget_the_time(outbox: Outbox):
    outbox._times_out_s = inf


@pytest.mark.parametrize(
    "breaks",
    [
        lose_count, exceed_capacity, queue_twice, lose_a_message, fly_too_many, save_more,
        forget_the_time,
    ],
)  # fmt: skip
def test_an_outbox_that_contradicts_itself_is_told(breaks):
    outbox = filled(message(0), message(1), message(2), capacity=4, max_in_flight=2, persist="all")
    outbox.send_next(0.0, 1)
    outbox.check()
    breaks(outbox)
    with pytest.raises(AssertionError):
        outbox.check()


def test_an_outbox_at_its_bounds_is_as_it_may_be():
    outbox = filled(message(0), message(1), message(2), capacity=3, max_in_flight=2)
    assert [0, 1] == sent(outbox)
    outbox.check()
