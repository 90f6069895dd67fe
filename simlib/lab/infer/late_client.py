"""Waits without jitter of a client that was late: nobody measures how late its own timers were.

A process that waits for a processor wakes late, by as much after short waits as after long ones. So
small one-sided differences that do not grow with the wait are taken for lateness, unless jitter
explains them clearly better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import log

import numpy as np

from simlib.core.backoff_kinds import Jitter
from simlib.lab.infer.bands import bands
from simlib.lab.infer.densities import late_point, point
from simlib.lab.infer.evaluation import evaluate_family
from simlib.lab.infer.forms import rank_correlation
from simlib.lab.infer.goodness import measure_goodness
from simlib.lab.infer.likelihood import log_likelihood
from simlib.lab.infer.policy_fit import FamilyFit
from simlib.lab.infer.selection import select_without_jitter
from simlib.lab.infer.step_table import fit_step_table
from simlib.lab.infer.waits import BLUR_S, LEAST_WAITS, ClientLateness, Waits
from simlib.metrics.array_types import Floats

#: A busy process is late by no more than this in the middle, and this nine times in ten.
_MIDDLE_S, _NINE_IN_TEN_S = 0.08, 0.3
#: Jitter no wider than this, and as wide after short waits as after long ones, may be lateness.
NARROW_S = 0.06
#: Timing errors above this are seldom those of a machine that has time.
_USUAL_BLUR_S = 2.5 * BLUR_S
#: Lateness that grows with the wait by such a rank correlation is none.
_GROWS = 0.3
#: Fewer waits of an attempt do not say how its waits are spread.
LEAST_OF_ROW = 5
#: Shares of waits that were late which are tried.
_LATE_FRACTIONS = (1.0, 0.5, 0.2, 0.05)


def explain_by_lateness(
    candidates: Sequence[FamilyFit], waits: Waits, unsure: Waits
) -> tuple[Waits, list[FamilyFit]] | None:
    """Return waits with lateness and the families without jitter that it lets agree with them.

    None where the best of the candidates needs no such excuse, or is clearly better.
    """
    best = candidates[0]
    if best.goodness.is_good and not _has_jitter(best) and waits.blur_s <= _USUAL_BLUR_S:
        return None
    excess_s = _excess_s(waits)
    if not may_be_late(excess_s):
        return None
    late = replace(waits, blur_s=min(waits.blur_s, BLUR_S))
    late = _with_lateness(late, fit_lateness(excess_s, late.blur_s))
    families = _fit_without_jitter(late, unsure.with_timing_of(late))
    if not families or not families[0].goodness.is_good:
        return None
    over_s = lateness_s(families[0], late)
    late = _with_lateness(late, fit_lateness(over_s, late.blur_s))
    families = _fit_again(families, late)
    if not families or lateness_grows(families[0], late) or _has_wide_row(families[0], late):
        return None
    if best.goodness.is_good and not _may_be_either(best, late):
        price = 2.0 * log(len(late))  # of the two numbers of the lateness
        if best.bic <= families[0].bic + price:
            return None
    return late, families


def lateness_s(found: FamilyFit, waits: Waits) -> Floats:
    """Return by how much waits that should have one length were longer; strays are left out."""
    lies = bands(found.rules, waits)
    over_s = waits.wait_s - lies.high_s
    is_point = lies.high_s - lies.low_s < 1e-9
    return np.asarray(over_s[is_point & (over_s > -5.0 * waits.blur_s)])


def _with_lateness(waits: Waits, lateness: ClientLateness) -> Waits:
    return replace(waits, lateness=lateness, first_lateness=lateness)


def _has_jitter(found: FamilyFit) -> bool:
    return found.rules.jitter != Jitter.NONE


def _excess_s(waits: Waits) -> Floats:
    """Return by how much waits are longer than the shortest one of the same attempt.

    First waits count only where there are not enough others: they may have a law of their own.
    """
    later = waits.where(waits.attempt > 1)
    for some in (later, waits):
        rows = [each for each in some.rows if each.size >= 3]
        if rows and sum(each.size for each in rows) >= LEAST_WAITS:
            # The shortest itself says nothing of how late the others were.
            excess_s = [np.sort(some.wait_s[each] - some.wait_s[each].min())[1:] for each in rows]
            return np.concatenate(excess_s)
    return np.empty(0)


def may_be_late(excess_s: Floats) -> bool:
    """Whether a busy process may be late by these times."""
    if not excess_s.size:
        return False
    middle_s, most_s = np.quantile(excess_s, [0.5, 0.9])
    return bool(middle_s <= _MIDDLE_S and most_s <= _NINE_IN_TEN_S)


def fit_lateness(excess_s: Floats, blur_s: float, least_s: float = 0.0) -> ClientLateness:
    """Return the lateness that makes these times over a policy's waits the likeliest."""
    mean_s = max(2.0 * blur_s, float(excess_s.mean()) - least_s)
    tried = [
        ClientLateness(fraction, times * mean_s / fraction, least_s)
        for fraction in _LATE_FRACTIONS
        for times in (0.5, 0.7, 1.0, 1.4)
    ]
    return max(tried, key=lambda each: _log_likelihood(each, excess_s, blur_s))


