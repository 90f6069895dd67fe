"""Evaluate candidates in the same scenarios under common random numbers.

All candidates run under common random numbers, so two are compared by paired differences. A
candidate is played under a few seeds first: if these say for sure that a bound breaks, or that one
that is known is better in everything, it is not played further.

Where runs are much work, as clients are many, a few seeds tell nearly all. There it is looked at
each time its seeds have doubled, and is done as soon as its numbers are known well enough; and who
surely breaks a bound in one scenario is not played in the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from simlib.core.errors import SettingsError
from simlib.experiments.objectives import Constraint, Objective
from simlib.experiments.pool import Outcomes
from simlib.experiments.replicate import seeds
from simlib.experiments.run_cache import Cell, RunCache, play_cells
from simlib.metrics.array_types import Floats
from simlib.metrics.intervals import t_interval
from simlib.metrics.meaning import MEANING, OF_MESSAGES
from simlib.scenario.scenario import Scenario
from simlib.studies.tune.score import Score, join_scenarios, join_seeds, reorder_scenarios

#: Seeds that a candidate is played under first: a share of all, and at least so many.
_FIRST_SHARE, _FIRST_LEAST = 0.2, 4
#: So much work are runs that are none, in attempts and clients.
LITTLE_WORK = {"fleet": 1e6, "sim": 2e4}
_METRICS = tuple(name for name in MEANING if name != "engine")
#: Plays candidates under so many seeds, and says how far it is.
Screen = Callable[
    [Sequence[Mapping[str, Any]], int, Callable[[float], None] | None], "list[Score | str]"
]


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
            Plays candidates under the first seeds, in the place of `play`.
        """
        # A sequential test: each look asks whether more seeds could still change the decision. The
        # intervals are not corrected for the number of looks; the hold-out on fresh seeds guards
        # against what that lets through.
        looks = self._looks(least or self.first_replications)
        asked = max(expected, looks[0]) * len(candidates)
        results: list[Score | str] = [""] * len(candidates)
        going_on, have, done = list(range(len(candidates))), 0, 0.0
        for count in looks:
            # Seeds are numbered from the scenario's own, so a candidate's later seeds are those of
            # all others.
            part = replace(self, first=self.first + have)
            work = float((count - have) * len(going_on))
            share = partial(_move, move, done, work, max(asked, done + work))
            play = part.play if first is None or have else first
            more = play([candidates[i] for i in going_on], count - have, share)
            for i, score in zip(going_on, more, strict=True):
                results[i] = join_seeds(results[i], score)
            going_on = [i for i in going_on if self._may_go_on(results[i], known, drops)]
            have, done = count, done + work
        return results

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
            all(score.worse_than(other, objective).low > 0.0 for objective in self.objectives)
            for other in known
        )

    def play(
        self,
        candidates: Sequence[Mapping[str, Any]],
        replications: int,
        move: Callable[[float], None] | None = None,
    ) -> list[Score | str]:
        """Play candidates under ``replications`` seeds; cached runs are not played again."""
        results: list[Score | str] = []
        cells: list[Cell] = []
        for settings in candidates:
            try:
                mine = self._cells(settings, replications)
            except SettingsError as error:
                results.append(str(error))
                continue
            results.append("")
            cells += mine
        # All candidates in one call: so the processors stay busy to the end of a generation.
        rows, failures, _ = play_cells(cells, self.outcomes, self.store, move)
        size, start = len(self.scenarios) * replications, 0
        for i, refused in enumerate(results):
            if not refused:
                results[i] = self._score(rows, failures, range(start, start + size))
                start += size
        return results

    def play_in_turn(
        self,
        candidates: Sequence[Mapping[str, Any]],
        replications: int,
        move: Callable[[float], None] | None = None,
        *,
        order: Sequence[int],
        is_out: Callable[[Score], bool],
    ) -> list[Score | str]:
        """Play candidates in one scenario after the other, and drop those that are out.

        Whoever is out after one is not played in those after it, and its score is of those before.
        """
        results: list[Score | str] = [""] * len(candidates)
        going_on = list(range(len(candidates)))
        for done, k in enumerate(order):
            part = replace(self, scenarios=(self.scenarios[k],))
            share = partial(_move, move, done, 1.0, len(order))
            more = part.play([candidates[i] for i in going_on], replications, share)
            for i, score in zip(going_on, more, strict=True):
                results[i] = join_scenarios(results[i], score)
            going_on = [
                i
                for i in going_on
                if isinstance(result := results[i], Score) and not is_out(result)
            ]
        return [reorder_scenarios(result, order) for result in results]

    def fit_to_work(self, given: Score) -> Evaluator:
        """Return the evaluator for runs that are so much work; ``given``: the policy as given."""
        return replace(self, is_brief=bool(self.works(given).sum() > LITTLE_WORK[self.on]))

    def screen(self, given: Score) -> Screen | None:
        """Return what plays candidates under the first seeds, if as few as will do; else None.

        Whoever surely breaks a bound in one scenario is not played in the others.
        """
        if not self.is_brief:
            return None
        is_out = partial(self.breaks, surely=True)
        return partial(self.play_in_turn, order=self.order(given), is_out=is_out)

    def works(self, given: Score) -> Floats:
        """Return how much work a run of each scenario is with the policy as given."""
        clients = np.array([scenario.clients for scenario in self.scenarios], float)
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
                bound.excess(t_interval(score.values[bound.metric][k]), self.scenarios[k])
                for bound in self.bounds
            ]
            is_broken = max(excesses, default=0.0) > 0.0
            return (0.0 if is_broken else 1.0), float(score.values["attempts"][k].mean())

        return sorted(range(len(self.scenarios)), key=rank)

    def breaks(self, score: Score, *, surely: bool) -> bool:
        """Whether a candidate does not work, or breaks a bound where it was played."""
        return not score.works or any(score.excess(b, surely=surely) > 0.0 for b in self.bounds)

    def _cells(self, settings: Mapping[str, Any], replications: int) -> list[Cell]:
        return [
            Cell(seeded.replace(seed=seed), self.on)
            for seeded in (scenario.replace(settings) for scenario in self.scenarios)
            for seed in seeds(seeded, replications, self.first)
        ]

    def _score(
        self, rows: Mapping[int, Mapping[str, Any]], failures: Mapping[int, str], part: range
    ) -> Score | str:
        failed = next((failures[i] for i in part if i in failures), "")
        if failed:
            return failed
        shape = (len(self.scenarios), -1)
        values = {m: np.array([rows[i][m] for i in part]).reshape(shape) for m in _METRICS}
        needed = [objective.metric for objective in self.objectives]
        needed += [bound.metric for bound in self.bounds]
        return Score(values, self.scenarios, tuple(dict.fromkeys(needed)))

    def check_data(self, score: Score) -> None:
        """Refuse an objective or a bound for which there is too little data in some scenario.

        Where nobody connected there is none for want of a connection, which is no reason.

        Raises
        ------
        SettingsError
            If there is one.
        """
        wanted = [("objectives", objective.metric) for objective in self.objectives]
        wanted += [("constraints", bound.metric) for bound in self.bounds]
        for where, metric in wanted:
            sent = (metric not in OF_MESSAGES) | (score.values["sent"] > 0.0)
            excused = score.never_connected & sent
            empty = np.isnan(score.values[metric]) & ~excused
            for scenario, row in zip(self.scenarios, empty, strict=True):
                if row.any():
                    rule = f"has too little data in {scenario.name} on {self.on}"
                    raise SettingsError(where, metric, rule)


def _move(
    move: Callable[[float], None] | None, done: float, work: float, of: float, share: float
) -> None:
    if move is not None:
        move((done + share * work) / of)
