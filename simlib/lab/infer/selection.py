"""Select the families that may explain the waits: a rough look at all, a close look at a few.

Every family is screened on some of the waits, with larger timing errors, so that the likelihood has
no cliffs. The forms of the nearest families follow; the best are searched with the true errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import log
from typing import NamedTuple

import numpy as np

from simlib.lab.infer.bands import bands
from simlib.lab.infer.evaluation import evaluate_family
from simlib.lab.infer.families import PLAIN, Family
from simlib.lab.infer.forms import (
    count_from_start,
    list_first_forms,
    list_forms,
    may_be_paced,
)
from simlib.lab.infer.lockstep import Search, beside, run_search
from simlib.lab.infer.policy_fit import FamilyFit, PolicyFit
from simlib.lab.infer.scales import Values
from simlib.lab.infer.search import polish, screen_family, search_places
from simlib.lab.infer.simplification import drop_needless_caps, is_needless
from simlib.lab.infer.waits import LEAST_WAITS, Waits
from simlib.metrics.array_types import Floats

#: A family so much less likely per wait, seen roughly, is not looked at closely.
_BEHIND = 0.2
#: So many waits are enough to see roughly.
_ROUGHLY = 200
#: So many families are looked at in all their forms, so many closely, and so many with a first wait
#: of its own.
# Chosen by trial on the benchmark (`tests/benchmarks/inference.py`): fewer lose right families,
# more only take longer.
_NEAR, _CLOSELY, _LEADING = 7, 12, 2


def refit_families(near: PolicyFit, waits: Waits) -> list[FamilyFit]:
    """Return the families of a fit of nearly the same waits at their best."""
    rough = [
        _Rough(candidate.family, 0.0, [candidate.values])
        for candidate in near.candidates
        if candidate.family.free
    ]
    return find_best(rough, waits, _choose_few(waits))


def select_families(waits: Waits) -> list[FamilyFit]:
    """Return the families at their best, those with a first wait of its own if it is apart."""
    few = _choose_few(waits)
    if _first_is_exact(few):
        candidates = _fit_own_first(waits, few)
        if any(candidate.goodness.is_good for candidate in candidates):
            return _drop_duplicates(candidates)
    rough = _screen_forms(waits, few)
    candidates = find_best(rough, waits, few)
    if _first_is_apart(candidates, waits):
        later = few.where(few.attempt > 1)
        # First waits that are apart may have put a constant family far behind those that grow.
        nearest = [entry.family for entry in rough[:_NEAR]]
        nearest += [family for family in PLAIN[:2] if family not in nearest]
        leading = screen_families(nearest, later)[:_LEADING]
        firsts = [first for entry in leading for first in list_first_forms(entry.family)]
        candidates += find_best(screen_families(firsts, few), waits, few)
    if may_be_paced(waits, said=any(candidate.goodness.is_good for candidate in candidates)):
        paces = [count_from_start(family) for family in PLAIN]
        candidates += find_best(screen_families(paces, few), waits, few)
    return _drop_duplicates(candidates)


def select_without_jitter(waits: Waits, *, own_first: bool = True) -> list[FamilyFit]:
    """Return the families without jitter at their best, those with a first wait of its own too."""
    few = _choose_few(waits)
    plain = [each for each in PLAIN if each.fixed["jitter"] == "none"]
    firsts = []
    if own_first and (waits.attempt == 1).sum() >= 2 and (waits.attempt > 1).sum() >= LEAST_WAITS:
        firsts = [first for each in plain for first in list_first_forms(each)]
    return _drop_duplicates(find_best(screen_families([*plain, *firsts], few), waits, few))


def _drop_duplicates(candidates: Sequence[FamilyFit]) -> list[FamilyFit]:
    """Return the candidate with the least BIC of each name."""
    return list(
        {
            candidate.name: candidate
            for candidate in sorted(candidates, key=lambda candidate: -candidate.bic)
        }.values()
    )


def _screen_forms(waits: Waits, few: Waits) -> list[_Rough]:
    """Return plain families and the forms of the nearest ones, the best first."""
    possible = [family for family in PLAIN if _may_be(family, few)] or PLAIN
    # Only families that are near the best in their plain form are looked at in all their forms.
    plain = screen_families(possible, few)
    others = [form for entry in plain[:_NEAR] for form in list_forms(entry.family, waits)]
    others = [form for form in others if form not in possible]
    return _rank([*plain, *screen_families(others, few)], few)


def _first_is_exact(waits: Waits) -> bool:
    """Whether first waits are all the same, and later ones mostly not: no policy is needed for it.

    Few waits would leave too little beside the first ones to choose a family by.
    """
    first_s, later = waits.wait_s[waits.attempt == 1], waits.where(waits.attempt > 1)
    if first_s.size < 3 or len(later) < _ROUGHLY // 2 or np.ptp(first_s) > 10.0 * waits.blur_s:
        return False
    spreads_s = measure_spreads_s(later)
    return bool(spreads_s.size and np.median(spreads_s) > 20.0 * waits.blur_s)


def _fit_own_first(waits: Waits, few: Waits) -> list[FamilyFit]:
    """Return the families that explain later waits, with and without a first wait of its own."""
    later = waits.where(waits.attempt > 1)
    leading = _screen_forms(later, few.where(few.attempt > 1))[:_LEADING]
    families = [
        form
        for family_entry in leading
        for form in (family_entry.family, *list_first_forms(family_entry.family))
    ]
    return find_best(screen_families(families, few), waits, few)


class _Rough(NamedTuple):
    """How well a family does when seen roughly, and numbers to begin at."""

    family: Family
    score: float
    guesses: list[Values]


def screen_families(families: Sequence[Family], few: Waits) -> list[_Rough]:
    """Return families seen roughly, the best first: of equals those with fewer numbers."""
    screened = run_search(beside([screen_family(family, few) for family in families]))
    rough = [
        _Rough(family, *screening) for family, screening in zip(families, screened, strict=True)
    ]
    return _rank(rough, few)


def _rank(rough: Sequence[_Rough], few: Waits) -> list[_Rough]:
    per_parameter = log(len(few))
    return sorted(rough, key=lambda entry: len(entry.family.free) * per_parameter - entry.score)


def _choose_few(waits: Waits) -> Waits:
    """Return waits enough to see roughly which families may be right: some clients, whole."""
    sizes = np.bincount(waits.client)
    client_limit = int(np.searchsorted(np.cumsum(sizes), _ROUGHLY)) + 1
    kept = waits.where(waits.client < client_limit)
    return kept if len(kept) <= 2 * _ROUGHLY else kept.where(np.arange(len(kept)) < 2 * _ROUGHLY)


def _may_be(family: Family, waits: Waits) -> bool:
    """Whether most waits of an attempt are the same, if the family has no jitter; else not all."""
    spreads_s = measure_spreads_s(waits)
    if not spreads_s.size:
        return True
    if family.fixed["jitter"] == "none":
        return bool(np.median(spreads_s) < 10.0 * waits.blur_s)
    return bool((spreads_s > 6.0 * waits.blur_s).sum() >= min(2, spreads_s.size))


def measure_spreads_s(waits: Waits) -> Floats:
    """Return how far the waits of each attempt lie apart that was seen several times."""
    return np.array([np.ptp(waits.wait_s[rows]) for rows in waits.rows if rows.size > 2])


def find_best(rough: Sequence[_Rough], waits: Waits, few: Waits) -> list[FamilyFit]:
    """Return the families at their best, those far behind when seen roughly left out."""
    least = max((entry.score for entry in rough), default=0.0) - _BEHIND * len(few) - 20.0
    # Twenty more than in proportion to the waits, so that with few of them nothing is left out by
    # accident.
    near = [entry for entry in rough[:_CLOSELY] if entry.score >= least]
    candidates = [
        evaluate_family(search.family, search.values(place), waits)
        for search, place in _search_best(near, waits, few)
    ]
    candidates = drop_needless_caps(candidates, waits)
    return [candidate for candidate in candidates if not is_needless(candidate, waits)]


def _search_best(near: Sequence[_Rough], waits: Waits, few: Waits) -> list[tuple[Search, Floats]]:
    """Return the places of families that explain the waits best.

    Of many waits a few show which beginning is the best, and which families cannot be the best.
    """
    searches = [Search(entry.family, entry.family.scales(waits), waits) for entry in near]
    shown = waits if len(waits) <= _MANY else few
    works = [
        search_places(replace(search, waits=shown), entry.guesses)
        for search, entry in zip(searches, near, strict=True)
    ]
    tops = run_search(beside(works))
    reached = [(search, top) for search, top in zip(searches, tops, strict=True) if top is not None]
    least = max((top.score for _, top in reached), default=0.0) - _FAR * len(shown) - 12.0
    ends = [polish(search, top.place) for search, top in reached if top.score >= least]
    best = iter(run_search(beside(ends)))
    return [
        (search, next(best).place if top.score >= least else top.place) for search, top in reached
    ]


#: With more waits than these, few are searched, and all where a family may be the best: it is not
#: if it is so much less likely for each of the few.
_MANY, _FAR = 400, 0.02


def _first_is_apart(candidates: Sequence[FamilyFit], waits: Waits) -> bool:
    """Whether first waits are unlike the others: no family says them, or these vary otherwise."""
    first_s = waits.wait_s[waits.attempt == 1]
    if first_s.size < 2 or (waits.attempt > 1).sum() < LEAST_WAITS:
        return False
    good = [candidate for candidate in candidates if candidate.goodness.is_good]
    if not good:
        return True
    spread_s = float(np.ptp(first_s))
    rules = min(good, key=lambda candidate: candidate.bic).rules
    later = waits.where(waits.attempt > 1)
    later_s, lies = measure_spreads_s(later), bands(rules, later)
    is_narrow = later_s.size and float(np.median(later_s)) < 6.0 * waits.blur_s < 0.2 * spread_s
    # Beyond a cap that cuts, a policy says itself that waits vary no more.
    if is_narrow and float(np.median(lies.high_s - lies.low_s)) > 6.0 * waits.blur_s:
        return True
    lies = bands(rules, waits.where(waits.attempt == 1))
    width_s = float((lies.high_s - lies.low_s).max())
    return width_s > 4.0 * waits.blur_s and spread_s < 0.5 * width_s - 4.0 * waits.blur_s
