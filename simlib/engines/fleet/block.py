"""The headers of a run's arrays in one block of memory, whose address compiled code is given."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

WORD_BYTES = 8


class Block:
    """The headers of a named tuple of arrays; it keeps the arrays alive."""

    def __init__(self, arrays: Any) -> None:
        self._arrays = arrays
        self._words = np.array([word for array in leaves(arrays) for word in _header(array)], "i8")
        #: Where it lies.
        self.address = int(self._words.ctypes.data)


def leaves(arrays: Any) -> Iterator[Any]:
    """Return the arrays of a named tuple, and of the tuples within it, in their order."""
    for array in arrays:
        if isinstance(array, tuple):
            yield from leaves(array)
        else:
            yield array


def words_of_header(dimensions: int) -> int:
    """Return the size of an array's header."""
    return 5 + 2 * dimensions


def _header(array: Any) -> list[int]:
    """Return an array's header as numba lays it out; nobody owns it, as nothing is freed."""
    place = array.ctypes.data
    return [0, 0, array.size, array.itemsize, place, *array.shape, *array.strides]
