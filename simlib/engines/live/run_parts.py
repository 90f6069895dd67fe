"""Standstills and progress of a live run, in the main process and in its workers."""

from __future__ import annotations

from collections.abc import Callable

from simlib.engines.live.clock import WallClock
from simlib.trace.trace import Standstill, Trace

PROGRESS_STEP_S = 0.1


def note_standstills_in(trace: Trace, clock: WallClock) -> Callable[[float, float], None]:
    """Return a callback that adds standstills of this process to a trace."""

    def note_standstill(start_s: float, length_s: float) -> None:
        if start_s >= clock.began_s:
            trace.standstills.append(Standstill("client", start_s - clock.began_s, length_s))

    return note_standstill


def report_progress(
    progress: Callable[[float], None] | None, clock: WallClock, duration_s: float
) -> None:
    """Call the progress callback, if there is one, with the fraction that is over."""
    if progress is not None:
        progress(min(1.0, max(0.0, clock.now_s / duration_s)))
