"""Read options that are written as code: the tree of syntax is walked, and nothing is run.

Literals, arithmetic of numbers, times with a unit and calls by name are read; everything else
stays `CodeText`. So a name means nothing here, and no function of the text is ever called.
"""

from __future__ import annotations

import ast
import operator
import warnings
from collections.abc import Iterator
from math import inf, isfinite, nan
from typing import Any

from simlib.studies.policy.imports.plain_source import as_python
from simlib.studies.policy.imports.values import (
    Call,
    CodeText,
    Drawn,
    Duration,
    Joined,
    StepFunction,
)

_NAMES: dict[str, Any] = {
    "true": True, "false": False, "null": None, "undefined": None, "nil": None,
    "Infinity": inf, "NaN": nan, "inf": inf, "nan": nan, "math.inf": inf,
    "TimeSpan.Zero": Duration(0.0),
    "Number.POSITIVE_INFINITY": inf, "Number.MAX_SAFE_INTEGER": inf, "Number.MAX_VALUE": inf,
    "int.MaxValue": inf, "Int32.MaxValue": inf, "math.MaxInt32": inf, "math.MaxInt": inf,
    "time.Nanosecond": Duration(1e-9), "time.Microsecond": Duration(1e-6),
    "time.Millisecond": Duration(1e-3), "time.Second": Duration(1.0),
    "time.Minute": Duration(60.0), "time.Hour": Duration(3600.0),
}  # fmt: skip
_UNITS_S = {
    "milliseconds": 0.001, "seconds": 1.0, "minutes": 60.0, "hours": 3600.0, "days": 86400.0,
}  # fmt: skip
_ARITHMETIC: dict[type[ast.operator], Any] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}


def read_expressions(text: str) -> list[Any] | None:
    """Return the values of the expressions of a text, or None if it is no code.

    Examples
    --------
    >>> read_expressions("const options = { reconnectionDelay: 2 * 1000 };")
    [{'reconnectionDelay': 2000}]
    >>> read_expressions("open('secret').read()")
    [open('secret').read()]
    """
    tree = _parse(text)
    if tree is None:
        return None
    # A module may hold more than the options: imports, the client itself.
    return [_read(node) for node in _expressions(tree)]


def _parse(text: str) -> ast.Module | None:
    # As it is, if it is Python; else rewritten. A decorator may stand alone, and so may methods.
    cut = text.strip().removeprefix("@")
    for candidate in (
        text,
        cut,
        as_python(text),
        f"({as_python(text)})",
        f"({as_python('x' + cut)})",
    ):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of a strange escape in a string, for example
                tree = ast.parse(candidate.strip())
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        if any(True for _ in _expressions(tree)):
            return tree
    return None


