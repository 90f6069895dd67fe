"""The script of a server in trouble: what it does from which moment on, read from TOML."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simlib.core.errors import SettingsError
from simlib.core.validation import Rule
from simlib.lab.observe.script import Phase, PhaseKind
from simlib.lab.script_file import parse_script, read_script
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
    return read_script(path, parse_moments)


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
    tables = parse_script(text, _KEYS, 'at_s = 10 kind = "refuse"')["moments"]
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
