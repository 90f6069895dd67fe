"""The lines of a TOML file's keys."""

import tomllib
import tracemalloc
from pathlib import Path

import pytest

from simlib.scenario.lines import key_lines, line_of
from simlib.support.files import find_shipped

TEXT = '''\
# A comment, with [brackets] and key = "value"
name = """
[client]
not = "a key"
"""
clients = 3 # three

[client]
preset = "phoenix"
heartbeat = { interval_s = 25, timeout_s = 5 }
backoff.cap_s = 30
[client.breaker]
trip_after = 3

[client.stops]
ends_on = [
    410, # gone ]
    "4400-4499",
]
suspends_on = [401]
[[cohorts]]
name = "web"
[cohorts.client.backoff]
base_s = 2
[[cohorts]]
name = "ios"
[cohorts.client.backoff]
base_s = 3
[[faults]]
kind = "reset"
start_s = 2
'''


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("name", 2),
        ("clients", 6),
        ("client", 8),
        ("client.preset", 9),
        ("client.heartbeat.timeout_s", 10),
        ("client.backoff.cap_s", 11),
        ("client.backoff", 11),
        ("client.breaker.trip_after", 13),
        ("client.stops.ends_on", 16),
        ("client.stops.suspends_on", 20),
        ("cohorts.0.name", 22),
        ("cohorts.0.client.backoff.base_s", 24),
        ("cohorts.1.client.backoff.base_s", 28),
        ("faults.0.start_s", 31),
        # What is not set stands where it would be.
        ("client.backoff.jitter", 11),
        ("client.outbox.capacity", 8),
        ("cohorts.1.client.heartbeat.interval_s", 27),
        ("server.workers", 1),
    ],
)
def test_a_key_has_the_line_on_which_it_stands(key, line):
    assert line == line_of(key_lines(TEXT), key)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_end_as_they_may(end):
    assert 31 == key_lines(TEXT.replace("\n", end))["faults.0.start_s"]


def keys_of(value, path=""):
    """Every path of nested tables and lists of tables."""
    if isinstance(value, list):
        value = {str(i): each for i, each in enumerate(value) if isinstance(each, dict)}
    if isinstance(value, dict):
        for name, inside in value.items():
            key = f"{path}.{name}" if path else name
            yield key
            yield from keys_of(inside, key)


@pytest.mark.parametrize(
    "file", sorted(find_shipped("scenarios").glob("*.toml")), ids=lambda file: file.stem
)
def test_every_key_of_a_shipped_scenario_has_a_line_that_names_it(file: Path):
    text = file.read_text(encoding="utf-8")
    lines, rows = key_lines(text), text.splitlines()
    for key in keys_of(tomllib.loads(text)):
        last = next(part for part in reversed(key.split(".")) if not part.isdecimal())
        assert last in rows[lines[key] - 1], key


def test_a_long_list_takes_no_longer_than_its_lines():
    numbers = "".join(f"    {i}.5,\n" for i in range(20_000))
    assert 20_003 == key_lines(f"arrivals_s = [\n{numbers}]\nclients = 3\n")["clients"]


@pytest.mark.parametrize("quotes", ['"', '"""'])
@pytest.mark.parametrize("inside", ["x", r"\""])
def test_a_long_text_takes_no_more_memory_than_itself(quotes, inside):
    text = f"a = {quotes}{inside * 200_000}{quotes}\nb = 1\n"
    tracemalloc.start()
    try:
        assert {"a": 1, "b": 2} == key_lines(text)
        assert tracemalloc.get_traced_memory()[1] < 10 * len(text)
    finally:
        tracemalloc.stop()


def test_lists_and_texts_whose_lines_look_like_ends_take_no_longer_than_their_lines():
    numbers, text = "    [1]\n    ,\n" * 20_000, "x]\n" * 20_000
    lines = key_lines(f'a = [\n{numbers}    [2]\n]\nb = """\n{text}"""\nclients = 3\n')
    assert (1, 40_004, 60_006) == (lines["a"], lines["b"], lines["clients"])
