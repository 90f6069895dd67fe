"""Which settings differ between two scenarios."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from simlib.core.errors import SettingsError
from simlib.core.validation import format_setting
from simlib.scenario.scenario import Scenario, plain, setting

#: What names a scenario, and the seed, which both have from the first.
_NAMES = ("name", "teaches", "seed")
_DEFAULT = Scenario()
#: What stands for an entry of a list that only one of the scenarios has.
NOT_THERE = "-"


class SettingChange(NamedTuple):
    """A setting that differs: its path, and its value in both, as TOML has it."""

    key: str
    old: str
    new: str


def list_setting_changes(old: Scenario, new: Scenario) -> list[SettingChange]:
    """Return the settings that differ, by their paths, with defaults where they are not set.

    Examples
    --------
    >>> list_setting_changes(Scenario(), Scenario(clients=3))
    [SettingChange(key='clients', old='100', new='3')]
    """
    one, other = (dict(_flatten(plain(scenario))) for scenario in (old, new))
    keys = [key for key in {**one, **other} if key not in _NAMES]
    return [
        SettingChange(key, _say(key, one), _say(key, other))
        for key in keys
        if _say(key, one) != _say(key, other) or _are_two_functions(one.get(key), other.get(key))
    ]


def _are_two_functions(one: Any, other: Any) -> bool:
    """Whether these are functions, and not the same, whatever they are called."""
    return callable(one) and callable(other) and one != other


def _flatten(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Give the values of nested tables, and of lists of tables, by their dotted paths."""
    if isinstance(value, dict):
        inside = list(value.items())
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        inside = [(str(i), entry) for i, entry in enumerate(value)]
    else:
        yield key, value
        return
    for name, part in inside:
        yield from _flatten(part, f"{key}.{name}" if key else name)


def _say(key: str, values: dict[str, Any]) -> str:
    value = values[key] if key in values else _default(key)
    if value is None:
        return NOT_THERE
    return (
        "[" + ", ".join(map(_word, value)) + "]"
        if isinstance(value, tuple | list)
        else _word(value)
    )


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return format_setting(value).strip("'\"")


def _default(key: str) -> Any:
    try:
        return setting(_DEFAULT, key)[0]
    except SettingsError:  # within an entry of a list
        return None
