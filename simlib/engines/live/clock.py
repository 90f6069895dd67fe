"""The wall clock: a SimPy environment on the asyncio loop, the same for a bare server, standstills.

A standstill is a time in which a process could not act: its event loop was busy, or the machine
ran another process. A ticking timer measures it, since it delays timers and sockets alike.
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from math import inf
from typing import Any, TypeVar

import simpy
from simpy.events import NORMAL, EventPriority

from simlib.engines.driver import Alarm
from simlib.engines.sim_clock import SimClock

_T = TypeVar("_T")

#: Time between two ticks.
TICK_S = 0.02
#: What is shorter is noise.
_SHORTEST_STANDSTILL_S = 0.001


class WallClock(SimClock):
    """A SimPy environment whose time is the asyncio loop's.

    Processes of a user's own run unchanged; `late_s` collects how late each step was.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, began_s: float = inf) -> None:
        super().__init__()
        self._loop = loop
        #: The loop's time at the beginning of the run; inf: it has not begun.
        self.began_s = began_s
        self.late_s = array("d")
        self.failed: asyncio.Future[None] = loop.create_future()
        self._handle: asyncio.TimerHandle | None = None
        self._armed_s = inf

    @property
    def now_s(self) -> float:
        """Seconds since the run began; -inf before that."""
        return self._loop.time() - self.began_s

    def begin(self, began_s: float) -> None:
        """Begin the run at a time of the loop; what was scheduled before counts from it."""
        self.began_s = began_s
        self._arm()

    def at(self, time_s: float, function: Callable[..., None], *arguments: Any) -> None:
        """Call a function at a moment; as soon as possible if it has passed."""
        super().at(time_s, function, *arguments)
        self._arm()

    def enqueue(self, entry: tuple[Any, ...]) -> None:
        """Put an alarm into the queue."""
        super().enqueue(entry)
        self._arm()

    def schedule(
        self, event: simpy.Event, priority: EventPriority = NORMAL, delay: float = 0
    ) -> None:
        """Schedule a SimPy event; what happens outside happens at the clock's time."""
        if not self._stepping:
            self._now = max(self._now, self.now_s)
        super().schedule(event, priority, delay)
        self._arm()

    _stepping = False

    def fail(self, error: BaseException) -> None:
        """End the run with an error."""
        if not self.failed.done():
            self.failed.set_exception(error)

    def stop(self) -> None:
        """Do nothing more."""
        self._queue.clear()
        if self._handle is not None:
            self._handle.cancel()
        if self.failed.done() and not self.failed.cancelled():
            self.failed.exception()
        self.failed.cancel()

    def catch_up(self) -> None:
        """Play the calls and events that are due.

        Called before a socket is handled. The loop would handle all sockets that are ready before
        any timer, and in a burst of 500 sockets that takes 80 ms.
        """
        if not self._stepping and self._queue and self._queue[0][0] <= self.now_s:
            self._step_due()

    def _arm(self) -> None:
        due_s = self.peek()
        # One timer of the loop for the whole queue, moved only to earlier: asyncio keeps cancelled
        # timers in its heap, and one for each alarm would fill it.
        if due_s < self._armed_s and not self._stepping and self.began_s < inf:
            if self._handle is not None:
                self._handle.cancel()
            self._armed_s = due_s
            self._handle = self._loop.call_at(self.began_s + due_s, self._step_due)

    def _step_due(self) -> None:
        self._armed_s, self._stepping = inf, True
        try:
            # The time is read anew for each step: a step takes time itself, and its successor may
            # be due by then.
            while self._queue and self._queue[0][0] <= (now := self.now_s):
                self.late_s.append(now - self._queue[0][0])
                self.step()
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends the run
            self.fail(error)
        finally:
            self._stepping = False
        self._arm()


class LoopClock:
    """The loop's own clock, for the service: seconds since the machine's arbitrary zero."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    @property
    def now_s(self) -> float:
        """Seconds on the clock that all processes of a machine share."""
        return self._loop.time()

    def at(self, time_s: float, function: Callable[..., None], *arguments: Any) -> None:
        """Call a function at a moment; as soon as possible if it has passed."""
        if time_s < inf:
            self._loop.call_at(time_s, function, *arguments)

    def alarm(self, function: Callable[[_T], None], owner: _T) -> Alarm:
        """Return an alarm that calls a function with its owner when it rings."""
        return _LoopAlarm(self._loop, partial(function, owner))


class _LoopAlarm:
    """One timer of the loop that can be moved."""

    def __init__(self, loop: asyncio.AbstractEventLoop, function: Callable[[], None]) -> None:
        self._loop = loop
        self._function = function
        self._set_s = inf
        self._handle: asyncio.TimerHandle | None = None

    def set(self, deadline_s: float) -> None:
        """Ring at this moment instead; inf: not at all."""
        if deadline_s == self._set_s:
            return
        self._set_s = deadline_s
        if self._handle is not None:
            self._handle.cancel()
        self._handle = self._loop.call_at(deadline_s, self._ring) if deadline_s < inf else None

    def _ring(self) -> None:
        self._set_s, self._handle = inf, None
        self._function()


@contextmanager
def noting_standstills(
    loop: asyncio.AbstractEventLoop, note: Callable[[float, float], None]
) -> Iterator[None]:
    """Note the standstills of a loop: when each began, on the loop's clock, and how long it was."""
    due_s, handle = loop.time(), None

    def tick() -> None:
        nonlocal due_s, handle
        late_s = loop.time() - due_s
        if late_s > _SHORTEST_STANDSTILL_S:
            note(due_s, late_s)
        # From the time at which it was due, not from now: ticks keep their grid, and a standstill
        # is counted once.
        due_s += TICK_S * (1 + late_s // TICK_S)
        handle = loop.call_at(due_s, tick)

    tick()
    try:
        yield
    finally:
        if handle is not None:
            handle.cancel()
