"""Scripts as files: TOML with a few keys of its own and one list of tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from simlib.core.errors import SettingsError
from simlib.core.validation import nearest
from simlib.support.toml_errors import describe_toml_error
from simlib.support.toml_files import parse_toml, read_toml_text

_Script = TypeVar("_Script")


def read_script(
    path: str | Path, parse: Callable[[str], _Script], *, otherwise: str = ""
) -> _Script:
    """Read a file by a function that parses its text, whose errors then name the file.

    Parameters
    ----------
    path : str or Path
        The file.
    parse : function
        It takes the text.
    otherwise : str
        What else the name of the file might have been, for the error of one that is not there.

    Raises
    ------
    SettingsError
        Naming the file, the key, the value and the rule that it breaks.
    """
    try:
        text = read_toml_text(path)
    except UnicodeDecodeError as error:
        raise SettingsError("script", str(path), describe_toml_error(error)) from error
    except OSError as error:
        rule = f"{otherwise}cannot be read: {error.strerror}"
        raise SettingsError("script", str(path), rule) from error
    try:
        return parse(text)
    except SettingsError as error:
        raise error.after(f"{path}:") from error


def parse_script(text: str, keys: Sequence[str], example: str) -> dict[str, Any]:
    """Return the values of a script, the last of whose keys is its list of tables.

    Parameters
    ----------
    text : str
        TOML.
    keys : list of str
        All that the script may have.
    example : str
        The settings of a table, for the error where there is none.

    Raises
    ------
    SettingsError
        Naming the key, the value and the rule that it breaks.

    Examples
    --------
    >>> parse_script('[[faults]]', ["seed", "faults"], 'kind = "reset"')
    {'faults': [{}]}
    """
    try:
        data = parse_toml(text)
    except ValueError as error:
        raise SettingsError("script", "", describe_toml_error(error)) from error
    for key, value in data.items():
        if key not in keys:
            rule = f"is not a setting{nearest(key, list(keys))}; known are {', '.join(keys)}"
            raise SettingsError(key, value, rule)
    tables = data.get(keys[-1])
    if not isinstance(tables, list) or not tables:
        rule = f"must be a list of tables: [[{keys[-1]}]] {example}"
        raise SettingsError(keys[-1], tables, rule)
    return data
