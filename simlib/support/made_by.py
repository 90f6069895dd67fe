"""What is being done: the command or the call in Python that results are made by.

The command line notes its command, and `check_arguments` the call of a public function. The
outermost counts: what a command calls inside is no call of its own.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from numbers import Real
from os import PathLike, fspath
from typing import Any

from simlib.core.secrets import HIDDEN, is_secret, mask_secrets

#: The name under which a result carries its origin: a key in JSON, and in Parquet's metadata.
KEY = "made_by"
PARQUET_KEY = b"simlib.made_by"
#: Lists and texts are shown as far as this.
_MOST_ITEMS, _MOST_CHARACTERS = 20, 300

_current: ContextVar[Callable[[], str] | None] = ContextVar("simlib_made_by", default=None)


@contextmanager
def noting(describe: Callable[[], str]) -> Iterator[None]:
    """Note what is being done meanwhile, unless that is part of what was noted before.

    Examples
    --------
    >>> with noting(lambda: "simlib run storm --seed 7"):
    ...     current_command()
    'simlib run storm --seed 7'
    """
    if _current.get() is not None:
        yield
        return
    token = _current.set(describe)
    try:
        yield
    finally:
        _current.reset(token)


def current_command() -> str:
    """Return the command or call that is running, without its secrets; empty if none is noted."""
    describe = _current.get()
    return "" if describe is None else describe()


def write_command(arguments: Sequence[str]) -> str:
    """Return a command of the command line as one types it, without its secrets.

    Examples
    --------
    >>> write_command(["run", "storm", "--url", "ws://u:pw@host/ws?room=1&token=abc"])
    "simlib run storm --url 'ws://***@host/ws?room=1&token=***'"
    """
    return shlex.join(["simlib", *mask_arguments(arguments)])


def describe_call(function: str, given: Sequence[Any], named: Mapping[str, Any]) -> str:
    """Return a call in Python as one types it, without its secrets; long arguments are cut short.

    Examples
    --------
    >>> describe_call("sweep", [{"clients": [1, 3]}], {"folder": "out", "token": "abc"})
    "sl.sweep({'clients': [1, 3]}, folder='out', token=***)"
    """
    shown = [_describe(value) for value in given]
    shown += [
        f"{name}={HIDDEN if is_secret(name) else _describe(value)}" for name, value in named.items()
    ]
    return f"sl.{function}({', '.join(shown)})"


def _describe(value: Any) -> str:
    if isinstance(value, str | PathLike):
        return repr(mask_secrets(fspath(value)[:_MOST_CHARACTERS]))
    if value is None or isinstance(value, Real):
        return str(value)
    if isinstance(value, Mapping):
        inside = (
            f"{_describe(key)}: {HIDDEN if is_secret(str(key)) else _describe(item)}"
            for key, item in list(value.items())[:_MOST_ITEMS]
        )
        return "{" + ", ".join([*inside, *_rest(value)]) + "}"
    if isinstance(value, list | tuple):
        items = map(_describe, value[:_MOST_ITEMS])
        return "[" + ", ".join([*items, *_rest(value)]) + "]"
    name = getattr(value, "name", None)
    if isinstance(name, str) and not isinstance(value, type):
        return f"{type(value).__name__}({name!r})"
    return getattr(value, "__name__", f"{type(value).__name__}(...)")


def _rest(values: Any) -> list[str]:
    return ["..."] if len(values) > _MOST_ITEMS else []


def mask_arguments(arguments: Sequence[str]) -> list[str]:
    """Return the arguments of a command without secrets, those that follow their option included.

    Examples
    --------
    >>> mask_arguments(["node", "client.mjs", "--api-key", "abc", "--port", "80"])
    ['node', 'client.mjs', '--api-key', '***', '--port', '80']
    """
    masked = []
    follows = False
    for argument in arguments:
        masked.append(HIDDEN if follows else mask_secrets(argument))
        follows = argument.startswith("-") and is_secret(argument)
    return masked
