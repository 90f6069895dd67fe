"""The server's log: records of a fixed size in a mapped file, so that they outlive a kill.

To write a record is to copy its bytes into memory that belongs to the file: there is no system
call and no buffer of the process, so a kill (SIGKILL) loses no record that was counted. The file
is a row of chunks; each begins with the number of its records, which is raised after a record is
whole.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from struct import Struct
from typing import Any

from simlib.core.admission import HandshakeVerdict
from simlib.core.events import NONE, Reason

#: Names the records that are not what a client hears of: a time in which the process could not
#: act, and what was decided on a handshake (`core.server.HandshakeVerdict`).
STANDSTILL, VERDICT = -1, -2

_RECORD = Struct("<ddiiiiidd")
_COUNT = Struct("<q")
#: A multiple of what any system maps in one piece.
_CHUNK_BYTES = 1 << 20


class DecisionLog:
    """A log that is open for writing; disk space is reserved a chunk at a time."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        self._chunks = 0
        self._begin_chunk()

    def write(
        self,
        time_s: float,
        name: int,
        client: int = NONE,
        connection: int = 0,
        message: int = NONE,
        reason: int = Reason.NONE,
        length_s: float = 0.0,
        done_s: float = 0.0,
        free_s: float = 0.0,
    ) -> None:
        """Write a record, which from then on outlives this process."""
        if self._end + _RECORD.size > _CHUNK_BYTES:
            self._begin_chunk()
        _RECORD.pack_into(
            self._chunk, self._end, time_s, length_s, name, client, connection, message, reason,
            done_s, free_s,
        )  # fmt: skip
        self._end += _RECORD.size
        # Last: a record that a kill has cut in two is not counted.
        _COUNT.pack_into(self._chunk, 0, (self._end - _COUNT.size) // _RECORD.size)

    def write_verdict(self, time_s: float, verdict: HandshakeVerdict) -> None:
        """Write what was decided on a handshake: the decision stands in the place of a message."""
        decision, client, connection, begin_s, done_s, free_s = verdict
        self.write(
            time_s, VERDICT, client, connection, decision, Reason.NONE, begin_s, done_s, free_s
        )

    def _begin_chunk(self) -> None:
        start = self._chunks * _CHUNK_BYTES
        if hasattr(os, "posix_fallocate"):
            # A full disk is an error here; to write into a hole of the file would end the process.
            os.posix_fallocate(self._file, start, _CHUNK_BYTES)
        else:
            os.truncate(self._file, start + _CHUNK_BYTES)
        self._chunk = mmap.mmap(self._file, _CHUNK_BYTES, offset=start)
        self._chunks += 1
        self._end = _COUNT.size


def read_log(path: Path, start: int = 0) -> Iterator[tuple[Any, ...]]:
    """Yield the records of a log: time, length, name, client, connection, message, reason, ends.

    Times are the writer's. There are none if there is no such file. ``start``: how many records to
    leave out, by one who reads on while the log is written.
    """
    written = path.read_bytes() if path.exists() else b""
    for chunk in range(0, len(written), _CHUNK_BYTES):
        (count,) = _COUNT.unpack_from(written, chunk)
        for i in range(start, count):
            yield _RECORD.unpack_from(written, chunk + _COUNT.size + i * _RECORD.size)
        start = max(0, start - count)
