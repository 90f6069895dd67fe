"""What is known of a setting: its rule, its unit and its help, from the class that validates it."""

from __future__ import annotations

import ast
import inspect
import sys
from dataclasses import dataclass, fields
from enum import IntEnum
from functools import cache
from typing import Any

from simlib.core.validation import Rule
from simlib.scenario.scenario import Scenario

#: Units of rules, as they stand behind a value.
_UNITS = {"seconds": "s", "handshakes per second": "per s", "messages per second": "per s"}
_SUFFIXES = ("_per_s", "_s", "_bytes", "_fraction")


@dataclass(frozen=True)
class SettingField:
    """A setting of a scenario, as a control and its help show it."""

    #: Its name without the unit, as it is read.
    label: str
    #: The part of the scenario that it belongs to: backoff, server, workload ...
    group: str
    unit: str
    help: str
    rule: Rule | None
    #: The words it can be, if it is one out of a few.
    words: type[IntEnum] | None
    is_flag: bool


def field_of(scenario: Scenario, key: str) -> SettingField:
    """Return what is known of the setting at a path of a scenario.

    Examples
    --------
    >>> known = field_of(Scenario(), "client.backoff.base_s")
    >>> known.group, known.label, known.unit, known.help
    ('backoff', 'base', 's', 'Ceiling of the first wait.')
    """
    *path, name = key.split(".")
    owner: Any = scenario
    for part in path:
        owner = owner[int(part)] if part.isdecimal() else getattr(owner, part)
    metadata = next(item.metadata for item in fields(owner) if item.name == name)
    rule = metadata.get("rule")
    return SettingField(
        label=_label(name),
        group=_group(path),
        unit=_UNITS.get(rule.unit, rule.unit) if rule else "",
        help=_comments(type(owner).__module__, type(owner).__name__).get(name, ""),
        rule=rule,
        words=metadata.get("choice"),
        is_flag="flag" in metadata,
    )


def _group(path: list[str]) -> str:
    parts = [part for part in path if not part.isdecimal()]
    if parts[:1] == ["client"] and parts[1:] != ["rate"]:
        parts = parts[1:]  # the settings' own names are clear; a server has a rate, too
    return " ".join(parts) or "run"


def _label(name: str) -> str:
    if name == "per_s":
        return "at most"
    suffix = next((end for end in _SUFFIXES if name.endswith(end)), "")
    return name.removesuffix(suffix).replace("_", " ")


@cache
def _comments(module: str, name: str) -> dict[str, str]:
    """Return the comments above the fields of a class, which say what each is."""
    text = inspect.getsource(sys.modules[module])
    lines = text.splitlines()
    classes = [node for node in ast.parse(text).body if isinstance(node, ast.ClassDef)]
    body = next(node.body for node in classes if node.name == name)
    return {
        node.target.id: _comment_above(lines, node.lineno - 1)
        for node in body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }


def _comment_above(lines: list[str], place: int) -> str:
    """Return the comment that ends above a line, as one text."""
    first = place
    while lines[first - 1].strip().startswith("#:"):
        first -= 1
    return " ".join(line.strip().removeprefix("#:").strip() for line in lines[first:place])
