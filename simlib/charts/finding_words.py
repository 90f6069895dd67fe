"""Words that findings on top of charts share."""

from __future__ import annotations

from collections.abc import Mapping

from simlib.metrics.array_types import Floats

#: Values by name, such as times to recover by policy.
Samples = Mapping[str, Floats]
#: Numbers that differ by less than this share are called the same.
_SAME = 0.02
#: How a run is called by the engine that played it.
ENGINE_NAMES = {"sim": "simulated", "live": "live", "fleet": "on the fleet"}


def add_name(name: str) -> str:
    """Say with which policy, or on which engine."""
    return ENGINE_NAMES.get(name, f"with {name}")


def agree_in_number(count: float, verb: str) -> str:
    """Return a verb in the number of its subject."""
    return f"{verb}s" if count == 1 else verb


def is_about_same(one: float, other: float) -> bool:
    """Whether two numbers are called the same."""
    return one == other or abs(one - other) <= _SAME * max(abs(one), abs(other))


def capitalize_first(text: str) -> str:
    """Return a text whose first letter is a capital, and the others as they are.

    A name that stands in code or files is left as it is written.

    Examples
    --------
    >>> capitalize_first("full jitter is back"), capitalize_first("first_outage is back")
    ('Full jitter is back', 'first_outage is back')
    """
    is_code = bool(set("_:") & set(text.partition(" ")[0].rstrip(":")))
    return text if is_code else text[:1].upper() + text[1:]


def lower_first(text: str) -> str:
    """Return a text whose first letter is small, and the others as they are."""
    return text[:1].lower() + text[1:]
