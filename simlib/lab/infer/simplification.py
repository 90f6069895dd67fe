"""Drop what a simpler family explains as well: caps that no wait needs, idle parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import inf

import numpy as np

from simlib.core.backoff import looks_back
from simlib.core.backoff_kinds import Jitter
from simlib.lab.infer.bands import bands
from simlib.lab.infer.evaluation import BEYOND, evaluate_family
from simlib.lab.infer.lockstep import Search, beside, run_search
from simlib.lab.infer.policy_fit import FamilyFit
from simlib.lab.infer.search import (
    climb,
)
from simlib.lab.infer.waits import Waits
from simlib.metrics.array_types import Floats


def drop_needless_caps(candidates: Sequence[FamilyFit], waits: Waits) -> list[FamilyFit]:
    """Return families at their best without the cap, where hardly any waits are at it.

    A search may have come to rest where a cap makes up for other numbers.
    """
    places = [_endless(candidate, waits) for candidate in candidates]
    begins = [(i, *begin) for i, begin in enumerate(places) if begin is not None]
    works = [climb(search, place, 0.0, 0.01, _STEPS) for _, search, place in begins]
    kept = list(candidates)
    for (i, search, _), top in zip(begins, run_search(beside(works)), strict=True):
        endless = evaluate_family(search.family, search.values(top.place), waits)
        kept[i] = min(kept[i], endless, key=lambda candidate: candidate.bic)
    return kept


def _endless(candidate: FamilyFit, waits: Waits) -> tuple[Search, Floats] | None:
    """Return where a search without the cap begins; None where the waits show that there is one."""
    if not candidate.is_capped:
        return None
    values = candidate.values | {"cap_s": BEYOND * waits.longest_s + 1.0}
    rules = candidate.family.rules(values)
    if rules is None:
        return None
    cut = bands(rules, waits).high_s > bands(candidate.rules, waits).high_s + waits.blur_s
    if cut.mean() > _HARDLY:
        return None
    search = Search(candidate.family, candidate.family.scales(waits), waits)
    return search, search.place(values)


#: So few waits at a cap may be at none, which so many steps of a search show.
_HARDLY, _STEPS = 0.25, 150


def is_needless(candidate: FamilyFit, waits: Waits) -> bool:
    """Whether a simpler family says the same: jitter that is none, or a number for each step."""
    lies = bands(candidate.rules, waits)
    is_plain = candidate.rules.jitter == Jitter.NONE
    if not is_plain and float((lies.high_s - lies.low_s).max()) < 4.0 * waits.blur_s:
        return True
    if 0.0 < candidate.rules.floor_s < 6.0 * waits.blur_s:
        return True
    if candidate.rules.first_s < inf and candidate.rules.first_jitter == candidate.rules.jitter:
        first = waits.where(waits.attempt == 1)
        plain = bands(replace(candidate.rules, first_s=inf), first)
        own = bands(candidate.rules, first)
        if len(first) and abs(own.high_s[0] - plain.high_s[0]) < 4.0 * waits.blur_s:
            return True
    if looks_back(candidate.rules) or candidate.rules.drawn_once:
        return False
    levels = len(np.unique(np.round(lies.high_s, 4)))
    needed = sum(
        name in _GROWTH and (name != "cap_s" or candidate.is_capped) for name in candidate.values
    )
    return 1 < levels < needed + is_plain


#: Numbers of ceilings: each needs a ceiling of its own to be told.
_GROWTH = ("base_s", "factor", "rise_s", "exponent", "cap_s", "first_s")
