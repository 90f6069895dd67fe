"""Which family of policies, and with which numbers, explains observed waits best?

Pure: from waits to a `Fit`. The likelihood of every family comes from `law`; families are compared
by Bayes' criterion (BIC), and the best is put to the test by where in their bands the waits lie.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf, log

import numpy as np
import pandas as pd

from simlib.core.backoff import Backoff, Jitter
from simlib.core.errors import SettingsError
from simlib.lab.families import FAMILIES, LEAST_S, NO_CAP_S, Family
from simlib.lab.law import Waits, bands, log_density, places
from simlib.lab.search import Search, likelihood, sampled, screened, searched

#: Timing errors of a loopback observation: timers, the scheduler, a handshake.
BLUR_S = 0.002
#: Larger differences between waits are not taken for timing errors.
_MOST_BLUR_S = 0.015
#: Fewer waits say nothing of a family.
LEAST_WAITS = 8
CONFIDENCE = 0.95
#: Of a right policy so small a share of the fits is called wrong.
_LEVEL = 0.001
#: A distance this small between waits and band is no matter, however certain it is.
_SMALL_DISTANCE = 0.08
_MOST_OUTSIDE = 0.03
#: A family so much less likely per wait, seen roughly, is not looked at closely.
_BEHIND = 0.5
#: A cap so many times the longest wait is none that anybody has seen.
_BEYOND = 5.0


@dataclass(frozen=True)
class Parameter:
    """A fitted setting with its interval; ``note`` says what could not be told of it."""

    name: str
    value: float
    low: float
    high: float
    note: str = ""


@dataclass(frozen=True)
class Goodness:
    """How well waits agree with a policy."""

    #: Share of the waits that lie outside their bands.
    outside_fraction: float
    #: The largest distance between how the waits lie in their bands and evenly.
    distance: float
    #: Chance of at least this distance if the policy is right; 1 where no band is wide enough.
    chance: float
    #: How many waits were looked at.
    waits: int

    @property
    def is_good(self) -> bool:
        """Whether the policy may be the right one."""
        uneven = self.chance < _LEVEL and self.distance > _SMALL_DISTANCE
        # One stray wait proves nothing, however few there are.
        return not uneven and self.outside_fraction <= max(_MOST_OUTSIDE, 1.0 / self.waits)


@dataclass(frozen=True)
class Candidate:
    """One family at its best."""

    family: Family
    values: dict[str, float]
    rules: Backoff
    log_likelihood: float
    bic: float
    goodness: Goodness

    @property
    def name(self) -> str:
        """The family's name."""
        return self.family.name


@dataclass(frozen=True)
class Fit:
    """What waits say of the policy: all families, the best first, and the best one's numbers."""

    waits: Waits
    blur_s: float
    candidates: list[Candidate]
    parameters: list[Parameter]

    @property
    def best(self) -> Candidate:
        """The family with the least BIC among those that agree with the waits, or among all."""
        return self.candidates[0]

    @property
    def is_none(self) -> bool:
        """Whether no family agrees with the waits."""
        return not self.best.goodness.is_good


def goodness(rules: Backoff, waits: Waits, blur_s: float = BLUR_S) -> Goodness:
    """Return how well waits agree with a policy."""
    from scipy import stats

    place, outside = places(bands(rules, waits), waits, blur_s)
    if place.size < LEAST_WAITS:
        return Goodness(float(outside.mean()), 0.0, 1.0, len(waits))
    tested = stats.kstest(place, "uniform")
    lies = float(tested.statistic), float(tested.pvalue)
    return Goodness(float(outside.mean()), *lies, len(waits))


# --- the fit -----------------------------------------------------------------------------


