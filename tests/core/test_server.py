from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simlib.core.admission import (
    Decision,
    HandshakeVerdict,
    WorkerQueue,
    begins_s,
    join,
    occupy,
)
from simlib.core.errors import SettingsError
from simlib.core.events import (
    NONE,
    Admit,
    Answer,
    AnswerPoll,
    CloseClients,
    CloseConnection,
    Drain,
    Ended,
    Fetched,
    GrantSession,
    HandshakeArrived,
    MessageArrived,
    PingArrived,
    Push,
    Reason,
    Refuse,
    Requested,
    Revoke,
    Slow,
    Subscribed,
    Wake,
)
from simlib.core.meters import Rate
from simlib.core.server import Server
from simlib.core.server_messages import ChannelLog, DedupWindow
from simlib.core.server_settings import (
    AddressLimit,
    FullBacklog,
    Scaling,
    ServerSettings,
    accepts,
    advised_hint_s,
    decides,
    handshake_s,
    has_queue,
    is_limited,
    max_age_s,
)


def told(server: Server, event, now: float) -> list:
    """What a server asks for, its invariants checked."""
    commands = server.handle(event, now)
    server.check()
    return commands


def posted(client: int, connection: int, *message) -> Requested:
    """A post: it needs no connection that is open."""
    return Requested(client, connection, post=MessageArrived(client, connection, *message))


# --- handshakes --------------------------------------------------------------------------


def test_by_default_everything_is_done_at_once():
    server = Server(ServerSettings())
    assert [Admit(3, 1)] == told(server, HandshakeArrived(3, 1), 0.0)
    assert [Answer(3, 1, 7, Reason.ACCEPTED)] == told(server, MessageArrived(3, 1, 7), 0.0)
    assert (1, inf) == (server.connections, server.deadline)
    assert [] == told(server, Ended(3, 1), 1.0)
    assert 0 == server.connections


def test_handshakes_are_served_one_after_the_other():
    server = Server(ServerSettings(handshake_service_s=0.5))
    for client in range(3):
        assert [] == told(server, HandshakeArrived(client, 1), 0.0)
    assert 0.5 == server.deadline
    assert [Admit(0, 1)] == told(server, Wake(), 0.5)
    assert [] == told(server, Wake(), 0.9)
    assert [Admit(1, 1), Admit(2, 1)] == told(server, Wake(), 1.5)
    assert inf == server.deadline


def test_a_worker_does_the_work_of_tls_before_the_handshake_and_for_clients_that_have_gone():
    server = Server(ServerSettings(handshake_service_s=0.5, tls_service_s=1))
    for client in range(2):
        told(server, HandshakeArrived(client, 1), 0.0)
    assert 1.5 == server.deadline
    assert [] == told(server, Ended(0, 1), 0.2)
    assert [Admit(1, 1)] == told(server, Wake(), 3.0)


def test_the_work_of_tls_is_slow_too_and_a_refusal_costs_none():
    server = Server(ServerSettings(tls_service_s=1, backlog=0))
    told(server, Slow(3.0), 0.0)
    assert [] == told(server, HandshakeArrived(0, 1), 0.0)
    assert [Refuse(1, 1, 503, 0.0)] == told(server, HandshakeArrived(1, 1), 1.0)
    assert [Admit(0, 1)] == told(server, Wake(), 3.0)
    assert [] == told(server, HandshakeArrived(2, 1), 3.0)
    assert 6.0 == server.deadline


def test_workers_serve_side_by_side():
    server = Server(ServerSettings(handshake_service_s=1, workers=2))
    for client in range(4):
        told(server, HandshakeArrived(client, 1), 0.0)
    assert [Admit(0, 1), Admit(1, 1)] == told(server, Wake(), 1.0)
    assert [Admit(2, 1), Admit(3, 1)] == told(server, Wake(), 2.0)


def test_a_full_backlog_refuses():
    server = Server(ServerSettings(handshake_service_s=1, backlog=1, retry_after_s=5))
    answers = [told(server, HandshakeArrived(client, 1), 0.0) for client in range(3)]
    assert [[], [], [Refuse(2, 1, 503, 5.0)]] == answers
    # A place is free again once the first is done.
    assert [Admit(0, 1)] == told(server, HandshakeArrived(3, 1), 1.0)
    assert [Refuse(4, 1, 503, 5.0)] == told(server, HandshakeArrived(4, 1), 1.0)


def test_no_backlog_means_no_waiting():
    server = Server(ServerSettings(handshake_service_s=1, backlog=0))
    assert [] == told(server, HandshakeArrived(0, 1), 0.0)
    assert [Refuse(1, 1, 503, 0.0)] == told(server, HandshakeArrived(1, 1), 0.5)
    assert [Admit(0, 1)] == told(server, HandshakeArrived(2, 1), 1.0)


