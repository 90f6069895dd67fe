"""The command line: what it prints and writes, and one sentence for whatever goes wrong."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner

import simlib as sl
from simlib import cli
from simlib.charts.bars import attempt_bars
from simlib.cli import arguments as given
from simlib.cli.app import CommandGroup
from simlib.cli.output import print_note
from simlib.studies.compare.chart import CHARTS
from simlib.studies.compare.compare import compare_traces
from simlib.trace.trace import Interrupted, Trace

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
    result = CliRunner().invoke(cli.main, arguments)
    if "--json" in arguments and result.exit_code in (0, 1):
        check_strict_json(result.stdout)
    return result


def check_strict_json(text: str) -> None:
    """Fail on NaN, Infinity and whatever else only Python's parser takes."""
    json.loads(text, parse_constant=pytest.fail)


def refusal(*arguments: str) -> str:
    """What is said of bad input: one sentence on stderr, status 2, nothing else."""
    result = simlib(*arguments)
    assert (2, "") == (result.exit_code, result.stdout)
    assert result.stderr.startswith("Error: ")
    assert 1 == result.stderr.count("\n")
    return result.stderr.removeprefix("Error: ").rstrip("\n")


def names(folder: str = ".") -> list[str]:
    return sorted(file.name for file in Path(folder).iterdir())


# --- run and story -----------------------------------------------------------------------


def test_run_says_what_happened_then_numbers_by_group(here):
    result = simlib("run", "small.toml")
    lines = result.stdout.splitlines()
    assert lines[0] == "small on sim: 2 clients, 4 s, seed 7"
    assert lines[2].startswith("All 2 clients were hit by the reset")
    assert "Load on the server" in [line.strip() for line in lines]
    assert max(map(len, lines)) <= 80
    assert ["small.toml"] == names()


def test_a_terminal_without_blocks_gets_bars_in_ascii(here):
    trace = sl.run(sl.load("small.toml"))
    title, bars, _ = attempt_bars(trace, ascii_only=True)
    assert (title + bars).isascii()
    assert bars.strip()


def test_run_prints_all_metrics_a_line_each_where_asked(here):
    result = simlib("run", "small.toml", "--all")
    (attempts,) = (line.split() for line in result.stdout.splitlines() if "attempts  " in line)
    assert 0 == result.exit_code
    assert result.stdout.startswith("small on sim: 2 clients, 4 s, seed 7\n")
    assert ["attempts", "4", "tries", "to", "open", "a", "connection"] == attempts
    assert ["small.toml"] == names()


def test_what_stops_clients_is_set_on_the_command_line_and_their_story_says_why(here):
    reject = '{kind = "reject", start_s = 1, stop_s = 2, status = 401}'
    more = ("--set", f'faults=[{{kind = "reset", start_s = 1}}, {reject}]')
    assert (
        "failed: unauthorized 401 -> suspended"
        in simlib("story", "small.toml", "--client", "1", *more).stdout
    )
    more += ("--set", "client.stops={ends_on = [401], suspends_on = []}")
    assert (
        "failed: unauthorized 401 -> stopped"
        in simlib("story", "small.toml", "--client", "1", *more).stdout
    )
    gave_up = json.loads(simlib("run", "small.toml", *more, "--json").stdout)["summary"]["gave_up"]
    assert 2 == gave_up


@pytest.mark.parametrize(
    ("heartbeat", "words"),
    [
        ("{interval_s = 25, timeout_s = 5}", "for up to 30 s, until the heartbeat finds it"),
        ("{}", "and without a heartbeat that may be to the end"),
    ],
)
def test_a_run_says_where_availability_counts_the_dead_as_good(here, heartbeat, words):
    quiet = simlib("run", "small.toml")
    assert "Connections can die silently" not in quiet.stdout
    dying = ("--set", 'faults=[{kind = "half_open", start_s = 1}]')
    result = simlib("run", "small.toml", "--set", f"client.heartbeat={heartbeat}", *dying)
    assert f"counts such a one as good until its client notices, {words}." in " ".join(
        result.stdout.split()
    )


def test_a_warm_up_is_told_beside_the_metrics_that_leave_it_out(here):
    result = simlib("run", "small.toml", "--set", "warm_up_s=1.5", "--all")
    (attempts,) = (line.split() for line in result.stdout.splitlines() if "attempts  " in line)
    assert "seed 7; what came before 1.5 s does not count\n" in result.stdout
    assert ["attempts", "2"] == attempts[:2]


def test_json_is_one_document_without_nan(here):
    result = simlib("run", "small.toml", "--set", "faults=[]", "--json")
    document = json.loads(result.stdout, parse_constant=pytest.fail)
    assert ["scenario", "clients", "seed", "summary", "made_by"] == list(document)
    assert 2 == document["summary"]["attempts"]
    assert document["summary"]["time_to_recover_s_p50"] is None  # no fault: NaN in the table
    assert "" == result.stderr


