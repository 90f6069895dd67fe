"""Tuning: Optuna searches the best settings for several scenarios; fresh seeds evaluate them.

All trials are played under the same seeds, so they differ by their settings alone. The best of many
trials is also the luckiest one, so the final result comes from fresh seeds, which no trial had.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from simlib.core.errors import SettingsError
from simlib.core.validation import Rule
from simlib.experiments.objectives import OBJECTIVES
from simlib.experiments.pool import open_pool
from simlib.experiments.run_cache import open_run_cache
from simlib.scenario.scenario import Scenario
from simlib.studies.tune.answer import answer_question
from simlib.studies.tune.evaluate import Evaluator
from simlib.studies.tune.optuna_store import open_trials
from simlib.studies.tune.question import Question, read_question
from simlib.studies.tune.result import Tuning
from simlib.studies.tune.rivals import Rivals
from simlib.studies.tune.run_costs import Meter
from simlib.studies.tune.score import Score
from simlib.studies.tune.search import TrialWork, search_trials
from simlib.support.arguments import accept_old_name, check_arguments
from simlib.support.progress import Progress, show_progress

_TRIALS = Rule("", low=1, high=100_000, whole=True)


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
    is surely better than the policy as given, that is the one to keep; and a preset is recommended
    that is surely better on every objective, or alone keeps the constraints. A policy with which
    nobody connects keeps no constraint, and is worse than any with which somebody does.

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
    >>> tuning = tune([storm], space, trials=2, replications=2, on="sim", workers=1)
    >>> list(tuning.recommended), len(tuning.trials)
    (['client.backoff.base_s'], 2)
    """
    question = read_question(scenario, space, objectives, constraints, on, replications)
    _TRIALS.validate("trials", trials)
    if folder is not None:
        question.refuse_functions()
    with (
        open_run_cache(folder) as store,
        open_pool(workers, scheduler) as outcomes,
        show_progress(progress, "tuning") as move,
        open_trials(
            None if folder is None else Path(folder) / "trials.sqlite",
            "" if folder is None else question.in_full,
            question.axes,
            len(question.objectives),
            sampler,
            question.scenarios[0].seed,
        ) as optuna_s,
    ):
        evaluator = question.evaluator(outcomes, store)
        evaluator, given = _play_given(question, evaluator, move)
        rivals, meter = Rivals(replace(evaluator, first=evaluator.replications)), Meter(move)
        tried = search_trials(
            evaluator, optuna_s, trials, TrialWork(meter, rivals, evaluator, given), given
        )
        answered = answer_question(question, evaluator, tried, given, rivals, meter)
    notes = [question.note, "" if store is None else store.note]
    tuning = replace(answered, note=" ".join(filter(None, [*notes, answered.note])))
    if folder is not None:
        tuning.save(folder)
    return tuning


def _play_given(
    question: Question, evaluator: Evaluator, move: Progress
) -> tuple[Evaluator, Score]:
    """Play the policy as given, and see that there are numbers of all that is asked for.

    How much work it is says how many runs are played of others.
    """
    move(0.0, "as given")
    [few] = evaluator.play([{}], evaluator.first_replications)
    if isinstance(few, Score):
        evaluator.check_data(few)
        evaluator = evaluator.fit_to_work(few)
    # The first of its runs are those that were just played.
    [score] = evaluator.scores([{}], drops=False, first=lambda *_: [few])
    if isinstance(score, str):
        raise SettingsError("scenario", question.scenarios[0].name, f"cannot be played: {score}")
    evaluator.check_data(score)
    return evaluator, score
