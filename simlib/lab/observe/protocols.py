"""Minimal server handshakes for Engine.IO, graphql-ws, STOMP, MQTT and Phoenix.

A greeting maps each message of the client to replies. It has neither clock nor connection.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from simlib.core.errors import SettingsError
from simlib.core.validation import nearest

#: What goes over a WebSocket: a text, or bytes.
Data = str | bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """What a client's message was, and the answer to it."""

    answers: tuple[Data, ...] = ()
    #: It asks whether the other side is there; so its answer is held back where none is to come.
    is_ping: bool = False
    #: It answers a beat.
    is_pong: bool = False


class Greeting:
    """A server that accepts and says nothing; others add to it."""

    #: Said as soon as the connection is open.
    first: tuple[Data, ...] = ()
    #: Said again and again, unless pings go unanswered; every so often.
    beat: Data = ""
    beat_s = 0.0

    def heard(self, data: Data) -> Reply:
        """Return what a message was, and its answers."""
        return Reply()


class Echo(Greeting):
    """Sends back what it hears; to a client of y-websocket that is a document in step."""

    def heard(self, data: Data) -> Reply:
        """Answer with the same."""
        return Reply((data,))


class EngineIo(Greeting):
    """Engine.IO 4 with Socket.IO on it: handshake, namespaces, the server's pings."""

    first = (
        '0{"sid":"lab","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}',
    )
    beat, beat_s = "2", 25.0

    def heard(self, data: Data) -> Reply:
        """Open namespaces; take in pongs."""
        if not isinstance(data, str):
            return Reply()
        if data.startswith("40"):
            place = data[2:].partition(",")[0] + "," if data[2:3] == "/" else ""
            return Reply((f'40{place}{{"sid":"lab"}}',))
        return Reply(is_pong=data.startswith("3"))


class GraphqlWs(Greeting):
    """graphql-ws, and its forerunner: the acknowledgement, and pongs."""

    def heard(self, data: Data) -> Reply:
        """Acknowledge the connection, answer pings."""
        said = _json(data)
        kind = said.get("type") if isinstance(said, dict) else None
        if kind == "connection_init":
            return Reply(('{"type":"connection_ack"}',))
        if kind == "ping":
            return Reply(('{"type":"pong"}',), is_ping=True)
        return Reply(is_pong=kind == "pong")


class Stomp(Greeting):
    """STOMP 1.2: CONNECTED, and a newline every ten seconds both ways."""

    beat, beat_s = "\n", 10.0

    def heard(self, data: Data) -> Reply:
        """Answer CONNECT; take in newlines."""
        text = data if isinstance(data, str) else data.decode(errors="replace")
        if text.startswith(("CONNECT\n", "STOMP\n", "CONNECT\r", "STOMP\r")):
            return Reply(("CONNECTED\nversion:1.2\nheart-beat:10000,10000\n\n\0",))
        return Reply(is_ping=text in {"\n", "\r\n"})


class Mqtt(Greeting):
    """MQTT 3.1.1 and 5: CONNACK, SUBACK, PINGRESP."""

    def heard(self, data: Data) -> Reply:
        """Answer the packets that a client waits for."""
        if isinstance(data, str) or len(data) < 2:
            return Reply()
        start = 2
        while data[start - 1] & 0x80 and start < min(5, len(data)):
            start += 1
        kind, body = data[0] >> 4, data[start:]
        if kind == _CONNECT:
            return Reply((_CONNACK_5 if body[6:7] == b"\x05" else _CONNACK_3,))
        if kind == _SUBSCRIBE and len(body) >= 2:
            return Reply((b"\x90\x03" + body[:2] + b"\x00",))
        if kind == _PINGREQ:
            return Reply((b"\xd0\x00",), is_ping=True)
        return Reply()


_CONNECT, _SUBSCRIBE, _PINGREQ = 1, 8, 12
_CONNACK_3, _CONNACK_5 = b"\x20\x02\x00\x00", b"\x20\x03\x00\x00\x00"


class Phoenix(Greeting):
    """Phoenix channels, both forms of its messages: a reply to each, heartbeats included."""

    def heard(self, data: Data) -> Reply:
        """Reply "ok" to what has a reference."""
        said = _json(data)
        reply: dict[str, Any] = {"status": "ok", "response": {}}
        if isinstance(said, list) and len(said) == 5 and said[1] is not None:
            join, reference, topic, event = said[:4]
            answer = json.dumps([join, reference, topic, "phx_reply", reply])
        elif isinstance(said, dict) and said.get("ref") is not None:
            reference, topic, event = said["ref"], said.get("topic"), said.get("event")
            words = {"topic": topic, "event": "phx_reply", "ref": reference, "payload": reply}
            answer = json.dumps(words)
        else:
            return Reply()
        return Reply((answer,), is_ping=event == "heartbeat")


def _json(data: Data) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


GREETINGS: dict[str, type[Greeting]] = {
    "echo": Echo,
    "silent": Greeting,
    "engine.io": EngineIo,
    "graphql-ws": GraphqlWs,
    "stomp": Stomp,
    "mqtt": Mqtt,
    "phoenix": Phoenix,
}


def greeting(name: str) -> Greeting:
    """Return a greeting by its name.

    Examples
    --------
    >>> greeting("graphql-ws").heard('{"type":"connection_init"}').answers
    ('{"type":"connection_ack"}',)
    """
    if name not in GREETINGS:
        known = list(GREETINGS)
        rule = f"must be one of {', '.join(known)}{nearest(name, known)}"
        raise SettingsError("greeting", name, rule)
    return GREETINGS[name]()
