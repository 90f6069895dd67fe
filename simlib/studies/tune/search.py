"""The search of a tuning: trials in generations, and which of them are played in full."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from simlib.studies.tune.evaluate import Evaluator, Screen
from simlib.studies.tune.optuna_store import FinishedTrial, Trials
from simlib.studies.tune.pareto import front
from simlib.studies.tune.ranking import losses
from simlib.studies.tune.rivals import Rivals
from simlib.studies.tune.run_costs import Meter
from simlib.studies.tune.score import Score

#: So many trials are asked for at a time, however many workers there are: the same trials anywhere.
GENERATION = 8
#: Trials are played under so few seeds first: where clients are many, these tell most.
_LEAST = 2


@dataclass(frozen=True)
class EvaluatedTrial:
    """A finished trial with its score."""

    settings: Mapping[str, Any]
    score: Score | str
    #: full: played until its numbers were known, under all seeds at most; discarded: until it was
    #: surely hopeless; refused: not at all.
    outcome: str


class TrialWork:
    """How much work the trials are, and what comes after them."""

    def __init__(self, meter: Meter, rivals: Rivals, evaluator: Evaluator, given: Score) -> None:
        self._meter, self._after = meter, rivals.of_all(evaluator, given)
        #: Of the trials that are over: how many, what they were, and under how many seeds.
        self._count, self._work, self._seeds = 0, 0.0, 0
        #: And of one as it is foretold: as much as the policy as given, until others are known.
        whole, until_out = evaluator.parts(given)
        seeds = given.replications if until_out == whole else _LEAST
        self._foretold = (whole + until_out) / 2.0 * seeds * float(evaluator.works(given)[0]), seeds

    @property
    def seeds(self) -> float:
        """Under how many seeds a trial is played, as far as is known."""
        return (self._seeds + self._foretold[1]) / (self._count + 1)

    def begin(self, size: int, left: int, word: str) -> Callable[[float], None]:
        """Begin ``size`` of ``left`` trials, each expected to cost as much as those before."""
        per_trial_s = (self._work + self._foretold[0]) / (self._count + 1)
        self._meter.expect(per_trial_s * left + self._after, self._work)
        return self._meter.part(per_trial_s * size, word)

    def add(self, score: Score | str) -> None:
        """Count a trial that is over."""
        self._count += 1
        self._work += _work_of(score)
        self._seeds += 0 if isinstance(score, str) else score.replications


def _work_of(score: Score | str) -> float:
    """Return how much work a candidate was where it was played: clients, and their attempts."""
    if isinstance(score, str):
        return 0.0
    clients = sum(scenario.clients for scenario in score.scenarios) * score.replications
    return clients + float(score.values["attempts"].sum())


def search_trials(
    evaluator: Evaluator, trials: Trials, count: int, work: TrialWork, given: Score
) -> list[EvaluatedTrial]:
    """Return all trials: the finished ones of an earlier process, and the rest."""
    screen = evaluator.screen(given)
    tried = [_play_again(evaluator, trial, screen) for trial in trials.list_finished()[:count]]
    while len(tried) < count:
        # A generation that was begun before is finished first.
        # Generations have the same size on any machine, as a sampler proposes by the trials that it
        # knows: with one trial for each processor the result would depend on the machine.
        size = min(GENERATION - len(tried) % GENERATION, count - len(tried))
        word = f"trial {len(tried) + 1:,} of {count:,}"
        moved = work.begin(size, count - len(tried), word)
        asked = trials.ask(size)
        leading = _leading(evaluator, tried, given)
        least = _LEAST if evaluator.is_brief else None
        scores = evaluator.scores(asked, leading, least, moved, expected=work.seeds, first=screen)
        if evaluator.store is not None:
            evaluator.store.flush()
        for place, (settings, score) in enumerate(zip(asked, scores, strict=True)):
            tried.append(
                EvaluatedTrial(settings, score, outcome := _outcome(evaluator, score, leading))
            )
            work.add(score)
            if isinstance(score, str):
                trials.refuse(place, score)
                continue
            missed = score.shortfall if evaluator.is_brief else score.excess
            excesses = {bound.text: missed(bound) for bound in evaluator.bounds}
            trials.tell(place, losses(evaluator, score), excesses, score.replications, outcome)
    return tried


def _play_again(evaluator: Evaluator, told: FinishedTrial, screen: Screen | None) -> EvaluatedTrial:
    """Return a trial that was over before; its runs are kept, and lost ones are played again."""
    if told.refused:
        return EvaluatedTrial(told.settings, told.refused, "refused")
    play = evaluator.play if screen is None or told.replications > _LEAST else screen
    (score,) = play([told.settings], told.replications, None)
    return EvaluatedTrial(
        told.settings, score, "refused" if isinstance(score, str) else told.outcome
    )


def _outcome(evaluator: Evaluator, score: Score | str, leading: Sequence[Score]) -> str:
    if isinstance(score, str):
        return "refused"
    is_out = score.replications < evaluator.replications and evaluator.is_hopeless(score, leading)
    return "discarded" if is_out else "full"


def list_full(evaluator: Evaluator, tried: Sequence[EvaluatedTrial]) -> list[tuple[int, Score]]:
    """Return the trials that were not discarded and keep the bounds, by their numbers."""
    return [
        (i, trial.score)
        for i, trial in enumerate(tried)
        if trial.outcome == "full" and isinstance(trial.score, Score)
        if trial.score.keeps(evaluator.bounds)
    ]


def find_front(evaluator: Evaluator, tried: Sequence[EvaluatedTrial]) -> list[int]:
    """Return the numbers of the trials on the Pareto front."""
    full = list_full(evaluator, tried)
    if not full:
        return []
    return [full[i][0] for i in front([losses(evaluator, score) for _, score in full])]


def _leading(evaluator: Evaluator, tried: Sequence[EvaluatedTrial], given: Score) -> list[Score]:
    """Return what a trial must not be surely worse than in everything."""
    known = [
        score for i in find_front(evaluator, tried) if isinstance(score := tried[i].score, Score)
    ]
    return [*known, given] if given.keeps(evaluator.bounds) else known