def test_beyond_the_connections_it_can_hold_it_refuses():
    server = Server(ServerSettings(max_connections=2, handshake_service_s=1, workers=2))
    told(server, HandshakeArrived(0, 1), 0.0)
    told(server, HandshakeArrived(1, 1), 0.0)
    # Those being served count.
    assert [Refuse(2, 1, 503, 0.0)] == told(server, HandshakeArrived(2, 1), 0.0)
    told(server, Wake(), 1.0)
    assert [Refuse(3, 1, 503, 0.0)] == told(server, HandshakeArrived(3, 1), 2.0)
    told(server, Ended(0, 1), 3.0)
    assert [] == told(server, HandshakeArrived(4, 1), 3.0)


def test_the_accept_rate_allows_one_second_at_once_and_then_its_rate():
    server = Server(ServerSettings(accept_per_s=2))
    times = [0.0, 0.0, 0.0, 0.4, 0.5, 0.5, 1.0]
    answers = [told(server, HandshakeArrived(i, 1), now)[0] for i, now in enumerate(times)]
    assert [Admit, Admit, Refuse, Refuse, Admit, Refuse, Admit] == [type(each) for each in answers]


def test_an_accept_rate_below_one_still_accepts():
    server = Server(ServerSettings(accept_per_s=0.5))
    answers = [
        told(server, HandshakeArrived(i, 1), now)[0] for i, now in enumerate([0.0, 1.9, 2.0])
    ]
    assert [Admit, Refuse, Admit] == [type(each) for each in answers]


def test_a_refusal_takes_no_token():
    server = Server(ServerSettings(accept_per_s=1, handshake_service_s=10, backlog=0))
    told(server, HandshakeArrived(0, 1), 0.0)
    for client in range(1, 20):
        told(server, HandshakeArrived(client, 1), 5.0)
    assert [Admit(0, 1)] == told(server, HandshakeArrived(20, 1), 10.0)
    assert [Admit(20, 1)] == told(server, Wake(), 20.0)


def test_an_address_gets_its_burst_and_then_its_rate_and_others_are_not_concerned():
    limit = AddressLimit(accept_per_s=0.5, burst=2, clients=10)
    server = Server(ServerSettings(per_address=limit, retry_after_s=3))
    assert [Admit(0, 1)] == told(server, HandshakeArrived(0, 1), 0.0)
    assert [Admit(9, 1)] == told(server, HandshakeArrived(9, 1), 0.0)
    assert [Refuse(5, 1, 429, 3.0)] == told(server, HandshakeArrived(5, 1), 0.0)
    assert [Admit(10, 1)] == told(server, HandshakeArrived(10, 1), 0.0)
    # A refusal takes no token: the next one is there after two seconds.
    assert [Refuse(5, 2, 429, 3.0)] == told(server, HandshakeArrived(5, 2), 1.9)
    assert [Admit(5, 3)] == told(server, HandshakeArrived(5, 3), 2.0)


def test_a_handshake_that_its_address_allows_and_the_server_refuses_has_taken_a_token():
    limit = AddressLimit(accept_per_s=0.1, status=503, clients=2)
    server = Server(ServerSettings(per_address=limit, session_lifetime_s=9))
    assert [Refuse(0, 1, 401)] == told(server, HandshakeArrived(0, 1, -inf), 0.0)
    assert [Refuse(1, 1, 503, 0.0)] == told(server, HandshakeArrived(1, 1, 0.0), 1.0)


def test_a_connection_is_closed_when_it_comes_of_age():
    settings = ServerSettings(max_connection_age_s=10, max_connection_age_jitter_fraction=0.1)
    server = Server(settings, seed=3)
    told(server, HandshakeArrived(0, 1), 1.0)
    assert 9.0 <= server.deadline - 1.0 <= 11.0
    assert server.deadline - 1.0 == max_age_s(settings, 3, 0, 1)
    assert [CloseConnection(0, 1, 1001)] == told(server, Wake(), server.deadline)
    assert (0, inf) == (server.connections, server.deadline)


def test_the_age_of_a_connection_that_has_ended_ends_no_other():
    server = Server(ServerSettings(max_connection_age_s=10))
    told(server, HandshakeArrived(0, 1), 0.0)
    told(server, Ended(0, 1), 5.0)
    told(server, HandshakeArrived(0, 2), 5.0)
    assert [] == told(server, Wake(), 11.1)
    assert 1 == server.connections


def test_work_for_a_client_that_has_gone_is_still_done():
    server = Server(ServerSettings(handshake_service_s=1))
    told(server, HandshakeArrived(0, 1), 0.0)
    told(server, HandshakeArrived(1, 1), 0.0)
    told(server, Ended(0, 1), 0.1)
    assert [] == told(server, Wake(), 1.0)
    assert [Admit(1, 1)] == told(server, Wake(), 2.0)
    assert 1 == server.connections


# --- messages ----------------------------------------------------------------------------


def test_messages_are_worked_on_one_at_a_time():
    server = Server(ServerSettings(message_service_s=0.5))
    assert [] == told(server, posted(0, 1, 0), 0.0)
    assert [] == told(server, posted(1, 1, 0), 0.2)
    assert [Answer(0, 1, 0, Reason.ACCEPTED)] == told(server, Wake(), 0.5)
    assert 1.0 == server.deadline
    assert [Answer(1, 1, 0, Reason.ACCEPTED)] == told(server, Wake(), 1.0)


