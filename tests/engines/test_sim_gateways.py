"""Whole stories of many servers, many kinds of clients, and clients that leave: 50 ms one way."""

import pytest

import simlib as sl
from simlib.core import events as ev
from simlib.core.draws import Stream, uniform
from simlib.core.exact import log
from simlib.engines.sim import SimHost
from simlib.trace.columns import Kind, Name
from simlib.trace.trace import Trace

#: A round trip to connect and one for the handshake: whoever is not kept waiting opens at 0.2 s.
OPEN_S = 0.2


def quiet(*faults: sl.Fault, server=None, **changes) -> sl.Scenario:
    """Clients that start at 0, send nothing and wait 1, 2, 4 ... 10 s, on two gateways."""
    plain = sl.Scenario(
        clients=4,
        gateways=2,
        duration_s=12,
        ramp_s=0,
        client=sl.Settings(backoff=sl.Backoff(base_s=1, cap_s=10, jitter="none")),
        server=server or sl.ServerSettings(),
        path=sl.Path(latency=sl.Latency(mean_s=0.05)),
        workload=sl.Workload(rate_per_s=0),
        faults=faults,
    )
    return plain.replace(**changes)


def moments(trace: Trace, name: Name) -> list[tuple[int, float]]:
    """Which client something happened to, and when, rounded to a millisecond."""
    columns = trace.columns()
    rows = zip(columns["client"], columns["time_s"], columns["name"], strict=True)
    return [(int(client), round(time_s, 3)) for client, time_s, what in rows if what == name]


# --- gateways ----------------------------------------------------------------------------


def test_each_gateway_works_on_the_handshakes_of_its_own_clients():
    slow = quiet(server=sl.ServerSettings(handshake_service_s=0.5))
    assert [(0, 0.7), (1, 0.7), (2, 1.2), (3, 1.2)] == moments(sl.run(slow), Name.OPENED)
    alone = sl.run(slow.replace(gateways=1))
    assert [(0, 0.7), (1, 1.2), (2, 1.7), (3, 2.2)] == moments(alone, Name.OPENED)


def test_a_gateway_that_crashes_takes_its_own_clients_with_it():
    trace = sl.run(quiet(sl.Fault("server_crash", 2, 4, gateway=1)))
    assert [
        "   0.000 s  start -> connecting; open #1",
        "   0.200 s  opened -> open",
        "   2.000 s  -- server crash begins --",
        "   2.000 s  lost: reset -> waiting 1.000 s (attempt 1)",
        "   3.000 s  wake -> connecting; open #2",
        "   3.100 s  failed: refused -> waiting 2.000 s (attempt 2)",
        "   4.000 s  -- server crash ends --",
        "   5.100 s  wake -> connecting; open #3",
        "   5.300 s  opened -> open",
    ] == trace.story(3)
    assert [(1, 2.0), (3, 2.0)] == moments(trace, Name.LOST)


def test_gateways_come_back_each_at_the_end_of_its_own_last_crash():
    crashes = sl.Fault("server_crash", 2, 4), sl.Fault("server_crash", 3, 9, gateway=1)
    again = moments(sl.run(quiet(*crashes, clients=2)), Name.OPENED)[2:]
    assert [(0, 5.3), (1, 9.4)] == again


def test_a_slow_gateway_is_slow_after_a_restart_too():
    # Work of 0.1 s takes 0.4 s on gateway 1; both crash at 2 s, and their clients ask at 3 s.
    faults = sl.Fault("slow_server", 0, 8, factor=4, gateway=1), sl.Fault("server_crash", 2, 2.5)
    trace = sl.run(quiet(*faults, clients=2, server=sl.ServerSettings(handshake_service_s=0.1)))
    assert [(0, 0.3), (1, 0.6), (0, 3.3), (1, 3.6)] == moments(trace, Name.OPENED)


def test_a_close_of_one_gateway_ends_its_clients_until_its_stop():
    trace = sl.run(quiet(sl.Fault("close", 2, 3.1, gateway=0)))
    # Back at 3.05 + 0.15 s, when it is over: at 3.2 s the server admits them for good.
    assert [(0, 2.05), (2, 2.05)] == moments(trace, Name.LOST)
    assert [(0, 3.25), (2, 3.25)] == moments(trace, Name.OPENED)[4:]


