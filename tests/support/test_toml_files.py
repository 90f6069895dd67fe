"""TOML is read up to its bounds, and beyond them refused in a sentence."""

import pytest

import simlib as sl
from simlib.core.errors import SettingsError
from simlib.differences.sides import read_side
from simlib.scenario.measurements import read_round_trips
from simlib.support import toml_files
from simlib.support.files import read_bounded
from simlib.support.text_tables import MOST_COLUMNS
from simlib.support.toml_files import MOST_TOML_LEVELS, MOST_TOML_TABLES, parse_toml


def _nest(levels):
    return "a = " + "[" * levels + "]" * levels


def _name(parts):
    return ".".join(["a"] * parts) + " = 1"


@pytest.mark.parametrize(
    ("write", "most", "words"),
    [
        (_nest, MOST_TOML_LEVELS - 1, "nested deeper than 100 levels"),
        (_name, MOST_TOML_LEVELS, "more than 100 parts|deeper than 100"),
        (lambda tables: "\n[[a]]" * tables, MOST_TOML_TABLES, "more than 20,000 tables"),
    ],
)
def test_what_is_at_a_bound_is_read_and_what_is_beyond_is_refused(write, most, words):
    assert parse_toml(write(most))
    with pytest.raises(ValueError, match=words):
        parse_toml(write(most + 1))


def test_a_key_is_long_by_its_parts_alone():
    text = "# " + "a.b." * 40 + f"\nx = [{', '.join(['0.5'] * 1000)}]\n"
    assert [0.5] * 1000 == parse_toml(text)["x"]
    with pytest.raises(ValueError, match="parts"):
        parse_toml('"a" . ' * 1000 + "b = 1")


def test_a_file_is_read_to_its_bound_and_one_without_end_is_refused(tmp_path, monkeypatch):
    file = tmp_path / "a.toml"
    file.write_bytes(b"clients = 3\r\n")
    assert b"clients = 3\r\n" == read_bounded(file, 13)
    with pytest.raises(OSError, match="larger"):
        read_bounded(file, 12)
    monkeypatch.setattr(toml_files, "MOST_TOML_BYTES", 13)
    assert 3 == sl.load(file).clients
    for wrong in (file.rename(tmp_path / "b.toml"), "/dev/zero"):
        monkeypatch.setattr(toml_files, "MOST_TOML_BYTES", 12)
        with pytest.raises(SettingsError, match="cannot be read: it is larger than"):
            sl.load(wrong)


def test_a_table_is_read_to_its_bound_of_columns(tmp_path):
    file = tmp_path / "rtt.csv"
    for columns, words in ((MOST_COLUMNS, "one column"), (MOST_COLUMNS + 1, "has 1,001 columns")):
        file.write_text(",".join(["1"] * columns) + "\n")
        with pytest.raises(SettingsError, match=words):
            read_round_trips(file)


def test_a_scenario_with_the_mark_of_utf_8_is_a_side_of_a_diff(tmp_path):
    file = tmp_path / "marked.toml"
    file.write_bytes(b"\xef\xbb\xbf[client]\nconnect_timeout_s = 3\n")
    assert 3.0 == read_side(file).connect_timeout_s