def test_run_writes_the_trace_its_metrics_and_charts(here):
    result = simlib("run", "small.toml", "--seed", "9", "--out", "results/mine")
    assert "Trace, metrics and charts are in results/mine.\n" == result.stderr
    charts = [f"{name}.{kind}" for name in ("attempts", "recovery") for kind in ("png", "svg")]
    summaries = [f"summary.{kind}" for kind in ("csv", "json", "md")]
    assert [*charts, *summaries, "trace.parquet"] == sorted(names("results/mine"))
    assert "| attempts | 4 |\n" in Path("results/mine/summary.md").read_text()
    trace = Trace.load("results/mine/trace.parquet")
    assert sl.run(sl.load("small.toml").replace(seed=9)).digest() == trace.digest()
    row = pd.read_csv("results/mine/summary.csv").iloc[0]
    document = json.loads(Path("results/mine/summary.json").read_text())
    assert (9, 4) == (document["seed"], document["summary"]["attempts"])
    assert ("small", 4) == (row["label"], row["attempts"])


def test_a_preset_is_set_for_the_clients_and_then_changed_in_part(here):
    like_phoenix = ("client=preset:phoenix", "client.backoff.jitter=full")
    client = given.scenario_of("small.toml", like_phoenix, None, None).client
    assert ("full", 5.0) == (client.backoff.jitter.name.lower(), client.backoff.steps_s[-1])
    assert sl.presets["phoenix"].client.heartbeat == client.heartbeat
    assert (
        '--set client = "preset:phonix": is no preset (did you mean "phoenix"?); '
        "simlib presets lists them"
    ) == refusal("run", "small.toml", "--set", "client=preset:phonix")


def test_story_prints_what_the_trace_tells(here):
    result = simlib("story", "small.toml", "--client", "1")
    assert sl.run(sl.load("small.toml")).story(1) == result.stdout.splitlines()


def test_watch_writes_a_line_per_second_and_keeps_the_trace(here):
    result = simlib("watch", "small.toml", "--on", "sim", "--set", "duration_s=2.1")
    assert (0, ["1.0", "2.0", "2.1"]) == (
        result.exit_code,
        [line.split()[0] for line in result.stdout.splitlines()],
    )
    assert "Trace, metrics and charts are in out/small.\n" == result.stderr
    charts = [f"{name}.{kind}" for name in ("attempts", "recovery") for kind in ("png", "svg")]
    summaries = [f"summary.{kind}" for kind in ("csv", "json", "md")]
    assert [*charts, *summaries, "trace.parquet"] == names("out/small")
    expected = sl.run(sl.load("small.toml").replace(duration_s=2.1))
    assert expected.digest() == Trace.load("out/small/trace.parquet").digest()


def test_settings_are_read_as_toml_and_applied_together(here):
    changed = given.scenario_of(
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


def test_a_space_is_of_ranges_and_of_choices():
    space = given.space_of(
        (
            "client.backoff.base_s=0.1..5",
            " server.workers = 1 .. 8 ",
            "client.backoff.jitter=none, full",
            "network=../mine.toml",
        )
    )
    expected = {
        "client.backoff.base_s": (0.1, 5),
        "server.workers": (1, 8),
        "client.backoff.jitter": ["none", "full"],
        "network": ["../mine.toml"],
    }
    assert expected == space
    assert {} == given.space_of(())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["clients"], '--space = "clients": must be KEY=LOW..HIGH'),
        (["=1..5"], "must be KEY=LOW..HIGH"),
        (["clients=1.."], "must be KEY=LOW..HIGH"),
        (["clients=1..many"], '--space = "clients=1..many": must be KEY=LOW..HIGH'),
        (["clients=true..5"], "must be KEY=LOW..HIGH"),
        (["clients=1,,2"], "or KEY=A,B, as client.backoff.jitter=none,full is"),
        (["clients=1..2", "clients=3..5"], "names a setting that has its values already"),
    ],
)
def test_a_space_that_cannot_be_read_is_refused(options, said):
    with pytest.raises(sl.SettingsError, match=re.escape(said)):
        given.space_of(options)


def test_scenarios_lists_every_shipped_one_with_what_it_teaches():
    result = simlib("scenarios")
    text = " ".join(result.stdout.split())
    for file in given.shipped_scenarios().values():
        assert f"{file.stem} " in text
    assert "Backoff with full jitter spreads the return after an outage" in text


