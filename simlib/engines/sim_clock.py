"""The clock of a simulation: a SimPy environment that also makes calls, and rings alarms."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from math import inf
from sys import maxsize
from typing import Any, TypeVar

import simpy
from simpy.events import NORMAL

from simlib.engines.no_time import check_passing, most_at_once
from simlib.scenario.scenario import Scenario

_T = TypeVar("_T")


class SimClock(simpy.Environment):
    """A SimPy environment that also calls back at an exact moment.

    Calls and alarms stand in SimPy's queue among the events: a call as None, its function and its
    arguments in an event's place, since an object for each call made a storm a tenth slower; an
    alarm as itself.
    """

    def __init__(self) -> None:
        super().__init__(0.0)
        self._duration_s, self._most_at_once = inf, maxsize
        #: Steps until the next look at whether time has passed since the last one.
        self._steps_left, self._looked_s = maxsize, -inf

    def guard(self, scenario: Scenario) -> None:
        """Take it for an error that time stands still: where more happens than a scenario can."""
        self._duration_s, self._most_at_once = scenario.duration_s, most_at_once(scenario)
        self._steps_left = self._most_at_once

    @property
    def now_s(self) -> float:
        """Seconds since the run began."""
        return self._now

    def at(self, time_s: float, function: Callable[..., None], *arguments: Any) -> None:
        """Call a function at a moment; at once if it has passed, never if it is inf."""
        if time_s < inf:
            due_s = max(time_s, self._now)
            entry: Any = (due_s, NORMAL, next(self._eid), None, function, arguments)
            heappush(self._queue, entry)

    def alarm(self, function: Callable[[_T], None], owner: _T) -> QueuedAlarm:
        """Return an alarm that calls a function with its owner when it rings."""
        return QueuedAlarm(self, function, owner)

    def reserve(self, time_s: float) -> tuple[float, int]:
        """Return when an alarm rings that is set now, and its place among what is due then."""
        # The place is taken when the alarm is set, not when it enters the queue: among equal
        # moments the order of setting decides.
        return max(time_s, self._now), next(self._eid)

    def enqueue(self, entry: tuple[Any, ...]) -> None:
        """Put an alarm into the queue: its moment, SimPy's priority, its place, itself."""
        queue: Any = self._queue
        heappush(queue, entry)

    def step(self) -> None:
        """Make the next call, or process the next event.

        Raises
        ------
        SettingsError
            If time stands still.
        """
        self._steps_left -= 1
        if self._steps_left <= 0:
            check_passing(self._looked_s, self._now, self._duration_s)
            self._steps_left, self._looked_s = self._most_at_once, self._now
        # SimPy's own way to say that nothing is left: it raises EmptySchedule.
        if not self._queue:
            super().step()
        self._play(1, inf)

    def run(self, until: simpy.Event | float | None = None) -> Any:
        """Play on to a moment, or as SimPy does until an event or the end.

        Raises
        ------
        SettingsError
            If time stands still.
        """
        if until is None or isinstance(until, simpy.Event) or until <= self._now:
            return super().run(until)
        # As SimPy adds it up, to the last bit: what is due at the very end may be left to the next.
        until_s = self._now + (float(until) - self._now)
        looked_s = self._now
        while self._play(self._most_at_once, until_s):
            check_passing(looked_s, self._now, self._duration_s)
            looked_s = self._now
        self._now = until_s
        return None

    def _play(self, most: int, until_s: float) -> bool:
        """Make so many calls that are due before a moment; return whether there may be more."""
        queue: Any = self._queue
        for _ in range(most):
            if not queue or queue[0][0] >= until_s:
                return False
            what = queue[0][3]
            # A call never becomes a SimPy event: no object, no list of callbacks.
            if what is None:
                self._now, _, _, _, function, arguments = heappop(queue)
                function(*arguments)
            elif what.__class__ is QueuedAlarm:
                entry = heappop(queue)
                self._now = entry[0]
                what.come(entry)
            else:
                super().step()
        return True


class QueuedAlarm:
    """One timer that can be moved: it rings in the place that its last setting has in the queue.

    Most settings move an alarm to later, or away and back, before it rings. So it does not stand
    in the queue for each: what stands there already comes first, and then moves on to the place
    that was kept for the last setting.
    """

    __slots__ = ("_clock", "_function", "_owner", "_set_s", "_due_s", "_place", "_next", "_behind")

    def __init__(self, clock: SimClock, function: Callable[[Any], None], owner: Any) -> None:
        self._clock = clock
        # Apart: there is one for each client, and a bound method is 64 bytes.
        self._function = function
        self._owner = owner
        #: What it is set to, when it is due, and its place among what is due then.
        self._set_s = self._due_s = inf
        self._place = 0
        #: The first two of its entries in the queue; any others are of no use.
        self._next: tuple[Any, ...] | None = None
        self._behind: tuple[Any, ...] | None = None

    def set(self, deadline_s: float) -> None:
        """Ring at this moment instead; inf: not at all."""
        # Clients ask after every event, mostly for the moment that is set already: then nothing
        # must change, not even the place.
        if deadline_s != self._set_s:
            self._set_s = deadline_s
            if deadline_s < inf:
                self._due_s, self._place = self._clock.reserve(deadline_s)
                if self._next is None or self._due_s < self._next[0]:
                    self._stand_in_queue()

    def come(self, entry: tuple[Any, ...]) -> None:
        """Take in that an entry's moment has come: ring, or move on."""
        if entry is not self._next:
            return
        self._next, self._behind = self._behind, None
        if self._set_s == inf:
            return
        # Not by the moment: one set to a moment, away, and back to it, comes in its last order.
        if entry[2] == self._place:
            self._set_s = inf
            self._function(self._owner)
        elif self._next is None or self._due_s < self._next[0]:
            self._stand_in_queue()

    def _stand_in_queue(self) -> None:
        entry = (self._due_s, NORMAL, self._place, self)
        self._next, self._behind = entry, self._next
        self._clock.enqueue(entry)
