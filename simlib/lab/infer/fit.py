"""Which family of policies, with which parameters, explains the observed waits best?

Pure: from waits to a `PolicyFit`. The likelihood of every family comes from `likelihood.py`.
Families are compared by the Bayesian information criterion (BIC), and the best one is tested by
where in their bands the waits lie.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf, lgamma, log, pi, sqrt
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from simlib.core.backoff import Backoff, looks_back
from simlib.core.backoff_kinds import Jitter, JitterPlace
from simlib.core.backoff_words import NO_CAP_S
from simlib.core.errors import SettingsError
from simlib.lab.infer.bands import bands
from simlib.lab.infer.families import (
    LEAST_S,
    PLAIN,
    Family,
    Values,
    count_from_start,
    forms,
    may_be_paced,
    name_of,
    with_firsts,
)
from simlib.lab.infer.likelihood import log_likelihood, wait_places
from simlib.lab.infer.lockstep import Search, beside, run_search
from simlib.lab.infer.search import (
    climb,
    likelihood,
    polish,
    sample_places,
    screen_family,
    search_places,
)
from simlib.lab.infer.sequences import CERTAINLY
from simlib.lab.infer.waits import Waits
from simlib.metrics.array_types import Floats

#: Timing errors of a loopback observation: timers, the scheduler, a handshake.
BLUR_S = 0.002
#: Larger differences between waits are not taken for timing errors.
_MOST_BLUR_S = 0.015
#: Fewer waits say nothing of a family.
LEAST_WAITS = 8
POLICY_CONFIDENCE = 0.95
#: Of a right policy so small a share of the fits is called wrong.
_LEVEL = 0.001
#: A distance this small between waits and band is no matter, however certain it is.
_SMALL_DISTANCE = 0.08
#: Of the waits of a right policy so many lie outside its bands at most; one stray proves nothing.
_STRAY_FRACTION = 0.01
#: With fewer places how much they vary is not nearly normal.
_LEAST_TO_SPREAD = 50
#: Waits of one attempt are looked at alone if there are so many.
_LEAST_OF_ONE = 6
#: A family so much less likely per wait, seen roughly, is not looked at closely.
_BEHIND = 0.2
#: So many waits are enough to see roughly.
_ROUGHLY = 200
#: So many families are looked at in all their forms, so many closely, and so many with a first wait
#: of its own.
_NEAR, _CLOSELY, _LEADING = 7, 12, 2
_ROOT = sqrt(2.0 * pi)
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
        uneven = self.chance < _LEVEL and self.distance > _SMALL_DISTANCE
        return not uneven and self.outside_chance >= _LEVEL


@dataclass(frozen=True)
class FamilyFit:
    """One family at its best."""

    family: Family
    values: dict[str, float]
    rules: Backoff
    log_likelihood: float
    bic: float
    goodness: Goodness
    #: Whether some wait would be another one without the cap.
    is_capped: bool = False

    @property
    def name(self) -> str:
        """The family in words, as far as the waits tell it."""
        return name_of(self.rules, capped=self.is_capped)


@dataclass(frozen=True)
class PolicyFit:
    """What waits say of the policy: all families, the best first, and the best one's numbers."""

    waits: Waits
    blur_s: float
    candidates: list[FamilyFit]
    parameters: list[Parameter]
    #: Those of attempts that were never timed well.
    unsure: Waits

    @property
    def best(self) -> FamilyFit:
        """The family with the least BIC among those that agree with the waits, or among all."""
        return self.candidates[0]

    @property
    def is_none(self) -> bool:
        """Whether no family agrees with the waits."""
        return not self.best.goodness.is_good