def test_a_shipped_scenario_goes_by_its_name(here):
    assert given.shipped_scenarios()["first_outage"] == given.file_of("first_outage")
    assert Path("small.toml") == given.file_of("small.toml")


def test_the_help_has_each_command_once_in_a_section_with_a_whole_sentence():
    text = simlib("--help").output
    for name, command in cli.main.commands.items():
        assert 1 == len(re.findall(rf"^  {name}  ", text, re.MULTILINE))
        sentence = command.get_short_help_str(limit=1000)
        assert sentence in " ".join(text.split())
    for group in CommandGroup:
        assert f"{group}:" in text


def test_a_sweep_without_a_grid_names_the_option_that_is_missing(here):
    assert "Missing option '--grid'" in simlib("sweep", "small.toml").output


@pytest.mark.parametrize("command", ["run", "story", "compare", None])
def test_help_shows_how_to_call_it(command):
    result = simlib(*[command] if command else [], "--help")
    assert 0 == result.exit_code
    assert f"simlib {command or 'compare'} first_outage" in result.stdout


# --- compare -----------------------------------------------------------------------------


@pytest.fixture
def compared(here, monkeypatch):
    """Have compare see a simulated run, perhaps doctored, in place of the live one."""

    def compare_with(doctored: dict[str, object], late_s: float = 0.0) -> None:
        def fake(scenario, replications, progress):
            progress(0.5, "simulating")
            simulated = [sl.run(scenario.replace(seed=i)) for i in range(replications)]
            live = scenario
            for key, value in doctored.items():
                live = live.replace(key, value)
            trace = sl.run(live)
            trace.engine, trace.scenario = "live", scenario
            trace.late_s = array("d", [late_s] * 100)
            return compare_traces(simulated, trace)

        monkeypatch.setattr("simlib.studies.compare.compare.compare", fake)

    return compare_with


RESULTS = ["agreement.csv", "agreement.json", "live.parquet", "sim.parquet"]


def test_compare_prints_the_table_and_the_replay_and_writes_everything(compared):
    compared({})
    result = simlib("compare", "small.toml", "--replications", "5")
    assert 0 == result.exit_code
    assert result.stdout.startswith("small on live: 2 clients, 4 s, seed 7\nagainst 5 simulated")
    assert "Simulation and live run agree on every metric" in result.stdout
    assert "Decision replay: " in result.stdout
    assert "Traces, table and charts are in out/small.\n" == result.stderr
    charts = [f"{name}.{kind}" for name in CHARTS for kind in ("png", "svg")]
    assert sorted([*RESULTS, *charts]) == names("out/small")
    assert "sim" == Trace.load("out/small/sim.parquet").engine
    assert "live" == Trace.load("out/small/live.parquet").engine


@pytest.mark.slow
def test_every_metric_stands_in_a_line_of_80_columns_with_its_verdict(compared):
    compared({})
    result = simlib("compare", "small.toml", "--replications", "5")
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    words = {line.split()[0]: line.split()[1:] for line in reversed(lines) if line}
    for row in pd.read_csv("out/small/agreement.csv").itertuples():
        assert row.verdict.split()[0] in words[row.metric]


@pytest.mark.slow
def test_compare_says_no_with_status_1_and_names_the_metrics(compared):
    waits = {"client.backoff.base_s": 1.0, "client.backoff.jitter": "none"}
    compared(waits | {"client.heartbeat.interval_s": 1.0})
    arguments = ["compare", "small.toml", "--clients", "20", "--replications", "10"]
    result = simlib(*arguments, "--json")
    document = json.loads(result.stdout, parse_constant=pytest.fail)
    assert (1, False) == (result.exit_code, document["agreed"])
    assert document == json.loads(Path("out/small/agreement.json").read_text())
    differ = [row["metric"] for row in document["metrics"] if row["verdict"] == "disagree"]
    assert "mean_wait_s" in differ
    words = " ".join(simlib(*arguments).stdout.split())
    assert f"Simulation and live run disagree on {', '.join(differ)}" in words
    assert "First that differs: client " in words


@pytest.mark.slow
def test_compare_on_a_busy_machine_says_why_it_cannot_judge_with_status_0(compared):
    # Twenty times the latency is a fault of one side, or of a machine that is late.
    compared({"path.latency.mean_s": 0.4}, late_s=0.064)
    result = simlib("compare", "small.toml", "--replications", "5")
    assert 0 == result.exit_code
    words = " ".join(result.stdout.split())
    sentence = "Whether simulation and live run agree could not be judged: timers were 64 ms late."
    assert sentence in words
    assert "disagree" not in words
    document = json.loads(Path("out/small/agreement.json").read_text())
    assert ("could not be judged", False) == (document["verdict"], document["agreed"])
    assert "time_to_recover_s_p95" in document["not_judged"]
    assert 0.064 == document["timers_late_s"]["p99"]
    for name in CHARTS:
        assert "live: timers were 64 ms late" in Path(f"out/small/{name}.svg").read_text()
    compared({"path.latency.mean_s": 0.4})
    assert 1 == simlib("compare", "small.toml", "--replications", "5").exit_code