def test_a_message_counts_once_over_any_connection():
    server = Server(ServerSettings())
    frames = [posted(0, 1, 5), posted(0, 1, 5), posted(0, 2, 5), posted(1, 1, 5)]
    assert [Reason.ACCEPTED, Reason.DUPLICATE, Reason.DUPLICATE, Reason.ACCEPTED] == [
        told(server, frame, 0.0)[0].reason for frame in frames
    ]


def test_the_next_life_counts_nothing_again_that_it_is_told_of():
    counted: dict[int, DedupWindow] = {}
    before = Server(ServerSettings(remember="disk"), counted=counted)
    told(before, posted(0, 1, 0), 0.0)
    told(before, posted(0, 1, 1, 5, 7), 0.0)
    after = Server(ServerSettings(remember="disk"), counted=counted)
    assert [Answer(0, 2, 0, Reason.DUPLICATE)] == told(after, posted(0, 2, 0), 1.0)
    # An edit that was counted made the version after its base, which the channels have forgotten.
    again = Answer(0, 2, 1, Reason.DUPLICATE, version=8)
    assert [again] == told(after, posted(0, 2, 1, 5, 7), 1.0)
    assert [Answer(0, 2, 2, Reason.ACCEPTED)] == told(after, posted(0, 2, 2), 1.0)
    with pytest.raises(SettingsError, match=r"remember = .?disk.*must be memory with dedup"):
        ServerSettings(remember="disk", deduplicates=False)


def test_a_client_beyond_its_rate_is_told_when_to_come_back():
    server = Server(ServerSettings(rate=Rate(per_s=2, burst=1)))
    assert [Answer(0, 1, 0, Reason.ACCEPTED)] == told(server, posted(0, 1, 0), 0.0)
    assert [Answer(0, 1, 1, Reason.LIMITED, 0.375)] == told(server, posted(0, 1, 1), 0.125)
    assert [Answer(1, 1, 0, Reason.ACCEPTED)] == told(server, posted(1, 1, 0), 0.125)
    assert [Answer(0, 1, 1, Reason.ACCEPTED)] == told(server, posted(0, 1, 1), 0.5)


# --- parts -------------------------------------------------------------------------------


def test_a_station_knows_how_many_wait():
    station = WorkerQueue(1, 2)
    assert [True, True, True, False] == [station.arrive(job, 0.0, 10.0) for job in "abcd"]
    assert 2 == station.waiting
    assert ["a"] == station.pop_done(10.0)
    assert 1 == station.waiting
    assert ["b", "c"] == station.pop_done(30.0)
    assert (0, inf) == (station.waiting, station.deadline_s)


@given(
    workers=st.integers(1, 4),
    service_s=st.floats(0.0, 3.0),
    gaps=st.lists(st.floats(0.0, 2.0), min_size=1, max_size=40),
)
def test_a_station_serves_in_order_with_no_more_than_its_workers(workers, service_s, gaps):
    station, now, finished, ends = WorkerQueue(workers, inf), 0.0, [], []
    for job, gap_s in enumerate(gaps):
        now += gap_s
        finished += station.pop_done(now)
        station.arrive(job, now, service_s)
        earlier = sorted(ends)[-workers] if len(ends) >= workers else 0.0
        ends.append(max(now, earlier) + service_s)
    finished += station.pop_done(inf)
    assert list(range(len(gaps))) == finished
    assert ends == sorted(ends)


@given(st.lists(st.integers(0, 30)))
def test_seen_counts_each_id_once_in_any_order(numbers):
    seen, model = DedupWindow(), set()
    for number in numbers:
        assert (number not in model) == seen.add(number)
        model.add(number)
        assert model == {each for each in range(-1, 32) if each in seen}
    ends = sorted(each + 1 for each in model if each + 1 not in model)
    assert (len(ends), ends) == (len(seen._starts), seen._ends)


def test_ids_of_each_process_of_a_client_need_the_room_of_one():
    """A server's memory grew with each message of a client that was not in its first process."""
    seen = DedupWindow()
    for process in range(3):
        for number in (0, 1, 3, 2, *range(4, 1000)):
            assert seen.add(number + (process << 20))
    assert [0, 1 << 20, 2 << 20] == seen._starts


SERVERS = st.builds(
    ServerSettings,
    accept_per_s=st.sampled_from([inf, 1.0]),
    workers=st.integers(1, 2),
    handshake_service_s=st.sampled_from([0.0, 1.0]),
    backlog=st.sampled_from([inf, 0.0, 2.0]),
    max_connections=st.sampled_from([inf, 1.0, 3.0]),
    message_service_s=st.sampled_from([0.0, 0.5]),
    rate=st.sampled_from([Rate(), Rate(per_s=1, burst=2)]),
)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["arrived", "framed", "ended", "wake"]),
        st.integers(0, 3),
        st.integers(0, 4),
        st.sampled_from([0.0, 0.3, 5.0]),
    ),
    max_size=60,
)