def goodness(rules: Backoff, waits: Waits, blur_s: float = BLUR_S) -> Goodness:
    """Return how well waits agree with a policy.

    Sources: Kolmogorov and Smirnov's test of even places, Neyman's smooth test of how much they
    vary, the binomial test of how many lie outside, and Bonferroni's inequality.
    """
    found = wait_places(rules, waits, blur_s)
    alone = [(int(attempt), rows) for attempt, rows in zip(waits.attempts, waits.rows, strict=True)]
    groups = [
        (0, np.arange(len(waits))),
        *(each for each in alone if each[1].size >= _LEAST_OF_ONE),
    ]
    outside = min(_outside_chance(found.outside[rows]) for _, rows in groups) * len(groups)
    # Strays are tested by themselves, unless it is many of them at one attempt.
    pooled = found.place[~found.outside[found.rows]]
    tests = [(0, pooled)] if pooled.size >= LEAST_WAITS else []
    if not rules.drawn_once:  # else there is one place for each client, not for each wait
        of = waits.attempt[found.rows]
        tests += [(attempt, found.place[of == attempt]) for attempt, _ in groups[1:]]
    tests = [each for each in tests if each[1].size >= _LEAST_OF_ONE]
    results = [(*_unevenness(place), attempt) for attempt, place in tests]
    if pooled.size >= _LEAST_TO_SPREAD and results[0][2] == 0:
        # The distance hardly sees waits that crowd in the middle, or at both ends, of their bands.
        results.append((_spread_chance(pooled), results[0][1], 0))
    # A distance that is small however certain it is must not hide a larger one.
    chance, distance, attempt = min(
        results, key=lambda each: (each[1] <= _SMALL_DISTANCE, each[0]), default=(1.0, 0.0, 0)
    )
    return Goodness(
        float(found.outside.mean()),
        float(found.late.mean()),
        min(1.0, outside),
        distance,
        min(1.0, chance * max(1, len(results))),
        attempt,
        len(waits),
    )


def _outside_chance(outside: npt.NDArray[np.bool_]) -> float:
    """Return the chance that so many waits or more lie outside by accident."""
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
    above = (np.arange(1, count + 1) / count - ordered).max()
    below = (ordered - np.arange(count) / count).max()
    distance = float(max(above, below))
    return min(1.0, 2.0 * float(smirnov(count, distance))), distance


def _spread_chance(place: Floats) -> float:
    """Return the chance that even places vary so much, or so little: Neyman's smooth test, order 2.

    The mean of the second Legendre polynomial of even places is nearly normal around 0.
    """
    from scipy.special import ndtr

    off = np.sqrt(5.0 / place.size) * float((6.0 * place * (place - 1.0) + 1.0).sum())
    return 2.0 * float(ndtr(-abs(off)))


# --- the fit -----------------------------------------------------------------------------


def fit(
    waits: pd.DataFrame,
    blur_s: float | None = None,
    *,
    intervals: bool = True,
    near: PolicyFit | None = None,
    uncertain: pd.DataFrame | None = None,
) -> PolicyFit:
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
    near : PolicyFit, optional
        A fit of nearly the same waits: only its families are looked at, from its numbers on, unless
        none of them agrees. It is quicker too.
    uncertain : DataFrame, optional
        More waits, not timed well enough to tell a policy. Attempts that were seen in these alone
        keep their places in a row, and no policy agrees that contradicts them.

    Returns
    -------
    PolicyFit
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
    seen = _check_waits(waits)
    blurred_s = _blur_s(seen) if blur_s is None else blur_s
    candidates = [] if near is None else _again(near, seen, blurred_s)
    if not any(each.goodness.is_good for each in candidates):
        candidates = _candidates(seen, blurred_s)
    unsure = _only(uncertain, seen)
    table = _table(seen, unsure, blurred_s)
    candidates += [] if table is None else [table]
    if not candidates:  # each said no more than a simpler one: then the simplest is the nearest
        candidates = _best_of(_screen(PLAIN[:1], seen, blurred_s), seen, seen, blurred_s)
    candidates = [_compare_with_unsure(unsure, each, blurred_s) for each in candidates]
    candidates.sort(key=lambda each: (not each.goodness.is_good, each.bic))
    found = PolicyFit(seen, blurred_s, candidates, [], unsure)
    return with_intervals(found) if intervals else found


def with_intervals(found: PolicyFit) -> PolicyFit:
    """Return a fit with the numbers of the best family, and their 95 % intervals."""
    best, *others = found.candidates
    if not best.family.free:
        return replace(found, parameters=_step_parameters(best, found))
    best, parameters = _with_intervals(best, found.waits, found.blur_s)
    return replace(found, candidates=[best, *others], parameters=parameters)


