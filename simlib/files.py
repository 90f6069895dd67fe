"""Files: results land whole or not at all; data that is shipped is found where it lies."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from simlib.core.errors import SimlibError

_HERE = Path(__file__).parent


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
    finally:
        temporary.unlink(missing_ok=True)


def shipped(name: str) -> Path:
    """Return a file of data that comes with simlib: in its source tree, or beside its modules.

    Examples
    --------
    >>> shipped("presets.toml").name
    'presets.toml'
    """
    for folder in (_HERE.parent, _HERE):
        if (folder / "data" / name).is_file():
            return folder / "data" / name
    raise SimlibError(f"data/{name} came neither with this simlib nor with a source tree around it")
