"""Errors name what is to blame, and stay the same in another process and under another name."""

import pickle
from pathlib import Path

import pytest

import simlib as sl
from simlib.core.errors import EngineError, FileError, Interruption, SettingsError
from simlib.explorers.playing import CompilesFirst
from simlib.lab.observe.listener import ObservationInterrupted
from simlib.lab.observe.observation import Observation
from simlib.support.databases import Trouble, UnusableDatabase

ERRORS = {
    "setting": SettingsError("a.b", 3, "must be a text"),
    "file": FileError("pings.csv", "is empty"),
    "row": FileError("pings.csv", "must be a time", where="row 3", value="x"),
    "store": UnusableDatabase(Path("a.sqlite"), Trouble.FULL, "no room", "it is kept"),
    "fleet": CompilesFirst(sl.Scenario()),
    "observation": ObservationInterrupted(Observation([])),
}


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_is_the_same_in_another_process_and_as_simpy_copies_it(name):
    error = ERRORS[name]
    sent, copied = pickle.loads(pickle.dumps(error)), type(error)(*error.args)
    assert [(type(error), str(error))] * 2 == [(type(e), str(e)) for e in (sent, copied)]
    assert vars(sent).keys() == vars(error).keys()


def test_a_setting_is_named_from_further_out_and_a_file_is_not():
    setting, file = ERRORS["setting"], ERRORS["file"]
    assert "client.a.b = 3: must be a text" == str(setting.inside("client"))
    assert "--set a.b = 3: must be a text" == str(setting.after("--set"))
    assert "pings.csv: is empty" == str(file.inside("client")) == str(file.after("--set"))


def test_a_row_of_a_file_is_named_with_its_value():
    assert 'pings.csv: row 3 = "x": must be a time' == str(ERRORS["row"])


def test_a_value_that_python_cannot_write_is_refused_all_the_same():
    nested: list[object] = []
    for _ in range(100_000):
        nested = [nested]
    for value in (nested, 16**5000):
        said = str(SettingsError("clients", value, "must be a number"))
        assert "clients = (too long, or nested too deep, to be shown): must be a number" == said


def test_a_notebook_shows_an_interruption_as_one_line():
    assert ["Interrupted: all is kept."] == Interruption("all is kept.")._render_traceback_()


def test_an_error_about_a_scenario_is_one_line_too():
    storm = sl.Scenario(name="storm", faults=[sl.Fault("reset", start_s=1)])
    said = str(SettingsError("scenario", storm, "must be a number"))
    assert "scenario = Scenario storm: 100 clients, 60 s, seed 1: must be a number" == said


def test_the_form_of_an_error_for_programmers_has_no_secrets_either():
    error = SettingsError("url", "ws://host/?token=hush", "must be on this machine")
    assert "hush" not in repr(error)
    assert "must be on this machine" in repr(error)
    assert "EngineError('a process is missing')" == repr(EngineError("a process is missing"))


def test_so_much_of_key_value_and_rule_is_shown_and_no_more():
    whole = str(SettingsError("k" * 500, "v" * 500, "r" * 1200))
    assert f'{"k" * 500} = "{"v" * 500}": {"r" * 1200}' == whole
    cut = str(SettingsError("k" * 501, "v" * 501, "r" * 1201))
    assert f'{"k" * 500}... = "{"v" * 500}...": {"r" * 1200}...' == cut
    listed = str(SettingsError("clients", ["v" * 600], "must be a number"))
    assert f"clients = ['{'v' * 498}...: must be a number" == listed
    assert "clients = : must be a number" == str(
        SettingsError("clients", Silent(), "must be a number")
    )


class Silent:
    """What shows nothing of itself."""

    def __repr__(self):
        return ""


def test_secrets_are_looked_for_beyond_what_is_shown():
    # The mask is shorter than the secret, so what stands behind it moves up.
    said = str(SettingsError("headers", f"token={'x' * 9000} end", "must be short"))
    assert 'headers = "token=*** end": must be short' == said
    # And no further than that: a text of any length takes little time.
    said = str(SettingsError("headers", f"{'y' * 480} token={'x' * 20_000} end", "must be short"))
    assert f'headers = "{"y" * 480} token=***": must be short' == said
