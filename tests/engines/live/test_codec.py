"""The frames on the wire."""

from __future__ import annotations

import json

import pytest

import simlib as sl
from simlib.core import events as ev
from simlib.core.errors import EngineError
from simlib.core.events import Answer, Message, Reason
from simlib.engines.live import codec


@pytest.mark.parametrize("size_bytes", [60, 200, 10_000])
@pytest.mark.parametrize(("key", "base"), [(-1, -1), (3, -1), (3, 0), (3, 17)])
def test_a_message_has_its_size_and_comes_back_as_it_went(size_bytes, key, base) -> None:
    text = codec.message_text(Message(7, size_bytes=size_bytes, key=key, base=base))
    assert len(text) == size_bytes
    assert ev.MessageArrived(5, 6, 7, key, base) == codec.parse_client_frame(text, 5, 6)


def test_a_message_is_never_shorter_than_its_frame() -> None:
    assert codec.message_text(Message(7, size_bytes=1)) == '{"message": 7, "pad": ""}'


@pytest.mark.parametrize("named", [{}, {"key": 3}, {"base": 17}, {"key": 3, "base": 0}], ids=str)
def test_a_message_s_text_is_json_as_python_writes_it(named) -> None:
    text = codec.message_text(Message(7, size_bytes=90, **named))
    assert json.dumps({"message": 7} | named | {"pad": json.loads(text)["pad"]}) == text


@pytest.mark.parametrize("hint_s", [0.0, 0, 0.1, 1e-9, 1e22])
@pytest.mark.parametrize("reason", codec.ANSWERS)
def test_an_answer_s_text_is_json_as_python_writes_it(reason, hint_s) -> None:
    said = {"message": 2, "answer": reason.name.lower(), "retry_after_s": hint_s, "version": -1}
    assert json.dumps(said) == codec.answer_text(Answer(0, 1, 2, reason, hint_s, -1))


LAST = 2**31 - 1


@pytest.mark.parametrize("size_bytes", [1, 24, 25, 39, 60, 74, 75, 79, 80, 200])
@pytest.mark.parametrize(
    "named", [{}, {"key": 3}, {"base": 17}, {"key": LAST, "base": LAST}], ids=str
)
@pytest.mark.parametrize("number", [0, 12345, LAST])
def test_a_message_s_size_on_the_wire_is_that_of_its_text(size_bytes, named, number) -> None:
    message = Message(number, size_bytes=size_bytes, **named)
    assert len(codec.message_text(message)) == codec.message_bytes(message)
    assert size_bytes <= codec.message_bytes(message) <= max(size_bytes, codec.LONGEST_HEAD_BYTES)


@pytest.mark.parametrize(
    "workload",
    [
        sl.Workload(arrivals="constant", rate_per_s=0.1, size_bytes=1),
        sl.Workload(arrivals="recorded", recorded=[(1.0, "high", 1), (3.0, "low", 2)]),
    ],
    ids=["size_bytes", "recorded"],
)
def test_a_small_message_takes_as_long_as_its_text_in_simulation_and_that_is_noted(workload):
    path = sl.Path(
        latency=sl.Latency(distribution="constant", mean_s=0.0), bandwidth_bytes_per_s=100
    )
    trace = sl.run(sl.Scenario(clients=1, duration_s=20, path=path, workload=workload))
    rows = trace.frame()
    sent = rows.query("name == 'transmit'").groupby("message")["time_s"].min()
    came = rows.query("name == 'process'").groupby("message")["time_s"].min()
    assert 25 / 100 == pytest.approx((came - sent).iloc[0], abs=0.01)
    [said] = trace.notes
    assert said.startswith("A message of 1 bytes was sent as 25:")
    large = workload.__class__(rate_per_s=1, size_bytes=80)
    assert [] == sl.run(sl.Scenario(clients=1, duration_s=20, workload=large)).notes


