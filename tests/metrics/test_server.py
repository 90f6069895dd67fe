"""What the server saw: by hand, in every engine, with crashes, gateways and a warm-up."""

from __future__ import annotations

from math import isnan

import numpy as np
import pytest

import simlib as sl
from simlib.core.admission import Decision
from simlib.core.server_settings import AddressLimit
from simlib.metrics.metrics import summary
from simlib.metrics.server_counts import _Tenths, count_servers
from simlib.trace.server_counts import up_spans
from simlib.trace.trace import Trace

NO_MESSAGES = sl.Workload(rate_per_s=0)


def patient(connect_timeout_s=60):
    """A client that tries once in a run."""
    lazy = sl.Backoff(jitter="none", base_s=50, cap_s=50)
    return sl.Settings(backoff=lazy, connect_timeout_s=connect_timeout_s)


PATIENT, IMPATIENT = patient(), patient(1.2)

#: Three clients share an address, and two of them may come.
ADDRESS = AddressLimit(accept_per_s=0.01, burst=2, clients=3)


def numbers(trace):
    return summary(trace).iloc[0]


def at_once(**changes):
    """Three clients whose handshakes reach a server of one worker at 0.3 s; each takes 0.5 s."""
    settings = {
        "clients": 3, "duration_s": 2, "ramp_s": 0, "client": PATIENT, "workload": NO_MESSAGES,
        "server": sl.ServerSettings(handshake_service_s=0.5),
        "path": sl.Path(latency=sl.Latency(mean_s=0.1)),
    }  # fmt: skip
    return sl.Scenario(**settings | changes)


def engines():
    return ["sim", "fleet"]


def play(scenario, engine):
    if engine == "fleet":
        pytest.importorskip("numba")
    return sl.run(scenario, on=engine)


@pytest.mark.parametrize("engine", engines())
def test_three_handshakes_at_once_wait_for_one_worker(engine):
    found = numbers(play(at_once(), engine))
    # The worker is busy from 0.3 to 1.8 s; one waits for 0.5 s and one for 1 s.
    assert pytest.approx(0.75) == found["server_busy_fraction"]
    assert pytest.approx(0.75) == found["backlog_mean"]
    assert 2 == found["backlog_worst"]
    assert [0.5, 1.0, 1.0] == [found[f"backlog_wait_s_p{p}"] for p in (50, 95, 99)]
    assert (3, 0) == (found["handshakes_served"], found["handshakes_abandoned"])
    # They open at 0.9, 1.4 and 1.9 s.
    assert 3 == found["open_connections_worst"]
    assert pytest.approx((1.1 + 0.6 + 0.1) / 2) == found["open_connections_mean"]


@pytest.mark.parametrize("engine", engines())
def test_who_gives_up_before_its_turn_is_over_was_served_in_vain(engine):
    found = numbers(play(at_once(client=IMPATIENT), engine))
    # The second would be done at 1.3 s, and the third at 1.8.
    assert (3, 2) == (found["handshakes_served"], found["handshakes_abandoned"])
    assert 1 == found["open_connections_worst"]


@pytest.mark.parametrize("engine", engines())
def test_a_connection_that_is_cut_while_it_waits_was_served_in_vain(engine):
    cut = at_once(faults=[sl.Fault("reset", start_s=1.0)])
    found = numbers(play(cut, engine))
    assert (3, 2) == (found["handshakes_served"], found["handshakes_abandoned"])


@pytest.mark.parametrize("engine", engines())
def test_a_crash_ends_the_work_and_nothing_after_it_counts(engine):
    crash = at_once(faults=[sl.Fault("server_crash", start_s=1.05, stop_s=1.5)])
    trace = play(crash, engine)
    found = numbers(trace)
    # Busy from 0.3 to 1.05 s, of 1.05 s before the crash and 0.5 s after it.
    assert pytest.approx(0.75 / 1.55) == found["server_busy_fraction"]
    # The second and the third wait until 0.8 s, the third goes on until the crash.
    assert pytest.approx((0.5 + 0.75) / 2) == found["backlog_mean"]
    assert (1, 0) == (found["handshakes_served"], found["handshakes_abandoned"])
    load = sl.server_load(trace)
    assert 0.0 == load.loc[1.1:1.4, ["workers", "busy", "backlog"]].to_numpy().max()
    assert pytest.approx(0.5) == load.loc[1.0, "workers"]


@pytest.mark.parametrize("engine", engines())
@pytest.mark.parametrize(
    ("server", "column"),
    [
        (sl.ServerSettings(handshake_service_s=0.5, backlog=1), "refused_backlog"),
        (sl.ServerSettings(accept_per_s=2), "refused_rate"),
        (sl.ServerSettings(max_connections=2), "refused_connections"),
        (sl.ServerSettings(per_address=ADDRESS), "refused_address"),
    ],
)
def test_a_refusal_names_the_limit_that_was_met(engine, server, column):
    if engine == "fleet" and server.per_address == ADDRESS:
        pytest.skip("the fleet knows no addresses")
    found = numbers(play(at_once(server=server), engine))
    columns = [name for name in found.index if name.startswith("refused_")]
    assert {column: 1} == {name: found[name] for name in columns if found[name]}
    if column != "refused_backlog":
        assert isnan(found["server_busy_fraction"])
        assert isnan(found["backlog_worst"])
        assert all(isnan(found[f"backlog_wait_s_p{p}"]) for p in (50, 95, 99))
        assert 2 == found["handshakes_served"]


