"""TOML that others wrote: read within bounds, so that no file takes all memory, time or stack."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from simlib.support.files import read_bounded

#: A million recorded starts have room in it.
MOST_TOML_BYTES = 32 * 2**20
#: Headers of tables. Python keeps nearly a kilobyte of each while it reads.
MOST_TOML_TABLES = 20_000
#: What is nested deeper has no meaning, and Python's stack ends at some hundreds.
MOST_TOML_LEVELS = 100
#: Python's parser takes a time that grows with the square of the parts of a key.
_LONG_KEY = re.compile(
    rf"""(?<![\w.-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){{{MOST_TOML_LEVELS}}}"""
)


def read_toml_text(file: str | Path) -> str:
    """Return the text of a file of settings.

    Raises
    ------
    OSError
        If it cannot be read, or is too large.
    UnicodeDecodeError
        If it is no text in UTF-8.
    """
    return (
        read_bounded(file, MOST_TOML_BYTES)
        .decode("utf-8-sig")
        .replace("\r\n", "\n")
        .replace("\r", "\n")
    )


def parse_toml(text: str) -> dict[str, Any]:
    """Return what a text in TOML says.

    Raises
    ------
    ValueError
        If it is no TOML, or beyond the bounds: says why.

    Examples
    --------
    >>> parse_toml("clients = 3")
    {'clients': 3}
    """
    if _LONG_KEY.search(text):
        raise ValueError(f"a key has more than {MOST_TOML_LEVELS} parts")
    if text.count("\n[") > MOST_TOML_TABLES:
        raise ValueError(f"it has more than {MOST_TOML_TABLES:,} tables")
    try:
        data = tomllib.loads(text)
    except RecursionError as error:
        raise ValueError(_TOO_DEEP) from error
    _check_levels(data)
    return data


_TOO_DEEP = f"it is nested deeper than {MOST_TOML_LEVELS} levels"


def _check_levels(data: Mapping[str, Any]) -> None:
    level: list[Any] = [data]
    for _ in range(MOST_TOML_LEVELS):
        level = [part for each in level for part in _find_inside(each)]
        if not level:
            return
    raise ValueError(_TOO_DEEP)


def _find_inside(value: Mapping[str, Any] | list[Any]) -> Iterator[Any]:
    inside = value.values() if isinstance(value, dict) else value
    return (each for each in inside if isinstance(each, dict | list))
