from math import inf

from simlib.core.draft import DraftRules, Drafts
from simlib.core.events import Message


def edit(number: int, base: int = 0) -> Message:
    return Message(number, key=5, base=base)


def drafts() -> Drafts:
    return Drafts(DraftRules(debounce_s=1, longest_s=3))


def test_an_edit_leaves_when_the_typing_pauses():
    typed = drafts()
    assert inf == typed.deadline_s
    assert (edit(0), None) == typed.edit(edit(0), 0.0)
    assert 1.0 == typed.deadline_s
    assert (edit(1), edit(0)) == typed.edit(edit(1), 0.6)
    assert [] == typed.leaving(1.5)
    assert [edit(1)] == typed.leaving(1.6)
    assert (inf, []) == (typed.deadline_s, typed.messages())


def test_who_types_on_is_synced_all_the_same():
    typed = drafts()
    for tenth in range(30):
        typed.edit(edit(tenth), tenth / 10)
    assert 3.0 == typed.deadline_s


def test_one_edit_of_a_draft_is_on_its_way_and_the_next_is_made_on_its_version():
    typed = drafts()
    typed.edit(edit(0), 0.0)
    typed.leaving(1.0)
    held, _ = typed.edit(edit(1), 1.5)
    assert 0 == held.base
    assert [] == typed.leaving(9.0)
    assert edit(1, base=1) == typed.end(edit(0), 1, accepted=True)
    assert [edit(1, base=1)] == typed.leaving(9.0)
    assert typed.end(edit(1, base=1), 2, accepted=True) is None
    assert 2 == typed.edit(edit(2), 10.0)[0].base


def test_a_version_from_elsewhere_does_not_rebase_what_was_typed_before_it():
    typed = drafts()
    typed.edit(edit(0), 0.0)
    typed.note_version(5, 4)
    typed.note_version(6, 9)
    assert [edit(0)] == typed.leaving(1.0)
    typed.edit(edit(1), 1.5)
    # A conflict: what was typed since was typed on the older text too.
    assert typed.end(edit(0), 4, accepted=False) is None
    assert [edit(1, base=4)] == typed.leaving(9.0)


def test_what_is_not_on_its_way_cannot_end():
    typed = drafts()
    typed.edit(edit(0), 0.0)
    assert typed.end(edit(0), 1, accepted=True) is None
    assert typed.end(Message(3, key=8, base=0), 1, accepted=True) is None
    assert [edit(0)] == typed.messages()


def test_what_an_earlier_life_saved_leaves_at_once_and_the_newest_stands_for_all():
    typed = drafts()
    assert typed.restore(edit(3, base=7), 5.0) is None
    assert edit(3, base=7) == typed.restore(edit(4, base=7), 5.0)
    assert [edit(4, base=7)] == typed.leaving(5.0)
    assert 7 == typed.edit(edit(5), 5.5)[0].base
