"""The law of a wait under a policy: where it may lie, how likely it is there, its place within.

Nothing here knows a policy's formula: it asks the core's own `delay`, which is the inverse of the
distribution function in its draw, for both ends and for the slope at the lower one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from math import pi, sqrt
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from simlib.core.backoff import Backoff, JitterPlace, delay, looks_back

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]

#: Of the waits so many have nothing to do with the policy: a stalled process, a lost time stamp.
STRAY_FRACTION = 0.005
#: A machine that is busy makes some waits longer, by so much on average; these are late.
LATE_FRACTION, LATE_S = 0.03, 0.03
#: Later than so many of these it is no longer that.
_LATE_LIMIT = 5.0
#: The slope of the inverse distribution function is taken over this draw.
_STEP = 2.0**-20
_ROOT = sqrt(2.0 * pi)


class Bands(NamedTuple):
    """Where each wait may lie: evenly between two ends, and for a share exactly at the upper."""

    low_s: Floats
    high_s: Floats
    at_high: Floats


@dataclass(frozen=True)
class Waits:
    """Observed waits in columns: how many attempts in a row, the wait, the wait before, whose."""

    attempt: Whole
    wait_s: Floats
    previous_s: Floats
    client: Whole

    @classmethod
    def of(cls, frame: pd.DataFrame) -> Waits:
        """Return the waits of a table with attempt, wait_s and client, in the order of time.

        It may have the waits before too, as previous_s.
        """
        attempt = frame["attempt"].to_numpy(np.int64)
        wait_s = frame["wait_s"].to_numpy(np.float64)
        client = np.unique(frame["client"].to_numpy(), return_inverse=True)[1].astype(np.int64)
        if "previous_s" in frame.columns:
            previous_s = frame["previous_s"].to_numpy(np.float64)
        else:
            previous_s = _before(client, attempt, wait_s)
        return cls(attempt, wait_s, previous_s, client)

    def __len__(self) -> int:
        return self.wait_s.size

    def where(self, chosen: npt.NDArray[np.bool_]) -> Waits:
        """Return some of the waits."""
        return Waits(
            self.attempt[chosen], self.wait_s[chosen], self.previous_s[chosen], self.client[chosen]
        )

    @cached_property
    def attempts(self) -> Whole:
        """The numbers of attempts that occur, ascending."""
        return np.unique(self.attempt)

    @cached_property
    def group(self) -> Whole:
        """Of each wait, the place of its attempt in `attempts`."""
        return np.searchsorted(self.attempts, self.attempt).astype(np.int64)

    @cached_property
    def rows(self) -> list[Whole]:
        """The rows of each attempt."""
        return [np.flatnonzero(self.group == i) for i in range(len(self.attempts))]

    @cached_property
    def first_and_later(self) -> tuple[Whole, Whole]:
        """The rows of first attempts, and of all others."""
        first = self.attempt == 1
        return np.flatnonzero(first), np.flatnonzero(~first)

    @cached_property
    def longest_s(self) -> float:
        """The longest wait."""
        return float(self.wait_s.max())

    def by_attempt(self, statistic: Callable[[Floats], Any]) -> Floats:
        """Return a statistic of the waits of each attempt."""
        return np.array([float(statistic(self.wait_s[rows])) for rows in self.rows])


def _before(client: Whole, attempt: Whole, wait_s: Floats) -> Floats:
    """Return the wait before each; 0 before a first one, NaN where it was not seen."""
    previous_s = np.zeros_like(wait_s)
    last: dict[int, tuple[int, float]] = {}
    for i in range(wait_s.size):
        before, before_s = last.get(int(client[i]), (0, 0.0))
        if attempt[i] > 1:
            previous_s[i] = before_s if before == attempt[i] - 1 else np.nan
        last[int(client[i])] = (int(attempt[i]), float(wait_s[i]))
    return previous_s


def _on_arrays(function: Any, done: dict[Any, Any]) -> Any:
    """Return a core function whose times may be arrays: the same source, numpy's min and max."""
    if function not in done:
        code, scope = function.__code__, function.__globals__
        called = {
            name: _on_arrays(scope[name], done)
            for name in code.co_names
            if isinstance(scope.get(name), FunctionType)
        }
        scope = {**scope, **called, "min": np.minimum, "max": np.maximum}
        done[function] = FunctionType(code, scope, function.__name__, function.__defaults__)
    return done[function]


_delay = _on_arrays(delay, {})


