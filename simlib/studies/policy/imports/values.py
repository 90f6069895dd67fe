"""What stands in a text of options beside plain values: calls, times with a unit, code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class CodeText:
    """Something that only running the program would tell; it is kept as text, and never run."""

    text: str

    def __repr__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Drawn:
    """A number that is drawn once, when the options are made: ``1000 + Math.random() * 4000``."""

    least: float
    most: float

    def __repr__(self) -> str:
        return f"{self.least:g} to {self.most:g}, drawn"


@dataclass(frozen=True)
class Duration:
    """A time that says its unit, such as ``10 * time.Millisecond`` or ``timedelta(seconds=5)``."""

    s: float

    def __repr__(self) -> str:
        return f"{self.s:g} s"


@dataclass(frozen=True)
class StepFunction:
    """A function that looks its wait up in a list: ``n => [10, 50][n - 1] || 5000``."""

    steps: tuple[Any, ...]
    last: Any


@dataclass(frozen=True)
class Call:
    """A call by name with its arguments; ``on`` is what a method was called on."""

    name: str
    arguments: tuple[Any, ...] = ()
    named: Mapping[str, Any] = field(default_factory=dict)
    on: Any = None
    text: str = ""

    def __repr__(self) -> str:
        return self.text or f"{self.name}(...)"


@dataclass(frozen=True)
class Joined:
    """Strategies that are joined by an operator, such as ``wait_fixed(3) + wait_random(0, 2)``."""

    operator: str
    parts: tuple[Any, ...]
    text: str = ""

    def __repr__(self) -> str:
        return self.text


def chain(value: Any) -> list[Call]:
    """Return the calls of a chain of methods, the first of them first."""
    calls: list[Call] = []
    while isinstance(value, Call):
        calls.insert(0, value)
        value = value.on
    return calls
