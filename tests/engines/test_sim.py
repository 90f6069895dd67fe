"""Whole stories in virtual time: 50 ms one way, no jitter, so every moment can be worked out."""

import asyncio
from itertools import pairwise

import pytest

import simlib as sl
from simlib.core.events import Reason
from simlib.core.link_table import State
from simlib.engines.sim import play, play_async
from simlib.trace.columns import Kind, Name
from simlib.trace.trace import Interrupted, Trace


def quiet(duration_s: float, *faults: sl.Fault, server=None, clients: int = 1, **client):
    """A scenario of clients that send nothing of their own accord and wait 1, 2, 4 ... 10 s."""
    settings = {"backoff": sl.Backoff(base_s=1, cap_s=10, jitter="none")} | client
    return sl.Scenario(
        clients=clients,
        duration_s=duration_s,
        ramp_s=0,
        client=sl.Settings(**settings),
        server=server or sl.ServerSettings(),
        path=sl.Path(latency=sl.Latency(mean_s=0.05)),
        workload=sl.Workload(rate_per_s=0),
        faults=faults,
    )


def story(scenario: sl.Scenario, *send_at_s: float) -> list[str]:
    return played(scenario, *send_at_s).story(0)


def played(scenario: sl.Scenario, *send_at_s: float) -> Trace:
    """The trace of a scenario whose first client is given messages at these moments."""

    def sending(world):
        for moment_s in send_at_s:
            yield world.clock.timeout(moment_s - world.clock.now)
            world.send(0)

    return sl.run(scenario, processes=[sending])


def moments(trace: Trace, name: Name, reason: Reason | None = None) -> list[float]:
    """When something happened, rounded to a millisecond."""
    columns = trace.columns()
    rows = zip(columns["time_s"], columns["name"], columns["reason"], strict=True)
    return [round(t, 3) for t, what, why in rows if what == name and reason in {None, why}]


# --- without a fault ---------------------------------------------------------------------


def test_a_handshake_takes_two_round_trips_and_a_message_one():
    assert [
        "   0.000 s  start -> connecting; open #1",
        "   0.200 s  opened -> open",
        "   1.000 s  send 0 (normal); transmit 0",
        "   1.100 s  received 0: accepted",
    ] == story(quiet(5), 1)


def test_a_heartbeat_goes_there_and_back():
    assert [
        "   0.000 s  start -> connecting; open #1",
        "   0.200 s  opened -> open",
        "   2.200 s  wake -> open; ping",
        "   2.300 s  ponged",
        "   4.200 s  wake -> open; ping",
        "   4.300 s  ponged",
    ] == story(quiet(5, heartbeat=sl.HeartbeatRules(interval_s=2)))


def test_frames_share_the_bandwidth():
    # 200 bytes take 0.2 s to leave; the handshake's 264 and 303 bytes are 0.567 s.
    slow = quiet(10).replace("path.bandwidth_bytes_per_s", 1000)
    assert [
        "   0.000 s  start -> connecting; open #1",
        "   0.767 s  opened -> open",
        "   2.000 s  send 0 (normal); transmit 0",
        "   2.000 s  send 1 (normal); transmit 1",
        "   2.360 s  received 0: accepted",
        "   2.560 s  received 1: accepted",
    ] == story(slow, 2, 2)


# --- faults, one by one ------------------------------------------------------------------


def test_an_outage_ends_connections_loses_what_is_on_its_way_and_refuses_new_ones():
    assert [
        "   0.000 s  start -> connecting; open #1",
        "   0.200 s  opened -> open",
        "   1.970 s  send 0 (normal); transmit 0",
        "   2.000 s  -- outage begins --",
        "   2.000 s  lost: reset -> waiting 1.000 s (attempt 1)",
        "   3.000 s  wake -> connecting; open #2",
        "   3.100 s  failed: refused -> waiting 2.000 s (attempt 2)",
        "   4.000 s  send 1 (normal)",
        "   5.000 s  -- outage ends --",
        "   5.100 s  wake -> connecting; open #3",
        "   5.300 s  opened -> open; transmit 0; transmit 1",
        "   5.400 s  received 0: accepted",
        "   5.400 s  received 1: accepted",
    ] == story(quiet(8, sl.Fault("outage", 2, 5)), 1.97, 4)


