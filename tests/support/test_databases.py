"""What is wrong with an SQLite file is told apart, and only a damaged file is ever moved."""

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import pytest

import simlib as sl
from simlib.core.events import Message
from simlib.engines.store import SqliteStore
from simlib.experiments import run_cache
from simlib.experiments.run_cache import RunCache, open_run_cache
from simlib.experiments.space import axes
from simlib.studies.tune.optuna_store import open_trials
from simlib.support import databases
from simlib.support.databases import Trouble, UnusableDatabase, explain, move_aside, open_database
from tests.cli.test_cli import simlib

TABLES = "CREATE TABLE pair (key INTEGER, value TEXT);"
NOBODY = 65534
#: Holds a lock on a database until it hears the end of its input.
HOLDER = """
import sqlite3, sys
base = sqlite3.connect(sys.argv[1], isolation_level=None)
for statement in sys.argv[2].split(";"):
    base.execute(statement).fetchall()
print("held", flush=True)
sys.stdin.read()
"""


def search(path):
    """Open the trials of a search and do one of them."""
    varies = axes(sl.Scenario(), {"client.backoff.base_s": (0.2, 2.0)})
    with open_trials(path, "question", varies, 1) as trials:
        trials.ask(1)
        trials.tell(0, [1.0], {}, 2, "finished")


OPENERS = {
    "table": lambda path: open_database(path, TABLES).close(),
    "cells": lambda path: RunCache(path).close(),
    "outbox": lambda path: SqliteStore(path).close(),
    "trials": search,
}


@pytest.fixture(params=list(OPENERS))
def opened(request, tmp_path, monkeypatch):
    """What opens a file, and the file."""
    monkeypatch.setattr(databases, "WAIT_S", 0.05)
    if request.param == "trials":
        pytest.importorskip("optuna")
    return OPENERS[request.param], tmp_path / "deep" / f"{request.param}.sqlite"


