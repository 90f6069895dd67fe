"""Pack settings into NumPy records, which compiled code reads by the same names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np
import numpy.typing as npt

from simlib.core.errors import EngineError, SettingsError

#: Room for a table of times; a longer one makes the record, and so the compiled code, another.
_ROOM = 64


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
    records = np.zeros(len(settings), _type_of(settings))
    for record, each in zip(records, settings, strict=True):
        _fill(record, each)
    return records


def _type_of(settings: Sequence[Any]) -> np.dtype[Any]:
    parts: list[Any] = []
    kind: Any = type(settings[0])
    hints = _hints(kind)
    for item in fields(settings[0]):
        values = [getattr(each, item.name) for each in settings]
        hint = hints[item.name]
        if _is_worded(hint):
            continue
        if is_dataclass(hint):
            parts.append((item.name, _type_of(values)))
        elif hint is tuple or get_origin(hint) is tuple:
            longest = max(map(len, values))
            room = _ROOM
            while room < longest:
                room *= 2
            parts.append((item.name, "f8", (room,)))
        else:
            parts.append((item.name, _number_type(item.name, hint)))
    return np.dtype(parts, align=True)


@cache
def _hints(kind: Any) -> dict[str, Any]:
    # The types themselves: an annotation may be a text or not, and an alias (`Count`) a float.
    return get_type_hints(kind)


def _is_worded(hint: Any) -> bool:
    """Whether a setting is a text, or a list with texts in it: numbers beside it say the same."""
    return hint is str or any(map(_is_worded, get_args(hint)))


def _number_type(name: str, hint: Any) -> str:
    if hint is float:
        return "f8"
    if isinstance(hint, type) and issubclass(hint, int):
        return "i8"
    raise EngineError(f"the setting {name} of type {hint} has no place in a record: see flat.py")


def _fill(record: Any, settings: Any) -> None:
    for name in record.dtype.names:
        value = getattr(settings, name)
        if is_dataclass(value):
            try:
                _fill(record[name], value)
            except SettingsError as error:
                raise error.inside(name) from error
        elif isinstance(value, tuple):
            record[name][: len(value)] = value
        else:
            _store(record, name, value)


def _store(record: Any, name: str, value: Any) -> None:
    """Store a number, and see that it is the same number still."""
    try:
        record[name] = value
    except OverflowError:
        fits = False
    else:
        fits = record[name] == value
    if not fits:
        rule = "has no room in compiled code, which holds whole numbers below 2**63"
        raise SettingsError(name, value, rule)
