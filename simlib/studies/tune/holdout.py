"""Hold-out evaluation on fresh seeds, and robustness to more clients and longer faults."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import isnan
from typing import Any

import pandas as pd

from simlib.core.errors import SettingsError
from simlib.scenario.scenario import Scenario
from simlib.studies.tune.evaluate import LITTLE_WORK, Evaluator
from simlib.studies.tune.narrative import BESIDES, join_words, narrate
from simlib.studies.tune.pareto import front
from simlib.studies.tune.ranking import Ranking, losses, recommend
from simlib.studies.tune.run_costs import Meter, Played, works_of
from simlib.studies.tune.score import Score
from simlib.studies.tune.variants import Candidate, lengthen_faults, rivals

#: How far beyond its scenarios a policy is tried.
FACTORS = (0.25, 0.5, 2.0, 4.0)
#: So many rivals are taken along there.
_CONTENDERS = 3
_KINDS = ("tuned", "given", "report", "preset")
#: So many candidates are played at a time, so that all workers have something to do.
_AT_A_TIME = 8
#: So many tuned policies are played at a time until one keeps the bounds, and so many at most.
_TUNED_AT_A_TIME, _MOST_TUNED = 8, 24
#: Rivals are played under so few seeds first, as most are surely worse by then; and tuned ones
#: under so many, as they are close to each other.
_LEAST, _LEAST_OF_TUNED = 2, 4
#: About so many times the work of the policy as given are it and the tuned ones together.
_FEW_TUNED = 4.0
#: A rival that makes so many times the attempts of what it is compared with is not played, unless
#: that is no work on the engine.
_TIMES = 10.0


@dataclass(frozen=True)
class HoldoutResult:
    """The result of the hold-out evaluation.

    Attributes
    ----------
    recommended : Candidate
        The policy that is recommended: a tuned one, or the one as given.
    keeps : bool
        Whether it keeps every bound on fresh seeds.
    table : DataFrame
        A row per candidate, the recommended one first: ``name``, ``kind`` (tuned, given, report,
        preset), ``waits`` in words, of each objective the mean with ``low`` and ``high``, what else
        a policy may cost, ``excess`` of the worst bound, ``keeps``, ``worse on`` and ``better on``
        (objectives on which it is surely so than the recommended one), ``replications``. Where
        runs are much work, who surely breaks a bound in one scenario is not played in the others,
        and so has no means: NaN.
    limits : DataFrame
        A row per step beyond: ``axis`` (clients, length of faults), ``factor``, ``is_best``
        (whether the recommended one still is), ``why`` not.
    sentences : tuple of str
        What to ship, what it buys and costs, which bounds it keeps, where it stops being best.
    unplayed : mapping
        Rivals that the engine does not play, or that would be too much work, and why.
    """

    recommended: Candidate
    keeps: bool
    table: pd.DataFrame
    limits: pd.DataFrame
    sentences: tuple[str, ...]
    unplayed: Mapping[str, str]

    @property
    def sentence(self) -> str:
        """The sentences as a paragraph."""
        return " ".join(self.sentences)

    @property
    def keeps_given(self) -> bool:
        """Whether the policy as given is what is recommended."""
        return self.recommended.kind == "given"


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
        for each in rivals(evaluator.on):
            try:
                first.replace(each.settings)
            except SettingsError as error:
                self.unplayed[each.name] = str(error)
            else:
                self.known.append(each)
        runs = [Played(first.replace(each.settings), evaluator.on) for each in self.known]
        self.work = dict(zip(self.known, works_of(runs, evaluator.outcomes), strict=True))
        self._limit = max(LITTLE_WORK[evaluator.on], _TIMES * self.work[self.given])

    @property
    def given(self) -> Candidate:
        """The policy as given."""
        return next(each for each in self.known if each.kind == "given")

    @property
    def others(self) -> list[Candidate]:
        """Those of the others that are not too much work."""
        return [each for each in self.known if each.kind != "given" and not self.excess(each)]

    def excess(self, each: Candidate, factor: float = 1.0) -> str:
        """Return why a rival costs too much with ``factor`` times the clients, or nothing."""
        work = factor * self.work[each]
        if isnan(work) or work <= self._limit:
            return ""
        return f"would make some {_work_in_words(work)} attempts in a run"

    def list_left_out(self) -> dict[str, str]:
        """Return the rivals that are not played, and why."""
        too_much = {each.name: self.excess(each) for each in self.known if each.kind != "given"}
        return self.unplayed | {name: why for name, why in too_much.items() if why}

    def of_all(self, evaluator: Evaluator, given: Score) -> float:
        """Return about how much work a verdict is; ``given``: what the policy as given did."""
        own = (
            _FEW_TUNED
            * _seeds_of_tuned(evaluator)
            * evaluator.parts(given)[0]
            * _work(self, [self.given])
        )
        return own + self.of_others(evaluator, given) + self.beyond(evaluator, given)

    def of_others(self, evaluator: Evaluator, given: Score) -> float:
        """Return how much of that are the rivals in the scenarios."""
        return _LEAST * evaluator.parts(given)[1] * _work(self, self.others)

    def beyond(self, evaluator: Evaluator, given: Score) -> float:
        """Return how much of that is what lies beyond the scenarios."""
        whole, until_out = evaluator.parts(given)
        mine = _work(self, [self.given])
        steps = 2.0 * sum(each * _seeds_of(evaluator, mine, each) * mine for each in FACTORS)
        return steps * (whole + _CONTENDERS * until_out)


def _work_in_words(work: float) -> str:
    return f"{work / 1e6:,.0f} million" if work >= 1e7 else f"{work:,.0f}"


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
    scores = _in_order(best, {**mine, rivals.given: given})
    unplayed = rivals.list_left_out()
    known, others = list(scores.values()), rivals.others
    keeps = known[0].keeps(evaluator.bounds)
    beyond = rivals.beyond(evaluator, given) if keeps else 0.0
    meter.expect(rivals.of_others(evaluator, given) + beyond)
    _, until_out = evaluator.parts(given)
    screen = evaluator.screen(given)
    for i in range(0, len(others), _AT_A_TIME):
        part = others[i : i + _AT_A_TIME]
        moved = meter.part(_LEAST * until_out * _work(rivals, part), f"{part[0].name} and others")
        settings = [each.settings for each in part]
        played = evaluator.scores(settings, known, _LEAST, moved, first=screen)
        for each, found in zip(part, played, strict=True):
            if isinstance(found, Score):
                scores[each] = found
            else:
                unplayed[each.name] = found
    ranking = Ranking(evaluator, scores)
    limits = _limits(ranking, rivals, meter)
    return HoldoutResult(
        ranking.recommended,
        ranking.keeps(ranking.recommended),
        _table(ranking),
        limits,
        narrate(ranking, limits),
        unplayed,
    )


def _work(rivals: Rivals, part: Sequence[Candidate]) -> float:
    """Return how much work a run in the first scenario is, of some candidates together."""
    works = [rivals.work[each] for each in part]
    return sum(each for each in works if not isnan(each))


def _seeds_of_tuned(evaluator: Evaluator) -> int:
    return (
        min(_LEAST_OF_TUNED, evaluator.replications)
        if evaluator.is_brief
        else evaluator.replications
    )


def _own(
    evaluator: Evaluator, tuned: Tuned, rivals: Rivals, meter: Meter
) -> tuple[dict[Candidate, Score], Score]:
    """Play the policy as given and tuned ones: more of these as long as none keeps the bounds."""
    each_work = (
        _seeds_of_tuned(evaluator) * len(evaluator.scenarios) * _work(rivals, [rivals.given])
    )

    def play(part: Sequence[Mapping[str, Any]]) -> list[Score | str]:
        moved = meter.part(len(part) * each_work, "tuned policies on fresh seeds")
        return evaluator.scores(part, least=_LEAST_OF_TUNED, move=moved, drops=False)

    given, *found = play([{}, *tuned.settings[: tuned.shown]])
    if isinstance(given, str):
        raise SettingsError("scenario", evaluator.scenarios[0].name, f"cannot be played: {given}")
    while not any(isinstance(each, Score) and each.keeps(evaluator.bounds) for each in found):
        part = tuned.settings[len(found) : min(len(found) + _TUNED_AT_A_TIME, _MOST_TUNED)]
        if not part:
            break
        found += play(part)
    mine = {
        Candidate(f"tuned {i}", "tuned", settings): score
        for i, (settings, score) in enumerate(zip(tuned.settings, found, strict=False), 1)
        if isinstance(score, Score)
    }
    return mine, given


def _in_order(best: Candidate, own: Mapping[Candidate, Score]) -> dict[Candidate, Score]:
    """Return the recommended policy first, by that name unless it is the one as given."""
    first = replace(best, name="recommended") if best.kind == "tuned" else best
    return {first: own[best]} | {each: score for each, score in own.items() if each is not best}


# --- a row per candidate -----------------------------------------------------------------


def _table(ranking: Ranking) -> pd.DataFrame:
    """Return a row per candidate: by kind, those that keep the bounds first, the best first."""
    objective = ranking.evaluator.objectives[0]

    def rank(each: Candidate) -> tuple[bool, int, bool, float]:
        score = ranking.scores[each]
        is_other = each is not ranking.recommended
        return is_other, _KINDS.index(each.kind), not ranking.keeps(each), score.loss(objective)

    return pd.DataFrame([_row(ranking, each) for each in sorted(ranking.scores, key=rank)])


def _row(ranking: Ranking, each: Candidate) -> dict[str, Any]:
    score, evaluator = ranking.scores[each], ranking.evaluator
    row: dict[str, Any] = {"name": each.name, "kind": each.kind}
    row["waits"] = evaluator.scenarios[0].replace(each.settings).client.backoff.in_words
    for objective in evaluator.objectives:
        found = score.mean(objective.metric)
        row[objective.metric] = found.value
        row |= {f"{objective.metric} low": found.low, f"{objective.metric} high": found.high}
    row |= {metric: score.mean(metric).value for metric in BESIDES if metric not in row}
    row["excess"] = score.worst_excess(evaluator.bounds)
    row["keeps"] = ranking.keeps(each)
    for word, found_on in (("worse on", ranking.worse_on), ("better on", ranking.better_on)):
        row[word] = ", ".join(each.metric for each in found_on(each))
    return row | {"replications": score.replications}


# --- beyond the scenarios ----------------------------------------------------------------


def _limits(ranking: Ranking, rivals: Rivals, meter: Meter) -> pd.DataFrame:
    """Return where the recommended policy still is best with more clients, or longer faults."""
    rows = []
    if ranking.keeps(ranking.recommended):
        candidates = [ranking.recommended, *_contenders(ranking)]
        rows = [
            row
            for step in _steps(ranking.evaluator.scenarios)
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
    count = _seeds_of(ranking.evaluator, rivals.work[rivals.given], factor)
    evaluator = replace(ranking.evaluator, scenarios=scenarios, replications=count)
    mine, *others = candidates
    some = [each for each in others if not rivals.excess(each, factor)]
    whole, until_out = ranking.evaluator.parts(ranking.scores[rivals.given])
    work = count * factor * _work(rivals, [rivals.given]) * (whole + len(some) * until_out)
    moved = meter.part(work, _word(axis, factor, scenarios))
    order = evaluator.order(ranking.best)
    known = _play_beyond(evaluator, mine, some, order, moved)
    if mine not in known:
        return {}
    there = Ranking(evaluator, known)
    better = [each.name for each in known if each is not mine and there.beats(each)]
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

        settings = [each.settings for each in some]
        found = (screen if screens else evaluator.play)(
            settings, evaluator.replications, report_share
        )
        pairs = zip(some, found, strict=True)
        return {each: score for each, score in pairs if isinstance(score, Score)}

    theirs = play(others, 0, screens=True) if others else {}
    fit = any(score.keeps(evaluator.bounds) for score in theirs.values())
    return play([mine], len(others), screens=not fit) | theirs


def _seeds_of(evaluator: Evaluator, work: float, factor: float) -> int:
    """Return how many seeds a step beyond has: fewer where runs are long, as luck is less there."""
    few = evaluator.first_replications
    if not factor * work > LITTLE_WORK[evaluator.on]:
        return few
    return max(min(_LEAST, few), round(few / max(1.0, factor)))


def _word(axis: str, factor: float, scenarios: Sequence[Scenario]) -> str:
    if axis == "clients":
        return f"with {scenarios[0].clients:,} clients"
    return f"with faults {factor:g} times as long"


def _steps(scenarios: Sequence[Scenario]) -> Iterator[tuple[str, float, tuple[Scenario, ...]]]:
    for factor in FACTORS:
        more = (each.replace(clients=max(1, round(factor * each.clients))) for each in scenarios)
        yield "clients", factor, tuple(more)
    for factor in FACTORS:
        yield "length of faults", factor, tuple(lengthen_faults(each, factor) for each in scenarios)


def _contenders(ranking: Ranking) -> list[Candidate]:
    """Return the rivals that may be best elsewhere: the best of those that keep the bounds.

    If none does, those that are nearest to it.
    """
    others = [
        each
        for each in ranking.of_kind("given", "report", "preset")
        if each is not ranking.recommended and ranking.scores[each].works
    ]
    fit = [each for each in others if ranking.keeps(each)]
    fit = [each for each in fit if not ranking.leaves_more_outside(each)]
    if not fit:
        bounds = ranking.evaluator.bounds
        nearest = sorted(others, key=lambda each: ranking.scores[each].worst_excess(bounds))
        return nearest[:_CONTENDERS]
    sought = {each: losses(ranking.evaluator, ranking.scores[each]) for each in fit}
    best = [fit[i] for i in front(list(sought.values()))]
    return sorted(best, key=lambda each: sought[each])[:_CONTENDERS]


def _why(better: Sequence[str], keeps: bool) -> str:
    if not better:
        return "" if keeps else "nobody keeps the bounds"
    many = len(better) > 1
    names = join_words(better)
    if keeps:
        return f"{names} {'beat' if many else 'beats'} it"
    return f"{names} {'keep' if many else 'keeps'} the bounds and it does not"
