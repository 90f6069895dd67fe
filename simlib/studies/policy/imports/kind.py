"""What a kind of options is: how it is recognised, and what reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from math import inf
from typing import Any

from simlib.core.backoff_words import NO_CAP_S
from simlib.scenario.presets import presets
from simlib.studies.policy.imports.options import Options
from simlib.studies.policy.imports.values import Call, Joined

Tables = dict[str, Any]
#: How deep options may stand in a document.
DEEPEST_OPTIONS = 12


@dataclass(frozen=True)
class OptionKind:
    """A kind of options.

    Attributes
    ----------
    name : str
        What it is called.
    signs : frozenset of str
        Keys of which one is enough to recognise it.
    read : callable
        From its options to the tables of a client's settings.
    unsayable : mapping
        Its further keys, each with the reason why it is not in the model.
    find : callable, optional
        Finds the options in what a text means; by default, a table with one of the signs.
    keys : frozenset of str
        The further keys that ``read`` takes.
    """

    name: str
    signs: frozenset[str]
    read: Callable[[Options], Tables]
    unsayable: Mapping[str, str] = field(default_factory=dict)
    find: Callable[[Any], Mapping[str, Any] | None] | None = None
    keys: frozenset[str] = frozenset()

    def locate(self, value: Any) -> Mapping[str, Any] | None:
        """Return the options of this kind in a value; None if there are none."""
        return find_table(value, self.signs) if self.find is None else self.find(value)

    def count_known(self, options: Mapping[str, Any]) -> int:
        """Return how many keys of options this kind has."""
        return len(options.keys() & (self.signs | self.keys | self.unsayable.keys()))


def keys_in(text: str) -> frozenset[str]:
    """Return the words of a text as a set of keys."""
    return frozenset(text.split())


def because(reason: str, keys: str) -> dict[str, str]:
    """Return one reason for several keys."""
    return dict.fromkeys(keys.split(), reason)


def tables(value: Any, depth: int = DEEPEST_OPTIONS) -> Iterator[Mapping[str, Any]]:
    """Yield the tables within a value, the outer before the inner."""
    if depth == 0:
        return
    if isinstance(value, Mapping):
        yield {str(key): entry for key, entry in value.items()}
        inner = list(value.values())
    elif isinstance(value, Call):
        inner = [*value.arguments, *value.named.values(), value.on]
    elif isinstance(value, Joined):
        inner = list(value.parts)
    else:
        inner = value if isinstance(value, list) else []
    for entry in inner:
        yield from tables(entry, depth - 1)


def find_table(value: Any, signs: frozenset[str]) -> Mapping[str, Any] | None:
    """Return the first table within a value that has one of some keys."""
    return next((table for table in tables(value) if signs & table.keys()), None)


def calls(value: Any, depth: int = DEEPEST_OPTIONS) -> Iterator[Call]:
    """Yield the calls within a value, those of a chain in their order."""
    if depth == 0:
        return
    if isinstance(value, Call):
        yield from calls(value.on, depth - 1)
        yield value
        inner: list[Any] = [*value.arguments, *value.named.values()]
    elif isinstance(value, Joined):
        inner = list(value.parts)
    elif isinstance(value, Mapping):
        inner = list(value.values())
    else:
        inner = value if isinstance(value, list) else []
    for entry in inner:
        yield from calls(entry, depth - 1)


def start_from(preset: str) -> Tables:
    """Return the settings of a preset as tables that may be changed."""
    return deepcopy(dict(presets[preset].table))


def ceilings(options: Options, base_s: float, cap_s: float, factor: float = 2.0) -> Tables:
    """Return the settings of exponential ceilings; waits of 0 are a table of one step."""
    if cap_s < base_s:
        options.note(
            f"the longest wait, {cap_s:g} s, is below the first, {base_s:g} s: every wait is the "
            "longest. Are both in the same unit?"
        )
    base_s = min(base_s, cap_s)
    if base_s <= 0.0:
        return {"steps_s": [0.0]}
    if factor < 1.0:
        options.lack(f"waits that shrink by {factor:g}: here they stay the same")
        factor = 1.0
    return {"base_s": base_s, "cap_s": min(cap_s, NO_CAP_S), "factor": factor}


def upwards(ceiling: Tables, spread: float) -> Tables:
    """Return ceilings with jitter that adds up to a share of each on top: below higher ceilings."""
    if spread <= 0.0 or "steps_s" in ceiling:
        return ceiling | {"jitter": "none"}
    higher = {key: min(NO_CAP_S, ceiling[key] * (1.0 + spread)) for key in ("base_s", "cap_s")}
    shares = {"jitter": "below", "spread_fraction": spread / (1.0 + spread)}
    return ceiling | higher | shares


def attempts_after(options: Options, key: str, default: float) -> float:
    """Return the attempts after the first, of a count that includes the first."""
    total = options.count(key, default, low=1.0)
    return total if total == inf else total - 1.0
