"""Find the exponential policy nearest to another, for clients that have no other."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import Any, NamedTuple

import numpy as np

from simlib.core.backoff import Backoff
from simlib.core.backoff_kinds import Growth, Jitter, JitterPlace
from simlib.core.stops import Stops
from simlib.metrics.policy_waits import waits_s

#: Waits in a row by which policies are compared.
COMPARED_WAITS = 12
#: The stops of a client that attempts again whatever the code.
NO_STOPS = Stops(suspends_on=())


class Shape(NamedTuple):
    """An exponential policy that is spread evenly around its ceilings, and then capped."""

    base_s: float
    factor: float
    cap_s: float
    spread_fraction: float

    def rules(self, **more: Any) -> Backoff:
        """Return it as a policy."""
        jitter = Jitter.PROPORTIONAL if self.spread_fraction > 0.0 else Jitter.NONE
        return Backoff(
            jitter=jitter,
            jitter_place=JitterPlace.BEFORE_CAP,
            base_s=self.base_s,
            factor=self.factor,
            cap_s=self.cap_s,
            spread_fraction=self.spread_fraction,
            heeds_hint=False,
            **more,
        )


def shape(rules: Backoff) -> Shape:
    """Return the exponential nearest to a policy, spread as its waits are at first.

    Examples
    --------
    >>> shape(Backoff())
    Shape(base_s=0.5, factor=2.0, cap_s=15.0, spread_fraction=1.0)
    """
    waits = np.maximum(waits_s(replace(rules, max_attempts=inf), 2 * COMPARED_WAITS), 0.0)
    middle = (waits[0] + waits[-1]) / 2.0
    # A first wait of its own, or of none, says nothing of those that follow.
    begin = 1 if rules.first_s < inf or middle[0] == 0.0 else 0
    cap_s = max(float(middle[-1]), 0.001)
    plain = rules.step_count == 0 and rules.growth == Growth.EXPONENTIAL
    is_given = plain and rules.jitter != Jitter.DECORRELATED
    factor = rules.factor if is_given else _fit_factor(middle[begin:])
    spread = (waits[-1, begin] - waits[0, begin]) / 2.0 / max(middle[begin], 0.001)
    base_s = max(float(middle[begin]) / factor**begin, 0.001)
    return Shape(min(base_s, cap_s), factor, cap_s, round(min(1.0, float(spread)), 6))


def _fit_factor(middle: Any) -> float:
    """Return the factor by which waits grow until they are at their last."""
    first, last = max(float(middle[0]), 0.001), float(middle[-1])
    steps = int(np.argmax(middle >= 0.99 * last))
    return max(1.0, float((last / first) ** (1.0 / steps))) if steps else 1.0
