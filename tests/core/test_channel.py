from hypothesis import given
from hypothesis import strategies as st

from simlib.core.channel import Channels, Verdict
from simlib.core.events import Reason

NEXT, WHOLE = Reason.NONE, Reason.SNAPSHOT


def test_updates_are_delivered_once_and_in_order():
    channels = Channels()
    channels.follow(3, 0)
    assert (1, ((3, 0),)) == (len(channels), channels.versions())
    told = [(1, NEXT), (2, NEXT), (2, NEXT), (1, NEXT), (3, NEXT)]
    verdicts = [channels.take_push(3, *each) for each in told]
    assert [Verdict.DELIVER, Verdict.DELIVER, Verdict.IGNORE, Verdict.IGNORE, Verdict.DELIVER] == (
        verdicts
    )
    assert ((3, 3),) == channels.versions()


def test_a_gap_is_fetched_once_and_the_snapshot_stands_for_what_is_missing():
    channels = Channels()
    channels.follow(3, 1)
    assert Verdict.FETCH == channels.take_push(3, 4, NEXT)
    assert Verdict.IGNORE == channels.take_push(3, 5, NEXT)
    assert Verdict.DELIVER == channels.take_push(3, 5, WHOLE)
    assert Verdict.DELIVER == channels.take_push(3, 6, NEXT)


def test_a_lost_connection_takes_the_answer_to_the_fetch_with_it():
    channels = Channels()
    channels.follow(3, 1)
    assert Verdict.FETCH == channels.take_push(3, 4, NEXT)
    channels.interrupt()
    assert Verdict.FETCH == channels.take_push(3, 4, NEXT)


def test_a_snapshot_of_what_is_known_ends_the_fetch():
    channels = Channels()
    channels.follow(3, 1)
    assert Verdict.FETCH == channels.take_push(3, 4, NEXT)
    assert Verdict.IGNORE == channels.take_push(3, 1, WHOLE)
    assert Verdict.FETCH == channels.take_push(3, 4, NEXT)


def test_nobody_asked_for_another_channel():
    assert Verdict.IGNORE == Channels().take_push(9, 1, NEXT)


@given(st.lists(st.tuples(st.integers(1, 9), st.sampled_from([NEXT, WHOLE]))))
def test_what_is_delivered_only_grows(told):
    channels, newest = Channels(), 0
    channels.follow(0, 0)
    for version, reason in told:
        if channels.take_push(0, version, reason) == Verdict.DELIVER:
            assert version == newest + 1 or (reason == WHOLE and version > newest)
            newest = version
    assert ((0, newest),) == channels.versions()
