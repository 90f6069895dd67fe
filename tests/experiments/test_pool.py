"""Workers: whatever happens to one, the tasks are done or reported, and nothing is left running."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

import simlib as sl
from simlib.core.errors import EngineError
from simlib.engines.fleet.cluster import WorkerWatch, wait_for_each
from simlib.experiments import pool
from simlib.experiments.pool import Outcome, check_workers, isolate, open_pool
from tests.batteries import with_slow

ROOT = Path(__file__).parents[2]
LIMIT_S = 300.0


def killed_by_seven(task):
    if task == 7:
        os.kill(os.getpid(), signal.SIGKILL)
    return task * task


def begun(task):
    """Note that a task was begun, by a file; kill the worker if the task is to."""
    number, folder, kills = task
    times = len(list(Path(folder).glob(f"{number}-*")))
    (Path(folder) / f"{number}-{times}").touch()
    if times < kills:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def times_begun(folder, number):
    return len(list(folder.glob(f"{number}-*")))


@pytest.mark.few(1)
@pytest.mark.parametrize("count", [12, 64], ids=["one by one", "in batches"])
def test_a_death_costs_the_tasks_of_one_worker_and_no_others(tmp_path, count):
    with open_pool(2) as outcomes:
        tasks = [(i, tmp_path, 1 if i == 5 else 0) for i in range(count)]
        found = [each.value for each in outcomes(begun, tasks)]
    assert list(range(count)) == sorted(found)
    again = [i for i in range(count) if times_begun(tmp_path, i) > 1]
    assert 5 in again
    assert len(again) <= count // 16 + 1  # a batch: two workers have eight of them each


def test_workers_end_where_no_thread_can_be_started(monkeypatch):
    class NoThreads:
        def __init__(self, _):
            raise RuntimeError("can't start new thread")

    with open_pool(2) as outcomes:
        workers = {each.value for each in outcomes(process_of, range(20))}
        monkeypatch.setattr(pool, "ThreadPoolExecutor", NoThreads)
    assert workers
    wait_until(lambda: not any(map(is_running, workers)))


@pytest.mark.slow
def test_a_task_whose_first_worker_was_killed_is_done_by_another(tmp_path):
    with open_pool(2) as outcomes:
        [found] = outcomes(begun, [(0, tmp_path, 1)])
    assert (0, "") == (found.value, found.failure)


@pytest.mark.slow
@pytest.mark.long
def test_several_deaths_cost_their_own_tasks(tmp_path):
    fatal = {3, 17, 18, 40}
    with open_pool(3) as outcomes:
        tasks = [(i, tmp_path, 99 if i in fatal else 0) for i in range(48)]
        found = {each.index: each for each in outcomes(begun, tasks)}
    assert fatal == {i for i, each in found.items() if "killed each time" in each.failure}
    assert set(range(48)) - fatal == {each.value for each in found.values()} - {None}
    assert all(times_begun(tmp_path, i) <= 4 for i in range(48))


def meeting(task):
    """Wait until the other of the last two has begun; the first kills its worker."""
    number, folder = task
    if number == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    (Path(folder) / str(number)).touch()
    if number >= 10:
        wait_until(lambda: all((Path(folder) / name).exists() for name in ("10", "11")))
    return number


def test_after_a_death_tasks_run_at_once_as_before(tmp_path):
    with open_pool(2) as outcomes:
        found = [each.value for each in outcomes(meeting, [(i, tmp_path) for i in range(12)])]
    assert [*range(1, 12)] == sorted(each for each in found if each is not None)


@pytest.mark.slow
def test_a_worker_that_dies_between_rounds_is_replaced():
    with open_pool(2) as outcomes:
        for _ in range(2):
            processes = {each.value for each in outcomes(process_of, range(40))}
            for process in processes:
                os.kill(process, signal.SIGKILL)
            wait_until(lambda gone=processes: not any(map(is_running, gone)))
        assert [1, 4] == sorted(each.value for each in outcomes(killed_by_seven, [1, 2]))


def test_a_result_that_cannot_be_sent_is_a_failure_of_its_task():
    with open_pool(2) as outcomes:
        found = {each.index: each for each in outcomes(threads_of, range(64))}
    assert 64 == len(found)
    assert [1] == [i for i, each in found.items() if each.failure]


def threads_of(task):
    return threading.Lock() if task == 1 else task


@pytest.mark.slow
@pytest.mark.parametrize("kills", with_slow([1], [99]), ids=["once", "always"])
@pytest.mark.long
def test_a_killed_worker_of_a_cluster_costs_its_task_at_most(tmp_path, kills):
    dask = pytest.importorskip("distributed")
    settings = pytest.importorskip("dask")
    # Dask itself gives up at the first death, so that all a worker had is suspected.
    with (
        settings.config.set({"distributed.scheduler.allowed-failures": 0}),
        dask.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0", host="127.0.0.1"
        ) as local,
        dask.Client(local) as client,
        open_pool(scheduler=client) as outcomes,
    ):
        tasks = [(i, tmp_path, kills if i == 20 else 0) for i in range(48)]
        found = {each.index: each for each in outcomes(begun, tasks)}
    assert list(range(48)) == sorted(found)
    failed = {i: each.failure for i, each in found.items() if each.failure}
    assert ([20] if kills > 1 else []) == list(failed)


def killed_once_something_is_finished(task):
    number, folder = task
    if number == 47:
        wait_until((Path(folder) / "finished").exists)
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@contextmanager
def workers_without_nanny(client, count):
    """Real workers of a cluster that nobody starts again when they die."""
    command = [sys.executable, "-m", "distributed.cli.dask_worker", client.scheduler.address]
    command += ["--no-nanny", "--nthreads", "1", "--no-dashboard"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    started = [
        subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) for _ in range(count)
    ]
    try:
        client.wait_for_workers(count, timeout=60)
        yield
    finally:
        for each in started:
            each.kill()
            each.wait()


@pytest.mark.slow
def test_a_cluster_of_which_all_workers_died_ends_what_is_left_and_says_so(tmp_path, monkeypatch):
    dask = pytest.importorskip("distributed")
    monkeypatch.setattr("simlib.engines.fleet.cluster.NOBODY_S", 1.0)
    with (
        dask.LocalCluster(n_workers=0, dashboard_address="127.0.0.1:0", host="127.0.0.1") as local,
        dask.Client(local) as client,
        workers_without_nanny(client, 2),
        open_pool(scheduler=client) as outcomes,
    ):
        # The last task kills whichever worker it is sent to, once something is finished.
        tasks, found = [(i, tmp_path) for i in range(48)], {}
        for each in outcomes(killed_once_something_is_finished, tasks):
            found[each.index] = each
            (tmp_path / "finished").touch()
        again = [each.failure for each in outcomes(process_of, range(3))]
        with pytest.raises(EngineError, match="dask worker tcp"):
            list(wait_for_each(WorkerWatch(client), [client.submit(abs, -1)]))
        address = client.scheduler.address
    assert list(range(48)) == sorted(found)
    failures = {i: each.failure for i, each in found.items() if each.failure}
    assert 47 in failures
    kept = {i: each.value for i, each in found.items() if not each.failure}
    assert {i: i for i in kept} == kept
    assert kept, "what was finished is kept"
    [words] = {*failures.values(), *again}
    assert f"the Dask scheduler at {address}, which had 2, has no workers left" in words
    assert f"start some with dask worker {address}" in words


def test_suspects_are_sent_only_to_workers_that_are_not_dying_of_something_else():
    dying = False

    def play(parts):
        nonlocal dying
        for part in parts:
            kills = any(task == "kills" for _, task in part)
            # A scheduler learns late of a death, and sends more to the worker that has died.
            yield part, None if kills or dying else [Outcome(index, task) for index, task in part]
            dying = dying or kills

    def settle():
        nonlocal dying
        dying = False

    parts = [[(0, "a"), (1, "kills"), (2, "b")], [(3, "c")], [(4, "kills")], [(5, "d"), (6, "e")]]
    found = {each.index: each for each in isolate(play, parts, settle)}
    assert {1, 4} == {index for index, each in found.items() if each.failure}
    assert 7 == len(found)


def process_of(_):
    return os.getpid()


@pytest.mark.slow
def test_a_task_that_kills_its_worker_is_reported_and_the_others_are_done():
    with open_pool(2) as outcomes:
        found = {each.index: each for each in outcomes(killed_by_seven, range(12))}
        again = [each.value for each in outcomes(killed_by_seven, [1, 2, 3])]
    assert [1, 4, 9] == sorted(again)
    assert list(range(12)) == sorted(found)
    assert "its worker was killed each time" in found.pop(7).failure
    assert {i: i * i for i in found} == {i: each.value for i, each in found.items()}


@pytest.mark.slow
def test_processes_are_kept_from_round_to_round_and_end_with_the_last():
    with open_pool(2) as outcomes:
        rounds = [{each.value for each in outcomes(process_of, range(40))} for _ in range(3)]
    processes = set.union(*rounds)
    assert os.getpid() not in processes
    assert len(processes) <= 2
    assert not any(is_running(process) for process in processes)


@pytest.mark.slow
def test_what_goes_wrong_between_rounds_ends_the_processes():
    processes = set()

    def play():
        with open_pool(2) as outcomes:
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
from simlib.experiments.pool import open_pool

def endless(folder):
    (Path(folder) / str(os.getpid())).touch()
    time.sleep(600)

if __name__ == "__main__":
    with open_pool(2) as outcomes:
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