def test_a_reset_ends_connections_and_lets_new_ones_be():
    assert [
        "   0.000 s  start -> connecting; open #1",
        "   0.200 s  opened -> open",
        "   2.000 s  -- reset --",
        "   2.000 s  lost: reset -> waiting 1.000 s (attempt 1)",
        "   3.000 s  wake -> connecting; open #2",
        "   3.200 s  opened -> open",
    ] == story(quiet(8, sl.Fault("reset", 2)))


def test_a_reset_in_the_middle_of_a_handshake_is_a_failed_attempt():
    assert [
        "   0.000 s  start -> connecting; open #1",
        "   0.150 s  -- reset --",
        "   0.150 s  failed: refused -> waiting 1.000 s (attempt 1)",
        "   1.150 s  wake -> connecting; open #2",
        "   1.350 s  opened -> open",
    ] == story(quiet(8, sl.Fault("reset", 0.15)))


def test_a_black_hole_makes_everything_late_and_loses_nothing():
    assert [
        "   0.000 s  start -> connecting; open #1",
        "   0.200 s  opened -> open",
        "   1.970 s  send 0 (normal); transmit 0",
        "   2.000 s  -- black hole begins --",
        "   3.000 s  send 1 (normal); transmit 1",
        "   5.000 s  -- black hole ends --",
        "   5.050 s  received 0: accepted",
        "   5.100 s  received 1: accepted",
    ] == story(quiet(8, sl.Fault("black_hole", 2, 5)), 1.97, 3)


def test_only_a_heartbeat_notices_a_black_hole():
    watched = quiet(
        12,
        sl.Fault("black_hole", 2, 9),
        heartbeat=sl.HeartbeatRules(interval_s=3, timeout_s=1),
        connect_timeout_s=2,
    )
    assert [
        "   0.000 s  start -> connecting; open #1",
        "   0.200 s  opened -> open",
        "   2.000 s  -- black hole begins --",
        "   3.200 s  wake -> open; ping",
        "   4.200 s  wake -> waiting 1.000 s (attempt 1); close #1 (silent)",
        "   5.200 s  wake -> connecting; open #2",
        "   7.200 s  wake -> waiting 2.000 s (attempt 2); close #2 (timeout)",
        "   9.000 s  -- black hole ends --",
        "   9.200 s  wake -> connecting; open #3",
        "   9.400 s  opened -> open",
    ] == story(watched)


def test_a_latency_fault_is_added_to_each_way():
    assert [
        "   0.000 s  start -> connecting; open #1",
        "   0.200 s  opened -> open",
        "   2.000 s  -- latency begins --",
        "   2.100 s  send 0 (normal); transmit 0",
        "   3.200 s  received 0: accepted",
        "   4.000 s  -- latency ends --",
    ] == story(quiet(8, sl.Fault("latency", 2, 4, amount_s=0.5)), 2.1)


def test_after_a_crash_a_message_whose_answer_was_lost_is_sent_and_counted_again():
    trace = played(quiet(8, sl.Fault("server_crash", 2, 4)), 1.93, 3.5)
    assert [
        "   0.000 s  start -> connecting; open #1",
        "   0.200 s  opened -> open",
        "   1.930 s  send 0 (normal); transmit 0",
        "   2.000 s  -- server crash begins --",
        "   2.000 s  lost: reset -> waiting 1.000 s (attempt 1)",
        "   3.000 s  wake -> connecting; open #2",
        "   3.100 s  failed: refused -> waiting 2.000 s (attempt 2)",
        "   3.500 s  send 1 (normal)",
        "   4.000 s  -- server crash ends --",
        "   5.100 s  wake -> connecting; open #3",
        "   5.300 s  opened -> open; transmit 0; transmit 1",
        "   5.400 s  received 0: accepted",
        "   5.400 s  received 1: accepted",
    ] == trace.story(0)
    # At least once: what the server has seen does not outlive its crash.
    assert [1.98, 5.35, 5.35] == moments(trace, Name.PROCESS, Reason.ACCEPTED)


def test_a_server_that_lives_on_removes_the_duplicate():
    trace = played(quiet(8, sl.Fault("reset", 2)), 1.93)
    assert [1.98] == moments(trace, Name.PROCESS, Reason.ACCEPTED)
    assert [3.25] == moments(trace, Name.PROCESS, Reason.DUPLICATE)
    assert "   3.300 s  received 0: duplicate" == trace.story(0)[-1]