def test_without_a_session_a_handshake_is_refused():
    server = sl.ServerSettings(session_lifetime_s=1.0)
    again = sl.Settings(session=sl.SessionRules(sign_in_after_s=0.0))
    found = numbers(sl.run(at_once(server=server, client=again, duration_s=10)))
    assert found["refused_session"] > 0
    assert found["sign_ins"] > 0


def test_messages_are_served_or_limited():
    server = sl.ServerSettings(rate=sl.Rate(per_s=1, burst=1))
    chatty = sl.Scenario(
        clients=2, duration_s=20, server=server, workload=sl.Workload(rate_per_s=5)
    )
    trace = sl.run(chatty)
    counts, found = trace.counts(), numbers(trace)
    assert counts["process"] == found["messages_served"]
    assert counts["limit"] == found["messages_limited"] > 0


@pytest.mark.parametrize("engine", engines())
def test_a_server_without_limits_has_no_numbers_and_notes_nothing(engine):
    trace = play(at_once(server=sl.ServerSettings()), engine)
    found = numbers(trace)
    assert isnan(found["server_busy_fraction"])
    assert isnan(found["handshakes_served"])
    assert () == count_servers(trace)
    assert 0 == len(sl.server_load(trace)) == len(sl.gateways(trace))
    noted = trace.server_log.records()["decision"]
    assert not np.isin(noted, [Decision.TAKEN, Decision.RATE]).any()


@pytest.mark.parametrize("engine", engines())
def test_each_gateway_has_its_own_numbers(engine):
    slow = [sl.Fault("slow_server", start_s=0, stop_s=9, factor=4, gateway=1)]
    trace = play(at_once(clients=4, gateways=2, faults=slow, duration_s=10), engine)
    table = sl.gateways(trace)
    assert [0.1, 0.4] == pytest.approx(table["server_busy_fraction"].tolist())
    assert [0.5, 2.0] == pytest.approx(table["backlog_wait_s_p95"].tolist())
    found = numbers(trace)
    assert pytest.approx(0.25) == found["server_busy_fraction"]
    assert 4 == found["handshakes_served"] == table["handshakes_served"].sum()
    assert 1 == found["backlog_worst"]


def test_a_balancer_s_gateways_have_the_connections_that_it_gave_them():
    balanced = at_once(clients=4, gateways=2, balance="round_robin", duration_s=10)
    crash = balanced.replace(faults=[sl.Fault("server_crash", start_s=4, gateway=0)])
    soon = sl.Settings(backoff=sl.Backoff(base_s=0.5, cap_s=0.5))
    table = sl.gateways(sl.run(crash.replace(client=soon)))
    assert [2, 4] == table["open_connections_worst"].tolist()
    assert [2, 4] == table["handshakes_served"].tolist()


@pytest.mark.parametrize("engine", engines())
def test_what_came_before_the_warm_up_does_not_count(engine):
    found = numbers(play(at_once(warm_up_s=1.0), engine))
    # Of the second from 1 s on the worker is busy for 0.8 s, and one waits for 0.3 s.
    assert pytest.approx(0.8) == found["server_busy_fraction"]
    assert pytest.approx(0.3) == found["backlog_mean"]
    assert 2 == found["handshakes_served"]
    assert isnan(found["backlog_wait_s_p50"])


@pytest.mark.parametrize(
    ("warm_up_s", "busy_s", "of_s"), [(0.7, 1.1, 1.3), (0.75, 1.0, 1.2), (0.8, 1.0, 1.2)]
)
def test_whole_tenths_of_a_second_count_from_the_end_of_the_warm_up(warm_up_s, busy_s, of_s):
    found = numbers(sl.run(at_once(warm_up_s=warm_up_s)))
    assert pytest.approx(busy_s / of_s) == found["server_busy_fraction"]


def test_a_tenth_that_is_not_whole_at_the_end_does_not_count():
    # Busy from 0.3 to 1.8 s, of 1.9 s that count.
    found = numbers(sl.run(at_once(duration_s=1.95)))
    assert pytest.approx(1.5 / 1.9) == found["server_busy_fraction"]


def test_connections_that_are_open_as_the_warm_up_ends_are_among_the_worst():
    # They open at 0.9, 1.4 and 1.9 s.
    found = [
        numbers(sl.run(at_once(warm_up_s=at_s)))["open_connections_worst"]
        for at_s in (0.5, 1.0, 1.95)
    ]
    assert [3, 3, 3] == found
    cut = at_once(faults=[sl.Fault("reset", start_s=1.95)], warm_up_s=1.96)
    assert 0 == numbers(sl.run(cut))["open_connections_worst"]