@given(SERVERS, STEPS)
def test_every_handshake_and_message_has_exactly_one_outcome(settings, steps):
    server, now, connection = Server(settings), 0.0, 0
    handshakes: set[tuple[int, int]] = set()
    frames: list[tuple[int, int, int]] = []
    accepted: set[tuple[int, int]] = set()

    def tell(event):
        for command in told(server, event, now):
            if isinstance(command, Answer):
                frames.remove((command.client, command.connection, command.message))
            else:
                handshakes.remove((command.client, command.connection))
            if isinstance(command, Answer) and command.reason == Reason.ACCEPTED:
                assert (command.client, command.message) not in accepted
                accepted.add((command.client, command.message))
        assert server.deadline > now

    for word, client, message, gap_s in steps:
        now += gap_s
        if word == "arrived":
            connection += 1
            handshakes.add((client, connection))
            tell(HandshakeArrived(client, connection))
        elif word == "framed":
            frames.append((client, connection, message))
            tell(posted(client, connection, message))
        elif word == "ended":
            handshakes.discard((client, connection))
            tell(Ended(client, connection))
        else:
            tell(Wake())
    now = 1e9
    tell(Wake())
    assert (set(), []) == (handshakes, frames)


# --- sessions ----------------------------------------------------------------------------

SESSIONS = ServerSettings(session_lifetime_s=10, sign_in_service_s=0.5)


def test_a_sign_in_takes_its_time_and_gives_a_session():
    server = Server(SESSIONS)
    assert [] == told(server, Requested(0, 1, signs_in=True), 0.0)
    assert [GrantSession(0, 1, 10.0)] == told(server, Wake(), 0.5)


@pytest.mark.parametrize(
    ("signed_in_s", "status"), [(-inf, 401), (0.0, 401), (0.1, None), (9.0, None)]
)
def test_only_a_session_that_holds_opens_anything(signed_in_s, status):
    server = Server(SESSIONS)
    wanted = [Admit(0, 1)] if status is None else [Refuse(0, 1, status)]
    assert wanted == told(server, HandshakeArrived(0, 1, signed_in_s), 10.0)
    wanted = [AnswerPoll(0, 2)] if status is None else [Refuse(0, 2, status)]
    assert wanted == told(server, Requested(0, 2, signed_in_s), 10.0)


def test_a_connection_ends_with_its_session():
    server = Server(SESSIONS)
    told(server, HandshakeArrived(0, 1, 2.0), 3.0)
    assert 12.0 == server.deadline
    assert [CloseConnection(0, 1, 4401)] == told(server, Wake(), 12.0)
    # What was on its way is not read any more.
    assert [] == told(server, MessageArrived(0, 1, 7), 12.1)


def test_what_is_revoked_are_the_sessions_of_before():
    server = Server(SESSIONS)
    told(server, HandshakeArrived(0, 1, 2.0), 3.0)
    assert [CloseConnection(0, 1, 4401)] == told(server, Revoke(), 5.0)
    assert [Refuse(0, 2, 401)] == told(server, HandshakeArrived(0, 2, 2.0), 5.0)
    assert [Admit(0, 3)] == told(server, HandshakeArrived(0, 3, 5.0), 5.0)


def test_nobody_needs_a_session_where_there_are_none():
    server = Server(ServerSettings())
    # So a client comes that never signed in.
    assert [Admit(0, 1)] == told(server, HandshakeArrived(0, 1, -inf), 0.0)
    assert [] == told(server, Revoke(), 5.0)
    assert [Admit(0, 2)] == told(server, HandshakeArrived(0, 2, -inf), 6.0)


# --- the operator ------------------------------------------------------------------------


def test_a_drain_ends_connections_evenly():
    server = Server(ServerSettings())
    for client in range(4):
        told(server, HandshakeArrived(client, 1), 0.0)
    assert [] == told(server, Drain(frozenset({0, 1, 3}), 1012, 11.0, 2.0), 5.0)
    ends = {}
    while server.deadline < inf:
        now = server.deadline
        ends[now] = told(server, Wake(), now)
    assert {
        7.0: [CloseConnection(0, 1, 1012, 2.0)],
        9.0: [CloseConnection(1, 1, 1012, 2.0)],
        11.0: [CloseConnection(3, 1, 1012, 2.0)],
    } == ends
    assert 1 == server.connections


def test_who_is_shunned_is_ended_now_and_at_each_return():
    server = Server(ServerSettings())
    told(server, HandshakeArrived(0, 1), 0.0)
    assert [CloseConnection(0, 1, 1013, 1.0)] == told(
        server, CloseClients(frozenset({0}), 1013, 8.0, 1.0), 5.0
    )
    assert [Admit(0, 2), CloseConnection(0, 2, 1013, 1.0)] == told(
        server, HandshakeArrived(0, 2), 6.0
    )
    assert [Admit(1, 1)] == told(server, HandshakeArrived(1, 1), 6.0)
    assert [Admit(0, 3)] == told(server, HandshakeArrived(0, 3), 8.0)


