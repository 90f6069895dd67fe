"""The next event: of the current slot, or of the next one that has any, which then comes up.

A slot that comes up is put in order by the fractions of it that its events fall into, about one
event each, and within a fraction by Shell's method. Reading the times of all its clients at once
matters as much: of a million they lie all over the memory, and each would be waited for when its
turn has come; the processor waits for a dozen at once, since none depends on another.
"""

from __future__ import annotations

from math import inf

from simlib.engines.kernel.state import WAKE, Fleet, event
from simlib.engines.kernel.wheel import BLOCK, free_block, free_kept, sort


def next_s(w: Fleet) -> float:
    """Return when the next event is; inf: there is none; -1: its slot has too many for `sorted`."""
    wheel, state = w.wheel, w.wheel.state[0]
    # Only when all of a slot is over does the next one come up.
    while state.next == state.ordered and state.near == 0 and state.far > 0:
        # Asked before anything is moved, so the caller can enlarge the array and call again.
        if wheel.slots[state.slot + 1].held >= wheel.sorted.size:
            return -1.0
        state.slot += 1
        _come_up(w)
    return float(min(wheel.sorted[state.next].time_s, wheel.near[0].time_s))


def _come_up(w: Fleet) -> None:
    """Move the events of the current slot from its blocks into order."""
    state, starts, ordered = w.wheel.state[0], w.wheel.starts, w.wheel.sorted
    # A number of its own (+ 0): a field of a record would follow the record as it changes.
    held = w.wheel.slots[state.slot].held + 0
    state.far -= held
    state.next = state.ordered = 0
    for part in range(held):
        starts[part] = 0
    _count_parts(w, held)
    for part in range(held):
        before = state.ordered + 0
        state.ordered += starts[part]
        starts[part] = before
    _move(w, held)
    # By now each start is the end of its fraction, which is where the next one began.
    first = 0
    for part in range(held):
        if starts[part] > first + 1:
            sort(ordered, first, starts[part])
        first = starts[part]
    ordered[state.ordered].time_s = inf


def _count_parts(w: Fleet, held: int) -> None:
    """Count how many events fall into each fraction of the current slot."""
    wheel, state = w.wheel, w.wheel.state[0]
    block = wheel.slots[state.slot].first + 0
    for k in range(held):
        place = k & (BLOCK - 1)
        time_s = _time_s(w, int(wheel.far[BLOCK * block + place]))
        if time_s < inf:
            wheel.starts[_part_of(w, time_s, held)] += 1
        if place == BLOCK - 1:
            block = wheel.follower[block]


def _move(w: Fleet, held: int) -> None:
    """Move each event to its fraction of the current slot, in the order of adding."""
    wheel, state = w.wheel, w.wheel.state[0]
    slot = wheel.slots[state.slot]
    block = slot.first + 0
    for k in range(held):
        place = k & (BLOCK - 1)
        far = int(wheel.far[BLOCK * block + place])
        time_s = _time_s(w, far)
        if time_s < inf:
            part = _part_of(w, time_s, held)
            near = wheel.sorted[wheel.starts[part]]
            near.time_s, near.number, near.what = time_s, k, _what(w, far)
            wheel.starts[part] += 1
        if place == BLOCK - 1 or k == held - 1:
            block = free_block(wheel, block)
    slot.held = 0


def _time_s(w: Fleet, far: int) -> float:
    """Return when a far event is; inf: its client has left, and does not wake any more."""
    clients = w.wheel.state[0].clients
    if far < clients:
        return float(w.clients[far].moment_s)
    return float(w.wheel.kept[far - clients].time_s)


def _what(w: Fleet, far: int) -> int:
    """Return a far event as one number, and free its place."""
    clients = w.wheel.state[0].clients
    if far < clients:
        return event(far, int(w.clients[far].draws), WAKE)
    what = w.wheel.kept[far - clients].what + 0
    free_kept(w.wheel, far - clients)
    return int(what)


def _part_of(w: Fleet, time_s: float, parts: int) -> int:
    """Return which fraction of the current slot a moment is in: later ones in none before."""
    state = w.wheel.state[0]
    part = int((time_s * state.slots_per_s - state.slot) * parts)
    return int(min(max(part, 0), parts - 1))
