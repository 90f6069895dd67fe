from math import inf

import pytest

from simlib.core.polling import Polling


@pytest.fixture
def polling():
    """Polls every 5 s, each with 10 s of patience; begun at 100 s."""
    polling = Polling(5.0, 10.0)
    polling.begin(100.0)
    return polling


def test_it_does_nothing_until_it_begins():
    assert inf == Polling(5.0, 10.0).deadline_s


def test_the_first_poll_is_due_at_once_and_proves_nothing_yet(polling):
    assert (100.0, False) == (polling.deadline_s, polling.reachable)


def test_a_poll_waits_for_its_answer_with_patience(polling):
    polling.begin_poll(100.0, 7)
    assert (7, inf, 110.0) == (polling.connection, polling.due_s, polling.deadline_s)


@pytest.mark.parametrize(
    ("now", "hint_s", "due_s"),
    [
        pytest.param(100.1, 0.0, 105.0, id="one interval after it was sent"),
        pytest.param(108.0, 0.0, 108.0, id="at once when the answer took longer"),
        pytest.param(100.1, 60.0, 160.1, id="at the server's hint"),
    ],
)
@pytest.mark.parametrize("works", [True, False])
def test_the_next_poll(polling, now, hint_s, due_s, works):
    polling.begin_poll(100.0, 7)
    polling.take_answer(now, works, hint_s)
    assert (0, works) == (polling.connection, polling.reachable)
    assert (due_s, inf) == (polling.deadline_s, polling.timeout_s)


def test_a_failed_poll_takes_back_what_an_earlier_one_proved(polling):
    polling.begin_poll(100.0, 7)
    polling.take_answer(101.0, True, 0.0)
    polling.begin_poll(105.0, 8)
    assert polling.reachable
    polling.take_answer(106.0, False, 0.0)
    assert not polling.reachable


def test_it_ends(polling):
    polling.begin_poll(100.0, 7)
    polling.end()
    assert (0, False, inf) == (polling.connection, polling.reachable, polling.deadline_s)


def test_a_second_beginning_proves_nothing_again(polling):
    polling.begin_poll(100.0, 7)
    polling.take_answer(101.0, True, 0.0)
    polling.end()
    polling.begin(200.0)
    assert (200.0, False) == (polling.deadline_s, polling.reachable)