def test_a_rejection_s_retry_after_is_a_lower_bound_of_the_wait():
    faults = sl.Fault("reset", 2), sl.Fault("reject", 2.5, 6, status=503, retry_after_s=4)
    assert [
        "   0.000 s  start -> connecting; open #1",
        "   0.200 s  opened -> open",
        "   2.000 s  -- reset --",
        "   2.000 s  lost: reset -> waiting 1.000 s (attempt 1)",
        "   2.500 s  -- reject begins --",
        "   3.000 s  wake -> connecting; open #2",
        "   3.200 s  failed: rejected 503, retry after 4 s -> waiting 4.000 s (attempt 2)",
        "   6.000 s  -- reject ends --",
        "   7.200 s  wake -> connecting; open #3",
        "   7.400 s  opened -> open",
    ] == story(quiet(9, *faults))


def test_with_jitter_nobody_comes_back_before_the_server_asked_them_to():
    rejecting = quiet(30, sl.Fault("reject", 0, 5, retry_after_s=10), clients=50)
    trace = sl.run(rejecting.replace("client.backoff.jitter", "full"))
    failed, opens = moments(trace, Name.FAILED), moments(trace, Name.OPEN)
    assert [0.2] * 50 == failed
    again = [moment_s - 0.2 for moment_s in opens[50:]]
    assert 50 == len(again) == len(set(again))
    assert all(10.0 <= wait_s < 15.0 for wait_s in again)


FALLS_BACK = {"fallback": sl.Fallback(after_attempts=1, poll_interval_s=2, return_after_s=2.5)}


def test_with_the_websocket_route_down_messages_go_by_http_and_return():
    blocked = quiet(9, sl.Fault("outage", 2, 5, route="websocket"), **FALLS_BACK)
    assert [
        "   0.000 s  start -> connecting; open #1",
        "   0.200 s  opened -> open",
        "   2.000 s  -- outage begins --",
        "   2.000 s  lost: reset -> waiting 1.000 s (attempt 1)",
        "   2.500 s  send 0 (normal)",
        "   3.000 s  wake -> connecting; open #2",
        "   3.100 s  failed: refused -> waiting 2.000 s (attempt 2); notify (fell back); poll",
        "   3.300 s  polled: accepted; post 0",
        "   3.500 s  posted 0: accepted",
        "   5.000 s  -- outage ends --",
        "   5.100 s  wake -> connecting; open #3; poll",
        "   5.300 s  opened -> open",
        "   5.300 s  polled: accepted",
        "   6.000 s  send 1 (normal); post 1",
        "   6.200 s  posted 1: accepted",
        "   7.100 s  wake -> open; poll",
        "   7.300 s  polled: accepted",
        "   7.800 s  wake -> open; notify (returned)",
        "   8.000 s  send 2 (normal); transmit 2",
        "   8.100 s  received 2: accepted",
    ] == story(blocked, 2.5, 6, 8)


def test_a_rejected_poll_proves_no_route():
    faults = (
        sl.Fault("outage", 1, route="websocket"),
        sl.Fault("reject", 1, 4, route="http", retry_after_s=3),
    )
    lines = story(quiet(6, *faults, **FALLS_BACK), 1.5)
    assert [line for line in lines if "poll" in line or "post" in line] == [
        "   2.100 s  failed: refused -> waiting 2.000 s (attempt 2); notify (fell back); poll",
        "   2.300 s  polled: rejected 503, retry after 3 s",
        "   5.300 s  wake -> waiting 2.900 s (attempt 3); poll",
        "   5.500 s  polled: accepted; post 0",
        "   5.700 s  posted 0: accepted",
    ]


# --- codes that stop a client --------------------------------------------------------------

REJECTED = sl.Fault("reset", 2), sl.Fault("reject", 2.5, 6, status=401)


def test_a_status_that_suspends_it_is_said_and_nothing_is_attempted_any_more():
    assert [
        "   3.000 s  wake -> connecting; open #2",
        "   3.200 s  failed: unauthorized 401 -> suspended; notify (sign in)",
        "   6.000 s  -- reject ends --",
    ] == story(quiet(30, *REJECTED))[5:]


