"""What the readers of libraries that repeat calls share."""

from __future__ import annotations

from simlib.core.breaker import LONGEST_WINDOW
from simlib.studies.policy.imports.kind import (
    Tables,
)
from simlib.studies.policy.imports.options import Options

NAMING = "is a name"
EXCEPTIONS = "is about exceptions; in the model a connection fails or opens"
CALL_NOTE = (
    "a call is attempted again after its failure; here the loss of the connection is the first "
    "failure"
)


def library_table() -> Tables:
    """Return the settings that libraries have in the presets: no code stops them."""
    return {"stops": {"suspends_on": []}, "backoff": {"heeds_hint": False}}


def bound_window(options: Options, key: str, wanted: float, word: str) -> int:
    """Return a number of attempts that the model's breaker can look back on."""
    if wanted > LONGEST_WINDOW:
        options.note(f"{key} = {wanted:g}: the model's breaker looks back on {LONGEST_WINDOW} "
                     f"attempts at most; here {word} is {LONGEST_WINDOW}")  # fmt: skip
    return int(max(1, min(LONGEST_WINDOW, wanted)))