def test_a_rolling_deploy_drains_one_gateway_after_the_other():
    trace = sl.run(quiet(sl.Fault("deploy", 2, 6, rolling=True)))
    assert [(0, 3.05), (2, 4.05), (1, 5.05), (3, 6.05)] == moments(trace, Name.LOST)
    assert [(-1, 2.0), (-1, 4.0)] == moments(trace, Name.FAULT_START)
    assert [(-1, 4.0), (-1, 6.0)] == moments(trace, Name.FAULT_STOP)
    columns = trace.columns()
    assert {0} == set(columns["fault"][columns["kind"] == Kind.FAULT])
    at_once = sl.run(quiet(sl.Fault("deploy", 2, 6)))
    assert [(0, 4.05), (1, 4.05), (2, 6.05), (3, 6.05)] == moments(at_once, Name.LOST)


def test_a_channel_lives_on_each_gateway_by_itself():
    def write(world):
        yield world.clock.timeout(2)
        world.send(0, key=0)

    trace = sl.run(quiet().replace("workload.keys", 1), processes=[write])
    # All four follow channel 0; those of gateway 1 hear nothing of what client 0 wrote.
    assert [(0, 2.1), (2, 2.1)] == moments(trace, Name.PUSHED)


def test_a_fault_by_hand_concerns_a_gateway_that_there_is():
    def strike(world):
        yield world.clock.timeout(2)
        world.strike(sl.Fault("server_crash", gateway=1))
        with pytest.raises(sl.SettingsError, match=r"gateway = 2: must be below gateways \(2\)"):
            world.strike(sl.Fault("server_crash", gateway=2))

    trace = sl.run(quiet(), processes=[strike])
    assert [(1, 2.0), (3, 2.0)] == moments(trace, Name.LOST)
    assert (sl.Fault("server_crash", 2, gateway=1),) == trace.scenario.faults


# --- cohorts -------------------------------------------------------------------------------


def test_each_cohort_waits_as_its_own_settings_say():
    patient = sl.Settings(backoff=sl.Backoff(base_s=3, cap_s=10, jitter="none"))
    cohorts = [sl.Cohort(name="patient", clients_fraction=0.5, client=patient)]
    scenario = quiet(sl.Fault("reset", 2), clients=20, gateways=1, cohorts=cohorts)
    trace = sl.run(scenario)
    waits_s = [3.0 if scenario.cohort_of(client) == 0 else 1.0 for client in range(20)]
    assert {1.0, 3.0} == set(waits_s)
    assert sorted((c, 2.0 + waits_s[c] + OPEN_S) for c in range(20)) == sorted(
        moments(trace, Name.OPENED)[20:]
    )
    # Each wait is the whole ceiling of its own cohort, and each client's replay its own.
    assert 1.0 == sl.summary(trace)["mean_wait_fraction"].iloc[0]
    for client in range(20):
        assert trace.recorded_decisions(client) == [each for _, each in trace.replay(client)]


# --- clients that leave ------------------------------------------------------------------


def test_a_client_leaves_at_its_drawn_moment_and_no_message_is_given_to_it_after():
    scenario = quiet(clients=50, ramp_s=1, stay_s=6).replace("workload.rate_per_s", 1)
    trace = sl.run(scenario)
    draws = [uniform(1, client, Stream.STAY, 0) for client in range(50)]
    leaves_s = {c: 1.0 * c / 50 - 6.0 * log(1.0 - u) for c, u in enumerate(draws)}
    expected = {c: at_s for c, at_s in leaves_s.items() if at_s < 12}
    stops = trace.frame().query("name == 'stop'")
    assert expected == dict(zip(stops["client"], stops["time_s"], strict=True))
    assert 20 < len(expected) < 50
    last_s = trace.frame().query("name == 'send'").groupby("client")["time_s"].max()
    assert all(last_s[c] < leaves_s[c] for c in last_s.index)