def _check_waits(frame: pd.DataFrame) -> Waits:
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


def _only(uncertain: pd.DataFrame | None, seen: Waits) -> Waits:
    """Return those uncertain waits whose attempt was seen in no other one."""
    if uncertain is None:
        return seen.where(np.zeros(len(seen), np.bool_))
    return Waits.of(uncertain[~uncertain["attempt"].isin(seen.attempts)])


def _compare_with_unsure(unsure: Waits, found: FamilyFit, blur_s: float) -> FamilyFit:
    """Return a family that does not agree if not even lateness makes it say the unsure waits."""
    known = unsure.where(~np.isnan(unsure.previous_s))
    if not len(known) or wait_places(found.rules, known, blur_s).outside.mean() <= _CONTRADICTED:
        return found
    return replace(found, goodness=replace(found.goodness, outside_chance=0.0))


#: So large a share of unsure waits outside their bands are no strays.
_CONTRADICTED = 0.5


def _blur_s(waits: Waits) -> float:
    """Return the timing errors, as waits show them that are the same but for these."""
    groups = [waits.wait_s[rows] for rows in waits.rows if rows.size >= 3]
    spreads_s = [1.4826 * float(np.median(np.abs(each - np.median(each)))) for each in groups]
    same_s = [spread_s for spread_s in spreads_s if spread_s < _MOST_BLUR_S]
    # Where waits vary a little by themselves too, those that vary least show the errors.
    return max(BLUR_S, float(np.quantile(same_s, 0.25))) if same_s else BLUR_S


def _again(near: PolicyFit, waits: Waits, blur_s: float) -> list[FamilyFit]:
    """Return the families of a fit of nearly the same waits at their best."""
    rough = [
        _Rough(each.family, 0.0, [each.values]) for each in near.candidates if each.family.free
    ]
    return _best_of(rough, waits, _some(waits), blur_s)


def _candidates(waits: Waits, blur_s: float) -> list[FamilyFit]:
    """Return the families at their best, those with a first wait of its own if it is apart."""
    few = _some(waits)
    if _first_is_exact(few, blur_s):
        found = _with_own_first(waits, few, blur_s)
        if any(each.goodness.is_good for each in found):
            return _distinct(found)
    rough = _compared(waits, few, blur_s)
    found = _best_of(rough, waits, few, blur_s)
    if _first_is_apart(found, waits, blur_s):
        later = few.where(few.attempt > 1)
        leading = _screen([each.family for each in rough[:_NEAR]], later, blur_s)[:_LEADING]
        firsts = [first for each in leading for first in with_firsts(each.family)]
        found += _best_of(_screen(firsts, few, blur_s), waits, few, blur_s)
    if may_be_paced(waits, blur_s, said=any(each.goodness.is_good for each in found)):
        paces = [count_from_start(each) for each in PLAIN]
        found += _best_of(_screen(paces, few, blur_s), waits, few, blur_s)
    return _distinct(found)


def _distinct(found: Sequence[FamilyFit]) -> list[FamilyFit]:
    """Return of candidates with the same name the one with the least BIC."""
    return list({each.name: each for each in sorted(found, key=lambda each: -each.bic)}.values())


def _compared(waits: Waits, few: Waits, blur_s: float) -> list[_Rough]:
    """Return plain families and the forms of the nearest ones, the best first."""
    possible = [each for each in PLAIN if _may_be(each, few, blur_s)] or PLAIN
    # Only families that are near the best in their plain form are looked at in all their forms.
    plain = _screen(possible, few, blur_s)
    others = [form for each in plain[:_NEAR] for form in forms(each.family, waits, blur_s)]
    others = [each for each in others if each not in possible]
    return _rank([*plain, *_screen(others, few, blur_s)], few)


def _first_is_exact(waits: Waits, blur_s: float) -> bool:
    """Whether first waits are all the same, and later ones mostly not: no policy is needed for it.

    Few waits would leave too little beside the first ones to choose a family by.
    """
    first_s, later = waits.wait_s[waits.attempt == 1], waits.where(waits.attempt > 1)
    if first_s.size < 3 or len(later) < _ROUGHLY // 2 or np.ptp(first_s) > 10.0 * blur_s:
        return False
    spreads_s = _spreads_s(later)
    return bool(spreads_s.size and np.median(spreads_s) > 20.0 * blur_s)


