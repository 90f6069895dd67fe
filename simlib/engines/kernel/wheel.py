"""The events to come, in the order of time and of adding: near ones in a heap, far ones in slots.

Plain functions of numbers and arrays, so they compile. Time is divided into slots; what falls
into a later slot than the current one is only appended to that slot's blocks, and gets its order
when its slot comes up and moves into the heap. So the heap stays small, whatever the number of
events. Two events at the same moment come in the order in which they were added, as in SimPy.
"""

from __future__ import annotations

from math import inf
from typing import Any, NamedTuple

# The queue is a calendar queue (R. Brown, CACM 31, 1988) of which only the current slot is in
# order: as a binary heap. A plain heap of a million events takes twenty comparisons an event, each
# a miss of the cache; this one takes an append, and a few comparisons in a heap that stays in
# cache. Invariant: an event of the current slot or an earlier one is in the heap, all others are in
# the blocks of their slots. So the heap's first event is the next of all, unless the heap is empty.
#: Events in one block: a power of two.
#: With 16 bytes an event, a block is four lines of the cache.
BLOCK = 16
#: An event in the heap, one in a block; a slot's first and last block, and how many events it has.
NEAR = [("time_s", "f8"), ("number", "i8"), ("what", "i8")]
FAR = [("time_s", "f8"), ("what", "i8")]
# Far events need no number: a block keeps the order in which they were added.
SLOT = [("first", "i4"), ("last", "i4"), ("held", "i8")]
#: Events near, events far, events ever; the current slot; the first free block, free blocks.
STATE = [
    ("near", "i8"), ("far", "i8"), ("number", "i8"), ("slot", "i8"), ("free", "i8"),
    ("spare", "i8"), ("slots_per_s", "f8"), ("end_s", "f8"),
]  # fmt: skip


class Wheel(NamedTuple):
    """The events to come; the caller sees that there is room."""

    state: Any
    near: Any
    #: Blocks, one after the other, and which block follows each.
    far: Any
    follower: Any
    slots: Any


def is_full(wheel: Wheel, more: int) -> bool:
    """Whether ``more`` further events might find no room, near or far."""
    state = wheel.state[0]
    return bool(state.near + more >= wheel.near.size or state.spare <= blocks_for(wheel, more))


def blocks_for(wheel: Wheel, more: int) -> int:
    """Return how many blocks ``more`` events begin at most: one each, or one a slot and full."""
    return int(min(more, wheel.slots.size + more // BLOCK + 1))


def put(wheel: Wheel, time_s: float, what: int) -> None:
    """Add an event, unless it comes when the run is over."""
    state = wheel.state[0]
    if time_s >= state.end_s:
        return
    # Of the current slot or earlier: it may come before what the heap holds. Behind the last slot
    # (by rounding): the heap takes it, which is right for any time, only slower.
    # The same product gives the same slot for the same time, so equal times never part.
    number = int(time_s * state.slots_per_s)
    if number <= state.slot or number >= wheel.slots.size:
        _push(wheel, time_s, what)
        return
    slot = wheel.slots[number]
    place = slot.held & (BLOCK - 1)
    if place == 0:
        # Blocks are a linked list through `follower`: the free ones, and those of each slot. So a
        # slot holds any number of events, and no slot has room set aside for it.
        block = state.free
        state.free = wheel.follower[block]
        state.spare -= 1
        if slot.held == 0:
            slot.first = block
        else:
            wheel.follower[slot.last] = block
        slot.last = block
    event = wheel.far[place + BLOCK * slot.last]
    event.time_s = time_s
    event.what = what
    slot.held += 1
    state.far += 1


def next_s(wheel: Wheel) -> float:
    """Return when the next event is; inf: there is none; -1: the heap has no room for its slot."""
    state = wheel.state[0]
    # Only an empty heap lets the next slot come up: as long as it holds an event, that comes first.
    while state.near == 0 and state.far > 0:
        # Asked before anything is moved, so the caller can enlarge the heap and call again.
        if wheel.slots[state.slot + 1].held > wheel.near.size - BLOCK:
            return -1.0
        state.slot += 1
        _come_up(wheel)
    return float(wheel.near[0].time_s) if state.near > 0 else inf


def _come_up(wheel: Wheel) -> None:
    """Move the current slot's events into the heap and free its blocks."""
    state, slot = wheel.state[0], wheel.slots[wheel.state[0].slot]
    # A number of its own (+ 0): a field of a record would follow the record as it changes.
    block = slot.first + 0
    # In the order of adding, so that numbers given now keep it for events at the same moment.
    for k in range(slot.held):
        event = wheel.far[BLOCK * block + (k & (BLOCK - 1))]
        _push(wheel, event.time_s, event.what)
        if k & (BLOCK - 1) == BLOCK - 1 or k == slot.held - 1:
            following = wheel.follower[block]
            wheel.follower[block] = state.free
            state.free = block
            state.spare += 1
            block = following
    state.far -= slot.held
    slot.held = 0


def _push(wheel: Wheel, time_s: float, what: int) -> None:
    state, near = wheel.state[0], wheel.near
    # By time alone: this event has the highest number so far, so among equals it comes last.
    place = state.near
    while place > 0:
        parent = (place - 1) >> 1
        if near[parent].time_s <= time_s:
            break
        _set(near[place], near[parent].time_s, near[parent].number, near[parent].what)
        place = parent
    _set(near[place], time_s, state.number, what)
    state.near += 1
    state.number += 1


def pop(wheel: Wheel) -> int:
    """Remove the next event and return it; `next_s` has found that there is one."""
    state, near = wheel.state[0], wheel.near
    first = near[0].what
    # The last event sinks from the top to its place.
    state.near -= 1
    size = state.near
    time_s, number, what = near[size].time_s, near[size].number, near[size].what
    place, child = 0, 1
    while child < size:
        if child + 1 < size and _before(near[child + 1], near[child].time_s, near[child].number):
            child += 1
        if not _before(near[child], time_s, number):
            break
        _set(near[place], near[child].time_s, near[child].number, near[child].what)
        place, child = child, 2 * child + 1
    _set(near[place], time_s, number, what)
    return int(first)


def _before(event: Any, time_s: float, number: int) -> bool:
    return bool(event.time_s < time_s or (event.time_s == time_s and event.number < number))


def _set(event: Any, time_s: float, number: int, what: int) -> None:
    event.time_s = time_s
    event.number = number
    event.what = what