def test_a_client_that_leaves_closes_its_connection_and_comes_no_more():
    def leave(world):
        yield world.clock.timeout(1)
        world.tell(0, ev.Stop())

    trace = sl.run(quiet(sl.Fault("reset", 2), clients=1), processes=[leave])
    assert [
        "   0.000 s  start -> connecting; open #1",
        "   0.200 s  opened -> open",
        "   1.000 s  stop -> stopped; close #1",
        "   2.000 s  -- reset --",
    ] == trace.story(0)


@pytest.mark.parametrize(("leaves_s", "opened_s"), [(1.29, 1.4), (1.31, 3.6)])
def test_its_end_reaches_the_server_after_the_path_s_delay(leaves_s, opened_s):
    # There is room for one. The other is refused at 0.2 s, and asks again at 1.35 and 3.55 s.
    def leave(world):
        yield world.clock.timeout(leaves_s)
        world.tell(0, ev.Stop())

    full = quiet(clients=2, gateways=1, server=sl.ServerSettings(max_connections=1))
    trace = sl.run(full, processes=[leave])
    assert [(0, 0.2), (1, opened_s)] == moments(trace, Name.OPENED)


def test_a_page_whose_user_left_while_it_was_closed_is_not_opened_again():
    # Of two stays of 4 s on average one ends while both pages are closed.
    reload = sl.Fault("client_reload", 2, 6)
    scenario = quiet(reload, clients=2, stay_s=4, seed=50)
    trace = sl.run(scenario)
    assert 2 < scenario.leaves_s(0) < 6
    assert scenario.leaves_s(1) > 12
    assert [(1, 6.0)] == moments(trace, Name.RELOADED)
    assert f"   {scenario.leaves_s(0):.3f} s  stop -> idle" in trace.story(0)
    # One was there for 2 s, the other all the time but the 4 s of the reload.
    there_s = (2 - OPEN_S) + (2 - OPEN_S) + (6 - OPEN_S)
    row = sl.summary(trace).iloc[0]
    assert there_s / (2 + 2 + 6) == pytest.approx(row["availability_fraction"])
    assert 0 == row["never_recovered"]


# --- a balancer --------------------------------------------------------------------------


def connections(scenario: sl.Scenario, *moments_s: float) -> list[list[int]]:
    """How many connections each gateway has open at some moments."""
    host = SimHost(scenario, Trace("sim", scenario))
    host.world.begin()
    counts = []
    for moment_s in moments_s:
        host.run(moment_s)
        counts.append([gateway.server.connections for gateway in host._gateways])
    return counts


def test_a_client_whose_gateway_crashes_goes_to_another():
    crash = sl.Fault("server_crash", 2, 11, gateway=1)
    trace = sl.run(quiet(crash, balance="round_robin"))
    assert [
        "   0.000 s  start -> connecting; open #1",
        "   0.200 s  opened -> open",
        "   2.000 s  -- server crash begins --",
        "   2.000 s  lost: reset -> waiting 1.000 s (attempt 1)",
        "   3.000 s  wake -> connecting; open #2",
        "   3.200 s  opened -> open",
        "  11.000 s  -- server crash ends --",
    ] == trace.story(1)
    assert "lost" not in " ".join(trace.story(0))


def test_a_fault_of_a_gateway_hits_the_connections_that_are_there_and_no_others():
    faults = [sl.Fault("server_crash", 2, 4, gateway=1), sl.Fault("close", 6, gateway=0)]
    scenario = quiet(*faults, balance="round_robin")
    # After the crash all are on gateway 0; when that one closes them they are spread again.
    assert [[2, 2], [4, 0], [2, 2]] == connections(scenario, 1.9, 5.9, 7.5)
    lost = [client for client, _ in moments(sl.run(scenario), Name.LOST)]
    assert ([1, 3], [0, 1, 2, 3]) == (lost[:2], sorted(lost[2:]))


DEPLOY = sl.Fault("deploy", start_s=8, stop_s=16, rolling=True)


