"""Every setting of the core has the default, and takes the numbers, that are on record.

So has every word its number: saved traces hold them, and draws are addressed by them. Whoever means
to change one writes the records anew, by `python tests/core/test_settings.py`, and sees in the same
commit what changes for those who have set nothing.
"""

from __future__ import annotations

import csv
import pkgutil
from collections.abc import Iterable
from dataclasses import MISSING, fields
from enum import EnumType
from importlib import import_module
from math import inf
from pathlib import Path
from typing import Any

import pytest

import simlib.core
from simlib.core.draws import INDEX_BITS, PER_LIFE, SEED_LIMIT
from simlib.core.errors import SettingsError
from simlib.core.validation import Rule, ValidatedSettings, format_setting

SETTINGS, WORDS = (Path(__file__).parent / name for name in ("settings.csv", "words.csv"))
MODULES = [
    import_module(each.name) for each in pkgutil.iter_modules(simlib.core.__path__, "simlib.core.")
]
#: Bounds that settings have, and what lies on either side of each.
TRIED = (
    -inf, -1e15, -2, -1, -0.5, 0, 1e-9, 0.5, 0.9, 0.95, 0.99, 0.995, 1, 1.5, 2, 9, 10, 11,
    59, 60, 61, 399, 400, 599, 600, 999, 1000, 1001, 4999, 5000, 9999, 10_000, 10_001,
    1e9, 1e10, 1e15, inf,
)  # fmt: skip


def takes(rule: Rule, value: float) -> bool:
    try:
        rule.validate("any", value)
    except SettingsError:
        return False
    return True


def describe_taken(metadata: Any) -> str:
    """Return what a field takes, tried one by one; of words and flags, which there are."""
    if "choice" in metadata:
        return " ".join(word.name.lower() for word in metadata["choice"])
    if "flag" in metadata:
        return "true false"
    rule = metadata.get("rule") or metadata["each"]
    taken = [value for value in TRIED if takes(rule, value)]
    finite = [value for value in taken if abs(value) < inf]
    of_wholes = all(value == int(value) for value in finite)
    # Whatever lies between must be taken, too.
    between = [v for v in TRIED if finite[0] <= v <= finite[-1] and (v == int(v) or not of_wholes)]
    assert between == finite
    return "".join((
        "whole, " if of_wholes else "", f"{finite[0]:.15g} to {finite[-1]:.15g}",
        ", inf" if inf in taken else "", ", -inf" if -inf in taken else "",
    ))  # fmt: skip


def kinds_of_the_core() -> list[type[ValidatedSettings]]:
    """Return the kinds of settings that the core has, by their names."""
    kinds = ValidatedSettings.__subclasses__()
    own = [kind for kind in kinds if kind.__module__.startswith("simlib.core.")]
    return sorted(own, key=lambda kind: kind.__name__)


def settings_of_the_core() -> list[tuple[str, str, str]]:
    """Return each setting with its default and what it takes."""
    rows = []
    for kind in kinds_of_the_core():
        for item in fields(kind):  # type: ignore[arg-type]
            if item.metadata:
                assert item.default is not MISSING, f"{kind.__name__}.{item.name}"
                default = format_setting(item.default)
                name = f"{kind.__name__}.{item.name}"
                rows.append((name, default, describe_taken(item.metadata)))
    return sorted(rows)


def words_of_the_core() -> list[tuple[str, str]]:
    """Return each enumeration with its words, in order, and their numbers."""
    found = {
        kind.__name__: " ".join(f"{word}={each.value}" for word, each in kind.__members__.items())
        for module in MODULES
        for kind in vars(module).values()
        if isinstance(kind, EnumType) and kind.__module__ == module.__name__
    }
    return sorted(found.items())


def read(record: Path) -> list[tuple[str, ...]]:
    with record.open(encoding="utf-8", newline="") as file:
        return [tuple(row) for row in csv.reader(file)][1:]


def write(record: Path, heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    with record.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(heads)
        writer.writerows(rows)


def test_each_setting_has_the_default_and_the_bounds_of_record():
    assert read(SETTINGS) == settings_of_the_core()


@pytest.mark.parametrize("kind", kinds_of_the_core(), ids=lambda kind: kind.__name__)
def test_a_default_that_is_said_is_like_one_that_is_not(kind):
    # Each infinity is an object of its own, as those are that are read from a file.
    said = {
        item.name: float("inf") if item.default == inf else item.default
        for item in fields(kind)
        if item.metadata
    }
    made = kind(**said)
    assert said == {name: getattr(made, name) for name in said}


def test_each_word_has_the_number_of_record():
    assert read(WORDS) == words_of_the_core()


def test_the_draws_of_a_life_begin_at_the_addresses_of_record():
    assert (65_536, 26) == (PER_LIFE, INDEX_BITS)
    assert 4_294_967_296 == SEED_LIMIT


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (Rule("", high=0.99), "must be a number, from 0 to 0.99"),
        (Rule("", high=1.0, above=True), "must be a number, above 0 and at most 1"),
        (Rule("", high=10**8, whole=True), "must be a whole number, from 0 to 100,000,000"),
        (Rule("seconds", low=-0.5), "must be a number of seconds, -0.5 or more"),
    ],
)
def test_a_rule_says_the_bounds_that_it_has(rule, words):
    assert words == str(rule)


def main() -> None:
    """Write the records anew."""
    write(SETTINGS, ("setting", "default", "takes, of those tried"), settings_of_the_core())
    write(WORDS, ("words", "numbers"), words_of_the_core())


if __name__ == "__main__":
    main()
