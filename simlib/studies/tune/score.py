"""The score of a candidate: the metrics of its runs, and what they say of objectives and bounds.

A candidate that does not work, with which nobody connects in some run, has no times and makes
little trouble for a server. Its numbers must not be compared: it is worse than any that works.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import inf, isnan, nan

import numpy as np
import numpy.typing as npt

from simlib.experiments.objectives import Constraint, Objective
from simlib.metrics.array_types import Floats
from simlib.metrics.connecting import AVAILABLE, nobody_connects
from simlib.metrics.intervals import Estimate, t_interval
from simlib.scenario.scenario import Scenario

#: A time that never came counts as so many times the run's length where numbers must be finite.
_NEVER = 2.0
#: A mean is known well enough if half of its interval is at most this share of it: a smaller
#: difference is not worth a word.
WORTH = 0.02
#: Numbers that depend on settings even if nothing that happens does: waits over their ceilings.
_OF_SETTINGS = ("mean_wait_fraction",)
#: A bound that is kept in the mean, but not for sure, is broken by as little as there is.
_BARELY = 1e-6


@dataclass(frozen=True)
class Score:
    """The score of a candidate: each metric's values are an array, scenarios by seeds."""

    values: Mapping[str, Floats]
    scenarios: tuple[Scenario, ...]
    #: Metrics that must have a number in every run.
    needed: tuple[str, ...] = ()
    #: Whether it was played in all scenarios: in one it may have broken a bound before others.
    is_whole: bool = True

    @property
    def works(self) -> bool:
        """Whether in every run clients connected, and there is a number for all that is needed."""
        return not self.failure

    @cached_property
    def failure(self) -> str:
        """Why it does not work, in words; empty if it does."""
        if self.never_connected.any():
            runs = int(self.never_connected.sum())
            return f"no client connects in {runs:,} of {self.never_connected.size:,} runs"
        for metric in self.needed:
            if empty := int(np.isnan(self.values[metric]).sum()):
                runs = self.values[metric].size
                return f"{metric} has no value in {empty:,} of {runs:,} runs"
        return ""

    @property
    def counts(self) -> bool:
        """Whether its means can be compared with those of others."""
        return self.works and self.is_whole

    @property
    def never_connected(self) -> npt.NDArray[np.bool_]:
        """In which runs no client was ever available although it could have been."""
        if AVAILABLE not in self.values:
            return np.zeros((len(self.scenarios), self.replications), bool)
        rows = zip(self.values[AVAILABLE], self.scenarios, strict=True)
        return np.array([[nobody_connects(x, scenario) for x in row] for row, scenario in rows])

    @property
    def replications(self) -> int:
        """How many seeds it was played under, in each scenario."""
        return int(next(iter(self.values.values())).shape[1])

    def by_seed(self, metric: str) -> Floats:
        """Return the mean over the scenarios for each seed; finite if the candidate works."""
        values = self.values[metric]
        # Infinity has no mean and no variance. Twice the run's length is worse than any time that
        # was seen, and keeps paired differences finite.
        limits_s = np.array([[_NEVER * scenario.duration_s] for scenario in self.scenarios])
        # All attempts in vain are as if one connection had been of use.
        most = self.values.get("attempts", limits_s) if metric == "amplification" else limits_s
        return np.where(np.isinf(values), most, values).mean(axis=0)

    def mean(self, metric: str) -> Estimate:
        """Return the mean over scenarios and seeds, with its interval; inf if one was.

        NaN if it was not played in all scenarios.
        """
        if not self.is_whole:
            return Estimate(nan, nan, nan, self.replications)
        return t_interval(self.values[metric].mean(axis=0))

    def loss(self, objective: Objective) -> float:
        """Return an objective's mean so that less is better; inf if it does not count."""
        mean = float(self.by_seed(objective.metric).mean())
        return objective.loss(mean) if self.counts and not isnan(mean) else inf

    def excess(self, bound: Constraint, *, surely: bool = False) -> float:
        """Return by which share of a bound it is exceeded in the worst scenario; 0: it holds.

        A candidate that does not work exceeds every bound without end.
        """
        if not self.works:
            return inf
        return max(
            bound.excess(t_interval(row), scenario, surely=surely)
            for row, scenario in zip(self.values[bound.metric], self.scenarios, strict=True)
        )

    def shortfall(self, bound: Constraint) -> float:
        """Return how far it is from keeping a bound, as a search is to know it; 0 or less: it does.

        By its means, as the ends of intervals depend on how many seeds it was played under.
        """
        excess = self.excess(bound)
        if excess <= 0.0 or not self.works:
            return excess
        # A search that saw the ends of intervals would prefer candidates that were played under
        # more seeds.
        means = [float(row.mean()) for row in self.values[bound.metric]]
        known = [Estimate(value, value, value, self.replications) for value in means]
        by_means = max(map(bound.excess, known, self.scenarios))
        return max(by_means, _BARELY)

    def keeps(self, bounds: Sequence[Constraint]) -> bool:
        """Whether it works and every bound holds in every scenario, with its mean's interval."""
        return self.works and all(self.excess(bound) <= 0.0 for bound in bounds)

    def is_known(self, objectives: Sequence[Objective], bounds: Sequence[Constraint]) -> bool:
        """Whether more seeds would change next to nothing.

        It surely keeps or breaks each bound, and the mean of each objective is known well.
        """
        if not self.works:
            return False
        decided = (self.excess(b) <= 0.0 or self.excess(b, surely=True) > 0.0 for b in bounds)
        means = (t_interval(self.by_seed(objective.metric)) for objective in objectives)
        return all(decided) and all(
            estimate.high - estimate.value <= WORTH * abs(estimate.value) for estimate in means
        )

    def worst_excess(self, bounds: Sequence[Constraint]) -> float:
        """Return by which share of its bound the worst one is exceeded; 0 or less: all hold."""
        return max((self.excess(bound) for bound in bounds), default=0.0 if self.works else inf)

    def is_same(self, other: object) -> bool:
        """Whether all that happened is the same, by every number of every run."""
        return isinstance(other, Score) and all(
            np.array_equal(mine[:, : other.replications], other.values[metric], equal_nan=True)
            for metric, mine in self.values.items()
            if metric not in _OF_SETTINGS
        )

    def worse_than(self, other: Score, objective: Objective) -> Estimate:
        """Return by how much an objective is worse than another's, under the seeds both have.

        What does not count is worse than what does, without end, and no worse than its like.
        """
        count = min(self.replications, other.replications)
        if not (self.counts and other.counts):
            worse = 0.0 if self.counts == other.counts else inf if other.counts else -inf
            return Estimate(worse, worse, worse, count)
        mine, others = (score.by_seed(objective.metric)[:count] for score in (self, other))
        return t_interval(objective.loss(1.0) * (mine - others))


def join_seeds(before: Score | str, more: Score | str) -> Score | str:
    """Return a score with more seeds; why it cannot be played, where it cannot."""
    if isinstance(before, str) or isinstance(more, str):
        return more
    values = {
        metric: np.concatenate([before.values[metric], rows], axis=1)
        for metric, rows in more.values.items()
    }
    return replace(more, values=values)


def join_scenarios(before: Score | str, more: Score | str) -> Score | str:
    """Return a score in one scenario more; why it cannot be played, where it cannot."""
    if isinstance(more, str):
        return more
    if isinstance(before, str):
        return replace(more, is_whole=False)
    values = {
        metric: np.concatenate([before.values[metric], rows])
        for metric, rows in more.values.items()
    }
    return replace(before, values=values, scenarios=before.scenarios + more.scenarios)


def reorder_scenarios(score: Score | str, order: Sequence[int]) -> Score | str:
    """Return a score as it is, or if it is in all scenarios in the order of these."""
    if isinstance(score, str) or len(score.scenarios) < len(order):
        return score
    places = np.argsort(order)
    values = {metric: rows[places] for metric, rows in score.values.items()}
    scenarios = tuple(score.scenarios[i] for i in places)
    return replace(score, values=values, scenarios=scenarios, is_whole=True)
