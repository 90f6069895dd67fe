"""Optuna's trials, kept in SQLite so that a tuning that was killed resumes.

A proposal depends on the finished trials and on its own number alone, not on the state of a
sampler. So a tuning that was killed and resumed has the same trials as one that was not.
"""

from __future__ import annotations

import hashlib
import logging
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from math import isfinite
from pathlib import Path
from typing import Any

from simlib.core.errors import SettingsError, on_one_line, shorten
from simlib.core.validation import nearest
from simlib.experiments.space import Axis
from simlib.support.databases import Trouble, UnusableDatabase, explain, open_database, tables_of
from simlib.support.extras import load_extra

#: Optuna's samplers, by the names they have here.
SAMPLERS = ("tpe", "nsga2", "random")
#: Trials of a search begin at random; with fewer, Optuna's estimates would lead nowhere.
_AT_RANDOM = 16


@dataclass(frozen=True)
class FinishedTrial:
    """A trial that is over: its settings, under how many seeds it was played, what it came to."""

    settings: Mapping[str, Any]
    replications: int
    outcome: str
    #: Why it could not be played; empty if it was.
    refused: str = ""


class Trials:
    """The trials of one search; see `open_trials`."""

    def __init__(
        self,
        storage: Any,
        name: str,
        axes: Sequence[Axis],
        objectives: int,
        sampler: str,
        seed: int,
    ) -> None:
        optuna = _optuna()
        self._axes = {axis.key: axis for axis in axes}
        self._distributions = {axis.key: _distribution(optuna, axis) for axis in axes}
        self._sampler, self._seed = sampler, seed
        self._study = optuna.create_study(
            storage=storage,
            study_name=name,
            directions=["minimize"] * objectives,
            load_if_exists=True,
        )
        self._open: dict[int, Any] = {}
        self._ask_again()

    def _ask_again(self) -> None:
        """Re-enqueue trials left RUNNING by a process that died."""
        states = _optuna().trial.TrialState
        numbers = sorted(trial.number for trial in self._study.get_trials(deepcopy=False))
        if numbers != list(range(len(numbers))):
            raise ValueError("the numbers of the trials have gaps")
        for trial in self._study.get_trials(deepcopy=False, states=(states.RUNNING,)):
            self._study.tell(trial.number, state=states.FAIL)
            if "refused" not in trial.user_attrs:
                self._study.enqueue_trial(trial.params)

    def list_finished(self) -> list[FinishedTrial]:
        """Return the trials that are over, in their order."""
        complete = _optuna().trial.TrialState.COMPLETE
        return [
            FinishedTrial(
                self._settings(trial.params),
                trial.user_attrs.get("replications", 0),
                trial.user_attrs.get("outcome", "refused"),
                trial.user_attrs.get("refused", ""),
            )
            for trial in self._study.get_trials(deepcopy=False)
            if trial.state == complete or "refused" in trial.user_attrs
        ]

    def _settings(self, params: Mapping[str, Any]) -> dict[str, Any]:
        return {
            key: axis.choices[params[key]] if axis.choices else params[key]
            for key, axis in self._axes.items()
        }

    def ask(self, count: int) -> list[dict[str, Any]]:
        """Return the settings of ``count`` trials; their results must be told in this order."""
        self._open, done = {}, len(self.list_finished())
        for i in range(count):
            # Anew for each: a sampler's own dice would not outlive the process.
            self._study.sampler = _sampler(_optuna(), self._sampler, self._seed + done + i)
            self._open[i] = self._study.ask(self._distributions)
        return [self._settings(trial.params) for trial in self._open.values()]

    def tell(
        self,
        place: int,
        losses: Sequence[float],
        excesses: Mapping[str, float],
        replications: int,
        outcome: str,
    ) -> None:
        """Record a trial's objectives, and by which share it exceeds its bounds.

        One that does not work has losses without end, and breaks a bound of its own: Optuna takes
        no NaN, and would learn from numbers of what does not work.
        """
        trial = self._open[place]
        works = all(map(isfinite, losses))
        for text, excess in {**excesses, "works": 0.0 if works else _MOST}.items():
            trial.set_constraint(text, min(max(excess, -_MOST), _MOST))
        trial.set_user_attr("replications", replications)
        trial.set_user_attr("outcome", outcome)
        self._study.tell(trial, [loss if isfinite(loss) else _MOST for loss in losses])

    def refuse(self, place: int, why: str) -> None:
        """Record that a trial could not be played."""
        trial = self._open[place]
        trial.set_user_attr("refused", why)
        self._study.tell(trial, state=_optuna().trial.TrialState.FAIL)