def bands(rules: Backoff, waits: Waits) -> Bands:
    """Return the band of each wait under a policy.

    Examples
    --------
    >>> waits = Waits.of(pd.DataFrame({"attempt": [1, 2], "wait_s": [0.5, 1.0], "client": [0, 0]}))
    >>> bands(Backoff(jitter="equal"), waits).low_s
    array([0.5, 1. ])
    """
    if looks_back(rules) and not rules.step_count:
        # From the second attempt on, only the wait before makes a difference.
        found = np.empty((3, len(waits)))
        for attempt, rows in enumerate(waits.first_and_later, 1):
            if rows.size:
                found[:, rows] = _band(rules, attempt, waits.previous_s[rows])
        return Bands(*found)
    by_attempt = np.empty((3, len(waits.attempts)))
    highest = _scalar_band(rules, int(waits.attempts[-1]))
    for i, attempt in enumerate(waits.attempts):
        by_attempt[:, i] = band = _scalar_band(rules, int(attempt))
        if band == highest and attempt > 1 and rules.step_count == 0:
            # Ceilings never fall again: from here on all are at the cap.
            by_attempt[:, i:] = np.array(highest)[:, None]
            break
    return Bands(*by_attempt[:, waits.group])


def _scalar_band(rules: Backoff, attempt: int) -> tuple[float, float, float]:
    low_s = delay(rules, attempt, 0.0, 0.0)
    high_s = delay(rules, attempt, 0.0, 1.0)
    width_s = high_s - low_s
    if width_s <= 0.0:
        return low_s, high_s, 1.0
    if high_s < rules.cap_s or rules.jitter_place == JitterPlace.AFTER_CAP:
        return low_s, high_s, 0.0
    reach_s = (delay(rules, attempt, 0.0, _STEP) - low_s) / _STEP
    return low_s, high_s, 1.0 - width_s / reach_s if reach_s > width_s + 1e-6 else 0.0


def _band(rules: Backoff, attempt: int, previous_s: Floats) -> Floats:
    low_s = _delay(rules, attempt, previous_s, 0.0) + np.zeros_like(previous_s)
    high_s = _delay(rules, attempt, previous_s, 1.0) + np.zeros_like(previous_s)
    reach_s = (_delay(rules, attempt, previous_s, _STEP) - low_s) / _STEP
    with np.errstate(divide="ignore", invalid="ignore"):
        at_high = np.where(reach_s > high_s - low_s + 1e-6, 1.0 - (high_s - low_s) / reach_s, 0.0)
    at_high[high_s <= low_s] = 1.0
    return np.array([low_s, high_s, at_high])


def log_likelihood(rules: Backoff, waits: Waits, blur_s: float | Floats) -> float:
    """Return how likely all waits are under a policy, seen through timing errors of ``blur_s``."""
    found = bands(rules, waits)
    if not rules.drawn_once:
        return float(log_density(found, waits, blur_s).sum())
    kept = drawn_once(found, waits, blur_s)
    point = _point(waits.wait_s - kept.wait_s, blur_s)
    # What is known of a draw beforehand is that it lies evenly from 0 to 1.
    return float(_with_strays(point, waits).sum() + np.log(_ROOT * kept.blur).sum())


def log_density(found: Bands, waits: Waits, blur_s: float | Floats) -> Floats:
    """Return how likely each wait is in its band, seen through timing errors of ``blur_s``."""
    width_s = found.high_s - found.low_s
    over, under = (waits.wait_s - found.low_s) / blur_s, (waits.wait_s - found.high_s) / blur_s
    point = _point(waits.wait_s - found.high_s, blur_s)
    wide = width_s > 1e-3 * blur_s
    on_time = _ndtr(over) - _ndtr(under)
    late = _late(waits.wait_s - found.high_s) - _late(waits.wait_s - found.low_s)
    share = (1.0 - LATE_FRACTION) * on_time + LATE_FRACTION * late
    spread = np.where(wide, share / np.where(wide, width_s, 1.0), point)
    return _with_strays((1.0 - found.at_high) * spread + found.at_high * point, waits)


def _point(off_s: Floats, blur_s: float | Floats) -> Floats:
    """Return the density of what is so far off a wait without jitter."""
    normal = np.exp(-0.5 * (off_s / blur_s) ** 2) / (_ROOT * blur_s)
    late = np.where(off_s > 0.0, _late(off_s) / LATE_S, 0.0)
    return (1.0 - LATE_FRACTION) * normal + LATE_FRACTION * late


def _late(off_s: Floats) -> Floats:
    """Return how likely it is that what is late is later than this."""
    return np.asarray(np.exp(-np.maximum(0.0, off_s) / LATE_S))


def _with_strays(density: Floats, waits: Waits) -> Floats:
    stray = STRAY_FRACTION / (2.0 * waits.longest_s + 1.0)
    return np.log((1.0 - STRAY_FRACTION) * density + stray)


_ROUNDS = 3


class Kept(NamedTuple):
    """Jitter that each client drew once: its draw, how well that is known, the waits it makes."""

    draw: Floats
    blur: Floats
    wait_s: Floats