def test_a_slow_server_takes_longer_for_what_it_begins():
    server = Server(ServerSettings(handshake_service_s=1.0))
    told(server, HandshakeArrived(0, 1), 0.0)
    told(server, Slow(3.0), 0.5)
    told(server, HandshakeArrived(1, 1), 0.5)
    assert [Admit(0, 1)] == told(server, Wake(), 1.0)
    assert 4.0 == server.deadline


def test_a_silent_connection_is_ended_and_a_ping_is_a_sign_of_life():
    server = Server(ServerSettings(silence_timeout_s=10))
    told(server, HandshakeArrived(0, 1), 0.0)
    told(server, HandshakeArrived(1, 1), 0.0)
    told(server, PingArrived(1, 1), 6.0)
    assert [CloseConnection(0, 1, 1001)] == told(server, Wake(), 10.0)
    assert [CloseConnection(1, 1, 1001)] == told(server, Wake(), 16.0)


# --- channels ----------------------------------------------------------------------------


def test_who_follows_hears_of_what_is_published_and_who_comes_back_of_what_was_missed():
    server = Server(ServerSettings(history=2))
    told(server, HandshakeArrived(1, 1), 0.0)
    assert [] == told(server, Subscribed(1, 1, 5, 0), 0.0)
    first = [Answer(0, 1, 0, Reason.ACCEPTED), Push(1, 1, 5, 1)]
    assert first == told(server, posted(0, 1, 0, 5), 1.0)
    told(server, Ended(1, 1), 2.0)
    told(server, posted(0, 2, 1, 5), 3.0)
    told(server, HandshakeArrived(1, 2), 4.0)
    assert [Push(1, 2, 5, 2)] == told(server, Subscribed(1, 2, 5, 1), 4.0)
    assert [] == told(server, Fetched(1, 2, 6), 4.0)
    # Two more, and the first is forgotten: only the newest is told, the gap is the follower's.
    told(server, Ended(1, 2), 5.0)
    told(server, posted(0, 3, 2, 5), 5.0)
    # Two are kept, and who has missed two gets both.
    told(server, HandshakeArrived(2, 1), 5.0)
    both = [Push(2, 1, 5, 2), Push(2, 1, 5, 3)]
    assert both == told(server, Subscribed(2, 1, 5, 1), 5.0)
    told(server, Ended(2, 1), 5.0)
    told(server, posted(0, 4, 3, 5), 5.0)
    told(server, HandshakeArrived(1, 3), 6.0)
    assert [Push(1, 3, 5, 4)] == told(server, Subscribed(1, 3, 5, 1), 6.0)
    assert [Push(1, 3, 5, 4, Reason.SNAPSHOT)] == told(server, Fetched(1, 3, 5), 6.0)
    whole = Push(1, 4, 5, 4, Reason.SNAPSHOT)
    assert [AnswerPoll(1, 4, (whole,))] == told(server, Requested(1, 4, channels=((5, 1),)), 6.0)


def test_an_edit_counts_on_the_newest_version_only():
    server = Server(ServerSettings())
    accepted = Answer(0, 1, 0, Reason.ACCEPTED, version=1)
    assert [accepted] == told(server, posted(0, 1, 0, 5, 0), 0.0)
    # The same edit again is a duplicate, another on the same version a conflict.
    assert Reason.DUPLICATE == told(server, posted(0, 2, 0, 5, 0), 0.0)[0].reason
    assert [Answer(1, 1, 0, Reason.CONFLICT, version=1)] == told(server, posted(1, 1, 0, 5, 0), 1.0)
    # A server that has lost its memory believes who has been further.
    afresh = Server(ServerSettings())
    assert [Answer(0, 3, 9, Reason.ACCEPTED, version=8)] == told(afresh, posted(0, 3, 9, 5, 7), 0.0)


def test_who_follows_too_many_channels_is_ended():
    server = Server(ServerSettings())
    told(server, HandshakeArrived(0, 1), 0.0)
    for channel in range(100):
        assert [] == told(server, Subscribed(0, 1, channel, 0), 0.0)
    assert [] == told(server, Subscribed(0, 1, 99, 0), 0.0)
    assert [CloseConnection(0, 1, 1008)] == told(server, Subscribed(0, 1, 100, 0), 0.0)
    # Channels that nobody follows and nobody wrote to are forgotten.
    assert {} == server._channels._logs


def test_who_has_no_connection_follows_nothing():
    server = Server(ServerSettings())
    assert [] == told(server, Subscribed(0, 1, 5, 0), 0.0)
    assert [] == told(server, MessageArrived(0, 1, 5), 0.0)