def _with_own_first(waits: Waits, few: Waits, blur_s: float) -> list[FamilyFit]:
    """Return the families that explain later waits, with and without a first wait of its own."""
    later = waits.where(waits.attempt > 1)
    leading = _compared(later, few.where(few.attempt > 1), blur_s)[:_LEADING]
    families = [form for each in leading for form in (each.family, *with_firsts(each.family))]
    return _best_of(_screen(families, few, blur_s), waits, few, blur_s)


class _Rough(NamedTuple):
    """How well a family does when seen roughly, and numbers to begin at."""

    family: Family
    score: float
    guesses: list[Values]


def _screen(families: Sequence[Family], few: Waits, blur_s: float) -> list[_Rough]:
    """Return families seen roughly, the best first: of equals those with fewer numbers."""
    found = run_search(beside([screen_family(family, few) for family in families]), blur_s)
    rough = [_Rough(family, *each) for family, each in zip(families, found, strict=True)]
    return _rank(rough, few)


def _rank(rough: Sequence[_Rough], few: Waits) -> list[_Rough]:
    one = log(len(few))
    return sorted(rough, key=lambda each: len(each.family.free) * one - each.score)


def _some(waits: Waits) -> Waits:
    """Return waits enough to see roughly which families may be right: some clients, whole."""
    sizes = np.bincount(waits.client)
    client_limit = int(np.searchsorted(np.cumsum(sizes), _ROUGHLY)) + 1
    kept = waits.where(waits.client < client_limit)
    return kept if len(kept) <= 2 * _ROUGHLY else kept.where(np.arange(len(kept)) < 2 * _ROUGHLY)


def _may_be(family: Family, waits: Waits, blur_s: float) -> bool:
    """Whether most waits of an attempt are the same, if the family has no jitter; else not all."""
    spreads_s = _spreads_s(waits)
    if not spreads_s.size:
        return True
    if family.fixed["jitter"] == "none":
        return bool(np.median(spreads_s) < 10.0 * blur_s)
    return bool((spreads_s > 6.0 * blur_s).sum() >= min(2, spreads_s.size))


def _spreads_s(waits: Waits) -> Floats:
    """Return how far the waits of each attempt lie apart that was seen several times."""
    return np.array([np.ptp(waits.wait_s[rows]) for rows in waits.rows if rows.size > 2])


def _best_of(rough: Sequence[_Rough], waits: Waits, few: Waits, blur_s: float) -> list[FamilyFit]:
    """Return the families at their best, those far behind when seen roughly left out."""
    least = max((each.score for each in rough), default=0.0) - _BEHIND * len(few) - 20.0
    near = [each for each in rough[:_CLOSELY] if each.score >= least]
    found = [
        _evaluate(search.family, search.values(place), waits, blur_s)
        for search, place in _at_their_best(near, waits, few, blur_s)
    ]
    found = _without_needless_caps(found, waits, blur_s)
    return [each for each in found if not _says_no_more(each, waits, blur_s)]


def _at_their_best(
    near: Sequence[_Rough], waits: Waits, few: Waits, blur_s: float
) -> list[tuple[Search, Floats]]:
    """Return the places of families that explain the waits best.

    Of many waits a few show which beginning is the best, and which families cannot be the best.
    """
    searches = [Search(each.family, each.family.scales(waits), waits) for each in near]
    shown = waits if len(waits) <= _MANY else few
    works = [
        search_places(replace(search, waits=shown), each.guesses)
        for search, each in zip(searches, near, strict=True)
    ]
    tops = run_search(beside(works), blur_s)
    reached = [(search, top) for search, top in zip(searches, tops, strict=True) if top is not None]
    least = max((top.score for _, top in reached), default=0.0) - _FAR * len(shown) - 12.0
    ends = [polish(search, top.place) for search, top in reached if top.score >= least]
    best = iter(run_search(beside(ends), blur_s))
    return [
        (search, next(best).place if top.score >= least else top.place) for search, top in reached
    ]


