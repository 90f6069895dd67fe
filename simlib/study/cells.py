"""Cells of a study: a scenario, an engine, a seed; played to a row of metrics, and kept.

A cell that was finished is never played again: it is kept under a hash of its scenario and of the
code that played it, in an SQLite file, which a killed process or a full disk leaves whole.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from simlib.core.errors import SimlibError
from simlib.run import run
from simlib.scenario import Scenario, dump
from simlib.study.metrics import summary

_TABLE = "CREATE TABLE IF NOT EXISTS cells (key TEXT PRIMARY KEY, row TEXT, check_sum TEXT)"
#: Rows are written so many at a time: a commit waits for the disk.
_AT_A_TIME = 50


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


def played(cell: Cell) -> dict[str, Any]:
    """Play a cell and return its metrics: a task for a worker.

    Examples
    --------
    >>> played(Cell(Scenario(clients=2, duration_s=2)))["attempts"]
    2.0
    """
    (row,) = summary(run(cell.scenario, cell.on)).to_dict(orient="records")
    return {
        str(name): value if isinstance(value, str) else float(value) for name, value in row.items()
    }


@cache
def code_digest() -> str:
    """Return a hash of simlib's own sources: other code may give other numbers."""
    digest = hashlib.sha256()
    root = Path(__file__).parents[1]
    for file in sorted(root.rglob("*.py")):
        if file.relative_to(root).parts[0] not in _BESIDE:
            digest.update(file.read_bytes())
    return digest.hexdigest()


#: What no number depends on.
_BESIDE = {"cli", "lab", "show"}


class Kept:
    """The finished cells of a folder; what cannot be read counts as not there."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._waiting: dict[str, str] = {}
        self.note = ""
        self._base = self._opened()

    def _opened(self) -> sqlite3.Connection:
        try:
            return self._checked()
        except sqlite3.DatabaseError:
            aside = self._file.with_suffix(".damaged")
            self._file.replace(aside)
            self.note = f"{self._file} was damaged and is now {aside.name}: its cells are run again"
            return self._checked()

    def _checked(self) -> sqlite3.Connection:
        base = sqlite3.connect(self._file)
        try:
            base.execute(_TABLE)
            base.execute("SELECT count(*) FROM cells").fetchone()
            base.commit()
        except sqlite3.DatabaseError:
            base.close()
            raise
        return base

    def rows(self) -> dict[str, dict[str, Any]]:
        """Return all rows that are whole, by the keys of their cells."""
        found = {}
        try:
            for key, row, check_sum in self._base.execute("SELECT * FROM cells"):
                if _check_sum(key, row) == check_sum:
                    found[key] = json.loads(row)
        except sqlite3.DatabaseError:
            self.note = f"{self._file} was damaged: the cells that could not be read are run again"
        return found

    def keep(self, key: str, row: Mapping[str, Any]) -> None:
        """Keep a row; it is on the disk soon, or after `flush`."""
        self._waiting[key] = json.dumps(row)
        if len(self._waiting) >= _AT_A_TIME:
            self.flush()

    def flush(self) -> None:
        """Write what waits.

        Raises
        ------
        SimlibError
            If the disk is full; what was written before stays.
        """
        rows = [(key, row, _check_sum(key, row)) for key, row in self._waiting.items()]
        try:
            with self._base:
                self._base.executemany("INSERT OR REPLACE INTO cells VALUES (?, ?, ?)", rows)
        except sqlite3.DatabaseError as error:
            said = f"{self._file} cannot be written: {error}; the cells before are kept"
            raise SimlibError(said) from error
        self._waiting.clear()

    def close(self) -> None:
        """Close the file."""
        self._base.close()


@contextmanager
def kept(file: Path) -> Iterator[Kept]:
    """Give the finished cells of a file, and write what waits at the end, whatever happens."""
    cells = Kept(file)
    try:
        yield cells
    finally:
        try:
            cells.flush()
        finally:
            cells.close()


def _check_sum(key: str, row: str) -> str:
    return hashlib.sha256(f"{key}{row}".encode()).hexdigest()[:16]