def test_a_client_that_goes_on_after_a_401_is_back_when_that_ends():
    assert [
        "   3.000 s  wake -> connecting; open #2",
        "   3.200 s  failed: unauthorized 401 -> waiting 2.000 s (attempt 2)",
        "   5.200 s  wake -> connecting; open #3",
        "   5.400 s  failed: unauthorized 401 -> waiting 4.000 s (attempt 3)",
        "   6.000 s  -- reject ends --",
        "   9.400 s  wake -> connecting; open #4",
        "   9.600 s  opened -> open",
    ] == story(quiet(30, *REJECTED, stops=sl.Stops(suspends_on=[])))[5:]


def test_a_close_code_that_ends_it_ends_it_for_good():
    closing = quiet(
        30, sl.Fault("close", 2, code=4410), stops=sl.Stops(ends_on=["4400-4499"], suspends_on=[])
    )
    assert [
        "   2.000 s  -- close --",
        "   2.050 s  lost: closed 4410 -> stopped; notify (gave up)",
    ] == story(closing)[2:]


def test_a_poll_s_status_ends_a_client_that_is_polling():
    faults = (
        sl.Fault("outage", 1, route="websocket"),
        sl.Fault("reject", 4, 9, route="http", status=410),
    )
    lines = story(quiet(12, *faults, **FALLS_BACK, stops=sl.Stops(ends_on=[410])))
    assert "   4.300 s  polled: rejected 410 -> stopped; notify (gave up)" == lines[-2]
    assert "   9.000 s  -- reject ends --" == lines[-1]


def test_only_the_share_of_clients_that_a_fault_hits_is_hit():
    trace = sl.run(quiet(5, sl.Fault("reset", 2, clients_fraction=0.5), clients=40))
    hit = [c for c in range(40) if trace.story(c)[3:]]
    assert 10 < len(hit) < 30
    assert len(hit) == len(moments(trace, Name.LOST))


def test_the_server_s_slowness_outlives_the_client_s_patience():
    # Ten handshakes of 0.5 s at once; nobody waits longer than 2 s, yet all the work is done.
    slow = quiet(
        8,
        clients=10,
        server=sl.ServerSettings(handshake_service_s=0.5),
        connect_timeout_s=2,
        backoff=sl.Backoff(base_s=60, cap_s=60, jitter="none"),
    )
    trace = sl.run(slow)
    assert [0.7, 1.2, 1.7] == moments(trace, Name.OPENED)
    assert 7 == len(moments(trace, Name.CLOSE, Reason.TIMEOUT))
    # The end of the seven comes to the server at 2.05 s, before it would admit them.
    assert [0.65, 1.15, 1.65] == moments(trace, Name.ADMIT)
    later = slow.replace("client.connect_timeout_s", 6)
    assert 10 == len(moments(sl.run(later), Name.OPENED))


def test_a_refusal_of_the_server_carries_its_hint():
    full = quiet(20, clients=2, server=sl.ServerSettings(max_connections=1, retry_after_s=7))
    trace = sl.run(full)
    assert [0.2, 7.4, 14.6] == moments(trace, Name.FAILED, Reason.REJECTED)


def test_while_the_server_limits_a_client_its_messages_are_kept():
    limited = quiet(8, server=sl.ServerSettings(rate=sl.Rate(per_s=0.5, burst=1)))
    assert [
        "   0.000 s  start -> connecting; open #1",
        "   0.200 s  opened -> open",
        "   1.000 s  send 0 (normal); transmit 0",
        "   1.100 s  received 0: accepted",
        "   1.500 s  send 1 (normal); transmit 1",
        "   1.600 s  received 1: limited, retry after 1.5 s",
        "   3.100 s  wake -> open; transmit 1",
        "   3.200 s  received 1: accepted",
    ] == story(limited, 1, 1.5)


def test_a_poll_begun_because_of_a_crash_is_refused():
    # A poll takes 2 s, longer than its interval: cut by the crash, the next begins at once.
    slow = quiet(
        9,
        sl.Fault("outage", 0, route="websocket"),
        sl.Fault("server_crash", 4.5, 8),
        fallback=sl.Fallback(after_attempts=1, poll_interval_s=1),
    ).replace("path.latency.mean_s", 0.5)
    polled = moments(sl.run(slow), Name.POLLED, Reason.ACCEPTED)
    assert [] == [moment_s for moment_s in polled if 4.5 <= moment_s < 8.0]


