"""Compile the core's own functions: a twin is the same source under numba.

A twin is made of a function's code, with the twins of what it calls in place of those in its
globals; so there is no second copy of a formula, and the core never imports numba.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from inspect import unwrap
from types import FunctionType
from typing import Any

from simlib.core.errors import EngineError
from simlib.support.extras import load_extra

#: What only compiled code calls has no way in from Python.
_CALLED = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
#: Modules of long functions that are called from many places: inlined, they would fill memory.
_APART = ("simlib.core.impairments", "simlib.core.path", "simlib.core.exact")


def twin(function: Callable[..., Any]) -> Any:
    """Return a function that is compiled, with all that it calls, when it is first called.

    Raises
    ------
    EngineError
        If numba is not there, or does not work.
    """
    return _twin(function, require("numba").njit, {}, {})


def compile_to_object(
    function: Callable[..., Any], arrays: Any, without: Collection[str]
) -> tuple[str, bytes]:
    """Return a function of a block and a number as an object file, and its name there.

    Parameters
    ----------
    function : function
        It takes a named tuple of arrays and a whole number, and returns a whole number.
    arrays : named tuple of arrays
        Such as it will be called with.
    without : collection of str
        Constants that are False in compiled code: what stands behind them is left away before it
        is compiled.

    Raises
    ------
    EngineError
        If numba is not there, or does not work.
    """
    numba = require("numba")
    from simlib.engines.fleet.block_type import type_of_block

    made = _twin(function, numba.njit, {}, dict.fromkeys(without, False), **_CALLED)
    given = (type_of_block(arrays), numba.types.int64)
    made.compile(given)
    compiled = made.overloads[given]
    _, _, (code, _) = compiled.library.serialize_using_object_code()
    return compiled.fndesc.llvm_func_name, code


def require(module: str) -> Any:
    """Return a module that the fleet cannot do without.

    Raises
    ------
    EngineError
        If it is not there, or does not work.
    """
    otherwise = "; the engine sim plays the same without it"
    return load_extra(module, "fleet", f"the fleet engine needs {module}", EngineError, otherwise)


def _twin(
    function: Callable[..., Any],
    njit: Any,
    done: dict[Any, Any],
    constants: Mapping[str, bool],
    **options: Any,
) -> Any:
    # What is made quicker for the interpreter wraps what compiles.
    function = unwrap(function)
    if function in done:
        return done[function]
    code, scope = function.__code__, function.__globals__
    called = {
        name: _twin(
            scope[name],
            njit,
            done,
            constants,
            forceinline=scope[name].__module__ not in _APART,
            **_CALLED,
        )
        for name in code.co_names
        if isinstance(scope.get(name), FunctionType)
    }
    # Without counting references, which is done at every call otherwise: nothing is allocated.
    done[function] = njit(_nrt=False, error_model="numpy", **options)(
        FunctionType(
            code, {**scope, **called, **constants}, function.__name__, function.__defaults__
        )
    )
    return done[function]
