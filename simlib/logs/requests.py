"""What is kept of the lines of a log while it is read: a few numbers of each."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from simlib.core.card import count_in_words
from simlib.core.errors import FileError, shorten
from simlib.logs.forms import SWITCHED, Form, LogLine, is_polling, path_of
from simlib.logs.lines import Source

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

#: A file of which more than this share cannot be read is none of its form.
_MOST_UNREADABLE = 0.5
#: Paths beyond these count as one, of this number, and so do those that begin with the same
#: characters.
_MOST_PATHS, _OTHERS, _MOST_PATH_CHARACTERS = 10_000, -1, 1000
#: Of as many, some hundreds of MiB are kept; a packed file of few may hold very many more.
MOST_LOGGED_ATTEMPTS = 10_000_000


class Requests:
    """What is kept of each request: numbers alone."""

    def __init__(self, endpoint: str | None, source: Source) -> None:
        self._source = source
        self.times_s, self.statuses = array("d"), array("h")
        self.paths, self.are_ends = array("i"), array("b")
        self.is_dated = True
        #: Whether there were more paths than are told apart.
        self.has_others = False
        self.polls = self.elsewhere = 0
        self._endpoint = endpoint
        self._numbers: dict[str, int] = {}
        self._websockets: set[int] = set()

    def add(self, line: LogLine) -> None:
        """Keep a request, unless it is none that counts."""
        path, query = path_of(line.request) if line.request else ("", "")
        if is_polling(query):
            self.polls += 1
            return
        if self._endpoint is not None and path != self._endpoint:
            self.elsewhere += 1
            return
        if len(self.times_s) >= MOST_LOGGED_ATTEMPTS:
            rule = f"has more than {MOST_LOGGED_ATTEMPTS:,} attempts: cut it to the time asked for"
            raise FileError(self._source.path, rule)
        path = path[:_MOST_PATH_CHARACTERS]
        number = self._numbers.get(path, _OTHERS)
        if number == _OTHERS and len(self._numbers) < _MOST_PATHS:
            number = self._numbers[path] = len(self._numbers)
        if line.is_websocket or line.status == SWITCHED:
            self._websockets.add(number)
        self.times_s.append(line.time_s)
        self.statuses.append(line.status)
        self.paths.append(number)
        self.are_ends.append(line.is_end)
        self.is_dated = line.is_dated
        self.has_others = self.has_others or number == _OTHERS

    def of_websockets(self) -> npt.NDArray[np.bool_]:
        """Return which requests are to a path that was ever opened as a WebSocket, if one was."""
        import numpy as np

        paths = np.array(self.paths)
        if not self._websockets or self._endpoint is not None:
            return np.ones(paths.size, bool)
        return np.isin(paths, sorted(self._websockets))

    def describe_paths(self) -> str:
        """Return the paths of WebSockets in words."""
        if self._endpoint is not None:
            return self._endpoint
        names = [path for path, number in self._numbers.items() if number in self._websockets]
        if _OTHERS in self._websockets:
            return "paths of WebSockets"
        return shorten(names[0], 40) if len(names) == 1 else count_in_words(len(names), "path")

    def describe_others(self) -> list[str]:
        """Return a sentence on the paths that are not told apart, if they matter."""
        if not self.has_others or not self._websockets or self._endpoint is not None:
            return []
        counted = "are counted" if _OTHERS in self._websockets else "are left out"
        words = f"Of more than {_MOST_PATHS:,} paths only the first are told apart"
        return [f"{words}: all requests to others {counted}. Name the endpoint."]


class Unreadable:
    """The lines of a file that are not of its form."""

    def __init__(self, source: Source, form: Form) -> None:
        self._source, self._form = source, form
        self._count = 0
        self._first = (0, "")

    def add(self, number: int, text: str) -> None:
        """Count a line."""
        self._first = self._first if self._count else (number, text)
        self._count += 1

    def judge(self, good: int) -> list[str]:
        """Return a sentence on them; raise an error if they are too many."""
        if not self._count:
            return []
        all_lines = self._count + good
        if self._count > _MOST_UNREADABLE * all_lines:
            rule = f"{self._form.rule}, and {self._count:,} of {all_lines:,} rows are not"
            raise self._source.error(*self._first, rule)
        row = f"row {self._first[0]:,} of {self._source.path}"
        return [f"{self._count:,} of {all_lines:,} rows could not be read, the first is {row}."]
