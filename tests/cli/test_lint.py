"""The command lint: several targets, its forms, what is ignored, and its statuses."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner

from simlib import cli

BAD = 'clients = 50\n[client]\npreset = "phoenix"\n'


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("bad.toml").write_text(BAD)
    Path("ignoring.toml").write_text(f'{BAD}[lint]\nignore = ["no-jitter", "flapping"]\n')
    return tmp_path


def lint(*arguments: str):
    return CliRunner().invoke(cli.main, ["lint", *arguments])


def test_the_status_is_that_of_the_worst_target(here):
    assert 3 == lint("ignoring.toml", "bad.toml", "preset:aws-full").exit_code
    assert 0 == lint("ignoring.toml", "preset:aws-full").exit_code


def test_what_is_ignored_is_counted(here):
    result = lint("ignoring.toml")
    assert result.stdout.startswith("ignoring.toml: ")
    assert ", 2 ignored" in result.stdout.splitlines()[0]
    assert "no-jitter" not in result.stdout


def test_a_project_s_options_hold_for_presets_too(here):
    Path("pyproject.toml").write_text('[tool.simlib.lint]\nignore = ["no-jitter", "flapping"]\n')
    assert 0 == lint("preset:phoenix").exit_code


@pytest.mark.parametrize(
    ("form", "read"),
    [
        ("json", json.loads),
        ("sarif", json.loads),
        ("junit", ET.fromstring),
        ("github", lambda text: [line for line in text.splitlines() if line.startswith("::")]),
        ("text", str.splitlines),
    ],
)
def test_each_form_is_the_only_thing_on_stdout(here, form, read):
    result = lint("bad.toml", "preset:phoenix", "--format", form)
    assert 3 == result.exit_code
    assert len(read(result.stdout)) > 0
    assert "" == result.stderr


def test_the_two_ways_to_ask_for_json_are_one(here):
    assert lint("bad.toml", "--json").stdout == lint("bad.toml", "--format", "json").stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "Missing argument"),
        (("bad.toml", "--json", "--format", "sarif"), "--format"),
        (("bad.toml", "--format", "xml"), "xml"),
        (("bad.toml", "nwe.toml"), "nwe.toml"),
        (("wrong.toml",), 'wrong.toml: lint.ignore[0] = "no-jiter": is no rule of lint'),
    ],
)
def test_bad_input_is_no_finding(here, arguments, said):
    Path("wrong.toml").write_text(f'{BAD}[lint]\nignore = ["no-jiter"]\n')
    result = lint(*arguments)
    assert 2 == result.exit_code
    assert said in result.stderr
    assert "Traceback" not in result.output
