"""Where a search for a family's parameters begins: guesses by least squares from the waits.

A likelihood has several tops, so each search begins at guesses near the right one. The ceilings of
most families are a line in some scale, up to a level (the cap): a line is fitted to the mean waits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import exp, inf

import numpy as np

from simlib.lab.infer.fibonacci import FIBONACCI
from simlib.lab.infer.scales import EXPONENTS, LEAST_S, MOST_FACTOR, Values
from simlib.lab.infer.waits import Waits
from simlib.metrics.array_types import Floats


def guess_exponential(waits: Waits, share: float) -> Iterator[Values]:
    """Guess base, factor and cap of ceilings of which the mean wait is a share."""
    mean_s = np.maximum(waits.mean_s, LEAST_S) / share
    for at_one, slope, cap in _fit_capped_lines(waits, _after_first(waits), np.log(mean_s)):
        factor = min(MOST_FACTOR, max(1.0 + 1e-3, exp(slope)))
        cap_s = exp(cap)
        yield {"base_s": min(exp(at_one), cap_s), "factor": factor, "cap_s": cap_s}


def guess_linear(waits: Waits, share: float) -> Iterator[Values]:
    """Guess base, rise and cap of such ceilings that grow evenly."""
    mean_s = np.maximum(waits.mean_s, LEAST_S) / share
    for at_one_s, slope_s, cap_s in _fit_capped_lines(waits, _after_first(waits), mean_s):
        top_s = max(LEAST_S, cap_s)
        base_s = min(top_s, max(LEAST_S, at_one_s))
        yield {"base_s": base_s, "rise_s": max(0.0, slope_s), "cap_s": top_s}


def guess_power(waits: Waits, share: float) -> Iterator[Values]:
    """Guess base, exponent and cap of such ceilings that grow by a power of the attempt."""
    mean_s = np.maximum(waits.mean_s, LEAST_S) / share
    for at_one, slope, cap in _fit_capped_lines(waits, np.log(waits.attempts), np.log(mean_s)):
        exponent = float(np.clip(slope, *EXPONENTS))
        yield {"base_s": exp(min(at_one, cap)), "exponent": exponent, "cap_s": exp(cap)}


def guess_fibonacci(waits: Waits, share: float) -> Iterator[Values]:
    """Guess base and cap of such ceilings that are Fibonacci's numbers."""
    mean_s = np.maximum(waits.mean_s, LEAST_S) / share
    numbers = np.array(FIBONACCI)[np.minimum(waits.attempts, len(FIBONACCI)) - 1]
    base_s = float(np.median((mean_s / numbers)[: max(1, len(mean_s) // 2)]))
    yield {"base_s": base_s, "cap_s": max(base_s, float(mean_s[-1]))}
    yield {"base_s": base_s, "cap_s": max(base_s, 2.0 * waits.longest_s)}


def guess_above_floor(waits: Waits) -> Iterator[Values]:
    """Guess ceilings of waits that lie evenly between a floor and these."""
    floor_s = max(LEAST_S, float(waits.wait_s.min()))
    height_s = np.maximum(2.0 * waits.mean_s - floor_s, floor_s)
    yield from _guess_with_floor(waits, height_s, floor_s)


def guess_over_floor(waits: Waits) -> Iterator[Values]:
    """Guess ceilings of waits that lie evenly from 0 to these, the lower ones raised to a floor.

    With a ceiling h and a floor f, the mean wait is (h^2 + f^2) / 2h.
    """
    floor_s = max(LEAST_S, float(np.quantile(waits.wait_s, 0.02)))
    mean_s = waits.mean_s
    height_s = mean_s + np.sqrt(np.maximum(mean_s**2 - floor_s**2, 0.0))
    yield from _guess_with_floor(waits, height_s, floor_s)


def _guess_with_floor(waits: Waits, height_s: Floats, floor_s: float) -> Iterator[Values]:
    heights = np.log(np.maximum(height_s, LEAST_S))
    for at_one, slope, cap in _fit_capped_lines(waits, _after_first(waits), heights):
        factor = min(MOST_FACTOR, max(1.0 + 1e-3, exp(slope)))
        base_s = min(exp(at_one), exp(cap))
        yield {"base_s": base_s, "factor": factor, "cap_s": exp(cap), "floor_s": floor_s}


def _after_first(waits: Waits) -> Floats:
    return waits.attempts.astype(np.float64) - 1.0


def _fit_capped_lines(
    waits: Waits, along: Floats, heights: Floats
) -> list[tuple[float, float, float]]:
    """Return the two best lines up to a level: value at 1, slope, level."""
    # Every place where the line may turn into the level is tried; there are as many as attempts.
    counts = waits.counts
    guesses = [_fit_capped_line(along, heights, counts, i) for i in range(len(heights))]
    return [line for _, *line in sorted(guesses)[:2]]  # type: ignore[misc]


def find_crowd_s(waits: Waits) -> float:
    """Return where most waits lie within 10 ms: a cap that cuts leaves many in one place."""
    ordered = np.sort(waits.wait_s)
    within = np.searchsorted(ordered, ordered + 0.01, side="right") - np.arange(ordered.size)
    # The last of the crowded places, since a cap lies above what it leaves alone.
    most = int(ordered.size - 1 - np.argmax(within[::-1]))
    return float(np.median(ordered[most : most + int(within[most])]))


def _fit_capped_line(
    along: Floats, heights: Floats, counts: Floats, flat_from: int
) -> tuple[float, float, float, float]:
    """Fit a line up to a place and a level after it: squared misfit, value at 1, slope, level."""
    head, tail = slice(0, max(1, flat_from)), slice(max(1, flat_from), None)
    x, y, n = along[head], heights[head], counts[head]
    slope = 0.0
    if len(x) > 1:
        x_off = x - _mean(x, n)
        slope = float(x_off @ (n * y) / (x_off**2 @ n))
    at_one = _mean(y - slope * x, n)
    # A line and a level: with logarithms of waits, exponential growth up to a cap. The place of the
    # bend is tried at every attempt, since least squares cannot find it.
    misfit = float((y - at_one - slope * x) ** 2 @ n)
    level = at_one + slope * float(along[-1] + 1.0)
    if len(heights[tail]):
        level = _mean(heights[tail], counts[tail])
        misfit += float((heights[tail] - level) ** 2 @ counts[tail])
        if len(x) == 1:
            # One wait below the cap: it cannot be much steeper than up to the cap.
            slope = max(0.0, level - at_one)
    return misfit, at_one, slope, level


def _mean(numbers: Floats, weights: Floats) -> float:
    return float(numbers @ weights / weights.sum())


def guess_with_share(
    guesses: Callable[[Waits, float], Iterator[Values]], share: float
) -> Callable[[Waits], Iterator[Values]]:
    """Return a guess of families whose mean wait is a share of the ceiling."""
    return lambda waits: guesses(waits, share)


def guess_with_spread(
    guesses: Callable[[Waits, float], Iterator[Values]],
) -> Callable[[Waits], Iterator[Values]]:
    """Return a guess that also has the spread of the jitter, from the first waits."""

    def begin(waits: Waits) -> Iterator[Values]:
        for guess in guesses(waits, 1.0):
            yield guess | {"spread_fraction": _spread_fraction(waits)}

    return begin


def _spread_fraction(waits: Waits) -> float:
    """Return how widely first waits are spread around their middle, rather too widely."""
    several = [waits.wait_s[rows] for rows in waits.rows if rows.size > 2]
    if not several or several[0].max() <= 0.0:
        return 0.3
    # Half the range over the middle; 15 % more, since the extremes of a few waits lie within those
    # of the law, and a band too narrow would make a wait impossible at once.
    spread = np.ptp(several[0]) / (several[0].max() + several[0].min())
    return float(np.clip(1.15 * spread, 0.01, 0.98))


def guess_constant(waits: Waits) -> Iterator[Values]:
    """Guess the one wait of a family that does not grow."""
    yield {"base_s": float(np.median(waits.wait_s))}


def guess_band(waits: Waits) -> Iterator[Values]:
    """Guess base and width of waits that lie evenly in the same band each time."""
    low_s, high_s = (float(quantile) for quantile in np.quantile(waits.wait_s, [0.01, 0.99]))
    yield {"base_s": max(LEAST_S, low_s), "add_most_s": high_s - low_s}


def guess_decorrelated(waits: Waits) -> Iterator[Values]:
    """Guess base and cap of decorrelated jitter: where waits crowd, or none."""
    low_s = max(LEAST_S, float(np.quantile(waits.wait_s, 0.01)))
    yield {"base_s": low_s, "cap_s": max(low_s, find_crowd_s(waits))}
    yield {"base_s": low_s, "cap_s": 2.0 * waits.longest_s + LEAST_S}


def _widths_s(waits: Waits) -> float:
    """Return how widely waits of the same attempt are spread."""
    several = [rows for rows in waits.rows if rows.size > 1]
    if not several:
        return 0.1 * waits.longest_s
    return float(np.median([np.ptp(waits.wait_s[rows]) for rows in several]))


def guess_additive_exponential(waits: Waits) -> Iterator[Values]:
    """Guess exponential ceilings under what is added, which hides where they begin.

    What is added is the same on average each time, so differences of means grow by the factor.
    """
    width_s = _widths_s(waits)
    for base_s, factor, added_s, cap_s in _fit_hidden_growth(waits)[:2]:
        yield {
            "base_s": base_s,
            "factor": factor,
            "cap_s": max(base_s, cap_s),
            "add_least_s": added_s - width_s / 2.0,
            "add_most_s": added_s + width_s / 2.0,
        }


#: No wait has grown so far, and its square is still a number.
_MOST_GROWTH = 1e100


def _fit_hidden_growth(waits: Waits) -> list[tuple[float, float, float, float]]:
    """Return base, factor, what is added and cap that explain the means best, by least squares."""
    mean_s, counts = waits.mean_s, waits.counts
    # All factors at once, a row for each.
    # For a given factor the model is linear in base and addition, so least squares give these at
    # once; the factors are tried from a list.
    powers = np.minimum(_FACTORS[:, np.newaxis] ** (waits.attempts - 1.0), _MOST_GROWTH)
    growths = []
    for flat_from in range(min(3, len(mean_s)), len(mean_s) + 1):
        head, tail = slice(0, flat_from), slice(flat_from, None)
        level_s, off = inf, 0.0
        if len(mean_s[tail]):
            level_s = _mean(mean_s[tail], counts[tail])
            off = float((mean_s[tail] - level_s) ** 2 @ counts[tail])
        x, y, n = powers[:, head], mean_s[head], counts[head]
        # Weighted by how many waits each mean is of.
        x_mean, y_mean = x @ n / n.sum(), _mean(y, n)
        x_off = x - x_mean[:, np.newaxis]
        across = x_off**2 @ n
        base_s = np.where(across > 0.0, x_off @ (n * (y - y_mean)), 0.0)
        base_s /= np.where(across > 0.0, across, 1.0)
        added_s = y_mean - base_s * x_mean
        misfit = off + (y - added_s[:, np.newaxis] - base_s[:, np.newaxis] * x) ** 2 @ n
        top_s = np.minimum(level_s - added_s, 20.0 * waits.longest_s)
        lines = np.array([misfit, base_s, _FACTORS, added_s, top_s])[:, base_s > LEAST_S]
        growths += lines.T.tolist()
    return [tuple(line) for _, *line in sorted(growths)]


_FACTORS = np.append(np.arange(1.1, 2.2, 0.1), [2.5, 3.0, 4.0, 5.0])


def guess_additive_linear(waits: Waits) -> Iterator[Values]:
    """Guess linear ceilings under a jitter that is added to them."""
    width_s = _widths_s(waits)
    for guess in guess_linear(waits, 1.0):
        base_s = max(LEAST_S, guess["base_s"] - width_s / 2.0)
        yield guess | {"base_s": base_s, "add_most_s": width_s}
