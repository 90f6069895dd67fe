"""Decision replay: fresh clients must decide the same when fed a run's recorded events.

It proves that the decisions of a live client depend on its events and their times alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from simlib.trace.trace import Trace


@dataclass(frozen=True, slots=True)
class Replay:
    """The live run's events fed again to fresh clients: did they decide the same?"""

    matched: int
    total: int
    #: The first decision that differs, in words; empty if there is none.
    first: str = ""

    @property
    def agreed(self) -> bool:
        """Whether every decision was the same."""
        return self.matched == self.total

    def __str__(self) -> str:
        share = self.matched / self.total if self.total else 1.0
        return f"{self.matched:,} of {self.total:,} decisions the same ({100.0 * share:.2f} %)"


def replay(trace: Trace) -> Replay:
    """Feed a trace's events to fresh clients and count the events they answer the same way.

    Examples
    --------
    >>> import simlib as sl
    >>> from simlib.studies.compare.replay import replay
    >>> replay(sl.run(sl.Scenario(clients=2, duration_s=5))).agreed
    True
    """
    matched, total, first = 0, 0, ""
    for client in range(trace.scenario.clients):
        recorded = trace.recorded_decisions(client)
        for decided, (row, fresh) in zip(recorded, trace.replay(client), strict=True):
            total += 1
            if decided == fresh:
                matched += 1
            elif not first:
                where = f"client {client} at {row['time_s']:.3f} s"
                first = f"{where}: decided {decided}, replayed {fresh}"
    return Replay(matched, total, first)
