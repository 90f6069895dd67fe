"""Which settings of two policies differ, and how that is said."""

from __future__ import annotations

from enum import Enum
from math import inf
from typing import Any

from simlib.core.settings import Settings
from simlib.metrics.words import format_number
from simlib.scenario.scenario import Scenario, plain, setting
from simlib.scenario.words import flatten

#: More changes than this are no part of a sentence.
_MOST_NAMED = 4
_DEFAULT = Scenario()


def list_settings(client: Settings) -> dict[str, Any]:
    """Return a client's settings by path, as far as they differ from simlib's defaults."""
    return dict(flatten(plain(Scenario(client=client)).get("client", {}), "client."))


def format_any(key: str, settings: dict[str, Any]) -> str:
    """Return a setting as a reader says it, in three digits; its default if it is not listed.

    Examples
    --------
    >>> stated = {"client.backoff.steps_s": [0.0, 2.5], "client.backoff.heeds_hint": False}
    >>> [format_any(key, stated) for key in (*stated, "client.breaker.trip_after")]
    ['0, 2.5', 'no', 'no limit']
    """
    return _say_value(settings.get(key, default_of(key)))


def default_of(key: str) -> Any:
    """Return the value that a setting has in a scenario that does not name it."""
    return setting(_DEFAULT, key)[0]


def _say_value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return "no limit" if value == inf else format_number(value)
    if isinstance(value, Enum):
        return value.name.lower()
    if isinstance(value, list | tuple):
        return ", ".join(map(_say_value, value)) or "none"
    return str(value)


def describe_changes(before: Settings, after: Settings) -> str:
    """Return what changes from one policy to another, or how the other waits if that is much.

    Examples
    --------
    >>> from simlib.core.backoff import Backoff
    >>> old, new = (Settings(backoff=Backoff(base_s=s, cap_s=20)) for s in (1.0, 9.2345))
    >>> describe_changes(old, new)
    'base_s 9.23 instead of 1'
    """
    one, other = list_settings(before), list_settings(after)
    changed = sorted(key for key in {*one, *other} if one.get(key) != other.get(key))
    if len(changed) > _MOST_NAMED or any(not key.startswith("client.backoff.") for key in changed):
        return after.backoff.in_words
    return ", ".join(
        f"{key.rpartition('.')[2]} {format_any(key, other)} instead of {format_any(key, one)}"
        for key in changed
    )
