"""The answer of a tuning: the trials that fresh seeds evaluate, the table of trials, and notes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import nan
from typing import Any

import pandas as pd

from simlib.core.errors import SimlibError
from simlib.experiments.space import Axis
from simlib.metrics.words import format_number, join_words
from simlib.studies.tune.evaluate import Evaluator
from simlib.studies.tune.holdout import evaluate_holdout
from simlib.studies.tune.pareto import by_distance, front
from simlib.studies.tune.question import Question
from simlib.studies.tune.ranking import losses
from simlib.studies.tune.result import Tuning
from simlib.studies.tune.rivals import Rivals, Tuned
from simlib.studies.tune.run_costs import Meter
from simlib.studies.tune.score import Score
from simlib.studies.tune.search import EvaluatedTrial, find_front, list_full

#: So many of the Pareto front are judged beside the recommended one.
_SHOWN = 6
#: So many that are nearest to keeping the bounds, where none keeps them.
_NEAREST = 4
#: So many reasons are named why trials could not be played; others are counted.
_REASONS = 3


def answer_question(
    question: Question,
    evaluator: Evaluator,
    tried: Sequence[EvaluatedTrial],
    given: Score,
    rivals: Rivals,
    meter: Meter,
) -> Tuning:
    """Return the tuning: candidates evaluated under fresh seeds, the table of trials, and notes."""
    if not any(isinstance(trial.score, Score) for trial in tried):
        raise SimlibError(" ".join(_describe_refused(tried)))
    best = find_front(evaluator, tried)
    tuned = _choose_promising(question, evaluator, tried, best, given)
    fresh = replace(evaluator, first=evaluator.replications)
    meter.expect(rivals.of_all(evaluator, given))
    said = evaluate_holdout(fresh, tuned, rivals, meter)
    table = _table(evaluator, tried, set(best))
    notes = _describe_refused(tried)
    if said.recommended.kind == "tuned":
        notes += _list_notes(question, evaluator, said.recommended.settings)
    return Tuning(
        question.scenarios,
        question.axes,
        question.objectives,
        question.bounds,
        question.on,
        table,
        said,
        " ".join(notes),
    )


def _choose_promising(
    question: Question,
    evaluator: Evaluator,
    tried: Sequence[EvaluatedTrial],
    best: Sequence[int],
    given: Score,
) -> Tuned:
    """Return the trials that are played under fresh seeds, the most promising first."""
    played = {i: trial.score for i, trial in enumerate(tried) if isinstance(trial.score, Score)}
    sought = {i: losses(evaluator, score) for i, score in played.items()}
    if not best:
        far = {i: max(map(score.shortfall, evaluator.bounds)) for i, score in played.items()}
        nearest = sorted(played, key=lambda i: (far[i], sought[i]))[:_NEAREST]
        return Tuned([tried[i].settings for i in nearest], question.by_first, False, len(nearest))
    prefers_given = False
    if question.by_first:
        order = sorted(best, key=lambda i: sought[i])
    else:
        order = [best[i] for i in by_distance([sought[i] for i in best])]
        prefers_given = given.keeps(evaluator.bounds) and _is_nearest(
            losses(evaluator, given), [sought[i] for i in best]
        )
    first, *others = order
    shown = [first, *_spread_along(sorted(others, key=lambda i: sought[i]))]
    beaten = sorted(
        {i for i, _ in list_full(evaluator, tried)} - set(best), key=lambda i: sought[i]
    )
    rest = [i for i in order if i not in shown]
    settings = [tried[i].settings for i in (*shown, *rest, *beaten)]
    return Tuned(settings, question.by_first, prefers_given, len(shown))


def _is_nearest(mine: tuple[float, ...], others: Sequence[tuple[float, ...]]) -> bool:
    """Whether one is the nearest to the best of everything, on a front with others."""
    everything = [mine, *others]
    together = front(everything)
    return together[by_distance([everything[i] for i in together])[0]] == 0


def _describe_refused(tried: Sequence[EvaluatedTrial]) -> list[str]:
    """Say how many trials could not be played, and why, the most frequent reason first."""
    why = Counter(in_general(str(trial.score)) for trial in tried if trial.outcome == "refused")
    if not why:
        return []
    said = [f"{reason} ({_trials(count)})" for reason, count in why.most_common(_REASONS)]
    if more := sum(why.values()) - sum(count for _, count in why.most_common(_REASONS)):
        said.append(f"other reasons ({_trials(more)})")
    if len(why) == 1:
        said = list(why)
    return [f"{_trials(sum(why.values()))} could not be played: {'; '.join(said)}."]


def _trials(count: int) -> str:
    return "1 trial" if count == 1 else f"{count:,} trials"


def in_general(why: str) -> str:
    """Return why something is refused without the values of this one case.

    Examples
    --------
    >>> in_general("client.backoff.cap_s = 5.0: must not be below base_s (7.3)")
    'client.backoff.cap_s must not be below base_s'
    """
    return re.sub(r" = [^:]*:|:", "", re.sub(r" \([^)]*\d[^)]*\)", "", why), count=1).strip()


def _list_notes(
    question: Question, evaluator: Evaluator, recommended: Mapping[str, Any]
) -> list[str]:
    """Return what else there is to say of what is recommended, a sentence each."""
    notes = []
    idle = _find_idle(question, evaluator, recommended)
    if idle:
        verb = "make" if len(idle) > 1 else "makes"
        notes.append(f"{join_words(idle)} {verb} no difference, the others being as recommended.")
    for axis in question.axes:
        value = recommended[axis.key]
        if axis.key not in idle and axis.is_near_an_end(value):
            said = (
                f"{axis.key} = {format_number(value)} is near an end of its range, {axis.in_words}"
            )
            notes.append(f"{said}: a wider one may do better.")
    return notes


def _find_idle(
    question: Question, evaluator: Evaluator, recommended: Mapping[str, Any]
) -> list[str]:
    """Return the ranges of which both ends give the same runs as what is recommended."""
    ranges = [axis for axis in question.axes if not axis.choices]
    # A single run tells most of them.
    single = replace(evaluator, scenarios=evaluator.scenarios[:1])
    ranges = _without_effect(single, ranges, recommended, 1)
    ranges = _without_effect(evaluator, ranges, recommended, evaluator.first_replications)
    return [axis.key for axis in ranges]


def _without_effect(
    evaluator: Evaluator, ranges: Sequence[Axis], recommended: Mapping[str, Any], replications: int
) -> list[Axis]:
    if not ranges:
        return []
    ends = [{**recommended, axis.key: axis.at(end)} for axis in ranges for end in (0.0, 1.0)]
    mine, *others = evaluator.play([recommended, *ends], replications)
    same = [isinstance(rival_score, Score) and rival_score.is_same(mine) for rival_score in others]
    return [axis for i, axis in enumerate(ranges) if all(same[2 * i : 2 * i + 2])]


def _spread_along(numbers: Sequence[int]) -> list[int]:
    """Return a few of the front, spread along it."""
    step = -(-len(numbers) // _SHOWN) or 1
    return list(numbers[::step])


def _table(evaluator: Evaluator, tried: Sequence[EvaluatedTrial], best: set[int]) -> pd.DataFrame:
    rows = []
    for i, trial in enumerate(tried):
        row: dict[str, Any] = {"trial": i, **trial.settings}
        for objective in evaluator.objectives:
            name = objective.metric
            row[name] = trial.score.mean(name).value if isinstance(trial.score, Score) else nan
        row["excess"] = (
            trial.score.worst_excess(evaluator.bounds) if isinstance(trial.score, Score) else nan
        )
        row["replications"] = trial.score.replications if isinstance(trial.score, Score) else 0
        row |= {"outcome": trial.outcome, "is_front": i in best}
        row["why"] = trial.score.failure if isinstance(trial.score, Score) else trial.score
        rows.append(row)
    return pd.DataFrame(rows).set_index("trial")