def _without_needless_caps(
    found: Sequence[FamilyFit], waits: Waits, blur_s: float
) -> list[FamilyFit]:
    """Return families at their best without the cap, where hardly any waits are at it.

    A search may have come to rest where a cap makes up for other numbers.
    """
    places = [_endless(each, waits, blur_s) for each in found]
    begins = [(i, *begin) for i, begin in enumerate(places) if begin is not None]
    works = [climb(search, place, 0.0, 0.01, _STEPS) for _, search, place in begins]
    kept = list(found)
    for (i, search, _), top in zip(begins, run_search(beside(works), blur_s), strict=True):
        endless = _evaluate(search.family, search.values(top.place), waits, blur_s)
        kept[i] = min(kept[i], endless, key=lambda each: each.bic)
    return kept


def _endless(found: FamilyFit, waits: Waits, blur_s: float) -> tuple[Search, Floats] | None:
    """Return where a search without the cap begins; None where the waits show that there is one."""
    if not found.is_capped:
        return None
    values = found.values | {"cap_s": _BEYOND * waits.longest_s + 1.0}
    rules = found.family.rules(values)
    if rules is None:
        return None
    cut = bands(rules, waits).high_s > bands(found.rules, waits).high_s + blur_s
    if cut.mean() > _HARDLY:
        return None
    search = Search(found.family, found.family.scales(waits), waits)
    return search, search.place(values)


#: With more waits than these, few are searched, and all where a family may be the best: it is not
#: if it is so much less likely for each of the few.
_MANY, _FAR = 400, 0.02
#: So few waits at a cap may be at none, which so many steps of a search show.
_HARDLY, _STEPS = 0.25, 150


def _first_is_apart(found: Sequence[FamilyFit], waits: Waits, blur_s: float) -> bool:
    """Whether first waits are unlike the others: no family says them, or these vary otherwise."""
    first_s = waits.wait_s[waits.attempt == 1]
    if first_s.size < 2 or (waits.attempt > 1).sum() < LEAST_WAITS:
        return False
    good = [each for each in found if each.goodness.is_good]
    if not good:
        return True
    spread_s = float(np.ptp(first_s))
    rules = min(good, key=lambda each: each.bic).rules
    later = waits.where(waits.attempt > 1)
    later_s, lies = _spreads_s(later), bands(rules, later)
    is_narrow = later_s.size and float(np.median(later_s)) < 6.0 * blur_s < 0.2 * spread_s
    # Beyond a cap that cuts, a policy says itself that waits vary no more.
    if is_narrow and float(np.median(lies.high_s - lies.low_s)) > 6.0 * blur_s:
        return True
    lies = bands(rules, waits.where(waits.attempt == 1))
    width_s = float((lies.high_s - lies.low_s).max())
    return width_s > 4.0 * blur_s and spread_s < 0.5 * width_s - 4.0 * blur_s


def _says_no_more(found: FamilyFit, waits: Waits, blur_s: float) -> bool:
    """Whether a simpler family says the same: jitter that is none, or a number for each step."""
    lies = bands(found.rules, waits)
    is_plain = found.rules.jitter == Jitter.NONE
    if not is_plain and float((lies.high_s - lies.low_s).max()) < 4.0 * blur_s:
        return True
    if 0.0 < found.rules.floor_s < 6.0 * blur_s:
        return True
    if found.rules.first_s < inf and found.rules.first_jitter == found.rules.jitter:
        first = waits.where(waits.attempt == 1)
        plain = bands(replace(found.rules, first_s=inf), first)
        own = bands(found.rules, first)
        if len(first) and abs(own.high_s[0] - plain.high_s[0]) < 4.0 * blur_s:
            return True
    if looks_back(found.rules) or found.rules.drawn_once:
        return False
    levels = len(np.unique(np.round(lies.high_s, 4)))
    needed = sum(name in _GROWTH and (name != "cap_s" or found.is_capped) for name in found.values)
    return 1 < levels < needed + is_plain


#: Numbers of ceilings: each needs a ceiling of its own to be told.
_GROWTH = ("base_s", "factor", "rise_s", "exponent", "cap_s", "first_s")


