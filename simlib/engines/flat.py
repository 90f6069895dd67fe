"""Settings as records of numbers, which compiled code reads by the same names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

#: Room for a table of times; a longer one makes the record, and so the compiled code, another.
_ROOM = 64


def flat(settings: Sequence[Any]) -> npt.NDArray[Any]:
    """Return settings of one kind as an array of records.

    Parameters
    ----------
    settings : sequence of dataclass
        At least one; of each, numbers, enumerations, tables of times and settings inside.
    """
    records = np.zeros(len(settings), _type_of(settings))
    for record, each in zip(records, settings, strict=True):
        _fill(record, each)
    return records


def _type_of(settings: Sequence[Any]) -> np.dtype[Any]:
    parts: list[Any] = []
    for item in fields(settings[0]):
        values = [getattr(each, item.name) for each in settings]
        if is_dataclass(values[0]):
            parts.append((item.name, _type_of(values)))
        elif item.name in _WORDED:
            continue  # said again in numbers, beside
        elif isinstance(values[0], tuple):
            longest = max(map(len, values))
            room = _ROOM
            while room < longest:
                room *= 2
            parts.append((item.name, "f8", (room,)))
        elif not isinstance(values[0], str):
            # A count that may be endless is a float, as infinity is.
            parts.append((item.name, "f8" if item.type in _FLOATS else "i8"))
    return np.dtype(parts, align=True)


_FLOATS = ("float", "Count")
#: Lists with texts in them.
_WORDED = ("ends_on", "suspends_on")


def _fill(record: Any, settings: Any) -> None:
    for name in record.dtype.names:
        value = getattr(settings, name)
        if is_dataclass(value):
            _fill(record[name], value)
        elif isinstance(value, tuple):
            record[name][: len(value)] = value
        else:
            record[name] = value
