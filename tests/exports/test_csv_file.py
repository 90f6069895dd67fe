"""A trace as CSV: its cells, and what the table of columns says of them."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import simlib as sl
from simlib.trace.columns import COLUMNS, HAPPENINGS, Kind, Name, says
from simlib.trace.trace import Trace

SCENARIOS = sorted((Path(__file__).parents[2] / "data" / "scenarios").glob("*.toml"))
SMALL = sl.Scenario(name="small", clients=2, duration_s=9, faults=[sl.Fault("reject", 3, 4)])


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> tuple[Trace, Path]:
    file = tmp_path_factory.mktemp("csv") / "run.csv"
    trace = sl.run(SMALL)
    trace.to_csv(file)
    return trace, file


def test_a_row_of_the_file_is_one_of_the_trace(written):
    trace, file = written
    table, frame = pd.read_csv(file), trace.frame()
    assert list(frame.columns) == list(table.columns)
    assert frame["time_s"].tolist() == table["time_s"].tolist()
    assert frame["name"].astype(str).tolist() == table["name"].tolist()
    assert file.read_text().splitlines()[0] == ",".join(column.name for column in COLUMNS)


def test_a_cell_is_empty_where_a_row_has_nothing_to_say(written):
    table = pd.read_csv(written[1])
    opened = table[table["name"] == "opened"].iloc[0].dropna()
    assert set(says(Name.OPENED, Kind.EVENT)) == set(opened.index)
    assert ("event", "opened", "open") == tuple(opened[["kind", "name", "state"]])
    fault = table[table["name"] == "fault_start"].iloc[0].dropna()
    assert ["time_s", "kind", "name", "fault", "fault_kind"] == list(fault.index)
    assert "inf" not in written[1].read_text()


def test_parts_of_a_trace_are_written_as_the_whole(written, tmp_path, monkeypatch):
    trace, file = written
    monkeypatch.setattr("simlib.exports.csv_file._ROWS", 7)
    trace.to_csv(tmp_path / "run.csv")
    assert file.read_bytes() == (tmp_path / "run.csv").read_bytes()


def test_the_columns_are_told_beside_the_file_as_csv_on_the_web_has_it(written):
    document = json.loads(written[1].with_name("run.csv-metadata.json").read_text())
    assert ("http://www.w3.org/ns/csvw", "run.csv") == (document["@context"], document["url"])
    columns = document["tableSchema"]["columns"]
    assert [column.name for column in COLUMNS] == [column["name"] for column in columns]
    assert all(column["dc:description"] for column in columns)


def test_an_empty_run_is_a_heading(tmp_path):
    Trace("sim", SMALL).to_csv(tmp_path / "run.csv")
    assert 1 == len((tmp_path / "run.csv").read_text().splitlines())


def test_a_run_without_rows_is_refused(tmp_path):
    pytest.importorskip("numba")
    storm = sl.Scenario(clients=3, duration_s=3, workload=sl.Workload(rate_per_s=0))
    with pytest.raises(sl.SimlibError, match="keeps no rows"):
        sl.run(storm, on="fleet").to_csv(tmp_path / "run.csv")
    assert not (tmp_path / "run.csv").exists()


def test_every_name_has_its_meaning():
    assert set(Name) == set(HAPPENINGS)
    assert {column.name for column in COLUMNS} == {
        name for happening in HAPPENINGS for kind in Kind for name in says(happening, kind)
    }


@pytest.mark.parametrize("file", SCENARIOS, ids=lambda file: file.stem)
def test_no_row_says_anything_in_a_column_that_its_name_does_not_have(file):
    scenario = sl.load(file)
    columns = sl.run(scenario.replace(clients=min(10, scenario.clients))).columns()
    pairs = np.unique(np.stack([columns["kind"], columns["name"]]), axis=1).T.tolist()
    for kind, name in pairs:
        assert kind in HAPPENINGS[Name(name)].kinds, Name(name)
        chosen = (columns["kind"] == kind) & (columns["name"] == name)
        for column in COLUMNS:
            said = column.name in says(Name(name), Kind(kind))
            absent = 0 if column.absent is None else column.absent
            assert said or {absent} == set(columns[column.name][chosen].tolist()), (
                f"{Name(name).name} says something in {column.name}"
            )
