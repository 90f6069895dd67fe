"""Events and commands are values: equal to their like alone, hashable, never changed."""

import copy
import inspect
import pickle
from dataclasses import FrozenInstanceError
from math import inf

import pytest

from simlib.core import events as ev
from simlib.core.events import NONE, Reason
from simlib.core.immutable import Immutable

KINDS = [kind for _, kind in inspect.getmembers(ev, inspect.isclass) if issubclass(kind, Immutable)]
KINDS.remove(Immutable)


def made(kind: type[Immutable]) -> Immutable:
    """An object of a kind, its fields numbered."""
    return kind(*range(len(kind.__match_args__)))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_what_all_kinds_do(kind):
    first, fields = made(kind), kind.__match_args__
    assert list(range(len(fields))) == [getattr(first, field) for field in fields]
    assert first == made(kind) == kind(**{field: i for i, field in enumerate(fields)})
    assert hash(first) == hash(made(kind))
    assert first
    assert first == copy.deepcopy(first) == pickle.loads(pickle.dumps(first))
    assert not hasattr(first, "__dict__")
    assert (
        f"{kind.__name__}({', '.join(f'{field}={i}' for i, field in enumerate(fields))})"
        == repr(first)
    )
    for i in range(len(fields)):
        other = [*range(i), -1, *range(i + 1, len(fields))]
        assert first != kind(*other)


def test_there_are_kinds():
    assert len(KINDS) > 50


def test_kinds_with_equal_fields_differ():
    assert ev.Opened(1) != ev.Ponged(1)
    assert ev.Start() != ev.Stop()
    assert 2 == len({ev.Opened(1), ev.Ponged(1), ev.Opened(1)})


def test_no_field_can_be_set_or_deleted_and_no_other_added():
    event = ev.Failed(1, Reason.REFUSED)
    for name in ("connection", "other"):
        with pytest.raises(FrozenInstanceError, match=f"cannot assign to field '{name}'"):
            setattr(event, name, 2)
    with pytest.raises(FrozenInstanceError, match="cannot delete field 'code'"):
        del event.code
    assert ev.Failed(1, Reason.REFUSED) == event


def test_a_copy_may_differ_in_some_fields():
    message = ev.Message(7, size_bytes=5)
    assert ev.Message(7, size_bytes=5, base=3) == message.replace(base=3)
    assert ev.Message(7, size_bytes=5) == message
    with pytest.raises(TypeError, match="unexpected keyword argument 'bass'"):
        message.replace(bass=3)


def test_defaults_hold_by_position_and_by_name():
    assert (0.0, 0) == (ev.Failed(1, Reason.RESET).hint_s, ev.Failed(1, Reason.RESET).code)
    assert 503 == ev.Failed(1, Reason.REJECTED, code=503).code
    assert NONE == ev.Message(7).key


@pytest.mark.parametrize("given", [{}, {"connection": 1, "other": 2}])
def test_a_wrong_argument_is_refused_by_the_first_object_and_by_all_others(given):
    class Fresh(Immutable):
        connection: int

    for _ in range(2):
        with pytest.raises(TypeError, match=r"__init__\(\) (missing 1|got an unexpected)"):
            Fresh(**given)
        assert 1 == Fresh(1).connection


def test_a_kind_is_matched_by_its_fields_in_order():
    match ev.Lost(4, Reason.CLOSED, 1.5, 1013):
        case ev.Lost(connection, Reason.CLOSED, hint_s, code=1013):
            assert (4, 1.5) == (connection, hint_s)
        case _:
            pytest.fail("was not matched")


def test_what_is_left_out_is_nothing_none_or_never():
    """A host names what it knows; the rest must not say anything."""
    nothing = {
        "hint_s": 0.0, "version": NONE, "code": 0, "reason": Reason.NONE, "key": NONE, "base": NONE,
        "channels": (), "pushes": (), "post": None, "signs_in": False, "save_data": False,
        "rtt_s": 0.0, "downlink_bytes_per_s": 0, "signed_in_s": inf, "expires_s": inf,
        "created_s": 0.0, "lifetime_s": 0.0, "size_bytes": 100, "priority": ev.Priority.NORMAL,
    }  # fmt: skip
    left_out = {
        (kind.__name__, field): value for kind in KINDS for field, value in kind._defaults.items()
    }
    # Who begins to follow a channel has seen nothing of it.
    expected = {each: nothing[each[1]] for each in left_out} | {("Follow", "version"): 0}
    assert expected == left_out
    assert (-1, 0) == (NONE, Reason.NONE)
