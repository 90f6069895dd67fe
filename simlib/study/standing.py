"""Candidates and what they did: who keeps the bounds, who beats whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from simlib.study.ensemble import Candidate
from simlib.study.goals import Objective
from simlib.study.judge import Judge, Score

#: A policy that keeps clients away is easy on a server, and no use.
_OUTSIDE = Objective("never_recovered", larger=False)


@dataclass(frozen=True)
class Standing:
    """Candidates and their scores, the recommended one first."""

    judge: Judge
    scores: Mapping[Candidate, Score]

    @property
    def recommended(self) -> Candidate:
        """The candidate that is recommended."""
        return next(iter(self.scores))

    @property
    def best(self) -> Score:
        """What the recommended one did."""
        return self.scores[self.recommended]

    def keeps(self, each: Candidate) -> bool:
        """Whether a candidate keeps every bound."""
        return self.scores[each].keeps(self.judge.bounds)

    def of_kind(self, *kinds: str) -> list[Candidate]:
        """Return the candidates of some kinds, in their order."""
        return [each for each in self.scores if each.kind in kinds]

    def worse_on(self, each: Candidate) -> list[Objective]:
        """Return the objectives on which a candidate is surely worse than the recommended one."""
        score = self.scores[each]
        return [o for o in self.judge.objectives if score.worse_than(self.best, o).low > 0.0]

    def better_on(self, each: Candidate) -> list[Objective]:
        """Return those on which it is surely better."""
        score = self.scores[each]
        return [o for o in self.judge.objectives if self.best.worse_than(score, o).low > 0.0]

    def leaves_more_outside(self, each: Candidate) -> bool:
        """Whether surely more clients are not back by the end than with the recommended one."""
        return self.scores[each].worse_than(self.best, _OUTSIDE).low > 0.0

    def beats(self, each: Candidate) -> bool:
        """Whether a candidate takes the recommended one's place.

        It keeps the bounds and the recommended one does not; or it is surely better on some
        objective, and surely worse on none. Who leaves more clients outside takes nobody's place.
        """
        if not self.keeps(each) or self.leaves_more_outside(each):
            return False
        if not self.keeps(self.recommended):
            return True
        return bool(self.better_on(each)) and not self.worse_on(each)
