"""From the text of options to plain values: JSON, YAML, or a literal of a programming language."""

from __future__ import annotations

import configparser
import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from simlib.core.errors import FileError, on_one_line
from simlib.studies.policy.imports.expressions import read_expressions

#: Options of a client are short; what is longer was not meant to be read here.
MOST_CHARACTERS = 64_000
#: A parser of YAML takes a time that grows with the square of the depth: minutes for 10,000 levels.
MOST_LEVELS = 100
_NOT_READ = (
    "is no JSON, YAML, or literal of JavaScript, Python, Go or C#: leave the options alone in it, "
    "without the program around them"
)


def read_file(file: Path) -> str:
    """Return the text of a file of options."""
    try:
        with file.open(encoding="utf-8-sig") as opened:
            return opened.read(MOST_CHARACTERS + 1)
    except OSError as error:
        raise FileError(file, f"cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise FileError(file, "is no text in UTF-8") from error


def read_values(text: str, source: str, suffix: str = "") -> list[Any]:
    """Return what a text may mean, the likeliest first; ``suffix`` is that of its file.

    Examples
    --------
    >>> read_values('{"maxRetries": 3}', "options")
    [{'maxRetries': 3}]
    """
    if len(text) > MOST_CHARACTERS:
        rule = f"is longer than {MOST_CHARACTERS:,} characters: leave the options alone in it"
        raise FileError(source, rule)
    if not text.strip():
        raise FileError(source, "is empty: it must hold the options of a client")
    readers = _READERS_BY_SUFFIX.get(suffix, (_read_json, _read_ini, _read_code, _read_yaml))
    why: list[str] = []
    for read in readers:
        values = read(text, source, why)
        if values:
            return values
    raise FileError(source, "; ".join(why) or _NOT_READ)


def _read_json(text: str, source: str, why: list[str]) -> list[Any] | None:
    try:
        return [json.loads(text, object_pairs_hook=lambda pairs: _unique(pairs, source))]
    except json.JSONDecodeError as error:
        if text.lstrip()[:1] in ("{", "["):
            place = f"line {error.lineno}, column {error.colno}"
            why.append(f"is not whole JSON ({place}: {_lower(error.msg)})")
    except (RecursionError, ValueError) as error:
        if isinstance(error, FileError):
            raise
        why.append("is not JSON that can be read: it is nested too deep, or a number is too long")
    return None


def _lower(keys_in: str) -> str:
    return keys_in[:1].lower() + keys_in[1:]


def _unique(pairs: list[tuple[str, Any]], source: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise FileError(
                source, "stands twice: which of the two counts?", on_one_line(key), value
            )
        found[key] = value
    return found


def _read_code(text: str, _: str, why: list[str]) -> list[Any] | None:
    return read_expressions(text)


def _read_ini(text: str, source: str, _: list[str]) -> list[Any] | None:
    """Return the sections of a file such as ``~/.aws/config``, or lines ``NAME=VALUE``."""
    if not _SETS_RETRIES.search(text) or set("({") & set(text):
        return None
    parser = configparser.ConfigParser(interpolation=None, default_section="\0")
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    lines = [line.strip().removeprefix("export ") for line in text.splitlines()]
    body = "\n".join(lines)
    try:
        parser.read_string(body if body.lstrip().startswith("[") else f"[options]\n{body}")
    except configparser.Error:
        return None
    return [_numbers(dict(parser[name])) for name in parser.sections()]


_SETS_RETRIES = re.compile(
    # Blanks, not \s: that spans lines, so many empty lines would be searched from each of them.
    r"^[ \t]*(?:export[ \t]+)?(?:retry_mode|max_attempts|AWS_RETRY_MODE|AWS_MAX_ATTEMPTS)[ \t]*=",
    re.MULTILINE,
)


def _numbers(section: dict[str, str]) -> dict[str, Any]:
    return {
        key: int(value) if value.isdecimal() and len(value) < 16 else value.strip("\"'")
        for key, value in section.items()
    }


def _read_yaml(text: str, source: str, why: list[str]) -> list[Any] | None:
    import yaml

    try:
        _check_yaml(yaml.parse(text, Loader=yaml.SafeLoader), source)
        for root in yaml.compose_all(text, Loader=yaml.SafeLoader):
            _check_keys(root, source)
        documents = [each for each in yaml.safe_load_all(text) if each is not None]
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        problem = getattr(error, "problem", None) or "it cannot be read"
        why.append(f"is not YAML{place}: {' '.join(str(problem).split())}")
        return None
    except (RecursionError, ValueError, OverflowError) as error:
        if isinstance(error, FileError):
            raise
        why.append("is not YAML that can be read")
        return None
    # A text without any structure is YAML too: one word.
    if not any(isinstance(each, dict | list) for each in documents):
        return None
    why.clear()
    # Several documents are one: parts of a policy may stand in each.
    return documents if len(documents) == 1 else [documents]


def _check_yaml(events: Iterable[Any], source: str) -> None:
    """Refuse what takes very long to read, or much memory, before any of it is built."""
    import yaml

    level = 0
    for event in events:
        place = f"line {event.start_mark.line + 1}"
        if isinstance(event, yaml.AliasEvent):
            rule = "is an alias, which could stand for very much: write out what it stands for"
            raise FileError(source, rule, place, event.anchor)
        level += isinstance(event, yaml.CollectionStartEvent)
        level -= isinstance(event, yaml.CollectionEndEvent)
        if level > MOST_LEVELS:
            raise FileError(source, f"is nested deeper than {MOST_LEVELS} levels", place)


def _check_keys(node: Any, source: str) -> None:
    """Refuse a table that has a key twice, as JSON's are: the last would count, unseen."""
    import yaml

    found: set[tuple[str, str]] = set()
    for part in node.value if isinstance(node, yaml.CollectionNode) else ():
        key, value = part if isinstance(node, yaml.MappingNode) else (None, part)
        if isinstance(key, yaml.ScalarNode):
            if (key.tag, key.value) in found:
                place = f"line {key.start_mark.line + 1}"
                raise FileError(source, "stands twice: which of the two counts?", place, key.value)
            found.add((key.tag, key.value))
        _check_keys(value, source)


_Reader = Callable[[str, str, list[str]], list[Any] | None]
_READERS_BY_SUFFIX: dict[str, tuple[_Reader, ...]] = {
    ".json": (_read_json,),
    ".yaml": (_read_yaml,),
    ".yml": (_read_yaml,),
}
