"""Where the recommended policy stops being best: more clients, longer faults."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pandas as pd

from simlib.metrics.words import join_words
from simlib.scenario.scenario import Scenario
from simlib.studies.tune.evaluate import Evaluator
from simlib.studies.tune.pareto import front
from simlib.studies.tune.ranking import Ranking, losses
from simlib.studies.tune.rivals import FACTORS, MOST_CONTENDERS, Rivals, count_seeds, work_of_part
from simlib.studies.tune.run_costs import Meter
from simlib.studies.tune.score import Score
from simlib.studies.tune.variants import Candidate, lengthen_faults


def find_limits(ranking: Ranking, rivals: Rivals, meter: Meter) -> pd.DataFrame:
    """Return where the recommended policy still is best with more clients, or longer faults."""
    rows = []
    if ranking.keeps(ranking.recommended):
        candidates = [ranking.recommended, *_contenders(ranking)]
        rows = [
            row
            for step in list_steps(ranking.evaluator.scenarios)
            if (row := _step(ranking, rivals, meter, candidates, step))
        ]
    return pd.DataFrame(rows, columns=["axis", "factor", "is_best", "keeps", "why"])


def _step(
    ranking: Ranking,
    rivals: Rivals,
    meter: Meter,
    candidates: Sequence[Candidate],
    step: tuple[str, float, tuple[Scenario, ...]],
) -> dict[str, Any]:
    """Return how the recommended policy stands beyond; nothing if it cannot be played there."""
    axis, factor, scenarios = step
    count = count_seeds(ranking.evaluator, rivals.work[rivals.given], factor)
    evaluator = replace(ranking.evaluator, scenarios=scenarios, replications=count)
    mine, *others = candidates
    some = [candidate for candidate in others if not rivals.excess(candidate, factor)]
    # Estimated from the policy as given, whose work is known: only the progress bar depends on it.
    whole, until_out = ranking.evaluator.parts(ranking.scores[rivals.given])
    work = count * factor * work_of_part(rivals, [rivals.given]) * (whole + len(some) * until_out)
    moved = meter.part(work, _word(axis, factor, scenarios))
    order = evaluator.order(ranking.best)
    known = _play_beyond(evaluator, mine, some, order, moved)
    if mine not in known:
        return {}
    there = Ranking(evaluator, known)
    better = [
        candidate.name for candidate in known if candidate is not mine and there.beats(candidate)
    ]
    keeps = there.keeps(mine)
    return {
        "axis": axis,
        "factor": factor,
        "is_best": not better,
        "keeps": keeps,
        "why": _why(better, keeps),
    }


def _play_beyond(
    evaluator: Evaluator,
    mine: Candidate,
    others: Sequence[Candidate],
    order: Sequence[int],
    move: Callable[[float], None],
) -> dict[Candidate, Score]:
    """Return the scores of the recommended policy and its rivals, as far as they matter.

    A rival that breaks a bound takes nobody's place. The recommended one is played in all scenarios
    if any rival keeps to them.
    """
    is_out = partial(evaluator.breaks, surely=False)
    screen = partial(evaluator.play_in_turn, order=order, is_out=is_out)

    def play(some: Sequence[Candidate], done: int, *, screens: bool) -> dict[Candidate, Score]:
        def report_share(share: float) -> None:
            move((done + share * len(some)) / (1 + len(others)))

        settings = [candidate.settings for candidate in some]
        outcomes = (screen if screens else evaluator.play)(
            settings, evaluator.replications, report_share
        )
        pairs = zip(some, outcomes, strict=True)
        return {candidate: score for candidate, score in pairs if isinstance(score, Score)}

    # The rivals first, and cheaply: as soon as one breaks a bound in some scenario it cannot win,
    # and its other scenarios are not played.
    theirs = play(others, 0, screens=True) if others else {}
    fit = any(score.keeps(evaluator.bounds) for score in theirs.values())
    return play([mine], len(others), screens=not fit) | theirs


def _word(axis: str, factor: float, scenarios: Sequence[Scenario]) -> str:
    if axis == "clients":
        return f"with {scenarios[0].clients:,} clients"
    return f"with faults {factor:g} times as long"


def list_steps(scenarios: Sequence[Scenario]) -> Iterator[tuple[str, float, tuple[Scenario, ...]]]:
    """Yield the steps beyond the scenarios: the axis, the factor, and the scenarios there."""
    for factor in FACTORS:
        more = (
            scenario.replace(clients=max(1, round(factor * scenario.clients)))
            for scenario in scenarios
        )
        yield "clients", factor, tuple(more)
    for factor in FACTORS:
        yield (
            "length of faults",
            factor,
            tuple(lengthen_faults(scenario, factor) for scenario in scenarios),
        )


def _contenders(ranking: Ranking) -> list[Candidate]:
    """Return the rivals that may be best elsewhere: the best of those that keep the bounds.

    If none does, those that are nearest to it.
    """
    others = [
        candidate
        for candidate in ranking.of_kind("given", "report", "preset")
        if candidate is not ranking.recommended and ranking.scores[candidate].works
    ]
    fit = [candidate for candidate in others if ranking.keeps(candidate)]
    fit = [candidate for candidate in fit if not ranking.leaves_more_outside(candidate)]
    if not fit:
        bounds = ranking.evaluator.bounds
        nearest = sorted(
            others, key=lambda candidate: ranking.scores[candidate].worst_excess(bounds)
        )
        return nearest[:MOST_CONTENDERS]
    sought = {candidate: losses(ranking.evaluator, ranking.scores[candidate]) for candidate in fit}
    # What is best elsewhere is most likely on the Pareto front here; playing every preset at every
    # step would take most of the tuning's time.
    best = [fit[i] for i in front(list(sought.values()))]
    return sorted(best, key=lambda candidate: sought[candidate])[:MOST_CONTENDERS]


def _why(better: Sequence[str], keeps: bool) -> str:
    if not better:
        return "" if keeps else "nobody keeps the bounds"
    many = len(better) > 1
    names = join_words(better)
    if keeps:
        return f"{names} {'beat' if many else 'beats'} it"
    return f"{names} {'keep' if many else 'keeps'} the bounds and it does not"
