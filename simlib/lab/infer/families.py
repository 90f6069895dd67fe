"""The families of policies that inference compares: free parameters and starting values.

A few plain families, by growth and jitter, have further forms: jitter before or after the cap,
drawn once or for each wait, with a first wait of its own. Only forms that the waits suggest are
fitted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from math import exp, inf, log, nan
from typing import Any

import numpy as np
import pandas as pd

from simlib.core.backoff import Backoff
from simlib.core.backoff_kinds import CountedFrom, Growth, Jitter, JitterPlace
from simlib.core.backoff_words import NO_CAP_S
from simlib.core.errors import SettingsError
from simlib.lab.infer.bands import replace_unchecked
from simlib.lab.infer.waits import Waits
from simlib.metrics.array_types import Floats

#: The least time that a wait is told from none.
LEAST_S = 1e-4
#: Factors above are not looked for.
_MOST_FACTOR = 10.0
#: Nor exponents beyond these.
_EXPONENTS = (0.2, 6.0)
#: The numbers of Fibonacci, as far as a table goes.
_FIBONACCI = (1.0, 1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 21.0, 34.0, 55.0, 89.0, 144.0, 233.0, 377.0)

Values = dict[str, float]


@dataclass(frozen=True)
class Scale:
    """How a parameter is searched for: by its logarithm or as it is, and between which bounds."""

    low: float
    high: float
    logarithmic: bool = True
    #: Of a scale that is not logarithmic: what a step of one is.
    unit: float = 1.0

    def into(self, value: float) -> float:
        """Return where on the scale a value is."""
        kept = min(self.high, max(self.low, value))
        return log(kept) if self.logarithmic else kept / self.unit

    def back(self, place: float) -> float:
        """Return the value at a place; NaN beyond the bounds."""
        value = exp(place) if self.logarithmic else place * self.unit
        return value if self.low <= value <= self.high else np.nan


@dataclass(frozen=True)
class Family:
    """Policies that differ by a few numbers alone."""

    #: Settings that all its policies share.
    fixed: dict[str, Any]
    #: The free settings, in the order of the search.
    free: tuple[str, ...]
    #: Guesses to begin a search at, from the waits.
    begin: Callable[[Waits], Iterator[Values]]
    #: Makes a table of ceilings from the free settings, where that is how the policy is said.
    steps: Callable[[Values], tuple[float, ...]] | None = None

    @cached_property
    def _form(self) -> Backoff:
        return Backoff(**{"cap_s": NO_CAP_S, **self.fixed})

    def rules(self, values: Values) -> Backoff | None:
        """Return the policy with these numbers; None if there is none."""
        # A search asks for thousands: its scales keep the numbers in bounds, one by one.
        numbers: dict[str, Any] = {name: min(value, NO_CAP_S) for name, value in values.items()}
        if self.steps is not None:
            numbers["steps_s"] = self.steps(values)
        rules = replace_unchecked(self._form, numbers)
        try:
            rules.check()
        except SettingsError:
            return None
        return rules

    def scales(self, waits: Waits) -> dict[str, Scale]:
        """Return how each free setting is searched for."""
        most_s = 20.0 * waits.longest_s + 1.0
        unit_s = max(LEAST_S, float(np.median(waits.wait_s)))
        added = Scale(-waits.longest_s - 1.0, most_s, logarithmic=False, unit=unit_s)
        even = Scale(0.0, most_s, logarithmic=False, unit=unit_s)
        known = {
            "factor": Scale(1.0, _MOST_FACTOR),
            "exponent": Scale(*_EXPONENTS),
            "spread_fraction": Scale(0.0, 1.0, logarithmic=False),
            "first_s": even,
            "rise_s": even,
            "add_least_s": added,
            "add_most_s": added,
        }
        return {name: known.get(name, Scale(LEAST_S, most_s)) for name in self.free}

    def but(self, **fixed: Any) -> Family:
        """Return the family with other settings fixed; what they free begins where it would."""
        return replace(self, fixed={**self.fixed, **fixed})

    def with_first(self, jitter: Jitter) -> Family:
        """Return the family with a first wait that follows no rule but has a law of its own."""

        def begin(waits: Waits) -> Iterator[Values]:
            middle_s = float(np.median(waits.wait_s[waits.attempt == 1]))
            for guess in self.begin(waits.where(waits.attempt > 1)):
                yield guess | {"first_s": max(0.0, _first_s(guess, jitter, middle_s))}

        fixed = {**self.fixed, "first_jitter": jitter}
        return replace(self, fixed=fixed, free=(*self.free, "first_s"), begin=begin)


def _first_s(guess: Values, jitter: Jitter, middle_s: float) -> float:
    """Return a first ceiling of which the middle wait is known."""
    if jitter == Jitter.FULL:
        return 2.0 * middle_s
    if jitter == Jitter.ADDITIVE:
        return middle_s - 0.5 * (guess.get("add_least_s", 0.0) + guess["add_most_s"])
    return middle_s


# --- where to begin ----------------------------------------------------------------------


def _guess_exponential(waits: Waits, share: float) -> Iterator[Values]:
    """Guess base, factor and cap of ceilings of which the mean wait is a share."""
    mean_s = np.maximum(waits.mean_s, LEAST_S) / share
    for at_one, slope, cap in _lines(waits, _after_first(waits), np.log(mean_s)):
        factor = min(_MOST_FACTOR, max(1.0 + 1e-3, exp(slope)))
        cap_s = exp(cap)
        yield {"base_s": min(exp(at_one), cap_s), "factor": factor, "cap_s": cap_s}


def _risen(waits: Waits, share: float) -> Iterator[Values]:
    """Guess base, rise and cap of such ceilings that grow evenly."""
    mean_s = np.maximum(waits.mean_s, LEAST_S) / share
    for at_one_s, slope_s, cap_s in _lines(waits, _after_first(waits), mean_s):
        top_s = max(LEAST_S, cap_s)
        base_s = min(top_s, max(LEAST_S, at_one_s))
        yield {"base_s": base_s, "rise_s": max(0.0, slope_s), "cap_s": top_s}


def _guess_power(waits: Waits, share: float) -> Iterator[Values]:
    """Guess base, exponent and cap of such ceilings that grow by a power of the attempt."""
    mean_s = np.maximum(waits.mean_s, LEAST_S) / share
    for at_one, slope, cap in _lines(waits, np.log(waits.attempts), np.log(mean_s)):
        exponent = float(np.clip(slope, *_EXPONENTS))
        yield {"base_s": exp(min(at_one, cap)), "exponent": exponent, "cap_s": exp(cap)}


def _in_fibonacci(waits: Waits, share: float) -> Iterator[Values]:
    """Guess base and cap of such ceilings that are Fibonacci's numbers."""
    mean_s = np.maximum(waits.mean_s, LEAST_S) / share
    numbers = np.array(_FIBONACCI)[np.minimum(waits.attempts, len(_FIBONACCI)) - 1]
    base_s = float(np.median((mean_s / numbers)[: max(1, len(mean_s) // 2)]))
    yield {"base_s": base_s, "cap_s": max(base_s, float(mean_s[-1]))}
    yield {"base_s": base_s, "cap_s": max(base_s, 2.0 * waits.longest_s)}


def _fibonacci_s(values: Values) -> tuple[float, ...]:
    """Return the table of Fibonacci's numbers, from a base to a cap."""
    base_s, cap_s = values["base_s"], values["cap_s"]
    return tuple(min(cap_s, base_s * number) for number in _FIBONACCI)


def is_fibonacci(steps_s: tuple[float, ...]) -> bool:
    """Whether a table is of Fibonacci's numbers, up to a cap.

    Examples
    --------
    >>> is_fibonacci((0.5, 0.5, 1.0, 1.5, 2.0)), is_fibonacci((1.0, 2.0, 5.0, 10.0))
    (True, False)
    """
    if len(steps_s) < 4 or steps_s[0] <= 0.0:
        return False
    top_s, numbers = steps_s[-1], (*_FIBONACCI, *(inf,) * len(steps_s))
    said_s = (min(top_s, steps_s[0] * numbers[i]) for i in range(len(steps_s)))
    return all(abs(a - b) <= 1e-3 * b for a, b in zip(steps_s, said_s, strict=True))


def _above_floor(waits: Waits) -> Iterator[Values]:
    """Guess ceilings of waits that lie evenly between a floor and these."""
    floor_s = max(LEAST_S, float(waits.wait_s.min()))
    height_s = np.maximum(2.0 * waits.mean_s - floor_s, floor_s)
    yield from _over(waits, height_s, floor_s)


def _guess_over_floor(waits: Waits) -> Iterator[Values]:
    """Guess ceilings of waits that lie evenly from 0 to these, the lower ones raised to a floor.

    With a ceiling h and a floor f, the mean wait is (h^2 + f^2) / 2h.
    """
    floor_s = max(LEAST_S, float(np.quantile(waits.wait_s, 0.02)))
    mean_s = waits.mean_s
    height_s = mean_s + np.sqrt(np.maximum(mean_s**2 - floor_s**2, 0.0))
    yield from _over(waits, height_s, floor_s)


def _over(waits: Waits, height_s: Floats, floor_s: float) -> Iterator[Values]:
    heights = np.log(np.maximum(height_s, LEAST_S))
    for at_one, slope, cap in _lines(waits, _after_first(waits), heights):
        factor = min(_MOST_FACTOR, max(1.0 + 1e-3, exp(slope)))
        base_s = min(exp(at_one), exp(cap))
        yield {"base_s": base_s, "factor": factor, "cap_s": exp(cap), "floor_s": floor_s}


def _after_first(waits: Waits) -> Floats:
    return waits.attempts.astype(np.float64) - 1.0


def _lines(waits: Waits, along: Floats, heights: Floats) -> list[tuple[float, float, float]]:
    """Return the two best lines up to a level: value at 1, slope, level."""
    counts = waits.counts
    guesses = [_fit_capped_line(along, heights, counts, i) for i in range(len(heights))]
    return [line for _, *line in sorted(guesses)[:2]]  # type: ignore[misc]


def crowd_s(waits: Waits) -> float:
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


def _growing(
    guesses: Callable[[Waits, float], Iterator[Values]], share: float
) -> Callable[[Waits], Iterator[Values]]:
    return lambda waits: guesses(waits, share)


def _spread(
    guesses: Callable[[Waits, float], Iterator[Values]],
) -> Callable[[Waits], Iterator[Values]]:
    def begin(waits: Waits) -> Iterator[Values]:
        for guess in guesses(waits, 1.0):
            yield guess | {"spread_fraction": _spread_fraction(waits)}

    return begin


def _spread_fraction(waits: Waits) -> float:
    """Return how widely first waits are spread around their middle, rather too widely."""
    several = [waits.wait_s[rows] for rows in waits.rows if rows.size > 2]
    if not several or several[0].max() <= 0.0:
        return 0.3
    spread = np.ptp(several[0]) / (several[0].max() + several[0].min())
    return float(np.clip(1.15 * spread, 0.01, 0.98))


def _constant(waits: Waits) -> Iterator[Values]:
    yield {"base_s": float(np.median(waits.wait_s))}


def _band(waits: Waits) -> Iterator[Values]:
    low_s, high_s = (float(each) for each in np.quantile(waits.wait_s, [0.01, 0.99]))
    yield {"base_s": max(LEAST_S, low_s), "add_most_s": high_s - low_s}


def _guess_decorrelated(waits: Waits) -> Iterator[Values]:
    low_s = max(LEAST_S, float(np.quantile(waits.wait_s, 0.01)))
    yield {"base_s": low_s, "cap_s": max(low_s, crowd_s(waits))}
    yield {"base_s": low_s, "cap_s": 2.0 * waits.longest_s + LEAST_S}


def _widths_s(waits: Waits) -> float:
    """Return how widely waits of the same attempt are spread."""
    several = [rows for rows in waits.rows if rows.size > 1]
    if not several:
        return 0.1 * waits.longest_s
    return float(np.median([np.ptp(waits.wait_s[rows]) for rows in several]))


def _guess_additive_exponential(waits: Waits) -> Iterator[Values]:
    """Guess exponential ceilings under what is added, which hides where they begin.

    What is added is the same on average each time, so differences of means grow by the factor.
    """
    width_s = _widths_s(waits)
    for base_s, factor, added_s, cap_s in _hidden_growth(waits)[:2]:
        yield {
            "base_s": base_s,
            "factor": factor,
            "cap_s": max(base_s, cap_s),
            "add_least_s": added_s - width_s / 2.0,
            "add_most_s": added_s + width_s / 2.0,
        }


def _hidden_growth(waits: Waits) -> list[tuple[float, float, float, float]]:
    """Return base, factor, what is added and cap that explain the means best, by least squares."""
    mean_s, counts = waits.mean_s, waits.counts
    # All factors at once, a row for each.
    powers = _FACTORS[:, np.newaxis] ** (waits.attempts - 1.0)
    found = []
    for flat_from in range(min(3, len(mean_s)), len(mean_s) + 1):
        head, tail = slice(0, flat_from), slice(flat_from, None)
        level_s, off = inf, 0.0
        if len(mean_s[tail]):
            level_s = _mean(mean_s[tail], counts[tail])
            off = float((mean_s[tail] - level_s) ** 2 @ counts[tail])
        x, y, n = powers[:, head], mean_s[head], counts[head]
        x_mean, y_mean = x @ n / n.sum(), _mean(y, n)
        x_off = x - x_mean[:, np.newaxis]
        across = x_off**2 @ n
        base_s = np.where(across > 0.0, x_off @ (n * (y - y_mean)), 0.0)
        base_s /= np.where(across > 0.0, across, 1.0)
        added_s = y_mean - base_s * x_mean
        misfit = off + (y - added_s[:, np.newaxis] - base_s[:, np.newaxis] * x) ** 2 @ n
        top_s = np.minimum(level_s - added_s, 20.0 * waits.longest_s)
        lines = np.array([misfit, base_s, _FACTORS, added_s, top_s])[:, base_s > LEAST_S]
        found += lines.T.tolist()
    return [tuple(line) for _, *line in sorted(found)]


_FACTORS = np.append(np.arange(1.1, 2.2, 0.1), [2.5, 3.0, 4.0, 5.0])


def _guess_additive_linear(waits: Waits) -> Iterator[Values]:
    width_s = _widths_s(waits)
    for guess in _risen(waits, 1.0):
        base_s = max(LEAST_S, guess["base_s"] - width_s / 2.0)
        yield guess | {"base_s": base_s, "add_most_s": width_s}


# --- the families ------------------------------------------------------------------------

_GROWTH = ("base_s", "factor", "cap_s")
_RISE = ("base_s", "rise_s", "cap_s")
_POWER = ("base_s", "exponent", "cap_s")
#: Jitters that other growths and tables are looked at with, and the mean share of a ceiling.
_SHARES = {"none": 1.0, "full": 0.5, "equal": 0.75}
#: What is looked at first.
PLAIN = (
    Family({"jitter": "none", "factor": 1.0}, ("base_s",), _constant),
    Family(
        {"jitter": "additive", "factor": 1.0, "add_least_s": 0.0}, ("base_s", "add_most_s"), _band
    ),
    Family({"jitter": "none"}, _GROWTH, _growing(_guess_exponential, 1.0)),
    Family({"jitter": "full"}, _GROWTH, _growing(_guess_exponential, 0.5)),
    Family({"jitter": "equal"}, _GROWTH, _growing(_guess_exponential, 0.75)),
    Family(
        {"jitter": "proportional"},
        (*_GROWTH, "spread_fraction"),
        _spread(_guess_exponential),
    ),
    Family(
        {"jitter": "additive"}, (*_GROWTH, "add_least_s", "add_most_s"), _guess_additive_exponential
    ),
    Family({"jitter": "decorrelated"}, ("base_s", "cap_s"), _guess_decorrelated),
    Family({"growth": "linear", "jitter": "none"}, _RISE, _growing(_risen, 1.0)),
    Family({"growth": "linear", "jitter": "full"}, _RISE, _growing(_risen, 0.5)),
    Family(
        {"growth": "linear", "jitter": "proportional"},
        (*_RISE, "spread_fraction"),
        _spread(_risen),
    ),
    Family(
        {"growth": "linear", "jitter": "additive", "add_least_s": 0.0},
        (*_RISE, "add_most_s"),
        _guess_additive_linear,
    ),
    *(
        Family({"growth": "power", "jitter": jitter}, _POWER, _growing(_guess_power, share))
        for jitter, share in _SHARES.items()
    ),
    Family(
        {"growth": "power", "jitter": "proportional"},
        (*_POWER, "spread_fraction"),
        _spread(_guess_power),
    ),
    *(
        Family(
            {"jitter": jitter}, ("base_s", "cap_s"), _growing(_in_fibonacci, share), _fibonacci_s
        )
        for jitter, share in _SHARES.items()
    ),
    Family(
        {"jitter": "proportional"},
        ("base_s", "cap_s", "spread_fraction"),
        _spread(_in_fibonacci),
        _fibonacci_s,
    ),
)


def forms(family: Family, waits: Waits, blur_s: float) -> Iterator[Family]:
    """Return a family in each form that the waits hint at.

    Waits that crowd in one place were cut by a cap: then jitter may come before it. Waits that
    follow the ones before them, more than their attempts say, have their jitter from these, or
    from the client.
    """
    jitter = _jitter(family)
    if jitter in (Jitter.NONE, Jitter.DECORRELATED):
        yield family
        return
    if jitter == Jitter.FULL and family.free == _GROWTH and waits.wait_s.min() > 10.0 * blur_s:
        yield from _add_floor(family)
    for place in _place_jitter(family, waits, blur_s):
        yield place
        if _follows(waits, blur_s):
            if len(np.unique(waits.client)) > 1:
                yield place.but(drawn_once=True)
            if jitter == Jitter.PROPORTIONAL and "factor" in family.free:
                yield place.but(compounding=True)


def _add_floor(family: Family) -> Iterator[Family]:
    """Return full jitter over a floor: drawn above it, and drawn from 0 and raised to it."""
    free = (*family.free, "floor_s")
    fixed = {**family.fixed, "drawn_above_floor": True}
    yield replace(family, fixed=fixed, free=free, begin=_above_floor)
    yield replace(family, free=free, begin=_guess_over_floor)


def count_from_start(family: Family) -> Family:
    """Return a family whose waits are counted from the start of attempts.

    Its search begins at the waits as they would be if the attempts had failed at once.
    """

    def begin(waits: Waits) -> Iterator[Values]:
        yield from family.begin(replace(waits, wait_s=waits.wait_s + waits.lasted_s))

    return replace(family.but(counted_from=CountedFrom.START), begin=begin)


def may_be_paced(waits: Waits, blur_s: float, *, said: bool) -> bool:
    """Whether attempts lasted so differently that it shows from when waits are counted.

    Where waits have been said otherwise, they must be shorter after attempts that lasted longer.
    """
    if np.ptp(waits.lasted_s) < 20.0 * blur_s:
        return False
    return not said or _rank_correlation(waits.lasted_s, waits.wait_s) < -0.3


def _place_jitter(family: Family, waits: Waits, blur_s: float) -> Iterator[Family]:
    """Return a family with its jitter in each place to the cap."""
    yield family
    if "cap_s" not in family.free:
        return
    if _is_crowded(waits, blur_s):

        def begin(waits: Waits) -> Iterator[Values]:
            for guess in family.begin(waits):
                yield guess | {"cap_s": max(guess["base_s"], crowd_s(waits))}

        yield replace(family.but(jitter_place=JitterPlace.BEFORE_CAP), begin=begin)
    if _jitter(family) in (Jitter.PROPORTIONAL, Jitter.ADDITIVE):  # of others it is inside the cap
        yield family.but(jitter_place=JitterPlace.AFTER_CAP)


def _jitter(family: Family) -> Jitter:
    return Jitter[str(family.fixed["jitter"]).upper()]


def _is_crowded(waits: Waits, blur_s: float) -> bool:
    """Whether several of the longest waits are the same."""
    at_top = np.abs(waits.wait_s - crowd_s(waits)) < 4.0 * blur_s
    return bool(at_top.sum() >= max(3, 0.02 * len(waits)))


def _follows(waits: Waits, blur_s: float) -> bool:
    """Whether waits are long where the ones before were, for their attempts; or none can say."""
    usual_s = waits.by_attempt(np.median)
    spread = waits.by_attempt(np.ptp)[waits.group] > 6.0 * blur_s
    later = np.flatnonzero(spread & (waits.attempt > 1) & (waits.previous_s > 0.0))
    place = waits.group[later]
    before = place > 0
    later, place = later[before], place[before]
    if later.size < 4:
        return True
    off = np.log(np.maximum(waits.wait_s[later], LEAST_S) / np.maximum(usual_s[place], LEAST_S))
    earlier_s = np.maximum(usual_s[place - 1], LEAST_S)
    off_before = np.log(np.maximum(waits.previous_s[later], LEAST_S) / earlier_s)
    found = _rank_correlation(off, off_before)
    return bool(np.isnan(found) or found > max(0.2, 2.0 / np.sqrt(later.size)))


def _rank_correlation(one: Floats, other: Floats) -> float:
    """Return Spearman's correlation; NaN where one of the two is constant."""
    if not np.ptp(one) or not np.ptp(other):
        return nan
    # pandas ranks at once; `scipy.stats` would take a second to import.
    ranks, other_ranks = (pd.Series(each).rank() for each in (one, other))
    return float(np.corrcoef(ranks, other_ranks)[0, 1])


def with_firsts(family: Family) -> Iterator[Family]:
    """Return the family with a first wait of its own: exact, from 0 up, or like the others."""
    jitter = _jitter(family)
    yield family.with_first(Jitter.NONE)
    yield family.with_first(Jitter.FULL)
    if jitter in (Jitter.PROPORTIONAL, Jitter.ADDITIVE):
        yield family.with_first(jitter)


def name_of(rules: Backoff, *, capped: bool) -> str:
    """Return the family of a policy in words.

    Examples
    --------
    >>> name_of(Backoff(jitter="proportional"), capped=True)
    'exponential, proportional jitter inside the cap'
    """
    is_constant = rules.growth == Growth.EXPONENTIAL and rules.factor == 1.0
    words = ["constant" if is_constant else rules.growth.name.lower()]
    if rules.step_count:
        is_constant = not is_fibonacci(rules.steps_s)
        words = ["table of steps" if is_constant else "Fibonacci table"]
    place = ""
    if capped and rules.jitter in (Jitter.PROPORTIONAL, Jitter.ADDITIVE):
        place = f" {_PLACES[rules.jitter_place]} the cap"
    elif capped and rules.jitter_place == JitterPlace.BEFORE_CAP:
        place = " before the cap"
    if rules.jitter == Jitter.DECORRELATED:
        words = ["decorrelated jitter"]
    elif rules.jitter == Jitter.NONE:
        words += [] if is_constant else ["no jitter"]
    else:
        words.append(f"{rules.jitter.name.lower()} jitter{place}")
    if rules.floor_s > 0.0:
        words.append("drawn above a floor" if rules.drawn_above_floor else "raised to a floor")
    words += ["compounding"] * rules.compounding + ["drawn once"] * rules.drawn_once
    words += ["from the start of attempts"] * (rules.counted_from == CountedFrom.START)
    if rules.first_s < inf:
        words.append(f"first wait {'fixed' if rules.first_jitter == Jitter.NONE else 'spread'}")
    return ", ".join(words)


_PLACES = {
    JitterPlace.INSIDE: "inside",
    JitterPlace.BEFORE_CAP: "before",
    JitterPlace.AFTER_CAP: "after",
}
