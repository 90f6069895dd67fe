"""Parameter sweeps: every combination of settings under several seeds, as one table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, field
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from simlib.api import engine
from simlib.core.card import Card, ShowsCard, count_in_words
from simlib.core.errors import SettingsError, SimlibError
from simlib.core.validation import name_function
from simlib.experiments.pool import open_pool
from simlib.experiments.replicate import seeds
from simlib.experiments.run_cache import Cell, open_run_cache, play_cells
from simlib.metrics.connecting import AVAILABLE, nobody_connects
from simlib.metrics.intervals import t_interval
from simlib.metrics.meaning import check_metric
from simlib.metrics.words import say_setting
from simlib.scenario.origin import describe_origin
from simlib.scenario.scenario import Scenario
from simlib.support.arguments import accept_old_name, check_arguments
from simlib.support.made_by import current_command
from simlib.support.parquet import save_table
from simlib.support.progress import Progress, show_progress

#: More cells are refused: a mistake, or a study of weeks.
MOST_CELLS = 1_000_000


@dataclass(frozen=True, repr=False)
class Sweep(ShowsCard):
    """The runs of a grid: a row for each, the settings first, then the metrics."""

    scenario: Scenario
    grid: dict[str, list[Any]]
    on: str
    #: A row per run that was finished: the grid's keys, ``seed``, then the columns of `summary`.
    table: pd.DataFrame
    #: A row per run that failed: the grid's keys, ``seed``, ``failure``.
    failures: pd.DataFrame
    #: How many runs had been finished before, and were not played again.
    resumed: int = 0
    note: str = ""
    #: The command, or the call in Python, that made it.
    made_by: str = field(default_factory=current_command)

    @check_arguments
    def means(self, *metrics: str) -> pd.DataFrame:
        """Return a row per combination: of each metric the mean, and its 95 % interval.

        Examples
        --------
        >>> table = sweep(Scenario(duration_s=2), {"clients": [1, 3]}, 2)
        >>> table.means("attempts")["attempts"].tolist()
        [1.0, 3.0]
        """
        for metric in metrics:
            check_metric("metric", metric)
        rows = []
        for runs in self._combinations():
            row: dict[str, Any] = {key: runs[key].iloc[0] for key in self.grid}
            row["runs"] = len(runs)
            for metric in metrics:
                interval = t_interval(runs[metric].to_numpy(np.float64))
                row |= {
                    metric: interval.value,
                    f"{metric} low": interval.low,
                    f"{metric} high": interval.high,
                }
            rows.append(row)
        return pd.DataFrame(rows)

    def nobody_connects(self) -> list[bool]:
        """Return for each row of `means` whether in some run no client ever connected.

        Such a combination has no times; and that it troubles the server little is no merit.

        Examples
        --------
        >>> grid = {"client.connect_timeout_s": [0.01, 5.0]}
        >>> sweep(Scenario(clients=1, duration_s=2), grid, workers=1).nobody_connects()
        [True, False]
        """
        are_dead = []
        for runs in self._combinations():
            scenario = self.scenario.replace({key: runs[key].iloc[0] for key in self.grid})
            are_dead.append(
                any(nobody_connects(cell_metrics, scenario) for cell_metrics in runs[AVAILABLE])
            )
        return are_dead

    def _combinations(self) -> Iterator[pd.DataFrame]:
        """Give the runs of each combination, in the order in which they were played."""
        # By their words: a setting's value may be a list or a table.
        words = [self.table[key].map(_tell_apart) for key in self.grid]
        for _, runs in self.table.groupby(words, sort=False):
            yield runs

    @check_arguments
    def save(self, file: str | Path) -> None:
        """Write the table to a Parquet file, whole or not at all; of functions, their names."""
        table = self.table.assign(**{key: _name_functions(self.table[key]) for key in self.grid})
        save_table(file, table, describe_origin(self.made_by, self.scenario))

    def card(self) -> Card:
        """Return what is shown: what was swept, how often, and what failed."""
        size = " x ".join(f"{len(values)} {key}" for key, values in self.grid.items())
        runs = count_in_words(len(self.table), "run")
        head = f"Sweep of {self.scenario.name} on {self.on}: {size}, {runs}"
        rows = tuple(
            (key, ", ".join(map(say_setting, values))) for key, values in self.grid.items()
        )
        failed = f"{len(self.failures)} failed" if len(self.failures) else ""
        return Card(head, rows, notes=(failed, self.note))


def _tell_apart(value: Any) -> str:
    # Two functions may have one name, and one text: they are still two.
    return f"function {id(value)}" if callable(value) else repr(value)


def _name_functions(column: pd.Series) -> pd.Series:
    """Return a column that a file can hold: functions by their names, numbered where one recurs."""
    functions = {id(each): name_function(each) for each in column if callable(each)}
    names = list(functions.values())
    for i, key in enumerate(functions):
        if names.count(names[i]) > 1:
            functions[key] = f"{names[i]} ({names[: i + 1].count(names[i])})"
    return column.map(lambda each: functions.get(id(each), each)) if functions else column


@accept_old_name("client", "scheduler")
@check_arguments
def sweep(
    scenario: Scenario,
    grid: Mapping[str, Sequence[Any]],
    replications: int = 1,
    *,
    on: str = "sim",
    workers: int | None = None,
    scheduler: Any = None,
    folder: str | Path | None = None,
    progress: Progress | None = None,
) -> Sweep:
    """Play every combination of some settings, each under the same seeds.

    The table is the same, to the bit, wherever its runs are played.

    Parameters
    ----------
    scenario : Scenario
        What is varied.
    grid : mapping of str to sequence
        Values by setting, such as ``{"client.backoff.cap_s": [5, 30]}``; ``client`` may be
        ``["preset:phoenix", ...]``.
    replications : int
        Runs of each combination, under the seeds that follow the scenario's.
    on : {"sim", "fleet"}
        The engine.
    workers : int, optional
        So many processes; by default one per processor, 1: this one alone.
    scheduler : str or distributed.Client, optional
        A Dask scheduler's address, or a client connected to one, instead.
    folder : path, optional
        Where finished runs are kept: a sweep that was killed goes on, and the table is written.
    progress : callable, optional
        Called with the fraction done; by default a bar, in a terminal and in a notebook.

    Returns
    -------
    Sweep
        The table, and what failed.

    Raises
    ------
    SettingsError
        If the grid is empty, or names a setting or a value that cannot be.
    SimlibError
        If every run failed.

    Examples
    --------
    >>> grid = {"client.backoff.jitter": ["none", "full"], "clients": [2]}
    >>> sweep(Scenario(duration_s=2), grid, 2, workers=1).table.shape[0]
    4
    """
    engine(on)
    combinations, cells = _cells(scenario, grid, replications, on)
    with (
        open_run_cache(folder) as store,
        open_pool(workers, scheduler) as outcomes,
        show_progress(progress, "playing") as moved,
    ):
        rows, failures, resumed = play_cells(cells, outcomes, store, moved)
        note = "" if store is None else store.note
    if len(failures) == len(cells):
        raise SimlibError(f"all {len(cells)} runs failed, the first with {failures[0]}")
    said = {i: {"failure": why} for i, why in failures.items()}
    table = Sweep(
        scenario,
        {key: list(values) for key, values in grid.items()},
        on,
        _tidy(cells, combinations, rows, replications),
        _tidy(cells, combinations, said, replications),
        resumed,
        note,
    )
    if folder is not None:
        table.save(Path(folder) / "sweep.parquet")
    return table


def _cells(
    scenario: Scenario, grid: Mapping[str, Sequence[Any]], replications: int, on: str
) -> tuple[list[dict[str, Any]], list[Cell]]:
    """Return all combinations, and a cell for each and each seed, in order."""
    if not grid:
        raise SettingsError("grid", dict(grid), "must name a setting and its values")
    for key, values in grid.items():
        if isinstance(values, str) or not isinstance(values, Sized) or not len(values):
            raise SettingsError(f"grid {key}", values, "must be a list of at least one value")
    if replications < 1:
        raise SettingsError("replications", replications, "must be a whole number from 1")
    runs = prod(map(len, grid.values())) * replications
    if runs > MOST_CELLS:
        # Before they are listed: a slip of the keyboard asks for more than memory holds.
        rule = f"makes {runs:,} runs, more than {MOST_CELLS:,}: choose fewer values or replications"
        raise SettingsError("grid", list(grid), rule)
    combinations = [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]
    cells = []
    for combination in combinations:
        try:
            cell_scenario = scenario.replace(combination)
        except SettingsError as error:
            raise error.after("grid") from error
        cells += [
            Cell(cell_scenario.replace(seed=seed), on)
            for seed in seeds(cell_scenario, replications)
        ]
    return combinations, cells


def _tidy(
    cells: Sequence[Cell],
    combinations: Sequence[Mapping[str, Any]],
    rows: Mapping[int, Mapping[str, Any]],
    replications: int,
) -> pd.DataFrame:
    """Return rows as a table in the order of the cells, wherever and whenever they were played."""
    said = [
        {**combinations[i // replications], "seed": cells[i].scenario.seed, **rows[i]}
        for i in sorted(rows)
    ]
    return pd.DataFrame(said)
