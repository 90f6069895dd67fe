"""A power cut at any byte of the last transaction loses nothing that was written before it.

A cut leaves of a file that was being written any part of it, and of the others what was there. So
the files are copied as they stand at each step of a transaction, cut, and opened as after a start.
"""

import os
import shutil
import sqlite3
from pathlib import Path

import pytest

import simlib as sl
from simlib.core.events import Message
from simlib.engines.store import SqliteStore
from simlib.experiments.run_cache import RunCache
from simlib.experiments.space import axes
from simlib.studies.tune.optuna_store import open_trials
from simlib.support.databases import open_database

PAGE_BYTES = 4096
#: A cut at each of so many bytes; the page boundaries, and the bytes beside them, come always.
EVERY = pytest.mark.parametrize(
    "every_bytes", [pytest.param(1, marks=pytest.mark.slow), 1021], ids=["each_byte", "few_bytes"]
)
TABLE = "CREATE TABLE pair (key INTEGER PRIMARY KEY, value TEXT);"


def cuts(first: int, last: int, every_bytes: int) -> list[int]:
    """Where to cut what lies from one byte to another."""
    pages = range(first - first % PAGE_BYTES, last + 1, PAGE_BYTES)
    beside = {page + i for page in pages for i in (-1, 0, 1)}
    places = {*range(first, last, every_bytes), *beside, last}
    return sorted(n for n in places if first <= n <= last)


class Folder:
    """A folder in which files stand as a power cut has left them: others each time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "after"

    def leave(self, name: str, **contents: bytes) -> Path:
        """Write a database as ``main``, and its companions by their ends; return its path."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir()
        for end, content in contents.items():
            (self._folder / (name if end == "main" else f"{name}-{end}")).write_bytes(content)
        return self._folder / name


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def torn(before: bytes, after: bytes, every_bytes: int) -> list[bytes]:
    """What a file may hold while it is written from one content to another, of any order."""
    places = cuts(0, max(len(before), len(after)), every_bytes)
    return [
        mixed
        for n in places
        for mixed in (after[:n] + before[n:], before[:n].ljust(n, b"\0") + after[n:])
    ]


# --- the outbox: a write-ahead log -------------------------------------------------------


def wal_of(path: Path) -> bytes:
    return path.with_name(f"{path.name}-wal").read_bytes()


def kept(path: Path) -> list[int]:
    store = SqliteStore(path)
    ids = [message.id for message in store.restore(0)]
    store.close()
    return ids