def test_the_work_on_handshakes_can_be_spread():
    settings = ServerSettings(handshake_service_s=2.0, handshake_service="exponential")
    server, lengths_s = Server(settings, seed=4), []
    for connection in range(1, 2001):
        begun_s = 1e4 * connection
        told(server, HandshakeArrived(0, connection), begun_s)
        lengths_s.append(server.deadline - begun_s)
        told(server, Wake(), server.deadline)
        told(server, Ended(0, connection), begun_s + 999.0)
    assert 2.0 == pytest.approx(sum(lengths_s) / len(lengths_s), rel=0.1)


def test_a_poll_brings_each_missing_update():
    server = Server(ServerSettings())
    told(server, posted(0, 1, 0, 5), 0.0)
    told(server, posted(0, 2, 1, 5), 0.0)
    two = (Push(1, 1, 5, 1), Push(1, 1, 5, 2))
    assert [AnswerPoll(1, 1, two)] == told(server, Requested(1, 1, channels=((5, 0), (6, 0))), 1.0)


def test_a_session_that_ended_meanwhile_ends_nobody_twice():
    server = Server(SESSIONS)
    told(server, HandshakeArrived(0, 1, 2.0), 3.0)
    told(server, Ended(0, 1), 4.0)
    assert [] == told(server, Wake(), 12.0)


# --- more workers, and what handshakes leave to do ---------------------------------------


def opened(server: Server, *arrivals_s: float) -> list[float]:
    """When each of the handshakes that arrive at these moments is done, in the order they came."""
    done_s, arrivals = {}, list(enumerate(arrivals_s))
    while arrivals or server.deadline < inf:
        if arrivals and arrivals[0][1] < server.deadline:
            client, now = arrivals.pop(0)
            commands = told(server, HandshakeArrived(client, 1), now)
        else:
            now = server.deadline
            commands = told(server, Wake(), now)
        done_s |= {command.client: now for command in commands}
    return [done_s[client] for client in range(len(arrivals_s))]


def scaling(service_s: float = 1.0, **settings) -> Server:
    return Server(ServerSettings(handshake_service_s=service_s, scaling=Scaling(**settings)))


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 9)), max_size=40))
def test_workers_who_join_keep_the_first_free_one_first(steps):
    heap, free_s = [0.0, 0.0, *[inf] * 40], [0.0, 0.0]
    for joins, time_s in steps:
        until_s = free_s[0] + time_s
        if joins:
            join(heap, len(free_s), until_s)
            free_s.append(until_s)
        else:
            occupy(heap, until_s)
            free_s[0] = until_s
        free_s.sort()
        assert free_s[0] == begins_s(heap, 0.0)
    assert free_s == sorted(heap)[: len(free_s)]


def test_more_workers_come_when_enough_handshakes_wait():
    # One works and two wait at the third arrival: another worker comes at 5 s. What the first one
    # has until then stays with it; of the rest each takes what it can.
    server = scaling(at_backlog=2, delay_s=5)
    assert [1, 2, 3, 4, 5, 6, 6, 7] == opened(server, *[0.0] * 8)
    assert [1, 2, 3, 4, 5, 6, 7, 8] == opened(scaling(), *[0.0] * 8)


def test_what_waits_already_stays_where_it_waits():
    # Ten wait for the old worker; who comes when the new ones are there is served at once.
    server = scaling(at_backlog=9, delay_s=1, workers=2)
    assert [*range(1, 11), 3, 3, 4] == opened(server, *[0.0] * 10, 2.0, 2.0, 2.0)


def test_one_step_at_a_time_and_no_more_than_allowed():
    # Two workers at 5 s, two more, called for at 5 s, at 10 s; after that none.
    server = scaling(100.0, at_backlog=1, delay_s=5, workers=2, most_steps=2)
    arrivals_s = [0, 0, 0, 0, 5, 6, 6, 6, 50, 50]
    expected_s = [100, 200, 105, 105, 205, 110, 110, 205, 210, 210]
    assert expected_s == opened(server, *arrivals_s)
    third = scaling(100.0, at_backlog=1, delay_s=5, workers=2, most_steps=3)
    # A third step, called for at 50 s, serves the last from 55 s on.
    assert [*expected_s[:-1], 155] == opened(third, *arrivals_s)


def test_the_log_of_a_refused_handshake_has_no_times_and_of_one_that_is_taken_all_three():
    server = Server(ServerSettings(handshake_service_s=2, resync_service_s=3, max_connections=1))
    told(server, HandshakeArrived(0, 1), 5.0)
    told(server, HandshakeArrived(1, 1), 5.0)
    taken = HandshakeVerdict(Decision.TAKEN, 0, 1, begin_s=5.0, done_s=7.0, free_s=10.0)
    refused = HandshakeVerdict(Decision.CONNECTIONS, 1, 1, begin_s=0.0, done_s=0.0, free_s=0.0)
    assert [taken, refused] == server.verdicts


def test_the_log_says_when_a_handshake_that_waits_is_begun():
    server = Server(ServerSettings(handshake_service_s=2, resync_service_s=3))
    for client, now in ((0, 5.0), (1, 6.0), (2, 30.0)):
        told(server, HandshakeArrived(client, 1), now)
    taken = [(verdict.begin_s, verdict.done_s, verdict.free_s) for verdict in server.verdicts]
    assert [(5.0, 7.0, 10.0), (10.0, 12.0, 15.0), (30.0, 32.0, 35.0)] == taken


