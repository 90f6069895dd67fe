"""What was seen, as a table and as a file."""

import math
from pathlib import Path

import pandas as pd
import pytest

import simlib as sl
from simlib.lab.observe.observation import ATTEMPT_COLUMNS, Attempt


def seen():
    rows = [
        Attempt(0, "status", "503", 0, "h:1", 0.0, answered_s=0.0, ended_s=0.5, ended_by="us"),
        Attempt(1, "close", "1012", 0, "h:2", 2.0, opened=True, answered_s=2.1, ended_s=3.0),
        Attempt(1, "status", "503", 1, "h:9", 2.5, ended_s=2.5, retry_after_s=7.0),
        Attempt(1, "status", "503", 0, "h:3", 4.0, ended_s=4.25),
        Attempt(2, "reset", "", 0, "h:4", 6.0),
    ]
    phases = [{"phase": 0, "kind": "status", "least": 1}]
    return sl.Observation(rows, "script", ["node", "{url}"], "echo", 9.0, phases, ["odd"], 3)


def test_waits_are_from_the_end_of_a_connection_to_the_next_accept_of_its_client():
    waits = seen().waits()
    assert [1.5, 1.0, 1.75] == waits["wait_s"].tolist()
    assert [1, 1, 2] == waits["attempt"].tolist(), "a loss is the first of a new row of failures"
    assert [1, 1, 2] == waits["next_phase"].tolist()
    assert 0.9 == pytest.approx(waits["open_s"].iloc[1])
    assert math.isnan(waits["open_s"].iloc[0])


def test_a_file_holds_all_of_it(tmp_path):
    path = tmp_path / "obs.parquet"
    seen().save(path)
    again = sl.Observation.load(path)
    pd.testing.assert_frame_equal(seen().frame(), again.frame())
    assert list(ATTEMPT_COLUMNS) == again.frame().columns.tolist()
    kept = ("script", "greeting", "observed_s", "phases", "notes", "not_kept", "partial")
    assert [getattr(seen(), name) for name in kept] == [getattr(again, name) for name in kept]
    assert [path] == list(tmp_path.iterdir())


def test_what_is_no_observation_is_refused(tmp_path):
    table, text = tmp_path / "table.parquet", tmp_path / "text.parquet"
    pd.DataFrame({"a": [1]}).to_parquet(table)
    text.write_text("no Parquet")
    for path in (table, text, tmp_path / "missing.parquet"):
        with pytest.raises(sl.SimlibError, match="is not an observation"):
            sl.Observation.load(path)


def test_it_says_in_a_line_what_it_holds():
    assert "Observation: 5 attempts of 2 clients in 9 s\nodd" == repr(seen())


def test_a_recording_from_before_lateness_was_measured_is_read():
    recording = Path(__file__).parents[3] / "data" / "recordings" / "socket_io.parquet"
    older = sl.Observation.load(recording)
    assert all(math.isnan(each.late_s) for each in older.attempts)
    assert {} == older.timers_late
