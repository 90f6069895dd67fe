"""The frames that the real client and the real service exchange, as JSON text."""

from __future__ import annotations

import json
from typing import Any

from simlib.core import events as ev
from simlib.core.errors import EngineError
from simlib.core.events import NONE, Message, Reason

#: The answers that a message can have.
ANSWERS = (Reason.ACCEPTED, Reason.DUPLICATE, Reason.LIMITED, Reason.CONFLICT)
_WORDS = {reason: reason.name.lower() for reason in ANSWERS}
_REASONS = {word: reason for reason, word in _WORDS.items()}
#: Every number in a frame is below this.
NUMBER_LIMIT = 1 << 31
#: No frame is longer, at either end.
MAX_FRAME_BYTES = 2_000_000


# --- what the client says ----------------------------------------------------------------


def text_of(command: ev.Transmit | ev.Subscribe | ev.Fetch) -> str:
    """Return what a client says over its connection as text."""
    if isinstance(command, ev.Transmit):
        return message_text(command.message)
    if isinstance(command, ev.Subscribe):
        return json.dumps({"subscribe": command.channel, "after": command.version})
    return json.dumps({"fetch": command.channel})


def message_text(message: Message) -> str:
    """Return a message as text, padded to its size."""
    head = _head(message)
    return head + "x" * (message.size_bytes - len(head) - len(_TAIL)) + _TAIL


def message_bytes(message: Message) -> int:
    """Return how long a message's text is: its size, or more where what names it takes more.

    Examples
    --------
    >>> message_bytes(Message(7, size_bytes=200)), message_bytes(Message(7, size_bytes=1))
    (200, 25)
    """
    if message.size_bytes >= LONGEST_HEAD_BYTES:
        return message.size_bytes
    return max(message.size_bytes, len(_head(message)) + len(_TAIL))


def _head(message: Message) -> str:
    # By hand, as in an answer: both are numbers in words, and json.dumps takes five times as long.
    key = f', "key": {message.key}' if message.key != NONE else ""
    base = f', "base": {message.base}' if message.base != NONE else ""
    return f'{{"message": {message.id}{key}{base}, "pad": "'


_TAIL = '"}'
#: No message is made longer than this: number, key and base have ten digits at most.
LONGEST_HEAD_BYTES = 80


def parse_client_frame(text: str | bytes, client: int, connection: int) -> ev.ServerEvent:
    """Parse a frame from a client.

    Raises
    ------
    EngineError
        If it is nothing that a client says.
    """
    data = _object(text)
    if "message" in data:
        key, base = _number(data, "key", NONE), _number(data, "base", NONE)
        return ev.MessageArrived(client, connection, _number(data, "message"), key, base)
    if "subscribe" in data:
        channel, version = _number(data, "subscribe"), _number(data, "after", 0)
        return ev.Subscribed(client, connection, channel, version)
    if "fetch" in data:
        return ev.Fetched(client, connection, _number(data, "fetch"))
    raise EngineError("a frame is none of message, subscribe, fetch")


def channels_text(channels: tuple[tuple[int, int], ...]) -> str:
    """Return channels and the versions they were seen at, for a poll's address."""
    return ",".join(f"{channel}:{version}" for channel, version in channels)


def channels_of(text: str) -> tuple[tuple[int, int], ...]:
    """Return the channels of a poll's address."""
    try:
        pairs = [part.split(":") for part in text.split(",") if part]
        return tuple((int(channel), int(version)) for channel, version in pairs)
    except ValueError as error:
        raise EngineError("channels must be written as 3:17,4:0") from error


# --- what the server says ----------------------------------------------------------------


def answer_text(answer: ev.Answer) -> str:
    """Return the server's answer to a message as text."""
    return (
        f'{{"message": {answer.message}, "answer": "{_WORDS[answer.reason]}", '
        f'"retry_after_s": {answer.hint_s!r}, "version": {answer.version}}}'
    )


def push_text(push: ev.Push) -> str:
    """Return a channel's update as text."""
    return json.dumps(_push(push))


