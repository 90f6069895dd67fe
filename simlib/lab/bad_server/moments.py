"""The script of a server in trouble: what it does from which moment on, read from TOML."""

from __future__ import annotations

import itertools
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simlib.core.errors import SettingsError
from simlib.core.validation import Rule, nearest
from simlib.lab.observe.script import Phase, PhaseKind
from simlib.scenario.build import build

_AT = Rule("seconds")
_KEYS = ["name", "moments"]
#: What ends a phase of an observation, and the kind that needs that; here the next moment does.
_NOT_HERE = ("attempts", "longest_s")


@dataclass(frozen=True)
class ServerMoment:
    """From when on the server does what."""

    at_s: float
    phase: Phase


def read_moments(path: str | Path) -> list[ServerMoment]:
    """Read the moments of a TOML file, in the order of time.

    Raises
    ------
    SettingsError
        Naming the file, the key, the value and the rule that it breaks.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise SettingsError("script", str(path), f"is not TOML: {error}") from error
    except OSError as error:
        raise SettingsError("script", str(path), f"cannot be read: {error.strerror}") from error
    try:
        return parse_moments(text)
    except SettingsError as error:
        raise error.after(f"{path}:") from error


def parse_moments(text: str) -> list[ServerMoment]:
    """Read moments from TOML.

    Examples
    --------
    >>> moments = parse_moments('''
    ... [[moments]]
    ... at_s = 10
    ... kind = "status"
    ... status = 503
    ... ''')
    >>> [(moment.at_s, moment.phase.words) for moment in moments]
    [(10.0, 'status 503')]
    """
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise SettingsError("script", "", f"is not TOML: {error}") from error
    for key, value in data.items():
        if key not in _KEYS:
            rule = f"is not a setting{nearest(key, _KEYS)}; known are {', '.join(_KEYS)}"
            raise SettingsError(key, value, rule)
    tables = data.get("moments")
    if not isinstance(tables, list) or not tables:
        rule = 'must be a list of tables: [[moments]] at_s = 10 kind = "refuse"'
        raise SettingsError("moments", tables, rule)
    moments = [_moment(f"moments[{i}]", table) for i, table in enumerate(tables)]
    for i, (before, after) in enumerate(itertools.pairwise(moments), 1):
        if after.at_s <= before.at_s:
            rule = f"must be after the moment before it ({before.at_s:g})"
            raise SettingsError(f"moments[{i}].at_s", after.at_s, rule)
    return moments


def _moment(where: str, table: Any) -> ServerMoment:
    if not isinstance(table, dict):
        raise SettingsError(where, table, "must be a table of settings")
    try:
        for name in ("at_s", "kind"):
            if name not in table:
                raise SettingsError(name, None, "must be there: a moment says when, and what")
        for name in _NOT_HERE:
            if name in table:
                raise SettingsError(name, table[name], "must be left out: the next moment ends it")
        phase = build(Phase, {key: value for key, value in table.items() if key != "at_s"})
        if phase.kind is PhaseKind.SEVERAL:
            raise SettingsError("kind", "several", "is for simlib observe, which counts clients")
        return ServerMoment(float(_AT.validate("at_s", table["at_s"])), phase)
    except SettingsError as error:
        raise error.inside(where) from error
