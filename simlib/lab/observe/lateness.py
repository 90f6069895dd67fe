"""Timing errors of observed waits on a busy machine.

The lab's own lateness is that of a timer that ticks all the time. A client that the lab has started
is late by no more than its processes had to wait for a processor, which Linux counts; of another
client it is only known how late the lab's timers were meanwhile.
"""

from __future__ import annotations

import asyncio
from array import array
from collections import deque
from collections.abc import Iterator
from math import nan
from pathlib import Path

import numpy as np

#: Time between two ticks.
LAB_TICK_S = 0.005
#: An event loop's timers are so late on a machine that has nothing else to do.
_USUAL_S = 0.002
#: Ticks that were later are kept, so many of the last ones; of those before, how late any was.
_KEPT = 100_000
#: All are counted by how late they were, in so many steps: a server in trouble may run for days.
_STEP_S, _STEPS = 1e-5, 100_000
_PROC = Path("/proc")


class Ticks:
    """A timer of the event loop that ticks all the time, and how late it was."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._counts, self._longest_s = array("Q", bytes(8 * _STEPS)), 0.0
        #: When it was later than usual, and how late.
        self._noted: deque[tuple[float, float]] = deque(maxlen=_KEPT)
        self._longest_before_s = 0.0
        self._due_s = self._rang_s = self._loop.time()
        self._last_late_s = 0.0
        self._handle = self._loop.call_at(self._due_s, self._tick)

    def _tick(self) -> None:
        now_s = self._loop.time()
        self._rang_s, self._last_late_s = now_s, now_s - self._due_s
        self._counts[min(_STEPS - 1, max(0, int(self._last_late_s / _STEP_S)))] += 1
        self._longest_s = max(self._longest_s, self._last_late_s)
        if self._last_late_s > _USUAL_S:
            if len(self._noted) == _KEPT:
                self._longest_before_s = max(self._longest_before_s, self._noted[0][1])
            self._noted.append((now_s, self._last_late_s))
        self._due_s = now_s + LAB_TICK_S
        self._handle = self._loop.call_at(self._due_s, self._tick)

    def stop(self) -> None:
        """Tick no more."""
        self._handle.cancel()

    def late_s(self) -> float:
        """Return how late the loop may be with what it does now."""
        now_s = self._loop.time()
        # Sockets are served before timers, so the tick that is due may not have rung yet.
        just_s = self._last_late_s if now_s - self._rang_s < LAB_TICK_S else 0.0
        return max(now_s - self._due_s, just_s, 0.0)

    def latest_since_s(self, time_s: float) -> float:
        """Return how late the timer was at most since a moment on the loop's clock."""
        latest_s = self.late_s()
        for rang_s, late_s in reversed(self._noted):
            if rang_s < time_s:
                return latest_s
            latest_s = max(latest_s, late_s)
        return max(latest_s, self._longest_before_s)

    def quantiles_s(self) -> dict[str, float]:
        """Return quantiles of the timer's lateness: median, 99 % and maximum."""
        until = np.cumsum(np.asarray(self._counts))
        steps = np.searchsorted(until, np.array([0.5, 0.99]) * until[-1])
        p50_s, p99_s = (min(self._longest_s, (step + 1) * _STEP_S) for step in steps.tolist())
        return {"p50_s": p50_s, "p99_s": p99_s, "longest_s": self._longest_s}


def cpu_wait_s(process: int) -> float:
    """Return how long a process and its children have waited for a processor, all threads together.

    NaN where the system does not count it, or the process is gone. On Linux it is the second number
    of ``/proc/PID/task/TID/schedstat``, in ns: ready to run, and not running.
    """
    total_ns, count = 0, 0
    for thread in _threads(process):
        try:
            total_ns += int((thread / "schedstat").read_bytes().split()[1])
            count += 1
        except (OSError, IndexError, ValueError):
            continue  # it is over
    return total_ns * 1e-9 if count else nan


def _threads(process: int) -> Iterator[Path]:
    try:
        threads = list((_PROC / str(process) / "task").iterdir())
    except OSError:
        return
    for thread in threads:
        yield thread
        try:
            children = (thread / "children").read_bytes().split()
        except OSError:
            continue
        for child in children:
            yield from _threads(int(child))
