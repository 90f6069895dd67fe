"""How a tuned policy stands on fresh seeds: beside others, and beyond the scenarios it is for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from simlib.core.errors import SettingsError
from simlib.policies import in_words
from simlib.progress import Progress
from simlib.scenario import Scenario
from simlib.study.ensemble import Candidate, rivals, stretched
from simlib.study.judge import Judge, Score, front
from simlib.study.review import BESIDES, review
from simlib.study.standing import Standing

#: How far beyond its scenarios a policy is tried.
FACTORS = (0.25, 0.5, 2.0, 4.0)
#: So many rivals are taken along there.
_CONTENDERS = 3
_KINDS = ("tuned", "given", "report", "preset")
#: So many candidates are played at a time, so that all workers have something to do.
_AT_A_TIME = 8
#: Shares of the work that are done by then.
_TUNED, _RIVALS = 0.1, 0.7


@dataclass(frozen=True)
class Verdict:
    """What fresh seeds say.

    Attributes
    ----------
    recommended : Candidate
        The tuned policy.
    keeps : bool
        Whether it keeps every bound on fresh seeds.
    table : DataFrame
        A row per candidate, the recommended one first: ``name``, ``kind`` (tuned, given, report,
        preset), ``waits`` in words, of each objective the mean with ``low`` and ``high``, what else
        a policy may cost, ``excess`` of the worst bound, ``keeps``, ``worse on`` and ``better on``
        (objectives on which it is surely so than the recommended one), ``replications``.
    limits : DataFrame
        A row per step beyond: ``axis`` (clients, length of faults), ``factor``, ``is_best``
        (whether the recommended one still is), ``why`` not.
    sentence : str
        What it buys, what it costs, where it stops being best.
    unplayed : mapping
        Rivals that the engine does not play, and why.
    """

    recommended: Candidate
    keeps: bool
    table: pd.DataFrame
    limits: pd.DataFrame
    sentence: str
    unplayed: Mapping[str, str]


def verdict(judge: Judge, tuned: Sequence[Mapping[str, Any]], move: Progress) -> Verdict:
    """Judge tuned policies, the first of which is recommended, on the seeds that a judge has.

    Raises
    ------
    SettingsError
        If the recommended one cannot be played.
    """
    move(0.0, "tuned policies on fresh seeds")
    mine = [
        Candidate("recommended" if i == 0 else f"tuned {i + 1}", "tuned", each)
        for i, each in enumerate(tuned)
    ]
    played = judge.played([each.settings for each in mine], judge.replications)
    scores = {c: each for c, each in zip(mine, played, strict=True) if isinstance(each, Score)}
    if mine[0] not in scores:
        raise SettingsError("recommended", dict(mine[0].settings), str(played[0]))
    unplayed: dict[str, str] = {}
    others = rivals(judge.on)
    known = list(scores.values())
    for i in range(0, len(others), _AT_A_TIME):
        part = others[i : i + _AT_A_TIME]
        move(_TUNED + (_RIVALS - _TUNED) * i / len(others), f"{part[0].name} and others")
        for each, found in zip(
            part, judge.scores([each.settings for each in part], known), strict=True
        ):
            if isinstance(found, Score):
                scores[each] = found
            else:
                unplayed[each.name] = found
    standing = Standing(judge, scores)
    limits = _limits(standing, move)
    return Verdict(
        standing.recommended,
        standing.keeps(standing.recommended),
        _table(standing),
        limits,
        review(standing, limits),
        unplayed,
    )


# --- a row per candidate -----------------------------------------------------------------


def _table(standing: Standing) -> pd.DataFrame:
    """Return a row per candidate: by kind, who keeps the bounds first, the best first."""
    objective = standing.judge.objectives[0]

    def rank(each: Candidate) -> tuple[bool, int, bool, float]:
        score = standing.scores[each]
        is_other = each is not standing.recommended
        return is_other, _KINDS.index(each.kind), not standing.keeps(each), score.loss(objective)

    return pd.DataFrame([_row(standing, each) for each in sorted(standing.scores, key=rank)])


def _row(standing: Standing, each: Candidate) -> dict[str, Any]:
    score, judge = standing.scores[each], standing.judge
    row: dict[str, Any] = {"name": each.name, "kind": each.kind}
    row["waits"] = in_words(judge.scenarios[0].replace(each.settings).client.backoff)
    for objective in judge.objectives:
        found = score.mean(objective.metric)
        row[objective.metric] = found.value
        row |= {f"{objective.metric} low": found.low, f"{objective.metric} high": found.high}
    row |= {metric: score.mean(metric).value for metric in BESIDES if metric not in row}
    row["excess"] = max((score.excess(bound) for bound in judge.bounds), default=0.0)
    row["keeps"] = standing.keeps(each)
    for word, found_on in (("worse on", standing.worse_on), ("better on", standing.better_on)):
        row[word] = ", ".join(each.metric for each in found_on(each))
    return row | {"replications": score.replications}


# --- beyond the scenarios ----------------------------------------------------------------


def _limits(standing: Standing, move: Progress) -> pd.DataFrame:
    """Return where the recommended policy still is best with more clients, or longer faults."""
    candidates = [standing.recommended, *_contenders(standing)]
    steps = list(_steps(standing.judge.scenarios))
    rows = []
    for i, (axis, factor, scenarios) in enumerate(steps):
        move(_RIVALS + (1.0 - _RIVALS) * i / len(steps), f"{axis} x {factor:g}")
        few = standing.judge.first_replications
        judge = replace(standing.judge, scenarios=scenarios, replications=few)
        scores = judge.played([each.settings for each in candidates], few)
        known = {
            each: score
            for each, score in zip(candidates, scores, strict=True)
            if isinstance(score, Score)
        }
        if standing.recommended not in known:
            continue
        there = Standing(judge, known)
        better = [
            each.name for each in known if each is not standing.recommended and there.beats(each)
        ]
        keeps = there.keeps(standing.recommended)
        rows.append(
            {
                "axis": axis,
                "factor": factor,
                "is_best": not better,
                "keeps": keeps,
                "why": _why(better, keeps),
            }
        )
    return pd.DataFrame(rows, columns=["axis", "factor", "is_best", "keeps", "why"])


def _steps(scenarios: Sequence[Scenario]) -> Iterator[tuple[str, float, tuple[Scenario, ...]]]:
    for factor in FACTORS:
        more = (each.replace(clients=max(1, round(factor * each.clients))) for each in scenarios)
        yield "clients", factor, tuple(more)
    for factor in FACTORS:
        yield "length of faults", factor, tuple(stretched(each, factor) for each in scenarios)


def _contenders(standing: Standing) -> list[Candidate]:
    """Return the rivals that may take its place elsewhere: the best, if they keep the bounds."""
    others = [
        each
        for each in standing.of_kind("given", "report", "preset")
        if not standing.leaves_more_outside(each)
    ]
    fit = [each for each in others if standing.keeps(each)] or others
    if not fit:
        return []
    losses = [[standing.scores[each].loss(o) for o in standing.judge.objectives] for each in fit]
    best = [fit[i] for i in front(losses)]
    return sorted(best, key=lambda each: standing.scores[each].loss(standing.judge.objectives[0]))[
        :_CONTENDERS
    ]


def _why(better: Sequence[str], keeps: bool) -> str:
    if not better:
        return "" if keeps else "nobody keeps the bounds"
    many = len(better) > 1
    names = " and ".join(better)
    if keeps:
        return f"{names} {'beat' if many else 'beats'} it"
    return f"{names} {'keep' if many else 'keeps'} the bounds and it does not"
