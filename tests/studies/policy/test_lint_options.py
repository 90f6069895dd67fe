"""What lint ignores and from where on it finds something, in a scenario or in pyproject.toml."""

from dataclasses import fields
from pathlib import Path

import pytest

import simlib as sl
from simlib.core.errors import SettingsError
from simlib.studies.policy.lint import RULES, lint
from simlib.studies.policy.lint.options import Thresholds, read_options
from simlib.studies.policy.lint.places import RULE_KEYS

SCENARIO = 'clients = 50\nclient = "preset:phoenix"\n'
ALL = list(RULES)


@pytest.fixture
def here(tmp_path, monkeypatch):
    folder = tmp_path / "scenarios"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def options(scenario: str = "", project: str = ""):
    Path("a.toml").write_text(SCENARIO + scenario)
    if project:
        Path("../pyproject.toml").write_text(project)
    return read_options(Path("a.toml"), ALL)


def test_a_scenario_ignores_rules_and_is_played_as_without(here):
    found = options('[lint]\nignore = ["no-jitter"]\n')
    assert ("no-jitter",) == found.ignore
    assert sl.load("a.toml") == sl.loads(SCENARIO).replace(name="a")


def test_a_text_may_say_what_lint_ignores_too():
    assert 50 == sl.loads(f'{SCENARIO}[lint]\nignore = ["no-jitter"]\n').clients
    with pytest.raises(SettingsError, match="lint must be a table"):
        sl.loads("lint = 3")


def test_the_project_around_a_scenario_holds_for_it_too(here):
    found = options(
        '[lint]\nignore = ["no-jitter"]\n[lint.thresholds]\noutage_s = 9\n',
        '[tool.simlib.lint]\nignore = ["flapping", "no-jitter"]\n'
        "[tool.simlib.lint.thresholds]\noutage_s = 300\nidle_timeout_s = 70\n",
    )
    assert {"flapping", "no-jitter"} == set(found.ignore)
    assert Thresholds(outage_s=9, idle_timeout_s=70) == found.thresholds


def test_without_a_file_the_project_of_the_working_folder_holds(here):
    options(project='[tool.simlib.lint]\nignore = ["flapping"]\n')
    assert ("flapping",) == read_options(None, ALL).ignore


def test_another_project_s_file_further_in_is_passed_over(here):
    Path("pyproject.toml").write_text("[tool.ruff]\nline-length = 100\n")
    assert ("flapping",) == options(project='[tool.simlib.lint]\nignore = ["flapping"]\n').ignore


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ('ignore = ["no-jiter"]', 'ignore[0] = "no-jiter": is no rule of lint (did you mean'),
        ('ignore = ["hammers-unauthorized"]', "is now called stops-on-401-never"),
        ('ignore = "no-jitter"', 'ignore = "no-jitter": must be a list of rules'),
        ("ignore = [3]", "ignore[0] = 3: is no rule"),
        ("ignor = []", "ignor = []: is not an option of lint (did you mean"),
        ("thresholds = 3", "must be a table"),
        ("thresholds.outage = 3", "thresholds.outage = 3: is not a setting (did you mean"),
        ("thresholds.outage_s = -1", "thresholds.outage_s = -1: must be a number of seconds"),
        ('thresholds.outage_s = "60"', 'thresholds.outage_s = "60": must be a number of seconds'),
        ("thresholds.outage_s = inf", "thresholds.outage_s = inf: must be a number of seconds"),
    ],
)
def test_a_wrong_option_names_file_key_value_and_rule(here, given, said):
    with pytest.raises(SettingsError) as refused:
        options(f"[lint]\n{given}\n")
    assert str(refused.value).startswith("a.toml: lint.")
    assert said in str(refused.value)
    with pytest.raises(SettingsError) as refused:
        options(project=f"[tool.simlib.lint]\n{given}\n")
    assert "pyproject.toml: tool.simlib.lint." in str(refused.value)
    assert said in str(refused.value)


