"""The kinds of a public function's arguments, checked before it runs.

Its annotations say them: a wrong kind is a `SettingsError` that names the argument, where Python
would raise from somewhere inside.
"""

from __future__ import annotations

import ast
import inspect
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cache, partial, wraps
from numbers import Integral, Real
from os import PathLike
from typing import Any, ParamSpec, TypeVar, cast

from simlib.core.errors import SettingsError
from simlib.support.made_by import describe_call, noting

Parameters = ParamSpec("Parameters")
R = TypeVar("R")


def check_arguments(function: Callable[Parameters, R]) -> Callable[Parameters, R]:
    """Have a function refuse arguments of a kind that its annotations do not name.

    The call is noted meanwhile, so that results can say what made them.

    Examples
    --------
    >>> @check_arguments
    ... def doubled(n: int) -> int:
    ...     return 2 * n
    >>> doubled(2)
    4
    >>> doubled(2.5)
    Traceback (most recent call last):
        ...
    simlib.core.errors.SettingsError: n = 2.5: must be a whole number
    """
    signature = inspect.signature(function)

    @wraps(function)
    def check_first(*args: Parameters.args, **kwargs: Parameters.kwargs) -> R:
        for name, value in signature.bind(*args, **kwargs).arguments.items():
            parameter = signature.parameters[name]
            if isinstance(parameter.annotation, str):
                many = parameter.kind is inspect.Parameter.VAR_POSITIONAL
                for item in value if many else (value,):
                    _check(name, item, parameter.annotation)
        named = partial(describe_call, function.__qualname__, args, kwargs)
        if inspect.iscoroutinefunction(function):
            # The call lasts until its coroutine has ended, which is played later.
            return cast(R, _noting_until_end(function(*args, **kwargs), named))
        with noting(named):
            return function(*args, **kwargs)

    return check_first


async def _noting_until_end(work: Any, describe: Callable[[], str]) -> Any:
    with noting(describe):
        return await work


def accept_old_name(
    old: str, new: str
) -> Callable[[Callable[Parameters, R]], Callable[Parameters, R]]:
    """Have a function take an argument by its old name as well, with a DeprecationWarning.

    Examples
    --------
    >>> @accept_old_name("times", "n")
    ... def repeat(word: str, n: int) -> str:
    ...     return word * n
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore", DeprecationWarning)
    ...     repeat("ab", times=2)
    'abab'
    """

    def decorate(function: Callable[Parameters, R]) -> Callable[Parameters, R]:
        @wraps(function)
        def rename(*args: Parameters.args, **kwargs: Parameters.kwargs) -> R:
            if old in kwargs:
                note = f"{function.__name__}: {old}= is now {new}=; the old name ends with the next"
                warnings.warn(f"{note} version", DeprecationWarning, stacklevel=2)
                if new in kwargs:
                    raise SettingsError(old, kwargs[old], f"is the old name of {new}: leave it out")
                kwargs[new] = kwargs.pop(old)
            return function(*args, **kwargs)

        return rename

    return decorate


def _check(name: str, value: Any, annotation: str) -> None:
    kind = _parse(annotation)
    if not _is(value, kind):
        raise SettingsError(name, value, f"must be {_in_words(kind)}")


@cache
def _parse(annotation: str) -> ast.expr:
    return ast.parse(_ALIASES.get(annotation, annotation), mode="eval").body


def _is(value: Any, kind: ast.expr) -> bool:
    """Whether a value is of the kind that an annotation names.

    Classes are compared by name, since those that only annotate are not imported.
    """
    if isinstance(kind, ast.BinOp):
        return _is(value, kind.left) or _is(value, kind.right)
    if isinstance(kind, ast.Constant):
        return value is None
    if isinstance(kind, ast.Subscript) and _name(kind) in _MANY:
        return _is_many(value, kind)
    name = _name(kind)
    if name in _KINDS:
        return _KINDS[name][0](value)
    return any(kind.__name__ == name for kind in type(value).__mro__)


def _is_many(value: Any, kind: ast.Subscript) -> bool:
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        return False
    # What can be gone through once only is left to the function.
    inside = kind.slice.elts[0] if isinstance(kind.slice, ast.Tuple) else kind.slice
    return not isinstance(value, Collection) or all(_is(item, inside) for item in value)


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _is_path(value: Any) -> bool:
    return isinstance(value, PathLike)


def _is_mapping(value: Any) -> bool:
    return isinstance(value, Mapping)


#: Names that stand for other kinds.
_ALIASES = {"Traces": "Trace | Sequence[Trace]"}
_MANY = {"Sequence", "Iterable", "Collection", "list", "tuple"}
#: How kinds are told apart that a class's name does not tell, and their words.
_KINDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "int": (_is_whole, "a whole number"),
    "float": (_is_number, "a number"),
    "str": (lambda value: isinstance(value, str), "a text"),
    "bool": (lambda value: isinstance(value, bool), "True or False"),
    "Mapping": (_is_mapping, "a mapping, such as a dict"),
    "Callable": (callable, "a function"),
    "Progress": (callable, "a function"),
    "Process": (callable, "a generator function"),
    "Path": (_is_path, "a path"),
    "FilePath": (_is_path, "a path"),
    "PathLike": (_is_path, "a path"),
    "Any": (lambda value: True, "anything"),
    "object": (lambda value: True, "anything"),
}


def _name(kind: ast.expr) -> str:
    if isinstance(kind, ast.Subscript):
        return _name(kind.value)
    return kind.attr if isinstance(kind, ast.Attribute) else ast.unparse(kind)


def _in_words(kind: ast.expr) -> str:
    if isinstance(kind, ast.BinOp):
        return f"{_in_words(kind.left)} or {_in_words(kind.right)}"
    if isinstance(kind, ast.Constant):
        return "None"
    name = _name(kind)
    if isinstance(kind, ast.Subscript) and name in _MANY:
        inside = kind.slice.elts[0] if isinstance(kind.slice, ast.Tuple) else kind.slice
        return f"a list in which each is {_in_words(inside)}"
    if name in _KINDS:
        return _KINDS[name][1]
    return f"an {name}" if name[0] in "AEIOU" else f"a {name}"
