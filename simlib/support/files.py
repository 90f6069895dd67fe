"""Atomic writes, packaged data files, and a hash of the source tree."""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from simlib.core.errors import SimlibError

_HERE = Path(__file__).parents[1]
#: Packages that cannot change results, so they are left out of the hash.
_BESIDE = {"charts", "cli", "course", "lab"}


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside ``path``; rename it on success, remove it on failure."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(
        dir=target.parent, prefix=f".{target.stem}-", suffix=target.suffix
    )
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(target)
    except OSError as error:
        # A write that fails names no file; whoever reads of it knows the target's name alone.
        # One without a number is a sentence already, which a name would replace.
        if error.errno is not None and error.filename in (None, name):
            error.filename = str(target)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def read_bounded(file: str | os.PathLike[str], most_bytes: int) -> bytes:
    """Return what a file holds, unless it is larger than that, or has no end as /dev/zero.

    Raises
    ------
    OSError
        If it cannot be read, or is too large: says so as other errors of the system do.
    """
    with Path(file).open("rb") as opened:
        content = opened.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise OSError(errno.EFBIG, f"it is larger than {most_bytes / 2**20:g} MiB", str(file))
    return content


def find_shipped(name: str) -> Path:
    """Return a file or folder of data that comes with simlib: from its package, or source tree.

    Examples
    --------
    >>> find_shipped("presets.toml").name
    'presets.toml'
    """
    from importlib.resources import files

    # A wheel has the source tree's folder data inside the package, where nothing else is named so.
    package = Path(str(files("simlib")))
    for folder in (package, package.parent):
        if (folder / "data" / name).exists():
            return folder / "data" / name
    raise SimlibError(f"data/{name} came neither with this simlib nor with a source tree around it")


@cache
def code_digest() -> str:
    """Return a hash of simlib's own sources: other code may give other numbers."""
    digest = hashlib.sha256()
    for file in sorted(_HERE.rglob("*.py")):
        if file.relative_to(_HERE).parts[0] not in _BESIDE:
            digest.update(file.read_bytes())
    return digest.hexdigest()
