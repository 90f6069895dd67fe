"""The applications of a run: when each client's messages come, and what they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simlib.core import exact
from simlib.core.draws import Stream, uniform
from simlib.core.events import Priority
from simlib.scenario.workload import Arrivals, Workload

if TYPE_CHECKING:
    from simlib.engines.world import World

# Read at every message, and a member costs 0.1 us to look up on Python 3.11.
_TYPING, _CONSTANT, _BURSTS = Arrivals.TYPING, Arrivals.CONSTANT, Arrivals.BURSTS
_ARRIVAL, _PRIORITY, _NORMAL = Stream.ARRIVAL, Stream.PRIORITY, Priority.NORMAL


class TrafficGenerator:
    """Gives one client its messages, one after the other."""

    __slots__ = ("_world", "_client", "_work", "_seed", "_due_s", "_end_s", "_key")

    def __init__(self, world: World, client: int) -> None:
        self._world = world
        self._client = client
        self._work: Workload = world.scenario.workload
        self._seed = world.scenario.seed
        self._due_s = self._work.start_s
        self._end_s = min(self._work.stop_s, world.scenario.duration_s)
        #: What its messages are about.
        self._key = self._work.key_of(client)

    def begin(self) -> None:
        """Schedule the first message."""
        if self._work.arrivals == Arrivals.RECORDED:
            for time_s, priority, size_bytes in self._work.recorded:
                due_s = self._work.start_s + time_s
                if due_s < self._end_s:
                    self._world.clock.at(due_s, self._replay, priority, size_bytes)
        elif self._work.rate_per_s > 0.0:
            self._schedule(0)

    def _schedule(self, index: int) -> None:
        self._due_s += self._gap_s(index)
        if self._due_s < self._end_s:
            self._world.clock.at(self._due_s, self._send, index)

    def _gap_s(self, index: int) -> float:
        """Return the time from the message before to this one."""
        work, kind = self._work, self._work.arrivals
        gap_s = 1.0 / work.rate_per_s
        if kind == _CONSTANT:
            return gap_s * (self._draw(_ARRIVAL, 0) if index == 0 else 1.0)
        if kind == _BURSTS:
            if index % work.burst:
                return 0.0
            gap_s *= work.burst
        gap_s *= -exact.log(1.0 - self._draw(_ARRIVAL, index))
        if kind == _TYPING and index % work.burst == 0:
            pause_s = work.pause_s if index else 0.0
            gap_s -= pause_s * exact.log(1.0 - self._draw(Stream.PAUSE, index))
        return gap_s

    def _send(self, index: int) -> None:
        work, world = self._work, self._world
        if work.arrivals == _TYPING:
            world.edit(self._client, self._key, size_bytes=work.size_bytes)
        else:
            u = uniform(self._seed, self._client, _PRIORITY, index)
            self._give(self._priority(u), work.size_bytes)
        self._schedule(index + 1)

    def _replay(self, priority: Priority, size_bytes: int) -> None:
        self._give(priority, size_bytes)

    def _give(self, priority: Priority, size_bytes: int) -> None:
        expires_s = self._work.expires_after_s
        self._world.send(self._client, priority, size_bytes, expires_s, self._key)

    def _draw(self, stream: Stream, index: int) -> float:
        return uniform(self._seed, self._client, stream, index)

    def _priority(self, u: float) -> Priority:
        work = self._work
        if u < work.critical_fraction:
            return Priority.CRITICAL
        if u < work.critical_fraction + work.high_fraction:
            return Priority.HIGH
        if u < work.critical_fraction + work.high_fraction + work.low_fraction:
            return Priority.LOW
        return _NORMAL
