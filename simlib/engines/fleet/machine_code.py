"""The compiled loops: machine code that is kept on disk, and loaded without the compiler.

A loop is compiled by the first run that needs it, which takes half a minute. What comes of it is
one object file, and loading that takes llvmlite alone: to import numba would take longer than a
storm of a hundred thousand clients.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from simlib.core.errors import EngineError
from simlib.engines.fleet.block import Block, leaves
from simlib.engines.fleet.jit import compile_to_object, require
from simlib.engines.kernel import loop, state
from simlib.engines.kernel.features import LOOPS, PARTS
from simlib.support.cache_folder import find_cache_folder
from simlib.support.files import replacing
from simlib.support.messages import warn_user

_SOURCES = Path(__file__).parents[2]
#: The sources that compiled code is made of.
_COMPILED = (
    "core/*.py", "engines/kernel/*.py", "engines/fleet/jit.py", "engines/fleet/records.py",
    "engines/fleet/block*.py", "engines/fleet/machine_code.py", "engines/sizes.py",
    "engines/no_time.py", "trace/counts.py",
)  # fmt: skip

#: What compiled code returns, and is given: a place for its result and for an exception's, the
#: block's address, and how many events to play. A status other than 0 is an exception.
_ENTRY = ctypes.CFUNCTYPE(
    ctypes.c_int32,
    ctypes.POINTER(ctypes.c_int64),
    ctypes.POINTER(ctypes.c_void_p),
    ctypes.c_void_p,
    ctypes.c_int64,
)

#: What compiled code calls by numba's names, and the C library has too.
_OF_LIBM = {"numba_ldexp": "ldexp", "numba_frexp": "frexp"}


def compiling_in_words(name: str) -> str:
    """Return what those are told who wait for a loop that was never compiled."""
    return (
        f"Compiling the fleet engine, once: its {name} loop takes half a minute, or minutes on a "
        "busy machine. simlib warm does it ahead."
    )


def _warn(said: str) -> None:
    warn_user("%s", said)


class Loop:
    """A loop as machine code: called as `simlib.engines.kernel.loop.advance` is, with a block."""

    def __init__(self, file: Path) -> None:
        symbol, _, code = file.read_bytes().partition(b"\n")
        self._engine = _load(code)
        self._entry = _ENTRY(self._engine.get_function_address(symbol.decode()))

    def __call__(self, block: Block, events: int) -> int:
        """Play so many events at most; other threads run meanwhile."""
        result, exception = ctypes.c_int64(), ctypes.c_void_p()
        if self._entry(ctypes.byref(result), ctypes.byref(exception), block.address, events):
            raise EngineError("the fleet's compiled code failed")
        return result.value


#: The loops of this process.
_LOADED: dict[Path, Loop] = {}


def load_loop(name: str, arrays: state.Fleet, tell: Callable[[str], None] = _warn) -> Loop:
    """Return a loop for such arrays; processes that need it at once wait for one that compiles it.

    ``tell`` is called with the words of `compiling_in_words` if it must be compiled.

    Raises
    ------
    EngineError
        If numba is not there, or does not work.
    """
    file = file_of_loop(name, arrays)
    if file not in _LOADED:
        _keep(file, name, arrays, tell)
        _LOADED[file] = Loop(file)
    return _LOADED[file]


def is_kept(name: str, arrays: state.Fleet) -> bool:
    """Whether a loop for such arrays is there, so that nobody waits for it."""
    return file_of_loop(name, arrays).exists()


def file_of_loop(name: str, arrays: state.Fleet) -> Path:
    """Return the file of a loop: another one for records of another size, as long tables make."""
    return (
        cache_folder()
        / f"{name}-{_digest_of_types(tuple(array.dtype for array in leaves(arrays)))}"
    )


def cache_folder() -> Path:
    """Return the folder of compiled code: another one whenever a source or the machine changes."""
    caches: Path = require("platformdirs").user_cache_path("simlib")
    return find_cache_folder(caches, f"kernels-{_digest_of_machine()}")


@contextmanager
def one_compiles(file: Path) -> Iterator[bool]:
    """Yield whether this process must compile; any other waits until the code is kept.

    To compile takes half a minute, and a sweep has a process for each processor, so without a lock
    all of them would compile the same.
    """
    if file.exists():
        yield False
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    with require("filelock").FileLock(f"{file}.lock"):
        yield not file.exists()


def _keep(file: Path, name: str, arrays: state.Fleet, tell: Callable[[str], None]) -> None:
    """Compile a loop into its file, unless it is there."""
    with one_compiles(file) as is_first:
        if is_first:
            tell(compiling_in_words(name))
            with replacing(file) as temporary:
                temporary.write_bytes(_compile(name, arrays))


def _compile(name: str, arrays: state.Fleet) -> bytes:
    symbol, code = compile_to_object(loop.advance, arrays, without=PARTS - LOOPS[name])
    return symbol.encode() + b"\n" + code


def _load(code: bytes) -> Any:
    """Return an engine that holds machine code."""
    binding = require("llvmlite.binding")
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    for name, function in _OF_LIBM.items():
        # numba has functions of its own for these, under names that are known once it is imported.
        binding.add_symbol(name, ctypes.cast(getattr(_libm(), function), ctypes.c_void_p).value)
    machine = binding.Target.from_default_triple().create_target_machine()
    engine = binding.create_mcjit_compiler(binding.parse_assembly(""), machine)
    engine.add_object_file(binding.ObjectFileRef.from_data(code))
    engine.finalize_object()
    return engine


def _libm() -> ctypes.CDLL:
    """Return the C library's mathematics, which is in the process: Python needs it too."""
    return ctypes.CDLL("msvcrt" if os.name == "nt" else None)


@cache
def _digest_of_types(types: tuple[Any, ...]) -> str:
    return hashlib.sha256(repr(types).encode()).hexdigest()[:16]


@cache
def _digest_of_machine() -> str:
    """Return a hash of all that machine code depends on beside the types of its arrays."""
    binding = require("llvmlite.binding")
    settings = sorted((k, v) for k, v in os.environ.items() if k.startswith("NUMBA_"))
    parts = (
        _SOURCES_DIGEST, _version_of("numba"), _version_of("llvmlite"), platform.machine(),
        binding.get_host_cpu_name(), binding.get_host_cpu_features().flatten(), settings,
    )  # fmt: skip
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _version_of(package: str) -> str:
    """Return the version of what is installed; that it is not is said by what needs it."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _digest_of_sources() -> str:
    digest = hashlib.sha256()
    for pattern in _COMPILED:
        for file in sorted(_SOURCES.glob(pattern)):
            digest.update(file.read_bytes())
    return digest.hexdigest()


# Now, not when it is asked for: what is imported by then would be kept as what is edited since.
_SOURCES_DIGEST = _digest_of_sources()
