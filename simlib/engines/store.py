"""Where messages outlive their client: in memory for the simulation, in SQLite for real.

The SQLite file is in WAL mode with ``synchronous = NORMAL``: what was saved survives the death of
the process at any moment. It survives a loss of power only up to the last checkpoint; FULL would
add that for a disk flush per message. One process writes; a second one is refused.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any, Protocol

from simlib.core.errors import EngineError
from simlib.core.events import Message, Priority

SCHEMA = 1
_MARKED = 0x73696D6C  # "siml": says that a file is one of ours
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
        """Keep a message, in place of an older one of its id."""

    def forget(self, client: int, message: int) -> None:
        """Keep a message no longer."""

    def restore(self, client: int) -> list[Message]:
        """Return what is kept of a client, in the order of its ids."""

    def begin_life(self, client: int) -> int:
        """Count the lives of a client; return how many there were before."""

    def close(self) -> None:
        """Let go of the storage."""


class MemoryStore:
    """Outlives a client, but not the process."""

    def __init__(self) -> None:
        self._kept: dict[int, dict[int, Message]] = {}

    def save(self, client: int, message: Message) -> None:
        """Keep a message."""
        self._kept.setdefault(client, {})[message.id] = message

    def forget(self, client: int, message: int) -> None:
        """Keep a message no longer."""
        self._kept.get(client, {}).pop(message, None)

    def restore(self, client: int) -> list[Message]:
        """Return what is kept of a client."""
        kept = self._kept.get(client, {})
        return [kept[number] for number in sorted(kept)]

    def begin_life(self, client: int) -> int:
        """Say that there was none before: memory knows of this process only."""
        return 0

    def close(self) -> None:
        """Do nothing."""


class SqliteStore:
    """Outlives the process.

    Times are kept as time of day, since the next process counts its seconds from another zero.

    Raises
    ------
    EngineError
        If the file is no store, is damaged (it is moved aside first, so that the next start is a
        decision and not an accident), is of a newer schema, or is in use.
    """

    def __init__(self, path: Path, zero_unix_s: float | None = None) -> None:
        self._zero_unix_s = time.time() if zero_unix_s is None else zero_unix_s
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(path, isolation_level=None, timeout=1.0)
        try:
            self._open()
        except sqlite3.OperationalError as error:
            self._database.close()
            if "locked" in str(error):
                raise EngineError(
                    f"{path}: the store is in use by another process; only one may write"
                ) from error
            raise EngineError(f"{path}: the store cannot be opened: {error}") from error
        except (sqlite3.DatabaseError, _Damaged) as error:
            self._database.close()
            aside = _move_aside(path)
            raise EngineError(
                f"{path}: the store is damaged ({error}) and was moved to {aside.name}; messages "
                "saved in it were not restored. Start again to begin with an empty store"
            ) from error

    def _open(self) -> None:
        database = self._database
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute("BEGIN IMMEDIATE")
        (mark,) = database.execute("PRAGMA application_id").fetchone()
        (schema,) = database.execute("PRAGMA user_version").fetchone()
        (tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if not mark and not tables:
            for statement in _TABLES.split(";"):
                database.execute(statement)
            database.execute(f"PRAGMA application_id = {_MARKED}")
            database.execute(f"PRAGMA user_version = {SCHEMA}")
        elif mark != _MARKED:
            database.execute("ROLLBACK")
            raise sqlite3.OperationalError("it is a database of something else")
        elif schema > SCHEMA:
            database.execute("ROLLBACK")
            raise sqlite3.OperationalError(
                f"its schema is {schema}, and this simlib knows {SCHEMA}: use a newer simlib"
            )
        database.execute("COMMIT")
        (verdict,) = database.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise _Damaged(verdict.splitlines()[-1])

    def save(self, client: int, message: Message) -> None:
        """Keep a message; on return it survives the death of the process."""
        m, zero_s = message, self._zero_unix_s
        self._run(
            "INSERT OR REPLACE INTO message VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (client, m.id, int(m.priority), m.size_bytes, m.created_s + zero_s,
             m.expires_s + zero_s, m.key, m.base),
        )  # fmt: skip

    def forget(self, client: int, message: int) -> None:
        """Keep a message no longer."""
        self._run("DELETE FROM message WHERE client = ? AND id = ?", (client, message))

    def restore(self, client: int) -> list[Message]:
        """Return what is kept of a client."""
        rows = self._run(
            "SELECT id, priority, size_bytes, created_unix_s, expires_unix_s, key, base "
            "FROM message WHERE client = ? ORDER BY id",
            (client,),
        )
        zero_s = self._zero_unix_s
        return [
            Message(number, Priority(priority), size, created_s - zero_s, expires_s - zero_s, *rest)
            for number, priority, size, created_s, expires_s, *rest in rows
        ]

    def begin_life(self, client: int) -> int:
        """Count the lives of a client; return how many there were before."""
        self._run(
            "INSERT INTO life VALUES (?, 1) ON CONFLICT DO UPDATE SET lives = lives + 1", (client,)
        )
        ((lives,),) = self._run("SELECT lives FROM life WHERE client = ?", (client,))
        return int(lives) - 1

    def close(self) -> None:
        """Let go of the file."""
        with suppress(sqlite3.Error):
            self._database.close()

    def _run(self, statement: str, values: tuple[Any, ...]) -> list[Any]:
        try:
            return self._database.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise EngineError(f"{self._path}: the store failed: {error}") from error


class _Damaged(Exception):
    pass


def _move_aside(path: Path) -> Path:
    """Rename a damaged store, and the files that belong to it; return its new name."""
    for number in count(1):
        aside = path.with_name(f"{path.name}.damaged-{number}")
        if not aside.exists():
            break
    for suffix in ("-wal", "-shm"):
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(aside.with_name(aside.name + suffix))
    path.rename(aside)
    return aside
