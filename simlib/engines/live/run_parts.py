"""Standstills, progress and full disks of a live run, in each of its processes."""

from __future__ import annotations

import tempfile
from collections.abc import Callable

from simlib.core.errors import EngineError
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


def explain_no_room(what: str, error: OSError) -> EngineError:
    """Return what is to be done where something cannot be written beside a run."""
    return EngineError(
        f"{what} cannot be written: {error.strerror}. Make room in {tempfile.gettempdir()}, or "
        "name another folder for temporary files: TMPDIR=FOLDER"
    )
