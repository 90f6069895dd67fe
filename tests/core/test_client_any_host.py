"""The client against any host: answers early, late, twice over or never, in any order."""

from math import inf

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from simlib.core import events as ev
from simlib.core.backoff import Backoff
from simlib.core.breaker import Breaker
from simlib.core.client import Client
from simlib.core.events import Priority, Reason
from simlib.core.fallback import Fallback
from simlib.core.heartbeat import HeartbeatRules
from simlib.core.link_table import State
from simlib.core.meters import Rate
from simlib.core.outbox import OutboxLimits
from simlib.core.settings import Settings
from tests.batteries import examples

COUNT = st.sampled_from([1, 2, inf])
SETTINGS = st.builds(
    Settings,
    backoff=st.builds(
        Backoff,
        jitter=st.sampled_from(["none", "full", "decorrelated"]),
        first_s=st.sampled_from([inf, 0.0]),
        max_attempts=st.sampled_from([3, inf]),
        stable_after_s=st.sampled_from([0.0, 5.0]),
    ),
    breaker=st.builds(Breaker, trip_after=COUNT, open_s=st.just(10), probes=st.integers(1, 2)),
    outbox=st.builds(
        OutboxLimits,
        capacity=st.sampled_from([2, 10]),
        max_in_flight=st.sampled_from([1, inf]),
        ack_timeout_s=st.sampled_from([2.0, inf]),
        max_resends=st.sampled_from([0, 1]),
        when_full=st.sampled_from(["reject_new", "drop_oldest", "drop_lowest"]),
    ),
    rate=st.sampled_from([Rate(), Rate(per_s=2, burst=2)]),
    heartbeat=st.builds(
        HeartbeatRules, interval_s=st.sampled_from([3.0, inf]), timeout_s=st.just(2.0)
    ),
    fallback=st.builds(
        Fallback,
        after_attempts=COUNT,
        poll_interval_s=st.sampled_from([1.0, 20.0]),
        return_after_s=st.sampled_from([0.0, 4.0]),
    ),
    connect_timeout_s=st.just(5.0),
)
FAILURES = st.sampled_from([Reason.REFUSED, Reason.RESET, Reason.REJECTED])
ANSWERS = st.sampled_from([Reason.ACCEPTED, Reason.DUPLICATE, Reason.LIMITED])
HINT = st.sampled_from([0.0, 3.0])


