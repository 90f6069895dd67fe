"""Sweeps: the same table wherever it is played, whoever is killed, whatever was finished before."""

import json
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from click.testing import CliRunner

import simlib as sl
from simlib import cli
from simlib.core.card import count_in_words
from simlib.experiments import run_cache as cells
from tests.metrics.by_hand import ByHand

ROOT = Path(__file__).parents[2]
BASE = sl.Scenario(name="base", clients=6, duration_s=8, faults=[sl.Fault("reset", start_s=3)])
GRID = {"client.backoff.jitter": ["none", "full"], "client.backoff.cap_s": [2, 4]}
LIMIT_S = 300.0


def test_a_row_is_the_summary_of_its_run():
    found = sl.sweep(BASE, GRID, 3, workers=1)
    assert 12 == len(found.table)
    assert [*GRID, "seed", "engine"] == found.table.columns.tolist()[:4]
    row = found.table.iloc[10]
    assert ("full", 4, 2) == (*row[list(GRID)], row["seed"])
    one = BASE.replace("client.backoff.jitter", "full").replace("client.backoff.cap_s", 4)
    alone = sl.summary(sl.run(one.replace(seed=2))).iloc[0]
    assert alone["mean_wait_s"] == row["mean_wait_s"]


def test_the_table_is_the_same_for_one_process_and_for_several():
    alone = sl.sweep(BASE, GRID, 4, workers=1)
    together = sl.sweep(BASE, GRID, 4, workers=2)
    pd.testing.assert_frame_equal(alone.table, together.table, check_exact=True)


def test_a_preset_is_a_value_like_any_other():
    found = sl.sweep(BASE, {"client": ["preset:phoenix", "preset:aws-full"]}, 1, workers=1)
    assert [0.01, 0.5] != found.table["mean_wait_s"].round(2).tolist()
    assert ["preset:phoenix", "preset:aws-full"] == found.table["client"].tolist()


def test_finished_runs_are_not_played_again(tmp_path):
    first = sl.sweep(BASE, GRID, 2, workers=1, folder=tmp_path)
    again = sl.sweep(BASE, GRID, 3, workers=1, folder=tmp_path)
    assert (0, 8) == (first.resumed, again.resumed)
    fresh = sl.sweep(BASE, GRID, 3, workers=1)
    pd.testing.assert_frame_equal(fresh.table, again.table, check_exact=True)
    pd.testing.assert_frame_equal(again.table, pd.read_parquet(tmp_path / "sweep.parquet"))


def test_other_code_gives_other_keys(monkeypatch):
    cell = cells.Cell(BASE)
    before = cell.key
    monkeypatch.setattr(cells, "code_digest", lambda: "other")
    assert before != cell.key
    assert before != cells.Cell(BASE.replace(seed=9)).key


def test_damaged_cells_are_played_again_and_the_others_are_not(tmp_path):
    sl.sweep(BASE, GRID, 2, workers=1, folder=tmp_path)
    base = sqlite3.connect(tmp_path / "cells.sqlite")
    with base:
        base.execute("UPDATE cells SET row = substr(row, 2) WHERE rowid <= 3")
    base.close()
    again = sl.sweep(BASE, GRID, 2, workers=1, folder=tmp_path)
    assert 5 == again.resumed
    expected = sl.sweep(BASE, GRID, 2, workers=1).table
    pd.testing.assert_frame_equal(expected, again.table, check_exact=True)


def test_a_file_that_is_no_database_is_put_aside(tmp_path):
    (tmp_path / "cells.sqlite").write_bytes(b"nonsense" * 1000)
    found = sl.sweep(BASE, GRID, 1, workers=1, folder=tmp_path)
    assert 4 == len(found.table)
    assert "was damaged and is now cells.sqlite.damaged-1" in found.note
    assert 4 == sl.sweep(BASE, GRID, 1, workers=1, folder=tmp_path).resumed


def test_a_failed_run_does_not_lose_the_others(monkeypatch):
    played = cells.play_cell

    def brittle(cell):
        if cell.scenario.seed == 1:
            raise ArithmeticError("one of them")
        return played(cell)

    monkeypatch.setattr(cells, "play_cell", brittle)
    found = sl.sweep(BASE, GRID, 3, workers=1)
    assert (8, 4) == (len(found.table), len(found.failures))
    assert {"ArithmeticError: one of them"} == set(found.failures["failure"])
    assert {1} == set(found.failures["seed"])


