"""Where to keep what takes long to make: the user's cache, or else a private folder."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from simlib.core.errors import EngineError


def find_cache_folder(caches: Path, name: str) -> Path:
    """Return a folder of this name: in the caches, or, if they cannot be written, for temporaries.

    A container often has a user without a home, or with one that cannot be written. What is kept
    may be machine code, which is run: so the other folder must belong to this user alone.

    Raises
    ------
    EngineError
        If somebody else has a folder of that name there.

    Examples
    --------
    >>> find_cache_folder(Path(tempfile.mkdtemp()), "kernels").name
    'kernels'
    """
    if (caches / name).is_dir() or _can_be_written(caches):
        return caches / name
    return _private_folder() / name


def _can_be_written(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)


def _private_folder() -> Path:
    """Return this user's folder among the temporary files, which nobody else can write."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    folder = Path(tempfile.gettempdir()) / f"simlib-{user}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        rule = f"the cache cannot be written, and {folder} cannot be made: {error.strerror}"
        raise EngineError(f"{rule}; name another cache: XDG_CACHE_HOME=FOLDER") from error
    others = stat.S_IWGRP | stat.S_IWOTH
    is_own = not hasattr(os, "getuid") or (found.st_uid == user and not found.st_mode & others)
    if not stat.S_ISDIR(found.st_mode) or not is_own:
        rule = f"the cache cannot be written, and {folder} is not this user's alone"
        raise EngineError(f"{rule}; name another cache: XDG_CACHE_HOME=FOLDER")
    return folder