def fit(waits: pd.DataFrame, blur_s: float | None = None, *, intervals: bool = True) -> Fit:
    """Find the policy that explains observed waits best.

    Parameters
    ----------
    waits : DataFrame
        A row per wait, in the order of time: ``attempt`` (how many in a row, from 1), ``wait_s``
        and ``client``.
    blur_s : float, optional
        Standard deviation of the timing errors, in s. By default 2 ms, or what waits that are
        the same but for it show, up to 15 ms.
    intervals : bool
        Without, the numbers are of the best family alone and have no intervals: it is quicker.

    Returns
    -------
    Fit
        All families, the best first; the best one's numbers with 95 % intervals.

    Raises
    ------
    SettingsError
        If a column is missing or there are fewer than 8 waits.

    Examples
    --------
    >>> seen = {"attempt": [1, 2, 3] * 8, "wait_s": [1.0, 2.0, 4.001] * 8, "client": [0] * 24}
    >>> fit(pd.DataFrame(seen)).best.name
    'exponential, no jitter'
    """
    seen = _checked(waits)
    blurred_s = _blur_s(seen) if blur_s is None else blur_s
    candidates = _candidates(FAMILIES, seen, blurred_s)
    if _first_is_fixed(seen, blurred_s) and not _explains_first(candidates, seen, blurred_s):
        firsts = [family.with_first() for family in FAMILIES]
        candidates += _candidates(firsts, seen, blurred_s)
    table = _table(seen, blurred_s)
    candidates += [] if table is None else [table]
    candidates.sort(key=lambda each: (not each.goodness.is_good, each.bic))
    best = candidates[0]
    if not intervals:
        return Fit(seen, blurred_s, candidates, [])
    if table is not None and best is table:
        return Fit(seen, blurred_s, candidates, _step_parameters(best, seen, blurred_s))
    candidates[0], parameters = _with_intervals(best, seen, blurred_s)
    return Fit(seen, blurred_s, candidates, parameters)


def _checked(frame: pd.DataFrame) -> Waits:
    for name in ("attempt", "wait_s", "client"):
        if name not in frame.columns:
            raise SettingsError("waits", list(frame.columns), f"must have a column {name}")
    kept = frame[np.isfinite(frame["wait_s"].to_numpy(np.float64))]
    seen = Waits.of(kept)
    seen = seen.where(~np.isnan(seen.previous_s))
    if len(seen) < LEAST_WAITS:
        rule = f"not enough waits: {len(seen)} of at least {LEAST_WAITS}"
        raise SettingsError("waits", len(seen), rule)
    return seen


def _blur_s(waits: Waits) -> float:
    """Return the timing errors, as waits show them that are the same but for these."""
    pairs = [rows for rows in waits.rows if rows.size >= 3]
    if not pairs:
        return BLUR_S
    off_s = [np.abs(waits.wait_s[rows] - np.median(waits.wait_s[rows])) for rows in pairs]
    spread_s = 1.4826 * float(np.median(np.concatenate(off_s)))
    return min(_MOST_BLUR_S, max(BLUR_S, spread_s)) if spread_s < _MOST_BLUR_S else BLUR_S


def _first_is_fixed(waits: Waits, blur_s: float) -> bool:
    """Whether the first waits are all the same, and there are others."""
    first_s = waits.wait_s[waits.attempt == 1]
    if first_s.size < 2 or (waits.attempt > 1).sum() < LEAST_WAITS:
        return False
    return float(np.quantile(first_s, 0.9) - np.median(first_s)) < 5.0 * blur_s


def _explains_first(candidates: list[Candidate], waits: Waits, blur_s: float) -> bool:
    """Whether a policy that agrees with the waits says already that the first are the same."""
    good = [each for each in candidates if each.goodness.is_good]
    if not good:
        return False
    lies = bands(min(good, key=lambda each: each.bic).rules, waits.where(waits.attempt == 1))
    return float((lies.high_s - lies.low_s).max()) < 4.0 * blur_s


def _candidates(families: Sequence[Family], waits: Waits, blur_s: float) -> list[Candidate]:
    """Return the families at their best; not those far behind when seen roughly."""
    rough = [(family, *screened(family, waits, blur_s)) for family in families]
    least = max(score for _, score, _ in rough) - _BEHIND * len(waits) - 20.0
    found = []
    for family, score, guesses in rough:
        values = searched(family, guesses, waits, blur_s) if score >= least else None
        if values is not None:
            judged = _judged(family, values, waits, blur_s)
            found += [] if _says_no_more(judged, waits, blur_s) else [judged]
    return found


def _says_no_more(found: Candidate, waits: Waits, blur_s: float) -> bool:
    """Whether a simpler family says the same: jitter that is none, or a number for each step."""
    lies = bands(found.rules, waits)
    if found.rules.jitter != Jitter.NONE:
        return float((lies.high_s - lies.low_s).max()) < 4.0 * blur_s
    levels_s = np.unique(np.round(lies.high_s, 4))
    needed = len(found.values) - (not _reaches_cap(found.rules, waits, blur_s))
    return 1 < levels_s.size <= needed


def _judged(family: Family, values: dict[str, float], waits: Waits, blur_s: float) -> Candidate:
    score = likelihood(family, values, waits, blur_s)
    if "cap_s" in values:
        endless = values | {"cap_s": _BEYOND * waits.longest_s + 1.0}
        other = likelihood(family, endless, waits, blur_s)
        if other > score - 0.5 * log(len(waits)):
            values, score = endless, other
    rules = family.rules(values)
    assert rules is not None
    free = len(values) - ("cap_s" in values and not _reaches_cap(rules, waits, blur_s))
    bic = free * log(len(waits)) - 2.0 * score
    return Candidate(family, values, rules, score, bic, goodness(rules, waits, blur_s))


