"""The further forms of a family that the waits hint at: where its jitter is, a floor, a first wait.

Each form costs a search, so only those are fitted for which a cheap statistic of the waits speaks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import nan

import numpy as np
import pandas as pd

from simlib.core.backoff_kinds import CountedFrom, Jitter, JitterPlace
from simlib.lab.infer.families import EXPONENTIAL, Family
from simlib.lab.infer.scales import LEAST_S, Values
from simlib.lab.infer.starting_values import find_crowd_s, guess_above_floor, guess_over_floor
from simlib.lab.infer.waits import Waits
from simlib.metrics.array_types import Floats


def list_forms(family: Family, waits: Waits) -> Iterator[Family]:
    """Return a family in each form that the waits hint at.

    Waits that crowd in one place were cut by a cap: then jitter may come before it. Waits that
    follow the ones before them, more than their attempts say, have their jitter from these, or
    from the client.
    """
    jitter = _jitter(family)
    if jitter in (Jitter.NONE, Jitter.DECORRELATED):
        yield family
        return
    if (
        jitter == Jitter.FULL
        and family.free == EXPONENTIAL
        and waits.wait_s.min() > 10.0 * waits.blur_s
    ):
        yield from _add_floor(family)
    for place in _place_jitter(family, waits):
        yield place
        if _follows(waits):
            if len(np.unique(waits.client)) > 1:
                yield place.but(drawn_once=True)
            if jitter == Jitter.PROPORTIONAL and "factor" in family.free:
                yield place.but(compounding=True)


def _add_floor(family: Family) -> Iterator[Family]:
    """Return full jitter over a floor: drawn above it, and drawn from 0 and raised to it."""
    free = (*family.free, "floor_s")
    fixed = {**family.fixed, "drawn_above_floor": True}
    yield replace(family, fixed=fixed, free=free, begin=guess_above_floor)
    yield replace(family, free=free, begin=guess_over_floor)


def count_from_start(family: Family) -> Family:
    """Return a family whose waits are counted from the start of attempts.

    Its search begins at the waits as they would be if the attempts had failed at once.
    """

    def begin(waits: Waits) -> Iterator[Values]:
        yield from family.begin(replace(waits, wait_s=waits.wait_s + waits.lasted_s))

    return replace(family.but(counted_from=CountedFrom.START), begin=begin)


def may_be_paced(waits: Waits, *, said: bool) -> bool:
    """Whether the lengths of attempts differ enough to show where waits are counted from.

    Where waits have been said otherwise, they must be shorter after attempts that lasted longer.
    """
    if np.ptp(waits.lasted_s) < 20.0 * waits.blur_s:
        return False
    return not said or rank_correlation(waits.lasted_s, waits.wait_s) < -0.3


def _place_jitter(family: Family, waits: Waits) -> Iterator[Family]:
    """Return a family with its jitter in each place to the cap."""
    yield family
    if "cap_s" not in family.free:
        return
    if _is_crowded(waits):

        def begin(waits: Waits) -> Iterator[Values]:
            for guess in family.begin(waits):
                yield guess | {"cap_s": max(guess["base_s"], find_crowd_s(waits))}

        yield replace(family.but(jitter_place=JitterPlace.BEFORE_CAP), begin=begin)
    if _jitter(family) in (Jitter.PROPORTIONAL, Jitter.ADDITIVE):  # of others it is inside the cap
        yield family.but(jitter_place=JitterPlace.AFTER_CAP)


def _jitter(family: Family) -> Jitter:
    return Jitter[str(family.fixed["jitter"]).upper()]


def _is_crowded(waits: Waits) -> bool:
    """Whether several of the longest waits are the same."""
    at_top = np.abs(waits.wait_s - find_crowd_s(waits)) < 4.0 * waits.blur_s
    return bool(at_top.sum() >= max(3, 0.02 * len(waits)))


def _follows(waits: Waits) -> bool:
    """Whether waits are long where the ones before were, for their attempts; or none can say."""
    usual_s = waits.by_attempt(np.median)
    spread = waits.by_attempt(np.ptp)[waits.group] > 6.0 * waits.blur_s
    later = np.flatnonzero(spread & (waits.attempt > 1) & (waits.previous_s > 0.0))
    place = waits.group[later]
    before = place > 0
    later, place = later[before], place[before]
    # Too few to say that they do not follow: then the form is tried.
    if later.size < 4:
        return True
    off = np.log(np.maximum(waits.wait_s[later], LEAST_S) / np.maximum(usual_s[place], LEAST_S))
    earlier_s = np.maximum(usual_s[place - 1], LEAST_S)
    off_before = np.log(np.maximum(waits.previous_s[later], LEAST_S) / earlier_s)
    correlation = rank_correlation(off, off_before)
    # Two standard errors of Spearman's correlation, 1/sqrt(n) each, and at least 0.2.
    return bool(np.isnan(correlation) or correlation > max(0.2, 2.0 / np.sqrt(later.size)))


def rank_correlation(one: Floats, other: Floats) -> float:
    """Return Spearman's correlation; NaN where one of the two is constant."""
    if not np.ptp(one) or not np.ptp(other):
        return nan
    # pandas ranks at once; `scipy.stats` would take a second to import.
    ranks, other_ranks = (pd.Series(values).rank() for values in (one, other))
    return float(np.corrcoef(ranks, other_ranks)[0, 1])


def list_first_forms(family: Family) -> Iterator[Family]:
    """Return the family with a first wait of its own: exact, from 0 up, or like the others."""
    jitter = _jitter(family)
    yield family.with_first(Jitter.NONE)
    yield family.with_first(Jitter.FULL)
    if jitter in (Jitter.PROPORTIONAL, Jitter.ADDITIVE):
        yield family.with_first(jitter)