# --- presets -----------------------------------------------------------------------------


def test_presets_are_listed_and_one_is_shown(here):
    lines = simlib("presets").stdout.splitlines()
    assert len(sl.presets) + 1 == len([line for line in lines if line and line[0] != " "])
    assert "nats/aio/client.py:89-98" in simlib("presets", "show", "nats-py").stdout
    document = json.loads(simlib("presets", "show", "sockette", "--json").stdout)
    assert ("1 s always, no jitter", 120) == (
        document["waits"],
        document["client"]["connect_timeout_s"],
    )
    wrong = 'preset = "phonix": is no preset (did you mean "phoenix"?); simlib presets lists them'
    assert wrong == refusal("presets", "show", "phonix")
    assert wrong == refusal("presets", "compare", "phonix")


@pytest.mark.slow
def test_presets_are_compared_by_chart_and_storm(here):
    asked = ["presets", "compare", "sockette", "okhttp", "--clients", "20", "--on", "sim"]
    told = simlib(*asked, "--outage", "5", "--out", "mine")
    files = ["storms.csv", "storms.json", "storms.png", "waits.png"]
    assert (0, files) == (told.exit_code, names("mine"))
    assert told.stderr.endswith(
        "Charts of waits and storms, and the table of the storms, are in mine.\n"
    )
    assert max(map(len, told.stdout.splitlines())) <= 80
    assert "per use" in told.stdout
    table = pd.read_csv("mine/storms.csv", index_col="client")
    assert (0, 20) == (table["never_back"]["sockette"], table["never_back"]["okhttp"])
    again = json.loads(simlib(*asked, "--outage", "5", "--json").stdout)
    assert "inf" == again["storms"]["okhttp"]["back_s_p50"]
    wider = json.loads(simlib(*asked, "--accept-per-s", "20", "--json").stdout)
    assert 20.0 == wider["accept_per_s"]
    assert "must be above 0" in refusal(*asked, "--accept-per-s", "0")


# --- lint --------------------------------------------------------------------------------


def test_lint_says_by_its_status_how_bad_it_is(here):
    assert (3, "preset:phoenix: 2 errors, 2 info") == (
        (told := simlib("lint", "preset:phoenix")).exit_code,
        told.stdout.splitlines()[0],
    )
    assert 1 == simlib("lint", "preset:socket.io-client").exit_code
    assert 0 == simlib("lint", "preset:aws-full").exit_code
    settings = (
        "--set",
        "client.heartbeat.interval_s=25",
        "--set",
        "client.stops.suspends_on=[401]",
    )
    sound = simlib("lint", "preset:aws-full", *settings)
    assert (0, "preset:aws-full: nothing found\n") == (sound.exit_code, sound.stdout)


def test_lint_writes_a_document_of_a_scenario(here):
    told = simlib("lint", "small.toml", "--set", "client.outbox.capacity=inf", "--json")
    document = json.loads(told.stdout, parse_constant=pytest.fail)
    assert (1, "warning", 2) == (told.exit_code, document["worst"], document["clients"])
    assert ["flapping", "no-heartbeat", "outbox-unbounded"] == [
        each["rule"] for each in document["findings"]
    ]
    assert "inf" == document["findings"][2]["number"]


def test_bad_input_of_lint_is_no_finding(here):
    wrong = 'preset = "phonix": is no preset (did you mean "phoenix"?); simlib presets lists them'
    assert wrong == refusal("lint", "preset:phonix")
    assert refusal("lint", "none.toml").startswith('scenario = "none.toml": cannot be read')


# --- export ------------------------------------------------------------------------------


def test_export_prints_options_and_says_what_they_lack(here):
    told = simlib("export", "preset:partysocket", "--for", "partysocket")
    assert (0, "const options = {") == (told.exit_code, told.stdout.splitlines()[0])
    assert "partysocket then does all of this policy.\n" == told.stderr
    told = simlib("export", "small.toml", "--for", "tenacity")
    assert "Retrying(wait=wait_random_exponential(multiplier=0.5, max=1," in told.stdout
    assert told.stderr.startswith(
        "tenacity cannot do all of it; this is the nearest it can:\n- after"
    )
    document = json.loads(simlib("export", "small.toml", "--for", "grpc", "--json").stdout)
    assert (False, "grpc") == (document["exact"], document["for"])
    assert 'did you mean "grpc"?' in refusal("export", "small.toml", "--for", "grp")


