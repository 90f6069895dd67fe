"""A mix of presets by share is the same as cohorts that are written out."""

import pytest
from click.testing import CliRunner

import simlib as sl
from simlib.cli import arguments
from simlib.cli.app import main
from simlib.scenario.mix import read_mix


def simlib(*words):
    return CliRunner().invoke(main, list(words))


def cohorts(**percents):
    return [
        sl.Cohort(name=name, clients_fraction=percent / 100, client=sl.presets[name].client)
        for name, percent in percents.items()
    ]


def test_a_mix_is_cohorts_with_the_presets_settings():
    assert cohorts(sockette=40, phoenix=60) == sl.mix({"sockette": 40, "phoenix": 60})
    assert cohorts(sockette=12.5) == sl.mix({"preset:sockette": 12.5})


def test_clients_of_a_mix_play_as_those_of_a_file_with_cohorts(tmp_path):
    file = tmp_path / "mixed.toml"
    file.write_text(
        "clients = 30\nduration_s = 20\n"
        '[[faults]]\nkind = "reset"\nstart_s = 5\n'
        '[[cohorts]]\nname = "sockette"\nclients_fraction = 0.4\nclient = "preset:sockette"\n'
        '[[cohorts]]\nname = "phoenix"\nclients_fraction = 0.6\nclient = "preset:phoenix"\n'
    )
    written = sl.load(file)
    mixed = written.replace(cohorts=sl.mix({"sockette": 40, "phoenix": 60}))
    assert written == mixed
    assert sl.run(written).digest() == sl.run(mixed).digest()


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        (
            {"phonix": 60},
            'mix["phonix"] = 60: is no preset (did you mean "phoenix"?); simlib presets lists them',
        ),
        ({"phoenix": 0}, 'mix["phoenix"] = 0: must be a share of 100, above 0 and at most 100'),
        ({"phoenix": -1}, 'mix["phoenix"] = -1: must be a share of 100, above 0 and at most 100'),
        ({"phoenix": 101}, 'mix["phoenix"] = 101: must be a share of 100, above 0 and at most 100'),
        (
            {"phoenix": float("nan")},
            'mix["phoenix"] = nan: must be a share of 100, above 0 and at most 100',
        ),
        (
            {"phoenix": "many"},
            'mix["phoenix"] = "many": must be a share of 100, above 0 and at most 100',
        ),
        (
            {"phoenix": 10**400},
            f'mix["phoenix"] = 1{"0" * 400}: must be a share of 100, above 0 and at most 100',
        ),
        ({}, "mix = {}: must have at least one preset and its share"),
        (
            {"phoenix": 60, "sockette": 50},
            "mix = {'phoenix': 60, 'sockette': 50}: has shares that add up to 110, above 100",
        ),
    ],
)
def test_what_is_no_mix_is_refused_with_the_preset_and_the_rule(shares, message):
    with pytest.raises(sl.SettingsError) as error:
        sl.mix(shares)
    assert message == str(error.value)


def test_shares_that_add_up_to_100_but_for_rounding_are_all_clients():
    thirds = sl.mix(dict.fromkeys(("phoenix", "sockette", "trpc"), 100 / 3))
    assert 3 == len(sl.Scenario(cohorts=thirds).policies)


@pytest.mark.parametrize(
    "text",
    ["", "phoenix", "phoenix=", "=60", "phoenix=60,", "phoenix=a lot", "phoenix=1,phoenix=2"],
)
def test_a_text_that_names_no_shares_is_refused(text):
    with pytest.raises(sl.SettingsError, match=r"PRESET=SHARE|share of 100|names phoenix twice"):
        read_mix(text)


# --- on the command line -----------------------------------------------------------------


@pytest.mark.parametrize(
    "command", ["run", "lint", "sweep", "compare", "capacity", "tune", "watch"]
)
def test_every_command_that_plays_a_scenario_takes_a_mix(command):
    assert "--clients-mix" in simlib(command, "--help").stdout


def test_a_run_with_a_mix_has_its_cohorts(tmp_path):
    words = ["run", "first_outage", "--clients-mix", "phoenix=40,sockette=60"]
    result = simlib(*words, "--out", str(tmp_path / "out"))
    assert 0 == result.exit_code, result.output
    trace = sl.Trace.load(tmp_path / "out" / "trace.parquet")
    assert tuple(cohorts(phoenix=40, sockette=60)) == trace.scenario.cohorts
    assert "The other" not in result.stderr


def test_shares_below_100_are_told_and_leave_the_scenario_s_own_client():
    result = simlib("run", "first_outage", "--clients-mix", "phoenix=90")
    said = "The other 10 % of the clients have the scenario's own settings."
    assert said == " ".join(result.stderr.split())
    scenario = arguments.scenario_of("first_outage", [], None, None, "phoenix=90")
    assert (sl.presets["phoenix"].client, sl.load("data/scenarios/first_outage.toml").client) == (
        scenario.policies
    )


def test_what_is_set_goes_over_a_mix():
    settings = ["cohorts.0.client.backoff.jitter=full"]
    scenario = arguments.scenario_of("first_outage", settings, None, None, "sockette=100")
    assert "full" == scenario.cohorts[0].client.backoff.jitter.name.lower()
    assert 1 == scenario.cohorts[0].client.backoff.base_s


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--clients-mix", "phonix=60"], 'is no preset (did you mean "phoenix"?)'),
        (["--clients-mix", "phoenix=60,sockette=60"], "add up to 120, above 100"),
        (["--clients-mix", "phoenix"], "must be PRESET=SHARE,..."),
        (["--clients-mix", "phoenix=60", "--set", "cohorts=[]"], "goes without --set cohorts"),
    ],
)
def test_a_mix_that_cannot_be_read_names_the_option_and_the_rule(given, said):
    result = simlib("run", "first_outage", *given)
    assert 2 == result.exit_code
    assert "--clients-mix" in result.stderr
    assert said in " ".join(result.stderr.split())
