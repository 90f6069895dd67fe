"""The baselines that tuned policies are compared with, and the cost of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Any

from simlib.core.errors import SettingsError
from simlib.studies.tune.evaluate import LITTLE_WORK, Evaluator
from simlib.studies.tune.run_costs import PlannedRun, works_of
from simlib.studies.tune.score import Score
from simlib.studies.tune.variants import Candidate, rivals

#: How far beyond its scenarios a policy is tried.
FACTORS = (0.25, 0.5, 2.0, 4.0)
#: So many rivals are taken along there.
MOST_CONTENDERS = 3
#: So many tuned policies are played at a time until one keeps the bounds, and so many at most.
TUNED_AT_A_TIME, MOST_TUNED = 8, 24
#: Rivals are played under so few seeds first, as most are surely worse by then; and tuned ones
#: under so many, as they are close to each other.
LEAST_SEEDS, LEAST_SEEDS_OF_TUNED = 2, 4
#: About so many times the work of the policy as given are it and the tuned ones together.
_FEW_TUNED = 4.0
#: A rival that makes so many times the attempts of what it is compared with is not played, unless
#: that is no work on the engine.
_TIMES = 10.0


@dataclass(frozen=True)
class Tuned:
    """The tuned policies that the hold-out evaluates.

    Attributes
    ----------
    settings : sequence of mapping
        The tuned policies, the one that the trials speak for first.
    by_first : bool
        Whether the first objective decides, since somebody has set a bound.
    prefers_given : bool
        Whether the trials speak for the policy as given.
    shown : int
        So many are played in any case; others only as long as none keeps the bounds.
    """

    settings: Sequence[Mapping[str, Any]]
    by_first: bool
    prefers_given: bool
    shown: int


class Rivals:
    """The baselines for the tuned policies, and the cost of each."""

    def __init__(self, evaluator: Evaluator) -> None:
        first = evaluator.scenarios[0]
        self.unplayed: dict[str, str] = {}
        self.known = []
        for rival in rivals(evaluator.on):
            try:
                first.replace(rival.settings)
            except SettingsError as error:
                self.unplayed[rival.name] = str(error)
            else:
                self.known.append(rival)
        runs = [PlannedRun(first.replace(rival.settings), evaluator.on) for rival in self.known]
        self.work = dict(zip(self.known, works_of(runs, evaluator.outcomes), strict=True))
        self._limit = max(LITTLE_WORK[evaluator.on], _TIMES * self.work[self.given])

    @property
    def given(self) -> Candidate:
        """The policy as given."""
        return next(rival for rival in self.known if rival.kind == "given")

    @property
    def others(self) -> list[Candidate]:
        """Those of the others that are not too much work."""
        return [rival for rival in self.known if rival.kind != "given" and not self.excess(rival)]

    def excess(self, rival: Candidate, factor: float = 1.0) -> str:
        """Return why a rival costs too much with ``factor`` times the clients, or nothing."""
        work = factor * self.work[rival]
        if isnan(work) or work <= self._limit:
            return ""
        return f"would make some {_work_in_words(work)} attempts in a run"

    def list_left_out(self) -> dict[str, str]:
        """Return the rivals that are not played, and why."""
        too_much = {rival.name: self.excess(rival) for rival in self.known if rival.kind != "given"}
        return self.unplayed | {name: why for name, why in too_much.items() if why}

    def of_all(self, evaluator: Evaluator, given: Score) -> float:
        """Return about how much work a verdict is; ``given``: what the policy as given did."""
        own = (
            _FEW_TUNED
            * seeds_of_tuned(evaluator)
            * evaluator.parts(given)[0]
            * work_of_part(self, [self.given])
        )
        return own + self.of_others(evaluator, given) + self.beyond(evaluator, given)

    def of_others(self, evaluator: Evaluator, given: Score) -> float:
        """Return how much of that are the rivals in the scenarios."""
        return LEAST_SEEDS * evaluator.parts(given)[1] * work_of_part(self, self.others)

    def beyond(self, evaluator: Evaluator, given: Score) -> float:
        """Return how much of that is what lies beyond the scenarios."""
        whole, until_out = evaluator.parts(given)
        mine = work_of_part(self, [self.given])
        steps = 2.0 * sum(
            factor * count_seeds(evaluator, mine, factor) * mine for factor in FACTORS
        )
        return steps * (whole + MOST_CONTENDERS * until_out)


def _work_in_words(work: float) -> str:
    return f"{work / 1e6:,.0f} million" if work >= 1e7 else f"{work:,.0f}"


def work_of_part(rivals: Rivals, part: Sequence[Candidate]) -> float:
    """Return how much work a run in the first scenario is, of some candidates together."""
    works = [rivals.work[rival] for rival in part]
    return sum(rival_work for rival_work in works if not isnan(rival_work))


def seeds_of_tuned(evaluator: Evaluator) -> int:
    """Return how many seeds a tuned policy is played under, as far as is known before."""
    return (
        min(LEAST_SEEDS_OF_TUNED, evaluator.replications)
        if evaluator.is_brief
        else evaluator.replications
    )


def count_seeds(evaluator: Evaluator, work: float, factor: float) -> int:
    """Return how many seeds a step beyond has: fewer where runs are long, as luck is less there."""
    few = evaluator.first_replications
    if not factor * work > LITTLE_WORK[evaluator.on]:
        return few
    return max(min(LEAST_SEEDS, few), round(few / max(1.0, factor)))
