"""Tuning: Optuna searches the best settings for several scenarios; fresh seeds evaluate them.

All trials are played under the same seeds, so they differ by their settings alone. The best of many
trials is also the luckiest one, so the final result comes from fresh seeds, which no trial had.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import nan
from pathlib import Path
from typing import Any

import pandas as pd

from simlib.core.errors import SettingsError, SimlibError
from simlib.core.validation import Rule
from simlib.experiments.engine_choice import choose_engine
from simlib.experiments.objectives import OBJECTIVES, Constraint, Objective
from simlib.experiments.objectives import constraints as constraints_of
from simlib.experiments.objectives import objectives as objectives_of
from simlib.experiments.pool import Outcomes, open_pool
from simlib.experiments.run_cache import RunCache, open_run_cache
from simlib.experiments.space import POLICY, Axis, axes
from simlib.metrics.words import format_number
from simlib.scenario.scenario import Scenario, dump
from simlib.studies.tune.evaluate import Evaluator, Score, Screen, by_distance, front
from simlib.studies.tune.holdout import Rivals, Tuned, evaluate_holdout
from simlib.studies.tune.narrative import join_words
from simlib.studies.tune.optuna_store import FinishedTrial, Trials, open_trials
from simlib.studies.tune.ranking import losses
from simlib.studies.tune.result import Tuning
from simlib.studies.tune.run_costs import Meter
from simlib.studies.tune.variants import ensemble
from simlib.support.arguments import accept_old_name, check_arguments
from simlib.support.files import code_digest
from simlib.support.progress import Progress, show_progress

#: So many trials are asked for at a time, however many workers there are: the same trials anywhere.
GENERATION = 8
_TRIALS = Rule("", low=1, high=100_000, whole=True)
_REPLICATIONS = Rule("", low=2, high=100_000, whole=True)
#: Trials are played under so few seeds first: where clients are many, these tell most.
_LEAST = 2
#: So many of the Pareto front are judged beside the recommended one.
_SHOWN = 6
#: So many that are nearest to keeping the bounds, where none keeps them.
_NEAREST = 4
#: So many reasons are named why trials could not be played; others are counted.
_REASONS = 3


@dataclass(frozen=True)
class EvaluatedTrial:
    """A finished trial with its score."""

    settings: Mapping[str, Any]
    score: Score | str
    #: full: played until its numbers were known, under all seeds at most; discarded: until it was
    #: surely hopeless; refused: not at all.
    outcome: str


@accept_old_name("client", "scheduler")
@check_arguments
def tune(
    scenario: Scenario | Sequence[Scenario],
    space: Mapping[str, Any] | None = None,
    objectives: Sequence[str] = OBJECTIVES,
    constraints: Sequence[str] = (),
    trials: int = 100,
    *,
    replications: int = 20,
    on: str | None = None,
    sampler: str = "tpe",
    workers: int | None = None,
    scheduler: Any = None,
    folder: str | Path | None = None,
    progress: Progress | None = None,
) -> Tuning:
    """Find the settings that do best in several scenarios.

    Every trial is played under the same seeds. After a few of these, trials are discarded that
    surely break a constraint, or that an earlier one, or the policy as given, surely beats in every
    objective. Where runs are much work, as clients are many, no trial is played further once every
    constraint is decided and the mean of every objective is known to within 2 %, nor in other
    scenarios once a constraint is surely broken in one. The best of them, the policy as given, the
    report's defaults and all presets are then played under fresh seeds, and one that keeps every
    constraint there is recommended: of those that do the best on the first objective, if
    constraints were asked for, and else the one nearest to the best of every objective. Where none
    is surely better than the policy as given, that is the one to keep. A policy with which nobody
    connects keeps no constraint, and is worse than any with which somebody does.

    Parameters
    ----------
    scenario : Scenario or sequence of Scenario
        One scenario stands for the `ensemble` around it; a sequence is played as it is.
    space : mapping, optional
        What varies, by setting: a tuple of two numbers is a range, a list holds choices. By default
        jitter, base, factor and cap of the backoff.
    objectives : sequence of str
        Columns of `summary`, each the mean over scenarios and seeds; less is better, or more where
        everybody wants more. A time that never comes counts as twice the run.
    constraints : sequence of str
        Such as ``"peak_attempts_per_s <= 3 * server.accept_per_s"``. One holds if the 95 % interval
        of the metric's mean keeps to it in every scenario. That all clients come back always has
        to hold, ``never_recovered <= 0``, unless one of these bounds that metric otherwise.
    trials : int
        How many settings are tried; more of them continue what a folder has.
    replications : int
        Seeds of each trial and scenario, and fresh ones at the end, at most: where clients are
        many, a few seeds tell as much.
    on : {"sim", "fleet"}, optional
        The engine; by default the fleet, where it can play all scenarios.
    sampler : {"tpe", "nsga2", "random"}
        Optuna's sampler.
    workers, scheduler : optional
        So many processes, by default one per processor; or a Dask scheduler's address, or a client
        connected to one.
    folder : path, optional
        Where trials and runs are kept: a tuning that was killed goes on there.
    progress : callable, optional
        Called with the fraction done and a word; by default a bar, in a terminal and in a notebook.

    Returns
    -------
    Tuning
        All trials, the Pareto front, the recommended policy and how it stands among others.

    Raises
    ------
    SettingsError
        If the space, an objective or a constraint cannot be.

    Examples
    --------
    >>> from simlib.core.faults import Fault
    >>> storm = Scenario(clients=2, duration_s=9, faults=[Fault("outage", start_s=3, stop_s=5)])
    >>> space = {"client.backoff.base_s": (0.2, 2.0)}
    >>> found = tune([storm], space, trials=2, replications=2, on="sim", workers=1)
    >>> list(found.recommended), len(found.trials)
    (['client.backoff.base_s'], 2)
    """
    asked = _read_question(scenario, space, objectives, constraints, on, replications)
    _TRIALS.validate("trials", trials)
    with (
        open_run_cache(folder) as store,
        open_pool(workers, scheduler) as outcomes,
        show_progress(progress, "tuning") as move,
        open_trials(
            None if folder is None else Path(folder) / "trials.sqlite",
            asked.in_full,
            asked.axes,
            len(asked.objectives),
            sampler,
            asked.scenarios[0].seed,
        ) as optuna_s,
    ):
        evaluator = asked.evaluator(outcomes, store)
        evaluator, given = _play_given(asked, evaluator, move)
        rivals, meter = Rivals(replace(evaluator, first=evaluator.replications)), Meter(move)
        tried = _search(evaluator, optuna_s, trials, _Work(meter, rivals, evaluator, given), given)
        found = _answer(asked, evaluator, tried, given, rivals, meter)
    notes = [asked.note, "" if store is None else store.note]
    tuning = replace(found, note=" ".join(filter(None, [*notes, found.note])))
    if folder is not None:
        tuning.save(folder)
    return tuning


# --- the question ------------------------------------------------------------------------


@dataclass(frozen=True)
class _Asked:
    """All that an answer depends on."""

    scenarios: tuple[Scenario, ...]
    axes: tuple[Axis, ...]
    objectives: tuple[Objective, ...]
    bounds: tuple[Constraint, ...]
    on: str
    replications: int
    note: str
    #: Whether somebody has set a bound: then the first objective decides among those that keep it.
    by_first: bool

    @property
    def in_full(self) -> str:
        """The question as a text, the code included that plays it."""
        said = [dump(each) for each in self.scenarios]
        said += [repr(self.axes), repr(self.objectives), repr(self.bounds)]
        return "\n".join([*said, self.on, str(self.replications), code_digest()])

    def evaluator(self, outcomes: Outcomes, store: RunCache | None) -> Evaluator:
        """Return the evaluator."""
        return Evaluator(
            self.scenarios,
            self.objectives,
            self.bounds,
            self.on,
            outcomes,
            store,
            replications=self.replications,
        )


def _read_question(
    scenario: Scenario | Sequence[Scenario],
    space: Mapping[str, Any] | None,
    wanted: Sequence[str],
    constraints: Sequence[str],
    on: str | None,
    replications: int,
) -> _Asked:
    scenarios = ensemble(scenario) if isinstance(scenario, Scenario) else tuple(scenario)
    if not scenarios:
        raise SettingsError("scenario", [], "must be at least one")
    _REPLICATIONS.validate("replications", replications)
    by_user, bounds = constraints_of(constraints, scenarios)
    sought = objectives_of(wanted)
    metrics = [each.metric for each in sought] + [each.metric for each in bounds]
    used, note = choose_engine(on, scenarios, metrics)
    found = POLICY if space is None else space
    for each in scenarios[1:]:
        axes(each, found)
    return _Asked(
        scenarios,
        axes(scenarios[0], found),
        sought,
        bounds,
        used,
        replications,
        note,
        bool(by_user),
    )


def _play_given(asked: _Asked, evaluator: Evaluator, move: Progress) -> tuple[Evaluator, Score]:
    """Play the policy as given, and see that there are numbers of all that is asked for.

    How much work it is says how many runs are played of others.
    """
    move(0.0, "as given")
    [few] = evaluator.played([{}], evaluator.first_replications)
    if isinstance(few, Score):
        evaluator.check_data(few)
        evaluator = evaluator.fitted(few)
    [found] = evaluator.scores([{}], drops=False)
    if isinstance(found, str):
        raise SettingsError("scenario", asked.scenarios[0].name, f"cannot be played: {found}")
    evaluator.check_data(found)
    return evaluator, found


# --- the search --------------------------------------------------------------------------


class _Work:
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
        """Begin so many trials, of so many that are left, each as much work as those before."""
        each = (self._work + self._foretold[0]) / (self._count + 1)
        self._meter.expect(each * left + self._after, self._work)
        return self._meter.part(each * size, word)

    def add(self, score: Score | str) -> None:
        """Count a trial that is over."""
        self._count += 1
        self._work += _work_of(score)
        self._seeds += 0 if isinstance(score, str) else score.replications


def _work_of(score: Score | str) -> float:
    """Return how much work a candidate was where it was played: clients, and their attempts."""
    if isinstance(score, str):
        return 0.0
    clients = sum(each.clients for each in score.scenarios) * score.replications
    return clients + float(score.values["attempts"].sum())


def _search(
    evaluator: Evaluator, trials: Trials, count: int, work: _Work, given: Score
) -> list[EvaluatedTrial]:
    """Return all trials: those that were over before, and the rest."""
    screen = evaluator.screen(given)
    tried = [_again(evaluator, each, screen) for each in trials.told()[:count]]
    while len(tried) < count:
        # A generation that was begun before is finished first.
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
            excesses = {each.text: missed(each) for each in evaluator.bounds}
            trials.tell(place, losses(evaluator, score), excesses, score.replications, outcome)
    return tried


def _again(evaluator: Evaluator, told: FinishedTrial, screen: Screen | None) -> EvaluatedTrial:
    """Return a trial that was over before; its runs are kept, and lost ones are played again."""
    if told.refused:
        return EvaluatedTrial(told.settings, told.refused, "refused")
    play = evaluator.played if screen is None or told.replications > _LEAST else screen
    (score,) = play([told.settings], told.replications, None)
    return EvaluatedTrial(
        told.settings, score, "refused" if isinstance(score, str) else told.outcome
    )


def _outcome(evaluator: Evaluator, score: Score | str, leading: Sequence[Score]) -> str:
    if isinstance(score, str):
        return "refused"
    is_out = score.replications < evaluator.replications and evaluator.is_hopeless(score, leading)
    return "discarded" if is_out else "full"


def _full(evaluator: Evaluator, tried: Sequence[EvaluatedTrial]) -> list[tuple[int, Score]]:
    """Return the trials that were not discarded and keep the bounds, by their numbers."""
    return [
        (i, each.score)
        for i, each in enumerate(tried)
        if each.outcome == "full" and isinstance(each.score, Score)
        if each.score.keeps(evaluator.bounds)
    ]


def _best(evaluator: Evaluator, tried: Sequence[EvaluatedTrial]) -> list[int]:
    """Return the numbers of the trials on the Pareto front."""
    full = _full(evaluator, tried)
    if not full:
        return []
    return [full[i][0] for i in front([losses(evaluator, score) for _, score in full])]


def _leading(evaluator: Evaluator, tried: Sequence[EvaluatedTrial], given: Score) -> list[Score]:
    """Return what a trial must not be surely worse than in everything."""
    known = [score for i in _best(evaluator, tried) if isinstance(score := tried[i].score, Score)]
    return [*known, given] if given.keeps(evaluator.bounds) else known


# --- the answer --------------------------------------------------------------------------


def _answer(
    asked: _Asked,
    evaluator: Evaluator,
    tried: Sequence[EvaluatedTrial],
    given: Score,
    rivals: Rivals,
    meter: Meter,
) -> Tuning:
    if not any(isinstance(each.score, Score) for each in tried):
        raise SimlibError(" ".join(_of_refused(tried)))
    best = _best(evaluator, tried)
    tuned = _promising(asked, evaluator, tried, best, given)
    fresh = replace(evaluator, first=evaluator.replications)
    meter.expect(rivals.of_all(evaluator, given))
    said = evaluate_holdout(fresh, tuned, rivals, meter)
    table = _table(evaluator, tried, set(best))
    notes = _of_refused(tried)
    if not said.keeps_given:
        notes += _notes(asked, evaluator, said.recommended.settings)
    return Tuning(
        asked.scenarios,
        asked.axes,
        asked.objectives,
        asked.bounds,
        asked.on,
        table,
        said,
        " ".join(notes),
    )


def _promising(
    asked: _Asked,
    evaluator: Evaluator,
    tried: Sequence[EvaluatedTrial],
    best: Sequence[int],
    given: Score,
) -> Tuned:
    """Return the trials that are played under fresh seeds, the most promising first."""
    played = {i: each.score for i, each in enumerate(tried) if isinstance(each.score, Score)}
    sought = {i: losses(evaluator, score) for i, score in played.items()}
    if not best:
        far = {i: max(map(score.shortfall, evaluator.bounds)) for i, score in played.items()}
        nearest = sorted(played, key=lambda i: (far[i], sought[i]))[:_NEAREST]
        return Tuned([tried[i].settings for i in nearest], asked.by_first, False, len(nearest))
    prefers_given = False
    if asked.by_first:
        order = sorted(best, key=lambda i: sought[i])
    else:
        order = [best[i] for i in by_distance([sought[i] for i in best])]
        prefers_given = given.keeps(evaluator.bounds) and _is_nearest(
            losses(evaluator, given), [sought[i] for i in best]
        )
    first, *others = order
    shown = [first, *_some(sorted(others, key=lambda i: sought[i]))]
    beaten = sorted({i for i, _ in _full(evaluator, tried)} - set(best), key=lambda i: sought[i])
    rest = [i for i in order if i not in shown]
    settings = [tried[i].settings for i in (*shown, *rest, *beaten)]
    return Tuned(settings, asked.by_first, prefers_given, len(shown))


def _is_nearest(mine: tuple[float, ...], others: Sequence[tuple[float, ...]]) -> bool:
    """Whether one is the nearest to the best of everything, on a front with others."""
    everything = [mine, *others]
    together = front(everything)
    return together[by_distance([everything[i] for i in together])[0]] == 0


def _of_refused(tried: Sequence[EvaluatedTrial]) -> list[str]:
    """Say how many trials could not be played, and why, the most frequent reason first."""
    why = Counter(in_general(str(each.score)) for each in tried if each.outcome == "refused")
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


def _notes(asked: _Asked, evaluator: Evaluator, recommended: Mapping[str, Any]) -> list[str]:
    """Return what else there is to say of what is recommended, a sentence each."""
    notes = []
    idle = _idle(asked, evaluator, recommended)
    if idle:
        verb = "make" if len(idle) > 1 else "makes"
        notes.append(f"{join_words(idle)} {verb} no difference, the others being as recommended.")
    for axis in asked.axes:
        value = recommended[axis.key]
        if axis.key not in idle and axis.is_near_an_end(value):
            said = (
                f"{axis.key} = {format_number(value)} is near an end of its range, {axis.in_words}"
            )
            notes.append(f"{said}: a wider one may do better.")
    return notes


def _idle(asked: _Asked, evaluator: Evaluator, recommended: Mapping[str, Any]) -> list[str]:
    """Return the ranges of which both ends give the same runs as what is recommended."""
    ranges = [axis for axis in asked.axes if not axis.choices]
    # A single run tells most of them.
    one = replace(evaluator, scenarios=evaluator.scenarios[:1])
    ranges = _without_effect(one, ranges, recommended, 1)
    ranges = _without_effect(evaluator, ranges, recommended, evaluator.first_replications)
    return [axis.key for axis in ranges]


def _without_effect(
    evaluator: Evaluator, ranges: Sequence[Axis], recommended: Mapping[str, Any], replications: int
) -> list[Axis]:
    if not ranges:
        return []
    ends = [{**recommended, axis.key: axis.at(end)} for axis in ranges for end in (0.0, 1.0)]
    mine, *others = evaluator.played([recommended, *ends], replications)
    same = [isinstance(each, Score) and each.is_same(mine) for each in others]
    return [axis for i, axis in enumerate(ranges) if all(same[2 * i : 2 * i + 2])]


def _some(numbers: Sequence[int]) -> list[int]:
    """Return a few of the front, spread along it."""
    step = -(-len(numbers) // _SHOWN) or 1
    return list(numbers[::step])


def _table(evaluator: Evaluator, tried: Sequence[EvaluatedTrial], best: set[int]) -> pd.DataFrame:
    rows = []
    for i, each in enumerate(tried):
        row: dict[str, Any] = {"trial": i, **each.settings}
        for objective in evaluator.objectives:
            name = objective.metric
            row[name] = each.score.mean(name).value if isinstance(each.score, Score) else nan
        row["excess"] = (
            each.score.worst_excess(evaluator.bounds) if isinstance(each.score, Score) else nan
        )
        row["replications"] = each.score.replications if isinstance(each.score, Score) else 0
        row |= {"outcome": each.outcome, "is_front": i in best}
        row["why"] = each.score.failure if isinstance(each.score, Score) else each.score
        rows.append(row)
    return pd.DataFrame(rows).set_index("trial")
