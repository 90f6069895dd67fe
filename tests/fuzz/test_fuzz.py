"""Foreign data is read, or refused in a sentence; `tests/benchmarks/fuzz.py` does so for longer."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simlib.core.errors import SimlibError
from tests.batteries import examples
from tests.fuzz.targets import HARS, LOGS, TARGETS, parquets, play, read_parquet

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
    ("addresses", b"ws://\x00127.0.0.1:8000/chat"),
    ("toxics", {"type": {}}),
    ("toxics", {"type": "latency", "stream": {}}),
    ("Parquet", b"PAR1" + bytes(range(1, 40)) + b"PAR1"),
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
