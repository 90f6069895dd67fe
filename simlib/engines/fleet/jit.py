"""Compile the core's own functions: a twin is the same source under numba.

A twin is made of a function's code, with the twins of what it calls in place of those in its
globals; so there is no second copy of a formula, and the core never imports numba.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import unwrap
from pathlib import Path
from types import FunctionType
from typing import Any

from simlib.core.errors import EngineError
from simlib.support.extras import load_extra

_SOURCES = Path(__file__).parents[2]
#: The sources that compiled code is made of.
_COMPILED = (
    "core/*.py", "engines/kernel/*.py", "engines/fleet/jit.py", "engines/fleet/records.py",
    "engines/sizes.py", "engines/no_time.py", "trace/counts.py",
)  # fmt: skip

#: What only compiled code calls has no way in from Python.
_CALLED = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
#: Modules of long functions that are called from many places: inlined, they would fill memory.
_APART = ("simlib.core.impairments", "simlib.core.path", "simlib.core.exact")


def twin(function: Callable[..., Any], *, kept: bool = False) -> Any:
    """Compile a function with all functions that it calls; ``kept``: cache the code on disk.

    Raises
    ------
    EngineError
        If numba is not there, or does not work.
    """
    numba = require("numba")
    if not kept:
        return _compile(function, numba.njit, {})
    # It is read where a function is decorated, and is one for the whole process: the user's own
    # functions are not to be kept among simlib's.
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(cache_folder())
    try:
        return _compile(function, numba.njit, {}, cache=True)
    finally:
        numba.config.CACHE_DIR = before


def require(module: str) -> Any:
    """Return a module that the fleet cannot do without.

    Raises
    ------
    EngineError
        If it is not there, or does not work.
    """
    otherwise = "; the engine sim plays the same without it"
    return load_extra(module, "fleet", f"the fleet engine needs {module}", EngineError, otherwise)


def cache_folder() -> Path:
    """Return the folder of the compiled code: another one whenever any source has changed.

    numba itself looks only at the file of the outermost function.
    """
    caches: Path = require("platformdirs").user_cache_path("simlib")
    return caches / f"kernels-{_DIGEST[:16]}"


def is_kept() -> bool:
    """Whether the compiled code is cached on disk."""
    return _mark().exists()


def _mark() -> Path:
    """Return the file that says that all of the compiled code is in its folder."""
    return cache_folder() / "is_kept"


@contextmanager
def one_compiles() -> Iterator[bool]:
    """Yield whether this process must compile; any other waits until the code is kept.

    To compile takes a minute, and a sweep has a process for each processor, so without a lock all
    of them would compile the same.
    """
    if is_kept():
        yield False
        return
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with require("filelock").FileLock(folder / "lock"):
        is_first = not is_kept()
        yield is_first
        _mark().touch()


def _digest() -> str:
    digest = hashlib.sha256()
    for pattern in _COMPILED:
        for file in sorted(_SOURCES.glob(pattern)):
            digest.update(file.read_bytes())
    return digest.hexdigest()


# Now, not when it is asked for: what is imported by then would be kept as what is edited since.
_DIGEST = _digest()


def _compile(function: Callable[..., Any], njit: Any, done: dict[Any, Any], **options: Any) -> Any:
    # What is made quicker for the interpreter wraps what compiles.
    function = unwrap(function)
    if function in done:
        return done[function]
    code, scope = function.__code__, function.__globals__
    called = {
        name: _compile(
            scope[name], njit, done, forceinline=scope[name].__module__ not in _APART, **_CALLED
        )
        for name in code.co_names
        if isinstance(scope.get(name), FunctionType)
    }
    # Inlined, since a call hands over two dozen arrays; and without counting references, which
    # is done at every call otherwise: nothing is allocated.
    done[function] = njit(_nrt=False, error_model="numpy", **options)(
        FunctionType(code, {**scope, **called}, function.__name__, function.__defaults__)
    )
    return done[function]
