"""The events to come, in the order of time and of adding: near ones in a heap, far ones in slots.

Plain functions of numbers and arrays, so they compile. Time is divided into slots; what falls
into a later slot than the current one is only appended to that slot's blocks, and gets its order
when its slot comes up and moves into the heap. So the heap stays small, whatever the number of
events. Two events at the same moment come in the order in which they were added, as in SimPy.
"""

from __future__ import annotations

from math import inf
from typing import Any, NamedTuple

#: Events in one block.
BLOCK = 16
#: Places in `Wheel.state`.
NEAR, NUMBER, SLOT, FAR, FREE, SPARE = range(6)


class Wheel(NamedTuple):
    """Arrays of the heap, of the blocks, and of the slots; the caller sees that there is room."""

    #: The heap: when, in which order, what.
    near_s: Any
    number: Any
    what: Any
    #: The blocks, one after the other, and which block follows each.
    far_s: Any
    far: Any
    follower: Any
    #: Of each slot: its first and last block, and how many events it has.
    first: Any
    last: Any
    held: Any
    #: Events near, events ever, the current slot, events far, the first free block, free blocks.
    state: Any
    #: Slots per second; when the run ends.
    span: Any


def put(wheel: Wheel, time_s: float, what: int) -> None:
    """Add an event, unless it comes when the run is over."""
    if time_s >= wheel.span[1]:
        return
    slot = int(time_s * wheel.span[0])
    if slot <= wheel.state[SLOT] or slot >= wheel.held.size:
        _push(wheel, time_s, what)
        return
    held = wheel.held[slot]
    place = held % BLOCK
    if place == 0:
        block = wheel.state[FREE]
        wheel.state[FREE] = wheel.follower[block]
        wheel.state[SPARE] -= 1
        if held == 0:
            wheel.first[slot] = block
        else:
            wheel.follower[wheel.last[slot]] = block
        wheel.last[slot] = block
    place += BLOCK * wheel.last[slot]
    wheel.far_s[place] = time_s
    wheel.far[place] = what
    wheel.held[slot] = held + 1
    wheel.state[FAR] += 1


def next_s(wheel: Wheel) -> float:
    """Return when the next event is; inf: there is none; -1: the heap has no room for its slot."""
    while wheel.state[NEAR] == 0 and wheel.state[FAR] > 0:
        slot = wheel.state[SLOT] + 1
        if wheel.held[slot] > wheel.near_s.size - BLOCK:
            return -1.0
        wheel.state[SLOT] = slot
        _come_up(wheel, slot)
    return float(wheel.near_s[0]) if wheel.state[NEAR] > 0 else inf


def _come_up(wheel: Wheel, slot: int) -> None:
    """Move a slot's events into the heap and free its blocks."""
    held, block = wheel.held[slot], wheel.first[slot]
    for k in range(held):
        place = BLOCK * block + k % BLOCK
        _push(wheel, wheel.far_s[place], wheel.far[place])
        if k % BLOCK == BLOCK - 1 or k == held - 1:
            following = wheel.follower[block]
            wheel.follower[block] = wheel.state[FREE]
            wheel.state[FREE] = block
            wheel.state[SPARE] += 1
            block = following
    wheel.state[FAR] -= held
    wheel.held[slot] = 0


def _push(wheel: Wheel, time_s: float, what: int) -> None:
    number = wheel.state[NUMBER]
    place = wheel.state[NEAR]
    wheel.state[NEAR] += 1
    wheel.state[NUMBER] += 1
    while place > 0:
        parent = (place - 1) >> 1
        if wheel.near_s[parent] <= time_s:
            break
        _move(wheel, parent, place)
        place = parent
    wheel.near_s[place] = time_s
    wheel.number[place] = number
    wheel.what[place] = what


def pop(wheel: Wheel) -> int:
    """Remove the next event and return what it is; `next_s` has said that there is one."""
    first = wheel.what[0]
    wheel.state[NEAR] -= 1
    last = wheel.state[NEAR]
    time_s, number, what = wheel.near_s[last], wheel.number[last], wheel.what[last]
    place, child = 0, 1
    while child < last:
        if child + 1 < last and _before(wheel, child + 1, wheel.near_s[child], wheel.number[child]):
            child += 1
        if not _before(wheel, child, time_s, number):
            break
        _move(wheel, child, place)
        place, child = child, 2 * child + 1
    wheel.near_s[place] = time_s
    wheel.number[place] = number
    wheel.what[place] = what
    return int(first)


def _before(wheel: Wheel, place: int, time_s: float, number: int) -> bool:
    return bool(
        wheel.near_s[place] < time_s
        or (wheel.near_s[place] == time_s and wheel.number[place] < number)
    )


def _move(wheel: Wheel, source: int, target: int) -> None:
    wheel.near_s[target] = wheel.near_s[source]
    wheel.number[target] = wheel.number[source]
    wheel.what[target] = wheel.what[source]
