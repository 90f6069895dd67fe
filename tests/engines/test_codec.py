"""The frames on the wire."""

from __future__ import annotations

import pytest

from simlib.core.errors import EngineError
from simlib.core.events import Answer, Message, Reason
from simlib.engines import codec


@pytest.mark.parametrize("size_bytes", [50, 200, 10_000])
def test_a_message_has_its_size_and_its_number(size_bytes: int) -> None:
    text = codec.message_text(Message(7, size_bytes=size_bytes))
    assert len(text) == size_bytes
    assert codec.message_number(text) == 7


def test_a_message_is_never_shorter_than_its_frame() -> None:
    assert codec.message_text(Message(7, size_bytes=1)) == '{"message": 7, "pad": ""}'


@pytest.mark.parametrize("reason", codec.ANSWERS)
def test_an_answer_comes_back_as_it_went(reason: Reason) -> None:
    text = codec.answer_text(Answer(0, 1, 2, reason, 0.25))
    assert codec.answer_of(text) == (2, reason, 0.25)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"message": true}', '{"message": 1e99}'])
def test_what_is_no_message_is_an_error(text: str) -> None:
    with pytest.raises(EngineError, match="a frame"):
        codec.message_number(text)


def test_what_is_no_answer_is_an_error() -> None:
    with pytest.raises(EngineError, match="none of accepted, duplicate, limited"):
        codec.answer_of('{"message": 1, "answer": "refused"}')
