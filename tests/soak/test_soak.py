"""A short soak: with every fault, kills, locked and full disks nothing is lost or left."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from simlib.core.faults import FaultKind
from tests.soak.judging import read_accepted
from tests.soak.schedule import FAULTS, draw_faults
from tests.soak.system import count_sockets, own_bytes

ROOT = Path(__file__).parents[2]
SHORT = [sys.executable, "-m", "tests.soak", "--minutes=0.5", "--clients=20", "--seed=7"]

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/fd").exists(), reason="memory and sockets are read from /proc"
)


def begin_soak(tmp_path: Path) -> subprocess.Popen[str]:
    """Begin a short soak; what it writes is not that of a long one."""
    return subprocess.Popen(
        [*SHORT, f"--out={tmp_path / 'soak.json'}"], cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def test_every_kind_of_fault_is_in_a_soak_of_any_length():
    assert {kind.name.lower() for kind in FaultKind} == FAULTS.keys()
    for length_s in (30.0, 120.0, 900.0):
        faults = draw_faults(length_s, 3, crashes=True)
        assert set(FaultKind) == {fault.kind for fault in faults}
        assert all(fault.end_s <= length_s for fault in faults)


def test_a_line_that_a_kill_has_cut_is_no_message(tmp_path):
    (tmp_path / "accepted").write_text("3 1048576 -1\n3 1048577 4\n3 10485")
    assert {(3, 1048576): -1, (3, 1048577): 4} == read_accepted([tmp_path / "accepted"])


def test_a_process_that_is_gone_has_nothing():
    with subprocess.Popen(["true"]) as gone:
        gone.wait()
    assert (0, 0) == (own_bytes(gone.pid), count_sockets(gone.pid))
    assert own_bytes(os.getpid()) > 1_000_000


@pytest.mark.live
@pytest.mark.slow
def test_nothing_is_lost_and_nothing_is_left(tmp_path):
    with begin_soak(tmp_path) as soak:
        said, _ = soak.communicate(timeout=600)
    found = json.loads((tmp_path / "soak.json").read_text())
    assert [] == found["faults"], said
    assert 0 == soak.returncode, said
    fates = found["fates"].values()
    assert all(each["accepted"] == each["delivered"] > 0 for each in fates), said
    assert all(0 == count for count in found["left"].values()), said


@pytest.mark.live
@pytest.mark.slow
def test_ctrl_c_ends_a_soak_and_says_what_was_found_so_far(tmp_path):
    with begin_soak(tmp_path) as soak:
        assert "begins" in soak.stdout.readline()
        os.kill(soak.pid, signal.SIGINT)
        said, _ = soak.communicate(timeout=300)
    assert 130 == soak.returncode, said
    assert "interrupted" in said
    assert "Everything that was played holds." in said
