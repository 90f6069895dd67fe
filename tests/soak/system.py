"""What processes of this machine have and hold, as Linux tells it in /proc."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def own_bytes(pid: int) -> int:
    """Return the memory of a process that is no other's, and no file's (RssAnon)."""
    with suppress(OSError):  # it is gone
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    return 0


def count_sockets(pid: int) -> int:
    """Return how many sockets a process has open; none if it is gone."""
    count = 0
    with suppress(OSError):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):  # closed since
                count += str(entry.readlink()).startswith("socket:")
    return count


def count_files() -> int:
    """Return how many files and sockets this process has open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def count_children() -> int:
    """Return how many processes this one has."""
    return len(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


def count_folders(folder: str) -> int:
    """Return 1 if a folder is there, else 0."""
    return int(Path(folder).exists())
