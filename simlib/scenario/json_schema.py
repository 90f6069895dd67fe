"""The JSON Schema of scenarios, made of the rules and comments that validate and explain them.

Editors complete and check a scenario by it. It knows each setting alone; that settings fit together
is checked when a scenario is read.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import IntEnum
from functools import cache
from math import inf
from typing import Any

from simlib.core.events import Priority
from simlib.core.path import Latency
from simlib.core.settings import Settings
from simlib.core.stops import CLOSE_CODES, STATUSES
from simlib.core.validation import Rule
from simlib.scenario.build import LISTS
from simlib.scenario.networks import networks
from simlib.scenario.presets import PREFIX, presets
from simlib.scenario.scenario import Scenario
from simlib.scenario.workload import MOST_MESSAGE_BYTES, Workload
from simlib.support.text_tables import UNITS

#: The draft that editors of TOML know.
DRAFT = "http://json-schema.org/draft-07/schema#"
#: A number of this size and above is read as no limit; JSON itself has no infinity.
_BEYOND = sys.float_info.max
Schema = dict[str, Any]


def scenario_schema(lint: Schema | None = None) -> Schema:
    """Return the JSON Schema of a scenario's file.

    Parameters
    ----------
    lint : dict, optional
        The schema of its table ``[lint]``; by default any table.

    Examples
    --------
    >>> scenario_schema()["properties"]["clients"]["minimum"]
    1
    """
    definitions: dict[str, Schema] = {}
    top = _object(Scenario, definitions)
    top["properties"]["lint"] = lint or {"type": "object"}
    return {
        "$schema": DRAFT,
        "title": "A scenario of simlib",
        **top,
        "definitions": dict(sorted(definitions.items())),
    }


def settings_schema(kind: Any) -> Schema:
    """Return the JSON Schema of one settings class that has no other in it."""
    return _object(kind, {})


def _object(kind: Any, definitions: dict[str, Schema]) -> Schema:
    comments = read_comments(kind)
    properties: dict[str, Schema] = {}
    for item in fields(kind):
        if item.init:
            said = comments.get(item.name, "")
            properties[item.name] = _property(kind, item, said, definitions)
    for name, made in _ONLY_IN_FILES.get(kind, {}).items():
        properties[name] = made()
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _property(kind: Any, item: Field[Any], said: str, definitions: dict[str, Schema]) -> Schema:
    inner: Any = item.default_factory
    if is_dataclass(inner):
        return _refer(inner, definitions)
    if item.name in LISTS and kind is Scenario:
        of = _refer(LISTS[item.name], definitions)
        return _describe({"type": "array", "items": of}, said)
    if item.metadata:
        schema = _of_rule(item.metadata)
    elif (kind.__name__, item.name) in _OTHERS:
        schema = _OTHERS[kind.__name__, item.name]()
    else:
        schema = {"type": "string"}
    schema = _describe(schema, said)
    default = _default(item)
    return schema if default is None else schema | {"default": default}


def _refer(kind: Any, definitions: dict[str, Schema]) -> Schema:
    """Return a reference to the schema of a part, which is made when it is first met."""
    name = kind.__name__
    if name not in definitions:
        definitions[name] = {}  # it stands in itself nowhere, but its place is taken
        definitions[name] = _object(kind, definitions) | {"description": _first_line(kind)}
        if kind is Settings:
            table = definitions[name]
            definitions[name] = {
                "anyOf": [table, {"enum": [f"{PREFIX}{known}" for known in presets]}],
                "description": table.pop("description"),
            }
    return {"$ref": f"#/definitions/{name}"}


def _first_line(kind: Any) -> str:
    return (inspect.getdoc(kind) or "").partition("\n")[0]


def _describe(schema: Schema, said: str) -> Schema:
    return schema | {"description": said} if said else schema


# --- single settings ---------------------------------------------------------------------


def _of_rule(metadata: Mapping[str, Any]) -> Schema:
    if "rule" in metadata:
        return number_schema(metadata["rule"])
    if "each" in metadata:
        return {"type": "array", "items": number_schema(metadata["each"])}
    if "flag" in metadata:
        return {"type": "boolean"}
    return {"enum": _words(metadata["choice"])}


def _words(words: type[IntEnum]) -> list[Any]:
    """Return the words of an enumeration; a version may be written as a number."""
    names: list[Any] = [name.lower() for name in words.__members__]
    return names + [float(name) for name in names if name.replace(".", "").isdecimal()]


def number_schema(rule: Rule) -> Schema:
    """Return the schema of a number with its rule.

    Examples
    --------
    >>> number_schema(Rule("", low=1, high=60, whole=True))
    {'type': 'integer', 'minimum': 1, 'maximum': 60}
    """
    schema: Schema = {"type": "integer" if rule.whole else "number"}
    schema["exclusiveMinimum" if rule.above else "minimum"] = rule.low
    if rule.high < inf:
        schema["maximum"] = rule.high
    elif not (rule.endless and not rule.whole):
        schema["maximum"] = _BEYOND
    if rule.endless and (rule.whole or rule.high < inf):
        # Infinity is no whole number, and beyond every maximum.
        return {"anyOf": [schema, {"type": "number", "minimum": _BEYOND}]}
    return schema


def _default(item: Field[Any]) -> Any:
    """Return what a setting is without being set, as JSON has it; None: JSON cannot say it."""
    value = item.default
    if value is MISSING or value in (inf, -inf):
        return None
    if isinstance(value, IntEnum):
        return value.name.lower()
    return list(value) if isinstance(value, tuple) else value


def _codes() -> Schema:
    ranges = [{"type": "integer", "minimum": low, "maximum": high} for low, high in
              (STATUSES, CLOSE_CODES)]  # fmt: skip
    text = {"type": "string", "pattern": r"^\s*\d{3,4}\s*-\s*\d{3,4}\s*$"}
    return {"type": "array", "items": {"anyOf": [*ranges, text]}}


def _messages() -> Schema:
    words = [name.lower() for name in Priority.__members__]
    row = [
        {"type": "number", "minimum": 0, "maximum": _BEYOND},
        {"anyOf": [{"enum": words}, {"enum": [each.value for each in Priority]}]},
        {"type": "integer", "minimum": 1, "maximum": MOST_MESSAGE_BYTES},
    ]
    message = {"type": "array", "items": row, "minItems": 3, "maxItems": 3}
    return {"type": "array", "items": message}


#: Settings whose class checks them itself.
_OTHERS: dict[tuple[str, str], Callable[[], Schema]] = {
    ("Cohort", "name"): lambda: {"type": "string", "minLength": 1},
    ("Scenario", "name"): lambda: {"type": "string", "pattern": r"^[^/]*[^./][^/]*$"},
    ("Scenario", "teaches"): lambda: {"type": "string"},
    ("Stops", "ends_on"): _codes,
    ("Stops", "suspends_on"): _codes,
    ("Workload", "recorded"): _messages,
}


def _file(said: str) -> Callable[[], Schema]:
    return lambda: {"type": "string", "description": said}


def _network() -> Schema:
    said = "A network that comes with simlib, or a TOML file with one; what path says goes over it."
    known = [{"enum": list(networks())}, {"type": "string", "pattern": r"\.toml$"}]
    return {"anyOf": known, "description": said}


#: Keys that only a file has: what is read in their place.
_ONLY_IN_FILES: dict[type[Any], dict[str, Callable[[], Schema]]] = {
    Scenario: {
        "network": _network,
        "arrivals_csv": _file("A file with the clients' starts: arrivals_s and arrivals of it."),
    },
    Settings: {
        "preset": lambda: {
            "enum": list(presets),
            "description": "The policy of a real client; what else this table says goes over it.",
        }
    },
    Workload: {"csv": _file("A file with recorded messages, in the place of recorded.")},
    Latency: {
        "csv": _file("A file of measured round trips, in the place of a distribution."),
        "unit": lambda: {"enum": list(UNITS), "description": "The unit of their numbers."},
    },
}


# --- comments ----------------------------------------------------------------------------


@cache
def read_comments(kind: Any) -> dict[str, str]:
    """Return what the comments ``#:`` above the fields of a settings class say.

    Examples
    --------
    >>> read_comments(Scenario)["clients"]
    'How many clients.'
    """
    source = inspect.getsource(kind)
    lines = source.splitlines()
    (body,) = ast.parse(source).body
    comments = {}
    for node in ast.walk(body):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            comments[node.target.id] = _comment_above(lines, node.lineno - 1)
    return {name: said for name, said in comments.items() if said}


def _comment_above(lines: list[str], place: int) -> str:
    said: list[str] = []
    while place > 0 and lines[place - 1].strip().startswith("#:"):
        place -= 1
        said.insert(0, lines[place].strip().removeprefix("#:").strip())
    return " ".join(said)