def _evaluate(family: Family, values: Values, waits: Waits, blur_s: float) -> FamilyFit:
    score = likelihood(family, values, waits, blur_s)
    if "cap_s" in values:
        endless = values | {"cap_s": _BEYOND * waits.longest_s + 1.0}
        other = likelihood(family, endless, waits, blur_s)
        if other > score - 0.5 * log(len(waits)):
            values, score = endless, other
    rules = family.rules(values)
    assert rules is not None
    is_capped = "cap_s" in values and _reaches_cap(family, values, waits, blur_s)
    bic = _price(values, rules, waits, blur_s, capped=is_capped) - 2.0 * score
    good = goodness(rules, waits, blur_s)
    return FamilyFit(family, values, rules, score, bic, good, is_capped)


def _price(values: Values, rules: Backoff, waits: Waits, blur_s: float, *, capped: bool) -> float:
    """Return what the free numbers cost, as in BIC; a cap that nobody has seen costs nothing.

    The more waits, the better a number is known: with the root of how many there are for what is
    seen through normal errors, but as many times better for an edge of a band; so that costs twice
    as much. A cap that cuts is a needle, which any wait may seem to be: it costs all its places.
    """
    one = log(len(waits)) * (1.0 if rules.jitter == Jitter.NONE else 2.0)
    ends_there = rules.jitter in (Jitter.NONE, Jitter.FULL, Jitter.EQUAL)
    inside = rules.jitter_place == JitterPlace.INSIDE
    cut = not (ends_there if inside else rules.jitter_place == JitterPlace.AFTER_CAP)
    cap = max(one, 2.0 * log(waits.longest_s / (_ROOT * blur_s))) if cut else one
    # Of two families that say the same the one is told that is commoner.
    price = {"cap_s": cap * capped, "rise_s": one + _COMMON}
    if "factor" in values:
        # Clients grow by 1.3 to 5, mostly by 2: far from it a factor needs more to be believed.
        price["factor"] = one + (log(values["factor"] / _USUAL_FACTOR) / _USUAL_SPREAD) ** 2
    if "exponent" in values:
        # Powers are rare, and mostly squares.
        usual = log(values["exponent"] / _USUAL_EXPONENT) / _USUAL_SPREAD
        price["exponent"] = one + usual**2 + _RARE
    if rules.drawn_once:
        # The width of the jitter is known from one draw of each client.
        price |= dict.fromkeys(_WIDTHS, 2.0 * log(len(np.unique(waits.client))))
    rare = _RARE * ("floor_s" in values or rules.step_count > 0)
    return rare + sum(price.get(name, one) for name in values)


#: What is rare among clients needs so much more to be believed.
_RARE, _COMMON = 4.0, 1.0
_USUAL_EXPONENT = 2.0
_USUAL_FACTOR, _USUAL_SPREAD = 2.0, 0.5
_WIDTHS = ("spread_fraction", "add_least_s", "add_most_s")


def _reaches_cap(family: Family, values: Values, waits: Waits, blur_s: float) -> bool:
    rules, free = family.rules(values), family.rules(values | {"cap_s": NO_CAP_S})
    assert rules is not None
    assert free is not None
    with_cap, without = bands(rules, waits), bands(free, waits)
    return bool((without.high_s > with_cap.high_s + blur_s).any())


def _with_intervals(
    best: FamilyFit, waits: Waits, blur_s: float
) -> tuple[FamilyFit, list[Parameter]]:
    search = Search(best.family, best.family.scales(waits), waits)
    drawn, scores = sample_places(search, search.place(best.values), blur_s)
    top = search.values(drawn[int(scores.argmax())])
    if scores.max() > best.log_likelihood:
        best = min(best, _evaluate(best.family, top, waits, blur_s), key=lambda each: each.bic)
    tail = (1.0 - POLICY_CONFIDENCE) / 2.0
    quantiles = np.quantile(drawn, [0.5, tail, 1.0 - tail], axis=0).T
    parameters = []
    for (name, scale), column in zip(search.scales.items(), quantiles, strict=True):
        value, low, high = (float(scale.back(float(at))) for at in column)
        if 0.0 <= scale.low < blur_s and low < blur_s:
            low = scale.low  # an even interval never begins at the least value there is
        parameters.append(Parameter(name, value, low, high))
    if "cap_s" in best.values and not best.is_capped:
        least = drawn.min(axis=0)[list(search.scales).index("cap_s")]
        least_s = search.scales["cap_s"].back(float(least))
        parameters = [_open_cap(each, least_s, waits) for each in parameters]
    return best, parameters


