"""What other packages add to simlib, by entry points: presets, lint rules, exporters, scenarios.

A plug-in that cannot be used is left out, and named; it breaks nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from simlib.support.messages import warn_user


def load_plugins(
    kind: str, taken: Collection[str], check: Callable[[str, Any], Any]
) -> dict[str, Any]:
    """Return what other packages add of a kind, by name.

    ``kind``: the entry points are those of the group ``simlib.KIND``. ``taken``: the names that
    simlib has itself, which no plug-in may have. ``check``: is called with the
    name and what was found; it raises if that is no good, and returns what is to be used.

    Examples
    --------
    >>> load_plugins("nothing_of_this_kind", (), need_function)
    {}
    """
    found: dict[str, Any] = {}
    for entry in sorted(entry_points(group=f"simlib.{kind}"), key=lambda each: each.name):
        if entry.name in taken:
            _leave_out(kind, entry, "simlib has one of this name itself")
        elif entry.name in found:
            _leave_out(kind, entry, "another plug-in has this name")
        else:
            try:
                found[entry.name] = check(entry.name, entry.load())
            except Exception as error:  # noqa: BLE001 - whatever it does, the rest goes on
                _leave_out(kind, entry, f"{type(error).__name__}: {error}")
    return found


def _leave_out(kind: str, entry: EntryPoint, why: str) -> None:
    package = "" if entry.dist is None else f" of {entry.dist.name}"
    message = 'the plug-in "%s"%s (simlib.%s, %s) is left out: %s'
    warn_user(message, entry.name, package, kind, entry.value, why)


def need_function(name: str, found: Any) -> Any:
    """Return a function, or refuse what is none."""
    if not callable(found):
        raise TypeError(f"{name} must be a function, not {type(found).__name__}")
    return found
