"""The commands schema and new: what an editor and a beginner get."""

import json
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

import simlib as sl
from simlib import cli
from simlib.cli.schema import make_schema
from simlib.studies.policy.lint import lint


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def simlib(*arguments: str):
    return CliRunner().invoke(cli.main, arguments)


def test_the_schema_is_one_strict_json_document(here):
    result = simlib("schema")
    assert 0 == result.exit_code
    assert make_schema() == json.loads(result.stdout, parse_constant=pytest.fail)


def test_a_new_scenario_runs_has_nothing_wrong_and_is_valid(here):
    jsonschema = pytest.importorskip("jsonschema")
    result = simlib("new", "storm")
    assert 0 == result.exit_code, result.output
    assert "simlib run storm.toml" in result.stdout
    text = Path("storm.toml").read_text(encoding="utf-8")
    assert text.startswith("#:schema simlib.schema.json\n")
    schema = json.loads(Path("simlib.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft7Validator(schema).validate(tomllib.loads(text))
    scenario = sl.load("storm.toml")
    assert "storm" == scenario.name
    assert [] == lint(scenario)
    assert 0 == sl.summary(sl.run(scenario.replace(clients=30)))["never_recovered"].iloc[0]


def test_every_setting_of_a_new_scenario_has_a_comment(here):
    simlib("new", "storm")
    lines = Path("storm.toml").read_text(encoding="utf-8").splitlines()
    headers = [i for i, line in enumerate(lines) if line.startswith("[")]
    assert [] == [lines[i] for i in headers if not lines[i - 1].startswith("#")]
    assert max(map(len, lines)) <= 100


def test_a_new_scenario_may_lie_in_a_folder_and_have_its_suffix(here):
    Path("scenarios").mkdir()
    assert 0 == simlib("new", "scenarios/storm.toml").exit_code
    assert "storm" == sl.load("scenarios/storm.toml").name
    assert Path("scenarios/simlib.schema.json").is_file()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("there", "there.toml: is there already"),
        ("there.toml", "there.toml: is there already"),
        ("nowhere/storm", "cannot be written"),
        ("..", "must be a text without slashes"),
        ('a"b', "must be of letters"),
        ("a\nb", "must be a text without slashes and control"),
    ],
)
def test_nothing_is_written_over_or_beside_what_is_asked_for(here, name, said):
    Path("there.toml").write_text("clients = 3\n")
    result = simlib("new", name)
    assert 2 == result.exit_code
    assert said in result.stderr
    assert ["there.toml"] == [file.name for file in here.iterdir()]
    assert "clients = 3\n" == Path("there.toml").read_text()
