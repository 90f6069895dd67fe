"""simlib tune: from the shell to the policy as a scenario, whatever is killed in between."""

import json
import os
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

import simlib as sl
from simlib import cli
from tests.batteries import with_slow
from tests.studies.small import STORM, with_few_rivals

pytest.importorskip("numba")
pytest.importorskip("optuna")

ROOT = Path(__file__).parents[2]
LIMIT_S = 300.0
TUNE = ("tune", "storm.toml", "--replications", "2", "--workers", "1")


def simlib(*arguments):
    return CliRunner().invoke(cli.main, arguments)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with_few_rivals(monkeypatch)
    Path("storm.toml").write_text(sl.dump(STORM))


def test_tune_prints_the_sentence_and_keeps_everything(here):
    result = simlib(*TUNE, "--trials", "8")
    assert 0 == result.exit_code, result.stderr
    assert "Recommended: client.backoff: jitter = " in result.stdout.replace("\n", " ")
    assert "Scenarios: storm, short outage, long outage, deploy, flap" in result.stdout
    assert all(len(line) <= 80 for line in result.stdout.splitlines())
    folder = Path("out/storm/tuning")
    names = ["candidates.parquet", "policy.toml", "trials.parquet", "tuning.json", "tuning.png"]
    assert names == sorted(each.name for each in folder.iterdir() if "sqlite" not in each.name)
    document = json.loads((folder / "tuning.json").read_text())
    assert 8 == len(document["trials"])
    again = simlib(*TUNE, "--trials", "8", "--json")
    assert without_command(json.dumps(document)) == without_command(again.stdout)
    assert 0 == simlib("run", str(folder / "policy.toml"), "--on", "fleet").exit_code


@pytest.mark.slow
def test_a_preset_that_is_ahead_of_all_that_was_tuned_is_the_one_answer_everywhere(here):
    # Who waits for so long, all together, is behind in everything.
    space = ["jitter=none,none", "base_s=14..15", "cap_s=15,15"]
    spaces = [word for each in space for word in ("--space", f"client.backoff.{each}")]
    as_slow = ("--set", "client.backoff.jitter=none", "--set", "client.backoff.base_s=14")
    result = simlib(*TUNE, "--alone", "--trials", "3", *spaces, *as_slow)
    assert 0 == result.exit_code, result.stderr
    folder = Path("out/storm/tuning")
    document = json.loads((folder / "tuning.json").read_text())
    preset = document["recommended"]["client"]
    assert preset.startswith("preset:")
    name = preset.removeprefix("preset:")
    assert document["sentence"].startswith(f"Recommended: {preset}. ")
    assert f"Recommended: {preset}." in result.stdout
    assert [name, "preset"] == [document["candidates"][0][key] for key in ("name", "kind")]
    assert sl.presets[name].client == sl.load(folder / "policy.toml").client


@pytest.mark.slow
def test_tune_exits_with_1_if_no_policy_keeps_the_constraints(here):
    bound = ("--constraint", "peak_attempts_per_s <= 1")
    result = simlib(*TUNE, "--alone", "--trials", "4", *bound)
    assert 1 == result.exit_code
    assert "No policy that was tried keeps all bounds." in result.stdout.replace("\n", " ")


@pytest.mark.slow
def test_other_scenarios_make_the_ensemble(here):
    Path("calm.toml").write_text(sl.dump(STORM.replace(name="calm", clients=20)))
    result = simlib(*TUNE, "--also", "calm.toml", "--trials", "4", "--json")
    assert ["storm", "calm"] == json.loads(result.stdout)["scenarios"]


def test_what_the_fleet_does_not_play_is_said_before_anything_is_played(here):
    slow = ("--set", "workload.rate_per_s=1", "--set", "path.latency.distribution=uniform")
    result = simlib(*TUNE, *slow, "--space", "client.backoff.cap_s=9..2")
    assert result.stderr.startswith("Played on sim: the fleet leaves out workload.rate_per_s.")
    assert 2 == result.exit_code


@pytest.fixture(scope="module")
def never_killed(tmp_path_factory):
    """What a tuning that nobody kills says, as JSON. One process gives the same as two."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        with_few_rivals(patch)
        Path("storm.toml").write_text(sl.dump(STORM))
        return without_command(simlib(*TUNE, "--alone", "--json", "--trials", "24").stdout)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "workers"), with_slow([(signal.SIGINT, "2")], [(signal.SIGKILL, "1")]), ids=str
)
@pytest.mark.long
def test_a_tuning_that_is_killed_goes_on_where_it_was(never_killed, here, how, workers):
    file = Path("out/storm/tuning/trials.sqlite")
    arguments = [*TUNE[:-1], workers, "--alone", "--json", "--trials"]
    with (
        Path("said.txt").open("w") as said,
        subprocess.Popen(
            [sys.executable, "-m", "simlib", *arguments, "500"],  # it never comes to its end
            stderr=said,
            stdout=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        ) as process,
    ):
        until_s = time.monotonic() + LIMIT_S
        while process.poll() is None and told(file) < 9:
            assert time.monotonic() < until_s
            time.sleep(0.005)
        process.send_signal(how)
        process.wait(LIMIT_S)
    assert process.returncode == (130 if how == signal.SIGINT else -how)
    assert 9 <= told(file) < 500
    if how == signal.SIGINT:
        command = f"simlib {shlex.join(arguments)} 500"
        assert (
            "The trials that are over are kept in out/storm/tuning. The same command goes on:\n"
            f"  {command}\nInterrupted.\n"
        ) == Path("said.txt").read_text()
    assert never_killed == without_command(simlib(*arguments, "24").stdout)


def without_command(text: str) -> dict:
    """A document without the command that made it, which says more than what was asked."""
    document = json.loads(text)
    assert document["made_by"].pop("command").startswith("simlib tune ")
    return document


def told(file):
    """Return how many trials an SQLite file says are over."""
    if not file.exists():
        return 0
    base = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    try:
        query = "SELECT count(*) FROM trials WHERE state = 'COMPLETE'"
        return base.execute(query).fetchone()[0]
    except sqlite3.OperationalError:  # not made yet, or just being written
        return 0
    finally:
        base.close()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--space", "client.backoff.cap_s=9..3"), "must begin below its end"),
        (("--space", "client.backof.cap_s=1..3"), "did you mean"),
        (("--space", "client.backoff.cap_s"), "must be KEY=LOW..HIGH"),
        (("--objective", "speed"), '"speed": is no metric'),
        (("--constraint", "peak"), "must be as"),
        (("--trials", "0"), "trials = 0: must be a whole number, from 1"),
        (("--alone", "--also", "storm.toml"), "is not for --alone"),
        (("--workers", "1", "--scheduler", "x"), "leave it out with --scheduler"),
        (("--on", "live"), 'on = "live": must be sim or fleet'),
        (("--set", "faults=[]"), "must have a fault that interrupts"),
    ],
)
def test_a_bad_command_is_refused(here, arguments, said):
    result = simlib(*TUNE, *arguments)
    assert (2, "") == (result.exit_code, result.stdout)
    assert said in result.stderr