class AnyHost(RuleBasedStateMachine):
    """What the client asked for is kept, and answered when and as it pleases the rules below."""

    @initialize(rules=SETTINGS, seed=st.integers(0, 99))
    def begin(self, rules, seed):
        self.client = Client(rules, seed)
        self.now = 0.0
        self.number = 0
        self.attempts: set[int] = set()
        self.open: set[int] = set()
        self.polls: set[int] = set()
        self.posts: dict[int, int] = {}
        self.sent: list[tuple[int, int]] = []
        self.pinged: set[int] = set()
        #: Attempts, connections and requests that the client has closed or that have ended.
        self.gone: set[int] = set()
        self.held: set[int] = set()
        self.sendable = 0
        self.tell(ev.Start())

    def tell(self, event):
        commands = self.client.handle(event, self.now)
        self.client.check()
        for command in commands:
            self.note(command)
        return commands

    def note(self, command):
        if isinstance(command, ev.Open | ev.Poll | ev.Post):
            assert command.connection > self.number, "numbers only grow"
            self.number = command.connection
        if isinstance(command, ev.Open):
            assert not self.attempts | self.open, "one connection at a time"
            self.attempts.add(command.connection)
        elif isinstance(command, ev.Poll):
            assert not self.polls, "one poll at a time"
            self.polls.add(command.connection)
        elif isinstance(command, ev.Post):
            assert command.message.id not in self.posts.values(), "one post of each message"
            assert command.message.id in self.held
            self.posts[command.connection] = command.message.id
        elif isinstance(command, ev.Transmit):
            assert command.connection in self.open
            assert command.message.id in self.held
            self.sent.append((command.connection, command.message.id))
        elif isinstance(command, ev.Ping):
            assert command.connection in self.open
            self.pinged.add(command.connection)
        elif isinstance(command, ev.Drop):
            self.held.remove(command.message.id)
        elif isinstance(command, ev.Close):
            self.end(command.connection)

    def end(self, connection):
        self.attempts.discard(connection)
        self.open.discard(connection)
        self.polls.discard(connection)
        self.posts.pop(connection, None)
        self.gone.add(connection)

    # --- the application and the clock ---------------------------------------------------

    @rule(priority=st.sampled_from(Priority), lives_s=st.sampled_from([inf, 4.0]))
    def send(self, priority, lives_s):
        message = ev.Message(self.sendable, priority, 100, self.now, self.now + lives_s)
        self.sendable += 1
        self.held.add(message.id)
        self.tell(ev.Send(message))

    @rule(gap_s=st.sampled_from([0.0, 0.3, 2.0]))
    def pass_time_on_time(self, gap_s):
        """Wake the client at each of its deadlines."""
        self.catch_up(self.now + gap_s)

    def catch_up(self, until_s):
        for _ in range(100):
            if self.client.deadline > until_s:
                break
            self.now = max(self.now, self.client.deadline)
            self.tell(ev.Wake())
        assert self.client.deadline > until_s, "it does not spin"
        self.now = until_s

    @rule(gap_s=st.sampled_from([1.0, 8.0, 60.0]))
    def sleep(self, gap_s):
        """Let deadlines pass unnoticed, as a laptop does whose lid is closed."""
        self.now += gap_s

    @rule()
    def wake_for_nothing(self):
        self.tell(ev.Wake())

    # --- a fair host ---------------------------------------------------------------------

    @precondition(lambda self: self.attempts)
    @rule()
    def open_it(self):
        connection = self.attempts.pop()
        self.open.add(connection)
        self.tell(ev.Opened(connection))
        assert connection == self.client.connection

    @precondition(lambda self: self.attempts)
    @rule(reason=FAILURES, hint_s=HINT)
    def fail_it(self, reason, hint_s):
        connection = self.attempts.pop()
        self.end(connection)
        self.tell(ev.Failed(connection, reason, hint_s))
        assert self.client.link.state in {State.WAITING, State.STOPPED}

    @precondition(lambda self: self.open)
    @rule(hint_s=HINT)
    def lose_it(self, hint_s):
        connection = self.open.pop()
        self.end(connection)
        self.tell(ev.Lost(connection, Reason.RESET, hint_s))

    @precondition(lambda self: self.sent)
    @rule(data=st.data(), reason=ANSWERS, hint_s=HINT)
    def answer_a_message(self, data, reason, hint_s):
        """Also one of a connection long gone, and a second time."""
        connection, message = data.draw(st.sampled_from(self.sent))
        if connection in self.open and reason != Reason.LIMITED:
            self.held.discard(message)
        self.tell(ev.Received(connection, message, reason, hint_s))

    @precondition(lambda self: self.pinged)
    @rule(data=st.data())
    def pong(self, data):
        self.tell(ev.Ponged(data.draw(st.sampled_from(sorted(self.pinged)))))

    @precondition(lambda self: self.polls)
    @rule(reason=FAILURES | st.just(Reason.ACCEPTED), hint_s=HINT)
    def answer_a_poll(self, reason, hint_s):
        connection = self.polls.pop()
        self.end(connection)
        self.tell(ev.Polled(connection, reason, hint_s))

    @precondition(lambda self: self.posts)
    @rule(data=st.data(), reason=FAILURES | ANSWERS, hint_s=HINT)
    def answer_a_post(self, data, reason, hint_s):
        connection = data.draw(st.sampled_from(list(self.posts)))
        message = self.posts[connection]
        self.end(connection)
        if reason in {Reason.ACCEPTED, Reason.DUPLICATE}:
            self.held.discard(message)
        self.tell(ev.Posted(connection, message, reason, hint_s))

    # --- a hostile host: answers to what is gone, which change nothing ---------------------

    def tell_late(self, event, *expected):
        self.catch_up(self.now)
        before = self.client.link, len(self.client.outbox), self.client.available
        assert [*expected] == self.tell(event)
        assert before == (self.client.link, len(self.client.outbox), self.client.available)

    @precondition(lambda self: self.gone)
    @rule(data=st.data())
    def open_late(self, data):
        connection = data.draw(st.sampled_from(sorted(self.gone)))
        self.tell_late(ev.Opened(connection), ev.Close(connection))

    @precondition(lambda self: self.gone)
    @rule(
        data=st.data(),
        kind=st.sampled_from([ev.Failed, ev.Lost, ev.Polled]),
        reason=FAILURES | st.just(Reason.ACCEPTED),
    )
    def end_late(self, data, kind, reason):
        self.tell_late(kind(data.draw(st.sampled_from(sorted(self.gone))), reason, 9.0))

    @precondition(lambda self: self.gone and self.sendable)
    @rule(data=st.data(), reason=FAILURES | ANSWERS)
    def post_late(self, data, reason):
        connection = data.draw(st.sampled_from(sorted(self.gone)))
        message = data.draw(st.integers(0, self.sendable - 1))
        self.tell_late(ev.Posted(connection, message, reason, 9.0))

    # --- the user ------------------------------------------------------------------------

    @rule()
    def stop(self):
        self.tell(ev.Stop())
        assert not self.attempts | self.open | self.polls | self.posts.keys()
        assert 0 == self.client.outbox.in_flight

    @precondition(lambda self: self.client.link.state == State.STOPPED)
    @rule()
    def start_again(self):
        self.tell(ev.Start())

    # --- always --------------------------------------------------------------------------

    @invariant()
    def no_message_disappears(self):
        queued = sum(self.client.outbox.depths())
        assert len(self.held) == queued == len(self.client.outbox)

    @invariant()
    def the_client_and_its_host_agree_on_what_is_under_way(self):
        client = self.client
        connecting = client.link.state == State.CONNECTING
        assert ({client.connection} if connecting else set()) == self.attempts
        is_open = client.link.state == State.OPEN
        assert ({client.connection} if is_open else set()) == self.open
        polled = client.polling.connection
        assert ({polled} if polled else set()) == self.polls

    @invariant()
    def nobody_who_could_send_waits_for_ever(self):
        client = self.client
        if client.available and client.outbox.has_next:
            assert client.deadline < inf


TestAnyHost = AnyHost.TestCase
TestAnyHost.settings = settings(max_examples=examples(50), stateful_step_count=50)


@pytest.mark.slow
class TestAnyHostForLonger(AnyHost.TestCase):
    settings = settings(max_examples=examples(150), stateful_step_count=50)
