from math import inf

from simlib.core.heartbeat import Heartbeat, HeartbeatRules

EVERY_30_S = HeartbeatRules(interval_s=30, timeout_s=10)


def test_by_default_it_never_pings():
    heartbeat = Heartbeat(HeartbeatRules())
    heartbeat.begin(5.0)
    assert inf == heartbeat.deadline_s


def test_the_next_ping_follows_one_interval_after_the_last():
    heartbeat = Heartbeat(EVERY_30_S)
    assert inf == heartbeat.deadline_s
    heartbeat.begin(5.0)
    assert 35.0 == heartbeat.deadline_s
    heartbeat.ping(35.0)
    assert (inf, 45.0) == (heartbeat.due_s, heartbeat.deadline_s)
    heartbeat.pong(36.0)
    assert (65.0, inf) == (heartbeat.deadline_s, heartbeat.timeout_s)


def test_a_pong_later_than_the_interval_makes_the_next_ping_due_at_once():
    heartbeat = Heartbeat(HeartbeatRules(interval_s=2, timeout_s=10))
    heartbeat.ping(10.0)
    heartbeat.pong(19.0)
    assert 19.0 == heartbeat.deadline_s


def test_a_pong_to_no_ping_changes_nothing():
    heartbeat = Heartbeat(EVERY_30_S)
    heartbeat.begin(0.0)
    heartbeat.pong(3.0)
    assert 30.0 == heartbeat.deadline_s


def test_it_ends_with_its_connection():
    heartbeat = Heartbeat(EVERY_30_S)
    heartbeat.begin(0.0)
    heartbeat.ping(30.0)
    heartbeat.end()
    assert inf == heartbeat.deadline_s
    heartbeat.pong(31.0)
    assert inf == heartbeat.deadline_s