def test_a_rejected_request_never_reaches_the_server_even_of_a_client_that_gave_up():
    impatient = quiet(1, sl.Fault("reject", 0), connect_timeout_s=0.12)
    assert [] == moments(sl.run(impatient), Name.ARRIVED)


def test_an_outage_loses_what_a_client_that_gave_up_had_sent_before():
    # The request reaches the server 1.5 s after it left; the client gave up at 1.2 s.
    impatient = quiet(6, sl.Fault("outage", 1.3, 3), connect_timeout_s=1.2)
    slow = impatient.replace("path.latency.mean_s", 0.5)
    assert [1.5] == moments(sl.run(slow.replace("faults.0.start_s", 1.6)), Name.ARRIVED)[:1]
    assert [] == [at_s for at_s in moments(sl.run(slow), Name.ARRIVED) if at_s < 3.0]


def test_two_crashes_that_overlap_keep_the_server_down_until_the_later_stop():
    crashes = sl.Fault("server_crash", 2, 4), sl.Fault("server_crash", 3, 9)
    trace = sl.run(quiet(15, *crashes))
    assert [0.2, 9.4] == moments(trace, Name.OPENED)


# --- a user's own process ----------------------------------------------------------------


def test_a_process_of_the_user_s_own_sees_the_world_and_acts_on_it():
    seen = []

    def watch(world):
        while True:
            yield world.clock.timeout(1.5)
            link = world.drivers[0].client.link
            seen.append((world.clock.now, State(link.state).name, world.send(0)))

    trace = sl.run(quiet(5, sl.Fault("outage", 2, 4)), processes=[watch])
    assert [(1.5, "OPEN", 0), (3.0, "WAITING", 1), (4.5, "WAITING", 2)] == seen
    assert [1.5, 3.0, 4.5] == moments(trace, Name.SEND)


# --- the run -----------------------------------------------------------------------------


def test_progress_is_told_up_to_the_end():
    told = []
    trace = sl.run(quiet(5), progress=told.append)
    assert 1.0 == told[-1]
    assert told == sorted(told)
    assert (5.0, False, "sim") == (trace.end_s, trace.partial, trace.engine)


def test_ctrl_c_keeps_what_was_played():
    def stop(fraction):
        if fraction >= 0.5:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted) as caught:
        play(quiet(5), progress=stop)
    trace = caught.value.trace
    assert (2.5, True) == (trace.end_s, trace.partial)
    assert 5 == len(trace)


def test_an_unknown_engine_is_refused():
    with pytest.raises(sl.SettingsError) as error:
        sl.run(quiet(5), on="life")
    assert 'on = "life": must be one of sim, live, fleet (did you mean "live"?)' == str(error.value)


# --- the same bytes everywhere -----------------------------------------------------------

BUSY = sl.Scenario(
    clients=30,
    duration_s=40,
    seed=7,
    client=sl.Settings(
        backoff=sl.Backoff(base_s=0.5, cap_s=5, jitter="decorrelated", stable_after_s=1),
        breaker=sl.Breaker(trip_after=3, open_s=4),
        fallback=sl.Fallback(after_attempts=2, poll_interval_s=1, return_after_s=2),
        heartbeat=sl.HeartbeatRules(interval_s=4, timeout_s=2),
        outbox=sl.OutboxLimits(capacity=20, ack_timeout_s=2, when_full="drop_lowest"),
        rate=sl.Rate(per_s=5, burst=3),
        connect_timeout_s=3,
    ),
    server=sl.ServerSettings(
        handshake_service_s=0.05,
        accept_per_s=10,
        message_service_s=0.005,
        rate=sl.Rate(per_s=4, burst=4),
        retry_after_s=1,
    ),
    path=sl.Path(
        latency=sl.Latency(distribution="lognormal", mean_s=0.08, floor_s=0.02, shape=0.8),
        bandwidth_bytes_per_s=100_000,
    ),
    workload=sl.Workload(rate_per_s=2, expires_after_s=15),
    faults=[
        sl.Fault("outage", 5, 9, route="websocket"),
        sl.Fault("reset", 12, clients_fraction=0.5),
        sl.Fault("server_crash", 15, 18),
        sl.Fault("black_hole", 22, 26, clients_fraction=0.3),
        sl.Fault("latency", 27, 30, amount_s=0.4),
        sl.Fault("reject", 31, 34, retry_after_s=2),
        sl.Fault("reset", 31.5),
    ],
)
PARETO = BUSY.replace("path.latency.shape", 2.5).replace("path.latency.distribution", "pareto")
#: Of machine, operating system and Python version a digest knows nothing; of the model, all.
#: Change one only together with the behaviour that it stands for.
DIGESTS = {
    "busy": (BUSY, "90c608617012cf5e3097bdbf3e74765c8a9ec15bc166e863715bd6409a0dead1"),
    "busy on pareto": (PARETO, "6c1d92ba3cf07a69b3fbf09106492df5433629ee403f2f0f9bfbf3dbd1e681f7"),
    "storm": (
        sl.Scenario(clients=300, duration_s=30, faults=[sl.Fault("outage", 5, 15)]),
        "26e8427cd6586414b89e552776135b2c803518b3b0da9c7a36c71f1eb14aa4ce",
    ),
}