def test_what_a_client_wants_of_a_channel_comes_back_as_it_went() -> None:
    wish = codec.text_of(ev.Subscribe(6, 3, 17))
    assert ev.Subscribed(5, 6, 3, 17) == codec.parse_client_frame(wish, 5, 6)
    assert ev.Fetched(5, 6, 3) == codec.parse_client_frame(codec.text_of(ev.Fetch(6, 3)), 5, 6)
    assert ((3, 17), (4, 0)) == codec.channels_of(codec.channels_text(((3, 17), (4, 0))))


@pytest.mark.parametrize("reason", codec.ANSWERS)
def test_an_answer_comes_back_as_it_went(reason: Reason) -> None:
    text = codec.answer_text(Answer(0, 1, 2, reason, 0.25, 4))
    assert ev.Received(9, 2, reason, 0.25, 4) == codec.parse_server_frame(text, 9)


@pytest.mark.parametrize("reason", [Reason.NONE, Reason.SNAPSHOT])
def test_an_update_comes_back_as_it_went(reason: Reason) -> None:
    push = ev.Push(0, 1, 3, 17, reason)
    told = ev.Pushed(9, 3, 17, reason)
    assert told == codec.parse_server_frame(codec.push_text(push), 9)
    assert [told, told] == codec.updates_of(
        codec.poll_answer_text(ev.AnswerPoll(0, 1, (push, push))), 9
    )


@pytest.mark.parametrize("hint_s", [0.0, 0.25, 5.0, 1e6, 2e6, 1234567.0, 2.0**31, -0.3, -30.0])
def test_a_close_frame_says_when_to_come_back(hint_s: float) -> None:
    assert hint_s == codec.close_hint_s(codec.close_reason(hint_s))


def test_another_server_s_close_reason_is_no_hint() -> None:
    assert 0.0 == codec.close_hint_s("going away")
    for said in ("soon", "", "-5", "nan"):
        assert 0.0 == codec.close_hint_s(f"retry_after_s={said}")
        assert 0.0 == codec.close_hint_s(f"retry_within_s={said}")


def test_a_hint_without_end_is_cut_to_what_a_header_can_say() -> None:
    assert 2.0**31 == codec.close_hint_s("retry_after_s=inf")


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "not a JSON object"),
        ("{}", "none of message, subscribe, fetch"),
        ('{"message": true}', "message is not a whole number"),
        ('{"message": 1e99}', "message is not a whole number"),
        ('{"message": 99999999999999999999}', "message is out of bounds"),
        ('{"message": -1}', "message is out of bounds"),
        ('{"message": 1, "key": "x"}', "key is not a whole number"),
        ('{"subscribe": 1, "after": -1}', "after is out of bounds"),
        ('{"fetch": null}', "fetch is not a whole number"),
    ],
)
def test_what_no_client_says_is_an_error(text: str, wrong: str) -> None:
    with pytest.raises(EngineError, match=wrong):
        codec.parse_client_frame(text, 0, 1)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("hello", "not JSON"),
        ('{"message": 1, "answer": "refused"}', "none of accepted, duplicate, limited, conflict"),
        ('{"message": 1, "answer": "limited", "retry_after_s": NaN}', "not a number of seconds"),
        ('{"answer": "accepted"}', "message is not a whole number"),
        ('{"channel": 1}', "version is not a whole number"),
    ],
)
def test_what_no_server_says_is_an_error(text: str, wrong: str) -> None:
    with pytest.raises(EngineError, match=wrong):
        codec.parse_server_frame(text, 1)


@pytest.mark.parametrize("text", ['{"updates": 3}', '{"updates": [1]}', "{}"])
def test_what_is_no_answer_to_a_poll_is_an_error(text: str) -> None:
    with pytest.raises(EngineError, match="no list of updates"):
        codec.updates_of(text, 1)


@pytest.mark.parametrize("text", ["3", "3:x", ":"])
def test_what_are_no_channels_is_an_error(text: str) -> None:
    with pytest.raises(EngineError, match="channels must be written"):
        codec.channels_of(text)