def _log_likelihood(lateness: ClientLateness, excess_s: Floats, blur_s: float) -> float:
    errors = np.full(excess_s.shape, blur_s / lateness.mean_s)
    density = (1.0 - lateness.late_fraction) * point(excess_s / blur_s)
    late = late_point((excess_s - lateness.least_s) / blur_s, errors)
    density = density + lateness.late_fraction * late
    return float(np.log(density + 1e-6).sum())


def _fit_without_jitter(late: Waits, unsure: Waits) -> list[FamilyFit]:
    """Return the families without jitter, those that agree first."""
    families = select_without_jitter(late)
    table = fit_step_table(late, unsure)
    families += [] if table is None else [table]
    return sorted(families, key=lambda each: (not each.goodness.is_good, each.bic))


def _fit_again(families: Sequence[FamilyFit], late: Waits) -> list[FamilyFit]:
    """Return the families with the same numbers under another lateness, those that agree alone."""
    again = [
        evaluate_family(each.family, each.values, late) if each.family.free else _table(each, late)
        for each in families
        if each.goodness.is_good
    ]
    return sorted((each for each in again if each.goodness.is_good), key=lambda each: each.bic)


def _table(table: FamilyFit, late: Waits) -> FamilyFit:
    score = log_likelihood(table.rules, late)
    bic = table.bic + 2.0 * (table.log_likelihood - score)
    goodness = measure_goodness(table.rules, late)
    return replace(table, log_likelihood=score, bic=bic, goodness=goodness)


def lateness_grows(found: FamilyFit, waits: Waits) -> bool:
    """Whether waits are longer than they should be by more where they are long."""
    lies = bands(found.rules, waits)
    is_point = lies.high_s - lies.low_s < 1e-9
    over_s = (waits.wait_s - lies.high_s)[is_point]
    correlation = rank_correlation(over_s, lies.high_s[is_point])
    # Three standard errors of Spearman's correlation, 1/sqrt(n) each.
    return bool(correlation > max(_GROWS, 3.0 / np.sqrt(over_s.size)))


def _has_wide_row(found: FamilyFit, waits: Waits) -> bool:
    """Whether the waits of some attempt differ by more than a busy process is late.

    A first wait that is spread has a law of its own, which is no lateness.
    """
    lies = bands(found.rules, waits)
    over_s = np.where(lies.high_s - lies.low_s < 1e-9, waits.wait_s - lies.high_s, 0.0)
    rows = [over_s[row] for row in waits.rows if row.size >= LEAST_OF_ROW]
    return any(float(np.median(row_s)) > _MIDDLE_S for row_s in rows)


def _may_be_either(found: FamilyFit, waits: Waits) -> bool:
    """Whether a policy's jitter is so narrow everywhere that lateness may look just like it."""
    lies = bands(found.rules, waits)
    width_s = lies.high_s - lies.low_s
    return bool(width_s.max() <= NARROW_S)
