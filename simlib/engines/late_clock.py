"""A simulation whose timers are as late as those of a live run were."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from typing import Any

import numpy as np
import numpy.typing as npt

from simlib.engines.live.clock import TICK_S
from simlib.engines.sim_clock import SimClock
from simlib.trace.trace import Standstill


def lateness_by_tick_s(standstills: Sequence[Standstill], end_s: float) -> npt.NDArray[np.float64]:
    """Return how late a timer would have rung at each tick of a run.

    Standstills of the two processes add up: what passes through both waits for both.

    Examples
    --------
    >>> lateness_by_tick_s([Standstill("server", 0.02, 0.05)], end_s=0.1).round(3).tolist()
    [0.0, 0.05, 0.03, 0.01, 0.0]
    """
    ticks = max(1, round(end_s / TICK_S))
    late_s = {
        process: np.zeros(ticks) for process in {standstill.process for standstill in standstills}
    }
    for process, start_s, length_s in standstills:
        first = int(start_s / TICK_S + 1e-9)
        last = int((start_s + length_s) / TICK_S) + 1
        for tick in range(max(0, first), min(last, ticks)):
            rest_s = start_s + length_s - max(start_s, tick * TICK_S)
            late_s[process][tick] = max(late_s[process][tick], rest_s)
    return sum(late_s.values(), np.zeros(ticks))


class LateClock(SimClock):
    """A simulated clock whose calls are as late as the timers of a live run were."""

    def __init__(self, late_by_tick_s: npt.NDArray[np.float64], always_late_s: float) -> None:
        super().__init__()
        self._late_s = late_by_tick_s
        # What is due between two ticks is as late as what is due at the first: a process that is
        # late since it is slow to wake is so whenever it wakes. And nothing overtakes.
        ends_s = np.arange(1, late_by_tick_s.size + 1) * TICK_S + late_by_tick_s
        self._free_s = np.maximum.accumulate(np.concatenate([[0.0], ends_s[:-1]]))
        self._always_late_s = always_late_s

    def at(self, time_s: float, function: Callable[..., None], *arguments: Any) -> None:
        """Call a function at a moment, or as soon as the process can act again."""
        super().at(self._due_s(time_s), function, *arguments)

    def reserve(self, time_s: float) -> tuple[float, int]:
        """Return when an alarm rings that is set now, and its place among what is due then."""
        return super().reserve(self._due_s(time_s))

    def _due_s(self, time_s: float) -> float:
        """Return the moment, or that from which the process can act again; inf: never."""
        if time_s == inf:
            return inf
        due_s = max(time_s, self.now_s)
        tick = min(int(due_s / TICK_S), self._late_s.size - 1)
        rings_s = max(due_s + float(self._late_s[tick]), float(self._free_s[tick]))
        return rings_s + self._always_late_s
