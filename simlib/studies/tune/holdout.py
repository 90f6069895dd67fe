"""Hold-out evaluation on fresh seeds, and robustness to more clients and longer faults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from simlib.core.errors import SettingsError
from simlib.studies.tune.evaluate import Evaluator
from simlib.studies.tune.holdout_result import HoldoutResult
from simlib.studies.tune.narrative import BESIDES, narrate
from simlib.studies.tune.ranking import Ranking, recommend, settle
from simlib.studies.tune.rivals import (
    LEAST_SEEDS,
    LEAST_SEEDS_OF_TUNED,
    MOST_TUNED,
    TUNED_AT_A_TIME,
    Rivals,
    Tuned,
    seeds_of_tuned,
    work_of_part,
)
from simlib.studies.tune.robustness import find_limits
from simlib.studies.tune.run_costs import Meter
from simlib.studies.tune.score import Score
from simlib.studies.tune.variants import Candidate

_KINDS = ("tuned", "given", "report", "preset")
#: So many candidates are played at a time, so that all workers have something to do.
_AT_A_TIME = 8


def evaluate_holdout(
    evaluator: Evaluator, tuned: Tuned, rivals: Rivals, meter: Meter
) -> HoldoutResult:
    """Evaluate tuned policies on seeds that no trial had, beside their rivals.

    Raises
    ------
    SettingsError
        If the policy as given cannot be played.
    """
    mine, given = _own(evaluator, tuned, rivals, meter)
    best = recommend(
        evaluator,
        mine,
        (rivals.given, given),
        by_first=tuned.by_first,
        prefers_given=tuned.prefers_given,
    )
    scores = _first(best, {**mine, rivals.given: given})
    unplayed = rivals.list_left_out()
    known, others = list(scores.values()), rivals.others
    keeps = known[0].keeps(evaluator.bounds)
    beyond = rivals.beyond(evaluator, given) if keeps else 0.0
    meter.expect(rivals.of_others(evaluator, given) + beyond)
    _, until_out = evaluator.parts(given)
    screen = evaluator.screen(given)
    for i in range(0, len(others), _AT_A_TIME):
        part = others[i : i + _AT_A_TIME]
        moved = meter.part(
            LEAST_SEEDS * until_out * work_of_part(rivals, part), f"{part[0].name} and others"
        )
        settings = [candidate.settings for candidate in part]
        played = evaluator.scores(settings, known, LEAST_SEEDS, moved, first=screen)
        for candidate, outcome in zip(part, played, strict=True):
            if isinstance(outcome, Score):
                scores[candidate] = outcome
            else:
                unplayed[candidate.name] = outcome
    settled = settle(Ranking(evaluator, scores))
    ranking = Ranking(evaluator, _in_order(settled.recommended, settled.scores))
    limits = find_limits(ranking, rivals, meter)
    return HoldoutResult(
        ranking.recommended,
        ranking.keeps(ranking.recommended),
        _table(ranking),
        limits,
        narrate(ranking, limits),
        unplayed,
    )


def _own(
    evaluator: Evaluator, tuned: Tuned, rivals: Rivals, meter: Meter
) -> tuple[dict[Candidate, Score], Score]:
    """Play the policy as given and tuned ones: more of these as long as none keeps the bounds."""
    each_work = (
        seeds_of_tuned(evaluator) * len(evaluator.scenarios) * work_of_part(rivals, [rivals.given])
    )

    def play(part: Sequence[Mapping[str, Any]]) -> list[Score | str]:
        moved = meter.part(len(part) * each_work, "tuned policies on fresh seeds")
        return evaluator.scores(part, least=LEAST_SEEDS_OF_TUNED, move=moved, drops=False)

    given, *outcomes = play([{}, *tuned.settings[: tuned.shown]])
    if isinstance(given, str):
        raise SettingsError("scenario", evaluator.scenarios[0].name, f"cannot be played: {given}")
    while not any(
        isinstance(outcome, Score) and outcome.keeps(evaluator.bounds) for outcome in outcomes
    ):
        part = tuned.settings[len(outcomes) : min(len(outcomes) + TUNED_AT_A_TIME, MOST_TUNED)]
        if not part:
            break
        outcomes += play(part)
    mine = {
        Candidate(f"tuned {i}", "tuned", settings): score
        for i, (settings, score) in enumerate(zip(tuned.settings, outcomes, strict=False), 1)
        if isinstance(score, Score)
    }
    return mine, given


def _in_order(best: Candidate, own: Mapping[Candidate, Score]) -> dict[Candidate, Score]:
    """Return the recommended policy first, by that name unless it is the one as given."""
    first = replace(best, name="recommended") if best.kind == "tuned" else best
    _, *others = _first(best, own).items()
    return {first: own[best], **dict(others)}


def _first(best: Candidate, scores: Mapping[Candidate, Score]) -> dict[Candidate, Score]:
    return {best: scores[best]} | dict(scores)


def _table(ranking: Ranking) -> pd.DataFrame:
    """Return a row per candidate: by kind, those that keep the bounds first, the best first."""
    objective = ranking.evaluator.objectives[0]

    def rank(candidate: Candidate) -> tuple[bool, int, bool, float]:
        score = ranking.scores[candidate]
        is_other = candidate is not ranking.recommended
        return (
            is_other,
            _KINDS.index(candidate.kind),
            not ranking.keeps(candidate),
            score.loss(objective),
        )

    return pd.DataFrame(
        [_row(ranking, candidate) for candidate in sorted(ranking.scores, key=rank)]
    )


def _row(ranking: Ranking, candidate: Candidate) -> dict[str, Any]:
    score, evaluator = ranking.scores[candidate], ranking.evaluator
    row: dict[str, Any] = {"name": candidate.name, "kind": candidate.kind}
    row["waits"] = evaluator.scenarios[0].replace(candidate.settings).client.backoff.in_words
    for objective in evaluator.objectives:
        estimate = score.mean(objective.metric)
        row[objective.metric] = estimate.value
        row |= {f"{objective.metric} low": estimate.low, f"{objective.metric} high": estimate.high}
    row |= {metric: score.mean(metric).value for metric in BESIDES if metric not in row}
    row["excess"] = score.worst_excess(evaluator.bounds)
    row["keeps"] = ranking.keeps(candidate)
    for word, found_on in (("worse on", ranking.worse_on), ("better on", ranking.better_on)):
        row[word] = ", ".join(objective.metric for objective in found_on(candidate))
    return row | {"replications": score.replications}
