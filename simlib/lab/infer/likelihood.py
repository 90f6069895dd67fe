"""The law of a wait under a policy: where it may lie, how likely it is there, its place within.

Nothing here knows a policy's formula: it asks the core's own `delay`, which is the inverse of the
distribution function in its draw, for both ends and for the slope at the lower one.

A wait is seen through errors of its timing. Small ones are normal. Beyond those a wait was late by
at most as much as was measured of it while it was observed, and is taken to have been late by
anything up to that as often as not; an error that nobody has measured explains nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property
from math import inf, pi, sqrt
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from simlib.core.backoff import (
    Backoff,
    CountedFrom,
    Jitter,
    delay,
    height,
    looks_back,
    spread,
    uncut,
)

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]

#: Of the waits so many have nothing to do with the policy: a stalled process, a lost time stamp.
STRAY_FRACTION = 0.005
#: Of the waits whose timing is uncertain, so many were late or early.
_OFF_FRACTION = 0.5
#: The slope of the inverse distribution function is taken over this draw.
_STEP = 2.0**-20
_ENDS = np.array([[0.0], [1.0]])
_ROOT = sqrt(2.0 * pi)


class Bands(NamedTuple):
    """Where each wait may lie: evenly between two ends, and for shares exactly at one of them."""

    low_s: Floats
    high_s: Floats
    at_high: Floats
    at_low: Floats


@dataclass(frozen=True)
class Waits:
    """Observed waits in columns."""

    #: How many attempts in a row.
    attempt: Whole
    wait_s: Floats
    #: The wait before.
    previous_s: Floats
    client: Whole
    #: How long the attempt lasted after which it waited.
    lasted_s: Floats
    #: By how much each wait may have been measured too long, and too short.
    late_s: Floats
    early_s: Floats

    @classmethod
    def of(cls, frame: pd.DataFrame) -> Waits:
        """Return the waits of a table with attempt, wait_s and client, in the order of time.

        It may have the waits before too, as previous_s; how long the attempts lasted, as lasted_s;
        and by how much each wait may be too long or too short, as late_s and early_s.
        """
        attempt = frame["attempt"].to_numpy(np.int64)
        wait_s = frame["wait_s"].to_numpy(np.float64)
        client = np.unique(frame["client"].to_numpy(), return_inverse=True)[1].astype(np.int64)
        if "previous_s" in frame.columns:
            previous_s = frame["previous_s"].to_numpy(np.float64)
        else:
            previous_s = _before(client, attempt, wait_s)
        more = [_column(frame, name) for name in ("lasted_s", "late_s", "early_s")]
        return cls(attempt, wait_s, previous_s, client, *more)

    def __len__(self) -> int:
        return self.wait_s.size

    def where(self, chosen: npt.NDArray[np.bool_]) -> Waits:
        """Return some of the waits."""
        return Waits(*(getattr(self, item.name)[chosen] for item in fields(self)))

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
    def uncertain(self) -> Whole:
        """The rows of waits that may have been measured too long or too short."""
        return np.flatnonzero(self.late_s + self.early_s > _CERTAIN_S)

    @cached_property
    def longest_s(self) -> float:
        """The longest wait."""
        return float(self.wait_s.max())

    def by_attempt(self, statistic: Callable[[Floats], Any]) -> Floats:
        """Return a statistic of the waits of each attempt."""
        return np.array([float(statistic(self.wait_s[rows])) for rows in self.rows])


#: What is certain to so much is certain: the clock's own steps are no lateness.
_CERTAIN_S = 0.001


def _column(frame: pd.DataFrame, name: str) -> Floats:
    """Return a column of times; 0 where there is none."""
    if name not in frame.columns:
        return np.zeros(len(frame))
    times_s = np.nan_to_num(frame[name].to_numpy(np.float64), nan=0.0)
    return np.asarray(np.maximum(0.0, times_s))


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
_spread = _on_arrays(spread, {})
_uncut = _on_arrays(uncut, {})


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
        columns = np.empty((4, len(waits)))
        for attempt, rows in enumerate(waits.first_and_later, 1):
            if rows.size:
                columns[:, rows] = _band(rules, attempt, waits.previous_s[rows])
        return Bands(*columns)
    found = Bands(*_by_attempt(rules, waits.attempts)[:, waits.group])
    return found if rules.counted_from == CountedFrom.FAILURE else _shortened(found, waits)


def _shortened(found: Bands, waits: Waits) -> Bands:
    """Return bands of waits that are counted from the start of attempts; none is below 0."""
    low_s, high_s = (end - waits.lasted_s for end in found[:2])
    width_s = np.maximum(high_s - low_s, 1e-9)
    over = (1.0 - found.at_low - found.at_high) * np.clip(-low_s / width_s, 0.0, 1.0)
    at_low = np.where(high_s > 0.0, found.at_low + over, 0.0)
    at_high = np.where(high_s > 0.0, found.at_high, 1.0)
    return Bands(np.maximum(0.0, low_s), np.maximum(0.0, high_s), at_high, at_low)


def _by_attempt(rules: Backoff, attempts: Whole) -> Floats:
    """Return the bands of attempts, a column for each."""
    heights_s = _heights_s(rules, attempts)
    found = _drawn(rules, rules.jitter, heights_s, rules.floor_s)
    if attempts[0] == 1 and rules.first_s < inf:
        found[:, :1] = _drawn(rules, rules.first_jitter, np.array([rules.first_s]), 0.0)
    return found


def _heights_s(rules: Backoff, attempts: Whole) -> Floats:
    heights_s = np.empty(attempts.size)
    for i, attempt in enumerate(attempts.tolist()):
        heights_s[i] = height_s = height(rules, attempt, 0.0)
        if i and not rules.step_count and height_s == heights_s[i - 1]:
            # Ceilings never fall again: from here on all are the same.
            heights_s[i:] = height_s
            break
    return heights_s


def _drawn(rules: Backoff, jitter: Jitter, heights_s: Floats, floor_s: float) -> Floats:
    """Return the bands of ceilings: what floor and cap cut off lies at their ends."""
    found = np.zeros((4, heights_s.size))
    found[:2] = _spread(rules, jitter, heights_s, floor_s, _ENDS)
    low_s, high_s = found[:2]
    if floor_s > 0.0 or low_s[0] <= 0.0 or high_s[-1] >= rules.cap_s:
        uncut_s = np.empty((2, heights_s.size))
        uncut_s[:] = _uncut(rules, jitter, heights_s, floor_s, _ENDS)
        least_s, most_s = uncut_s
        width_s = np.maximum(most_s - least_s, 1e-12)
        found[2] = np.clip((most_s - high_s) / width_s, 0.0, 1.0)
        found[3] = np.clip((low_s - least_s) / width_s, 0.0, 1.0)
    is_point = high_s <= low_s
    if is_point.any():
        found[2, is_point], found[3, is_point] = 1.0, 0.0
    return found


def _band(rules: Backoff, attempt: int, previous_s: Floats) -> Floats:
    low_s = _delay(rules, attempt, previous_s, 0.0) + np.zeros_like(previous_s)
    high_s = _delay(rules, attempt, previous_s, 1.0) + np.zeros_like(previous_s)
    reach_s = (_delay(rules, attempt, previous_s, _STEP) - low_s) / _STEP
    with np.errstate(divide="ignore", invalid="ignore"):
        at_high = np.where(reach_s > high_s - low_s + 1e-6, 1.0 - (high_s - low_s) / reach_s, 0.0)
    at_high[high_s <= low_s] = 1.0
    return np.array([low_s, high_s, at_high, np.zeros_like(low_s)])


def log_likelihood(rules: Backoff, waits: Waits, blur_s: float | Floats) -> float:
    """Return how likely all waits are under a policy, seen through timing errors of ``blur_s``."""
    found = bands(rules, waits)
    if not rules.drawn_once:
        return float(log_density(found, waits, blur_s).sum())
    kept = drawn_once(found, waits, blur_s)
    point = _point(waits.wait_s - kept.wait_s, blur_s)
    made = found._replace(low_s=kept.wait_s, high_s=kept.wait_s)
    point = _with_lateness(point, made, waits, blur_s)
    # What is known of a draw beforehand is that it lies evenly from 0 to 1.
    return float(_with_strays(point, waits).sum() + np.log(_ROOT * kept.blur).sum())


def log_density(found: Bands, waits: Waits, blur_s: float | Floats) -> Floats:
    """Return how likely each wait is in its band, seen through timing errors of ``blur_s``."""
    over_s, under_s = waits.wait_s - found.low_s, waits.wait_s - found.high_s
    width_s = found.high_s - found.low_s
    wide = width_s > 1e-3 * blur_s
    if wide.all():
        density = (_ndtr(over_s / blur_s) - _ndtr(under_s / blur_s)) / width_s
    elif wide.any():
        share = _ndtr(over_s / blur_s) - _ndtr(under_s / blur_s)
        density = np.where(wide, share / np.where(wide, width_s, 1.0), _point(under_s, blur_s))
    else:
        density = _point(under_s, blur_s)
    cut = np.flatnonzero((found.at_high + found.at_low > 0.0) & wide)
    if cut.size:
        blurs_s = blur_s if isinstance(blur_s, float) else blur_s[cut]
        at_high, at_low = found.at_high[cut], found.at_low[cut]
        density[cut] *= 1.0 - at_high - at_low
        density[cut] += at_high * _point(under_s[cut], blurs_s)
        density[cut] += at_low * _point(over_s[cut], blurs_s)
    return _with_strays(_with_lateness(density, found, waits, blur_s), waits)


def _point(off_s: Floats, blur_s: float | Floats) -> Floats:
    """Return the density of what is so far off a wait without jitter."""
    return np.asarray(np.exp(-0.5 * (off_s / blur_s) ** 2) / (_ROOT * blur_s))


def _with_lateness(density: Floats, found: Bands, waits: Waits, blur_s: float | Floats) -> Floats:
    """Return densities where some waits were measured too long or too short, evenly up to a most.

    The density of a sum of two even parts: how far the waits that it may truly have been lie in
    the band, over both widths. Small errors come on top: here they widen the first part.
    """
    rows = waits.uncertain
    if not rows.size:
        return density
    more_s = 2.0 * (blur_s if isinstance(blur_s, float) else blur_s[rows])
    least_s = waits.wait_s[rows] - waits.late_s[rows] - more_s
    most_s = waits.wait_s[rows] + waits.early_s[rows] + more_s
    low_s, high_s = found.low_s[rows], np.maximum(found.high_s[rows], found.low_s[rows] + 1e-6)
    shared_s = np.minimum(most_s, high_s) - np.maximum(least_s, low_s)
    off = np.maximum(0.0, shared_s) / ((most_s - least_s) * (high_s - low_s))
    density[rows] = (1.0 - _OFF_FRACTION) * density[rows] + _OFF_FRACTION * off
    return density


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
    share = np.maximum(1.0 - found.at_high - found.at_low, 1e-9)
    reach_s = (found.high_s - found.low_s) / share
    least_s = found.low_s - found.at_low * reach_s
    telling = (waits.wait_s < found.high_s - 4.0 * blur_s) | (found.at_high == 0.0)
    weight = np.where(telling, (reach_s / blur_s) ** 2, 1e-6)
    draw = (waits.wait_s - least_s) / np.maximum(reach_s, 1e-12)
    trust = np.ones_like(weight)
    for _ in range(_ROUNDS):
        weights = np.bincount(waits.client, trust * weight) + 1e-9
        draws = np.clip(np.bincount(waits.client, trust * weight * draw) / weights, 0.0, 1.0)
        made_s = np.clip(least_s + reach_s * draws[waits.client], found.low_s, found.high_s)
        # Late waits must not draw the others with them.
        trust = 1.0 / (1.0 + ((waits.wait_s - made_s) / (3.0 * blur_s)) ** 2)
    known = np.unique(waits.client)
    return Kept(draws[known], np.minimum(0.3, 1.0 / np.sqrt(weights[known])), made_s)


class Places(NamedTuple):
    """Where waits lie under a policy."""

    #: From 0 to 1 in their bands; those outside have the place of the nearer end.
    place: Floats
    #: The waits that have these places; a client's first one where each client draws once.
    rows: Whole
    #: Which waits lie outside though nothing that was measured explains it.
    outside: npt.NDArray[np.bool_]
    #: Which waits lie outside because they were measured too long or too short.
    late: npt.NDArray[np.bool_]


def places(rules: Backoff, waits: Waits, blur_s: float) -> Places:
    """Return where in their bands waits lie, and which waits lie outside their bands.

    Places are of those alone whose band is wide enough beside the errors of their timing: if the
    policy is the right one, they are spread evenly. Waits at a cap that cuts share its places among
    them. Where each client draws its jitter once, there is a place for each client.
    """
    found = bands(rules, waits)
    low_s, high_s = found.low_s, found.high_s
    if rules.drawn_once:
        kept = drawn_once(found, waits, blur_s)
        low_s = high_s = kept.wait_s
    width_s = high_s - low_s
    slack_s = 5.0 * blur_s + 0.005 * high_s
    under, over = waits.wait_s < low_s - slack_s, waits.wait_s > high_s + slack_s
    early = under & (waits.wait_s + waits.early_s >= low_s - slack_s)
    late = over & (waits.wait_s - waits.late_s <= high_s + slack_s)
    excused = early | late
    outside = (under | over) & ~excused
    if rules.drawn_once:
        firsts = np.unique(waits.client, return_index=True)[1].astype(np.int64)
        return Places(kept.draw, firsts, outside, excused)
    uncertain_s = 10.0 * blur_s + waits.late_s + waits.early_s
    telling = ~excused & (width_s > 2.0 * uncertain_s)
    place = (waits.wait_s[telling] - low_s[telling]) / width_s[telling]
    place = np.clip(place, 0.0, 1.0)
    at_high, at_low, wait_s = found.at_high[telling], found.at_low[telling], waits.wait_s[telling]
    group, inside = waits.group[telling], ~outside[telling]
    place = at_low + place * (1.0 - at_high - at_low)
    top = inside & (at_high > 0.0) & (wait_s > high_s[telling] - 4.0 * blur_s)
    place[top] = 1.0 - at_high[top] * _evenly(group[top])
    bottom = inside & ~top & (at_low > 0.0) & (wait_s < low_s[telling] + 4.0 * blur_s)
    place[bottom] = at_low[bottom] * _evenly(group[bottom])
    return Places(place, np.flatnonzero(telling).astype(np.int64), outside, excused)


def _evenly(group: Whole) -> Floats:
    """Return places from 0 to 1 that are spread evenly within each group."""
    order = np.argsort(group, kind="stable")
    counts = np.bincount(group)
    starts = np.cumsum(counts) - counts
    rank = np.empty(group.size)
    rank[order] = np.arange(group.size) - starts[group[order]]
    return np.asarray((rank + 0.5) / counts[group]) if group.size else rank


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
