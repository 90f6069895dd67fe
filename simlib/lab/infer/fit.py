"""Which family of policies, with which parameters, explains the observed waits best?

Pure: from waits to a `PolicyFit`. The likelihood of every family comes from `likelihood.py`.
Families are compared by the Bayesian information criterion (BIC), and the best one is tested by
where in their bands the waits lie.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf

import numpy as np
import pandas as pd

from simlib.core.errors import SettingsError
from simlib.lab.infer.evaluation import evaluate_family
from simlib.lab.infer.families import PLAIN
from simlib.lab.infer.late_client import explain_by_lateness
from simlib.lab.infer.late_jitter import find_agreeing_if_late, fit_with_lateness
from simlib.lab.infer.likelihood import wait_places
from simlib.lab.infer.lockstep import Search
from simlib.lab.infer.policy_fit import FamilyFit, Parameter, PolicyFit
from simlib.lab.infer.search import sample_places
from simlib.lab.infer.selection import find_best, refit_families, screen_families, select_families
from simlib.lab.infer.simple_if_late import find_simple_if_late
from simlib.lab.infer.step_table import fit_step_table, measure_steps
from simlib.lab.infer.waits import BLUR_S, LEAST_WAITS, Waits

#: Larger differences between waits are not taken for timing errors.
_MOST_BLUR_S = 0.015
POLICY_CONFIDENCE = 0.95


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
    seen = replace(seen, blur_s=_estimate_blur_s(seen) if blur_s is None else blur_s)
    candidates = [] if near is None else refit_families(near, seen)
    if not any(candidate.goodness.is_good for candidate in candidates):
        candidates = select_families(seen)
    unsure = _only(uncertain, seen)
    table = fit_step_table(seen, unsure)
    candidates += [] if table is None else [table]
    if not candidates:  # each said no more than a simpler one: then the simplest is the nearest
        candidates = find_best(screen_families(PLAIN[:1], seen), seen, seen)
    candidates = [_compare_with_unsure(unsure, candidate) for candidate in candidates]
    # Agreement first: BIC ranks families, and says nothing of whether even the best one fits.
    candidates.sort(key=lambda candidate: (not candidate.goodness.is_good, candidate.bic))
    explained = find_simple_if_late(candidates, seen)
    explained = explained or explain_by_lateness(candidates, seen, unsure)
    explained = explained or find_agreeing_if_late(candidates, seen)
    if explained is not None:
        seen, late = explained
        unsure = unsure.with_timing_of(seen)
        late = [_compare_with_unsure(unsure, candidate) for candidate in late]
        names = {candidate.name for candidate in late}
        candidates = late + [candidate for candidate in candidates if candidate.name not in names]
    policy_fit = PolicyFit(seen, candidates, [], unsure)
    return add_intervals(policy_fit) if intervals else policy_fit


def add_intervals(policy_fit: PolicyFit) -> PolicyFit:
    """Return a fit with the numbers of the best family, and their 95 % intervals."""
    best, *others = policy_fit.candidates
    if not best.family.free:
        return replace(policy_fit, parameters=measure_steps(best, policy_fit))
    waits, best = fit_with_lateness(best, policy_fit.waits) or (policy_fit.waits, best)
    best, parameters = _sample_intervals(best, waits)
    unsure = policy_fit.unsure.with_timing_of(waits)
    return PolicyFit(waits, [best, *others], parameters, unsure)


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
    return Waits.of(uncertain[~uncertain["attempt"].isin(seen.attempts)], seen.blur_s)


def _compare_with_unsure(unsure: Waits, candidate: FamilyFit) -> FamilyFit:
    """Return a family that does not agree if not even lateness makes it say the unsure waits."""
    known = unsure.where(~np.isnan(unsure.previous_s))
    if not len(known) or wait_places(candidate.rules, known).outside.mean() <= _CONTRADICTED:
        return candidate
    return replace(candidate, goodness=replace(candidate.goodness, outside_chance=0.0))


#: So large a share of unsure waits outside their bands are no strays.
_CONTRADICTED = 0.5


def _estimate_blur_s(waits: Waits) -> float:
    """Return the timing errors, as waits show them that are the same but for these."""
    groups = [waits.wait_s[rows] for rows in waits.rows if rows.size >= 3]
    # 1.4826 times the median absolute deviation estimates a normal's standard deviation, and a few
    # late waits do not move it.
    spreads_s = [1.4826 * float(np.median(np.abs(group - np.median(group)))) for group in groups]
    same_s = [spread_s for spread_s in spreads_s if spread_s < _MOST_BLUR_S]
    # Where waits vary a little by themselves too, those that vary least show the errors.
    return max(BLUR_S, float(np.quantile(same_s, 0.25))) if same_s else BLUR_S


def _sample_intervals(best: FamilyFit, waits: Waits) -> tuple[FamilyFit, list[Parameter]]:
    search = Search(best.family, best.family.scales(waits), waits)
    drawn, scores = sample_places(search, search.place(best.values))
    top = search.values(drawn[int(scores.argmax())])
    # The sampler may find a better place than the search: then that is the estimate.
    if scores.max() > best.log_likelihood:
        best = min(
            best, evaluate_family(best.family, top, waits), key=lambda candidate: candidate.bic
        )
    tail = (1.0 - POLICY_CONFIDENCE) / 2.0
    quantiles = np.quantile(drawn, [0.5, tail, 1.0 - tail], axis=0).T
    parameters = []
    for (name, scale), column in zip(search.scales.items(), quantiles, strict=True):
        value, low, high = (float(scale.back(float(at))) for at in column)
        if 0.0 <= scale.low < waits.blur_s and low < waits.blur_s:
            low = scale.low  # an even interval never begins at the least value there is
        parameters.append(Parameter(name, value, low, high))
    if "cap_s" in best.values and not best.is_capped:
        least = drawn.min(axis=0)[list(search.scales).index("cap_s")]
        least_s = search.scales["cap_s"].back(float(least))
        parameters = [_open_cap(parameter, least_s, waits) for parameter in parameters]
    return best, parameters


def _open_cap(parameter: Parameter, least_s: float, waits: Waits) -> Parameter:
    """Return an unreached cap: it may be anything above the least that was drawn."""
    if parameter.name != "cap_s":
        return parameter
    note = f"not reached in {int(waits.attempts[-1])} attempts in a row"
    return Parameter("cap_s", inf, least_s, inf, note)
