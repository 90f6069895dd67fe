"""What a shell completes, and options that are set in the environment."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

import simlib as sl
from simlib import cli


def completed(*words: str) -> set[str]:
    """What the last of some words may become."""
    complete = ShellComplete(cli.main, {}, "simlib", "_SIMLIB_COMPLETE")
    return {item.value for item in complete.get_completions(list(words[:-1]), words[-1])}


@pytest.mark.parametrize(
    ("words", "found", "not_found"),
    [
        (("pre",), {"presets"}, {"run"}),
        (("run", "first"), {"first_outage"}, {"reconnect_storm"}),
        (("run", "first_outage", "--se"), {"--set", "--seed"}, {"--on"}),
        (("run", "--set", "client.backoff.c"), {"client.backoff.cap_s="}, {"client.rate.per_s="}),
        (("report", "--set", "client.backoff.c"), {"client.backoff.cap_s="}, set()),
        (("report", "first_outage", "rec"), {"reconnect_storm"}, set()),
        (("run", "--set", "client.backoff.jitter=f"), {"client.backoff.jitter=full"}, set()),
        (("run", "--set", "client.outbox.persist="), set(), {"first_outage"}),
        (("run", "--set", "server.deduplicates=t"), {"server.deduplicates=true"}, set()),
        (("lint", "preset:ph"), {"preset:phoenix"}, {"preset:sockette"}),
        (("lint", "first_outage", "preset:ph"), {"preset:phoenix"}, set()),
        (("diff", "first_outage", "rec"), {"reconnect_storm"}, set()),
        (("diff", "--fail-if", "los"), {"lost"}, {"attempts"}),
        (("export", "preset:so"), {"preset:sockette", "preset:socket.io-client"}, set()),
        (("presets", "show", "pho"), {"phoenix"}, {"preset:phoenix"}),
        (("presets", "compare", "phoenix", "aws-f"), {"aws-full"}, set()),
        (("sweep", "reconnect", ), {"reconnect_storm"}, set()),
        (("lint", "--format", "s"), {"sarif"}, {"junit"}),
    ],
)  # fmt: skip
def test_a_word_is_completed(words, found, not_found):
    values = completed(*words)
    assert found <= values
    assert set() == not_found & values


def test_files_are_completed_beside_names():
    complete = ShellComplete(cli.main, {}, "simlib", "_SIMLIB_COMPLETE")
    items = complete.get_completions(["run"], "scen")
    assert ["file"] == [item.type for item in items if item.type != "plain"]


def test_every_scenario_preset_and_setting_is_completed():
    assert set(sl.presets) == completed("presets", "show", "")
    scenario = sl.Scenario()
    for each in completed("run", "--set", ""):
        key = each.removesuffix("=")
        part = scenario
        for name in key.split("."):
            part = getattr(part, name)


def test_bash_gets_its_completions_from_a_process():
    env = os.environ | {
        "_SIMLIB_COMPLETE": "bash_complete",
        "COMP_WORDS": "simlib lint preset:pho", "COMP_CWORD": "2",
        "PYTHONPATH": str(Path(sl.__file__).parents[1]),
    }  # fmt: skip
    code = "from simlib.cli import main; main(prog_name='simlib')"
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False
    )
    assert "plain,preset:phoenix" in done.stdout.splitlines()


# --- the environment ---------------------------------------------------------------------


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("small.toml").write_text("clients = 2\nduration_s = 4\n")


def test_an_option_is_set_by_the_environment_and_what_is_typed_goes_before_it(here, monkeypatch):
    monkeypatch.setenv("SIMLIB_RUN_SEED", "7")
    monkeypatch.setenv("SIMLIB_RUN_JSON", "1")
    monkeypatch.setenv("SIMLIB_RUN_SET", "client.backoff.cap_s=9 server.workers=2")
    said = CliRunner().invoke(cli.main, ["run", "small.toml"]).stdout
    assert '"seed": 7' in said
    typed = CliRunner().invoke(cli.main, ["run", "small.toml", "--seed", "8"]).stdout
    assert '"seed": 8' in typed
    document = said.partition('"scenarios": ')[2]
    monkeypatch.delenv("SIMLIB_RUN_SET")
    assert (
        document
        != CliRunner().invoke(cli.main, ["run", "small.toml"]).stdout.partition('"scenarios": ')[2]
    )


def test_rules_of_a_diff_may_stand_in_the_environment(here, monkeypatch):
    monkeypatch.setenv("SIMLIB_DIFF_FAIL_IF", "attempts>+0 attempts>+10%")
    monkeypatch.setenv("SIMLIB_DIFF_REPLICATIONS", "2")
    monkeypatch.setenv("SIMLIB_DIFF_ON", "sim")
    result = CliRunner().invoke(cli.main, ["diff", "small.toml", "small.toml"])
    assert "passes attempts>+10%" in result.stdout, result.output


def test_a_wrong_value_of_the_environment_is_bad_input(here, monkeypatch):
    monkeypatch.setenv("SIMLIB_RUN_SEED", "seven")
    result = CliRunner().invoke(cli.main, ["run", "small.toml"])
    assert 2 == result.exit_code
    assert "seven" in result.stderr


def options(command: click.Command, words: str):
    """Every option of a command and of those below it, with the words before it."""
    for option in command.params:
        if isinstance(option, click.Option):
            yield words, option
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            yield from options(command.get_command(click.Context(command), name), f"{words} {name}")


def test_every_option_of_every_command_has_a_variable_of_its_own():
    found = [
        (words, option)
        for words, option in options(cli.main, "simlib")
        if words != "simlib" and not option.is_eager
    ]
    variables = [option.envvar for _, option in found]
    assert len(set(variables)) == len(variables) > 100
    for words, option in found:
        name = f"{words} {max(option.opts, key=len).lstrip('-')}"
        assert name.upper().replace(" ", "_").replace("-", "_") == option.envvar
