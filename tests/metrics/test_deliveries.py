"""The fate of each message, from rows written by hand."""

from math import inf

import numpy as np
import pytest

from simlib.core.events import Priority, Reason
from simlib.metrics.deliveries import deliveries, keys
from simlib.metrics.messages import _counts
from simlib.trace.columns import Name

ACCEPTED, DUPLICATE, NONE = Reason.ACCEPTED, Reason.DUPLICATE, Reason.NONE


def columns(*rows):
    """The columns of rows: moment, name, client, message, reason."""
    time_s, name, client, message, reason = zip(*rows, strict=True)
    return {
        "time_s": np.array(time_s, float),
        "name": np.array(name, np.int16),
        "client": np.array(client, np.int32),
        "message": np.array(message, np.int32),
        "reason": np.array(reason, np.int16),
        "key": np.full(len(rows), -1, np.int32),
        "priority": np.full(len(rows), Priority.NORMAL, np.int8),
    }


def fate(*rows):
    """The fate of message 0 of client 0, which is sent at 1 s, of these rows about it."""
    found = deliveries(
        columns(
            (1.0, Name.SEND, 0, 0, NONE),
            *((time_s, name, 0, 0, reason) for time_s, name, reason in rows),
        )
    )
    return {name: values[0] for name, values in found.items()}


def test_a_message_that_is_sent_once_and_answered_has_a_round_trip():
    found = fate(
        (2.0, Name.TRANSMIT, NONE), (2.5, Name.PROCESS, ACCEPTED), (3.0, Name.RECEIVED, ACCEPTED)
    )
    expected = {
        "send_s": 1.0, "left_s": 2.0, "acknowledged_s": 3.0, "latency_s": 2.0, "round_trip_s": 1.0,
        "dropped_s": inf, "reason": NONE, "delivered": True, "counted": 1, "edit": False,
    }  # fmt: skip
    assert expected == {name: found[name] for name in expected}


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        # Of two copies nobody knows which was answered.
        (
            [(2.0, Name.TRANSMIT, NONE), (3.0, Name.TRANSMIT, NONE),
             (4.0, Name.RECEIVED, DUPLICATE)],
            {"left_s": 2.0, "acknowledged_s": 4.0, "round_trip_s": inf, "delivered": True},
        ),
        # A limit is no answer to it.
        (
            [(2.0, Name.TRANSMIT, NONE), (3.0, Name.RECEIVED, Reason.LIMITED)],
            {"acknowledged_s": inf, "round_trip_s": inf, "delivered": False, "latency_s": inf},
        ),
        # A post is no round trip over WebSocket.
        (
            [(2.0, Name.POST, NONE), (3.0, Name.POSTED, ACCEPTED)],
            {"left_s": 2.0, "acknowledged_s": 3.0, "round_trip_s": inf, "delivered": True},
        ),
        # The first answer counts, and the first time that it left.
        (
            [(2.0, Name.POST, NONE), (3.0, Name.TRANSMIT, NONE), (4.0, Name.RECEIVED, ACCEPTED),
             (5.0, Name.POSTED, DUPLICATE)],
            {"left_s": 2.0, "acknowledged_s": 4.0, "round_trip_s": 1.0},
        ),
        # What the server processed is delivered, though nobody heard of it; a copy counts once.
        (
            [(2.0, Name.PROCESS, ACCEPTED), (3.0, Name.PROCESS, DUPLICATE)],
            {"acknowledged_s": inf, "delivered": True, "counted": 1},
        ),
        (
            [(2.0, Name.PROCESS, ACCEPTED), (3.0, Name.PROCESS, ACCEPTED)],
            {"delivered": True, "counted": 2},
        ),
        (
            [(2.0, Name.DROP, Reason.EXPIRED)],
            {"dropped_s": 2.0, "reason": Reason.EXPIRED, "delivered": False, "counted": 0},
        ),
    ],
)  # fmt: skip
def test_each_row_about_a_message_says_something_of_its_fate(rows, expected):
    found = fate(*rows)
    assert expected == {name: found[name] for name in expected}


def test_rows_about_other_messages_clients_and_nothing_say_nothing():
    found = deliveries(
        columns(
            (0.5, Name.TRANSMIT, 0, -1, NONE),
            (1.0, Name.SEND, 0, 0, NONE),
            (1.0, Name.SEND, 1, 0, NONE),
            (1.5, Name.EDIT, 1, 1, NONE),
            (2.0, Name.TRANSMIT, 1, 0, NONE),
            (3.0, Name.TRANSMIT, 0, 7, NONE),
            (4.0, Name.TRANSMIT, 2, 0, NONE),
            (5.0, Name.TRANSMIT, 1, 1, NONE),
        )
    )
    assert [0, 1, 1] == found["client"].tolist()
    assert [0, 0, 1] == found["message"].tolist()
    assert [False, False, True] == found["edit"].tolist()
    assert [inf, 2.0, 5.0] == found["left_s"].tolist()


def test_client_and_message_are_one_number_that_no_others_have():
    pairs = columns(*((0.0, Name.SEND, c, m, NONE) for c in (0, 1, 2) for m in (0, 1, 2**31 - 1)))
    assert 9 == len(set(keys(pairs).tolist()))
    assert keys(pairs).tolist() == sorted(keys(pairs).tolist())


@pytest.mark.parametrize("reason", Reason, ids=lambda reason: reason.name)
def test_only_some_answers_say_that_a_message_arrived(reason):
    for answer in (Name.RECEIVED, Name.POSTED):
        found = fate((2.0, Name.TRANSMIT, NONE), (3.0, answer, reason))
        assert (found["acknowledged_s"] == 3.0) == (reason in {ACCEPTED, DUPLICATE})
    assert (reason == ACCEPTED) == fate((2.0, Name.PROCESS, reason))["counted"]


@pytest.mark.parametrize("reason", Reason, ids=lambda reason: reason.name)
def test_what_was_dropped_is_lost_unless_a_newer_one_or_the_user_settles_it(reason):
    table = {
        "send_s": np.array([1.0]), "delivered": np.array([False]), "reason": np.array([reason]),
        "dropped_s": np.array([2.0]), "vanished": np.array([False]),
        "acknowledged_s": np.array([inf]), "counted": np.array([0]),
    }  # fmt: skip
    counts = _counts(table, processed=0, length_s=10.0)
    settled = {"superseded": reason == Reason.COALESCED, "contested": reason == Reason.CONFLICT}
    assert settled == {name: counts[name] for name in settled}
    assert (not any(settled.values())) == counts["lost"]
    assert (1, 0) == (counts["sent"], counts["undelivered"])