def _expressions(tree: ast.Module) -> Iterator[ast.expr]:
    """Yield the expressions in which options may stand."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from node.decorator_list
        elif isinstance(node, ast.Expr | ast.Assign):
            yield node.value
        elif isinstance(node, ast.For | ast.AsyncFor):
            yield node.iter


def _read(node: ast.expr) -> Any:
    try:
        return _value(node)
    except (ValueError, RecursionError):
        return CodeText(_source(node))


def _source(node: ast.AST) -> str:
    try:
        return ast.unparse(node)
    except (RecursionError, ValueError):
        return "code"


def _value(node: ast.expr) -> Any:
    try:
        return _evaluate(node)
    except ArithmeticError:  # of this part alone: what stands around it is read all the same
        return CodeText(_source(node))


def _evaluate(node: ast.expr) -> Any:
    match node:
        case ast.Constant():
            return CodeText("...") if node.value is ... else node.value
        case ast.List() | ast.Tuple() | ast.Set():
            return [_value(entry) for entry in node.elts]
        case ast.Dict():
            return {
                _key(key): _value(value)
                for key, value in zip(node.keys, node.values, strict=True)
                if key is not None
            }
        case ast.Name() | ast.Attribute():
            name = _name_with_dots(node)
            return _NAMES.get(name, CodeText(name))
        case ast.UnaryOp(op=ast.USub()):
            return _calculate(ast.Sub(), 0, _value(node.operand), node)
        case ast.UnaryOp(op=ast.UAdd()):
            return _value(node.operand)
        case ast.BinOp():
            return _calculate(node.op, _value(node.left), _value(node.right), node)
        case ast.Call():
            return _call(node)
        case ast.Lambda():
            return _step_function(node)
    return CodeText(_source(node))


def _key(node: ast.expr) -> str:
    return str(node.value) if isinstance(node, ast.Constant) else _name_with_dots(node)


def _name_with_dots(node: ast.expr) -> str:
    return _source(node).replace(" ", "")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _calculate(sign: ast.operator, left: Any, right: Any, node: ast.AST) -> Any:
    """Return a sum, a product ... of numbers, draws and times; strategies are joined."""
    calculate = _ARITHMETIC.get(type(sign))
    if calculate is not None and _is_number(left) and _is_number(right):
        # As floats: a power of whole numbers may be too long to write down.
        result = calculate(float(left), float(right))
        whole = isinstance(left, int) and isinstance(right, int) and isfinite(result)
        return int(result) if whole and result == int(result) else result
    if calculate is not None and isinstance(left, Drawn) | isinstance(right, Drawn):
        ends = [
            value if isinstance(value, Drawn) else Drawn(value, value)
            for value in (left, right)
            if isinstance(value, Drawn) or _is_number(value)
        ]
        if len(ends) == 2 and isinstance(sign, ast.Add | ast.Mult):
            one, other = ends
            return Drawn(calculate(one.least, other.least), calculate(one.most, other.most))
    if isinstance(sign, ast.Mult) and isinstance(left, Duration) | isinstance(right, Duration):
        factors = [value.s if isinstance(value, Duration) else value for value in (left, right)]
        if all(_is_number(factor) for factor in factors):
            return Duration(float(factors[0]) * float(factors[1]))
    if isinstance(sign, ast.Add | ast.BitOr) and isinstance(left, Call | Joined):
        joined = "+" if isinstance(sign, ast.Add) else "|"
        parts = left.parts if isinstance(left, Joined) and left.operator == joined else (left,)
        return Joined(joined, (*parts, right), _source(node))
    return CodeText(_source(node))


def _call(node: ast.Call) -> Any:
    target = node.func.value if isinstance(node.func, ast.Subscript) else node.func
    if isinstance(target, ast.Call):
        return _value(target)  # what is made by a call, and then called: Retrying(...)(connect)
    on, name = None, _name_with_dots(target)
    if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Call):
        on, name = _value(target.value), target.attr
    arguments = tuple(_value(argument) for argument in node.args)
    named = {item.arg: _value(item.value) for item in node.keywords if item.arg is not None}
    if name == "time.Duration" and len(arguments) == 1 and _is_number(arguments[0]):
        return arguments[0]  # a number that only its unit, by which it is multiplied, makes a time
    if name == "Math.random":
        return Drawn(0.0, 1.0)
    if name == "float" and [str(each).lower() for each in arguments] in (["inf"], ["infinity"]):
        return inf
    time = _time(name, arguments, named)
    return Call(name, arguments, named, on, _source(node)) if time is None else time


def _time(name: str, arguments: tuple[Any, ...], named: dict[str, Any]) -> Duration | None:
    """Return the time that a call makes in Python, Go or C#; None if it makes none."""
    numbers = [*arguments, *named.values()]
    if not numbers or not all(_is_number(number) for number in numbers):
        return None
    last = name.rpartition(".")[2]
    if last == "timedelta" and not arguments and named.keys() <= _UNITS_S.keys():
        return Duration(sum(_UNITS_S[unit] * number for unit, number in named.items()))
    if name.startswith("TimeSpan.From") and len(numbers) == 1:
        unit = last.removeprefix("From").lower()
        return Duration(_UNITS_S[unit] * numbers[0]) if unit in _UNITS_S else None
    return None


def _step_function(node: ast.Lambda) -> Any:
    """Return the list that a function looks its wait up in, and what follows after its end."""
    match node.body:
        case ast.BoolOp(op=ast.Or(), values=[ast.Subscript(value=ast.List() as steps), last]):
            return StepFunction(tuple(_value(step) for step in steps.elts), _value(last))
        case ast.Constant(value=int() | float() as fixed):
            return StepFunction((fixed,), fixed)
    return CodeText(_source(node))
