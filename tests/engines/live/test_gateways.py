"""Several real server processes behind the proxy, which balances the connections among them."""

from typing import Any

import pytest

import simlib as sl
from simlib.core.errors import SettingsError
from simlib.engines.live.target import MOST_SERVERS

pytestmark = pytest.mark.live


def scenario(**changes: Any) -> sl.Scenario:
    settings = {
        "clients": 6, "gateways": 3, "balance": "round_robin", "duration_s": 4.0, "ramp_s": 0.5,
        "client": sl.Settings(
            backoff=sl.Backoff(base_s=0.2, cap_s=0.4, jitter="none"), connect_timeout_s=5
        ),
        "workload": sl.Workload(rate_per_s=0),
    }  # fmt: skip
    return sl.Scenario(**(settings | changes))


def clients(trace: sl.Trace, name: str) -> list[int]:
    """The clients to which something happened, in ascending order, once for each time."""
    frame = trace.frame()
    return sorted(frame[(frame["kind"] == "event") & (frame["name"] == name)]["client"].tolist())


def test_clients_of_a_server_that_is_killed_go_to_the_others() -> None:
    crash = sl.Fault("server_crash", start_s=1.5, stop_s=60, gateway=1)
    trace = sl.run(scenario(faults=[crash]), on="live")
    lost = clients(trace, "lost")
    # One in three was there; each comes back at the first attempt, since the balancer knows.
    assert 2 == len(lost)
    assert [] == clients(trace, "failed")
    assert sorted([*range(6), *lost]) == clients(trace, "opened")


@pytest.mark.slow
def test_with_nothing_in_between_clients_belong_to_the_server_that_is_killed() -> None:
    crash = sl.Fault("server_crash", start_s=1.5, stop_s=60, gateway=1)
    trace = sl.run(scenario(faults=[crash], balance="fixed"), on="live")
    assert [1, 4] == clients(trace, "lost")
    assert {1, 4} == set(clients(trace, "failed"))
    assert list(range(6)) == clients(trace, "opened")


@pytest.mark.slow
def test_a_server_that_drains_gets_nobody_until_it_has_drained() -> None:
    deploy = sl.Fault("deploy", start_s=1.5, stop_s=2.5, gateway=0)
    trace = sl.run(scenario(faults=[deploy], balance="least_connections"), on="live")
    assert 2 == len(clients(trace, "lost"))
    assert 8 == len(clients(trace, "opened"))


def test_a_connection_that_comes_of_age_is_closed_and_its_client_comes_back() -> None:
    aged = sl.ServerSettings(max_connection_age_s=1.2)
    trace = sl.run(scenario(server=aged, gateways=1), on="live")
    for client in range(6):
        assert 2 <= clients(trace, "opened").count(client) <= 4
    assert set(range(6)) == set(clients(trace, "lost"))


def test_an_address_that_has_used_up_its_handshakes_is_refused_with_429() -> None:
    limit = sl.AddressLimit(accept_per_s=0.01, burst=2, clients=3)
    trace = sl.run(scenario(server=sl.ServerSettings(per_address=limit), gateways=1), on="live")
    assert [0, 1, 3, 4] == clients(trace, "opened")
    assert {2, 5} == set(clients(trace, "failed"))


@pytest.mark.slow
def test_a_full_backlog_that_drops_answers_nobody_and_takes_all_up_again() -> None:
    full = sl.ServerSettings(handshake_service_s=0.3, backlog=1, backlog_full="drop")
    trace = sl.run(scenario(server=full, gateways=1, clients=4, ramp_s=0, duration_s=9), on="live")
    assert [0, 1, 2, 3] == clients(trace, "opened")
    assert [] == clients(trace, "failed")
    assert sl.summary(trace)["refused_backlog"].iloc[0] >= 1


@pytest.mark.slow
def test_a_proxy_that_closes_what_is_idle_ends_connections_that_are_and_no_others() -> None:
    for interval_s, lost in ((0.3, set()), (30.0, set(range(6)))):
        client = sl.Settings(heartbeat=sl.HeartbeatRules(interval_s=interval_s))
        path = sl.Path(idle_timeout_s=1.5, idle_action="close")
        trace = sl.run(scenario(path=path, client=client, gateways=1), on="live")
        assert lost == set(clients(trace, "lost"))


def test_what_live_cannot_play_is_refused_by_name() -> None:
    with pytest.raises(SettingsError, match=f"gateways = 17: must be at most {MOST_SERVERS}"):
        sl.run(scenario(gateways=MOST_SERVERS + 1), on="live")
    with pytest.raises(SettingsError, match="workers = 2: must be 1 with several gateways"):
        sl.run(scenario(), on="live", workers=2)
