"""How well do waits agree with a policy? Tests of their places in the policy's bands.

Under the right policy, places are spread evenly over the bands, and hardly any wait lies outside.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simlib.core.backoff import Backoff
from simlib.lab.infer.likelihood import wait_places
from simlib.lab.infer.waits import LEAST_WAITS, Waits
from simlib.metrics.array_types import Floats

#: Of a right policy so small a share of the fits is called wrong.
# As small as this since a fit is tested dozens of times in one inference, and a false alarm says
# "none of these" of a client that is known.
_LEVEL = 0.001
#: A distance this small between waits and band is no matter, however certain it is.
_SMALL_DISTANCE = 0.08
#: Of the waits of a right policy so many lie outside its bands at most; one stray proves nothing.
_STRAY_FRACTION = 0.01
#: With fewer places how much they vary is not nearly normal.
_LEAST_TO_SPREAD = 50
#: Waits of one attempt are looked at alone if there are so many.
_LEAST_OF_ONE = 6


@dataclass(frozen=True)
class Goodness:
    """How well waits agree with a policy.

    Waits are tested all together and attempt by attempt, since what is too long at one attempt and
    too short at another cancels out in all together. Chances are multiplied by the number of tests
    (Bonferroni's correction), and the least of them counts.
    """

    #: Share of the waits that lie outside their bands, and of those that lateness put there.
    outside_fraction: float
    late_fraction: float
    #: The least chance, if the policy is right, that so many waits lie outside.
    outside_chance: float
    #: Of the test that is failed most clearly: the largest distance between how the waits lie in
    #: their bands and evenly, and the chance of it if the policy is right.
    distance: float
    chance: float
    #: The attempt in a row that this test is of; 0: of all together.
    attempt: int
    #: How many waits were looked at.
    waits: int

    @property
    def is_good(self) -> bool:
        """Whether the policy may be the right one."""
        return self.is_even and self.outside_chance >= _LEVEL

    @property
    def is_even(self) -> bool:
        """Whether the waits inside the bands may lie evenly."""
        return self.chance >= _LEVEL or self.distance <= _SMALL_DISTANCE


def measure_goodness(rules: Backoff, waits: Waits) -> Goodness:
    """Return how well waits agree with a policy.

    Sources: Kolmogorov and Smirnov's test of even places, Neyman's smooth test of how much they
    vary, the binomial test of how many lie outside, and Bonferroni's inequality.
    """
    places = wait_places(rules, waits)
    alone = [(int(attempt), rows) for attempt, rows in zip(waits.attempts, waits.rows, strict=True)]
    groups = [
        (0, np.arange(len(waits))),
        *(test for test in alone if test[1].size >= _LEAST_OF_ONE),
    ]
    # Bonferroni's correction holds for dependent tests, too, and all of these are.
    outside = min(_outside_chance(places.outside[rows]) for _, rows in groups) * len(groups)
    # Strays are tested by themselves, unless it is many of them at one attempt.
    pooled = places.place[~places.outside[places.rows]]
    tests = [(0, pooled)] if pooled.size >= LEAST_WAITS else []
    if not rules.drawn_once:  # else there is one place for each client, not for each wait
        of = waits.attempt[places.rows]
        tests += [(attempt, places.place[of == attempt]) for attempt, _ in groups[1:]]
    tests = [test for test in tests if test[1].size >= _LEAST_OF_ONE]
    results = [(*_unevenness(place), attempt) for attempt, place in tests]
    if pooled.size >= _LEAST_TO_SPREAD and results[0][2] == 0:
        # The distance hardly sees waits that crowd in the middle, or at both ends, of their bands.
        results.append((_spread_chance(pooled), results[0][1], 0))
    # A distance that is small however certain it is must not hide a larger one.
    chance, distance, attempt = min(
        results, key=lambda result: (result[1] <= _SMALL_DISTANCE, result[0]), default=(1.0, 0.0, 0)
    )
    return Goodness(
        float(places.outside.mean()),
        float(places.late.mean()),
        min(1.0, outside),
        distance,
        min(1.0, chance * max(1, len(results))),
        attempt,
        len(waits),
    )


def _outside_chance(outside: npt.NDArray[np.bool_]) -> float:
    """Return the probability that at least as many waits lie outside by accident."""
    from scipy.special import bdtrc

    count = int(outside.sum())
    return float(bdtrc(count - 1, outside.size, _STRAY_FRACTION)) if count > 1 else 1.0


def _unevenness(place: Floats) -> tuple[float, float]:
    """Return the chance that even places lie so unevenly, and their distance from evenly.

    The chance that they do to one side, twice: where it is small enough to matter, both at once are
    next to impossible. `scipy.stats` would say the same, but takes a second to import.
    """
    from scipy.special import smirnov

    ordered, count = np.sort(place), place.size
    # The empirical distribution is a staircase: its largest distance above is at the upper corner
    # of a step, below at the lower one.
    above = (np.arange(1, count + 1) / count - ordered).max()
    below = (ordered - np.arange(count) / count).max()
    distance = float(max(above, below))
    return min(1.0, 2.0 * float(smirnov(count, distance))), distance


def _spread_chance(place: Floats) -> float:
    """Return the chance that even places vary so much, or so little: Neyman's smooth test, order 2.

    The mean of the second Legendre polynomial of even places is nearly normal around 0.
    """
    from scipy.special import ndtr

    # The shifted Legendre polynomial 6x(x - 1) + 1 has mean 0 and variance 1/5 over [0, 1], so the
    # sum times sqrt(5/n) is standard normal for many places.
    off = np.sqrt(5.0 / place.size) * float((6.0 * place * (place - 1.0) + 1.0).sum())
    return 2.0 * float(ndtr(-abs(off)))
