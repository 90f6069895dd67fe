"""The events to come of a fleet: a binary heap in arrays, in the order of time and of adding.

Plain functions of numbers and arrays, so they compile; two events at the same moment come in the
order in which they were added, as in SimPy.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Heap(NamedTuple):
    """Arrays of one length; ``size[0]`` is how many events there are, ``size[1]`` ever were."""

    time_s: Any
    number: Any
    what: Any
    size: Any


def push(heap: Heap, time_s: float, what: int) -> None:
    """Add an event; the caller has seen that there is room."""
    number = heap.size[1]
    place = heap.size[0]
    heap.size[0] += 1
    heap.size[1] += 1
    while place > 0:
        parent = (place - 1) >> 1
        if heap.time_s[parent] <= time_s:
            break
        _move(heap, parent, place)
        place = parent
    heap.time_s[place] = time_s
    heap.number[place] = number
    heap.what[place] = what


def pop(heap: Heap) -> int:
    """Remove the first event and return what it is; there must be one."""
    first = heap.what[0]
    heap.size[0] -= 1
    last = heap.size[0]
    time_s, number, what = heap.time_s[last], heap.number[last], heap.what[last]
    place, child = 0, 1
    while child < last:
        if child + 1 < last and _before(heap, child + 1, heap.time_s[child], heap.number[child]):
            child += 1
        if not _before(heap, child, time_s, number):
            break
        _move(heap, child, place)
        place, child = child, 2 * child + 1
    heap.time_s[place] = time_s
    heap.number[place] = number
    heap.what[place] = what
    return int(first)


def _before(heap: Heap, place: int, time_s: float, number: int) -> bool:
    return bool(
        heap.time_s[place] < time_s
        or (heap.time_s[place] == time_s and heap.number[place] < number)
    )


def _move(heap: Heap, source: int, target: int) -> None:
    heap.time_s[target] = heap.time_s[source]
    heap.number[target] = heap.number[source]
    heap.what[target] = heap.what[source]
