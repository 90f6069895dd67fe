"""The JSON Schema of scenarios: it takes what simlib takes, and refuses what breaks a rule."""

import tomllib
from dataclasses import fields, is_dataclass
from math import inf

import pytest

import simlib as sl
from simlib.cli.schema import make_schema
from simlib.core.errors import SettingsError
from simlib.scenario.json_schema import read_comments, scenario_schema
from simlib.scenario.networks import networks
from simlib.support.files import find_shipped

jsonschema = pytest.importorskip("jsonschema")
FILES = sorted(find_shipped("scenarios").glob("*.toml"))


@pytest.fixture(scope="module")
def validator():
    schema = make_schema()
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(schema)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_shipped_scenario_is_valid_as_written_and_as_dumped(validator, file):
    text = file.read_text(encoding="utf-8")
    assert [] == [error.message for error in validator.iter_errors(tomllib.loads(text))]
    dumped = tomllib.loads(sl.dump(sl.load(file)))
    assert [] == [error.message for error in validator.iter_errors(dumped)]


@pytest.mark.parametrize("name", sl.presets)
def test_every_preset_is_a_client(validator, name):
    for client in (f"preset:{name}", {"preset": name}, dict(sl.presets[name].table)):
        assert [] == list(validator.iter_errors({"client": client}))


@pytest.mark.parametrize("name", networks())
def test_every_network_is_known(validator, name):
    assert [] == list(validator.iter_errors({"network": name}))


VALID = [
    "",
    "clients = 3.0",
    "stay_s = inf",
    "server.backlog = inf",
    "client.breaker.trip_after = inf",
    "client.breaker.trip_after = 5",
    "client.breaker.failure_fraction = inf",
    'client.stops = {ends_on = [410, "4400-4499"], suspends_on = [401]}',
    "path.tls = 1.3",
    'path.tls = "1.3"',
    'workload = {arrivals = "recorded", recorded = [[1, "high", 20], [2.5, "low", 9]]}',
    'network = "lte_driving"',
    '[lint]\nignore = ["no-jitter"]\nthresholds = {outage_s = 90}',
    '[[cohorts]]\nname = "web"\nclients_fraction = 0.5\nclient = "preset:phoenix"',
    "[[hints]]\nstart_s = 2\nonline = false",
]
#: What breaks a rule of one setting; simlib refuses each as well.
INVALID = [
    "clients = 0",
    "clients = 2.5",
    "clients = true",
    'clients = "3"',
    "clients = inf",
    "clients = 100000001",
    "client = 3",
    'client = "phoenix"',
    'client = "preset:phoenx"',
    "clinets = 3",
    "duration_s = 0",
    "duration_s = -1",
    "duration_s = inf",
    'name = "a/b"',
    'name = ".."',
    "name = 3",
    "seed = -1",
    'arrivals = "EVEN"',
    'arrivals = "sometimes"',
    "client.backoff.jitter = 3",
    'client.backoff.jitter = "ful"',
    "client.backoff.cap = 3",
    "client.backoff.heeds_hint = 1",
    "client.backoff.steps_s = 3",
    "client.backoff.steps_s = [-1]",
    "client.breaker.trip_after = 2.5",
    "client.breaker.window = 61",
    "client.breaker.failure_fraction = 0",
    "client.stops.ends_on = [200]",
    'client.stops.ends_on = "410"',
    'client.stops.ends_on = ["gone"]',
    "server.workers = 0",
    "path.loss_fraction = 1.5",
    "path.tls = 1.4",
    'network = "lte_drivin"',
    "faults = 3",
    '[faults]\nkind = "outage"',
    '[[faults]]\nkind = "outag"',
    '[[faults]]\nkind = "reset"\nstart_s = "2"',
    "[[faults]]\nstatus = 200",
    '[[cohorts]]\nname = ""',
    'workload = {arrivals = "recorded", recorded = [[1, "urgent", 20]]}',
    "lint = 3",
]


@pytest.mark.parametrize("text", VALID)
def test_what_simlib_takes_is_valid(validator, text):
    sl.loads(text)
    assert [] == [error.message for error in validator.iter_errors(tomllib.loads(text))]


@pytest.mark.parametrize("text", INVALID)
def test_what_simlib_refuses_for_one_setting_is_invalid(validator, text):
    with pytest.raises(SettingsError):
        sl.loads(text)
    data = tomllib.loads(text)
    assert not validator.is_valid(data)


def test_what_lint_refuses_in_its_table_is_invalid(validator):
    for table in ({"ignore": ["no-jiter"]}, {"ignor": []}, {"thresholds": {"outage_s": -1}}):
        assert not validator.is_valid({"lint": table})


def test_every_setting_is_there_with_its_comment_and_default():
    schema = scenario_schema()
    clients = schema["properties"]["clients"]
    assert ("How many clients.", 100) == (clients["description"], clients["default"])
    backoff = schema["definitions"]["Backoff"]["properties"]
    assert "full" == backoff["jitter"]["default"]
    assert {item.name for item in fields(sl.Backoff) if item.init} == set(backoff)
    for name, schema_of in backoff.items():
        assert schema_of["description"] == read_comments(sl.Backoff)[name]


def test_a_schema_holds_what_every_json_parser_reads():
    def check(value):
        if isinstance(value, float):
            assert abs(value) < inf
        for inside in (
            value.values()
            if isinstance(value, dict)
            else (value if isinstance(value, list) else ())
        ):
            check(inside)

    check(make_schema())


def test_every_part_of_a_scenario_is_defined_once():
    def parts(kind):
        inner = [
            item.default_factory for item in fields(kind) if is_dataclass(item.default_factory)
        ]
        return {kind.__name__}.union(*map(parts, inner))

    expected = (parts(sl.Scenario) | {"Cohort", "Fault", "Hint"}) - {"Scenario"}
    assert expected == set(scenario_schema()["definitions"])
