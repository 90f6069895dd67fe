"""What stands on a user's board, and what ends it."""

import pytest

from simlib.core.errors import MisuseError
from simlib.core.events import Reason
from simlib.core.notices import OPENING_CLEARS, WORDINGS, Board, Level, Notice, merge_notices


def board(*posts: tuple[Reason, float]) -> Board:
    filled = Board()
    for reason, now in posts:
        filled.post(reason, now)
    return filled


def reasons(filled: Board) -> list[Reason]:
    return [notice.reason for notice in filled.standing()]


def test_every_reason_that_is_a_notice_has_words():
    of_links = {Reason.GAVE_UP, Reason.TRIPPED, Reason.MENDED, Reason.BUDGET}
    of_transports = {Reason.FELL_BACK, Reason.RETURNED, Reason.OFFLINE, Reason.ONLINE}
    of_others = {Reason.SIGN_IN, Reason.SIGNED_IN, Reason.CONFLICT, Reason.QUOTA}
    assert of_links | of_transports | of_others == WORDINGS.keys()


def test_every_word_is_a_sentence():
    for wording in WORDINGS.values():
        for text in (wording.text, wording.advice):
            assert text.endswith(".")
            assert text[0].isupper()


def test_what_stands_can_be_cleared_but_for_what_only_the_user_can_settle():
    clearing = {reason for wording in WORDINGS.values() for reason in wording.clears}
    standing = {reason for reason, wording in WORDINGS.items() if wording.stands}
    assert {Reason.CONFLICT, Reason.QUOTA} == standing - clearing - set(OPENING_CLEARS)
    assert clearing | set(OPENING_CLEARS) <= standing


def test_what_does_not_stand_is_there_to_clear():
    for wording in WORDINGS.values():
        assert wording.stands or (wording.clears and wording.level == Level.INFO)


def test_a_notice_that_comes_again_is_merged():
    filled = board((Reason.TRIPPED, 3.0), (Reason.OFFLINE, 4.0), (Reason.TRIPPED, 9.0))
    assert [
        Notice(Reason.TRIPPED, first_s=3.0, last_s=9.0, count=2),
        Notice(Reason.OFFLINE, first_s=4.0, last_s=4.0, count=1),
    ] == filled.standing()


@pytest.mark.parametrize(
    ("trouble", "recovery"),
    [
        (Reason.TRIPPED, Reason.MENDED),
        (Reason.GAVE_UP, Reason.MENDED),
        (Reason.FELL_BACK, Reason.RETURNED),
        (Reason.GAVE_UP, Reason.RETURNED),
        (Reason.SIGN_IN, Reason.SIGNED_IN),
        (Reason.OFFLINE, Reason.ONLINE),
    ],
    ids=lambda reason: reason.name,
)
def test_recovery_clears_trouble_and_does_not_stand_itself(trouble, recovery):
    assert [] == board((trouble, 1.0), (recovery, 2.0)).standing()
    # Counted afresh when it comes back.
    again = board((trouble, 1.0), (recovery, 2.0), (trouble, 5.0))
    assert [Notice(trouble, 5.0, 5.0, 1)] == again.standing()


def test_recovery_leaves_other_troubles():
    filled = board((Reason.FELL_BACK, 1.0), (Reason.CONFLICT, 2.0), (Reason.MENDED, 3.0))
    assert [Reason.CONFLICT, Reason.FELL_BACK] == reasons(filled)


def test_giving_up_ends_the_promise_of_a_next_attempt():
    filled = board((Reason.BUDGET, 1.0), (Reason.TRIPPED, 2.0), (Reason.GAVE_UP, 2.0))
    assert [Reason.GAVE_UP] == reasons(filled)


def test_an_open_connection_clears_what_it_disproves_and_no_more():
    standing = [reason for reason, wording in WORDINGS.items() if wording.stands]
    for reason in standing:
        filled = board((reason, 1.0))
        filled.clear_at_open()
        assert ([] if reason in OPENING_CLEARS else [reason]) == reasons(filled)


def test_the_worst_comes_first_then_the_latest():
    filled = board((Reason.GAVE_UP, 1.0), (Reason.FELL_BACK, 2.0), (Reason.OFFLINE, 3.0))
    assert [Reason.GAVE_UP, Reason.OFFLINE, Reason.FELL_BACK] == reasons(filled)


def test_boards_of_many_clients_are_one_with_how_many_have_each():
    boards = [
        board((Reason.FELL_BACK, 4.0), (Reason.FELL_BACK, 6.0)),
        board((Reason.FELL_BACK, 2.0), (Reason.GAVE_UP, 5.0)),
        board((Reason.FELL_BACK, 1.0), (Reason.RETURNED, 3.0)),
    ]
    assert [
        Notice(Reason.GAVE_UP, 5.0, 5.0, count=1, clients=1),
        Notice(Reason.FELL_BACK, 2.0, 6.0, count=3, clients=2),
    ] == merge_notices(boards)
    assert [] == merge_notices([])


def test_a_notice_is_one_of_one_client_unless_more_is_known():
    one = Notice(Reason.TRIPPED, 1.0, 2.0)
    assert (1, 1) == (one.count, one.clients)


def test_what_is_no_notice_is_a_mistake():
    with pytest.raises(MisuseError, match="refused is not a notice to the user"):
        Board().post(Reason.REFUSED, 1.0)
