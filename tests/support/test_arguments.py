"""Wrong kinds of arguments are named, with the rule that they break, before anything is played."""

import inspect
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

import simlib as sl
from simlib.studies.calibrate.calibrate import calibrate
from simlib.studies.claims.claims import claims
from simlib.support.arguments import check_arguments

CALM = sl.Scenario(clients=2, duration_s=3)
STORM = CALM.replace(faults=[sl.Fault("outage", start_s=1, stop_s=2)])
#: Of each function a call that is right, by position.
CALLS = {
    sl.run: (CALM, "sim"),
    sl.run_many: ([CALM],),
    sl.compare: (CALM, 20),
    sl.replicate: (CALM, 2),
    sl.paired: (CALM, CALM, 2),
    sl.sweep: (CALM, {"clients": [1]}, 1),
    sl.sensitivity: (CALM, {"clients": [1, 2]}, ["attempts"]),
    sl.tune: (STORM, {"clients": [1, 2]}, ["attempts"], ["lost <= 0"], 8),
    sl.capacity: (STORM, 5.0),
    sl.ensemble: (STORM,),
    sl.lint: (CALM,),
    sl.export: (CALM.client, "phoenix"),
    sl.summary: ([],),
    sl.infer: ("attempts.parquet",),
    sl.load: ("mine.toml",),
    sl.dump: (CALM,),
    sl.observe: ("quick",),
    sl.explore: (CALM,),
    sl.explore.storm: (CALM,),
    sl.plots.attempts: ([],),
    claims: (CALM, 20),
    calibrate: ("pings.csv",),
}
WRONG = [None, 3, 2.5, "text", [3], {"a": 1}, object(), True, CALM, CALM.client]


def fits(function, name, value) -> bool:
    """Whether the annotation of an argument allows a value, for the kinds in `WRONG`."""
    words = str(inspect.signature(function).parameters[name].annotation)
    if value is None:
        return "None" in words
    kinds = {bool: "bool", int: "int", float: "float", str: "str", dict: "Mapping"}
    kinds |= {list: "Sequence[int", sl.Scenario: "Scenario", sl.Settings: "Settings"}
    if isinstance(value, int) and not isinstance(value, bool) and "float" in words:
        return True
    return kinds.get(type(value), "nothing") in words


@pytest.mark.parametrize("function", CALLS, ids=lambda function: function.__name__)
def test_an_argument_of_a_wrong_kind_is_named_with_its_rule(function):
    right = CALLS[function]
    names = list(inspect.signature(function).parameters)
    tried = 0
    for i, name in enumerate(names[: len(right)]):
        for value in WRONG:
            if fits(function, name, value):
                continue
            with pytest.raises(sl.SettingsError) as error:
                function(*right[:i], value, *right[i + 1 :])
            assert name == error.value.key, value
            assert value is error.value.value
            assert error.value.rule.startswith("must be ")
            tried += 1
    assert tried >= 5


@pytest.mark.parametrize("function", CALLS, ids=lambda function: function.__name__)
def test_a_progress_that_is_no_function_is_refused(function):
    if "progress" in inspect.signature(function).parameters:
        with pytest.raises(sl.SettingsError, match="progress = 3: must be a function or None"):
            function(*CALLS[function], progress=3)


def test_rules_say_what_is_wanted():
    @check_arguments
    def played(
        one: "sl.Scenario | list[sl.Scenario]", *more: "float", path: "str | Path" = ""
    ) -> None:
        pass

    played(CALM, 2, 2.5, path=Path())
    played([CALM, CALM])
    for wrong, rule in [
        (lambda: played(3), "one = 3: must be a Scenario or a list in which each is a Scenario"),
        (
            lambda: played([3]),
            "one = [3]: must be a Scenario or a list in which each is a Scenario",
        ),
        (lambda: played(CALM, 1, "x"), 'more = "x": must be a number'),
        (lambda: played(CALM, True), "more = True: must be a number"),
        (lambda: played(CALM, path=3), "path = 3: must be a text or a path"),
    ]:
        with pytest.raises(sl.SettingsError) as error:
            wrong()
        assert rule == str(error.value)


def test_a_call_that_is_no_call_stays_python_s_own_error():
    with pytest.raises(TypeError, match="missing a required argument"):
        sl.run()
    with pytest.raises(TypeError, match="unexpected keyword"):
        sl.run(CALM, on_="sim")


# --- other raw errors --------------------------------------------------------------------


@pytest.mark.parametrize("value", [None, 3, True, "x", object()])
def test_recorded_messages_are_a_list(value):
    with pytest.raises(sl.SettingsError, match="must be a list of messages"):
        sl.Workload(arrivals="recorded", recorded=value)


def test_a_grid_s_values_are_a_list():
    with pytest.raises(sl.SettingsError, match="grid clients = 1: must be a list"):
        sl.sweep(CALM, {"clients": 1})


def test_a_sweep_over_lists_has_means():
    grid = {"client.backoff.steps_s": [[1, 2], [3]], "clients": [1, 2]}
    means = sl.sweep(CALM, grid, 2, workers=1).means("attempts")
    assert [[1, 2], [1, 2], [3], [3]] == means["client.backoff.steps_s"].tolist()
    assert [1, 2, 1, 2] == means["attempts"].tolist()
    assert [2, 2, 2, 2] == means["runs"].tolist()


def test_a_trace_of_another_version_is_said(tmp_path):
    file = tmp_path / "a.parquet"
    sl.run(CALM).save(file)
    table = pq.read_table(file)
    for other in (
        table.drop_columns(["quality"]),
        table.replace_schema_metadata({"simlib": '{"engine": "sim"}'}),
        table.replace_schema_metadata(
            {
                "simlib": table.schema.metadata[b"simlib"]
                .decode()
                .replace("clients = 2", "customers = 2")
            }
        ),
    ):
        pq.write_table(other, file)
        with pytest.raises(sl.SimlibError, match=r"a\.parquet is a trace of another version"):
            sl.Trace.load(file)
    pq.write_table(table.replace_schema_metadata({}), file)
    with pytest.raises(
        sl.SimlibError, match=r"a\.parquet is not a trace: Trace\.save did not write it"
    ):
        sl.Trace.load(file)


def test_infer_says_which_file_is_wrong_and_why(tmp_path):
    file = tmp_path / "a.parquet"
    sl.run(CALM).save(file)
    with pytest.raises(sl.SettingsError) as error:
        sl.infer(file)
    assert f"{file}: is the trace of a run: simlib observe writes what infer reads" == str(
        error.value
    )
    pd.DataFrame({"phase": [1]}).to_parquet(file)
    with pytest.raises(sl.SettingsError) as error:
        sl.infer(str(file))
    assert str(error.value).startswith(f'{file}: observation = "kind": is not among the columns')


def test_names_of_presets_are_texts():
    assert [3] not in sl.presets
    assert sl.presets.get([3]) is None
