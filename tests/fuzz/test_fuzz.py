"""Foreign data is read, or refused in a sentence; `tests/benchmarks/fuzz.py` does so for longer."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import simlib as sl
from simlib.core.errors import SimlibError
from tests.batteries import examples
from tests.fuzz.targets import HARS, LOGS, TABLES, TARGETS, parquets, play, read_parquet

#: What once was a traceback, or an error of many lines.
FOUND = [
    ("settings of the command line", ("\x00", "\x00")),
    ("tables in CSV", b"\x01\rrtt_ms\n12.5\n13\n40\n11\n"),
    ("access logs", b"\x01\rtime,status\n100,503\n"),
    ("access logs", LOGS[2].replace(b" 503 ", b" " + b"9" * 40 + b" ")),
    ("archives (HAR)", HARS[0].replace(b'"status": 101', b'"status": 1e999')),
    ("archives (HAR)", HARS[0].replace(b'"status": 101', b'"status": 1000')),
    ("addresses", b"ws://" + b"a." * 1000 + b"b/"),
    ("addresses", b"ws://[" + b"a:" * 2000 + b"]/"),
    ("addresses", b"ws://::1]:80/x#y"),
    ("addresses", b"ws://\xe2" + b"\xe7" * 119),
    ("addresses", b"ws://\x00127.0.0.1:8000/chat"),
    ("toxics", {"type": {}}),
    ("toxics", {"type": "latency", "stream": {}}),
    ("words of options", b"lost > +\r\n5%"),
    ("Parquet", b"PAR1" + bytes(range(1, 40)) + b"PAR1"),
    # Nested too deep, and numbers of more digits than Python writes or reads.
    ("scenarios in TOML", b"a." * 1000 + b"a = 1"),
    ("scenarios in TOML", b"clients = 0x" + b"f" * 5000),
    ("settings of the command line", ("clients", "[" * 5000)),
    ("settings of the command line", ("clients", "9" * 5000)),
    ("settings of the command line", ("cohorts." + "9" * 5000, "1")),
    ("tables in CSV", TABLES[2].replace(b"icmp_seq=1", b"icmp_seq=" + b"9" * 5000) * 30),
    ("tables in CSV", TABLES[2].replace(b"2 packets", b"9" * 5000 + b" packets") * 30),
    ("tables in CSV", TABLES[3].replace(b"100", b"9" * 5000)),
    ("access logs", b"time_ms,status\n1e30,101\n2e30,503\n"),
    # Of these the time grew with the square of the length: to hours, or minutes.
    ("tables in CSV", b"ttl " + b"a" * 1_000_000),
    ("tables in CSV", b"ttl " + b"9" * 1_000_000),
    ("tables in CSV", b"," * 300_000),
    ("access logs", b"a" * 65_000),
    ("access logs", (b"x:1 [31/Jan/2026:10:00:03.655] a " + b"/" * 60_000 + b" x\n") * 20),
    ("scenarios in TOML", b"a." * 100_000 + b"a = 1"),
    # Cells and notes of traces and observations: which file, and column or note, cell, in all rows.
    ("tables with odd cells", (0, [(1, -1, False)])),
    ("tables with odd cells", (0, [(2, 99, True)])),
    ("tables with odd cells", (0, [(3, 0, True)])),
    ("tables with odd cells", (0, [(0, float("inf"), True)])),
    *(("tables with odd cells", (0, [(note, {"a": 1}, True)])) for note in range(28, 41)),
    ("tables with odd cells", (0, [(32, float("inf"), True)])),
    ("tables with odd cells", (1, [(0, None, True)])),
    ("tables with odd cells", (1, [(3, [1, 2], True)])),
    ("tables with odd cells", (1, [(5, 1e300, True)])),
    ("tables with odd cells", (1, [(5, float("inf"), True)])),
    *(("tables with odd cells", (1, [(note, {"a": 1}, True)])) for note in range(22, 32)),
    ("saved messages", ("priority", 99)),
    ("saved messages", ("size_bytes", "x")),
    ("saved messages", ("created_unix_s", b"\xff")),
    ("saved messages", ("lives", "x")),
    *(("runs and trials kept", (f"trials.{name}", "x")) for name in ("state", "datetime_start")),
    ("runs and trials kept", ("trials.number", None)),
    ("runs and trials kept", ("trial_params.distribution_json", "{}")),
    ("runs and trials kept", ("trial_user_attributes.value_json", "x")),
    ("runs and trials kept", ("trial_values.value", "x")),
]


@pytest.mark.parametrize(("name", "example"), FOUND, ids=range(len(FOUND)))
def test_what_was_found_once_is_read_or_refused(name, example):
    play(TARGETS[name], example)


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_foreign_data_is_read_or_refused_in_a_sentence(name):
    target = TARGETS[name]

    @settings(max_examples=examples(150), suppress_health_check=list(HealthCheck), database=None)
    @given(st.deferred(target.examples))
    def plays(example):
        play(target, example)

    plays()


@pytest.mark.parametrize("column", [b"client", b"accept_s"])
def test_a_parquet_file_with_a_column_whose_name_is_no_text_is_refused(column):
    for content in parquets():
        with pytest.raises(SimlibError, match="is not a"):
            read_parquet(content.replace(column, b"\x80" + column[1:]))


@pytest.mark.parametrize("text", [b"503", b"status", b"h:1"])
def test_a_parquet_file_with_a_text_that_is_none_is_refused(text, tmp_path):
    (content,) = (each for each in parquets() if text in each)
    broken = content.replace(text, b"\x80" + text[1:])
    (tmp_path / "broken.parquet").write_bytes(broken)
    with pytest.raises(SimlibError, match=r"column \w+ cannot be read: .*UTF8"):
        sl.Observation.load(tmp_path / "broken.parquet")
    for name, each in (("seen", broken), ("mere_table", broken.replace(b"simlib", b"others"))):
        (tmp_path / name).write_bytes(each)
        with pytest.raises(SimlibError, match=r"is not an observation|is not a Parquet file"):
            sl.infer(tmp_path / name)
