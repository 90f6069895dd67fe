"""A run that is watched while it is played, and into which faults can be injected.

A display reads a `Look` whenever it redraws, and passes on the user's commands. `text.py` is the
display of the terminal.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

from simlib.api import engine
from simlib.core.errors import SettingsError
from simlib.core.faults import Fault
from simlib.engines.world import Process, World
from simlib.metrics.live_counters import Counters, Counts
from simlib.metrics.load_now import ServerLoad, load_at
from simlib.scenario.scenario import Scenario
from simlib.trace.trace import Trace

#: No fault is shorter: its start and its end are different moments of the script.
_SHORTEST_S = 0.0005


@dataclass(frozen=True, slots=True)
class Look:
    """How a run stands at a moment."""

    scenario: str
    engine: str
    clients: int
    time_s: float
    duration_s: float
    #: The faults that act now, scripted or by hand.
    faults: tuple[Fault, ...]
    counts: Counts


def look_at(trace: Trace, world: World | None, counters: Counters, now_s: float) -> Look:
    """Return how a run stands at a moment; there is no world before it began."""
    faults = () if world is None else world.timeline.faults
    return Look(
        scenario=trace.label,
        engine=trace.engine,
        clients=trace.scenario.clients,
        time_s=now_s,
        duration_s=trace.scenario.duration_s,
        faults=tuple(fault for fault in faults if fault.start_s <= now_s < fault.end_s),
        counts=counters.snapshot(),
    )


def next_millisecond_s(now_s: float) -> float:
    """Return the first whole millisecond from now on, so that a script has moments of three digits.

    Examples
    --------
    >>> next_millisecond_s(3.2101234567), next_millisecond_s(1.001)
    (3.211, 1.001)
    """
    nearest_s = round(now_s, 3)
    return nearest_s if nearest_s >= now_s else round(nearest_s + 0.001, 3)


class LiveRun:
    """A run to be watched.

    Parameters
    ----------
    scenario : Scenario
        What to play.
    on : {"live", "sim"}
        The engine; a simulation is played at the pace of the wall clock.
    label : str, optional
        The name of the trace on charts; the scenario's name by default.

    Attributes
    ----------
    trace : Trace
        What happened so far.

    Raises
    ------
    SettingsError
        If there is no such engine, or it cannot be watched.

    Examples
    --------
    >>> import simlib as sl
    >>> feed = LiveRun(sl.Scenario(clients=3, duration_s=0.5, ramp_s=0), on="sim")
    >>> trace = asyncio.run(feed.play())
    >>> feed.look().time_s, feed.look().counts.states["open"]
    (0.5, 3)
    """

    def __init__(self, scenario: Scenario, on: str = "live", label: str = "") -> None:
        self._engine = engine(on)
        if not hasattr(self._engine, "play_async"):
            raise SettingsError("on", on, "must be sim or live to be watched")
        self.trace = Trace(on, scenario, label)
        self._scenario = scenario
        self._counters = Counters(scenario.clients)
        self._world: World | None = None
        #: The index of each fault that was struck and goes on, and its start.
        self._struck: dict[Fault, tuple[int, float]] = {}
        self._playing: asyncio.Task[Any] | None = None
        self._stopped = False

    async def play(
        self,
        processes: Sequence[Process] = (),
        progress: Callable[[float], None] | None = None,
    ) -> Trace:
        """Play the run and return its trace; see `simlib.api` for the arguments."""
        play = self._engine.play_async
        own = (self._attach, *processes)
        work = play(self._scenario, processes=own, progress=progress, trace=self.trace)
        self._playing = asyncio.ensure_future(work)
        try:
            await self._playing
        except asyncio.CancelledError:
            if not self._stopped:
                raise
        return self.trace

    def look(self) -> Look:
        """Return how the run stands now."""
        return look_at(self.trace, self._world, self._counters, self.now_s)

    def server_load(self) -> ServerLoad:
        """Return what the servers have to do now."""
        log = self.trace.server_log if self._world is None else self._world.server_log()
        return load_at(log, self.now_s)

    @property
    def struck(self) -> frozenset[Fault]:
        """The faults by hand that go on."""
        return frozenset(self._struck)

    def strike(self, fault: Fault) -> None:
        """Begin a fault at the next millisecond; one that was struck already just goes on."""
        start_s = next_millisecond_s(self.now_s)
        is_over = not self._goes_on or start_s >= self._scenario.duration_s
        if self._world is not None and not is_over and fault not in self._struck:
            index = self._world.strike(fault, start_s)
            if self._world.can_lift(index):
                self._struck[fault] = index, start_s

    def lift(self, fault: Fault) -> None:
        """End a fault that was struck at the next millisecond, if it still goes on."""
        if self._world is not None and self._goes_on and fault in self._struck:
            index, start_s = self._struck.pop(fault)
            self._world.lift(index, next_millisecond_s(max(self.now_s, start_s + _SHORTEST_S)))

    def restore(self) -> None:
        """End the faults that were struck."""
        for fault in list(self._struck):
            self.lift(fault)

    def stop(self) -> None:
        """End the run before its time, cleanly: `play` returns the trace, which is partial."""
        # Not twice, nor when the run ends anyway: it would break off the cleaning up.
        if self._playing is not None and self._goes_on:
            self._stopped = self.trace.partial = True
            self._playing.cancel()

    @property
    def _goes_on(self) -> bool:
        return not self._stopped and self.now_s < self._scenario.duration_s

    @property
    def now_s(self) -> float:
        """Seconds since the run began; 0 before that."""
        if self._world is None:
            return 0.0
        if self._playing is None or self._playing.done():
            return self.trace.end_s
        return min(max(0.0, self._world.clock.now_s), self._scenario.duration_s)

    def _attach(self, world: World) -> Generator[Any, Any, None]:
        self._world = world
        world.observers.append(self._counters)
        yield from ()
