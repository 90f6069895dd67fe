"""A Parquet file that says what no run can have said is refused as it is read."""

import json
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import simlib as sl
from simlib.lab.observe.observation import Attempt, Observation
from simlib.trace.trace_checks import LONGEST_AFTER_S

OUTAGE = sl.Scenario(clients=3, duration_s=6, faults=[sl.Fault("outage", start_s=2, stop_s=3)])
ATTEMPTS = [Attempt(0, "status", "503", 0, "h:1", float(i), ended_s=i + 0.5) for i in range(15)]
#: What a column, or a note beside the table, may hold that simlib did not write.
NUMBERS = (-2, -1, 0, 50, 127, 32767, 2**31 - 1, 2**60, 1.5, 1e300, -np.inf, np.inf, np.nan)
OTHERS = ("x", None, [1], {"a": 1}, True)
NOTES = (5, -1.0, np.inf, "x", None, [5], ["x"], {"a": 1}, [{"a": 1}], [["server", "x", None]])


def read_trace(path):
    trace = sl.Trace.load(path)
    return repr(trace), trace.story(0), trace.frame(), sl.summary([trace]), sl.plots.attempts(trace)


def read_observation(path):
    seen = sl.Observation.load(path)
    return repr(seen), seen.waits(), sl.infer(path)


#: By the key under which the file's metadata holds what it is: how it is read.
FORMS = {b"simlib": read_trace, b"simlib.observation": read_observation}
NAMED = pytest.mark.parametrize("key", FORMS, ids=["trace", "observation"])


@cache
def table(key, folder):
    path = folder / key.decode()
    if key == b"simlib":
        sl.run(OUTAGE).save(path)
    else:
        Observation(ATTEMPTS).save(path)
    return pq.read_table(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("files")


def play(key, changed, path):
    """Read a file and show what it holds, or see that it is refused in a line."""
    pq.write_table(changed, path)
    try:
        FORMS[key](path)
    except sl.SimlibError as error:
        return 1 == len(str(error).splitlines())
    return False


@pytest.mark.parametrize("engine", ["\x1b[31mlive", "\u202elive", "\ud800", "a\nb"])
def test_an_engine_is_a_word_that_can_be_printed(engine, folder, tmp_path):
    written = table(b"simlib", folder)
    notes = json.loads(written.schema.metadata[b"simlib"]) | {"engine": engine}
    metadata = {**written.schema.metadata, b"simlib": json.dumps(notes).encode()}
    pq.write_table(written.replace_schema_metadata(metadata), tmp_path / "t.parquet")
    with pytest.raises(sl.SimlibError, match="its engine is not what simlib writes there"):
        sl.Trace.load(tmp_path / "t.parquet")


@pytest.mark.slow
@NAMED
def test_a_column_of_anything_is_read_or_refused(key, folder, tmp_path):
    written, rng, refused = table(key, folder), np.random.default_rng(1), 0
    for i, name in enumerate(written.column_names):
        for odd in (*NUMBERS, *OTHERS)[i % 2 :: 2]:
            changed = written[name].to_pylist()
            for row in np.flatnonzero(rng.random(len(changed)) < rng.choice([0.02, 0.2, 1])):
                changed[row] = odd
            try:
                column = pa.array(changed)
            except (pa.ArrowException, OverflowError):
                continue  # no file can hold these in one column
            new = written.set_column(i, name, column)
            refused += play(key, new, tmp_path / "a.parquet")
    assert refused > len(written.column_names)


@pytest.mark.slow
@NAMED
def test_anything_beside_the_table_is_read_or_refused(key, folder, tmp_path):
    written, refused = table(key, folder), 0
    meta = json.loads(written.schema.metadata[key])
    for other in (*({**meta, name: odd} for name in meta for odd in NOTES), *NOTES):
        notes = {**written.schema.metadata, key: json.dumps(other).encode()}
        new = written.replace_schema_metadata(notes)
        refused += play(key, new, tmp_path / "a.parquet")
    assert refused > 5 * len(meta)


@pytest.mark.parametrize(
    ("column", "at_it", "beyond"),
    [("client", 2, 3), ("fault", 0, 1), ("time_s", 3606.0, 3607.0), ("reason", 0, -1)],
)
def test_a_trace_holds_what_a_run_can_say_and_no_more(column, at_it, beyond, folder, tmp_path):
    written, path = table(b"simlib", folder), tmp_path / "a.parquet"
    place, last = written.column_names.index(column), len(written) - 1
    # Of the last row alone, which is a server's.
    for value in (at_it, beyond):
        values = [*written[column].to_pylist()[:last], value]
        kind = written.schema.field(column)
        pq.write_table(written.set_column(place, kind, pa.array(values, kind.type)), path)
        if value == at_it:
            assert value == sl.Trace.load(path).columns()[column][last]
    with pytest.raises(sl.SimlibError, match=f"was changed: column {column} has {beyond:g},"):
        sl.Trace.load(path)


def test_a_run_may_end_late_but_not_at_any_time(tmp_path):
    trace, path = sl.run(OUTAGE), tmp_path / "a.parquet"
    trace.end_s = OUTAGE.duration_s + LONGEST_AFTER_S
    trace.save(path)
    assert trace.end_s == sl.Trace.load(path).end_s
    trace.end_s += 1
    trace.save(path)
    with pytest.raises(sl.SimlibError, match="end_s is 3607, and no run of it ends after 3606 s"):
        sl.Trace.load(path)


def test_a_wait_that_a_late_timer_ended_after_its_time_is_read(folder, tmp_path):
    written, path = table(b"simlib", folder), tmp_path / "a.parquet"
    place, kind = written.column_names.index("wait_s"), written.schema.field("wait_s")
    waits = pa.array([-0.001] * len(written), kind.type)
    pq.write_table(written.set_column(place, kind, waits), path)
    assert {-0.001} == set(sl.Trace.load(path).frame()["wait_s"])
