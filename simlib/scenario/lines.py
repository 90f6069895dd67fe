"""The lines on which the keys of a TOML text stand."""

from __future__ import annotations

import re
import tomllib
from typing import Any

#: What a statement may hold that has line ends in it, or looks like what has. Texts are matched
#: possessively: to keep each of their places takes a hundred times their memory.
_TOKEN = re.compile(
    r'"""(?:[^"\\]++|\\.|"(?!""))*+"""|"(?:[^"\\\n]++|\\.)*+"|#[^\n]*|[\[\]{}\n]'
    r"|'''.*?'''|'[^'\n]*'",
    re.DOTALL,
)


def key_lines(text: str) -> dict[str, int]:
    r"""Return the line, from 1, of each key of a TOML text, by its dotted path.

    An entry of a list of tables is numbered from 0, as in `Scenario.replace`. What stands inside of
    a value has the line on which the value begins.

    Examples
    --------
    >>> text = "clients = 3\n[client.backoff]\ncap_s = 9\n[[faults]]\nkind = 'reset'\n"
    >>> key_lines(text)["client.backoff.cap_s"], key_lines(text)["faults.0.kind"]
    (3, 5)
    """
    lines: dict[str, int] = {}
    counts: dict[str, int] = {}
    table = ""
    for number, statement in _statements(text):
        data = _parse(statement)
        if data is None:
            continue
        if statement.lstrip().startswith("["):
            table = _enter(data, counts)
            _note(lines, table, number)
        else:
            _note_inside(lines, table, data, number)
    return lines


def line_of(lines: dict[str, int], key: str) -> int:
    r"""Return the line of a key, or of the nearest table that it would stand in; 1 if none does.

    Examples
    --------
    >>> lines = key_lines("clients = 3\n\n[client]\nconnect_timeout_s = 2\n")
    >>> line_of(lines, "client.backoff.jitter"), line_of(lines, "server.workers")
    (3, 1)
    """
    while key and key not in lines:
        key = key.rpartition(".")[0]
    return lines.get(key, 1)


def _statements(text: str) -> list[tuple[int, str]]:
    """Return the headers and assignments of a text, each with its first line."""
    found: list[tuple[int, str]] = []
    number, start, depth = 1, 0, 0
    text = text.replace("\r\n", "\n") + "\n"
    for token in _TOKEN.finditer(text):
        mark = token[0]
        depth += (mark in "[{") - (mark in "]}")
        if mark == "\n" and depth <= 0:
            statement = text[start : token.start()]
            if statement.strip() and not statement.lstrip().startswith("#"):
                found.append((number, statement))
            number, start, depth = number + statement.count("\n") + 1, token.end(), 0
    return found


def _parse(statement: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(statement)
    except (ValueError, RecursionError):
        return None


def _enter(header: dict[str, Any], counts: dict[str, int]) -> str:
    """Return the path of the table that a header opens; lists of tables count theirs."""
    path = ""
    part: Any = header
    while isinstance(part, dict) and part:
        ((name, part),) = part.items()
        path = f"{path}.{name}" if path else name
        if isinstance(part, list):
            counts[path] = counts.get(path, -1) + 1
            return f"{path}.{counts[path]}"
        if path in counts:  # a table inside the last entry of a list
            path = f"{path}.{counts[path]}"
    return path


def _note(lines: dict[str, int], key: str, number: int) -> None:
    """Note the line of a key, and of the tables above it that have none."""
    while key:
        lines.setdefault(key, number)
        key = key.rpartition(".")[0]


def _note_inside(lines: dict[str, int], table: str, value: Any, number: int) -> None:
    if isinstance(value, dict):
        parts = list(value.items())
    elif isinstance(value, list) and value and all(isinstance(each, dict) for each in value):
        parts = [(str(i), each) for i, each in enumerate(value)]
    else:
        return
    for name, part in parts:
        key = f"{table}.{name}" if table else name
        _note(lines, key, number)
        _note_inside(lines, key, part, number)
