"""Where messages outlive their client: in memory for the simulation, in SQLite for real.

The SQLite file is in WAL mode. With ``synchronous = NORMAL`` what was saved survives the death of
the process at any moment, and a loss of power only up to the last checkpoint. FULL adds that, for a
flush of the disk per message: `OutboxLimits.flush`. One process writes; a second one is refused.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from simlib.core.events import Message, Priority
from simlib.support.databases import Trouble, UnusableDatabase, explain, move_aside, open_database

_TABLES = """
CREATE TABLE message (
    client INTEGER, id INTEGER, priority INTEGER, size_bytes INTEGER, created_unix_s REAL,
    expires_unix_s REAL, key INTEGER, base INTEGER, PRIMARY KEY (client, id)
) WITHOUT ROWID;
CREATE TABLE life (client INTEGER PRIMARY KEY, lives INTEGER);
"""


class Store(Protocol):
    """Keeps messages, by client."""

    def save(self, client: int, message: Message) -> None:
        """Save a message; it replaces an older one with the same id."""

    def forget(self, client: int, message: int) -> None:
        """Delete a saved message."""

    def restore(self, client: int) -> list[Message]:
        """Return what is kept of a client, in the order of its ids."""

    def begin_life(self, client: int) -> int:
        """Count the lives of a client; return how many there were before."""

    def close(self) -> None:
        """Close the store."""


class MemoryStore:
    """Outlives a client, but not the process."""

    def __init__(self) -> None:
        self._kept: dict[int, dict[int, Message]] = {}

    def save(self, client: int, message: Message) -> None:
        """Save a message."""
        self._kept.setdefault(client, {})[message.id] = message

    def forget(self, client: int, message: int) -> None:
        """Delete a saved message."""
        self._kept.get(client, {}).pop(message, None)

    def restore(self, client: int) -> list[Message]:
        """Return what is kept of a client."""
        kept = self._kept.get(client, {})
        return [kept[number] for number in sorted(kept)]

    def begin_life(self, client: int) -> int:
        """Return that there was no earlier life: memory holds only this process."""
        return 0

    def close(self) -> None:
        """Do nothing."""


class SqliteStore:
    """Outlives the process.

    Times are kept as time of day, since the next process counts its seconds from another zero.

    Raises
    ------
    UnusableDatabase
        If the file cannot be used. One that is damaged is moved aside first, so that to begin
        anew is a decision and not an accident.
    """

    def __init__(
        self, path: Path, zero_unix_s: float | None = None, *, flush: bool = False
    ) -> None:
        self._zero_unix_s = time.time() if zero_unix_s is None else zero_unix_s
        self._path = path
        try:
            self._database = _open_store(path, flush)
        except UnusableDatabase as error:
            if error.trouble is not Trouble.DAMAGED:
                raise
            said = (
                f"it is now {move_aside(path).name}, and messages saved in it were not restored. "
                "Start again to begin with an empty store"
            )
            raise UnusableDatabase(path, error.trouble, error.why, said) from error

    def save(self, client: int, message: Message) -> None:
        """Save a message; on return it survives the death of the process, or a loss of power."""
        m, zero_s = message, self._zero_unix_s
        self._run(
            "INSERT OR REPLACE INTO message VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (client, m.id, int(m.priority), m.size_bytes, m.created_s + zero_s,
             m.expires_s + zero_s, m.key, m.base),
        )  # fmt: skip

    def forget(self, client: int, message: int) -> None:
        """Delete a saved message."""
        self._run("DELETE FROM message WHERE client = ? AND id = ?", (client, message))

    def restore(self, client: int) -> list[Message]:
        """Return what is kept of a client."""
        rows = self._run(
            "SELECT id, priority, size_bytes, created_unix_s, expires_unix_s, key, base "
            "FROM message WHERE client = ? ORDER BY id",
            (client,),
        )
        zero_s = self._zero_unix_s
        try:
            return [
                Message(
                    number, Priority(priority), size, created_s - zero_s, expires_s - zero_s, *rest
                )
                for number, priority, size, created_s, expires_s, *rest in _check_rows(rows)
            ]
        except (TypeError, ValueError) as error:
            why = f"a message of client {client} is none"
            raise UnusableDatabase(self._path, Trouble.DAMAGED, why) from error

    def begin_life(self, client: int) -> int:
        """Count the lives of a client; return how many there were before."""
        self._run(
            "INSERT INTO life VALUES (?, 1) ON CONFLICT DO UPDATE SET lives = lives + 1", (client,)
        )
        ((lives,),) = self._run("SELECT lives FROM life WHERE client = ?", (client,))
        if not isinstance(lives, int):
            why = f"the lives of client {client} are no number"
            raise UnusableDatabase(self._path, Trouble.DAMAGED, why)
        return lives - 1

    def close(self) -> None:
        """Close the file."""
        with suppress(sqlite3.Error):
            self._database.close()

    def _run(self, statement: str, values: tuple[Any, ...]) -> list[Any]:
        try:
            return self._database.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise explain(self._path, error, "what was saved before is kept") from error


def _check_rows(rows: list[Any]) -> list[Any]:
    """Return rows of messages; raise `ValueError` if one was not written by `save`."""
    for number, _, size, *times_s, key, base in rows:
        whole = all(isinstance(each, int) for each in (number, size, key, base))
        # SQLite keeps NaN as nothing.
        if not whole or not all(isinstance(each, float) for each in times_s):
            raise ValueError("a cell has another type than its column")
    return rows


def _open_store(path: Path, flush: bool) -> sqlite3.Connection:
    """Open a store that no other process uses, and read it whole."""
    database = open_database(path, _TABLES, alone=True, thorough=True)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute(f"PRAGMA synchronous = {'FULL' if flush else 'NORMAL'}")
    except sqlite3.Error as error:
        database.close()
        raise explain(path, error) from error
    return database