def test_the_log_says_how_many_workers_were_called_for_and_when_they_come():
    server = scaling(at_backlog=1, delay_s=5, workers=2)
    for client in range(2):
        told(server, HandshakeArrived(client, 1), 1.0)
    called = HandshakeVerdict(Decision.CALLED, NONE, 2, begin_s=6.0)
    assert [Decision.TAKEN, Decision.TAKEN, called] == [
        verdict if verdict.decision == Decision.CALLED else verdict.decision
        for verdict in server.verdicts
    ]


@pytest.mark.parametrize(
    ("settings", "decision"),
    [
        ({"accept_per_s": 1}, Decision.RATE),
        ({"backlog": 0, "handshake_service_s": 9}, Decision.BACKLOG),
        ({"max_connections": 1}, Decision.CONNECTIONS),
        ({"per_address": AddressLimit(accept_per_s=0.1, clients=9)}, Decision.ADDRESS),
    ],
)
def test_the_log_says_what_limit_was_met(settings, decision):
    server = Server(ServerSettings(**settings))
    for client in range(2):
        told(server, HandshakeArrived(client, 1), 0.0)
    assert [Decision.TAKEN, decision] == [verdict.decision for verdict in server.verdicts]
    assert (1, 1) == (server.verdicts[-1].client, server.verdicts[-1].connection)


def test_a_server_without_limits_notes_nothing_and_one_with_sessions_whom_it_refused():
    free, strict = Server(ServerSettings()), Server(ServerSettings(session_lifetime_s=5))
    for server in (free, strict):
        told(server, HandshakeArrived(0, 7, -inf), 1.0)
    assert [] == free.verdicts
    assert [HandshakeVerdict(Decision.SESSION, 0, 7)] == strict.verdicts


@pytest.mark.parametrize(
    "sign",
    [
        MessageArrived(0, 1, 5),
        Subscribed(0, 1, 5, 0),
        Fetched(0, 1, 5),
        PingArrived(0, 1),
    ],
    ids=lambda sign: type(sign).__name__,
)
def test_whatever_a_client_sends_is_a_sign_of_life_of_that_connection(sign):
    server = Server(ServerSettings(silence_timeout_s=10))
    for client in range(2):
        told(server, HandshakeArrived(client, 1), 0.0)
    told(server, sign, 4.0)
    assert [CloseConnection(1, 1, 1001)] == told(server, Wake(), 10.0)
    assert 14.0 == server.deadline
    assert [CloseConnection(0, 1, 1001)] == told(server, Wake(), 14.0)
    assert inf == server.deadline


def test_who_is_refused_calls_for_nobody():
    settings = ServerSettings(
        handshake_service_s=1, backlog=1, scaling=Scaling(at_backlog=2, delay_s=0)
    )
    server = Server(settings)
    answers = [told(server, HandshakeArrived(client, 1), 0.0) for client in range(4)]
    assert [[], [], [Refuse(2, 1, 503, 0.0)], [Refuse(3, 1, 503, 0.0)]] == answers


def test_after_a_handshake_its_worker_is_busy_with_the_resynchronisation():
    settings = ServerSettings(handshake_service_s=0.5, resync_service_s=1.0)
    assert [0.5, 2.0, 3.5, 9.5] == opened(Server(settings), 0.0, 0.0, 0.0, 9.0)
    slow = Server(settings)
    told(slow, Slow(2.0), 0.0)
    assert [1.0, 4.0] == opened(slow, 0.0, 0.0)


def test_the_resynchronisation_takes_as_long_whatever_the_handshakes_take():
    settings = ServerSettings(
        handshake_service_s=2.0, handshake_service="exponential", resync_service_s=1.0
    )
    first_s, second_s = (handshake_s(settings, 1.0, 4, client, 1) for client in range(2))
    assert first_s != second_s
    assert [first_s, first_s + 1.0 + second_s] == opened(Server(settings, seed=4), 0.0, 0.0)


# --- what a server's settings come to ----------------------------------------------------

#: Settings, and whether a server with them limits handshakes, decides on them, and has a queue.
LIMITS = [
    ({}, (False, False, False)),
    ({"accept_per_s": 5}, (True, True, False)),
    ({"max_connections": 5}, (True, True, False)),
    ({"handshake_service_s": 0.1}, (True, True, True)),
    ({"tls_service_s": 0.1}, (True, True, True)),
    ({"resync_service_s": 0.1}, (True, True, True)),
    ({"session_lifetime_s": 60}, (False, True, False)),
    ({"per_address": AddressLimit(accept_per_s=1)}, (False, True, False)),
    ({"message_service_s": 0.1, "backlog": 3, "silence_timeout_s": 5}, (False, False, False)),
]


