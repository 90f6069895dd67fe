"""Any clients do anything to a server, in any order: no answer is missing, none comes twice."""

from math import inf

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import simlib as sl
from simlib.core import events as ev
from simlib.core.events import NONE
from simlib.core.server import Server
from tests.batteries import examples

SETTINGS = st.builds(
    sl.ServerSettings,
    accept_per_s=st.sampled_from([inf, 1.0]),
    workers=st.sampled_from([1, 2, 100]),
    handshake_service_s=st.sampled_from([0.0, 0.5]),
    backlog=st.sampled_from([inf, 0, 1]),
    max_connections=st.sampled_from([inf, 1, 3]),
    message_service_s=st.sampled_from([0.0, 0.2]),
    rate=st.sampled_from([sl.Rate(), sl.Rate(per_s=1, burst=2)]),
    session_lifetime_s=st.sampled_from([inf, 3.0]),
    silence_timeout_s=st.sampled_from([inf, 2.0]),
    max_connection_age_s=st.sampled_from([inf, 4.0]),
    history=st.sampled_from([1, 100]),
)
CLIENTS, GAPS_S = st.integers(0, 3), st.sampled_from([0.0, 0.1, 1.0, 5.0])


class AnyClients(RuleBasedStateMachine):
    """What the server owes is kept: answers to handshakes, to messages, to requests."""

    @initialize(rules=SETTINGS, seed=st.integers(0, 99))
    def begin(self, rules, seed):
        self.server = Server(rules, seed)
        self.now = 0.0
        self.number = 0
        self.asked: set[tuple[int, int]] = set()
        self.open: set[tuple[int, int]] = set()
        #: Told to close, until the host says that they have ended.
        self.closing: set[tuple[int, int]] = set()
        self.gone: list[tuple[int, int]] = []
        #: Messages that a connection has sent, and how often each was answered.
        self.messages: dict[tuple[int, int, int], int] = {}
        self.answers: dict[tuple[int, int, int], int] = {}
        self.requests: set[tuple[int, int]] = set()

    def tell(self, event):
        commands = self.server.handle(event, self.now)
        self.server.check()
        self.server.verdicts.clear()
        for command in commands:
            self.note(command)
        return commands

    def note(self, command):
        where = (command.client, command.connection)
        if isinstance(command, ev.Admit):
            self.asked.remove(where)
            self.open.add(where)
        elif isinstance(command, ev.Refuse):
            assert command.status >= 400
            (self.asked if where in self.asked else self.requests).remove(where)
        elif isinstance(command, ev.Answer):
            key = (*where, command.message)
            self.answers[key] = self.answers.get(key, 0) + 1
            assert self.answers[key] <= self.messages[key], "more answers than messages"
            assert 0.0 <= command.hint_s < inf
            self.requests.discard(where)
        elif isinstance(command, ev.AnswerPoll | ev.GrantSession):
            self.requests.remove(where)
        elif isinstance(command, ev.Push):
            assert where in self.open | self.closing
        elif isinstance(command, ev.CloseConnection):
            assert where in self.open, "each connection is closed once, and only if it is open"
            self.open.remove(where)
            self.closing.add(where)

    def signed_in_s(self, is_signed_in):
        return self.now if is_signed_in else -inf

    # --- clients ---------------------------------------------------------------------------

    @rule(client=CLIENTS, is_signed_in=st.booleans())
    def arrive(self, client, is_signed_in):
        self.number += 1
        self.asked.add((client, self.number))
        self.tell(ev.HandshakeArrived(client, self.number, self.signed_in_s(is_signed_in)))

    @precondition(lambda self: self.open | self.closing)
    @rule(data=st.data(), message=st.integers(0, 5), key=st.sampled_from([NONE, 0, 1]))
    def send(self, data, message, key):
        """Send a new message, or an old one again; on a connection that is being closed, too."""
        where = data.draw(st.sampled_from(sorted(self.open | self.closing)))
        self.messages[(*where, message)] = self.messages.get((*where, message), 0) + 1
        base = data.draw(st.sampled_from([NONE, 0, 1])) if key != NONE else NONE
        self.tell(ev.MessageArrived(*where, message, key=key, base=base))

    @precondition(lambda self: self.open)
    @rule(data=st.data(), channel=st.integers(0, 1), version=st.integers(-1, 4))
    def subscribe(self, data, channel, version):
        where = data.draw(st.sampled_from(sorted(self.open)))
        self.tell(ev.Fetched(*where, channel))
        self.tell(ev.Subscribed(*where, channel, version))

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def ping(self, data):
        self.tell(ev.PingArrived(*data.draw(st.sampled_from(sorted(self.open)))))

    @precondition(lambda self: self.asked | self.open | self.closing)
    @rule(data=st.data())
    def leave(self, data):
        where = data.draw(st.sampled_from(sorted(self.asked | self.open | self.closing)))
        for kept in (self.asked, self.open, self.closing):
            kept.discard(where)
        self.gone.append(where)
        self.tell(ev.Ended(*where))

    @rule(client=CLIENTS, is_signed_in=st.booleans(), message=st.integers(0, 5))
    def post(self, client, is_signed_in, message):
        self.number += 1
        where = (client, self.number)
        self.requests.add(where)
        self.messages[(*where, message)] = 1
        posted = ev.MessageArrived(*where, message)
        self.tell(ev.Requested(*where, self.signed_in_s(is_signed_in), posted))

    @rule(client=CLIENTS, is_signed_in=st.booleans(), signs_in=st.booleans())
    def request(self, client, is_signed_in, signs_in):
        self.number += 1
        where = (client, self.number)
        self.requests.add(where)
        asked = ev.Requested(
            *where, self.signed_in_s(is_signed_in), signs_in=signs_in, channels=((0, 0), (1, 3))
        )
        self.tell(asked)

    # --- what comes too late ---------------------------------------------------------------

    @precondition(lambda self: self.gone)
    @rule(data=st.data())
    def speak_late(self, data):
        """Nothing is owed to what is gone."""
        where = data.draw(st.sampled_from(self.gone))
        for event in (ev.MessageArrived(*where, 99), ev.PingArrived(*where), ev.Ended(*where)):
            commands = self.tell(event)
            assert not [each for each in commands if (each.client, each.connection) == where]

    # --- the operator and the clock --------------------------------------------------------

    @rule(clients=st.sets(CLIENTS), for_s=st.sampled_from([0.0, 2.0]))
    def shun(self, clients, for_s):
        self.tell(ev.CloseClients(frozenset(clients), 1012, 1.0, self.now + for_s))

    @rule(factor=st.sampled_from([1.0, 10.0]))
    def slow(self, factor):
        self.tell(ev.Slow(factor))

    @rule()
    def revoke(self):
        self.tell(ev.Revoke())

    @rule(gap_s=GAPS_S)
    def pass_time(self, gap_s):
        until_s = self.now + gap_s
        for _ in range(200):
            if self.server.deadline > until_s:
                break
            self.now = max(self.now, self.server.deadline)
            self.tell(ev.Wake())
        assert self.server.deadline > until_s, "it does not spin"
        self.now = until_s

    @rule()
    def wake_for_nothing(self):
        self.tell(ev.Wake())

    # --- always ----------------------------------------------------------------------------

    @invariant()
    def it_counts_the_connections_that_are_open(self):
        if hasattr(self, "server"):
            assert len(self.open) <= self.server.connections <= len(self.open | self.closing)

    def teardown(self):
        """In the end all that is owed is given: to handshakes and requests."""
        if hasattr(self, "server"):
            for _ in range(100_000):
                if self.server.deadline == inf or not self.asked | self.requests:
                    break
                self.now = max(self.now, self.server.deadline)
                self.tell(ev.Wake())
            assert not self.asked | self.requests


TestAnyClients = AnyClients.TestCase
TestAnyClients.settings = settings(max_examples=examples(50), stateful_step_count=50)


@pytest.mark.slow
class TestAnyClientsForLonger(AnyClients.TestCase):
    settings = settings(max_examples=examples(150), stateful_step_count=50)
