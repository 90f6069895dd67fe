"""Policies played in the same scenarios under the same seeds, and what tells them apart.

All candidates have the same luck, so two are compared by the differences of their runs. A
candidate is played under a few seeds first: if these say for sure that a bound breaks, or that one
that is known is better in everything, it is not played further.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from simlib.core.errors import SettingsError
from simlib.scenario import Scenario
from simlib.study.cells import Cell, Kept, play_cells
from simlib.study.estimates import Estimate, Floats
from simlib.study.goals import Constraint, Objective
from simlib.study.metrics import MEANING
from simlib.study.replicate import seeds, t_interval
from simlib.study.workers import Outcomes

#: A time that never came counts as so many times the run's length where numbers must be finite.
_NEVER = 2.0
#: Seeds that a candidate is played under first: a share of all, and at least so many.
_FIRST_SHARE, _FIRST_LEAST = 0.2, 4
#: Numbers that depend on settings even if nothing that happens does: waits over their ceilings.
_OF_SETTINGS = ("mean_wait_fraction",)
_METRICS = tuple(name for name in MEANING if name != "engine")


@dataclass(frozen=True)
class Score:
    """What a candidate did: a metric's values are an array, scenarios by seeds."""

    values: Mapping[str, Floats]
    scenarios: tuple[Scenario, ...]

    @property
    def replications(self) -> int:
        """How many seeds it was played under, in each scenario."""
        return int(next(iter(self.values.values())).shape[1])

    def by_seed(self, metric: str) -> Floats:
        """Return the mean over the scenarios for each seed, always finite."""
        limits_s = [_NEVER * each.duration_s for each in self.scenarios]
        values = self.values[metric]
        return np.where(np.isinf(values), np.array(limits_s)[:, None], values).mean(axis=0)

    def mean(self, metric: str) -> Estimate:
        """Return the mean over scenarios and seeds, with its interval; inf if one was."""
        return t_interval(self.values[metric].mean(axis=0))

    def loss(self, objective: Objective) -> float:
        """Return an objective's mean so that less is better; always finite."""
        return objective.loss(float(self.by_seed(objective.metric).mean()))

    def excess(self, bound: Constraint, *, surely: bool = False) -> float:
        """Return by which share of a bound it is exceeded in the worst scenario; 0: it holds."""
        return max(
            bound.excess(t_interval(row), scenario, surely=surely)
            for row, scenario in zip(self.values[bound.metric], self.scenarios, strict=True)
        )

    def keeps(self, bounds: Sequence[Constraint]) -> bool:
        """Whether every bound holds in every scenario, with the interval of its mean."""
        return all(self.excess(bound) <= 0.0 for bound in bounds)

    def is_same(self, other: object) -> bool:
        """Whether all that happened is the same, by every number of every run."""
        return isinstance(other, Score) and all(
            np.array_equal(mine[:, : other.replications], other.values[metric], equal_nan=True)
            for metric, mine in self.values.items()
            if metric not in _OF_SETTINGS
        )

    def worse_than(self, other: Score, objective: Objective) -> Estimate:
        """Return by how much an objective is worse than another's, under the seeds both have."""
        count = min(self.replications, other.replications)
        mine, others = (each.by_seed(objective.metric)[:count] for each in (self, other))
        return t_interval(objective.loss(1.0) * (mine - others))