# --- bad input ---------------------------------------------------------------------------

SECONDS = "must be a number of seconds, above 0"
BAD_FILES = {
    "[client.backoff]\ncap=5": (
        'client.backoff.cap = 5: is not a setting (did you mean "cap_s"?); known are jitter, '
        "base_s, cap_s, growth, factor, rise_s, exponent, spread_fraction, add_least_s, "
    ),
    "[clients]\nbackoff=1": "clients = {'backoff': 1}: must be a whole number, from 1 to",
    'duration_s = "long"': f'duration_s = "long": {SECONDS}',
    "duration_s = -3": f"duration_s = -3: {SECONDS}",
    "seed = true": "seed = True: must be a whole number, from 0 to",
    "client = 3": "client = 3: must be a table of settings",
    "[[faults]]\nstart_s=5\nstop_s=2": "faults[0].stop_s = 2.0: must be after start_s (5)",
    "[[faults]]\nstart_s=-5": "faults[0].start_s = -5: must be a number of seconds, 0 or more",
    '[faults]\nkind="reset"': "faults = {'kind': 'reset'}: must be a list of faults, each",
    "[client.outbox]\ncapacity=0": (
        "client.outbox.capacity = 0: must be a whole number, 1 or more, or inf for no limit"
    ),
    "[client.backoff]\nbase_s=2\ncap_s=1": (
        "client.backoff.cap_s = 1.0: must not be below base_s (2)"
    ),
    '[client.backoff]\njitter="ful"': (
        'client.backoff.jitter = "ful": must be one of none, full, equal, decorrelated, '
        'proportional, additive, below (did you mean "full"?)'
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
        (b"\xff\xfe", "is not TOML, which is text in UTF-8: byte 0 is another"),
        (b"PAR1\x15\xe0", "is a table of a run or of an observation (Parquet)"),
        (None, "cannot be read: No such file or directory"),
    ],
)
def test_an_unreadable_file_is_refused(here, content, said):
    if content is not None:
        Path("bad.toml").write_bytes(content)
    assert refusal("compare", "bad.toml").startswith(f'scenario = "bad.toml": {said}')


BAD_ARGUMENTS = {
    ("--on", "simm"): 'on = "simm": must be one of sim, live, fleet (did you mean "sim"?)',
    ("--clients", "0"): "clients = 0: must be a whole number, from 1 to",
    ("--seed", "-1"): "seed = -1: must be a whole number, from 0 to",
    (
        "--set",
        "duration_s",
    ): '--set = "duration_s": must be KEY=VALUE, as',
    ("--set", "duration_s=-1"): f"--set duration_s = -1: {SECONDS}",
    ("--set", "client.backof.cap_s=1"): "--set client.backof = 1: is not a setting (did",
    ("--set", "client.backoff.jitter=[1"): '--set client.backoff.jitter = "[1": must be one of',
    ("--set", "faults.0.stop_s=1"): "--set faults.0.stop_s = 1.0: must be after start_s (2)",
    (
        "--set",
        "faults.7.stop_s=1",
    ): "--set faults.7 = 1: must name one of 1 by its",
    ("--set", "clients.x=1"): "--set clients.x = 1: is not a setting",
    ("--out", "small.toml/x"): '--out = "small.toml/x": cannot be written: Not a directory',
}


@pytest.mark.parametrize("arguments", BAD_ARGUMENTS)
def test_a_bad_argument_is_refused(here, arguments):
    assert refusal("run", "small.toml", *arguments).startswith(BAD_ARGUMENTS[arguments])
    assert ["small.toml"] == names()


def test_a_misspelt_name_is_answered_with_the_nearest():
    said = (
        'scenario = "first_outge": is no file, and no scenario of this name is shipped '
        '(did you mean "first_outage"?); simlib scenarios lists them'
    )
    assert said == refusal("run", "first_outge")


def test_an_unknown_client_is_refused_before_anything_is_played(here, monkeypatch):
    monkeypatch.setattr(sys.modules["simlib.api"], "run", pytest.fail)
    said = "there is no client 2: the run has clients 0 to 1"
    assert said == refusal("story", "small.toml", "--client", "2")