def poll_answer_text(served: ev.AnswerPoll) -> str:
    """Return the answer to a poll as text."""
    return json.dumps({"updates": [_push(push) for push in served.pushes]})


def _push(push: ev.Push) -> dict[str, Any]:
    whole = push.reason == Reason.SNAPSHOT
    return {"channel": push.channel, "version": push.version, "whole": whole}


def parse_server_frame(text: str | bytes, connection: int) -> ev.Received | ev.Pushed:
    """Parse a frame from the server.

    Raises
    ------
    EngineError
        If it is nothing that a server says.
    """
    data = _object(text)
    if "channel" in data:
        return _parse_push(data, connection)
    return ev.Received(connection, *_answer(data))


def parse_echo(text: str | bytes, connection: int) -> ev.Received:
    """Return a message that came back as it was sent as its acknowledgement."""
    return ev.Received(connection, _number(_object(text), "message"), Reason.ACCEPTED)


def answer_of(text: str | bytes) -> tuple[int, Reason, float, int]:
    """Return message number, reason, hint in seconds, and version of an answer."""
    return _answer(_object(text))


def _answer(data: dict[str, Any]) -> tuple[int, Reason, float, int]:
    reason = _REASONS.get(str(data.get("answer")).lower())
    if reason is None:
        raise EngineError("an answer is none of accepted, duplicate, limited, conflict")
    hint_s = data.get("retry_after_s", 0.0)
    if not isinstance(hint_s, (int, float)) or not 0.0 <= hint_s < NUMBER_LIMIT:
        raise EngineError("retry_after_s is not a number of seconds")
    return _number(data, "message"), reason, float(hint_s), _number(data, "version", NONE)


def updates_of(text: str | bytes, connection: int) -> list[ev.Pushed]:
    """Return the updates in the answer to a poll."""
    updates = _object(text).get("updates")
    if not isinstance(updates, list) or not all(isinstance(update, dict) for update in updates):
        raise EngineError("the answer to a poll has no list of updates")
    return [_parse_push(update, connection) for update in updates]


def _parse_push(data: dict[str, Any], connection: int) -> ev.Pushed:
    reason = Reason.SNAPSHOT if data.get("whole") is True else Reason.NONE
    return ev.Pushed(connection, _number(data, "channel"), _number(data, "version"), reason)


# --- close frames ------------------------------------------------------------------------


def close_reason(hint_s: float) -> str:
    """Return the text of a close frame: when to come back.

    Examples
    --------
    >>> close_reason(5.0), close_reason(2e6), close_reason(0.0), close_reason(-30.0)
    ('retry_after_s=5', 'retry_after_s=2000000', '', 'retry_within_s=30')
    """
    if hint_s == 0.0:
        return ""
    # Seventeen digits give every float back, and write no exponent below 1e17.
    return f"{_AFTER if hint_s > 0.0 else _WITHIN}={abs(hint_s):.17g}"


def close_hint_s(reason: str) -> float:
    """Return the hint in a close frame's text; 0 if there is none."""
    name, _, number = reason.partition("=")
    try:
        hint_s = float(number) if name in (_AFTER, _WITHIN) else 0.0
    except ValueError:
        return 0.0
    if not hint_s > 0.0:
        return 0.0
    hint_s = min(hint_s, float(NUMBER_LIMIT))
    return hint_s if name == _AFTER else -hint_s


#: What a close frame says: come back so late at the earliest, or at any moment within so long.
_AFTER, _WITHIN = "retry_after_s", "retry_within_s"


def _number(data: dict[str, Any], name: str, default: int | None = None) -> int:
    number = data.get(name, default)
    least = 0 if default is None else min(0, default)
    if isinstance(number, bool) or not isinstance(number, int):
        raise EngineError(f"{name} is not a whole number")
    if not least <= number < NUMBER_LIMIT:
        raise EngineError(f"{name} is out of bounds")
    return number


def _object(text: str | bytes) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise EngineError("a frame is not JSON") from error
    if not isinstance(data, dict):
        raise EngineError("a frame is not a JSON object")
    return data