def drawn_once(found: Bands, waits: Waits, blur_s: float | Floats) -> Kept:
    """Return the draw of each client that explains its waits best, and the waits that it makes.

    A wait at the cap says little of its client's draw, and a wait without jitter nothing.
    """
    reach_s = (found.high_s - found.low_s) / np.maximum(1.0 - found.at_high, 1e-9)
    telling = (waits.wait_s < found.high_s - 4.0 * blur_s) | (found.at_high == 0.0)
    weight = np.where(telling, (reach_s / blur_s) ** 2, 1e-6)
    draw = (waits.wait_s - found.low_s) / np.maximum(reach_s, 1e-12)
    trust = np.ones_like(weight)
    for _ in range(_ROUNDS):
        weights = np.bincount(waits.client, trust * weight) + 1e-9
        draws = np.clip(np.bincount(waits.client, trust * weight * draw) / weights, 0.0, 1.0)
        made_s = np.minimum(found.high_s, found.low_s + reach_s * draws[waits.client])
        # Late waits must not draw the others with them.
        trust = 1.0 / (1.0 + ((waits.wait_s - made_s) / (3.0 * blur_s)) ** 2)
    known = np.unique(waits.client)
    return Kept(draws[known], np.minimum(0.3, 1.0 / np.sqrt(weights[known])), made_s)


class Places(NamedTuple):
    """Where waits lie under a policy."""

    #: From 0 to 1 in their bands.
    inside: Floats
    #: Which waits lie outside, and which of these are but late.
    outside: npt.NDArray[np.bool_]
    late: npt.NDArray[np.bool_]


def places(rules: Backoff, waits: Waits, blur_s: float) -> Places:
    """Return where in their bands waits lie, and which waits lie outside their bands.

    Places are of those alone that lie inside a band wide enough for it: if the policy is the
    right one, they are spread evenly. Waits at a cap that cuts share its places among them. Where
    each client draws its jitter once, there is a place for each client.
    """
    found = bands(rules, waits)
    low_s, high_s = found.low_s, found.high_s
    if rules.drawn_once:
        kept = drawn_once(found, waits, blur_s)
        low_s = high_s = kept.wait_s
    width_s = high_s - low_s
    slack_s = 5.0 * blur_s + 0.005 * high_s
    outside = (waits.wait_s < low_s - slack_s) | (waits.wait_s > high_s + slack_s)
    late = outside & (waits.wait_s > high_s) & (waits.wait_s < high_s + _LATE_LIMIT * LATE_S)
    if rules.drawn_once:
        return Places(kept.draw, outside, late)
    telling = ~outside & (width_s > 20.0 * blur_s)
    place = (waits.wait_s[telling] - low_s[telling]) / width_s[telling]
    at_high, wait_s = found.at_high[telling], waits.wait_s[telling]
    cut = (at_high > 0.0) & (wait_s > high_s[telling] - 4.0 * blur_s)
    place = np.clip(place, 0.0, 1.0) * (1.0 - at_high)
    spread = (np.arange(cut.sum()) + 0.5) / max(1, int(cut.sum()))
    place[cut] = 1.0 - at_high[cut] * spread
    return Places(place, outside, late)


def _ndtr(z: Floats) -> Floats:
    from scipy.special import ndtr

    return np.asarray(ndtr(z))


def sample(rules: Backoff, attempts: int, count: int = 256, seed: int = 1) -> Floats:
    """Return waits of so many clients under a policy: a row per attempt in a row, from the first.

    Examples
    --------
    >>> sample(Backoff(jitter="none"), 3, 2).tolist()
    [[1.0, 1.0], [2.0, 2.0], [4.0, 4.0]]
    """
    draws = np.random.default_rng(seed).random((attempts, count))
    waits = np.zeros((attempts, count))
    previous_s = np.zeros(count)
    for i in range(attempts):
        draw = draws[0] if rules.drawn_once else draws[i]
        previous_s = waits[i] = _delay(rules, i + 1, previous_s, draw) + np.zeros(count)
    return waits


def spans(rules: Backoff, attempts: int) -> Floats:
    """Return the least, the middle and the longest wait before each attempt in a row.

    Examples
    --------
    >>> spans(Backoff(jitter="equal"), 2).tolist()
    [[0.5, 1.0], [0.75, 1.5], [1.0, 2.0]]
    """
    if looks_back(rules):
        return np.asarray(np.quantile(sample(rules, attempts, 4000), [0.0, 0.5, 1.0], axis=1))
    numbers = range(1, attempts + 1)
    return np.array([[delay(rules, n, 0.0, u) for n in numbers] for u in (0.0, 0.5, 1.0)])