@pytest.mark.parametrize(("settings", "found"), LIMITS)
def test_a_server_decides_on_handshakes_only_where_something_is_limited(settings, found):
    made = ServerSettings(**settings)
    assert found == (is_limited(made), decides(made), has_queue(made))


@pytest.mark.parametrize(
    ("per_s", "burst"), [(inf, 1), (0.2, 1), (1.0, 1), (1.5, 2), (20.0, 20), (20.25, 21)]
)
def test_an_accept_rate_holds_what_one_second_brings(per_s, burst):
    assert Rate(per_s=per_s, burst=burst) == accepts(per_s)


def test_a_window_is_advised_where_no_retry_after_is_said():
    plain, advising = ServerSettings(), ServerSettings(advises_window_s=8)
    assert [0.0, 3.0] == [advised_hint_s(plain, hint_s) for hint_s in (0.0, 3.0)]
    assert [-8.0, 3.0] == [advised_hint_s(advising, hint_s) for hint_s in (0.0, 3.0)]
    server = Server(ServerSettings(advises_window_s=8, max_connections=1))
    told(server, HandshakeArrived(0, 1), 0.0)
    assert [Refuse(1, 1, 503, -8.0)] == told(server, HandshakeArrived(1, 1), 0.0)
    shut = told(server, CloseClients(frozenset({0}), 1013, 0.0, 0.0), 1.0)
    assert [CloseConnection(0, 1, 1013, -8.0)] == shut


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            {"advises_window_s": 0.5, "retry_after_s": 1},
            "retry_after_s = 1: must be 0 with advises_window_s (0.5): either is the hint",
        ),
        (
            {"backlog_full": "drop"},
            "backlog = inf: needs a bound: a backlog without one is never full",
        ),
    ],
)
def test_settings_that_say_two_things_at_once_are_refused(wrong, message):
    with pytest.raises(SettingsError) as error:
        ServerSettings(**wrong)
    assert message == str(error.value)


@pytest.mark.parametrize(
    "given",
    [
        {"advises_window_s": 0.5},
        {"retry_after_s": 1},
        {"backlog_full": FullBacklog.DROP, "backlog": 1},
    ],
    ids=lambda given: next(iter(given)),
)
def test_settings_that_say_one_thing_are_taken(given):
    settings = ServerSettings(**given)
    assert given == {name: getattr(settings, name) for name in given}


def test_ages_are_drawn_within_their_share_of_the_age_up_and_down():
    settings = ServerSettings(max_connection_age_s=100, max_connection_age_jitter_fraction=0.2)
    ages_s = [max_age_s(settings, 1, client, 1) for client in range(2000)]
    assert 80.0 <= min(ages_s) < 81.0
    assert 119.0 < max(ages_s) <= 120.0
    assert 100.0 == pytest.approx(sum(ages_s) / len(ages_s), abs=1.5)
    exact = ServerSettings(max_connection_age_s=100, max_connection_age_jitter_fraction=0)
    assert {100.0} == {max_age_s(exact, 1, client, 1) for client in range(9)}


@pytest.mark.parametrize(
    ("history", "published", "seen", "after"),
    [
        (inf, [1, 2, 3], 0, [1, 2, 3]),
        (inf, [1, 2, 3], 2, [3]),
        (inf, [1, 2, 3], 3, []),
        (inf, [1, 2, 3], 9, []),
        (2, [1, 2, 3], 1, [2, 3]),
        (2, [1, 2, 3], 0, None),
        (0, [1, 2, 3], 2, None),
        # A version that does not follow the last one: what lies between is not known.
        (inf, [1, 5], 1, None),
        (inf, [1, 5, 6], 4, [5, 6]),
        (inf, [1, 5, 6], 3, None),
    ],
)
def test_a_channel_can_send_what_it_keeps_and_says_where_it_cannot(history, published, seen, after):
    log = ChannelLog()
    for version in published:
        log.publish(version, history)
    found = log.after(seen)
    assert after == (None if found is None else list(found))


# --- what may never be -------------------------------------------------------------------


def test_a_server_that_contradicts_itself_is_told():
    settings = ServerSettings(max_connections=2, history=2)
    for where, place in (((0, 1), "_waiting"), ((7, 1), "_waiting"), ((7, 1), "_open")):
        server = Server(settings)
        for client in range(2):
            told(server, HandshakeArrived(client, 1), 0.0)
        server.check()
        getattr(server, place)[where] = 0.0
        with pytest.raises(AssertionError):
            server.check()


def test_channels_of_a_server_that_contradict_it_are_told():
    server = Server(ServerSettings(history=2))
    told(server, HandshakeArrived(0, 1), 0.0)
    told(server, Subscribed(0, 1, 5, 0), 0.0)
    for number in range(3):
        told(server, posted(1, number, number, 5), 0.0)
    log = server._channels._logs[5]
    assert (3, 2) == (log.newest, log.oldest)
    log.oldest = 1
    with pytest.raises(AssertionError):
        server.check()
    log.oldest = 2
    server.check()
    log.followers[9, 9] = None
    with pytest.raises(AssertionError):
        server.check()
