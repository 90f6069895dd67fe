"""One gateway's clients, played by the compiled loop: what happens to them depends on no other."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cache
from typing import Any

from simlib.core.errors import EngineError, SettingsError
from simlib.engines.fleet.jit import is_kept, one_compiles, require, twin
from simlib.engines.kernel import arrays, loop, state
from simlib.engines.no_time import stands_still
from simlib.scenario.scenario import Scenario
from simlib.support.progress import Progress
from simlib.trace.counts import Tally

#: Events between two looks at the keyboard: less than a tenth of a second.
_STRIDE = 100_000
#: What the compiled loop is called with first; any scenario has the same types.
_SMALLEST = Scenario(clients=1, duration_s=1.0, ramp_s=0.0)


class Part:
    """The clients of one gateway: what happens to them depends on no other."""

    def __init__(self, scenario: Scenario, gateway: int, watch: Sequence[int] = ()) -> None:
        self._duration_s = scenario.duration_s
        self._fleet = arrays.prepare(scenario, gateway, watch)
        #: The moment up to which it was played.
        self.end_s = 0.0

    def play(self, progress: Progress | None = None) -> None:
        """Play it to the end; an interrupt leaves it as it is, to be counted."""
        advance = kernel()
        status = loop.MORE
        while status != loop.DONE:
            status = advance(self._fleet, _STRIDE)
            if status == loop.GROW:
                self._fleet = arrays.grow(self._fleet)
            now_s = self._duration_s if status == loop.DONE else arrays.now_s(self._fleet)
            self.end_s = min(self._duration_s, now_s)
            if status == loop.STILL:
                raise stands_still(self.end_s, self._duration_s)
            if status == loop.WORN_OUT:
                rule = f"is too long for the fleet: a client made {state.LAST_TURN:,} attempts"
                raise SettingsError("duration_s", self._duration_s, rule)
            if progress is not None:
                progress(self.end_s / self._duration_s)

    def log(self) -> Any:
        """Return the log of watched clients: their inputs, and what their server did."""
        return self._fleet.log[: self._fleet.run[0]["logged"]]

    def tally(self) -> Tally:
        """Return what was counted."""
        return arrays.tally(self._fleet, self.end_s)


def is_compiled() -> bool:
    """Whether the compiled loop can be had at once, since an earlier run has compiled it."""
    try:
        require("numba")
        return is_kept()
    except EngineError:
        return False


@cache
def kernel() -> Any:
    """Return the compiled loop; processes that need it at once wait for the first to compile it."""
    compiled = twin(loop.advance, kept=True)
    with one_compiles() as is_first:
        if is_first:
            # Shown on stderr, in a terminal and in a notebook, unless the user has set up logging.
            said = "Compiling the fleet engine, once: half a minute, or minutes on a busy machine."
            logging.getLogger("simlib").warning(said)
        # The first call compiles, or reads what was kept.
        compiled(arrays.prepare(_SMALLEST, 0, ()), 1)
    return compiled
