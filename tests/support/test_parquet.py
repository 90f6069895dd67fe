"""Tables that simlib wrote are read back; what else a file may hold is refused in a sentence."""

from base64 import b64encode
from io import BytesIO
from zlib import compress

import numpy as np
import pandas as pd
import pytest

import simlib as sl
from simlib.core.errors import SimlibError
from simlib.support.parquet import check_notes, is_number, load_table, save_table
from simlib.trace import counts, server_log
from simlib.trace.counts import Tally
from simlib.trace.server_log import ServerLog

KEY = b"notes"


def _load(path, most_rows=10):
    return load_table(path, KEY, "a table", "save_table", most_rows)


def test_a_table_is_read_back_with_its_notes_and_who_made_it(tmp_path):
    file = tmp_path / "a.parquet"
    save_table(file, pd.DataFrame({"a": range(10)}), {"command": "run"}, {KEY: {"b": 1}})
    loaded = _load(file)
    assert (10, {"b": 1}, "run") == (len(loaded.table), loaded.notes, loaded.made_by)
    with pytest.raises(SimlibError, match="more than 9 rows"):
        _load(file, 9)


def test_a_name_that_is_not_in_utf_8_is_a_file_s_name(tmp_path):
    file = tmp_path / "\udcff.parquet"
    save_table(file, pd.DataFrame({"a": [1]}), {}, {KEY: {}})
    assert 1 == len(_load(file).table)


@pytest.mark.parametrize(
    ("notes", "words"),
    [
        (b"[1]", "no object of JSON"),
        (b"[" * 100_000, "nested too deep"),
        (b"{", "is not a table"),
        (b"9" * 5000, "is not a table"),
        (b"\xff", "is not a table"),
    ],
)
def test_notes_that_are_none_are_refused(tmp_path, notes, words):
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = tmp_path / "a.parquet"
    table = pa.table({"a": [1]})
    pq.write_table(table.replace_schema_metadata({KEY: notes}), file)
    with pytest.raises(SimlibError, match=words):
        _load(file)
    pq.write_table(table, file)
    with pytest.raises(SimlibError, match="save_table did not write it"):
        _load(file)


def test_a_note_of_another_kind_is_named():
    check_notes({"end_s": 1e10, "more": 3}, {"end_s": is_number, "label": str.isprintable})
    for wrong in (1.1e10, -1, float("nan"), True, "1", None):
        with pytest.raises(ValueError, match="its end_s is not what simlib writes there"):
            check_notes({"end_s": wrong}, {"end_s": is_number})


def test_a_servers_log_is_unpacked_to_its_bound(monkeypatch):
    log = ServerLog()
    log.note_start(0.0, 0, 4)
    monkeypatch.setattr(server_log, "MOST_LOG_BYTES", len(bytes(log.records())))
    assert 1 == len(ServerLog.from_text(log.to_text()))
    for wrong in (bytes(log.records()) * 2, b"\xff" * 48, b"\0" * 47):
        with pytest.raises(ValueError, match="log"):
            ServerLog.from_text(b64encode(compress(wrong)).decode())


def test_the_counts_of_the_fleet_are_unpacked_to_their_bound(monkeypatch):
    storm = sl.Scenario(clients=3, duration_s=2, workload=sl.Workload(rate_per_s=0))
    text = sl.run(storm, "fleet").tally.to_text()
    assert Tally.from_text(text).columns
    monkeypatch.setattr(counts, "MOST_TALLY_BYTES", 1000)
    with pytest.raises(ValueError, match="too large"):
        Tally.from_text(text)
    file = BytesIO()
    np.savez(file, bins=np.array([{}], dtype=object))
    for wrong in (b"", b"PK", file.getvalue()):
        with pytest.raises(ValueError, match=r"damaged|pickle"):
            Tally.from_text(b64encode(wrong).decode())
