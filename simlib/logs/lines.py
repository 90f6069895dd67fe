"""The lines of a file, plain or gzipped, one after the other, so that memory does not grow."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from simlib.core.card import count_in_words
from simlib.core.errors import FileError, shorten
from simlib.core.secrets import mask_secrets
from simlib.support.progress import Progress

#: Of a line that is longer the beginning is read.
_LONGEST_BYTES = 1 << 16
#: How often the bar moves, in lines.
_EVERY = 20_000
_GZIP = b"\x1f\x8b"
_SHOWN_CHARACTERS = 80


class Source:
    """A file that is read from its beginning, as often as needed."""

    def __init__(self, path: str | Path, progress: Progress) -> None:
        self.path = path
        self._progress = progress
        #: How many lines were longer than what is read of one, and the first of them.
        self.cut, self._first_cut = 0, 0

    @contextmanager
    def open(self) -> Iterator[tuple[IO[bytes], Any]]:
        """Give what the file holds, unpacked, and what moves the bar.

        Raises
        ------
        FileError
            If it cannot be read or unpacked.
        """
        try:
            with Path(self.path).open("rb") as raw:
                size_bytes = max(1, Path(self.path).stat().st_size)
                packed = raw.peek(2).startswith(_GZIP)
                stream: Any = gzip.GzipFile(fileobj=raw) if packed else raw
                yield stream, lambda: self._progress(min(1.0, raw.tell() / size_bytes))
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise FileError(self.path, f"cannot be unpacked: {error}") from error
        except OSError as error:
            raise FileError(self.path, f"cannot be read: {error.strerror or error}") from error

    def lines(self) -> Iterator[tuple[int, str]]:
        """Give each line that is not empty, and its number; of a line without end its beginning."""
        self.cut = 0
        with self.open() as (stream, move):
            number = 0
            while line := stream.readline(_LONGEST_BYTES):
                number += 1
                text = _decode(self.path, number, line)
                rest = b""
                while len(line) == _LONGEST_BYTES and not line.endswith(b"\n"):
                    line = stream.readline(_LONGEST_BYTES)
                    rest = rest or line.strip()
                if rest:
                    self._first_cut = self._first_cut if self.cut else number
                    self.cut += 1
                if number % _EVERY == 0:
                    move()
                if text:
                    yield number, text

    def describe_cut(self) -> list[str]:
        """Return a sentence on the lines of which only the beginning was read."""
        if not self.cut:
            return []
        row = f"row {self._first_cut:,} of {self.path}"
        most = f"Longer than {_LONGEST_BYTES:,} bytes, and read up to there"
        return [f"{most}: {count_in_words(self.cut, 'row')}, the first is {row}."]

    def error(self, number: int, line: str, rule: str) -> FileError:
        """Return the error of a row, which is shown as far as a line of a terminal holds it."""
        shown = shorten(mask_secrets(line), _SHOWN_CHARACTERS)
        return FileError(self.path, rule, f"row {number}", shown)


def _decode(path: str | Path, number: int, line: bytes) -> str:
    if b"\0" in line:
        raise FileError(path, "cannot be read: it is not text in UTF-8", f"row {number}")
    text = line.decode("utf-8", errors="replace")
    return (text.removeprefix("\ufeff") if number == 1 else text).strip()
