"""Greetings: what a client needs to count itself connected, and what is a ping of its protocol."""

import pytest

import simlib as sl
from simlib.lab.observe.protocols import GREETINGS, greeting

JOIN = '["1","1","room:1","phx_join",{}]'
BEAT = '[null,"2","phoenix","heartbeat",{}]'
MQTT_5 = b"\x10\x10\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x03abc"
MQTT_3 = b"\x10\x0f\x00\x04MQTT\x04\x02\x00\x3c\x00\x03abc"


@pytest.mark.parametrize(
    ("name", "data", "answers", "is_ping"),
    [
        ("echo", b"\x00\x01", (b"\x00\x01",), False),
        ("silent", "hello", (), False),
        ("engine.io", "40", ('40{"sid":"lab"}',), False),
        ("engine.io", "40/admin,{}", ('40/admin,{"sid":"lab"}',), False),
        ("graphql-ws", '{"type":"connection_init"}', ('{"type":"connection_ack"}',), False),
        ("graphql-ws", '{"type":"ping"}', ('{"type":"pong"}',), True),
        ("graphql-ws", "not JSON", (), False),
        ("stomp", "\n", (), True),
        ("mqtt", MQTT_3, (b"\x20\x02\x00\x00",), False),
        ("mqtt", MQTT_5, (b"\x20\x03\x00\x00\x00",), False),
        ("mqtt", b"\x82\x08\x00\x07\x00\x03a/b\x00", (b"\x90\x03\x00\x07\x00",), False),
        ("mqtt", b"\xc0\x00", (b"\xd0\x00",), True),
    ],
)
def test_it_answers_what_a_client_waits_for(name, data, answers, is_ping):
    heard = greeting(name).heard(data)
    assert (answers, is_ping) == (heard.answers, heard.is_ping)


def test_engine_io_opens_and_beats_and_knows_pongs():
    server = greeting("engine.io")
    assert server.first[0].startswith('0{"sid":"lab"')
    assert ("2", 25.0) == (server.beat, server.beat_s)
    assert server.heard("3").is_pong


def test_stomp_connects_and_beats():
    heard = greeting("stomp").heard("CONNECT\naccept-version:1.2\n\n\0")
    assert heard.answers[0].startswith("CONNECTED\nversion:1.2\n")
    assert ("\n", 10.0) == (greeting("stomp").beat, greeting("stomp").beat_s)


def test_phoenix_replies_to_whatever_has_a_reference_and_knows_heartbeats():
    joined, beat = (greeting("phoenix").heard(data) for data in (JOIN, BEAT))
    assert (
        '["1", "1", "room:1", "phx_reply", {"status": "ok", "response": {}}]' == joined.answers[0]
    )
    assert (False, True) == (joined.is_ping, beat.is_ping)
    older = greeting("phoenix").heard('{"ref":"3","topic":"phoenix","event":"heartbeat"}')
    assert older.is_ping
    assert () == greeting("phoenix").heard('["1",null,"a","b",{}]').answers


@pytest.mark.parametrize("name", GREETINGS)
@pytest.mark.parametrize("data", ["", b"", "[" * 2000, "null", b"\x10", b"\x10\xff\xff\xff", "40"])
def test_nothing_that_a_client_says_is_too_odd(name, data):
    assert isinstance(greeting(name).heard(data).answers, tuple)


def test_an_unknown_greeting_is_refused_with_the_nearest():
    with pytest.raises(sl.SettingsError, match="did you mean"):
        greeting("phenix")
