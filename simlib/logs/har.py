"""The WebSockets in a HAR, the archive that a browser's network panel exports.

Sources: HAR 1.2 (``log.entries[]`` with ``startedDateTime``, ``request.url``, ``response.status``)
and Chrome's additions of version 76 (``_resourceType``, ``_webSocketMessages``: type, time, opcode
and data of each). The file is one JSON document, so it is scanned as it is read: what is not asked
for is passed over, however large.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterator
from typing import IO, Any

from simlib.core.errors import FileError
from simlib.logs.forms import SWITCHED, LogLine
from simlib.logs.lines import Source
from simlib.logs.moments import parse_iso

_RULE = 'must be a HAR: {"log": {"entries": [...]}}'
_CHUNK_BYTES = 1 << 20
_MOST_STATUS = 999
#: Texts are kept as far as this: a URL is shorter.
_KEPT_CHARACTERS = 10_000
_SPACE = re.compile(r"[ \t\r\n]*+")
#: The rest of a text, up to its quote or the end of what has been read.
_TEXT = re.compile(r'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
#: What opens and closes nothing: possessive, so that nothing is ever tried again.
_FLAT = re.compile(r'(?:[^"{}\[\]]++|"[^"\\]*+(?:\\.[^"\\]*+)*+")*+', re.DOTALL)
#: Numbers are shorter: a longer one is not read on for.
_WORD = re.compile(r"[-+.\w]{0,400}+")
_SCHEMES = ("ws://", "wss://")


class Har:
    """The entries of a HAR, one after the other."""

    def __init__(self, source: Source) -> None:
        self._source = source
        #: What was passed over so far.
        self.requests = self.messages = self.unreadable = 0
        #: The row of the first that could not be read.
        self.unreadable_row = 0

    def websockets(self) -> Iterator[LogLine]:
        """Give a line for each entry that is a WebSocket; others are counted.

        Raises
        ------
        FileError
            If the file is no HAR.
        """
        with self._source.open() as (stream, move):
            scanner = _Scanner(self._source.path, stream, move)
            for entry in _entries(scanner):
                self.requests += 1
                if not _is_websocket(entry):
                    continue
                self.messages += entry.get("_webSocketMessages") or 0
                try:
                    yield _line(entry)
                except (KeyError, TypeError, ValueError):
                    self.unreadable += 1
                    self.unreadable_row = self.unreadable_row or scanner.row


def _is_websocket(entry: dict[str, Any]) -> bool:
    url = str(entry.get("url", "")).lower()
    return (
        url.startswith(_SCHEMES)
        or entry.get("_resourceType") == "websocket"
        or "_webSocketMessages" in entry
        or entry.get("status") == SWITCHED
    )


def _line(entry: dict[str, Any]) -> LogLine:
    # A browser gives an attempt without an answer the status 0, or a negative one.
    status = entry.get("status") or 0
    if not status <= _MOST_STATUS:
        raise ValueError(status)
    status = int(max(0, status))
    return LogLine(parse_iso(entry["startedDateTime"]), status, str(entry.get("url", "")))


def _entries(scanner: _Scanner) -> Iterator[dict[str, Any]]:
    found = False
    for key in scanner.object_keys():
        if key != "log":
            scanner.skip()
            continue
        for inner in scanner.object_keys():
            if inner != "entries":
                scanner.skip()
                continue
            found = True
            for _ in scanner.list_items():
                yield _entry(scanner)
    if not found:
        raise scanner.error("it has no log.entries (a log in JSON: convert it to a table in CSV)")


def _entry(scanner: _Scanner) -> dict[str, Any]:
    entry: dict[str, Any] = {}
    for key in scanner.object_keys():
        if key in ("startedDateTime", "_resourceType"):
            entry[key] = scanner.value()
        elif key == "_webSocketMessages":
            entry[key] = scanner.skip()
        elif key in ("request", "response"):
            wanted = {"request": "url", "response": "status"}[key]
            for inner in scanner.object_keys():
                if inner == wanted:
                    entry[inner] = scanner.value()
                else:
                    scanner.skip()
        else:
            scanner.skip()
    return entry


class _Scanner:
    """A JSON document that is read a piece at a time; what is behind is forgotten."""

    def __init__(self, path: Any, stream: IO[bytes], move: Callable[[], None]) -> None:
        self._path, self._stream, self._move = path, stream, move
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")(errors="replace")
        self._text, self._at = "", 0
        self._row, self._counted = 1, 0

    @property
    def row(self) -> int:
        """The row of the file that has been reached."""
        self._row += self._text.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._row

    def error(self, why: str) -> FileError:
        """Return the error of the place that has been reached."""
        return FileError(self._path, f"{_RULE}; {why}", f"row {self.row}")

    def object_keys(self) -> Iterator[str]:
        """Give the keys of an object; the value of each is to be taken before the next."""
        for _ in self._between("{", "}"):
            key = self._string()
            self._expect(":")
            yield key

    def list_items(self) -> Iterator[None]:
        """Stop before each item of a list; it is to be taken before the next."""
        return self._between("[", "]")

    def value(self) -> Any:
        """Take a text, a number or a word of JSON; of anything else, None."""
        first = self._peek()
        if first == '"':
            return self._string()
        if first in "{[":
            self.skip()
            return None
        while (word := _WORD.match(self._text, self._at)) and word.end() == len(self._text):
            if not self._fill():
                break
        assert word is not None
        self._at = word.end()
        try:
            return json.loads(word[0])
        except ValueError as error:
            raise self.error(f"{word[0][:20] or first!r} is no value") from error

    def skip(self) -> int:
        """Pass over a value; return how many objects or lists are in it directly."""
        if self._peek() not in ("{", "["):
            self.value()
            return 0
        depth, count = 0, 0
        while True:
            flat = _FLAT.match(self._text, self._at)
            assert flat is not None
            self._at = flat.end()
            if self._at == len(self._text):
                self._need_more()
            elif self._text[self._at] == '"':  # a text that goes on in what is not read yet
                self._string()
            else:
                opens = self._text[self._at] in "{["
                self._at += 1
                depth += 1 if opens else -1
                count += opens and depth == 2
                if depth == 0:
                    return count

    def _between(self, opening: str, closing: str) -> Iterator[None]:
        self._expect(opening)
        if self._peek() == closing:
            self._at += 1
            return
        while True:
            yield
            after = self._peek()
            self._at += 1
            if after == closing:
                return
            if after != ",":
                raise self.error(f'"," or "{closing}" is missing')

    def _string(self) -> str:
        """Take a text; of a very long one, its beginning as it is written."""
        self._expect('"')
        kept = ""
        while True:
            inside = _TEXT.match(self._text, self._at)
            assert inside is not None
            if len(kept) < _KEPT_CHARACTERS:
                kept += inside[0][:_KEPT_CHARACTERS]
            self._at = inside.end()
            if self._text[self._at : self._at + 1] == '"':
                self._at += 1
                break
            self._need_more()
        return kept if "\\" not in kept else _unescape(kept)

    def _expect(self, mark: str) -> None:
        if self._peek() != mark:
            raise self.error(f"'{mark}' is missing")
        self._at += 1

    def _peek(self) -> str:
        """Return the next letter that is no space."""
        while True:
            space = _SPACE.match(self._text, self._at)
            assert space is not None
            self._at = space.end()
            if self._at < len(self._text):
                return self._text[self._at]
            self._need_more()

    def _need_more(self) -> None:
        if not self._fill():
            raise self.error("it ends here, cut off")

    def _fill(self) -> bool:
        """Read on, and forget what is behind."""
        data = self._stream.read(_CHUNK_BYTES)
        if not data:
            return False
        self._move()
        self._row = self.row
        self._text = self._text[self._at :] + self._decoder.decode(data)
        self._at = self._counted = 0
        return True


def _unescape(text: str) -> str:
    try:
        return str(json.loads(f'"{text}"', strict=False))
    except ValueError:
        return text
