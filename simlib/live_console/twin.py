"""The simulated twin of a live run: it is given the same faults at the same moments."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from simlib.core.faults import Fault
from simlib.engines.sim import SimHost
from simlib.metrics.live_counters import Counters
from simlib.metrics.load_now import ServerLoad, load_at
from simlib.scenario.scenario import Scenario
from simlib.studies.watch.live_run import Look, look_at
from simlib.trace.trace import Trace


class Twin:
    """A simulation that follows a live run.

    It is always a little behind the live run, so what happened to that at a moment is still to come
    here, and happens at exactly that moment.

    Parameters
    ----------
    scenario : Scenario
        What the live run plays.

    Attributes
    ----------
    trace : Trace
        What happened so far; its scenario has the faults by hand.

    Examples
    --------
    >>> import simlib as sl
    >>> twin = Twin(sl.Scenario(clients=3, duration_s=10, ramp_s=0))
    >>> twin.follow(2.0, [sl.Fault("outage", start_s=1.5)])
    >>> twin.look().counts.states["open"]
    0
    """

    def __init__(self, scenario: Scenario) -> None:
        self.trace = Trace("sim", scenario)
        self.trace.partial = True
        self._host = SimHost(scenario, self.trace)
        self._counters = Counters(scenario.clients)
        self._world = self._host.world
        self._world.observers.append(self._counters)
        self._world.begin()
        #: The fault's index here of each fault by hand, in their order, and those that have ended.
        self._indices: list[int] = []
        self._known, self._ended = 0, set[int]()

    def follow(self, now_s: float, by_hand: Sequence[Fault]) -> None:
        """Play on to where the live run is; ``by_hand``: all faults struck there so far."""
        for fault in by_hand[self._known :]:
            self._indices.append(self._world.strike(fault, fault.start_s))
        self._known = len(by_hand)
        for place, fault in enumerate(by_hand):
            if fault.start_s < fault.end_s < inf and place not in self._ended:
                self._ended.add(place)
                self._world.lift(self._indices[place], fault.end_s)
        self._play(now_s)

    def look(self) -> Look:
        """Return how the simulation stands."""
        return look_at(self.trace, self._world, self._counters, self.trace.end_s)

    def server_load(self) -> ServerLoad:
        """Return what the simulated servers have to do."""
        return load_at(self.trace.server_log, self.trace.end_s)

    def _play(self, now_s: float) -> None:
        duration_s = self.trace.scenario.duration_s
        until_s = min(now_s, duration_s)
        if until_s > self.trace.end_s:
            self._host.run(until_s)
            self.trace.end_s = until_s
        self.trace.partial = until_s < duration_s
