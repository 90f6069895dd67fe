"""The command line: what it prints and writes, and one sentence for whatever goes wrong."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

import simlib as sl
from simlib import cli
from simlib.study.compare import compare_traces
from simlib.trace import Interrupted, Trace

SMALL = """
name = "small"
clients = 2
duration_s = 4
seed = 7
[client.backoff]
base_s = 0.5
cap_s = 1
[[faults]]
kind = "reset"
start_s = 2
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working folder with one small scenario in it."""
    monkeypatch.chdir(tmp_path)
    Path("small.toml").write_text(SMALL)
    return tmp_path


def simlib(*arguments: str):
    return CliRunner().invoke(cli.main, arguments)


def refusal(*arguments: str) -> str:
    """What is said of bad input: one sentence on stderr, status 2, nothing else."""
    result = simlib(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr.removeprefix("Error: ").rstrip("\n")


# --- run and story -----------------------------------------------------------------------


def test_run_prints_a_metric_a_line(here):
    result = simlib("run", "small.toml")
    assert result.exit_code == 0
    assert result.stdout.startswith("small on sim: 2 clients, 4 s, seed 7\n")
    assert next(
        line.split()[:4] for line in result.stdout.splitlines() if line.startswith("attempts ")
    ) == ["attempts", "4", "tries", "to"]
    assert os.listdir() == ["small.toml"]


def test_json_is_one_document_without_nan(here):
    result = simlib("run", "small.toml", "--set", "faults=[]", "--json")
    document = json.loads(result.stdout, parse_constant=pytest.fail)
    assert list(document) == ["scenario", "clients", "seed", "summary"]
    assert document["summary"]["attempts"] == 2
    assert document["summary"]["time_to_recover_s_p50"] is None  # no fault: NaN in the table
    assert result.stderr == ""


def test_run_writes_the_trace_and_its_metrics(here):
    result = simlib("run", "small.toml", "--seed", "9", "--out", "results/mine")
    assert result.stderr == "Trace and metrics are in results/mine.\n"
    assert sorted(os.listdir("results/mine")) == ["summary.csv", "summary.json", "trace.parquet"]
    trace = Trace.load("results/mine/trace.parquet")
    assert trace.digest() == sl.run(sl.load("small.toml").replace(seed=9)).digest()
    (row,) = csv.DictReader(Path("results/mine/summary.csv").open())
    document = json.loads(Path("results/mine/summary.json").read_text())
    assert (document["seed"], document["summary"]["attempts"]) == (9, 4)
    assert (row["label"], row["attempts"]) == ("small", "4")


def test_story_prints_what_the_trace_tells(here):
    result = simlib("story", "small.toml", "--client", "1")
    assert sl.run(sl.load("small.toml")).story(1) == result.stdout.splitlines()


def test_settings_are_read_as_toml_and_applied_together(here):
    changed = cli._scenario(
        "small.toml",
        (
            "client.backoff.base_s=40",  # above the old cap
            "client.backoff.cap_s = 60",
            'client.backoff.jitter="none"',
            "client.outbox.when_full=drop_oldest",
            "client.breaker.trip_after=inf",
            "faults.0.kind=latency",  # which needs an amount
            "faults.0.amount_s=0.1",
            "workload.rate_per_s=0",
        ),
        seed=None,
        clients=5,
    )
    expected = sl.Scenario(
        name="small",
        clients=5,
        duration_s=4,
        seed=7,
        client=sl.Settings(
            backoff=sl.Backoff(base_s=40, cap_s=60, jitter="none"),
            outbox=sl.OutboxLimits(when_full="drop_oldest"),
        ),
        workload=sl.Workload(rate_per_s=0),
        faults=[sl.Fault("latency", start_s=2, amount_s=0.1)],
    )
    assert expected == changed


def test_scenarios_lists_every_shipped_one_with_what_it_teaches():
    result = simlib("scenarios")
    text = " ".join(result.stdout.split())
    for file in cli.SCENARIOS.glob("*.toml"):
        assert f"{file.stem} " in text
    assert "Backoff with full jitter spreads the return after an outage" in text


def test_a_shipped_scenario_goes_by_its_name(here):
    assert cli._file("first_outage") == cli.SCENARIOS / "first_outage.toml"
    assert Path("small.toml") == cli._file("small.toml")


@pytest.mark.parametrize("command", ["run", "story", "compare", "scenarios", None])
def test_help_shows_how_to_call_it(command):
    result = simlib(*[command] if command else [], "--help")
    assert result.exit_code == 0
    assert (
        command == "scenarios" or f"  simlib {command or 'compare'} first_outage" in result.stdout
    )


# --- compare -----------------------------------------------------------------------------


@pytest.fixture
def compared(here, monkeypatch):
    """Have compare see this instead of sockets: the live run is a simulated one, perhaps doctored."""

    def compare_with(doctored: dict[str, object]) -> None:
        def fake(scenario, replications, progress):
            progress(0.5, "simulating")
            simulated = [sl.run(scenario.replace(seed=i)) for i in range(replications)]
            live = scenario
            for key, value in doctored.items():
                live = live.replace(key, value)
            trace = sl.run(live)
            trace.engine, trace.scenario = "live", scenario
            return compare_traces(simulated, trace)

        monkeypatch.setattr("simlib.study.compare.compare", fake)

    return compare_with


RESULTS = ["agreement.csv", "agreement.json", "live.parquet", "sim.parquet"]


def test_compare_prints_the_table_and_the_replay_and_writes_everything(compared):
    compared({})
    result = simlib("compare", "small.toml", "--replications", "5")
    assert result.exit_code == 0
    assert result.stdout.startswith("small on live: 2 clients, 4 s, seed 7\nagainst 5 simulated")
    assert "Simulation and live run agree on every metric" in result.stdout
    assert "Decision replay: " in result.stdout
    assert result.stderr == "Traces, table and charts are in out/small.\n"
    written = os.listdir("out/small")
    assert sorted(name for name in written if not name.endswith((".png", ".svg"))) == RESULTS
    assert any(name.endswith(".png") for name in written)
    assert Trace.load("out/small/sim.parquet").engine == "sim"
    assert Trace.load("out/small/live.parquet").engine == "live"


def test_every_row_of_the_table_fits_into_80_columns_whole(compared):
    compared({})
    result = simlib("compare", "small.toml", "--replications", "5")
    table = csv.DictReader(Path("out/small/agreement.csv").open())
    printed = [line.split() for line in result.stdout.splitlines()]
    assert all(len(line) <= 80 for line in result.stdout.splitlines())
    for row in table:
        assert [row["verdict"].split()[0]] == [
            next(word for word in line if word in ("agree", "disagree", "too"))
            for line in printed
            if line[:1] == [row["metric"]] and len(line) > 4
        ]


def test_compare_says_no_with_status_1_and_names_the_metrics(compared):
    compared({"client.backoff.base_s": 1.0, "client.backoff.jitter": "none"})
    result = simlib("compare", "small.toml", "--replications", "5", "--json")
    document = json.loads(result.stdout, parse_constant=pytest.fail)
    assert (result.exit_code, document["agreed"]) == (1, False)
    assert json.loads(Path("out/small/agreement.json").read_text()) == document
    differ = [row["metric"] for row in document["metrics"] if row["verdict"] == "disagree"]
    assert "mean_wait_s" in differ
    words = simlib("compare", "small.toml", "--replications", "5").stdout
    assert f"Simulation and live run disagree on {differ[0]}" in " ".join(words.split())
    assert "First that differs: client 0" in words


# --- bad input ---------------------------------------------------------------------------

SECONDS = "must be a number of seconds, above 0"
BAD_FILES = {
    "[client.backoff]\ncap=5": (
        'client.backoff.cap = 5: is not a setting (did you mean "cap_s"?); known are jitter, '
        "base_s, cap_s, factor, spread_fraction, first_s, steps_s, max_attempts, stable_after_s"
    ),
    "[clients]\nbackoff=1": "clients = {'backoff': 1}: must be a whole number, from 1 to",
    'duration_s = "long"': f'duration_s = "long": {SECONDS}',
    "duration_s = -3": f"duration_s = -3: {SECONDS}",
    "seed = true": "seed = True: must be a whole number, from 0 to",
    "client = 3": "client = 3: must be a table of settings",
    "[[faults]]\nstart_s=5\nstop_s=2": "faults[0].stop_s = 2.0: must be after start_s (5)",
    "[[faults]]\nstart_s=-5": "faults[0].start_s = -5: must be a number of seconds, 0 or more",
    '[faults]\nkind="reset"': "faults = {'kind': 'reset'}: must be a list of faults, each [[faults]]",
    "[client.outbox]\ncapacity=0": (
        "client.outbox.capacity = 0: must be a whole number, 1 or more, or inf for no limit"
    ),
    "[client.backoff]\nbase_s=2\ncap_s=1": (
        "client.backoff.cap_s = 1.0: must not be below base_s (2)"
    ),
    '[client.backoff]\njitter="ful"': (
        'client.backoff.jitter = "ful": must be one of none, full, equal, decorrelated, '
        'proportional (did you mean "full"?)'
    ),
}


@pytest.mark.parametrize("text", BAD_FILES)
def test_a_bad_file_is_refused_naming_file_key_value_and_rule(here, text):
    Path("bad.toml").write_text(text)
    assert refusal("run", "bad.toml").startswith(f"bad.toml: {BAD_FILES[text]}")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"no toml", "is not TOML: Expected '=' after a key"),
        (b"\xff\xfe", "is not TOML: 'utf-8' codec can't decode byte 0xff"),
        (None, "cannot be read: No such file or directory"),
    ],
)
def test_an_unreadable_file_is_refused(here, content, said):
    if content is not None:
        Path("bad.toml").write_bytes(content)
    assert refusal("compare", "bad.toml").startswith(f'scenario = "bad.toml": {said}')


BAD_ARGUMENTS = {
    ("--on", "simm"): 'on = "simm": must be one of sim, live (did you mean "sim"?)',
    ("--clients", "0"): "clients = 0: must be a whole number, from 1 to",
    ("--seed", "-1"): "seed = -1: must be a whole number, from 0 to",
    (
        "--set",
        "duration_s",
    ): '--set = "duration_s": must be KEY=VALUE, as client.backoff.cap_s=5 is',
    ("--set", "duration_s=-1"): f"--set duration_s = -1: {SECONDS}",
    ("--set", "client.backof.cap_s=1"): "--set client.backof = {'cap_s': 1}: is not a setting (did",
    ("--set", "client.backoff.jitter=[1"): '--set client.backoff.jitter = "[1": must be one of',
    ("--set", "faults.0.stop_s=1"): "--set faults[0].stop_s = 1.0: must be after start_s (2)",
    (
        "--set",
        "faults.7.stop_s=1",
    ): '--set faults.7.stop_s = "1": is not a setting of this scenario',
    ("--set", "clients.x=1"): '--set clients.x = "1": is not a setting of this scenario',
    ("--out", "small.toml/x"): '--out = "small.toml/x": cannot be written: Not a directory',
}


@pytest.mark.parametrize("arguments", BAD_ARGUMENTS)
def test_a_bad_argument_is_refused(here, arguments):
    assert refusal("run", "small.toml", *arguments).startswith(BAD_ARGUMENTS[arguments])
    assert os.listdir() == ["small.toml"]


def test_a_misspelt_name_is_answered_with_the_nearest():
    assert refusal("run", "first_outge") == (
        'scenario = "first_outge": is no file, and no scenario of this name is shipped '
        '(did you mean "first_outage"?); simlib scenarios lists them'
    )


def test_an_install_without_the_source_tree_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(cli, "SCENARIOS", tmp_path / "absent")
    assert "in simlib's source tree" in refusal("run", "first_outage")


def test_an_unknown_client_is_refused_before_anything_is_played(here, monkeypatch):
    monkeypatch.setattr("simlib.run.run", pytest.fail)
    assert (
        refusal("story", "small.toml", "--client", "2")
        == "there is no client 2: the run has clients 0 to 1"
    )


def test_a_full_disk_is_one_sentence(here, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device", "out/trace.parquet")

    monkeypatch.setattr("simlib.trace.Trace.save", full)
    result = simlib("run", "small.toml", "--out", "out")
    assert (
        result.exit_code,
        result.stderr,
    ) == (2, "Error: out/trace.parquet: No space left on device\n")


# --- ends that nobody planned ------------------------------------------------------------


@pytest.fixture
def interrupted(here, monkeypatch):
    """Have every run end in Ctrl-C with a partial trace."""

    def run(scenario, on="sim", **_):
        trace = sl.Trace(on, scenario, partial=True)
        raise Interrupted(trace)

    monkeypatch.setattr("simlib.run.run", run)
    monkeypatch.setattr("simlib.study.compare.run", run)


@pytest.mark.parametrize(
    ("arguments", "file"),
    [
        (["run", "small.toml", "--on", "live"], "out/small/live.partial.parquet"),
        (["run", "small.toml", "--out", "mine"], "mine/sim.partial.parquet"),
        (["compare", "small.toml"], "out/small/sim.partial.parquet"),
    ],
)
def test_ctrl_c_saves_what_there_is_and_says_that_it_is_partial(interrupted, arguments, file):
    result = simlib(*arguments)
    engine = Path(file).name.partition(".")[0]
    assert (result.exit_code, result.stdout) == (130, "")
    assert result.stderr == (
        f"The {engine} run is partial: what there is, is in {file}.\nInterrupted.\n"
    )
    assert Trace.load(file).partial


def test_ctrl_c_in_a_simulation_that_was_not_to_be_kept_writes_nothing(interrupted):
    result = simlib("run", "small.toml")
    assert (result.exit_code, result.stderr) == (130, "Interrupted.\n")
    assert os.listdir() == ["small.toml"]


def test_nobody_reading_on_is_no_error(here):
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "w") as nobody:
        done = process("story", "small.toml", "--client", "0", stdout=nobody)
        assert done.communicate()[1] == b""


def test_the_command_line_loads_nothing_heavy_before_it_must():
    heavy = "{'numpy', 'pandas', 'simpy', 'rich', 'matplotlib', 'websockets', 'httpx'}"
    code = f"import sys, simlib.cli; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout == "[]\n"


@pytest.mark.live
def test_ctrl_c_in_a_live_run_leaves_no_process_behind(here):
    command = process("run", "small.toml", "--on", "live", "--set", "duration_s=100")
    servers = wait_for_children(command)
    command.send_signal(signal.SIGINT)
    _, told = command.communicate(timeout=30)
    assert command.returncode == 130
    assert b"The live run is partial" in told
    assert b"Traceback" not in told
    assert Trace.load("out/small/live.partial.parquet").partial
    assert [pid for pid in servers if Path(f"/proc/{pid}").exists()] == []


def process(*arguments: str, stdout: int | io.TextIOBase = subprocess.PIPE) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", "from simlib.cli import main; main()", *arguments],
        stdout=stdout,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(Path(sl.__file__).parents[1])},
    )


def wait_for_children(parent: subprocess.Popen) -> list[str]:
    children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
    while parent.poll() is None:
        if pids := children.read_text().split():
            return pids
        time.sleep(0.05)
    return pytest.fail("the run ended before its server began")