@dataclass(frozen=True)
class Judge:
    """The scenarios, what is sought in them and what must hold, and where they are played."""

    scenarios: tuple[Scenario, ...]
    objectives: tuple[Objective, ...]
    bounds: tuple[Constraint, ...]
    on: str
    outcomes: Outcomes
    store: Kept | None = None
    #: The first of the seeds that follow each scenario's own.
    first: int = 0
    replications: int = 20

    @property
    def first_replications(self) -> int:
        """How many seeds a candidate is played under first."""
        few = max(_FIRST_LEAST, round(_FIRST_SHARE * self.replications))
        return min(few, self.replications)

    def scores(
        self, candidates: Sequence[Mapping[str, Any]], known: Sequence[Score] = ()
    ) -> list[Score | str]:
        """Return what each candidate did, or why it cannot be played.

        Parameters
        ----------
        candidates : sequence of mapping
            What each changes in a scenario.
        known : sequence of Score
            Those that a candidate must not be surely worse than in everything, to be played under
            all seeds.
        """
        few = self.first_replications
        found = self.played(candidates, few)
        going_on = [
            i
            for i, each in enumerate(found)
            if isinstance(each, Score) and not self.is_hopeless(each, known)
        ]
        if few < self.replications:
            more = self.played([candidates[i] for i in going_on], self.replications)
            for i, score in zip(going_on, more, strict=True):
                found[i] = score
        return found

    def is_hopeless(self, score: Score, known: Sequence[Score]) -> bool:
        """Whether a bound is surely broken, or a known one is surely better in everything."""
        if any(score.excess(bound, surely=True) > 0.0 for bound in self.bounds):
            return True
        return any(
            all(score.worse_than(other, each).low > 0.0 for each in self.objectives)
            for other in known
        )

    def played(
        self, candidates: Sequence[Mapping[str, Any]], replications: int
    ) -> list[Score | str]:
        """Play candidates under so many seeds; what was kept is not played again."""
        found: list[Score | str] = []
        cells: list[Cell] = []
        for settings in candidates:
            try:
                mine = self._cells(settings, replications)
            except SettingsError as error:
                found.append(str(error))
                continue
            found.append("")
            cells += mine
        rows, failures, _ = play_cells(cells, self.outcomes, self.store)
        size, start = len(self.scenarios) * replications, 0
        for i, refused in enumerate(found):
            if not refused:
                found[i] = self._score(rows, failures, range(start, start + size))
                start += size
        return found

    def _cells(self, settings: Mapping[str, Any], replications: int) -> list[Cell]:
        return [
            Cell(one.replace(seed=seed), self.on)
            for one in (each.replace(settings) for each in self.scenarios)
            for seed in seeds(one, replications, self.first)
        ]

    def _score(
        self, rows: Mapping[int, Mapping[str, Any]], failures: Mapping[int, str], part: range
    ) -> Score | str:
        failed = next((failures[i] for i in part if i in failures), "")
        if failed:
            return failed
        shape = (len(self.scenarios), -1)
        values = {m: np.array([rows[i][m] for i in part]).reshape(shape) for m in _METRICS}
        return Score(values, self.scenarios)

    def check_data(self, score: Score) -> None:
        """Refuse an objective or a bound for which there is too little data in some scenario.

        Raises
        ------
        SettingsError
            If there is one.
        """
        wanted = [("objectives", each.metric) for each in self.objectives]
        wanted += [("constraints", each.metric) for each in self.bounds]
        for where, metric in wanted:
            for scenario, row in zip(self.scenarios, score.values[metric], strict=True):
                if np.isnan(row).any():
                    rule = f"has too little data in {scenario.name} on {self.on}"
                    raise SettingsError(where, metric, rule)


def front(losses: Sequence[Sequence[float]]) -> list[int]:
    """Return the numbers of those that none is better than in everything.

    Examples
    --------
    >>> front([[1, 5], [2, 2], [3, 3], [5, 1]])
    [0, 1, 3]
    """
    points = np.array(losses, float).reshape(len(losses), -1)
    kept = []
    for i, point in enumerate(points):
        no_worse = (points <= point).all(axis=1)
        better = (points < point).any(axis=1)
        if not (no_worse & better).any():
            kept.append(i)
    return kept


def middle(losses: Sequence[Sequence[float]]) -> int:
    """Return the number of the one nearest to the best of everything, among those of a front.

    Each objective is measured from its best (0) to its worst (1) of them, on a scale of factors
    where all are above 0.

    Examples
    --------
    >>> middle([[1, 100], [2, 10], [100, 9]])
    1
    """
    points = np.array(losses, float).reshape(len(losses), -1)
    scaled = []
    for column in points.T:
        each = np.log(column) if (column > 0.0).all() else column
        span = np.ptp(each)
        scaled.append((each - each.min()) / span if span > 0.0 else np.zeros_like(each))
    distances = np.hypot.reduce(np.array(scaled), axis=0)
    return int(distances.argmin())