def test_a_full_disk_is_one_sentence(here, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device", "out/trace.parquet")

    monkeypatch.setattr("simlib.trace.trace.Trace.save", full)
    said = "out/trace.parquet: No space left on device"
    assert said == refusal("run", "small.toml", "--out", "out")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is Linux's")
@pytest.mark.parametrize("asked", [["--help"], ["run", "--help"], ["--version"], ["scenarios"]])
def test_an_output_that_cannot_be_written_is_one_sentence(here, asked):
    with Path("/dev/full").open("w") as full:
        done = process(*asked, stdout=full)
        _, told = done.communicate(timeout=300)
    assert (2, b"Error: output: No space left on device\n") == (done.returncode, told)


def test_a_note_that_cannot_be_written_is_no_error(monkeypatch):
    tried = []

    def fail(text, **_):
        tried.append(text)
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("click.echo", fail)
    print_note("beside the result")
    assert ["beside the result"] == tried


def test_the_file_that_cannot_be_written_is_named(here, monkeypatch):
    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", fail)
    said = f"{Path('out/attempts.png')}: No space left on device"
    assert said == refusal("run", "small.toml", "--out", "out")
    assert [] == [each for each in names("out") if each.startswith(".")]


def test_a_terminal_that_says_it_has_no_columns_gets_the_result(here, monkeypatch):
    monkeypatch.setenv("COLUMNS", "0")
    assert simlib("run", "small.toml").stdout.startswith("small on sim: ")


@pytest.mark.parametrize("said", ["can't start new thread", "failed to map segment"])
def test_no_memory_for_a_thread_is_said_as_none_at_all(here, monkeypatch, said):
    def fail(*_, **__):
        raise (RuntimeError if "thread" in said else ImportError)(said)

    monkeypatch.setattr(sys.modules["simlib.api"], "run", fail)
    assert refusal("run", "small.toml").startswith("there is too little memory for this")


# --- ends that nobody planned ------------------------------------------------------------


@pytest.fixture
def interrupted(here, monkeypatch):
    """Have every run end in Ctrl-C with a partial trace."""

    def run(scenario, on="sim", **_):
        trace = sl.Trace(on, scenario, partial=True)
        raise Interrupted(trace)

    # The last one last: a module imported after it would keep what stands there for good.
    monkeypatch.setattr("simlib.studies.compare.compare.run", run)
    monkeypatch.setattr("simlib.studies.capacity.capacity.run", run)
    monkeypatch.setattr(sys.modules["simlib.api"], "run", run)


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
    assert (130, "") == (result.exit_code, result.stdout)
    said = f"The {engine} run is partial: what there is, is in {file}.\nInterrupted.\n"
    assert said == result.stderr
    assert Trace.load(file).partial


def test_ctrl_c_in_a_simulation_that_was_not_to_be_kept_writes_nothing(interrupted):
    result = simlib("run", "small.toml")
    assert (130, "Interrupted.\n") == (result.exit_code, result.stderr)
    assert ["small.toml"] == names()


def test_ctrl_c_in_a_search_leaves_no_finding(interrupted):
    result = simlib("capacity", "small.toml", "--recover-within", "1", "--on", "sim")
    assert (130, "Interrupted.\n") == (result.exit_code, result.stderr)
    assert [] == names("out/small")


def test_nobody_reading_on_is_no_error(here):
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "w") as nobody:
        done = process("story", "small.toml", "--client", "0", stdout=nobody)
        assert b"" == done.communicate()[1]


def test_the_command_line_loads_nothing_heavy_before_it_must():
    heavy = "{'numpy', 'pandas', 'simpy', 'rich', 'matplotlib', 'websockets', 'httpx'}"
    code = f"import sys, simlib.cli; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert "[]\n" == done.stdout


@pytest.mark.live
@pytest.mark.parametrize(
    "ending", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda ending: ending.name
)
def test_whatever_ends_a_live_run_keeps_what_there_is_and_leaves_nothing_behind(here, ending):
    command = process("run", "small.toml", "--on", "live", "--set", "duration_s=100")
    servers = wait_for_children(command)
    command.send_signal(ending)
    _, told = command.communicate(timeout=300)
    assert 128 + ending == command.returncode
    assert b"The live run is partial" in told
    assert b"Traceback" not in told
    assert Trace.load("out/small/live.partial.parquet").partial
    assert [] == [pid for pid in servers if Path(f"/proc/{pid}").exists()]
    assert [] == list(Path("temporary").iterdir())


@pytest.mark.live
@pytest.mark.skipif(shutil.which("setsid") is None, reason="setsid gives a command its terminal")
def test_a_terminal_that_is_closed_ends_a_live_run_as_ctrl_c_does(here):
    terminal, own_end = os.openpty()
    # "setsid --ctty" makes it the terminal of the command, whom the system tells of its end.
    command = process(
        *("run", "small.toml", "--on", "live", "--set", "duration_s=100"),
        before=("setsid", "--ctty"), stdin=own_end, stdout=own_end, stderr=own_end,
    )  # fmt: skip
    os.close(own_end)
    servers = wait_for_children(command)
    os.close(terminal)
    assert 129 == command.wait(300)
    assert Trace.load("out/small/live.partial.parquet").partial
    assert [] == [pid for pid in servers if Path(f"/proc/{pid}").exists()]
    assert [] == list(Path("temporary").iterdir())