def _open_cap(parameter: Parameter, least_s: float, waits: Waits) -> Parameter:
    """Return a cap that nobody has seen: it may be anything above the least that was drawn."""
    if parameter.name != "cap_s":
        return parameter
    note = f"not reached in {int(waits.attempts[-1])} attempts in a row"
    return Parameter("cap_s", inf, least_s, inf, note)


# --- a table of steps --------------------------------------------------------------------


def _table(waits: Waits, unsure: Waits, blur_s: float) -> FamilyFit | None:
    """Return the table of steps that explains the waits best: it has no law to be searched for.

    A step that was never timed well keeps its place, at the shortest of its waits.
    """
    steps = dict(zip(waits.attempts.tolist(), waits.by_attempt(np.median), strict=True))
    steps |= dict(zip(unsure.attempts.tolist(), unsure.by_attempt(np.min), strict=True))
    if max(steps) != len(steps) or len(steps) < 2:
        return None  # a step that was not seen
    kept_s = [max(0.0, float(steps[attempt])) for attempt in sorted(steps)]
    while len(kept_s) > 1 and abs(kept_s[-2] - kept_s[-1]) < 4.0 * blur_s:
        same_s = waits.wait_s[waits.attempt >= len(kept_s) - 1]
        kept_s[-2:] = [max(0.0, float(np.median(same_s))) if same_s.size else min(kept_s[-2:])]
    if len(kept_s) < 2:
        return None
    family = Family({"jitter": "none", "base_s": LEAST_S}, (), lambda _: iter(()))
    rules = Backoff(jitter=Jitter.NONE, base_s=LEAST_S, cap_s=NO_CAP_S, steps_s=tuple(kept_s))
    score = log_likelihood(rules, waits, blur_s)
    # Each step may lie anywhere: the price of that is its share of all places, not a logarithm
    # of how many waits there are, since steps are as many as the attempts. What only unsure waits
    # say explains none of the others, and costs nothing.
    counts = np.bincount(np.minimum(waits.attempt, len(kept_s)))
    counts = counts[counts > 0]
    room = 2.0 * waits.longest_s / (_ROOT * blur_s)
    price = float(np.maximum(np.log(room), 0.0) * len(counts) + 0.5 * np.log(counts).sum())
    if kept_s == sorted(kept_s):
        price -= lgamma(len(counts) + 1.0)  # of all orders that one
    values = {f"steps_s[{i}]": step_s for i, step_s in enumerate(kept_s)}
    good = goodness(rules, waits, blur_s)
    return FamilyFit(family, values, rules, score, 2.0 * price - 2.0 * score, good)


def _step_parameters(table: FamilyFit, found: PolicyFit) -> list[Parameter]:
    waits, last = found.waits, len(table.values)
    parameters = []
    for i, (name, step_s) in enumerate(table.values.items(), 1):
        of = waits.attempt >= i if i == last else waits.attempt == i
        if not of.any():
            parameters.append(_unsure_step(name, step_s, found.unsure, i))
            continue
        # The median of a normal law is known to 1.25 standard errors.
        half_s = 1.96 * 1.2533 * found.blur_s / float(np.sqrt(of.sum()))
        parameters.append(Parameter(name, step_s, step_s - half_s, step_s + half_s))
    return parameters


def _unsure_step(name: str, step_s: float, unsure: Waits, attempt: int) -> Parameter:
    """Return a step that was never timed well: it is as long as lateness leaves open."""
    of = unsure.where(unsure.attempt == attempt)
    high_s = float((of.wait_s + of.early_s).min())
    # Each wait less its lateness is a least one; their median lets no stray decide.
    low_s = max(0.0, min(step_s, float(np.median(of.wait_s - of.late_s))))
    words = f"not known well: none of {len(of)} waits was timed {CERTAINLY}"
    return Parameter(name, step_s, low_s, high_s, words)