@pytest.mark.parametrize("name", DIGESTS)
def test_a_scenario_has_the_same_trace_on_every_machine(name):
    scenario, digest = DIGESTS[name]
    assert digest == sl.run(scenario).digest()


@pytest.mark.slow
def test_another_seed_is_another_trace_and_the_same_seed_the_same():
    digests = [sl.run(BUSY.replace(seed=seed)).digest() for seed in (7, 7, 8)]
    assert digests[0] == digests[1] != digests[2]


def test_more_clients_do_not_change_what_the_first_ones_do():
    # Draws are addressed: a client's do not depend on who else is there.
    few = quiet(20, sl.Fault("outage", 2, 9)).replace("client.backoff.jitter", "full")
    many = sl.run(few.replace(clients=50))
    assert sl.run(few).story(0) == many.story(0)


# --- the rows of a busy run --------------------------------------------------------------


@pytest.fixture(scope="module")
def busy() -> Trace:
    return sl.run(BUSY)


def test_rows_are_in_order_and_commands_follow_an_event_of_their_client(busy):
    columns = busy.columns()
    assert all(a <= b for a, b in pairwise(columns["time_s"]))
    caller = None
    for time_s, client, kind in zip(
        columns["time_s"], columns["client"], columns["kind"], strict=True
    ):
        if kind == Kind.COMMAND:
            assert (time_s, client) == caller
        elif kind == Kind.EVENT:
            caller = time_s, client


def test_a_row_carries_a_state_that_fits_what_it_tells(busy):
    after = {
        Name.START: {State.CONNECTING},
        Name.OPENED: {State.OPEN},
        Name.FAILED: {State.WAITING},
        Name.LOST: {State.WAITING},
        Name.TRANSMIT: {State.OPEN},
        Name.PING: {State.OPEN},
        Name.OPEN: {State.CONNECTING},
    }
    columns = busy.columns()
    seen = set()
    for name, state, wait_s in zip(
        columns["name"], columns["state"], columns["wait_s"], strict=True
    ):
        if name in after:
            seen.add(name)
            assert state in after[name]
        assert 0.0 <= wait_s
        assert wait_s == 0.0 or state == State.WAITING
    assert after.keys() == seen


def test_every_message_is_delivered_dropped_or_still_in_the_outbox(busy):
    frame = busy.frame()
    sent = set(frame.query("name == 'send'")[["client", "message"]].itertuples(index=False))
    answered = frame.query("name in ('received', 'posted') and reason in ('accepted', 'duplicate')")
    delivered = set(answered[["client", "message"]].itertuples(index=False))
    dropped = set(frame.query("name == 'drop'")[["client", "message"]].itertuples(index=False))
    assert delivered <= sent
    assert dropped <= sent
    left = sent - delivered - dropped
    assert len(sent) > 1500
    assert len(left) <= 30 * 20
    # What the client was told is delivered, the server has counted.
    counted = frame.query("name == 'process'")[["client", "message"]]
    assert delivered <= set(counted.itertuples(index=False))