#: What has no end counts as so much: a bound that is broken, by so many times itself; and a loss.
_MOST = 1e6


@contextmanager
def open_trials(
    file: Path | None,
    question: str,
    axes: Sequence[Axis],
    objectives: int,
    sampler: str = "tpe",
    seed: int = 0,
) -> Iterator[Trials]:
    """Yield the trials of a search, kept in a file; another question begins a new search.

    Raises
    ------
    SimlibError
        If Optuna is not there, or the file cannot be read or written.
    """
    if sampler not in SAMPLERS:
        rule = f"must be one of {', '.join(SAMPLERS)}{nearest(sampler, list(SAMPLERS))}"
        raise SettingsError("sampler", sampler, rule)
    optuna = _optuna()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # Ctrl-C in the middle of a query is no fault, and whoever pressed it is told what is kept.
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
    name = hashlib.sha256(f"{question}\n{sampler} {seed}".encode()).hexdigest()[:32]
    if file is None:
        yield Trials(optuna.storages.InMemoryStorage(), name, axes, objectives, sampler, seed)
        return
    from sqlalchemy.exc import SQLAlchemyError

    storage = lock = None
    try:
        storage = _storage(optuna, file)
        # Trials that are still running were left by a process that died: by none that goes on.
        lock = open_database(file.with_name(f"{file.name}-lock"), "", alone=True)
        yield _read_trials(file, lambda: Trials(storage, name, axes, objectives, sampler, seed))
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        raise explain(file, error, "the trials before are kept") from error
    finally:
        if storage is not None:
            storage.remove_session()
            storage.engine.dispose()
        if lock is not None:
            lock.close()


def _read_trials(file: Path, read: Callable[[], Trials]) -> Trials:
    """Return the trials of a file, all of which can be read."""
    try:
        trials = read()
        trials.list_finished()
        return trials
    except (LookupError, TypeError, ValueError, AssertionError) as error:
        why = shorten(on_one_line(f"a trial in it cannot be read: {error}"))
        raise UnusableDatabase(file, Trouble.DAMAGED, why) from error


def _storage(optuna: Any, file: Path) -> Any:
    # Optuna would add its tables to another program's, and wraps what SQLite says of a bad file.
    tables = tables_of(file)
    if tables and not tables >= {"studies", "trials"}:
        raise UnusableDatabase(file, Trouble.FOREIGN, f"its tables are {', '.join(sorted(tables))}")
    # The file is no part of the address: Optuna fills in its braces, and SQLAlchemy ends it at "?".
    connect = partial(sqlite3.connect, file.absolute(), check_same_thread=False)
    try:
        return optuna.storages.RDBStorage("sqlite:///trials", engine_kwargs={"creator": connect})
    except RuntimeError as error:  # of another version of Optuna
        raise UnusableDatabase(file, Trouble.NEWER, str(error).splitlines()[0]) from error


def _optuna() -> Any:
    """Return Optuna, or say how it is installed."""
    return load_extra("optuna", "study", "what to try is proposed by Optuna")


def _sampler(optuna: Any, name: str, seed: int) -> Any:
    if name == "tpe":
        return optuna.samplers.TPESampler(
            seed=seed, multivariate=True, n_startup_trials=_AT_RANDOM, constant_liar=True
        )
    if name == "nsga2":
        return optuna.samplers.NSGAIISampler(seed=seed, population_size=_AT_RANDOM)
    return optuna.samplers.RandomSampler(seed=seed)


def _distribution(optuna: Any, axis: Axis) -> Any:
    if axis.choices:
        # By their numbers: a choice may be a table.
        return optuna.distributions.CategoricalDistribution(range(len(axis.choices)))
    if axis.whole:
        return optuna.distributions.IntDistribution(int(axis.low), int(axis.high))
    return optuna.distributions.FloatDistribution(axis.low, axis.high, log=axis.by_factors)