def balanced(**changes) -> sl.Scenario:
    crowd = {"clients": 200, "gateways": 4, "duration_s": 60, "ramp_s": 5}
    crowd["client"] = sl.Settings(backoff=sl.Backoff(base_s=0.5, cap_s=4))
    return quiet(DEPLOY).replace(crowd).replace(changes)


@pytest.mark.parametrize("balance", ["round_robin", "random", "least_connections"])
def test_a_rolling_deploy_crowds_a_gateway_until_connections_come_of_age(balance):
    kept, aged = (
        connections(balanced(balance=balance, **{"server.max_connection_age_s": age_s}), 18, 59)
        for age_s in (float("inf"), 8)
    )
    # Nobody comes back by himself: the gateway that was deployed last has hardly anybody.
    assert kept[0] == kept[1]
    assert min(kept[0]) <= 10
    assert max(kept[0]) >= 60
    assert max(aged[0]) >= 60
    spread = 15 if balance == "random" else 5
    assert all(abs(count - 50) <= spread for count in aged[1])


def test_without_a_balancer_everybody_comes_back_to_the_own_gateway():
    assert [[50, 50, 50, 50]] == connections(balanced(), 59)


def test_a_connection_is_closed_at_its_age_and_ages_differ_by_the_jitter():
    ages = {"max_connection_age_s": 3, "max_connection_age_jitter_fraction": 0.1}
    trace = sl.run(quiet(clients=40, server=sl.ServerSettings(**ages)))
    assert "lost: closed 1001" in " ".join(trace.story(0))
    first_s = {}
    for client, time_s in moments(trace, Name.LOST):
        first_s.setdefault(client, time_s)
    # Open for the server at 0.15 s, and the close takes 0.05 s.
    ages_s = sorted(time_s - 0.2 for time_s in first_s.values())
    assert 2.7 <= ages_s[0] < 2.8
    assert 3.2 < ages_s[-1] <= 3.3
    together = quiet(server=sl.ServerSettings(**ages | {"max_connection_age_jitter_fraction": 0}))
    assert {3.2} == {time_s for _, time_s in moments(sl.run(together), Name.LOST) if time_s < 4}


# --- limits per address, and paths that close what is idle -------------------------------


def test_clients_of_one_address_are_let_in_at_its_rate_whatever_others_do():
    limit = sl.AddressLimit(accept_per_s=0.5, burst=1, clients=2)
    trace = sl.run(quiet(gateways=1, server=sl.ServerSettings(per_address=limit, retry_after_s=1)))
    assert [(0, 0.2), (2, 0.2), (1, 3.6), (3, 3.6)] == moments(trace, Name.OPENED)
    assert [
        "   0.000 s  start -> connecting; open #1",
        "   0.200 s  failed: rejected 429, retry after 1 s -> waiting 1.000 s (attempt 1)",
        "   1.200 s  wake -> connecting; open #2",
        "   1.400 s  failed: rejected 429, retry after 1 s -> waiting 2.000 s (attempt 2)",
        "   3.400 s  wake -> connecting; open #3",
        "   3.600 s  opened -> open",
    ] == trace.story(1)


def test_a_path_that_closes_what_is_idle_tells_both_ends():
    idle = sl.Path(latency=sl.Latency(mean_s=0.05), idle_timeout_s=3, idle_action="close")
    beats = {"client.heartbeat.interval_s": 30.0, "path": idle, "clients": 1, "gateways": 1}
    trace = sl.run(quiet().replace(beats).replace("duration_s", 5))
    assert [
        "   0.000 s  start -> connecting; open #1",
        "   0.200 s  opened -> open",
        # What was sent last was the server's answer.
        "   3.150 s  lost: reset -> waiting 1.000 s (attempt 1)",
        "   4.150 s  wake -> connecting; open #2",
        "   4.350 s  opened -> open",
    ] == trace.story(0)
    # The server forgets it: no place of its own is taken by a connection that has ended.
    assert [[1]] == connections(quiet().replace(beats), 4.9)
    kept = sl.run(quiet().replace(beats | {"client.heartbeat.interval_s": 2.0}))
    assert [] == moments(kept, Name.LOST)
