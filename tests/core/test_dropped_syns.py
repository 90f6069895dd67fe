"""A full backlog that drops: nobody is told, and the handshake comes again as TCP's SYN does."""

import pytest

import simlib as sl
from simlib.core import events as ev
from simlib.core.dropped_syns import SENT_AGAIN_S, DroppedSyns
from simlib.core.errors import SettingsError
from simlib.core.server import Server
from simlib.core.server_settings import ServerSettings


def arrived(client):
    return ev.HandshakeArrived(client, 1)


def play_server(server, until_s, moments):
    """Handle events at their moments, and wake the server when it wants; return when each is in."""
    admitted, queue = {}, sorted(moments, key=lambda each: each[0])
    while True:
        at_s = min(queue[0][0] if queue else 1e9, server.deadline)
        if at_s > until_s:
            return admitted
        event = queue.pop(0)[1] if queue and queue[0][0] <= at_s else ev.Wake()
        for command in server.handle(event, at_s):
            assert isinstance(command, ev.Admit), "nobody is told that a handshake was dropped"
            admitted[command.client] = at_s


def test_a_dropped_handshake_comes_again_when_its_kernel_sends_it_again():
    server = Server(ServerSettings(handshake_service_s=0.5, backlog=0, backlog_full="drop"))
    admitted = play_server(server, 100.0, [(0.0, arrived(i)) for i in range(5)])
    assert {0: 0.5, 1: 1.5, 2: 3.5, 3: 7.5, 4: 15.5} == admitted


def test_a_kernel_gives_up_after_its_last_try():
    server = Server(ServerSettings(handshake_service_s=500.0, backlog=0, backlog_full="drop"))
    admitted = play_server(server, 1000.0, [(0.0, arrived(0)), (0.1, arrived(1))])
    assert {0: 500.0} == admitted
    drops = [each for each in server.verdicts if each.client == 1]
    assert 1 + len(SENT_AGAIN_S) == len(drops)


def test_a_kernel_waits_twice_as_long_each_time():
    assert tuple(2.0**sent - 1.0 for sent in range(1, 7)) == SENT_AGAIN_S


def test_a_client_that_has_gone_does_not_come_again():
    server = Server(ServerSettings(handshake_service_s=0.5, backlog=0, backlog_full="drop"))
    moments = [(0.0, arrived(0)), (0.1, arrived(1)), (0.8, ev.Ended(1, 1))]
    assert {0: 0.5} == play_server(server, 100.0, moments)


def test_what_was_let_in_at_last_does_not_come_again():
    dropped = DroppedSyns()
    dropped.add(arrived(3), 10.0)
    dropped.forget(3, 1)
    assert [] == dropped.pop_due(20.0)


def test_a_backlog_without_bound_is_never_full():
    with pytest.raises(SettingsError, match=r"backlog = inf: needs a bound"):
        ServerSettings(backlog_full="drop")


def test_clients_of_a_full_accept_queue_open_in_waves_after_one_three_and_seven_seconds():
    scenario = sl.Scenario(
        clients=16,
        duration_s=12,
        ramp_s=0,
        client=sl.Settings(connect_timeout_s=10, backoff=sl.Backoff(base_s=1, jitter="none")),
        server=ServerSettings(handshake_service_s=0.01, backlog=3, backlog_full="drop"),
        path=sl.Path(latency=sl.Latency(mean_s=0.05)),
        workload=sl.Workload(rate_per_s=0),
    )
    frame = sl.run(scenario).frame()
    opened_s = frame.loc[frame["name"] == "opened", "time_s"]
    assert [4, 4, 4, 4] == [
        int(((opened_s >= start) & (opened_s < start + 0.5)).sum()) for start in (0, 1, 3, 7)
    ]
    assert 16 == (frame["name"] == "open").sum(), "each client attempts once, and waits"
