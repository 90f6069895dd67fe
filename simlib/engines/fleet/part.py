"""One gateway's clients, played by the compiled loop: what happens to them depends on no other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from simlib.core.errors import EngineError, SettingsError
from simlib.engines.fleet.block import Block
from simlib.engines.fleet.machine_code import Loop, compiling_in_words, is_kept, load_loop
from simlib.engines.kernel import arrays, loop, state, tallies
from simlib.engines.kernel.features import loop_for
from simlib.engines.no_time import stands_still
from simlib.scenario.scenario import Scenario
from simlib.support.progress import Progress
from simlib.trace.counts import Tally

#: Events between two looks at the keyboard: less than a tenth of a second.
_STRIDE = 100_000
#: It has the arrays of any scenario whose tables are not long.
_SMALLEST = Scenario(clients=1, duration_s=1.0, ramp_s=0.0)


class Part:
    """The clients of one gateway: what happens to them depends on no other."""

    def __init__(self, scenario: Scenario, gateway: int, watch: Sequence[int] = ()) -> None:
        self._duration_s = scenario.duration_s
        self._fleet = arrays.prepare(scenario, gateway, watch)
        self._loop = loop_for(scenario, watched=bool(watch))
        #: The moment up to which it was played.
        self.end_s = 0.0

    def play(self, progress: Progress | None = None) -> None:
        """Play it to the end; an interrupt leaves it as it is, to be counted."""
        advance = self.load()
        block, status = Block(self._fleet), loop.MORE
        while status != loop.DONE:
            status = advance(block, _STRIDE)
            # Arrays are enlarged by Python, since compiled code cannot allocate; the block of their
            # addresses is made anew.
            if status == loop.GROW:
                self._fleet = arrays.grow(self._fleet)
                block = Block(self._fleet)
            now_s = self._duration_s if status == loop.DONE else arrays.now_s(self._fleet)
            self.end_s = min(self._duration_s, now_s)
            if status == loop.STILL:
                raise stands_still(self.end_s, self._duration_s)
            if status == loop.WORN_OUT:
                rule = f"is too long for the fleet: a client made {state.LAST_TURN:,} attempts"
                raise SettingsError("duration_s", self._duration_s, rule)
            if progress is not None:
                progress(self.end_s / self._duration_s)

    def load(self, **how: Any) -> Loop:
        """Return the loop that plays it, compiled now if it never was; see `load_loop`."""
        return load_loop(self._loop, self._fleet, **how)

    def log(self) -> Any:
        """Return the log of watched clients: their inputs, and what their server did."""
        return self._fleet.log[: self._fleet.run[0]["logged"]]

    def tally(self) -> Tally:
        """Return what was counted: once, for that takes the arrays apart."""
        return tallies.tally(self._fleet, self.end_s)


def compile_for(scenario: Scenario, **how: Any) -> None:
    """Compile what plays a scenario, unless it is compiled; see `load_loop`."""
    Part(scenario, 0).load(**how)


def compiling_for(scenario: Scenario) -> str:
    """Return what to say while what plays a scenario is compiled."""
    return compiling_in_words(loop_for(scenario, watched=False))


def is_compiled(scenario: Scenario) -> bool:
    """Whether what plays a scenario can be had at once, since an earlier run has compiled it."""
    try:
        return is_kept(loop_for(scenario, watched=False), arrays.prepare(scenario, 0))
    except EngineError:
        return False


def compile_ahead(name: str) -> bool:
    """Get a loop that some later run will need; return whether it had to be compiled."""
    fleet = arrays.prepare(_SMALLEST, 0)
    is_new = not is_kept(name, fleet)
    load_loop(name, fleet)
    return is_new