def test_of_servers_that_ran_for_different_times_the_counts_are_added_up():
    crash = sl.Fault("server_crash", start_s=1.05, gateway=1)
    trace = sl.run(at_once(clients=4, gateways=2, faults=[crash]))
    load = sl.server_load(trace)
    assert [2.0, 2.0, 1.5, 1.0] == load.loc[[0.2, 0.9, 1.0, 1.2], "workers"].tolist()
    assert 20 == len(load)
    assert [0.0, 1.9] == [load.index[0], load.index[-1]]


def test_a_handshake_that_comes_as_the_warm_up_ends_counts():
    trace = sl.run(at_once())
    [arrived_s] = set(trace.server_log.records()["time_s"][1:])
    waits = []
    for warm_up_s in (arrived_s, np.nextafter(arrived_s, 9.0)):
        found = numbers(sl.run(at_once(warm_up_s=float(warm_up_s))))
        waits.append((found["backlog_wait_s_p95"], found["backlog_worst"]))
    assert (1.0, 2) == waits[0]
    assert isnan(waits[1][0])
    assert 0 == waits[1][1]


@pytest.mark.parametrize("engine", engines())
def test_workers_that_come_later_are_counted_from_then_on(engine):
    server = sl.ServerSettings(
        handshake_service_s=0.5, scaling=sl.Scaling(at_backlog=1, delay_s=1.0, workers=2)
    )
    load = sl.server_load(play(at_once(server=server, duration_s=3), engine))
    # The second handshake, at 0.3 s, calls for them.
    assert [1.0, 1.0, 3.0] == load.loc[[0.5, 1.2, 1.4], "workers"].tolist()


@pytest.mark.parametrize("engine", engines())
def test_the_load_over_time_adds_up_to_the_numbers(engine):
    trace = play(at_once(), engine)
    load, found = sl.server_load(trace), numbers(trace)
    assert (
        pytest.approx(found["server_busy_fraction"]) == load["busy"].sum() / load["workers"].sum()
    )
    assert pytest.approx(found["backlog_mean"]) == load["backlog"].mean()
    assert found["handshakes_served"] == load["served"].sum()
    assert found["open_connections_worst"] == load["open"].max()


def test_a_trace_that_is_loaded_has_the_same_numbers(tmp_path):
    for engine in engines():
        trace = play(at_once(gateways=2), engine)
        trace.save(tmp_path / engine)
        again = Trace.load(tmp_path / engine)
        for column, expected in numbers(trace).items():
            assert expected == pytest.approx(numbers(again)[column], nan_ok=True), column


def test_servers_are_up_between_their_crashes():
    faults = [
        sl.Fault("server_crash", start_s=1, stop_s=3, gateway=1),
        sl.Fault("server_crash", start_s=2, stop_s=4),
        sl.Fault("server_crash", start_s=8),
    ]
    scenario = sl.Scenario(faults=faults, gateways=2, duration_s=10)
    assert [(0.0, 2), (4, 8)] == list(up_spans(scenario, 0))
    assert [(0.0, 1), (4, 8)] == list(up_spans(scenario, 1))
    assert [(0.0, 10)] == list(up_spans(sl.Scenario(duration_s=10), 0))


def test_a_description_says_what_was_in_vain():
    impatient = at_once(client=IMPATIENT)
    said = sl.describe_run(sl.run(impatient))
    expected = "2 (66.7 %) of the 3 handshakes that the server served were in vain"
    assert expected in said.sentences
    assert "of those, in vain" in [line.words for line in said.lines if line.group == "The server"]
    unlimited = sl.describe_run(sl.run(at_once(server=sl.ServerSettings())))
    assert [] == [line.words for line in unlimited.lines if line.group == "The server"]


def test_a_client_whose_page_is_closed_while_it_waits_was_served_in_vain():
    scenario = at_once(faults=[sl.Fault("client_reload", start_s=0.5, stop_s=1.9)])
    assert 3 == numbers(sl.run(scenario))["handshakes_abandoned"]


def test_no_time_is_no_number():
    found = numbers(sl.run(at_once(duration_s=0.05)))
    assert isnan(found["server_busy_fraction"])
    assert isnan(found["backlog_mean"])


def test_what_comes_after_the_last_tenth_of_a_second_is_not_counted():
    tenths = _Tenths(3)
    # A level has a tenth to begin in, and goes on in the next one.
    tenths.change(0, np.array([0.025, 0.175, 0.2, 0.9]), np.array([1, 2, 5, 7]))
    assert [75_000, 25_000 + 50_000, 150_000] == tenths.counts[:, 0].tolist()
    tenths.count(1, np.array([0.0, 0.099, 0.299, 0.3]))
    assert [2, 0, 1] == tenths.counts[:, 1].tolist()