def test_the_busy_run_tries_nearly_everything(busy):
    happened = set(busy.columns()["name"])
    of_other_features = {
        *(Name.EDIT, Name.RESTORED, Name.FOLLOW, Name.ONLINE, Name.OFFLINE, Name.HINTED),
        *(Name.TEST, Name.SIGNED_IN, Name.PUSHED, Name.SUBSCRIBE, Name.FETCH, Name.SIGN_IN),
        *(Name.SAVE, Name.FORGET, Name.DELIVER, Name.GONE, Name.RELOADED, Name.CONTEST),
        *(Name.PUSH, Name.GRANT, Name.SHUT, Name.GARBAGE),
    }
    assert set(Name) - happened == {Name.STOP} | of_other_features


# --- by hand, and at the pace of the wall clock ------------------------------------------


def troubled(latency: sl.Latency) -> sl.Scenario:
    return sl.Scenario(
        clients=8,
        duration_s=12,
        client=sl.Settings(
            backoff=sl.Backoff(base_s=0.3, cap_s=2),
            breaker=sl.Breaker(trip_after=4, open_s=1),
            fallback=sl.Fallback(after_attempts=2, poll_interval_s=0.5, return_after_s=1),
            heartbeat=sl.HeartbeatRules(interval_s=2, timeout_s=1),
            outbox=sl.OutboxLimits(ack_timeout_s=2),
            connect_timeout_s=1.5,
        ),
        path=sl.Path(latency=latency, bandwidth_bytes_per_s=20_000),
        workload=sl.Workload(rate_per_s=4, stop_s=10),
    )


@pytest.mark.parametrize(
    "fault",
    [
        sl.Fault("outage", 3, 6),
        sl.Fault("outage", 3, 6, clients_fraction=0.5, route="websocket"),
        sl.Fault("black_hole", 3, 6),
        sl.Fault("black_hole", 3, 6, clients_fraction=0.5),
        sl.Fault("latency", 3, 6, amount_s=0.1),
        sl.Fault("server_crash", 3, 6),
        sl.Fault("reject", 3, 6, retry_after_s=1),
    ],
    ids=lambda fault: f"{fault.kind.name.lower()}-{fault.clients_fraction:g}",
)
@pytest.mark.parametrize(
    "latency", [sl.Latency(mean_s=0.03), sl.Latency(distribution="lognormal", mean_s=0.03)]
)
def test_a_fault_by_hand_does_what_the_same_fault_does_in_a_script(fault, latency):
    def hand(world):
        yield world.clock.timeout(3)
        index = world.strike(fault)
        yield world.clock.timeout(3)
        world.lift(index)

    scripted, by_hand = troubled(latency).replace(faults=[fault]), troubled(latency)
    expected, got = sl.run(scripted), sl.run(by_hand, processes=[hand])
    assert expected.digest() == got.digest()
    assert scripted == got.scenario


def test_a_black_hole_that_is_never_lifted_lets_nothing_through():
    def hand(world):
        yield world.clock.timeout(3)
        world.strike(sl.Fault("black_hole"))

    trace = sl.run(troubled(sl.Latency(mean_s=0.03)), processes=[hand])
    assert max(moments(trace, Name.RECEIVED)) < 3.1
    assert set(moments(trace, Name.OPENED)) == {m for m in moments(trace, Name.OPENED) if m < 3.0}


async def test_at_the_pace_of_the_wall_clock_a_run_is_the_same():
    short = troubled(sl.Latency(mean_s=0.03)).replace(duration_s=0.3, ramp_s=0.1)
    fractions = []
    trace = await play_async(short, progress=fractions.append)
    assert sl.run(short).digest() == trace.digest()
    assert (False, 0.3) == (trace.partial, trace.end_s)
    assert sorted(fractions) == fractions
    assert 1.0 == fractions[-1]


async def test_a_simulation_slower_than_the_wall_clock_is_played_in_short_strides(monkeypatch):
    trace = Trace("sim", troubled(sl.Latency()).replace(duration_s=0.5, ramp_s=0.1))
    loop, lost_s, ends_s = asyncio.get_running_loop(), [0.0], [0.0]
    monkeypatch.setattr(loop, "time", lambda plain=loop.time: plain() + lost_s[0])

    def take_long(_):
        ends_s.append(trace.end_s)
        lost_s[0] += 0.4

    await play_async(trace.scenario, trace=trace, progress=take_long)
    assert max(b - a for a, b in pairwise(ends_s)) <= 0.1 + 1e-9
    assert sl.run(trace.scenario).digest() == trace.digest()
