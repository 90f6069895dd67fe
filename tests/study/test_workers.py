"""Workers: whatever happens to one, the tasks are done or reported, and nothing is left running."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import simlib as sl
from simlib.study.workers import check_workers, working

ROOT = Path(__file__).parents[2]
LIMIT_S = 60.0


def killed_by_seven(task):
    if task == 7:
        os.kill(os.getpid(), signal.SIGKILL)
    return task * task


def process_of(_):
    return os.getpid()


def test_a_task_that_kills_its_worker_is_reported_and_the_others_are_done():
    with working(2) as outcomes:
        found = {each.index: each for each in outcomes(killed_by_seven, range(12))}
        again = [each.value for each in outcomes(killed_by_seven, [1, 2, 3])]
    assert [1, 4, 9] == sorted(again)
    assert list(range(12)) == sorted(found)
    assert "its worker was killed each time" in found.pop(7).failure
    assert {i: i * i for i in found} == {i: each.value for i, each in found.items()}


def test_processes_are_kept_from_round_to_round_and_end_with_the_last():
    with working(2) as outcomes:
        rounds = [{each.value for each in outcomes(process_of, range(40))} for _ in range(3)]
    processes = set.union(*rounds)
    assert os.getpid() not in processes
    assert len(processes) <= 2
    assert not any(is_running(process) for process in processes)


def test_what_goes_wrong_between_rounds_ends_the_processes():
    processes = set()

    def play():
        with working(2) as outcomes:
            processes.update(each.value for each in outcomes(process_of, range(40)))
            raise ArithmeticError

    with pytest.raises(ArithmeticError):
        play()
    assert processes
    wait_until(lambda: not any(map(is_running, processes)))


def is_running(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(holds):
    until_s = time.monotonic() + LIMIT_S
    while not holds():
        assert time.monotonic() < until_s
        time.sleep(0.01)


#: Tells its workers' numbers by files, each in a task without end.
ENDLESS = """
import os, sys, time
from pathlib import Path
from simlib.study.workers import working

def endless(folder):
    (Path(folder) / str(os.getpid())).touch()
    time.sleep(600)

if __name__ == "__main__":
    with working(2) as outcomes:
        list(outcomes(endless, [sys.argv[1]] * 4))
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=str)
def test_workers_in_the_middle_of_a_long_task_end_with_who_began_them(how, tmp_path):
    program, folder = tmp_path / "endless.py", tmp_path / "running"
    program.write_text(ENDLESS)
    folder.mkdir()
    with subprocess.Popen(
        [sys.executable, str(program), str(folder)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.DEVNULL,
    ) as process:
        wait_until(lambda: len(list(folder.iterdir())) == 2)
        process.send_signal(how)
        process.wait(LIMIT_S)
    assert 0 != process.returncode
    wait_until(lambda: not any(is_running(file.name) for file in folder.iterdir()))


@pytest.mark.parametrize("count", [0, 65, True, 1.5])
def test_a_number_of_workers_that_cannot_be_is_refused(count):
    with pytest.raises(sl.SettingsError, match=r"workers = .*: must be a whole number"):
        check_workers(count)
