"""Validation of settings: a rule beside each field, checked when the object is made.

Infinity means "never" or "no limit" everywhere, so no setting is ever None and every
setting is a plain number that a compiled twin can take.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from enum import IntEnum
from math import inf
from numbers import Real
from sys import float_info
from typing import Any, cast

from simlib.core.card import Card, ShowsCard
from simlib.core.errors import SettingsError

#: A whole number, or infinity for "no limit".
Count = float


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule for one number: its range, whether it is whole, and whether infinity is allowed."""

    unit: str
    low: float = 0.0
    high: float = inf
    above: bool = False
    whole: bool = False
    endless: bool = False

    def __str__(self) -> str:
        number = "a whole number" if self.whole else "a number"
        unit = f" of {self.unit}" if self.unit else ""
        if self.high == inf:
            bound = f"above {self.low:g}" if self.above else f"{self.low:g} or more"
        elif self.above:
            bound = f"above {self.low:,.15g} and at most {self.high:,.15g}"
        else:
            bound = f"from {self.low:,.15g} to {self.high:,.15g}"
        return f"must be {number}{unit}, {bound}" + (
            ", or inf for no limit" if self.endless else ""
        )

    def validate(self, key: str, value: Any) -> float | int:
        """Return ``value`` as the rule's number, or raise `SettingsError`."""
        known = isinstance(value, Real) and not isinstance(value, bool)
        if not known or not self._allows(value):
            raise SettingsError(key, value, str(self))
        return int(value) if self.whole and not self.endless else float(value)

    def _allows(self, value: float) -> bool:
        if value == inf:
            return self.endless
        low_ok = value > self.low if self.above else value >= self.low
        # No comparison with a nan holds; a whole number beyond every float is refused, not raised.
        fits = low_ok and value <= min(self.high, float_info.max)
        return fits and (not self.whole or value == int(value))


def seconds(default: float, *, above: bool = False, endless: bool = False, low: float = 0.0) -> Any:
    """Return a field for a time in seconds."""
    return _field_with(default, Rule("seconds", low=low, above=above, endless=endless))


def count(default: float, *, low: int = 1, high: float = inf, endless: bool = False) -> Any:
    """Return a field for a whole number; with ``endless`` it may be infinite."""
    return _field_with(default, Rule("", low=low, high=high, whole=True, endless=endless))


def number(default: float, unit: str, **limits: Any) -> Any:
    """Return a field for a number with a unit of its own."""
    return _field_with(default, Rule(unit, **limits))


def choice(default: IntEnum) -> Any:
    """Return a field for one word out of an enumeration; a text that names it is accepted."""
    return field(default=default, metadata={"choice": type(default)})


def flag(default: bool) -> Any:
    """Return a field for yes or no."""
    return field(default=default, metadata={"flag": True})


def times(default: tuple[float, ...] = ()) -> Any:
    """Return a field for a table of times in seconds; a list is accepted."""
    return field(default=default, metadata={"each": Rule("seconds")})


def _field_with(default: float, rule: Rule) -> Any:
    return field(default=default, metadata={"rule": rule})


class ValidatedSettings(ShowsCard):
    """Base of every frozen settings class: each field is validated when it is made."""

    __slots__ = ()

    def __post_init__(self) -> None:
        for item in fields(cast(Any, self)):
            if item.metadata:
                value = _validate(item.name, getattr(self, item.name), item.metadata)
                object.__setattr__(self, item.name, value)
                continue
            kind = cast(Any, item.default_factory)
            if is_dataclass(kind) and not isinstance(getattr(self, item.name), cast(type, kind)):
                rule = f"must be {cast(type, kind).__name__}(...)"
                raise SettingsError(item.name, getattr(self, item.name), rule)
        self.check()

    def __init_subclass__(cls) -> None:
        # A dataclass writes a long repr of its own unless its class has one.
        cls.__repr__ = cls.__dict__.get("__repr__", ValidatedSettings.__repr__)  # type: ignore[method-assign]
        super().__init_subclass__()

    def check(self) -> None:
        """Raise `SettingsError` where fields contradict each other."""

    def changed_fields(self) -> dict[str, Any]:
        """Return the fields that differ from their defaults, in their order."""
        changed = {}
        for item in fields(cast(Any, self)):
            value = getattr(self, item.name)
            made: Any = item.default_factory
            if item.init and value != (item.default if made is MISSING else made()):
                changed[item.name] = value
        return changed

    def card(self) -> Card:
        """Return what is shown: the settings that differ from the defaults."""
        rows = tuple((name, format_setting(value)) for name, value in self.changed_fields().items())
        return Card(type(self).__name__, rows, notes=() if rows else ("all as by default",))

    def __repr__(self) -> str:
        changed = (
            f"{name}={format_setting(value)}" for name, value in self.changed_fields().items()
        )
        return f"{type(self).__name__}({', '.join(changed)})"


def format_setting(value: Any) -> str:
    """Return a setting as it is written in Python, an enumerated one by its word."""
    if isinstance(value, IntEnum):
        return repr(value.name.lower())
    if callable(value):
        return name_function(value)
    return repr(value).removesuffix(".0") if isinstance(value, float) else repr(value)


def name_function(function: Any) -> str:
    """Return what a function is called; of a callable object, its class.

    Examples
    --------
    >>> from functools import partial
    >>> name_function(abs), name_function(partial(max, 1))
    ('abs', 'partial(max)')
    """
    if hasattr(function, "func"):  # functools.partial
        return f"{type(function).__name__}({name_function(function.func)})"
    name: str = getattr(function, "__qualname__", type(function).__qualname__)
    return name.rpartition("<locals>.")[2]


def _validate(key: str, value: Any, metadata: Any) -> Any:
    if "rule" in metadata:
        return metadata["rule"].validate(key, value)
    if "each" in metadata:
        if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__"):
            raise SettingsError(key, value, "must be a list of seconds")
        return tuple(metadata["each"].validate(f"{key}[{i}]", v) for i, v in enumerate(value))
    if "flag" in metadata:
        if not isinstance(value, bool):
            raise SettingsError(key, value, "must be true or false")
        return value
    return word(key, value, metadata["choice"])


def word(key: str, value: Any, words: type[IntEnum]) -> IntEnum:
    """Return the member of ``words`` that ``value`` names, or raise `SettingsError`."""
    if isinstance(value, words):
        return value
    if isinstance(value, str) and value.upper() in words.__members__ and value == value.lower():
        return words[value.upper()]
    if isinstance(value, float) and repr(value) in words.__members__:
        return words[repr(value)]  # a version, which TOML reads as a number
    known = ", ".join(name.lower() for name in words.__members__)
    raise SettingsError(key, value, f"must be one of {known}{nearest(value, known.split(', '))}")


def nearest(word_: object, known: list[str]) -> str:
    """Return `` (did you mean "x"?)`` with the known word nearest to a misspelt one, or nothing."""
    from difflib import get_close_matches

    # "socketio" is meant for "socket.io-client", though "sockette" has more letters in common.
    typed = _letters(str(word_))
    match = [name for name in known if len(typed) >= 3 and _letters(name).startswith(typed)]
    match = match[:1] or get_close_matches(str(word_), known, n=1, cutoff=0.6)
    return f' (did you mean "{match[0]}"?)' if match else ""


def _letters(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())
