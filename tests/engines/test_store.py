"""What is saved outlives the client, and a damaged file is never taken for an empty one."""

import re
import shutil
import sqlite3
import subprocess
import sys
from math import inf

import pytest

from simlib.core.events import Message, Priority
from simlib.engines import store as store_module
from simlib.engines.store import MemoryStore, SqliteStore
from simlib.support import databases
from simlib.support.databases import UnusableDatabase

FIRST = Message(7, Priority.HIGH, 300, 2.5, 9.0, 3, 17)
SECOND = Message(8, created_s=3.0, expires_s=inf)


@pytest.fixture(params=["memory", "sqlite"])
def store(request, tmp_path):
    made = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "s", 0.0)
    yield made
    made.close()


def test_what_is_saved_is_restored_in_order_until_it_is_forgotten(store):
    store.save(0, SECOND)
    store.save(0, FIRST)
    store.save(1, FIRST)
    assert [FIRST, SECOND] == store.restore(0)
    store.forget(0, 7)
    store.forget(0, 99)
    assert [SECOND] == store.restore(0)
    assert [FIRST] == store.restore(1)
    assert [] == store.restore(2)


def test_a_client_begins_without_an_earlier_life(store):
    assert [0, 0] == [store.begin_life(3), store.begin_life(4)]


def test_the_newer_of_two_of_a_number_is_kept(store):
    store.save(0, FIRST)
    store.save(0, Message(7, Priority.LOW))
    assert [Priority.LOW] == [message.priority for message in store.restore(0)]


def test_the_next_process_finds_everything_at_its_own_times(tmp_path):
    before = SqliteStore(tmp_path / "s", zero_unix_s=1000.0)
    assert [0, 0] == [before.begin_life(0), before.begin_life(5)]
    before.save(0, FIRST)
    before.close()
    # The run began 60 s later: what was made at 2.5 s is 57.5 s old.
    after = SqliteStore(tmp_path / "s", zero_unix_s=1060.0)
    [found] = after.restore(0)
    assert (2.5 - 60.0, 9.0 - 60.0) == (found.created_s, found.expires_s)
    assert (1, 1, 0) == (after.begin_life(0), after.begin_life(5), after.begin_life(6))
    after.close()


SAVES = """
import sys
from pathlib import Path
from simlib.core.events import Message
from simlib.engines.store import SqliteStore
asked = {"flush": True} if sys.argv[2] == "flushed" else {}
store = SqliteStore(Path(sys.argv[1]), **asked)
store.save(0, Message(99))  # the first also makes the files
print("opened", flush=True)
for number in range(10):
    store.save(0, Message(number))
    print("accepted", number, flush=True)
"""


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace sees what reaches the disk")
@pytest.mark.parametrize(
    ("how", "steps"), [("flushed", ["sync", "accepted"]), ("written", ["accepted"])]
)
def test_what_is_accepted_is_on_the_disk_if_that_was_asked(how, steps, tmp_path):
    calls = tmp_path / "calls"
    strace = ["strace", "-f", "-e", "trace=write,fsync,fdatasync", "-o", calls]
    subprocess.run([*strace, sys.executable, "-c", SAVES, tmp_path / "s", how], check=True)
    seen = re.findall(r"(sync|opened|accepted)", calls.read_text(encoding="utf-8"))
    saving = seen[seen.index("opened") + 1 :]
    # Each flush comes before its message is accepted; what comes after the last closes the file.
    last = len(saving) - saving[::-1].index("accepted")
    assert steps * 10 == saving[:last]


def test_only_one_process_writes(tmp_path, monkeypatch):
    first = SqliteStore(tmp_path / "s")
    monkeypatch.setattr(databases, "WAIT_S", 0.05)
    with pytest.raises(UnusableDatabase, match="locked by another process"):
        SqliteStore(tmp_path / "s")
    first.close()
    SqliteStore(tmp_path / "s").close()


def filled(path) -> bytes:
    store = SqliteStore(path)
    for number in range(500):
        store.save(0, Message(number))
    store.close()
    return path.read_bytes()


