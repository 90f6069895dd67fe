"""The server's log outlives its process."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from simlib.core.admission import Decision, HandshakeVerdict
from simlib.core.events import NONE, Reason
from simlib.engines.live import decision_log
from simlib.engines.live.decision_log import STANDSTILL, VERDICT, DecisionLog, read_log

#: Writes records for ever, and says how many after each.
WRITER = """
import sys
from simlib.engines.live.decision_log import DecisionLog

log, count = DecisionLog(sys.argv[1]), 0
while True:
    log.write(float(count), 7, count, 1)
    count += 1
    print(count, flush=True)
"""

#: A server's log that may be no larger than a chunk and a half: the disk is full then.
LIMITED = """
import resource, sys
from simlib.engines.live.service import _ServiceLog

resource.setrlimit(resource.RLIMIT_FSIZE, (3 << 19, 3 << 19))
log, count = _ServiceLog(sys.argv[1]), 0
while True:
    log.write(float(count), 7, count, 1)
    count += 1
"""


def test_what_is_written_comes_back_in_order(tmp_path: Path) -> None:
    log = DecisionLog(str(tmp_path / "log"))
    log.write(1.5, 3, 4, 5, 6, Reason.LIMITED)
    log.write(2.5, STANDSTILL, length_s=0.25)
    log.write_verdict(3.0, HandshakeVerdict(Decision.TAKEN, 7, 2, 3.5, 4.0, 4.5))
    assert [
        (1.5, 0.0, 3, 4, 5, 6, Reason.LIMITED, 0.0, 0.0),
        (2.5, 0.25, STANDSTILL, NONE, 0, NONE, Reason.NONE, 0.0, 0.0),
        (3.0, 3.5, VERDICT, 7, 2, Decision.TAKEN, Reason.NONE, 4.0, 4.5),
    ] == list(read_log(tmp_path / "log"))


def test_there_are_no_records_where_nothing_was_written(tmp_path: Path) -> None:
    assert [] == list(read_log(tmp_path / "none"))
    DecisionLog(str(tmp_path / "log"))
    assert [] == list(read_log(tmp_path / "log"))


def test_a_full_chunk_is_followed_by_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decision_log, "_CHUNK_BYTES", 1 << 16)
    log = DecisionLog(str(tmp_path / "log"))
    for i in range(10_000):
        log.write(float(i), 7, i, 1)
    assert list(range(10_000)) == [record[3] for record in read_log(tmp_path / "log")]
    for start in (0, 1, 1234, 9_999, 10_000):
        later = read_log(tmp_path / "log", start)
        assert list(range(start, 10_000)) == [record[3] for record in later]


def test_a_record_that_was_not_finished_is_not_read(tmp_path: Path) -> None:
    log = DecisionLog(str(tmp_path / "log"))
    log.write(1.0, 7, 0, 1)
    # As a kill leaves it between the record and its count.
    decision_log._RECORD.pack_into(log._chunk, log._end, 2.0, 0.0, 7, 1, 1, NONE, 0, 0.0, 0.0)
    assert [1.0] == [record[0] for record in read_log(tmp_path / "log")]


def test_a_kill_takes_no_record_that_was_written_before_it(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        for _ in range(100):
            writer.stdout.readline()
        writer.send_signal(signal.SIGKILL)
        said = [int(line) for line in writer.stdout.read().splitlines(True) if line[-1] == "\n"]
    clients = [record[3] for record in read_log(path)]
    assert max(said, default=100) <= len(clients)
    assert list(range(len(clients))) == clients


def test_a_server_whose_log_cannot_be_written_ends_and_keeps_what_was(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, tmp_path / "log"],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    said = "its log cannot be written: File too large. Make room in "
    assert (1, True) == (done.returncode, done.stderr.startswith(said)), done.stderr
    clients = [record[3] for record in read_log(tmp_path / "log")]
    assert list(range(len(clients))) == clients
    assert len(clients) > 10_000
