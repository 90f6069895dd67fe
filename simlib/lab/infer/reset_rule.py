"""Infer what resets a client's count of attempts, and whether a loss is counted.

With the right rule, waits with the same number have the same distribution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, log

import numpy as np
import pandas as pd

from simlib.lab.infer import sequences
from simlib.lab.infer.likelihood import log_likelihood
from simlib.lab.infer.policy_fit import PolicyFit
from simlib.lab.infer.waits import BLUR_S, Waits
from simlib.lab.observe.attempt_pairs import LOST, ResetRule, number_waits
from simlib.metrics.array_types import Floats

#: Of the waits with one number so many may be strays.
_STRAY = 0.2
#: That losses are not counted is rare enough to need some evidence.
_RARE = 20.0


@dataclass(frozen=True)
class ResetRuleFit:
    """How a client counts its attempts, and how well each other way of counting would do."""

    counting: ResetRule
    scores: dict[ResetRule, float]

    @property
    def limits(self) -> list[tuple[float, float]]:
        """Each length of open that may reset the count, and its score."""
        best: dict[float, float] = {}
        for rule, score in self.scores.items():
            best[rule.stable_after_s] = max(score, best.get(rule.stable_after_s, -inf))
        return sorted(best.items())


def guess_reset_rules(followed: pd.DataFrame) -> list[ResetRule]:
    """Return the ways of counting that make waits with the same number most alike, the best first.

    No policy is needed for it: of each number it asks in how few words its waits can be said, as
    the bits of a file would be counted.
    """
    lengths: dict[ResetRule, float] = {}
    seen: set[bytes] = set()
    for rule in sequences.hypotheses(followed):
        numbered = number_waits(followed, rule)
        numbers = numbered["attempt"].to_numpy().tobytes()
        if numbers not in seen:  # of two that number all waits alike the simpler comes first
            seen.add(numbers)
            lengths[rule] = _length(numbered)
    best = min(lengths, key=lambda rule: lengths[rule])
    near = [
        rule
        for rule, length in lengths.items()
        if length <= lengths[best] + _NEARLY and rule.counts_loss == best.counts_loss
    ]
    return sorted(near, key=lambda rule: lengths[rule])[:_MOST_GUESSES]


#: A description longer by so many nats may still be that of the right rule: with jitter, waits of
#: one number are so unlike that a rule by which hardly two have the same is as short to say.
_NEARLY = 25.0
_MOST_GUESSES = 3


def infer_reset_rule(
    followed: pd.DataFrame, policy_fit: PolicyFit, counting: ResetRule
) -> ResetRuleFit:
    """Return how a client counts if its policy is known; as it was thought unless one is better."""
    scores = {
        rule: score_reset_rule(number_waits(followed, rule), policy_fit)
        for rule in sequences.hypotheses(followed)
    }
    best = max(scores, key=lambda rule: scores[rule])
    # Ties are the rule, where an observation tells nothing of resets: they must not change the
    # rule.
    is_better = scores[best] > scores.get(counting, -inf) + 1e-6
    return ResetRuleFit(best if is_better else counting, scores)


def known_waits(waits: pd.DataFrame, policy_fit: PolicyFit) -> Waits:
    """Return the waits of which the one before is known too, with the timing errors of a fit."""
    numbered = Waits.of(waits).with_timing_of(policy_fit.waits)
    return numbered.where(~np.isnan(numbered.previous_s))


# Minimum description length (Rissanen 1978): the better waits are grouped, the fewer nats it takes
# to write them all down. A wrong rule gives waits of different steps the same number, and their
# groups become wide.
def _length(counted: pd.DataFrame) -> float:
    """Return how long a description of all waits is, in nats; those without a number may be any."""
    unhinted = counted[counted["retry_after_s"].isna()]
    numbers = sequences.select_for_fit(counted)
    longest_s = max(1.0, float(unhinted["wait_s"].max())) if len(unhinted) else 1.0
    # Jitter may be drawn for each wait, or once for each client.
    ways = [["attempt"], ["attempt", "client"]]
    lengths = [_description_length(numbers, way, longest_s) for way in ways]
    return min(lengths) + _apart(unhinted) + _any(unhinted, longest_s)


def _apart(unhinted: pd.DataFrame) -> float:
    """Return the length of the waits after losses that are not counted, a group of their own."""
    lost_s = np.sort(unhinted.loc[unhinted["attempt"] == LOST, "wait_s"].to_numpy(np.float64))
    longest_s = max(1.0, float(unhinted["wait_s"].max())) if len(unhinted) else 1.0
    return _group_length(lost_s, longest_s) + _RARE if lost_s.size else 0.0


def _any(unhinted: pd.DataFrame, longest_s: float) -> float:
    """Return the description length of the waits that have no number."""
    return float((unhinted["attempt"] == 0).sum()) * log(longest_s)


def _description_length(numbers: pd.DataFrame, by: Sequence[str], longest_s: float) -> float:
    groups = numbers.groupby(list(by), sort=False)["wait_s"]
    return sum(_group_length(np.sort(group.to_numpy(np.float64)), longest_s) for _, group in groups)


def _group_length(wait_s: Floats, longest_s: float) -> float:
    """Return the length of a place, of the waits near to it, and of the stray ones."""
    lengths = []
    for near in range(wait_s.size - max(1, int(_STRAY * wait_s.size)), wait_s.size + 1):
        if near > 0:
            width_s = float((wait_s[near - 1 :] - wait_s[: wait_s.size - near + 1]).min())
            width_s += 2.0 * BLUR_S
            said = near * log(width_s) + (wait_s.size - near) * log(longest_s)
            lengths.append(said + log(longest_s / width_s))
    return min(lengths)


def score_reset_rule(waits: pd.DataFrame, policy_fit: PolicyFit) -> float:
    """Return how likely all waits are; those without a number may be any."""
    unhinted = waits[waits["retry_after_s"].isna()]
    numbers = known_waits(sequences.select_for_fit(waits), policy_fit)
    if not len(numbers):
        return -inf
    longest_s = 2.0 * float(unhinted["wait_s"].max()) + 1.0
    likely = log_likelihood(policy_fit.best.rules, numbers)
    unsaid = int((unhinted["attempt"] >= 0).sum()) - len(numbers)
    return likely - unsaid * log(longest_s) - _apart(unhinted)
