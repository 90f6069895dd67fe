"""SQLite files that simlib keeps: opened in one way, and what is wrong with one is told apart.

SQLite has one exception for a file that is locked, forbidden, on a full disk or damaged. The remedy
differs, and only a damaged file may be moved: to rename a locked one takes it from its writer.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from enum import Enum
from itertools import count
from pathlib import Path

from simlib.core.errors import SimlibError, on_one_line

#: How long to wait for another process's lock: it holds one for milliseconds while it writes.
WAIT_S = 5.0
_MARK = 0x73696D6C  # "siml", in the header: the file is one of simlib's
#: Files that SQLite keeps beside a database, and that belong to it.
_COMPANIONS = ("-journal", "-wal", "-shm")
#: Where SQLite's locks lie in a database file (its file format, "the lock-byte page").
_LOCKS_AT, _LOCKS_BYTES = 0x40000000, 512
#: Less room than this is none: SQLite writes pages of 4 KiB, and their old state.
_LEAST_FREE_BYTES = 16_384


#: What reading a file may raise; SQLite quotes what is damaged, and Python cannot always decode it.
_ERRORS = (sqlite3.Error, UnicodeDecodeError)


class Trouble(Enum):
    """What can be wrong with a file: in words, with the remedy."""

    BUSY = "is locked by another process ({why}): wait until that has ended, or end it"
    FORBIDDEN = (
        "cannot be opened and written ({why}): change the permissions, or choose another place"
    )
    FULL = "cannot be written: the disk is full ({why}): make room, then start again"
    LIMITED = (
        "cannot be written: no file may be larger for this process ({why}): raise that limit "
        "(ulimit -f), then start again"
    )
    FOREIGN = "is a database of something else ({why}): choose another place, or move it away"
    OLDER = "was written by an older version ({why}): use that, or move the file away"
    NEWER = "was written by a newer version ({why}): use that, or move the file away"
    DAMAGED = "is damaged, or no database ({why}): move it away to begin anew"
    FAILED = "cannot be used: {why}"


class UnusableDatabase(SimlibError):
    """A file cannot be used: says which, what is wrong with it and what to do."""

    #: What is wrong.
    trouble: Trouble

    def __init__(self, path: Path, trouble: Trouble, why: str, after: str = "") -> None:
        self.path, self.trouble, self.why = path, trouble, why
        self._after = after
        super().__init__(path, trouble, why, after)

    def __str__(self) -> str:
        said = on_one_line(f"{self.path} {self.trouble.value.format(why=self.why)}")
        return f"{said}; {self._after}" if self._after else said


def open_database(
    path: Path, tables: str, schema: int = 1, *, alone: bool = False, thorough: bool = False
) -> sqlite3.Connection:
    """Open a database, make its tables if it is new, and see that it can be written.

    Parameters
    ----------
    path : Path
        The file; folders above it are made.
    tables : str
        ``CREATE TABLE`` statements, each ended by a semicolon. Those of a file must be the same.
    schema : int
        The version of the tables; a file that has another one is refused.
    alone : bool
        Whether to keep the lock, so that no other process opens the file.
    thorough : bool
        Whether to look for damage in every page, and not only in those of the keys.

    Raises
    ------
    UnusableDatabase
        If the file cannot be used. It is not changed then.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     base = open_database(Path(folder) / "a.sqlite", "CREATE TABLE pair (key, value);")
    ...     base.execute("INSERT INTO pair VALUES (1, 2)").rowcount
    ...     base.close()
    1
    """
    base = _connect(path)
    try:
        if alone:
            base.execute("PRAGMA locking_mode = EXCLUSIVE")
        base.execute("BEGIN IMMEDIATE")
        _check_tables(path, base, tables, schema)
        _check_pages(path, base, thorough)
        # This writes even what is there already: better to fail now than after hours of runs.
        base.execute(f"PRAGMA application_id = {_MARK}")
        base.execute(f"PRAGMA user_version = {schema}")
        base.execute("COMMIT")
    except _ERRORS as error:
        base.close()
        raise explain(path, error) from error
    except UnusableDatabase:
        base.close()
        raise
    return base


def tables_of(path: Path) -> set[str]:
    """Return the names of a file's tables; of one that is new or not there, none.

    Raises
    ------
    UnusableDatabase
        If the file cannot be read or written.
    """
    base = _connect(path)
    try:
        base.execute("BEGIN IMMEDIATE")
        return set(_columns(base))
    except _ERRORS as error:
        raise explain(path, error) from error
    finally:
        base.close()


def explain(path: Path, error: Exception, after: str = "") -> UnusableDatabase:
    """Return what is wrong with a file, from an error of SQLite or one that it caused.

    Parameters
    ----------
    path : Path
        The file.
    error : Exception
        An ``sqlite3.Error``, or another library's error that has one for a cause.
    after : str
        What to add, such as what has been kept; left out where the file is damaged.
    """
    sqlite_error = next((x for x in _causes(error) if isinstance(x, sqlite3.Error)), None)
    if isinstance(error, UnicodeDecodeError):
        return UnusableDatabase(path, Trouble.DAMAGED, "a text in it is not in UTF-8")
    if sqlite_error is None:
        return UnusableDatabase(path, Trouble.FAILED, str(error).splitlines()[0], after)
    trouble, why = _diagnose(path, sqlite_error)
    return UnusableDatabase(path, trouble, why, "" if trouble is Trouble.DAMAGED else after)


def move_aside(path: Path) -> Path:
    """Rename a damaged file and its companions; return the new name, which no file had before.

    Raises
    ------
    UnusableDatabase
        If another process has the file open and locked: it stays where it is.
    """
    if _is_locked_elsewhere(path):
        raise UnusableDatabase(path, Trouble.BUSY, "and it is damaged")
    aside = next(
        candidate_path
        for candidate_path in (
            path.with_name(f"{path.name}.damaged-{number}") for number in count(1)
        )
        if not any(
            candidate_path.with_name(candidate_path.name + end).exists()
            for end in ("", *_COMPANIONS)
        )
    )
    # The companions first: a new database of the old name must never find them.
    for end in (*_COMPANIONS, ""):
        with suppress(FileNotFoundError):
            path.with_name(path.name + end).rename(aside.with_name(aside.name + end))
    return aside


def _connect(path: Path) -> sqlite3.Connection:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Absolute: SQLite keeps ":memory:" in memory alone, and it would be gone with the process.
        return sqlite3.connect(path.absolute(), isolation_level=None, timeout=WAIT_S)
    except sqlite3.Error as error:
        raise explain(path, error) from error
    except OSError as error:
        trouble = Trouble.FULL if error.errno in _NO_ROOM else Trouble.FORBIDDEN
        raise UnusableDatabase(path, trouble, f"{error.filename}: {error.strerror}") from error


def _check_tables(path: Path, base: sqlite3.Connection, tables: str, schema: int) -> None:
    (mark,) = base.execute("PRAGMA application_id").fetchone()
    (version,) = base.execute("PRAGMA user_version").fetchone()
    there = _columns(base)
    if not there and not mark:
        for statement in tables.split(";"):
            base.execute(statement)
    elif mark == _MARK and version != schema:
        why = f"its schema is {version}, and this simlib knows {schema}"
        trouble = Trouble.NEWER if version > schema else Trouble.OLDER
        raise UnusableDatabase(path, trouble, why)
    elif mark not in (0, _MARK) or not _parse_tables(tables).items() <= there.items():
        why = f"its tables are {', '.join(sorted(there)) or 'not there'}"
        raise UnusableDatabase(path, Trouble.FOREIGN, why)


def _check_pages(path: Path, base: sqlite3.Connection, thorough: bool) -> None:
    """Read what is there, before anything is written to a file that may be damaged."""
    if thorough:
        (verdict,) = base.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise UnusableDatabase(path, Trouble.DAMAGED, verdict.splitlines()[-1])
    for table in _columns(base):
        base.execute(f'SELECT count(*) FROM "{table}"').fetchone()


def _parse_tables(tables: str) -> dict[str, tuple[str, ...]]:
    memory = sqlite3.connect(":memory:")
    memory.executescript(tables)
    wanted = _columns(memory)
    memory.close()
    return wanted


def _columns(base: sqlite3.Connection) -> dict[str, tuple[str, ...]]:
    """Return the columns of each table."""
    query = (
        "SELECT t.name, c.name FROM sqlite_master t, pragma_table_info(t.name) c "
        "WHERE t.type = 'table' ORDER BY t.name, c.cid"
    )
    columns: dict[str, tuple[str, ...]] = {}
    for table, column in base.execute(query):
        columns[table] = (*columns.get(table, ()), column)
    return columns


# --- telling apart -----------------------------------------------------------------------

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_TROUBLES = {
    sqlite3.SQLITE_BUSY: Trouble.BUSY,
    sqlite3.SQLITE_LOCKED: Trouble.BUSY,
    sqlite3.SQLITE_PROTOCOL: Trouble.BUSY,
    sqlite3.SQLITE_PERM: Trouble.FORBIDDEN,
    sqlite3.SQLITE_READONLY: Trouble.FORBIDDEN,
    sqlite3.SQLITE_CANTOPEN: Trouble.FORBIDDEN,
    sqlite3.SQLITE_FULL: Trouble.FULL,
    sqlite3.SQLITE_CORRUPT: Trouble.DAMAGED,
    sqlite3.SQLITE_NOTADB: Trouble.DAMAGED,
}
#: SQLite says these also where a permission or room for a companion of the file is missing.
_VAGUE = (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)


def _diagnose(path: Path, error: sqlite3.Error) -> tuple[Trouble, str]:
    """Return what is wrong, and why that is known."""
    # The low byte is the kind of error, the others say more of it. Python's own errors have none.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF
    trouble, why = _TROUBLES.get(code, Trouble.FAILED), str(error)
    if code not in _VAGUE:
        return trouble, why
    if _is_full(path.parent):
        return Trouble.FULL, why
    forbidden = _forbidden(path)
    if forbidden:
        return Trouble.FORBIDDEN, forbidden
    return (Trouble.LIMITED if _is_at_limit(path) else trouble), why


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and what led to it; SQLAlchemy keeps the driver's own as ``orig``."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = getattr(error, "orig", None) or error.__cause__ or error.__context__


def _is_full(folder: Path) -> bool:
    try:
        room = os.statvfs(folder)
    except OSError:
        return False
    return room.f_bavail * room.f_frsize < _LEAST_FREE_BYTES


def _is_at_limit(path: Path) -> bool:
    """Whether a file, or a companion of it, is as large as this process may make one."""
    try:
        import resource
    except ImportError:  # Windows, which has no such limit
        return False
    limit_bytes, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    beside = (path.with_name(path.name + end) for end in ("", *_COMPANIONS))
    largest_bytes = max((each.stat().st_size for each in beside if each.exists()), default=0)
    is_limited = limit_bytes != resource.RLIM_INFINITY
    return is_limited and limit_bytes - largest_bytes < _LEAST_FREE_BYTES


def _forbidden(path: Path) -> str:
    """Return what keeps this user from a file; empty if nothing is seen to."""
    if not _may(path.parent, os.W_OK | os.X_OK):
        return f"no permission to write in {path.parent}"
    if path.is_dir():
        return "it is a folder"
    if path.exists() and not path.is_file():
        return "it is a device, a pipe or a socket"
    if path.exists() and not _may(path, os.R_OK | os.W_OK):
        return "no permission to read and write it"
    return ""


def _may(path: Path, mode: int) -> bool:
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def _is_locked_elsewhere(path: Path) -> bool:
    """Return whether another process has a lock on a database, be it only to read."""
    try:
        import fcntl
    except ImportError:  # Windows, which does not rename a file that somebody has open
        return False
    with path.open("r+b") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, _LOCKS_BYTES, _LOCKS_AT)
        except OSError:
            return True
    return False