@contextmanager
def held(path, statements="BEGIN EXCLUSIVE"):
    arguments = [sys.executable, "-c", HOLDER, str(path), statements]
    with subprocess.Popen(
        arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert "held\n" == process.stdout.readline()
        try:
            yield
        finally:
            process.stdin.close()


def files(path):
    return {each.name: each.read_bytes() for each in path.parent.iterdir()}


def refused(open_it, path, trouble, opened_path=None):
    """What is said of a file; ``opened_path``: that which is opened, if it is another."""
    with pytest.raises(UnusableDatabase) as caught:
        open_it(opened_path or path)
    assert trouble == caught.value.trouble
    assert str(caught.value).startswith(f"{path} ")
    return str(caught.value)


def test_a_file_that_another_process_writes_is_busy_and_stays(opened):
    open_it, path = opened
    open_it(path)
    before = path.read_bytes()
    with held(path):
        said = refused(open_it, path, Trouble.BUSY)
    assert "is locked by another process (database is locked): wait until that has ended" in said
    assert before == path.read_bytes()
    open_it(path)
    assert not list(path.parent.glob("*damaged*"))


def test_a_damaged_file_that_another_process_uses_is_not_moved(tmp_path, monkeypatch):
    monkeypatch.setattr(databases, "WAIT_S", 0.05)
    path = tmp_path / "cells.sqlite"
    with open_run_cache(tmp_path) as store:
        for number in range(200):
            store.keep(str(number), {"a": 1.0})
    with held(path, "BEGIN; SELECT count(*) FROM cells"):
        with path.open("r+b") as file:
            file.write(b"nonsense" * 600)
        said = refused(RunCache, path, Trouble.BUSY)
        assert "and it is damaged" in said
        assert {"cells.sqlite"} == set(files(path))
    RunCache(path).close()
    assert {"cells.sqlite", "cells.sqlite.damaged-1"} == set(files(path))


@pytest.mark.parametrize("damage", ["truncated", "nonsense"])
def test_what_is_damaged_is_said_and_every_byte_of_it_stays_somewhere(opened, damage):
    open_it, path = opened
    open_it(path)
    whole = path.read_bytes()
    damaged = whole[: len(whole) // 2] if damage == "truncated" else b"nonsense" * 1000
    path.write_bytes(damaged)
    if path.stem == "cells":
        open_it(path)
    else:
        refused(open_it, path, Trouble.DAMAGED)
    assert damaged in files(path).values()


def test_an_older_damaged_file_is_not_overwritten_and_companions_go_along(tmp_path):
    path = tmp_path / "cells.sqlite"
    for number in (1, 2):
        path.write_bytes(b"%d" % number * 5000)
        path.with_name("cells.sqlite-journal").write_bytes(b"j%d" % number)
        path.with_name("cells.sqlite-wal").write_bytes(b"w%d" % number)
        assert f"cells.sqlite.damaged-{number}" == move_aside(path).name
    expected = {
        f"cells.sqlite.damaged-{number}{end}": content * (5000 if not end else 1)
        for number in (1, 2)
        for end, content in (
            ("", b"%d" % number),
            ("-journal", b"j%d" % number),
            ("-wal", b"w%d" % number),
        )
    }
    assert expected == files(path)


def test_a_database_of_something_else_is_left_alone(opened):
    open_it, path = opened
    path.parent.mkdir()
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE bills (amount REAL)")
    other.commit()
    other.close()
    before = path.read_bytes()
    said = refused(open_it, path, Trouble.FOREIGN)
    assert "(its tables are bills): choose another place, or move it away" in said
    assert before == path.read_bytes()


def test_one_kind_of_file_is_not_taken_for_another(tmp_path):
    RunCache(tmp_path / "a").close()
    refused(SqliteStore, tmp_path / "a", Trouble.FOREIGN)
    SqliteStore(tmp_path / "b").close()
    refused(RunCache, tmp_path / "b", Trouble.FOREIGN)


def test_cells_of_before_files_had_a_mark_are_found(tmp_path):
    base = sqlite3.connect(tmp_path / "cells.sqlite")
    base.execute("CREATE TABLE cells (key TEXT PRIMARY KEY, row TEXT, check_sum TEXT)")
    base.execute("INSERT INTO cells VALUES ('a', '{\"x\": 1.0}', '5b3ee51f5a1b8d72')")
    base.commit()
    base.close()
    with open_run_cache(tmp_path) as store:
        assert {} == store.rows(["a"])  # its check sum is wrong
        store.keep("a", {"x": 1.0})
    assert "" == store.note


def test_a_newer_schema_is_not_guessed_at(tmp_path):
    open_database(tmp_path / "a", TABLES, schema=2).close()
    said = refused(OPENERS["table"], tmp_path / "a", Trouble.NEWER)
    assert "its schema is 2, and this simlib knows 1" in said


@pytest.mark.parametrize("tables", [TABLES, "CREATE TABLE pair (key INTEGER);"])
def test_an_older_schema_is_not_relabelled_nor_taken_for_something_else(tmp_path, tables):
    open_database(tmp_path / "a", tables, schema=1).close()
    before = (tmp_path / "a").read_bytes()
    newer = partial(open_database, tables=TABLES, schema=2)
    said = refused(newer, tmp_path / "a", Trouble.OLDER)
    assert "was written by an older version (its schema is 1, and this simlib knows 2)" in said
    assert before == (tmp_path / "a").read_bytes()


def test_a_second_search_in_a_file_ends_no_trial_of_the_first(tmp_path, monkeypatch):
    pytest.importorskip("optuna")
    monkeypatch.setattr(databases, "WAIT_S", 0.05)
    path = tmp_path / "trials.sqlite"
    varies = axes(sl.Scenario(), {"client.backoff.base_s": (0.2, 2.0)})
    with open_trials(path, "question", varies, 1) as trials:
        trials.ask(1)
        said = refused(search, tmp_path / "trials.sqlite-lock", Trouble.BUSY, path)
        trials.tell(0, [1.0], {}, 2, "finished")
        assert 1 == len(trials.list_finished())
    assert "is locked by another process" in said
    search(path)


@contextmanager
def no_privileges():
    """Be a user who may not do everything: root's permissions are never denied."""
    if os.geteuid():
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def public_folder():
    """A folder that others can reach, which pytest's own are not."""
    folder = Path(tempfile.mkdtemp(prefix="simlib-test-"))
    folder.chmod(0o755)
    yield folder
    for each in (folder, *folder.rglob("*")):
        each.chmod(0o755)
    shutil.rmtree(folder)


@pytest.mark.parametrize("kind", ["table", "cells", "outbox"])
@pytest.mark.parametrize(
    ("file_mode", "folder_mode", "said"),
    [
        (0o444, 0o777, "no permission to read and write it"),
        (0o000, 0o777, "no permission to read and write it"),
        (0o666, 0o555, "no permission to write in"),
        (None, 0o555, "no permission to write in"),
        (0o666, 0o000, "no permission to write in"),
    ],
)
def test_without_permissions_that_is_said_and_nothing_moves(
    public_folder, kind, file_mode, folder_mode, said
):
    path = public_folder / "in" / "a.sqlite"
    path.parent.mkdir()
    if file_mode is not None:
        OPENERS[kind](path)
        path.chmod(file_mode)
    path.parent.chmod(folder_mode)
    with no_privileges():
        text = refused(OPENERS[kind], path, Trouble.FORBIDDEN)
    assert said in text
    assert text.endswith("change the permissions, or choose another place")
    path.parent.chmod(0o755)
    assert ([] if file_mode is None else ["a.sqlite"]) == [x.name for x in path.parent.iterdir()]


def test_a_folder_that_cannot_be_made_is_said(public_folder):
    with no_privileges():
        text = refused(RunCache, public_folder / "new" / "a.sqlite", Trouble.FORBIDDEN)
    assert f"{public_folder / 'new'}: Permission denied" in text


def test_a_folder_in_the_place_of_the_file_is_said(opened):
    open_it, path = opened
    path.mkdir(parents=True)
    assert "(it is a folder)" in refused(open_it, path, Trouble.FORBIDDEN)


@pytest.mark.parametrize("name", ["pipe", "null"])
def test_what_is_no_file_is_said_to_be_none(opened, name):
    open_it, path = opened
    path.parent.mkdir()
    if name == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(os.devnull)
    text = refused(open_it, path, Trouble.FORBIDDEN)
    assert "(it is a device, a pipe or a socket): " in text
    assert "choose another place" in text


@pytest.mark.parametrize("name", [":memory:", "file:a?mode=memory", "a?b#c%41", "{x}", "\udcff"])
@pytest.mark.parametrize("kind", list(OPENERS))
def test_a_file_of_any_name_is_a_file(kind, name, tmp_path, monkeypatch):
    if kind == "trials":
        pytest.importorskip("optuna")
    monkeypatch.chdir(tmp_path)
    OPENERS[kind](Path(name))
    assert {name} == {each.name for each in Path().iterdir()} - {f"{name}-lock"}
    tables = {"outbox": "message", "table": "pair", "cells": "cells", "trials": "trials"}
    assert tables[kind] in databases.tables_of(Path(name))


def test_what_an_outbox_accepts_survives_whatever_the_name_of_its_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = SqliteStore(Path(":memory:"))
    store.save(0, Message(7))
    store.close()
    assert [7] == saved_ids(Path(":memory:"))


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 64 KiB; only root can make one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if os.geteuid() or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("only root can mount a small disk")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.parametrize("kind", ["table", "cells", "outbox"])
def test_a_full_disk_is_said_when_a_file_is_opened(small_disk, kind):
    (small_disk / "much").write_bytes(b"x" * 65_536)
    text = refused(OPENERS[kind], small_disk / "a.sqlite", Trouble.FULL)
    assert "the disk is full" in text
    assert "make room, then start again" in text


def test_a_disk_that_fills_during_a_study_loses_nothing_that_was_kept(small_disk):
    with open_run_cache(small_disk) as store:
        store.keep("before", {"a": 1.0})
    with (
        pytest.raises(UnusableDatabase, match=r"the disk is full .*the cells before are kept"),
        open_run_cache(small_disk) as store,
    ):
        store.keep("after", {"a": "x" * 100_000})
    with open_run_cache(small_disk) as store:
        assert {"before": {"a": 1.0}} == store.rows(["before", "after"])


def save_many(store, saved=None):
    for number in range(10_000):
        store.save(0, Message(number))
        if saved is not None:
            saved.append(number)


def saved_ids(path):
    store = SqliteStore(path)
    ids = [message.id for message in store.restore(0)]
    store.close()
    return ids


def test_a_disk_that_fills_during_a_run_loses_no_message_that_was_saved(small_disk):
    path, saved = small_disk / "s", []
    store = SqliteStore(path)
    with pytest.raises(UnusableDatabase, match=r"the disk is full .*saved before is kept"):
        save_many(store, saved)
    store.close()
    assert len(saved) > 3
    remount = ["mount", "-o", "remount,size=1m", str(small_disk)]
    subprocess.run(remount, check=True)
    assert saved == saved_ids(path)


#: Saves messages in a file that may not grow beyond a size, and says which were saved.
LIMITED = """
import resource, sys
from pathlib import Path
from simlib.core.events import Message
from simlib.engines.store import SqliteStore
store = SqliteStore(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, resource.RLIM_INFINITY))
for number in range(10_000):
    store.save(0, Message(number))
    print(number, flush=True)
"""


def test_a_limit_of_the_size_of_files_is_said_and_loses_nothing(tmp_path):
    pytest.importorskip("resource")
    path = tmp_path / "s"
    command = [sys.executable, "-c", LIMITED, str(path)]
    limited = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert "ulimit" in limited.stderr.splitlines()[-1]
    saved = list(map(int, limited.stdout.split()))
    assert len(saved) > 3
    assert saved == saved_ids(path)


def test_without_a_small_disk_a_limit_of_pages_fills_a_file_too(tmp_path):
    store = SqliteStore(tmp_path / "a")
    store._database.execute("PRAGMA max_page_count = 3")
    with pytest.raises(
        UnusableDatabase, match=r"the disk is full .*saved before is kept"
    ) as caught:
        save_many(store)
    assert Trouble.FULL == caught.value.trouble
    store.close()


def test_rows_wait_while_another_process_has_the_lock(tmp_path, monkeypatch):
    monkeypatch.setattr(databases, "WAIT_S", 0.05)
    with open_run_cache(tmp_path) as store, held(tmp_path / "cells.sqlite"):
        for number in range(120):
            store.keep(str(number), {"a": 1.0})
        with pytest.raises(UnusableDatabase, match=r"is locked by .*cells before are kept"):
            store.flush()
    with open_run_cache(tmp_path) as store:
        assert 120 == len(store.rows([str(number) for number in range(120)]))


def test_no_finished_run_waits_long_for_others(tmp_path, monkeypatch):
    monkeypatch.setattr(run_cache, "_LATEST_S", 0.0)
    with open_run_cache(tmp_path) as store:
        store.keep("a", {"x": 1.0})
        # As after a kill: nobody has closed the file.
        with closing(sqlite3.connect(tmp_path / "cells.sqlite")) as base:
            assert [("a",)] == base.execute("SELECT key FROM cells").fetchall()


def test_an_error_that_another_library_wrapped_is_told_by_its_cause(tmp_path):
    base = sqlite3.connect(tmp_path / "a")
    base.execute("PRAGMA max_page_count = 1")
    with pytest.raises(sqlite3.Error) as full:
        base.execute("CREATE TABLE a (b)")
    base.close()
    wrapped = RuntimeError("storage")
    wrapped.__cause__ = full.value
    assert Trouble.FULL == explain(tmp_path / "a", wrapped).trouble
    assert Trouble.FAILED == explain(tmp_path / "a", RuntimeError("storage")).trouble


@pytest.mark.parametrize("command", ["sweep", "tune"])
def test_a_locked_file_is_one_sentence_on_the_command_line(tmp_path, monkeypatch, command):
    monkeypatch.setattr(databases, "WAIT_S", 0.05)
    monkeypatch.chdir(tmp_path)
    outage = sl.Fault("outage", start_s=1, stop_s=2)
    storm = sl.Scenario(name="s", clients=2, duration_s=4, faults=[outage])
    Path("s.toml").write_text(sl.dump(storm))
    folder = Path("out/s") / {"sweep": "sweep", "tune": "tuning"}[command]
    with open_run_cache(folder):
        pass
    more = ["--grid", "clients=2,3"] if command == "sweep" else []
    with held(folder / "cells.sqlite"):
        result = simlib(command, "s.toml", *more, "--workers", "1")
    assert 2 == result.exit_code
    assert "cells.sqlite is locked by another process" in result.stderr
    assert not list(folder.glob("*damaged*"))