def _reaches_cap(rules: Backoff, waits: Waits, blur_s: float) -> bool:
    """Whether some wait would be another one without the cap."""
    free = replace(rules, cap_s=NO_CAP_S)
    with_cap, without = bands(rules, waits), bands(free, waits)
    return bool((without.high_s > with_cap.high_s + blur_s).any())


def _with_intervals(
    best: Candidate, waits: Waits, blur_s: float
) -> tuple[Candidate, list[Parameter]]:
    search = Search(best.family, best.family.scales(waits), waits)
    drawn, scores = sampled(search, search.place(best.values), blur_s)
    top = search.values(drawn[int(scores.argmax())])
    if scores.max() > best.log_likelihood:
        best = _judged(best.family, top, waits, blur_s)
    tail = (1.0 - CONFIDENCE) / 2.0
    quantiles = np.quantile(drawn, [0.5, tail, 1.0 - tail], axis=0).T
    parameters = []
    for (name, scale), column in zip(search.scales.items(), quantiles, strict=True):
        value, low, high = (float(scale.back(float(at))) for at in column)
        if not scale.logarithmic and low < blur_s:
            low = scale.low  # an even interval never begins at the least value there is
        parameters.append(Parameter(name, value, low, high))
    if "cap_s" in best.values and not _reaches_cap(best.rules, waits, blur_s):
        least = drawn.min(axis=0)[list(search.scales).index("cap_s")]
        least_s = search.scales["cap_s"].back(float(least))
        parameters = [_unreached(each, least_s, waits) for each in parameters]
    return best, parameters


def _unreached(parameter: Parameter, least_s: float, waits: Waits) -> Parameter:
    """Return a cap that nobody has seen: it may be anything above the least that was drawn."""
    if parameter.name != "cap_s":
        return parameter
    note = f"not reached in {int(waits.attempts[-1])} attempts in a row"
    return Parameter("cap_s", inf, least_s, inf, note)


# --- a table of steps --------------------------------------------------------------------


def _table(waits: Waits, blur_s: float) -> Candidate | None:
    """Return the table of steps that explains the waits best: it has no law to be searched for."""
    steps_s = waits.by_attempt(np.median)
    if int(waits.attempts[-1]) != len(waits.attempts) or len(steps_s) < 2:
        return None  # a step that was not seen
    counts = waits.by_attempt(np.size)
    while len(steps_s) > 1 and abs(steps_s[-2] - steps_s[-1]) < 4.0 * blur_s:
        last_s = float(np.median(waits.wait_s[waits.attempt >= len(steps_s) - 1]))
        steps_s = np.append(steps_s[:-2], last_s)
    if len(steps_s) < 2:
        return None
    kept_s = [max(0.0, float(step_s)) for step_s in steps_s]
    family = Family("table of steps", {"jitter": "none", "base_s": LEAST_S}, (), lambda _: iter(()))
    rules = Backoff(jitter=Jitter.NONE, base_s=LEAST_S, cap_s=NO_CAP_S, steps_s=tuple(kept_s))
    score = float(log_density(bands(rules, waits), waits, blur_s).sum())
    # Each step may lie anywhere: the price of that is its share of all places, not a logarithm
    # of how many waits there are, since steps are as many as the attempts.
    counts = np.append(counts[: len(kept_s) - 1], counts[len(kept_s) - 1 :].sum())
    room = 2.0 * waits.longest_s / (blur_s * 2.5066)
    price = float(np.maximum(np.log(room), 0.0) * len(kept_s) + 0.5 * np.log(counts).sum())
    values = {f"steps_s[{i}]": step_s for i, step_s in enumerate(kept_s)}
    good = goodness(rules, waits, blur_s)
    return Candidate(family, values, rules, score, 2.0 * price - 2.0 * score, good)


def _step_parameters(table: Candidate, waits: Waits, blur_s: float) -> list[Parameter]:
    parameters = []
    last = len(table.values)
    for i, (name, step_s) in enumerate(table.values.items(), 1):
        of = waits.attempt >= i if i == last else waits.attempt == i
        # The median of a normal law is known to 1.25 standard errors.
        half_s = 1.96 * 1.2533 * blur_s / float(np.sqrt(of.sum()))
        parameters.append(Parameter(name, step_s, step_s - half_s, step_s + half_s))
    return parameters
