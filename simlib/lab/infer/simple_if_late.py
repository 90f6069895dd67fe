"""Simple policies that agree if waits were late by the same each time, or first waits alone.

A client must notice that its connection is gone before its first wait begins, and each attempt
takes it a moment. Such lateness hardly varies, so a table of steps agrees with it exactly, or a
policy whose first wait has a number of its own. A policy that says all waits by one law, and lies
a little below each of them, is the likelier one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from simlib.lab.infer.bands import bands
from simlib.lab.infer.evaluation import evaluate_family
from simlib.lab.infer.late_client import fit_lateness, lateness_grows, may_be_late
from simlib.lab.infer.policy_fit import FamilyFit
from simlib.lab.infer.selection import measure_spreads_s, select_without_jitter
from simlib.lab.infer.waits import LEAST_WAITS, ClientLateness, Waits
from simlib.metrics.array_types import Floats

#: Fewer first waits do not show that they are late.
_LEAST_FIRSTS = 3
#: What is tried of first waits, until the families say how late they were.
_FIRST_TRIED = ClientLateness(0.9, 0.03)
#: What is tried of all waits: nearly the same lateness each time, in ever larger steps.
_SAME_TRIED = tuple(
    ClientLateness(1.0, 0.005, least_s) for least_s in (0.004, 0.015, 0.028, 0.042, 0.056)
)
#: Waits that are all late by about the same are not later than this.
_MOST_S = 0.1


def find_simple_if_late(
    candidates: Sequence[FamilyFit], waits: Waits
) -> tuple[Waits, list[FamilyFit]] | None:
    """Return waits that were late, and the simple family that agrees with them then.

    None where the best of the candidates is simple itself, or no simple one agrees.
    """
    best = candidates[0]
    if best.goodness.is_good and not _sets_steps_apart(best):
        return None
    first, later = waits.first_and_later
    if first.size < _LEAST_FIRSTS or later.size < LEAST_WAITS or _has_jitter(waits):
        return None
    first_s = waits.wait_s[first]
    # No law lies above the shortest, so first waits are at least so late.
    if not may_be_late(first_s - first_s.min()):
        return None
    if agreeing := _agree_if_late(replace(waits, first_lateness=_FIRST_TRIED)):
        return _choose_likeliest(agreeing)
    if not best.goodness.is_good:  # with all waits late by the same, a table would agree
        return None
    agreeing = [
        pair
        for lateness in _SAME_TRIED
        for pair in _agree_if_late(replace(waits, lateness=lateness, first_lateness=lateness))
    ]
    return _choose_likeliest(agreeing) if agreeing else None


def _sets_steps_apart(found: FamilyFit) -> bool:
    """Whether some waits are free of the law of the others: a first one, or each of a table."""
    return "first_s" in found.values or not found.family.free


def _has_jitter(waits: Waits) -> bool:
    """Whether most later waits of the same attempt differ."""
    spreads_s = measure_spreads_s(waits.where(waits.attempt > 1))
    return bool(spreads_s.size and np.median(spreads_s) > 10.0 * waits.blur_s)


def _choose_likeliest(
    agreeing: Sequence[tuple[Waits, FamilyFit]],
) -> tuple[Waits, list[FamilyFit]]:
    seen, likeliest = min(agreeing, key=lambda pair: pair[1].bic)
    return seen, [likeliest]


def _agree_if_late(tried: Waits) -> list[tuple[Waits, FamilyFit]]:
    """Return the families that say all waits by one law if they were late, and waits so late."""
    families = select_without_jitter(tried, own_first=False)
    late = [_with_own_lateness(each, tried) for each in families if each.goodness.is_good]
    return [each for each in late if each is not None]


def _with_own_lateness(found: FamilyFit, tried: Waits) -> tuple[Waits, FamilyFit] | None:
    """Return waits as late as a family says, and the family with these; None if not so late."""
    over_s = tried.wait_s - bands(found.rules, tried).high_s
    first_s, later_s = (over_s[rows] for rows in tried.first_and_later)
    least_s = float(tried.lateness.least_s)
    # A first wait that is spread widely, or far from the law, is no lateness.
    if not may_be_late(first_s) or _misses_attempt(over_s, tried):
        return None
    firsts = fit_lateness(first_s, tried.blur_s, float(tried.first_lateness.least_s))
    late = replace(tried, first_lateness=firsts)
    if least_s:
        if np.quantile(later_s, 0.95) > _MOST_S or lateness_grows(found, tried):
            return None
        late = replace(late, lateness=fit_lateness(later_s, tried.blur_s, least_s))
    again = evaluate_family(found.family, found.values, late)
    return (late, again) if again.goodness.is_good else None


def _misses_attempt(over_s: Floats, tried: Waits) -> bool:
    """Whether most waits of some later attempt are later than was tried, be they few."""
    # As `wait_places` has it: five standard deviations, and half a per cent.
    slack_s = 5.0 * tried.blur_s + 0.005 * tried.wait_s
    is_missed = over_s - tried.lateness_by_wait.most_s > slack_s
    rows = zip(tried.attempts, tried.rows, strict=True)
    return any(bool(is_missed[of].mean() > 0.5) for attempt, of in rows if attempt > 1)