def test_a_run_too_big_for_the_memory_is_reported_and_the_others_are_done(monkeypatch):
    pytest.importorskip("numba")
    calm = BASE.replace(faults=[]).replace("workload.rate_per_s", 0)
    memory = SimpleNamespace(available=50_000_000)
    monkeypatch.setattr(pytest.importorskip("psutil"), "virtual_memory", lambda: memory)
    found = sl.sweep(calm, {"clients": [10, 50_000_000, 20]}, 1, on="fleet", workers=1)
    assert [10, 20] == found.table["clients"].tolist()
    [why] = found.failures["failure"]
    assert "clients = 50000000: would take" in why
    assert "and 0.0 GiB are available" in why


def test_a_disk_that_takes_no_more_is_said_and_what_was_finished_is_kept(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with cells.open_run_cache(tmp_path) as store:
        store.keep("before", {"a": 1.0})
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
        with (
            pytest.raises(sl.SimlibError, match=r"ulimit -f.*the cells before are kept"),
            cells.open_run_cache(tmp_path) as store,
        ):
            store.keep("after", {"a": "x" * 50_000})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    with cells.open_run_cache(tmp_path) as store:
        assert {"before": {"a": 1.0}} == store.rows(["before", "after"])


@pytest.mark.parametrize(
    ("grid", "replications", "said"),
    [
        ({}, 1, "grid = {}: must name a setting and its values"),
        ({"clients": []}, 1, r"grid clients = \[\]: must be a list of at least one value"),
        ({"clients": "12"}, 1, "must be a list"),
        ({"client.backof.cap_s": [1]}, 1, "grid client.backof .*did you mean"),
        ({"faults.7.stop_s": [1]}, 1, "grid faults.7 = 1: must name one of"),
        ({"clients": [0]}, 1, "grid clients = 0: must be"),
        ({"clients": [1]}, 0, "replications = 0: must be a whole number from 1"),
        ({"clients": [1]}, 2_000_000, "makes 2,000,000 runs, more than 1,000,000"),
    ],
)
def test_a_grid_that_cannot_be_is_refused_before_anything_is_played(grid, replications, said):
    with pytest.raises(sl.SettingsError, match=said):
        sl.sweep(BASE, grid, replications)


# --- a cluster, started by hand -----------------------------------------------------------


@pytest.fixture
def cluster(tmp_path):
    pytest.importorskip("distributed")
    with ByHand(tmp_path) as by_hand:
        yield by_hand


@pytest.mark.slow
def test_a_cluster_gives_the_same_table_though_a_worker_is_killed_in_the_middle(cluster):
    from distributed import Client

    several, killed = [cluster.worker() for _ in range(2)], []

    def progress(done):
        if done > 0.1 and not killed:
            killed.append(several[0].pid)
            several[0].kill()

    with Client(cluster.address, timeout=LIMIT_S) as client:
        client.wait_for_workers(2, timeout=LIMIT_S)
        found = sl.sweep(BASE, GRID, 16, scheduler=client, progress=progress)
    assert (1, 0) == (len(killed), len(found.failures))
    alone = sl.sweep(BASE, GRID, 16, workers=1)
    pd.testing.assert_frame_equal(alone.table, found.table, check_exact=True)


def test_a_scheduler_that_is_not_there_is_said(monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr("simlib.engines.fleet.cluster._PATIENCE_S", 0.3)
    with pytest.raises(sl.SimlibError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:1"):
        sl.sweep(BASE, GRID, 1, scheduler="tcp://127.0.0.1:1")


def test_a_scheduler_without_workers_is_said(cluster, monkeypatch):
    monkeypatch.setattr("simlib.engines.fleet.cluster._PATIENCE_S", 1.0)
    with pytest.raises(sl.SimlibError, match=rf"at {cluster.address} has no workers: start some"):
        sl.sweep(BASE, GRID, 1, scheduler=cluster.address)


@pytest.mark.slow
def test_a_worker_with_another_simlib_is_refused(cluster, tmp_path):
    other = shutil.copytree(ROOT / "simlib", tmp_path / "other" / "simlib")
    with (other / "run.py").open("a") as file:
        file.write("# another one\n")
    cluster.worker(other.parent)
    with pytest.raises(sl.SimlibError, match="has another simlib, which may give other numbers"):
        sl.sweep(BASE, GRID, 1, scheduler=cluster.address)


# --- the command --------------------------------------------------------------------------


def simlib(*arguments):
    return CliRunner().invoke(cli.main, arguments)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("small.toml").write_text(sl.dump(BASE))


SWEPT = ("sweep", "small.toml", "--grid", "client.backoff.cap_s=2,4", "--replications", "3")


def test_sweep_prints_means_and_keeps_every_run(here):
    result = simlib(*SWEPT, "--workers", "1", "--metric", "attempts")
    assert 0 == result.exit_code, result.stderr
    assert "2 client.backoff.cap_s, 6 runs" in result.stdout
    assert all(len(line) <= 80 for line in result.stdout.splitlines())
    folder = Path("out/base/sweep")
    assert 6 == len(pd.read_parquet(folder / "sweep.parquet"))
    means = pd.read_csv(folder / "means.csv")
    assert ["client.backoff.cap_s", "runs", "attempts"] == means.columns.tolist()[:3]
    again = simlib(*SWEPT, "--workers", "1", "--json")
    assert "6 runs had been finished before." in again.stderr
    assert (6, []) == (json.loads(again.stdout)["runs"], json.loads(again.stdout)["failures"])


@pytest.mark.slow
def test_a_sweep_that_is_killed_goes_on_where_it_was(here):
    more = [*SWEPT[:-1], "40", "--set", "clients=15", "--workers", "1"]
    file = Path("out/base/sweep/cells.sqlite")
    with subprocess.Popen(
        [sys.executable, "-m", "simlib", *more],
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    ) as process:
        until_s = time.monotonic() + LIMIT_S
        while process.poll() is None and not _finished(file):
            assert time.monotonic() < until_s
            time.sleep(0.005)
        process.kill()
    before = _finished(file)
    assert 0 < before <= 80
    result = simlib(*more)
    assert 0 == result.exit_code
    assert f"{count_in_words(before, 'run')} had been finished before." in result.stderr
    assert 80 == len(pd.read_parquet("out/base/sweep/sweep.parquet"))


def _finished(file):
    if not file.exists():
        return 0
    base = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    try:
        return base.execute("SELECT count(*) FROM cells").fetchone()[0]
    except sqlite3.OperationalError:  # not made yet, or just being written
        return 0
    finally:
        base.close()


def test_a_scheduler_is_taken_by_its_old_name_with_a_warning(monkeypatch):
    monkeypatch.setattr("simlib.engines.fleet.cluster._PATIENCE_S", 0.3)
    with (
        pytest.warns(DeprecationWarning, match="sweep: client= is now scheduler="),
        pytest.raises(sl.SimlibError, match="no Dask scheduler answers"),
    ):
        sl.sweep(BASE, GRID, 1, client="tcp://127.0.0.1:1")


def test_a_scheduler_is_taken_by_its_old_option_with_a_line_on_stderr(here, monkeypatch):
    monkeypatch.setattr("simlib.engines.fleet.cluster._PATIENCE_S", 0.3)
    result = simlib("sweep", "small.toml", "--grid", "clients=1", "--dask", "tcp://127.0.0.1:1")
    assert "--dask is now --scheduler" in result.stderr
    assert "no Dask scheduler answers" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--grid", "clients"), '--grid = "clients": must be KEY=V1,V2'),
        ((), "Missing option '--grid'"),
        (("--grid", "clients=1", "--metric", "speed"), '--metric = "speed": is no metric'),
        (
            ("--grid", "clients=1", "--workers", "1", "--scheduler", "x"),
            "leave it out with --scheduler",
        ),
    ],
)
def test_a_bad_command_is_refused(here, arguments, said):
    result = simlib("sweep", "small.toml", *arguments)
    assert (2, "") == (result.exit_code, result.stdout)
    assert said in result.stderr
