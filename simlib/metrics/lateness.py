"""How late timers fired in a live run, and whether its results can be judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simlib.engines import sim
from simlib.engines.late_clock import LateClock, lateness_by_tick_s
from simlib.engines.world import Process
from simlib.trace.trace import Trace

#: If one timer in a hundred was later than this, no time can be judged.
TOO_LATE_S = 0.05
#: If a process stood still for longer than this, whatever differs may differ because of that.
TOO_LONG_S = 0.1


@dataclass(frozen=True, slots=True)
class Lateness:
    """How late a live run was, measured in the run itself; in virtual time nothing is late."""

    #: How late timers were, in the middle and in the tail.
    p50_s: float
    p99_s: float
    #: The latest timer, or the longest standstill of either process.
    longest_s: float
    #: When all clients act at the same moment, the last is served this much later than the first.
    turn_s: float

    @classmethod
    def of(cls, trace: Trace) -> Lateness:
        """Measure a trace: the later one counts of its timers and of the ticks of both processes.

        Timers say how late what happened was, so a standstill while many clients act counts for
        more; ticks are evenly spaced, so they also find one while the clients' timers were idle.
        """
        timers_s = np.array(trace.late_s) if len(trace.late_s) else np.zeros(1)
        ticks_s = lateness_by_tick_s(trace.standstills, trace.end_s)
        quantiles = [np.quantile(late_s, [0.5, 0.99, 1.0]) for late_s in (timers_s, ticks_s)]
        p50_s, p99_s, longest_s = (float(q) for q in np.max(quantiles, axis=0))
        events = int((trace.frame()["kind"] == "event").sum())
        return cls(p50_s, p99_s, longest_s, trace.scenario.clients * trace.work_s / max(1, events))

    @property
    def hides_times(self) -> bool:
        """Whether timers were too late to judge any time."""
        return self.p99_s > TOO_LATE_S

    @property
    def is_too_late(self) -> bool:
        """Whether the machine was so busy that any difference may be because of that."""
        return self.hides_times or self.longest_s > TOO_LONG_S

    @property
    def in_words(self) -> str:
        """How late the run was, by what is worse for it."""
        if self.hides_times:
            return f"timers were {1000 * self.p99_s:.0f} ms late"
        return f"a process stood still for {1000 * self.longest_s:.0f} ms"


def excuse(trace: Trace) -> str:
    """Return why a run may differ from others, in words; empty if its machine kept time.

    Examples
    --------
    >>> import simlib as sl
    >>> excuse(sl.run(sl.Scenario(clients=1, duration_s=5)))
    ''
    """
    if not len(trace.late_s):
        return ""
    lateness = Lateness.of(trace)
    return lateness.in_words if lateness.is_too_late else ""


def play_as_late(
    simulated: Sequence[Trace], live: Trace, processes: Sequence[Process] = ()
) -> list[Trace]:
    """Play simulated runs again, with timers as late as those of a live run at the same moments."""
    ticks_s = lateness_by_tick_s(live.standstills, live.end_s)
    late_s = Lateness.of(live).p50_s
    return [
        sim.play(run.scenario, run.label, processes, clock=LateClock(ticks_s, late_s))
        for run in simulated
    ]