def outbox(path: Path) -> SqliteStore:
    """An outbox with messages on two pages, some of which are forgotten again."""
    store = SqliteStore(path)
    for number in range(80):
        store.save(0, Message(number))
        if number % 5 == 0:
            store.forget(0, number // 2)
    return store


@EVERY
@pytest.mark.parametrize("checkpoint", [False, True])
@pytest.mark.parametrize("action", ["save", "forget"])
def test_a_cut_in_the_last_write_of_an_outbox_leaves_all_before(
    tmp_path, folder, action, checkpoint, every_bytes
):
    path = tmp_path / "s"
    store = outbox(path)
    if checkpoint:  # the log begins anew, over what it held before
        store._database.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
    before, old = kept(folder.leave("s", main=path.read_bytes(), wal=wal_of(path))), wal_of(path)
    if action == "save":
        store.save(0, Message(99))
    else:
        store.forget(0, 79)
    main, wal = path.read_bytes(), wal_of(path)
    store.close()
    after = [*before, 99] if action == "save" else before[:-1]
    written = 0 if checkpoint else len(old)
    last = 1 + max(i for i in range(len(wal)) if wal[i : i + 1] != old[i : i + 1])
    for i, n in enumerate(cuts(written, last, every_bytes)):
        # Of what lies beyond, the disk has the old bytes, none, or space without content.
        rest = (old[n:], b"", bytes(len(wal) - n))[i % 3]
        assert kept(folder.leave("s", main=main, wal=wal[:n] + rest)) in (before, after)
    assert after == kept(folder.leave("s", main=main, wal=wal))


def test_a_log_that_lost_its_end_gives_what_was_there_at_some_moment(tmp_path, folder):
    path, moments = tmp_path / "s", [[]]
    store = SqliteStore(path)
    for number in range(30):
        store.save(0, Message(number))
        moments.append([*moments[-1], number])
        if number % 3 == 0:
            store.forget(0, number)
            moments.append(moments[-1][:-1])
    main, wal = path.read_bytes(), wal_of(path)
    store.close()
    place = 0
    for n in cuts(0, len(wal), len(wal)):
        found = kept(folder.leave("s", main=main, wal=wal[:n]))
        # Never a hole, and the more of the log is there the later is the moment.
        place = moments.index(found, place)
    assert moments[-1] == found


@EVERY
def test_a_cut_while_the_log_is_copied_into_the_file_loses_nothing(tmp_path, folder, every_bytes):
    path = tmp_path / "s"
    store = outbox(path)
    before, wal = path.read_bytes(), wal_of(path)
    store._database.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    after = path.read_bytes()
    store.close()
    assert before != after
    expected = kept(folder.leave("s", main=after, wal=wal))
    for main in torn(before, after, every_bytes * 16):
        assert expected == kept(folder.leave("s", main=main, wal=wal))


# --- the others: a rollback journal ------------------------------------------------------


class Transaction:
    """The files of a database before, during and after its last transaction."""

    def __init__(self, path: Path) -> None:
        self.path, self._linked = path, path.with_name("linked")
        self.before = path.read_bytes()

    def watch(self, base: sqlite3.Connection) -> None:
        """Keep the journal of each transaction: SQLite deletes it, but not a second name of it."""
        base.set_trace_callback(self._look)

    def _look(self, statement: str) -> None:
        journal = self.path.with_name(f"{self.path.name}-journal")
        if statement == "COMMIT" and journal.exists():
            self._linked.unlink(missing_ok=True)
            self.before = self.path.read_bytes()
            os.link(journal, self._linked)

    def states(self, every_bytes: int) -> list[tuple[bytes, bytes]]:
        """Return the database and its journal as a cut may leave them: first one, then the other.

        The last of them is the state in which all is written, and the journal is not deleted yet.
        """
        journal, after = self._linked.read_bytes(), self.path.read_bytes()
        places = cuts(0, len(journal), every_bytes)
        return [
            *((self.before, journal[:n]) for n in places),
            *((main, journal) for main in torn(self.before, after, every_bytes * 16)),
        ]


def cells(path: Path) -> tuple[list[str], str]:
    cache = RunCache(path)
    rows = sorted(cache.rows([str(number) for number in range(200)]), key=int)
    note = cache.note
    cache.close()
    return rows, note


@EVERY
def test_a_cut_while_cells_are_written_leaves_all_cells_before(tmp_path, folder, every_bytes):
    path = tmp_path / "cells.sqlite"
    cache = RunCache(path)
    for number in range(100):
        cache.keep(str(number), {"a": float(number)})
    last = Transaction(path)
    last.watch(cache._base)
    cache.keep("100", {"a": 1.0})
    cache.flush()
    cache.close()
    before = [str(number) for number in range(100)]
    for main, journal in last.states(every_bytes):
        found, note = cells(folder.leave("cells.sqlite", main=main, journal=journal))
        assert (before, "") == (found[:100], note)
    assert ([*before, "100"], "") == cells(folder.leave("cells.sqlite", main=path.read_bytes()))


def pairs(path: Path) -> list[tuple[int, str]]:
    base = open_database(path, TABLE)
    found = base.execute("SELECT key, value FROM pair ORDER BY key").fetchall()
    base.close()
    return found


@EVERY
def test_a_cut_while_a_file_is_opened_again_leaves_it_as_it_was(tmp_path, folder, every_bytes):
    path = tmp_path / "a"
    base = open_database(path, TABLE)
    base.executemany("INSERT INTO pair VALUES (?, ?)", [(n, "x" * 90) for n in range(80)])
    base.close()
    expected, last = pairs(path), Transaction(path)
    base = sqlite3.connect(path, isolation_level=None)
    last.watch(base)
    base.execute("BEGIN IMMEDIATE")
    base.execute("PRAGMA user_version = 1")  # what opening writes, and nothing else
    base.execute("COMMIT")
    base.close()
    for main, journal in last.states(every_bytes):
        assert expected == pairs(folder.leave("a", main=main, journal=journal))


def trials(path: Path, last: Transaction | None = None) -> list[float]:
    """Return the settings of the finished trials, and finish one more if it is to be watched."""
    varies = axes(sl.Scenario(), {"client.backoff.base_s": (0.2, 2.0)})
    with open_trials(path, "question", varies, 1) as search:
        if last is not None:
            from sqlalchemy import event

            engine = search._study._storage._backend.engine
            engine.dispose()
            event.listen(engine, "connect", lambda base, _: last.watch(base))
            search.ask(1)
            search.tell(0, [1.0], {}, 2, "finished")
        return [trial.settings["client.backoff.base_s"] for trial in search.list_finished()]


@pytest.mark.parametrize("states", [pytest.param(200, marks=pytest.mark.slow), 9])
def test_a_cut_while_a_trial_is_told_leaves_all_trials_before(tmp_path, folder, states):
    pytest.importorskip("optuna")
    path = tmp_path / "trials.sqlite"
    trials(path)
    for _ in range(3):
        last = Transaction(path)
        found = trials(path, last)
    left = last.states(97)
    for main, journal in left[:: max(1, len(left) // states)]:
        assert found[:2] == trials(folder.leave("trials.sqlite", main=main, journal=journal))[:2]
    assert found == trials(folder.leave("trials.sqlite", main=path.read_bytes()))
