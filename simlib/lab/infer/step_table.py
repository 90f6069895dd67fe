"""A table of steps: the policy that has a parameter of its own for each attempt in a row."""

from __future__ import annotations

from math import lgamma

import numpy as np

from simlib.core.backoff import Backoff
from simlib.core.backoff_kinds import Jitter
from simlib.core.backoff_words import NO_CAP_S
from simlib.lab.infer.densities import ROOT_OF_TWO_PI
from simlib.lab.infer.families import Family
from simlib.lab.infer.goodness import measure_goodness
from simlib.lab.infer.likelihood import log_likelihood
from simlib.lab.infer.policy_fit import FamilyFit, Parameter, PolicyFit
from simlib.lab.infer.scales import LEAST_S
from simlib.lab.infer.sequences import CERTAINLY
from simlib.lab.infer.waits import Waits


def fit_step_table(waits: Waits, unsure: Waits) -> FamilyFit | None:
    """Return the table of steps that explains the waits best: it has no law to be searched for.

    A step that was never timed well keeps its place, at the shortest of its waits.
    """
    usual = np.min if waits.is_late else np.median
    steps = dict(zip(waits.attempts.tolist(), waits.by_attempt(usual), strict=True))
    steps |= dict(zip(unsure.attempts.tolist(), unsure.by_attempt(np.min), strict=True))
    # The attempts must be 1, 2, 3 ... without a gap.
    if max(steps) != len(steps) or len(steps) < 2:
        return None  # a step that was not seen
    kept_s = [max(0.0, float(steps[attempt])) for attempt in sorted(steps)]
    # A table's last step holds for all later attempts, so equal ones at the end are one step.
    while len(kept_s) > 1 and abs(kept_s[-2] - kept_s[-1]) < 4.0 * waits.blur_s:
        same_s = waits.wait_s[waits.attempt >= len(kept_s) - 1]
        kept_s[-2:] = [max(0.0, float(usual(same_s))) if same_s.size else min(kept_s[-2:])]
    if len(kept_s) < 2:
        return None
    family = Family({"jitter": "none", "base_s": LEAST_S}, (), lambda _: iter(()))
    rules = Backoff(jitter=Jitter.NONE, base_s=LEAST_S, cap_s=NO_CAP_S, steps_s=tuple(kept_s))
    score = log_likelihood(rules, waits)
    # Each step may lie anywhere: the price of that is its share of all places, not a logarithm
    # of how many waits there are, since steps are as many as the attempts. What only unsure waits
    # say explains none of the others, and costs nothing.
    counts = np.bincount(np.minimum(waits.attempt, len(kept_s)))
    counts = counts[counts > 0]
    room = 2.0 * waits.longest_s / (ROOT_OF_TWO_PI * waits.blur_s)
    price = float(np.maximum(np.log(room), 0.0) * len(counts) + 0.5 * np.log(counts).sum())
    if kept_s == sorted(kept_s):
        price -= lgamma(len(counts) + 1.0)  # of all orders that one
    values = {f"steps_s[{i}]": step_s for i, step_s in enumerate(kept_s)}
    good = measure_goodness(rules, waits)
    return FamilyFit(family, values, rules, score, 2.0 * price - 2.0 * score, good)


def measure_steps(table: FamilyFit, policy_fit: PolicyFit) -> list[Parameter]:
    """Return each step with its interval, from the number of its waits."""
    waits, last = policy_fit.waits, len(table.values)
    parameters = []
    for i, (name, step_s) in enumerate(table.values.items(), 1):
        of = waits.attempt >= i if i == last else waits.attempt == i
        if not of.any():
            parameters.append(_unsure_step(name, step_s, policy_fit.unsure, i))
            continue
        # The median of a normal law is known to 1.25 standard errors.
        half_s = 1.96 * 1.2533 * policy_fit.waits.blur_s / float(np.sqrt(of.sum()))
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
