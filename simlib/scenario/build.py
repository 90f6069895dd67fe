"""From nested tables, as TOML gives them, to settings objects; an error names the key's place."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

from simlib.core.backoff import Backoff
from simlib.core.cohorts import Cohort
from simlib.core.errors import SettingsError
from simlib.core.faults import Fault
from simlib.core.validation import ValidatedSettings, nearest
from simlib.scenario.workload import Hint

_T = TypeVar("_T", bound=ValidatedSettings)

#: Fields of a scenario that are lists of tables, and of what.
LISTS: dict[str, Any] = {"faults": Fault, "hints": Hint, "cohorts": Cohort}
#: Names that settings had in earlier versions, and what they are called now.
RENAMED = {"herds": "cohorts"}
_TABLE_RULE = "must be a table of settings"


def build(kind: type[_T], data: Any) -> _T:
    """Return a settings object from nested dictionaries, as TOML gives them."""
    if not isinstance(data, dict):
        raise SettingsError(kind.__name__, data, _TABLE_RULE)
    known = {item.name: item for item in fields(kind) if item.init}  # type: ignore[arg-type]
    for key, value in data.items():
        if key not in known:
            check_name(key, value)
            rule = f"is not a setting{nearest(key, list(known))}; known are {', '.join(known)}"
            raise SettingsError(key, value, rule)
    return kind(**{key: _value(known[key], value) for key, value in data.items()})


def check_name(key: str, value: Any) -> None:
    """Refuse a name from an earlier version with the name that a setting has now."""
    if key in RENAMED:
        raise SettingsError(key, value, f"is now called {RENAMED[key]}")


def _value(item: Any, value: Any) -> Any:
    if item.default_factory is Backoff and callable(value):
        return value  # a Python function: the settings make a policy of it
    if is_dataclass(item.default_factory):
        return build_inside(item.name, item.default_factory, value)
    if item.name in LISTS and isinstance(value, list):
        kind = LISTS[item.name]
        return [
            build_inside(f"{item.name}[{i}]", kind, item_value)
            for i, item_value in enumerate(value)
        ]
    return value


def build_inside(where: str, kind: Any, value: Any) -> Any:
    """Return the settings of a part; an error names the part's place."""
    if not isinstance(value, dict):
        raise SettingsError(where, value, _TABLE_RULE)
    try:
        return build(kind, value)
    except SettingsError as error:
        raise error.inside(where) from error
