"""Rank candidates: which satisfy the constraints, which dominate which, which is recommended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import NamedTuple

from simlib.experiments.objectives import Objective
from simlib.studies.tune.evaluate import Evaluator
from simlib.studies.tune.score import WORTH, Score
from simlib.studies.tune.variants import Candidate

#: A policy that keeps clients away is easy on a server, and no use.
_OUTSIDE = Objective("never_recovered", larger=False)


class Difference(NamedTuple):
    """A metric in which two candidates surely differ, by enough to be worth a word."""

    metric: str
    mine: float
    other: float


@dataclass(frozen=True)
class Ranking:
    """Candidates and their scores, the recommended one first."""

    evaluator: Evaluator
    scores: Mapping[Candidate, Score]

    @property
    def recommended(self) -> Candidate:
        """The candidate that is recommended."""
        return next(iter(self.scores))

    @property
    def best(self) -> Score:
        """The score of the recommended one."""
        return self.scores[self.recommended]

    @property
    def given(self) -> Candidate | None:
        """The policy as given."""
        return next(iter(self.of_kind("given")), None)

    def keeps(self, candidate: Candidate) -> bool:
        """Whether a candidate keeps every bound."""
        return self.scores[candidate].keeps(self.evaluator.bounds)

    def of_kind(self, *kinds: str) -> list[Candidate]:
        """Return the candidates of some kinds, in their order."""
        return [candidate for candidate in self.scores if candidate.kind in kinds]

    def worse_on(self, candidate: Candidate) -> list[Objective]:
        """Return the objectives on which a candidate is surely worse than the recommended one."""
        score = self.scores[candidate]
        return [o for o in self.evaluator.objectives if score.worse_than(self.best, o).low > 0.0]

    def better_on(self, candidate: Candidate) -> list[Objective]:
        """Return those on which it is surely better."""
        score = self.scores[candidate]
        return [o for o in self.evaluator.objectives if self.best.worse_than(score, o).low > 0.0]

    def leaves_more_outside(self, candidate: Candidate) -> bool:
        """Whether surely more clients are not back by the end than with the recommended one."""
        return self.scores[candidate].worse_than(self.best, _OUTSIDE).low > 0.0

    def beats(self, candidate: Candidate) -> bool:
        """Whether a candidate takes the recommended one's place.

        It keeps the bounds and the recommended one does not; or it is surely better on some
        objective, and surely worse on none. Who leaves more clients outside takes nobody's place.
        """
        if not self.keeps(candidate) or self.leaves_more_outside(candidate):
            return False
        if not self.keeps(self.recommended):
            return True
        return bool(self.better_on(candidate)) and not self.worse_on(candidate)

    def is_ahead(self, candidate: Candidate) -> bool:
        """Whether a candidate is what to recommend instead, whatever an objective is worth.

        It keeps the bounds and the recommended one does not; or it is surely better on every
        objective, at no other price.
        """
        is_better = len(self.better_on(candidate)) == len(self.evaluator.objectives)
        return self.beats(candidate) and (is_better or not self.keeps(self.recommended))


def settle(ranking: Ranking) -> Ranking:
    """Return the ranking with a policy first that no other, tuned, given or known, is ahead of.

    What the trials spoke for may be behind on fresh seeds, of a preset too. Of those that are
    ahead, the best on the first objective takes its place.
    """
    left: set[Candidate] = set()
    scores, evaluator = ranking.scores, ranking.evaluator
    while True:
        left.add(ranking.recommended)  # whoever was beaten once does not come back
        others = [each for each in scores if each not in left]
        beating = [each for each in others if ranking.is_ahead(each)]
        if not beating:
            return ranking
        best = min(beating, key=lambda each: losses(evaluator, scores[each]))
        ranking = Ranking(evaluator, {best: scores[best], **scores})


def differences(
    mine: Score, other: Score, objectives: Sequence[Objective]
) -> tuple[list[Difference], list[Difference]]:
    """Return in which metrics one is surely better than another, and in which it is worse."""
    known = [
        (o, difference)
        for o in objectives
        if _is_worth_a_word(difference := _difference(mine, other, o))
    ]
    better = [difference for o, difference in known if other.worse_than(mine, o).low > 0.0]
    worse = [difference for o, difference in known if mine.worse_than(other, o).low > 0.0]
    return better, worse


def gains_and_losses(
    mine: Score, other: Score, objectives: Sequence[Objective]
) -> tuple[list[Difference], list[Difference]]:
    """Return in which metrics one is better than another in the mean, and in which it is worse."""
    known = [
        (o, difference)
        for o in objectives
        if _is_worth_a_word(difference := _difference(mine, other, o))
    ]
    better = [difference for o, difference in known if mine.worse_than(other, o).value < 0.0]
    worse = [difference for o, difference in known if mine.worse_than(other, o).value > 0.0]
    return better, worse


def _difference(mine: Score, other: Score, objective: Objective) -> Difference:
    values = (score.mean(objective.metric).value for score in (mine, other))
    return Difference(objective.metric, *values)


def _is_worth_a_word(difference: Difference) -> bool:
    if difference.mine == difference.other:
        return False
    if not (isfinite(difference.mine) and isfinite(difference.other)):
        return True
    return abs(difference.mine - difference.other) > WORTH * abs(difference.other)


def recommend(
    evaluator: Evaluator,
    tuned: Mapping[Candidate, Score],
    given: tuple[Candidate, Score] | None,
    *,
    by_first: bool,
    prefers_given: bool = False,
) -> Candidate:
    """Return the candidate that is recommended: one that keeps the bounds, wherever one does.

    Parameters
    ----------
    evaluator : Evaluator
        What is sought, and what must hold.
    tuned : mapping
        Tuned policies and their scores, the one that the trials speak for first.
    given : tuple, optional
        The policy as given and its score.
    by_first : bool
        Whether the best on the first objective is asked for, as somebody has set a bound, rather
        than the order of the tuned ones.
    prefers_given : bool
        Whether the trials speak for the policy as given.

    Returns
    -------
    Candidate
        The policy as given, if it keeps the bounds and no tuned one has anything over it; or if
        none keeps them, and none is nearer.
    """
    fit = [candidate for candidate, score in tuned.items() if score.keeps(evaluator.bounds)]
    if by_first:
        fit.sort(key=lambda candidate: losses(evaluator, tuned[candidate]))
    if given is None or not given[1].keeps(evaluator.bounds):
        if fit:
            return fit[0]
        # As given comes first: what is no nearer is no reason to change anything.
        everything = dict([given] if given is not None else []) | dict(tuned)
        return min(
            everything, key=lambda candidate: distance_to_bounds(evaluator, everything[candidate])
        )
    if not fit or prefers_given:
        return given[0]
    # The trials' best was chosen on other seeds, where it may have been lucky: on these it is
    # surely worse.
    if by_first and tuned[fit[0]].worse_than(given[1], evaluator.objectives[0]).low > 0.0:
        return given[0]
    return fit[0] if buys(evaluator, tuned[fit[0]], given[1]) else given[0]


def buys(evaluator: Evaluator, mine: Score, other: Score) -> bool:
    """Whether a change has anything for it: a sure gain, or gains only, as far as is known."""
    better, _ = differences(mine, other, evaluator.objectives)
    gains, costs = gains_and_losses(mine, other, evaluator.objectives)
    # A sure gain is worth whatever else is unsure. Without one, a change must at least cost nothing
    # that is seen.
    return bool(better) or (bool(gains) and not costs)


def losses(evaluator: Evaluator, score: Score) -> tuple[float, ...]:
    """Return what is sought, so that less is better: the first objective decides, then the next."""
    return tuple(score.loss(objective) for objective in evaluator.objectives)


def distance_to_bounds(evaluator: Evaluator, score: Score) -> tuple[float, ...]:
    """Return how far a candidate is from keeping the bounds, and then what is sought."""
    return score.worst_excess(evaluator.bounds), *losses(evaluator, score)
