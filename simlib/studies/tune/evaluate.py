"""Evaluate candidates in the same scenarios under common random numbers.

All candidates run under common random numbers, so two are compared by paired differences. A
candidate is played under a few seeds first: if these say for sure that a bound breaks, or that one
that is known is better in everything, it is not played further.

Where runs are much work, as clients are many, a few seeds tell nearly all. There it is looked at
each time its seeds have doubled, and is done as soon as its numbers are known well enough; and who
surely breaks a bound in one scenario is not played in the others.

A candidate that does not work, with which nobody connects in some run, has no times and makes
little trouble for a server. Its numbers must not be compared: it is worse than any that works.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from math import inf, isnan, nan
from typing import Any

import numpy as np
import numpy.typing as npt

from simlib.core.errors import SettingsError
from simlib.experiments.objectives import Constraint, Objective
from simlib.experiments.pool import Outcomes
from simlib.experiments.replicate import seeds, t_interval
from simlib.experiments.run_cache import Cell, RunCache, play_cells
from simlib.metrics.array_types import Floats
from simlib.metrics.connecting import AVAILABLE, nobody_connects
from simlib.metrics.intervals import Estimate
from simlib.metrics.metrics import MEANING, OF_MESSAGES
from simlib.scenario.scenario import Scenario

#: A time that never came counts as so many times the run's length where numbers must be finite.
_NEVER = 2.0
#: Seeds that a candidate is played under first: a share of all, and at least so many.
_FIRST_SHARE, _FIRST_LEAST = 0.2, 4
#: A mean is known well enough if half of its interval is at most this share of it: a smaller
#: difference is not worth a word.
WORTH = 0.02
#: Numbers that depend on settings even if nothing that happens does: waits over their ceilings.
_OF_SETTINGS = ("mean_wait_fraction",)
#: A bound that is kept in the mean, but not for sure, is broken by as little as there is.
_BARELY = 1e-6
#: So much work are runs that are none, in attempts and clients.
LITTLE_WORK = {"fleet": 1e6, "sim": 2e4}
_METRICS = tuple(name for name in MEANING if name != "engine")
#: Plays candidates under so many seeds, and says how far it is.
Screen = Callable[
    [Sequence[Mapping[str, Any]], int, Callable[[float], None] | None], "list[Score | str]"
]


@dataclass(frozen=True)
class Score:
    """What a candidate did: a metric's values are an array, scenarios by seeds."""

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
        limits_s = np.array([[_NEVER * each.duration_s] for each in self.scenarios])
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
        means = [float(row.mean()) for row in self.values[bound.metric]]
        known = [Estimate(each, each, each, self.replications) for each in means]
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
        means = (t_interval(self.by_seed(each.metric)) for each in objectives)
        return all(decided) and all(
            each.high - each.value <= WORTH * abs(each.value) for each in means
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
        mine, others = (each.by_seed(objective.metric)[:count] for each in (self, other))
        return t_interval(objective.loss(1.0) * (mine - others))


@dataclass(frozen=True)
class Evaluator:
    """The scenarios, what is sought in them and what must hold, and where they are played."""

    scenarios: tuple[Scenario, ...]
    objectives: tuple[Objective, ...]
    bounds: tuple[Constraint, ...]
    on: str
    outcomes: Outcomes
    store: RunCache | None = None
    #: The first of the seeds that follow each scenario's own.
    first: int = 0
    replications: int = 20
    #: Whether runs are so much work that as few are played as will do.
    is_brief: bool = False

    @property
    def first_replications(self) -> int:
        """How many seeds a candidate is played under first."""
        few = max(_FIRST_LEAST, round(_FIRST_SHARE * self.replications))
        return min(few, self.replications)

    def scores(
        self,
        candidates: Sequence[Mapping[str, Any]],
        known: Sequence[Score] = (),
        least: int | None = None,
        move: Callable[[float], None] | None = None,
        *,
        expected: float = 0.0,
        drops: bool = True,
        first: Screen | None = None,
    ) -> list[Score | str]:
        """Return what each candidate did, or why it cannot be played.

        Parameters
        ----------
        candidates : sequence of mapping
            What each changes in a scenario.
        known : sequence of Score
            Those that a candidate must not be surely worse than in everything, to be played under
            all seeds.
        least : int, optional
            So many seeds come before all others, by default `first_replications`.
        move : callable, optional
            Called with the share that is done.
        expected : float
            About how many seeds each will be played under, as far as is known.
        drops : bool
            Whether hopeless ones are not played further.
        first : callable, optional
            Plays candidates under the first seeds, in the place of `played`.
        """
        looks = self._looks(least or self.first_replications)
        asked = max(expected, looks[0]) * len(candidates)
        found: list[Score | str] = [""] * len(candidates)
        going_on, have, done = list(range(len(candidates))), 0, 0.0
        for count in looks:
            part = replace(self, first=self.first + have)
            work = float((count - have) * len(going_on))
            share = partial(_move, move, done, work, max(asked, done + work))
            play = part.played if first is None or have else first
            more = play([candidates[i] for i in going_on], count - have, share)
            for i, score in zip(going_on, more, strict=True):
                found[i] = _join(found[i], score)
            going_on = [i for i in going_on if self._may_go_on(found[i], known, drops)]
            have, done = count, done + work
        return found

    def _looks(self, least: int) -> list[int]:
        """Return under how many seeds a candidate has been played each time it is looked at."""
        few = self.first_replications
        counts = {min(least, self.replications), few, self.replications}
        while self.is_brief and few < self.replications:
            counts.add(few)
            few *= 2
        return sorted(counts)

    def _may_go_on(self, score: Score | str, known: Sequence[Score], drops: bool) -> bool:
        if not isinstance(score, Score) or (drops and self.is_hopeless(score, known)):
            return False
        return not (self.is_brief and score.is_known(self.objectives, self.bounds))

    def is_hopeless(self, score: Score, known: Sequence[Score]) -> bool:
        """Whether a bound is surely broken, or a known one is surely better in everything."""
        if self.breaks(score, surely=True):
            return True
        return any(
            all(score.worse_than(other, each).low > 0.0 for each in self.objectives)
            for other in known
        )

    def played(
        self,
        candidates: Sequence[Mapping[str, Any]],
        replications: int,
        move: Callable[[float], None] | None = None,
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
        rows, failures, _ = play_cells(cells, self.outcomes, self.store, move)
        size, start = len(self.scenarios) * replications, 0
        for i, refused in enumerate(found):
            if not refused:
                found[i] = self._score(rows, failures, range(start, start + size))
                start += size
        return found

    def screened(
        self,
        candidates: Sequence[Mapping[str, Any]],
        replications: int,
        move: Callable[[float], None] | None = None,
        *,
        order: Sequence[int],
        is_out: Callable[[Score], bool],
    ) -> list[Score | str]:
        """Play candidates under so many seeds in one scenario after the other, by their numbers.

        Whoever is out after one is not played in those after it, and its score is of those before.
        """
        found: list[Score | str] = [""] * len(candidates)
        going_on = list(range(len(candidates)))
        for done, k in enumerate(order):
            part = replace(self, scenarios=(self.scenarios[k],))
            share = partial(_move, move, done, 1.0, len(order))
            more = part.played([candidates[i] for i in going_on], replications, share)
            for i, score in zip(going_on, more, strict=True):
                found[i] = _beside(found[i], score)
            going_on = [
                i for i in going_on if isinstance(each := found[i], Score) and not is_out(each)
            ]
        return [_reorder(each, order) for each in found]

    def fitted(self, given: Score) -> Evaluator:
        """Return the evaluator for runs that are so much work; ``given``: the policy as given."""
        return replace(self, is_brief=bool(self.works(given).sum() > LITTLE_WORK[self.on]))

    def screen(self, given: Score) -> Screen | None:
        """Return what plays candidates under the first seeds, if as few as will do; else None.

        Whoever surely breaks a bound in one scenario is not played in the others.
        """
        if not self.is_brief:
            return None
        is_out = partial(self.breaks, surely=True)
        return partial(self.screened, order=self.order(given), is_out=is_out)

    def works(self, given: Score) -> Floats:
        """Return how much work a run of each scenario is with the policy as given."""
        clients = np.array([each.clients for each in self.scenarios], float)
        return clients + given.values["attempts"].mean(axis=1)

    def parts(self, given: Score) -> tuple[float, float]:
        """Return how much work it is to play all scenarios, and those until most others are out.

        As shares of the work in the first one. Others are taken to fare as the policy as given.
        """
        works = self.works(given) / self.works(given)[0]
        whole = float(works.sum())
        is_out = self.screen(given) is not None and self.breaks(given, surely=True)
        return whole, float(works[self.order(given)[0]]) if is_out else whole

    def order(self, score: Score) -> list[int]:
        """Return the scenarios' numbers: first where a policy breaks bounds most, and soonest."""

        def rank(k: int) -> tuple[float, float]:
            excesses = [
                each.excess(t_interval(score.values[each.metric][k]), self.scenarios[k])
                for each in self.bounds
            ]
            is_broken = max(excesses, default=0.0) > 0.0
            return (0.0 if is_broken else 1.0), float(score.values["attempts"][k].mean())

        return sorted(range(len(self.scenarios)), key=rank)

    def breaks(self, score: Score, *, surely: bool) -> bool:
        """Whether a candidate does not work, or breaks a bound where it was played."""
        return not score.works or any(score.excess(b, surely=surely) > 0.0 for b in self.bounds)

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
        needed = [each.metric for each in self.objectives]
        needed += [each.metric for each in self.bounds]
        return Score(values, self.scenarios, tuple(dict.fromkeys(needed)))

    def check_data(self, score: Score) -> None:
        """Refuse an objective or a bound for which there is too little data in some scenario.

        Where nobody connected there is none for want of a connection, which is no reason.

        Raises
        ------
        SettingsError
            If there is one.
        """
        wanted = [("objectives", each.metric) for each in self.objectives]
        wanted += [("constraints", each.metric) for each in self.bounds]
        for where, metric in wanted:
            sent = (metric not in OF_MESSAGES) | (score.values["sent"] > 0.0)
            excused = score.never_connected & sent
            empty = np.isnan(score.values[metric]) & ~excused
            for scenario, row in zip(self.scenarios, empty, strict=True):
                if row.any():
                    rule = f"has too little data in {scenario.name} on {self.on}"
                    raise SettingsError(where, metric, rule)


def _join(before: Score | str, more: Score | str) -> Score | str:
    """Return a score with more seeds; why it cannot be played, where it cannot."""
    if isinstance(before, str) or isinstance(more, str):
        return more
    values = {
        metric: np.concatenate([before.values[metric], each], axis=1)
        for metric, each in more.values.items()
    }
    return replace(more, values=values)


def _beside(before: Score | str, more: Score | str) -> Score | str:
    """Return a score in one scenario more; why it cannot be played, where it cannot."""
    if isinstance(more, str):
        return more
    if isinstance(before, str):
        return replace(more, is_whole=False)
    values = {
        metric: np.concatenate([before.values[metric], each])
        for metric, each in more.values.items()
    }
    return replace(before, values=values, scenarios=before.scenarios + more.scenarios)


def _reorder(score: Score | str, order: Sequence[int]) -> Score | str:
    """Return a score as it is, or if it is in all scenarios in the order of these."""
    if isinstance(score, str) or len(score.scenarios) < len(order):
        return score
    places = np.argsort(order)
    values = {metric: each[places] for metric, each in score.values.items()}
    scenarios = tuple(score.scenarios[i] for i in places)
    return replace(score, values=values, scenarios=scenarios, is_whole=True)


def _move(
    move: Callable[[float], None] | None, done: float, work: float, of: float, share: float
) -> None:
    if move is not None:
        move((done + share * work) / of)


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

    Examples
    --------
    >>> middle([[1, 100], [2, 10], [100, 9]])
    1
    """
    return by_distance(losses)[0]


def by_distance(losses: Sequence[Sequence[float]]) -> list[int]:
    """Return the numbers of those on a front, the nearest to the best of everything first.

    Each objective is measured from its best (0) to its worst (1) of them, on a scale of factors
    where all are above 0.

    Examples
    --------
    >>> by_distance([[1, 100], [2, 10], [100, 9]])
    [1, 0, 2]
    """
    points = np.array(losses, float).reshape(len(losses), -1)
    scaled = []
    for column in points.T:
        each = np.log(column) if (column > 0.0).all() else column
        span = np.ptp(each)
        scaled.append((each - each.min()) / span if span > 0.0 else np.zeros_like(each))
    distances = np.hypot.reduce(np.array(scaled), axis=0)
    return [int(i) for i in np.argsort(distances, kind="stable")]
