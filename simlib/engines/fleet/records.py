"""Pack settings into NumPy records, which compiled code reads by the same names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np
import numpy.typing as npt

from simlib.core.errors import EngineError, SettingsError

#: Room for a table of times; a longer one makes the record, and so the compiled code, another.
_ROOM = 64
#: Compiled code holds whole numbers below this.
_END = 2**63


def flat(settings: Sequence[Any]) -> npt.NDArray[Any]:
    """Return settings of one kind as an array of records.

    Parameters
    ----------
    settings : sequence of dataclass
        At least one; of each, numbers, enumerations, tables of times and settings inside. Texts,
        and lists with texts in them, are left out.

    Raises
    ------
    SettingsError
        If a number has no room in its record, or would become another one there.
    EngineError
        If a setting is of a type that records have no place for.
    """
    kind: Any = type(settings[0])
    rooms = tuple(map(_room, zip(*(_lengths(kind, policy) for policy in settings), strict=True)))
    records = np.zeros(len(settings), _layout(kind, rooms))
    for i, policy in enumerate(settings):
        records[i] = _numbers(kind, policy, iter(rooms))
    return records


# What a kind has is worked out once: a study packs the same few kinds thousands of times.


@cache
def _items(kind: Any) -> tuple[tuple[str, Any], ...]:
    """Return what a kind of settings has a place for: float, int, tuple, or the kind inside."""
    # The types themselves: an annotation may be a text or not, and an alias (`Count`) a float.
    hints = get_type_hints(kind)
    names = [item.name for item in fields(kind) if not _is_worded(hints[item.name])]
    return tuple((name, _item_kind(name, hints[name])) for name in names)


def _is_worded(hint: Any) -> bool:
    """Whether a setting is a text, or a list with texts in it: numbers beside it say the same."""
    return hint is str or any(map(_is_worded, get_args(hint)))


def _item_kind(name: str, hint: Any) -> Any:
    if is_dataclass(hint) or hint is float:
        return hint
    if hint is tuple or get_origin(hint) is tuple:
        return tuple
    if isinstance(hint, type) and issubclass(hint, int):
        return int
    raise EngineError(f"the setting {name} of type {hint} has no place in a record: see records.py")


@cache
def _layout(kind: Any, rooms: tuple[int, ...]) -> np.dtype[Any]:
    return _layout_of(kind, iter(rooms))


def _layout_of(kind: Any, rooms: Iterator[int]) -> np.dtype[Any]:
    parts: list[Any] = []
    for name, item in _items(kind):
        if item is tuple:
            parts.append((name, "f8", (next(rooms),)))
        else:
            plain = {float: "f8", int: "i8"}.get(item)
            parts.append((name, plain or _layout_of(item, rooms)))
    return np.dtype(parts, align=True)


def _lengths(kind: Any, settings: Any) -> Iterator[int]:
    """Yield the length of every table, those of settings inside in their place."""
    for name, item in _items(kind):
        if item is tuple:
            yield len(getattr(settings, name))
        elif item is not float and item is not int:
            yield from _lengths(item, getattr(settings, name))


def _room(lengths: Sequence[int]) -> int:
    room = _ROOM
    while room < max(lengths):
        room *= 2
    return room


def _numbers(kind: Any, settings: Any, rooms: Iterator[int]) -> tuple[Any, ...]:
    """Return the numbers of a record, those of settings inside as a tuple in their place."""
    numbers: list[Any] = []
    for name, item in _items(kind):
        value = getattr(settings, name)
        if item is float or item is int:
            numbers.append(_number(name, item, value))
        elif item is tuple:
            numbers.append((*value, *[0.0] * (next(rooms) - len(value))))
        else:
            try:
                numbers.append(_numbers(item, value, rooms))
            except SettingsError as error:
                raise error.inside(name) from error
    return tuple(numbers)


def _number(name: str, kind: Any, value: Any) -> float:
    """Return a number as its record holds it, and see that it is the same number still."""
    try:
        number: float = kind(value)
    except OverflowError:
        fits = False
    else:
        fits = number == value and (kind is float or -_END <= number < _END)
    if not fits:
        rule = "has no room in compiled code, which holds whole numbers below 2**63"
        raise SettingsError(name, value, rule)
    return number
