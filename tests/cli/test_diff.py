"""The command diff: what it prints in each form, its statuses, and one sentence for bad input."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from simlib import cli

OLD = """
clients = 5
duration_s = 40
[workload]
rate_per_s = 0
[[faults]]
kind = "outage"
start_s = 2
stop_s = 6
"""
QUICK = ("--replications", "4", "--on", "sim")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working folder with two versions of a small scenario in it."""
    monkeypatch.chdir(tmp_path)
    Path("old.toml").write_text(OLD)
    Path("new.toml").write_text(OLD + '[client.backoff]\njitter = "none"\nbase_s = 20\n')
    Path("policy.toml").write_text('[client.backoff]\njitter = "none"\nbase_s = 20\n')
    return tmp_path


def diff(*arguments: str):
    return CliRunner().invoke(cli.main, ["diff", *arguments])


def test_the_text_begins_with_the_finding_and_ends_with_the_verdicts(here):
    result = diff("old.toml", "new.toml", *QUICK, "--fail-if", "last_back_s > +5%")
    assert 1 == result.exit_code, result.output
    assert result.stdout.startswith("From old.toml to new.toml, time to recover (95 %) rises from")
    assert "Getting back" in result.stdout
    assert "client.backoff.base_s" in result.stdout
    assert result.stdout.splitlines()[-1].startswith("FAILS last_back_s > +5%: the change is +")


def test_a_scenario_and_a_policy_alone_give_the_same_as_two_scenarios(here):
    one = json.loads(diff("old.toml", "new.toml", *QUICK, "--format", "json").stdout)
    other = json.loads(diff("old.toml", "policy.toml", *QUICK, "--format", "json").stdout)
    assert one["changes"] == other["changes"] != []
    assert ["The new policy is played as client of old."] == other["notes"]


def test_options_of_a_real_client_are_compared_and_wrong_ones_named(here):
    Path("options.json").write_text('{"reconnectionDelay": 4000, "reconnectionDelayMax": 9000}')
    Path("wrong.yaml").write_text("reconnectionDelay: soon\n")
    quick = ("--clients", "20", "--on", "sim", "--replications", "2")
    result = diff("preset:socket.io-client", "options.json", *quick)
    assert "client.backoff.base_s" in result.stdout, result.output
    refused = diff("preset:socket.io-client", "wrong.yaml", *quick)
    assert 2 == refused.exit_code
    assert "wrong.yaml" in refused.stderr


def test_markdown_goes_to_stdout_alone(here):
    result = diff("old.toml", "new.toml", *QUICK, "--format", "markdown")
    assert 0 == result.exit_code
    assert result.stdout.startswith("### old.toml → new.toml\n")


def test_a_rule_that_holds_leaves_the_status_alone(here):
    assert 0 == diff("old.toml", "old.toml", *QUICK, "--fail-if", "last_back_s > +0").exit_code


def test_settings_seed_and_clients_are_those_of_both(here):
    result = diff(
        "old.toml", "new.toml", *QUICK, "--set", "server.workers=2", "--seed", "9",
        "--clients", "3", "--format", "json",
    )  # fmt: skip
    document = json.loads(result.stdout)
    assert {"client.backoff.base_s", "client.backoff.jitter"} == {
        each["key"] for each in document["settings"]
    }
    assert "--seed 9" in document["made_by"]["command"]


def test_traces_of_two_runs_are_compared(here):
    for name in ("old", "new"):
        CliRunner().invoke(cli.main, ["run", f"{name}.toml", "--out", name])
    result = diff("old/trace.parquet", "new/trace.parquet", "--fail-if", "last_back_s > +5%")
    assert 1 == result.exit_code
    assert "One run each" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("old.toml", "nwe.toml"), "nwe.toml"),
        (("old.toml", "preset:phoenx"), 'did you mean "phoenix"'),
        (("old.toml", "new.toml", "--fail-if", "lost > 5"), '--fail-if = "lost > 5": must be'),
        (("old.toml", "new.toml", "--fail-if", "lots > +5"), 'did you mean "lost"'),
        (("old.toml", "new.toml", "--replications", "1"), "--replications = 1: must be"),
        (("old.toml", "new.toml", "--on", "live"), '--on = "live": must be sim or fleet'),
        (("old.toml", "new.toml", "--set", "server.wrkers=2"), "--set server.wrkers = 2"),
        (("old.toml", "new.toml", "--clients", "0"), "--clients = 0"),
        (("old.toml", "gone.parquet"), "gone.parquet is not a trace"),
    ],
)
def test_bad_input_is_one_sentence_with_status_2(here, arguments, said):
    result = diff(*arguments)
    assert 2 == result.exit_code
    assert said in result.stderr
    assert 1 == result.stderr.count("Error: ")
    assert "Traceback" not in result.output