def test_a_project_s_file_that_is_not_toml_is_named(here):
    with pytest.raises(SettingsError, match=r"pyproject\.toml.*is not TOML"):
        options(project="[tool")


def test_an_ignored_rule_finds_nothing_and_the_others_what_they_found():
    found = {each.rule for each in lint(sl.presets["phoenix"])}
    left = {each.rule for each in lint(sl.presets["phoenix"], ignore=["no-jitter"])}
    assert found - {"no-jitter"} == left != found


#: By threshold: a target in which it decides, its rule, and a value at which that finds nothing.
DECIDES = {
    "outage_s": (sl.presets["stamina"], "gives-up", 20),
    "storm_outage_s": (
        sl.Scenario(
            clients=500,
            client=sl.Settings(backoff=sl.Backoff(base_s=1, cap_s=300)),
            server=sl.ServerSettings(accept_per_s=20),
        ),
        "storm-peak", 600,
    ),
    "idle_timeout_s": (sl.presets["paho-mqtt"], "heartbeat-slow", 61),
    "narrow_fraction": (sl.presets["ioredis"], "jitter-narrow", 0.001),
    "flapping_per_s": (sl.presets["socket.io-client"], "flapping", 1),
    "together_fraction": (
        sl.Scenario(
            client=sl.Settings(
                backoff=sl.Backoff(base_s=0.5, cap_s=1), breaker=sl.Breaker(trip_after=3, open_s=5)
            )
        ),
        "breaker-trips-together", 0.9,
    ),
    "slower_fraction": (
        sl.Scenario(
            client=sl.Settings(
                backoff=sl.Backoff(cap_s=5), breaker=sl.Breaker(trip_after=3, open_s=30)
            )
        ),
        "breaker-slows", 100,
    ),
}  # fmt: skip


@pytest.mark.few(3)
@pytest.mark.parametrize("name", DECIDES)
def test_a_threshold_decides_whether_its_rule_finds_something(name):
    target, rule, value = DECIDES[name]
    assert rule in {each.rule for each in lint(target)}
    assert rule not in {each.rule for each in lint(target, thresholds={name: value})}


def test_the_threshold_of_a_hint_decides_whether_it_is_a_warning():
    hinting = sl.Scenario(server=sl.ServerSettings(retry_after_s=100))
    for thresholds, severity in (({}, "info"), ({"hint_s": 60}, "warning")):
        found = lint(hinting, thresholds=thresholds)
        assert [severity] == [each.severity for each in found if each.rule == "hint-uncapped"]


def test_the_threshold_of_a_401_decides_whether_it_is_a_warning():
    rule = "stops-on-401-never"
    (found,) = [each for each in lint(sl.presets["sockette"]) if each.rule == rule]
    assert "warning" == found.severity
    calm = lint(sl.presets["sockette"], thresholds={"unauthorized_per_s": 2})
    assert ["info"] == [each.severity for each in calm if each.rule == rule]


def test_every_threshold_is_tried_and_says_its_rules():
    source = Path(sl.__file__).with_name("studies") / "policy" / "lint" / "options.py"
    text = source.read_text(encoding="utf-8")
    for item in fields(Thresholds):
        assert item.name in {*DECIDES, "unauthorized_per_s", "hint_s"}
        comment = text.partition(f"    {item.name}: float")[0].rpartition("\n    #: ")
        said = (comment[0].rpartition("\n\n")[2] + comment[2]).replace("\n", " ")
        assert any(rule in said for rule in RULES), item.name


def test_every_rule_has_a_key_and_each_key_is_a_setting():
    assert list(RULES) == list(RULE_KEYS)
    scenario = sl.Scenario()
    for key in RULE_KEYS.values():
        part = scenario if key.startswith("/") else scenario.client
        for name in key.removeprefix("/").split("."):
            part = getattr(part, name)