#: A runner of tests may ignore signals, as nohup does, and the command would inherit that.
MAIN = """
from signal import SIG_DFL, SIGHUP, SIGINT, SIGTERM, default_int_handler, signal
for number, handler in {SIGHUP: SIG_DFL, SIGTERM: SIG_DFL, SIGINT: default_int_handler}.items():
    signal(number, handler)
from simlib.cli import main
main()
"""


def process(*arguments: str, before: Sequence[str] = (), **streams: Any) -> subprocess.Popen:
    Path("temporary").mkdir()
    return subprocess.Popen(
        [*before, sys.executable, "-c", MAIN, *arguments],
        env=os.environ | {"PYTHONPATH": str(Path(sl.__file__).parents[1]), "TMPDIR": "temporary"},
        **({"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams),
    )


def wait_for_children(parent: subprocess.Popen) -> list[str]:
    children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
    while parent.poll() is None:
        if pids := children.read_text().split():
            return pids
        time.sleep(0.05)
    return pytest.fail("the run ended before its server began")


def test_a_grid_s_key_that_is_given_twice_is_refused(here):
    said = refusal("sweep", "small.toml", "--grid", "clients=1,2", "--grid", "clients=3")
    assert '--grid = "clients=3": names a setting that has its values already' == said


def test_a_grid_may_hold_lists(here):
    grid = "client.backoff.steps_s=[0.1, 0.2],[0.3]"
    asked = ("--replications", "2", "--workers", "1", "--metric", "attempts", "--json")
    swept = simlib("sweep", "small.toml", "--grid", grid, *asked)
    means = json.loads(swept.stdout)["means"]
    assert [[0.1, 0.2], [0.3]] == [row["client.backoff.steps_s"] for row in means]


@pytest.mark.parametrize("text", ["5 # or 6", "5\nclients = 3"])
def test_no_part_of_a_value_is_dropped(here, text):
    assert "must be a number" in refusal("run", "small.toml", "--set", f"ramp_s={text}")


# --- lists as JSON -----------------------------------------------------------------------


def test_scenarios_are_listed_as_json():
    listed = json.loads(simlib("scenarios", "--json").stdout)["scenarios"]
    assert list(given.shipped_scenarios()) == [each["name"] for each in listed]
    for each in listed:
        scenario = sl.load(given.file_of(each["name"]))
        assert (scenario.teaches, scenario.clients) == (each["teaches"], each["clients"])
        assert scenario.duration_s == each["duration_s"]
        assert [fault.kind.name.lower() for fault in scenario.faults] == [
            fault["kind"] for fault in each["faults"]
        ]
        assert [fault.start_s for fault in scenario.faults] == [
            fault["start_s"] for fault in each["faults"]
        ]


def test_presets_are_listed_as_json():
    listed = json.loads(simlib("presets", "--json").stdout)["presets"]
    assert list(sl.presets) == [each["name"] for each in listed]
    for each in listed:
        preset = sl.presets[each["name"]]
        assert each["version"] in each["source"] == preset.source
        assert preset.waits == each["waits"]
        assert each["language"], each["name"]
        assert each["differs"]
        assert isinstance(each["client"], dict)
    [phoenix] = [each for each in listed if each["name"] == "phoenix"]
    assert ("1.8.16", "JavaScript", True) == (
        phoenix["version"], phoenix["language"], phoenix["was_run"])  # fmt: skip
    assert "aws-samples" not in [each["version"] for each in listed]
    assert phoenix == json.loads(simlib("presets", "show", "phoenix", "--json").stdout)


def test_json_of_presets_is_asked_for_behind_the_command():
    assert "goes behind show" in refusal("presets", "--json", "show", "phoenix")


# --- claims and calibrate ----------------------------------------------------------------


@pytest.mark.slow
def test_claims_prints_a_verdict_each_and_writes_findings_and_charts(here, monkeypatch):
    from simlib.studies.claims import claims

    few = tuple(each for each in claims.CLAIMS if each.name == "reconnects under 5 s")
    monkeypatch.setattr(claims, "CLAIMS", few)
    told = simlib("claims", "--replications", "20", "--out", "mine")
    assert 0 == told.exit_code
    assert "reconnects under 5 s fails" in " ".join(told.stdout.split())
    assert ["claim_reconnects_under_5_s.png", "claims.json"] == names("mine")
    [found] = json.loads(Path("mine/claims.json").read_text())["claims"]
    assert ("fails", 20) == (found["verdict"], found["replications"])
    again = simlib("claims", "--replications", "20", "--json")
    assert found == json.loads(again.stdout)["claims"][0]


def test_claims_needs_enough_replications(here):
    assert "replications = 5: must be at least 20" in refusal("claims", "--replications", "5")


def test_capacity_prints_what_is_needed_and_writes_chart_and_findings(here):
    pytest.importorskip("numba")
    asked = ["capacity", "fleet_storm", "--clients", "100", "--set", "server.accept_per_s=10"]
    told = simlib(*asked, "--recover-within", "8", "--key", "server.accept_per_s", "--out", "mine")
    assert 0 == told.exit_code
    assert "fleet_storm on fleet: 100 clients, 40 s, seed 1" == told.stdout.splitlines()[0]
    assert told.stderr.endswith("Chart and every value played are in mine.\n")
    assert ["capacity.json", "capacity.png"] == names("mine")
    [knob] = json.loads(Path("mine/capacity.json").read_text())["knobs"]
    assert f"at least {knob['needed']:g}/s" in told.stdout
    assert knob["time_to_recover_s"] <= 8
    again = simlib(*asked, "--recover-within", "8", "--key", "server.accept_per_s", "--json")
    assert [knob] == json.loads(again.stdout)["knobs"]


def test_a_capacity_that_cannot_be_told_is_refused(here):
    pytest.importorskip("numba")
    said = refusal("capacity", "fleet_storm", "--recover-within", "30")
    assert said.endswith("(20 s): set duration_s to 50 or more")
    said = refusal("capacity", "fleet_storm", "--recover-within", "5", "--key", "server.worker")
    assert 'did you mean "workers"?' in said


@pytest.mark.slow
def test_calibrate_writes_a_network_that_run_takes(here):
    Path("pings.csv").write_text("\n".join(str(0.02 + 0.001 * (i % 40)) for i in range(400)))
    told = simlib("calibrate", "pings.csv", "--name", "office")
    assert 0 == told.exit_code
    assert "uniform fits best" in " ".join(told.stdout.split())
    assert ["office.toml", "quantiles.png"] == names("out/office")
    document = json.loads(simlib("calibrate", "pings.csv", "--json").stdout)
    assert ("uniform", 400) == (document["recommended"], document["round_trips"])
    network = "network=out/office/office.toml"
    ran = simlib("run", "first_outage", "--set", network, "--clients", "2", "--json")
    # Round trips of 20 to 59 ms, where the scenario's own are of 30 ms and never below.
    assert 0.035 < json.loads(ran.stdout)["summary"]["round_trip_s_p50"] < 0.05


def test_calibrate_says_units_and_lost_pings(here):
    Path("pings.csv").write_text("timeout\n" * 19 + "\n".join(str(20 + i % 40) for i in range(81)))
    assert "names no unit: are these milliseconds?" in refusal("calibrate", "pings.csv")
    told = simlib("calibrate", "pings.csv", "--unit", "ms", "--json")
    document = json.loads(told.stdout)
    assert (81, 19) == (document["round_trips"], document["lost"])
    assert 0.1 == pytest.approx(document["loss_fraction"])
    assert 0.01975 == pytest.approx(document["fits"][0]["mean_s"], rel=0.05)
    assert 'unit = "min": must be one of s, ms, us' in refusal(
        "calibrate", "pings.csv", "--unit", "min"
    )


def test_recorded_messages_after_the_run_are_told(here):
    Path("work.csv").write_text("time_s,priority,size_bytes\n1,high,30\n3,low,30\n9,low,30\n")
    ran = simlib("run", "small.toml", "--set", "workload.csv=work.csv", "--json")
    assert 4 == json.loads(ran.stdout)["summary"]["sent"]
    assert "1 of 3 recorded messages come after the run, and are not sent." in ran.stderr


def test_a_bad_measurement_is_refused_by_its_row(here):
    Path("pings.csv").write_text("0.1\n" * 30 + "-1\n")
    assert "row 31" in refusal("calibrate", "pings.csv")
    assert "cannot be read" in refusal("calibrate", "nowhere.csv")


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        (("--url", "ws://127.0.0.1:1/"), "on = "),
        (("--on", "live", "--url", "ws://127.0.0.1:1/", "--codec", "json"), "codec"),
        (("--on", "live", "--url", "ws://example.org/"), "--allow-host example.org"),
        (("--on", "live", "--url", "ws://127.0.0.1:1/"), "cannot be reached"),
        (("--on", "live", "--codec", "echo"), "name its url"),
        (("--on", "live", "--store", "x.sqlite"), "client.outbox.persist"),
    ],
)
def test_a_target_that_cannot_be_played_is_refused(here, arguments, wrong):
    assert wrong in refusal("run", "reconnect_storm", "--clients", "2", *arguments)
