"""Immutable values with slots: what a frozen dataclass is, built in a twentieth of the time."""

from __future__ import annotations

import sys
from dataclasses import FrozenInstanceError
from typing import Any, Self, dataclass_transform


@dataclass_transform(frozen_default=True)
class _Kind(type):
    """Makes the slots of a class from its annotations, and keeps its defaults."""

    _fields: tuple[str, ...]
    _defaults: dict[str, Any]

    def __new__(cls, name: str, bases: tuple[type, ...], space: dict[str, Any]) -> _Kind:
        fields = _find_annotations(space)
        defaults = {field: space.pop(field) for field in fields if field in space}
        space |= {
            "__slots__": fields,
            "__match_args__": fields,
            "_fields": fields,
            "_defaults": defaults,
        }
        return super().__new__(cls, name, bases, space)


def _find_annotations(space: dict[str, Any]) -> tuple[str, ...]:
    """Return the names that a class annotates, before there is a class."""
    # From Python 3.14 on, a module without the __future__ import keeps them in a function.
    if sys.version_info >= (3, 14) and "__annotations__" not in space:
        import annotationlib

        annotate = annotationlib.get_annotate_from_class_namespace(space)
        if annotate is None:
            return ()
        names = annotationlib.call_annotate_function(annotate, annotationlib.Format.FORWARDREF)
        return tuple(names)
    return tuple(space.get("__annotations__", ()))


class Immutable(metaclass=_Kind):
    """A value whose fields are its annotations: equal to its like, hashable, never changed.

    There are over fifty classes of events and commands, and a run makes objects of a few. So the
    methods that a dataclass writes anew for each class are here once, and the one that has to be
    fast, `__init__`, is compiled when the first object of a class is made.

    Examples
    --------
    >>> class Point(Immutable):
    ...     x: int
    ...     y: int = 0
    >>> Point(1), Point(1) == Point(1, y=0)
    (Point(x=1, y=0), True)
    """

    def __init__(self, *given: Any, **named: Any) -> None:
        kind = type(self)
        _add_init(kind)
        kind.__init__(self, *given, **named)

    def replace(self, **changes: Any) -> Self:
        """Return a value that is this one, but for some fields."""
        return type(self)(**dict(zip(type(self)._fields, self._values(), strict=True)) | changes)

    def _values(self) -> tuple[Any, ...]:
        return tuple([getattr(self, field) for field in type(self)._fields])

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._values() == other._values()

    def __hash__(self) -> int:
        return hash(self._values())

    def __repr__(self) -> str:
        fields = [f"{field}={getattr(self, field)!r}" for field in type(self)._fields]
        return f"{type(self).__qualname__}({', '.join(fields)})"

    def __setattr__(self, name: str, value: Any) -> None:
        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> None:
        raise FrozenInstanceError(f"cannot delete field {name!r}")

    def __reduce__(self) -> tuple[type[Self], tuple[Any, ...]]:
        return type(self), self._values()


def _add_init(kind: _Kind) -> None:
    """Compile the `__init__` of a class: it fills the slots, which `__setattr__` refuses to do."""
    space = {f"_set_{field}": getattr(kind, field).__set__ for field in kind._fields}
    space["_defaults"] = kind._defaults
    preset = {field: f"{field}=_defaults[{field!r}]" for field in kind._defaults}
    arguments = [preset.get(field, field) for field in kind._fields]
    body = "; ".join(f"_set_{field}(self, {field})" for field in kind._fields)
    exec(f"def __init__({', '.join(['self', *arguments])}): {body or 'pass'}", space)
    kind.__init__ = space["__init__"]  # type: ignore[misc]
