"""A cache of runs: scenario, engine and seed give a row of metrics, kept in SQLite.

A finished cell is never played again. Its key is a hash of the scenario and of the code that played
it. The file is an SQLite database, which stays whole if the process is killed or the disk is full.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import nan
from pathlib import Path
from time import monotonic
from typing import Any

from simlib.api import run
from simlib.core.card import count_in_words
from simlib.core.errors import Interruption
from simlib.experiments.pool import Outcomes
from simlib.metrics.meaning import MEANING
from simlib.metrics.metrics import row
from simlib.scenario.scenario import Scenario, dump
from simlib.support.databases import Trouble, UnusableDatabase, explain, move_aside, open_database
from simlib.support.files import code_digest
from simlib.support.progress import Progress

_TABLE = "CREATE TABLE cells (key TEXT PRIMARY KEY, row TEXT, check_sum TEXT);"
#: Rows are written so many at a time, as a commit waits for the disk, and asked for so many.
_AT_A_TIME, _ASKED = 50, 500
#: But none waits much longer than this: a kill of the process takes what waits.
_LATEST_S = 5.0


@dataclass(frozen=True)
class Cell:
    """One run of a study."""

    scenario: Scenario
    on: str = "sim"

    @property
    def key(self) -> str:
        """The hash of all that its row depends on."""
        said = "\n".join([code_digest(), self.on, dump(self.scenario)])
        return hashlib.sha256(said.encode()).hexdigest()


def play_cell(cell: Cell) -> dict[str, Any]:
    """Play a cell and return its metrics: a task for a worker.

    Examples
    --------
    >>> play_cell(Cell(Scenario(clients=2, duration_s=2)))["attempts"]
    2.0
    """
    metrics = row(run(cell.scenario, cell.on))
    numbers = {name: float(metrics.get(name, nan)) for name in MEANING if name != "engine"}
    return {"engine": cell.on, **numbers}


def play_cells(
    cells: Sequence[Cell],
    outcomes: Outcomes,
    store: RunCache | None = None,
    progress: Progress | None = None,
) -> tuple[dict[int, dict[str, Any]], dict[int, str], int]:
    """Play cells, but not those that are kept; keep what is finished.

    Returns
    -------
    tuple
        Rows, and words of why there is none, by the number of the cell; how many were kept.

    Examples
    --------
    >>> from simlib.experiments.pool import open_pool
    >>> with open_pool(1) as outcomes:
    ...     rows, failures, kept_before = play_cells([Cell(Scenario(duration_s=2))], outcomes)
    >>> rows[0]["attempts"], failures, kept_before
    (100.0, {}, 0)
    """
    keys = ["" if store is None else cell.key for cell in cells]
    finished = {} if store is None else store.rows(keys)
    rows = {i: finished[key] for i, key in enumerate(keys) if key in finished}
    before, failures = len(rows), {}
    left = [i for i in range(len(cells)) if i not in rows]
    for done, outcome in enumerate(outcomes(play_cell, [cells[i] for i in left]), before + 1):
        i = left[outcome.index]
        if outcome.failure:
            failures[i] = outcome.failure
        else:
            rows[i] = outcome.value
            if store is not None:
                store.keep(keys[i], outcome.value)
        if progress is not None:
            progress(done / len(cells))
    return rows, failures, before


class RunCache:
    """The finished cells of a folder; what is damaged counts as not there.

    Raises
    ------
    UnusableDatabase
        If the file is locked, forbidden, of another program, or on a full disk.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._waiting: dict[str, str] = {}
        self._tried_s = monotonic()
        self.note = ""
        #: Rows that were written since the file was opened.
        self.count = 0
        self._base = self._open_base()

    def _open_base(self) -> sqlite3.Connection:
        try:
            return open_database(self._file, _TABLE)
        except UnusableDatabase as error:
            if error.trouble is not Trouble.DAMAGED:
                raise
            aside = move_aside(self._file)
            self.note = f"{self._file} was damaged and is now {aside.name}: its cells are run again"
            return open_database(self._file, _TABLE)

    def rows(self, keys: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Return the rows of some cells, those that are there and whole, by their keys."""
        rows = {}
        try:
            for i in range(0, len(keys), _ASKED):
                part = keys[i : i + _ASKED]
                asked = f"SELECT * FROM cells WHERE key IN ({','.join('?' * len(part))})"
                for key, row, check_sum in self._base.execute(asked, part):
                    if _check_sum(key, row) == check_sum:
                        rows[key] = json.loads(row)
        except sqlite3.Error as error:
            told = explain(self._file, error)
            if told.trouble is not Trouble.DAMAGED:
                raise told from error
            self.note = f"{self._file} was damaged: the cells that could not be read are run again"
        return rows

    def keep(self, key: str, row: Mapping[str, Any]) -> None:
        """Keep a row; it is on the disk soon, or after `flush`."""
        self._waiting[key] = json.dumps(row)
        if len(self._waiting) % _AT_A_TIME and monotonic() - self._tried_s < _LATEST_S:
            return
        try:
            self.flush()
        except UnusableDatabase as error:
            # Rows wait as well here as there, and whoever has the lock may soon be done.
            if error.trouble is not Trouble.BUSY:
                raise
        finally:
            self._tried_s = monotonic()

    def flush(self) -> None:
        """Write what waits.

        Raises
        ------
        UnusableDatabase
            If the file cannot be written; what was written before stays.
        """
        rows = [(key, row, _check_sum(key, row)) for key, row in self._waiting.items()]
        if not rows:
            return
        try:
            self._base.execute("BEGIN IMMEDIATE")
            self._base.executemany("INSERT OR REPLACE INTO cells VALUES (?, ?, ?)", rows)
            self._base.execute("COMMIT")
        except sqlite3.Error as error:
            self._base.rollback()
            said = "the cells before are kept, and another run plays the others"
            raise explain(self._file, error, said) from error
        self.count += len(rows)
        self._waiting.clear()

    def close(self) -> None:
        """Close the file."""
        self._base.close()


@contextmanager
def open_run_cache(folder: str | Path | None) -> Iterator[RunCache | None]:
    """Give the finished cells of a folder, which is made if need be; None: nothing is kept.

    What waits is written at the end, whatever happens.

    Raises
    ------
    Interruption
        If Ctrl-C is pressed meanwhile: says what is kept.
    """
    if folder is None:
        try:
            yield None
        except KeyboardInterrupt:
            raise Interruption(_NOTHING_KEPT) from None
        return
    cells = RunCache(Path(folder) / "cells.sqlite")
    try:
        yield cells
        cells.flush()
    except KeyboardInterrupt:
        cells.flush()
        raise Interruption(
            f"what was finished is kept in {folder}, {count_in_words(cells.count, 'run')}. "
            "The same call, or command, goes on from there."
        ) from None
    except BaseException:
        cells.flush()
        raise
    finally:
        cells.close()


_NOTHING_KEPT = "nothing is kept. With a folder, the same call would go on where it was."


def _check_sum(key: str, row: str) -> str:
    return hashlib.sha256(f"{key}{row}".encode()).hexdigest()[:16]
