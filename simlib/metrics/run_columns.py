"""The rows of a run as columns, and what several metrics need of them, each computed once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from simlib.metrics.array_types import Floats, Ints
from simlib.metrics.spans import Opens, Steps
from simlib.trace.columns import COLUMNS, Name
from simlib.trace.schema import NAMES
from simlib.trace.trace import Trace, categories_of

Found = TypeVar("Found")
_WORDS = {column.name: column.words for column in COLUMNS}


class LazyColumns(Mapping[str, npt.NDArray[Any]]):
    """The columns of a run by name, each read when it is first asked for, not to be changed."""

    def __init__(self, read: Callable[[str], npt.NDArray[Any]]) -> None:
        self._read_column = read
        self._read: dict[str, npt.NDArray[Any]] = {}

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        if name not in self._read:
            column = self._read_column(name)
            column.flags.writeable = False  # it is the same array for everybody
            self._read[name] = column
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(NAMES)

    def __len__(self) -> int:
        return len(NAMES)


def read_columns(trace: Trace) -> RunColumns:
    """Return the rows of a run as columns; kept with the run, as long as it gets no more rows."""
    size = (len(trace), len(trace.server_log), trace.end_s)
    if trace.found is None or trace.found.size != size:
        trace.found = RunColumns(trace)
    kept: RunColumns = trace.found
    return kept


class RunColumns:
    """The rows of a run as columns, and what several metrics need of them, each found once."""

    def __init__(self, trace: Trace) -> None:
        trace.need_all_rows()
        self.scenario, self.end_s = trace.scenario, trace.end_s
        self.server_log = trace.server_log
        self.size = (len(trace), len(trace.server_log), trace.end_s)
        self.columns = LazyColumns(trace.column_reader())
        self._found: dict[Callable[..., Any], Any] = {}

    def find_once(self, find: Callable[[RunColumns], Found]) -> Found:
        """Return what a function finds in these rows, which is the same each time."""
        if find not in self._found:
            self._found[find] = find(self)
        found: Found = self._found[find]
        return found

    @cached_property
    def steps(self) -> Steps:
        """The state of each client after each event."""
        return Steps(self.columns, self.scenario.clients, self.end_s)

    @cached_property
    def opens(self) -> Opens:
        """The spans in OPEN."""
        return self.steps.opens()

    @cached_property
    def attempts_s(self) -> Floats:
        """When each attempt was made, in ascending order."""
        return np.sort(self.columns["time_s"][self.columns["name"] == Name.OPEN])

    def cohorts(self, client: Ints) -> Ints:
        """Return the number of each client's cohort."""
        if not self.scenario.cohorts:
            return np.zeros(client.size, np.int64)
        known, place = np.unique(client, return_inverse=True)
        return np.array([self.scenario.cohort_of(client) for client in known.tolist()], np.int64)[
            place
        ]


def column_in_words(column: str, values: npt.NDArray[Any]) -> Any:
    """Return numbers of a column as its words, if it has any."""
    words = _WORDS.get(column)
    return values if words is None else categories_of(values, words)
