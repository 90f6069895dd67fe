"""The events to come: of the current slot of time in order, later ones in their slots' blocks.

Plain functions of numbers and arrays, so they compile. Time is divided into slots; what falls
into a later slot than the current one is only appended to that slot's blocks, and gets its order
when its slot comes up (`upcoming.py`). Two events at the same moment come in the order in which
they were added, as in SimPy.
"""

from __future__ import annotations

from math import inf
from typing import Any, NamedTuple

# The queue is a calendar queue (R. Brown, CACM 31, 1988) of which only the current slot is in
# order. A plain heap of a million events takes twenty comparisons an event, each a miss of the
# cache; this one takes an append, and a sort by fractions of the slot when it comes up.
# Invariant: what was in the slot when it came up is in `sorted`, what was added to it since (or to
# an earlier slot) is in the heap `near`, and all others are in the blocks of their slots. So the
# next event is the first of those two, unless both are empty; at the same moment it is that of
# `sorted`, since it was added before.
#: Events in one block: a power of two. With 4 bytes an event, a block is a line of the cache.
BLOCK = 16
#: An event of the current slot, and one that is kept; a slot's first and last block, and how many
#: events it has.
NEAR = [("time_s", "f8"), ("number", "i8"), ("what", "i8")]
KEPT = [("time_s", "f8"), ("what", "i8")]
SLOT = [("first", "i4"), ("last", "i4"), ("held", "i4")]
# In a block an event is one number of 4 bytes: a client, whose record says when it wakes; or, above
# all clients, a place in `kept`. Nearly all events are such wakes.
FAR = "i4"
#: Places in `kept` are numbered below this, so that behind all clients they fit into `FAR`.
MOST_KEPT = 1 << 30
#: Events in the heap, sorted events and the next of them, events far, events ever; the current
#: slot; the first free block, free blocks; the first free place of those kept, free places.
STATE = [
    ("near", "i8"), ("ordered", "i8"), ("next", "i8"), ("far", "i8"), ("number", "i8"),
    ("slot", "i8"), ("free", "i8"), ("spare", "i8"), ("place", "i8"), ("places", "i8"),
    ("clients", "i8"), ("slots_per_s", "f8"), ("end_s", "f8"),
]  # fmt: skip


class Wheel(NamedTuple):
    """The events to come; the caller sees that there is room."""

    state: Any
    #: A heap; empty, its first event is at infinity.
    near: Any
    #: Behind the last there is one at infinity.
    sorted: Any
    #: Where each fraction of the current slot begins in `sorted`, while that is filled.
    starts: Any
    #: Blocks, one after the other, and which block follows each.
    far: Any
    follower: Any
    slots: Any
    #: Events whose client does not say when they are; a free place names the next free one.
    kept: Any


def is_full(wheel: Wheel, more: int) -> bool:
    """Whether ``more`` further events might find no room."""
    state = wheel.state[0]
    return bool(
        state.near + more >= wheel.near.size
        or state.spare <= blocks_for(wheel, more)
        or state.places <= more
    )


def blocks_for(wheel: Wheel, more: int) -> int:
    """Return how many blocks ``more`` events begin at most: one each, or one a slot and full."""
    return int(min(more, wheel.slots.size + more // BLOCK + 1))


def put(wheel: Wheel, time_s: float, what: int) -> None:
    """Add an event, unless it comes when the run is over."""
    state = wheel.state[0]
    slot = _slot_of(wheel, time_s)
    if slot < 0:
        return
    if slot <= state.slot:
        _push(wheel, time_s, what)
        return
    place = state.place + 0
    event = wheel.kept[place]
    state.place = event.what
    state.places -= 1
    event.time_s = time_s
    event.what = what
    _append(wheel, slot, state.clients + place)


def put_wake(wheel: Wheel, time_s: float, what: int, client: int) -> None:
    """Add the wake of a client, whose record says when it is as long as it is to come."""
    slot = _slot_of(wheel, time_s)
    if slot < 0:
        return
    if slot <= wheel.state[0].slot:
        _push(wheel, time_s, what)
    else:
        _append(wheel, slot, client)


def _slot_of(wheel: Wheel, time_s: float) -> int:
    """Return the slot of a moment; -1: the run is over by then."""
    state = wheel.state[0]
    if time_s >= state.end_s:
        return -1
    # The same product gives the same slot for the same time, so equal times never part.
    return int(min(int(time_s * state.slots_per_s), wheel.slots.size - 1))


def _append(wheel: Wheel, number: int, event: int) -> None:
    """Add an event to the blocks of a later slot."""
    state, slot = wheel.state[0], wheel.slots[number]
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
    wheel.far[place + BLOCK * slot.last] = event
    slot.held += 1
    state.far += 1


def free_block(wheel: Wheel, block: int) -> int:
    """Free a block; return the one that followed it."""
    state = wheel.state[0]
    following = wheel.follower[block]
    wheel.follower[block] = state.free
    state.free = block
    state.spare += 1
    return int(following)


def free_kept(wheel: Wheel, place: int) -> None:
    """Free the place of an event that was kept."""
    state = wheel.state[0]
    wheel.kept[place].what = state.place
    state.place = place
    state.places += 1


def pop(wheel: Wheel) -> int:
    """Remove the next event and return it; `upcoming.next_s` has found that there is one."""
    state = wheel.state[0]
    event = wheel.sorted[state.next]
    if event.time_s <= wheel.near[0].time_s:
        state.next += 1
        return int(event.what)
    return _pop_near(wheel)


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


def _pop_near(wheel: Wheel) -> int:
    state, near = wheel.state[0], wheel.near
    first = near[0].what
    # The last event sinks from the top to its place.
    state.near -= 1
    size = state.near
    time_s, number, what = near[size].time_s, near[size].number, near[size].what
    place, child = 0, 1
    while child < size:
        if child + 1 < size and _before(
            near[child + 1].time_s, near[child + 1].number, near[child]
        ):
            child += 1
        if _before(time_s, number, near[child]):
            break
        _set(near[place], near[child].time_s, near[child].number, near[child].what)
        place, child = child, 2 * child + 1
    _set(near[place], time_s if size > 0 else inf, number, what)
    return int(first)


def sort(events: Any, first: int, end: int) -> None:
    """Sort the events of a range by time and number, by Shell's method: there are few as a rule."""
    # Knuth's gaps 1, 4, 13 ... (The Art of Computer Programming, 5.2.1).
    gap = 1
    while gap < (end - first) // 3:
        gap = 3 * gap + 1
    while gap > 0:
        for k in range(first + gap, end):
            time_s, number, what = events[k].time_s, events[k].number, events[k].what
            place = k
            while place >= first + gap and _before(time_s, number, events[place - gap]):
                other = events[place - gap]
                _set(events[place], other.time_s, other.number, other.what)
                place -= gap
            _set(events[place], time_s, number, what)
        gap //= 3


def _before(time_s: float, number: int, other: Any) -> bool:
    # The number breaks ties, as SimPy's event id does: a heap gives equal moments in any order.
    return bool(time_s < other.time_s or (time_s == other.time_s and number < other.number))


def _set(event: Any, time_s: float, number: int, what: int) -> None:
    event.time_s = time_s
    event.number = number
    event.what = what
