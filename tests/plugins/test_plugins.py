"""A package of somebody else adds one of each kind, and each is used by the command line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ADDED = """
from pathlib import Path

CLIENT = {"backoff": {"base_s": 0.25, "cap_s": 8, "jitter": "full"}}
FOLDER = Path(__file__).parent
SCENARIO = FOLDER / "quiet_office.toml"
NO_SCENARIO = FOLDER / "broken.toml"
NO_FUNCTION = 7
BAD_CLIENT = {"backoff": {"base_s": -1}}


def to_swift(client):
    return f"let base = {client.backoff.base_s}", client


def check_cap(case):
    from simlib.studies.policy.lint.case import LintFinding

    return LintFinding("cap-over-5", "info", "client", "the cap is high", 8.0, "s", "lower it")
"""
ENTRY_POINTS = """
[simlib.presets]
office = office_plugin:CLIENT
phoenix = office_plugin:CLIENT
bad-client = office_plugin:BAD_CLIENT

[simlib.lint_rules]
cap-over-5 = office_plugin:check_cap
no-jitter = office_plugin:check_cap
not-a-rule = office_plugin:NO_FUNCTION

[simlib.exporters]
swift = office_plugin:to_swift
gone = no_such_module:export

[simlib.scenarios]
quiet_office = office_plugin:SCENARIO
first_outage = office_plugin:SCENARIO
broken = office_plugin:NO_SCENARIO
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with a package and what says that it is installed."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "office_plugin.py").write_text(ADDED, encoding="utf-8")
    (folder / "quiet_office.toml").write_text("clients = 2\nduration_s = 5\n", encoding="utf-8")
    (folder / "broken.toml").write_text("clients = 0\n", encoding="utf-8")
    info = folder / "office_plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: office-plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS, encoding="utf-8")
    return folder


def simlib(installed, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "simlib", *arguments],
        env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{installed}"},
        cwd=installed,
        capture_output=True,
        text=True,
        check=False,
    )


def left_out(done, kind, name, why):
    told = [line for line in done.stderr.splitlines() if f'plug-in "{name}"' in line]
    assert 1 == len(told), done.stderr
    assert f"of office-plugin (simlib.{kind}, " in told[0]
    assert why in told[0]


def test_a_preset_is_exported_and_what_is_wrong_with_others_is_told(installed):
    done = simlib(installed, "export", "preset:office", "--for", "swift")
    assert "let base = 0.25" in done.stdout, done.stderr
    left_out(done, "presets", "phoenix", "simlib has one of this name itself")
    left_out(done, "presets", "bad-client", "backoff.base_s = -1")
    left_out(done, "exporters", "gone", "No module named 'no_such_module'")


def test_a_scenario_is_listed_and_played_and_a_broken_one_breaks_no_other(installed):
    done = simlib(installed, "scenarios")
    assert 0 == done.returncode, done.stderr
    assert "quiet_office" in done.stdout
    assert "reconnect_storm" in done.stdout
    left_out(done, "scenarios", "first_outage", "simlib has one of this name itself")
    left_out(done, "scenarios", "broken", "clients = 0")
    done = simlib(installed, "run", "quiet_office", "--json")
    assert 0 == done.returncode, done.stderr
    assert "summary" in json.loads(done.stdout)


def test_a_lint_rule_finds_something(installed):
    done = simlib(installed, "lint", "preset:office", "--format", "json")
    assert "cap-over-5" in done.stdout, done.stderr
    left_out(done, "lint_rules", "not-a-rule", "must be a function")
    left_out(done, "lint_rules", "no-jitter", "simlib has one of this name itself")


@pytest.mark.parametrize("form", ["text", "github", "sarif", "junit"])
def test_a_plug_in_s_finding_stands_in_each_form(installed, form):
    assert "cap-over-5" in simlib(installed, "lint", "quiet_office", "--format", form).stdout


def test_warnings_are_seen_though_the_logger_has_a_handler_that_does_nothing(tmp_path):
    code = (
        "import logging; from simlib.support.messages import warn_user; "
        "warn_user('once %s', 'seen'); "
        "logging.basicConfig(format='logged %(message)s'); warn_user('twice %s', 'seen')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ["once seen", "logged twice seen"] == done.stderr.splitlines()


@pytest.mark.slow
@pytest.mark.live
def test_a_log_level_shows_the_faults_of_a_live_run():
    arguments = ["run", "first_outage", "--on", "live", "--clients", "2", "--json"]
    changed = ["--set", "duration_s=3", "--set", 'faults=[{kind="reset", start_s=1}]']
    done = subprocess.run(
        [sys.executable, "-m", "simlib", "--log-level", "debug", *arguments, *changed],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    logged = [line.split(" simlib: ")[1] for line in done.stderr.splitlines() if " DEBUG " in line]
    assert "live run of first_outage begins: 2 clients" == logged[0]
    assert [line for line in logged if line.startswith("reset starts: ")], logged
    assert logged[-1].startswith("live run of first_outage ended at 3.")
    assert "summary" in json.loads(done.stdout)
