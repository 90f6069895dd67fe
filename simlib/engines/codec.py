"""The frames that the real client and the real service exchange, as JSON text."""

from __future__ import annotations

import json
from typing import Any

from simlib.core.errors import EngineError
from simlib.core.events import Answer, Message, Reason

#: The answers that a message can have.
ANSWERS = (Reason.ACCEPTED, Reason.DUPLICATE, Reason.LIMITED)


def message_text(message: Message) -> str:
    """Return a message as text, padded to its size."""
    head = f'{{"message": {message.id}, "pad": "'
    return head + "x" * (message.size_bytes - len(head) - 2) + '"}'


def message_number(text: str | bytes) -> int:
    """Return the number of the message that a text carries."""
    number = _object(text).get("message")
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < 1 << 31:
        raise EngineError("a frame does not name its message")
    return number


def answer_text(answer: Answer) -> str:
    """Return the server's answer to a message as text."""
    return json.dumps(
        {
            "message": answer.message,
            "answer": answer.reason.name.lower(),
            "retry_after_s": answer.hint_s,
        }
    )


def answer_of(text: str | bytes) -> tuple[int, Reason, float]:
    """Return message number, reason and hint in seconds of an answer."""
    data = _object(text)
    reason = Reason.__members__.get(str(data.get("answer")).upper())
    if reason not in ANSWERS:
        raise EngineError("an answer is none of accepted, duplicate, limited")
    return message_number(text), reason, float(data.get("retry_after_s", 0.0))


def _object(text: str | bytes) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except ValueError as error:
        raise EngineError("a frame is not JSON") from error
    if not isinstance(data, dict):
        raise EngineError("a frame is not a JSON object")
    return data