@pytest.mark.parametrize("damage", ["truncated", "overwritten", "in a page", "nonsense"])
def test_a_damaged_file_is_moved_aside_and_said(tmp_path, damage):
    path = tmp_path / "s"
    whole = filled(path)
    assert len(whole) > 16_384
    damaged = {
        "truncated": whole[: len(whole) // 2],
        "overwritten": whole[:4096] + b"\xff" * (len(whole) - 4096),
        # Half of a page of messages, without what counts them.
        "in a page": whole[:14_336] + b"\xff" * 2048 + whole[16_384:],
        "nonsense": b"not a database at all, but long enough to be looked at" * 20,
    }[damage]
    path.write_bytes(damaged)
    with pytest.raises(UnusableDatabase, match=r"damaged.*it is now s\.damaged-1"):
        SqliteStore(path)
    assert damaged == (tmp_path / "s.damaged-1").read_bytes()
    # Only the next start begins from empty: it is the user's decision.
    SqliteStore(path).close()


def test_a_second_damaged_file_does_not_hide_the_first(tmp_path):
    for expected in ("s.damaged-1", "s.damaged-2"):
        (tmp_path / "s").write_bytes(b"nonsense" * 200)
        with pytest.raises(UnusableDatabase, match=expected):
            SqliteStore(tmp_path / "s")


def test_a_store_that_fails_says_which(tmp_path):
    store = SqliteStore(tmp_path / "s")
    store.close()
    with pytest.raises(UnusableDatabase, match="s cannot be used: Cannot operate on a closed"):
        store.save(0, FIRST)


def test_a_store_that_fails_as_it_is_opened_says_which(tmp_path, monkeypatch):
    opened = []

    def open_and_lose(*arguments, **options):
        opened.append(databases.open_database(*arguments, **options))
        opened[0].close()
        return opened[0]

    monkeypatch.setattr(store_module, "open_database", open_and_lose)
    with pytest.raises(UnusableDatabase, match="s cannot be used: Cannot operate on a closed"):
        SqliteStore(tmp_path / "s")
    # Nothing keeps it locked: the next one opens it.
    monkeypatch.undo()
    SqliteStore(tmp_path / "s").close()


WRITTEN = {
    "client": 0, "id": 7, "priority": 1, "size_bytes": 300, "created_unix_s": 2.5,
    "expires_unix_s": 9.0, "key": 3, "base": 17,
}  # fmt: skip


def written_by_hand(path, **cells) -> SqliteStore:
    """A store with one message, some of whose cells are what another program wrote."""
    SqliteStore(path).close()
    row = WRITTEN | cells
    base = sqlite3.connect(path)
    with base:
        base.execute(f"INSERT INTO message VALUES ({', '.join('?' * len(row))})", [*row.values()])
    base.close()
    return SqliteStore(path, 0.0)


def test_what_another_program_wrote_as_the_store_does_is_restored(tmp_path):
    store = written_by_hand(tmp_path / "s")
    assert [FIRST] == store.restore(0)
    store.close()
    # A column of times makes a time of a whole number.
    store = written_by_hand(tmp_path / "t", created_unix_s=2, expires_unix_s=inf)
    [found] = store.restore(0)
    assert (2.0, inf) == (found.created_s, found.expires_s)
    store.close()


@pytest.mark.parametrize(
    "cell",
    [
        {"id": "seven"}, {"id": 7.5}, {"priority": 9}, {"priority": "high"}, {"priority": None},
        {"size_bytes": "large"}, {"size_bytes": None}, {"created_unix_s": "now"},
        {"created_unix_s": None}, {"expires_unix_s": "never"}, {"expires_unix_s": None},
        {"key": "a"}, {"key": 1.5}, {"base": None}, {"base": b"x"},
    ],
    ids=lambda cell: " ".join(f"{name} {value!r}" for name, value in cell.items()),
)  # fmt: skip
def test_a_cell_that_the_store_never_writes_is_damage_and_said(tmp_path, cell):
    store = written_by_hand(tmp_path / "s", **cell)
    with pytest.raises(UnusableDatabase, match=r"damaged.*a message of client 0 is none"):
        store.restore(0)
    assert [] == store.restore(1)
    store.close()


def test_lives_that_are_no_number_are_damage_and_said(tmp_path):
    store = SqliteStore(tmp_path / "s")
    assert [0, 0] == [store.begin_life(3), store.begin_life(4)]
    assert 1 == store.begin_life(3)
    store._run("UPDATE life SET lives = 1.5 WHERE client = ?", (3,))
    with pytest.raises(UnusableDatabase, match=r"damaged.*the lives of client 3 are no number"):
        store.begin_life(3)
    store.close()
