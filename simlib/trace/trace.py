"""What happened: columns and units; frame, story, counts; save, load, replay.

A row is written after each event and each command, and carries the client's state *after*
the step. Rows are packed numbers, 103 bytes each, read back as columns.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from importlib import import_module
from pathlib import Path as FilePath
from struct import calcsize
from typing import TYPE_CHECKING, Any, NamedTuple

from simlib.core.card import Card, ShowsCard, count_in_words
from simlib.core.client import Client
from simlib.core.errors import (
    MOST_RULE_CHARACTERS,
    Interruption,
    SimlibError,
    on_one_line,
    shorten,
)
from simlib.core.events import NONE
from simlib.support.arguments import check_arguments
from simlib.support.made_by import current_command
from simlib.trace.columns import COLUMNS, STATE_COLUMNS, Kind, Name
from simlib.trace.schema import (
    COMMAND_COLUMNS,
    FILE_VERSION,
    NAMES,
    ROW,
    command_cells,
    describe_command,
    describe_event,
    describe_fault_row,
    event_of,
    is_of_all,
    state_cells,
)
from simlib.trace.server_log import ServerLog

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd

    from simlib.exports.perfetto import PerfettoFile
    from simlib.scenario.scenario import Scenario
    from simlib.support.parquet import LoadedTable
    from simlib.trace.counts import Tally


#: What stands in a file's metadata under this name is all of a trace but its rows.
_KEY = b"simlib"
#: Of a file; Python needs some three hundred bytes of memory for each.
MOST_TRACE_ROWS = 20_000_000
#: A server can say something else each time: so much is noted of it.
_MOST_NOTES = 20
_MORE_NOTES = f"More than {_MOST_NOTES} odd things were seen: the others were not noted."


class Interrupted(Interruption):
    """Ctrl-C during a run; carries what was played so far."""

    def __init__(self, trace: Trace) -> None:
        super().__init__(trace)
        self.trace = trace

    def __str__(self) -> str:
        return describe_stop(self.trace)


def describe_stop(trace: Trace) -> str:
    """Say how far a run came that was stopped, and where what there is can be found."""
    return (
        f"{trace.label} was played on {trace.engine} for {trace.end_s:,g} of "
        f"{trace.scenario.duration_s:,g} s. What there is, is kept: in a notebook as "
        "sys.last_value.trace, in a script as the trace of this exception."
    )


class Standstill(NamedTuple):
    """A time in which a process of a live run could not act."""

    #: "client", which is also the fault proxy's, or "server".
    process: str
    start_s: float
    length_s: float


@dataclass(repr=False)
class Trace(ShowsCard):
    """What happened in one run.

    Attributes
    ----------
    engine : str
        What played the scenario: sim, live or fleet.
    scenario : Scenario
        The scenario that was played.
    label : str
        The name on charts; the scenario's name unless set.
    partial : bool
        Whether the run was cut short.
    late_s : array of float
        live only: how late each step of the clock was, seconds.
    standstills : list of Standstill
        live only: when a process of the clients or the server's could not act, and how long.
    work_s : float
        live only: processor time that the clients' processes spent on the run, seconds.
    tally : Tally
        fleet only: the counts of all clients; else None.
    watched : tuple of int
        fleet only: the clients that have rows.
    server_log : ServerLog
        sim and live: what the servers decided on handshakes.
    notes : list of str
        What was odd: what a server said and was ignored, what was played otherwise than asked.
    made_by : str
        The command, or the call in Python, that played it; empty if that is not known.

    Examples
    --------
    >>> import simlib as sl
    >>> trace = sl.run(sl.Scenario(clients=3, duration_s=5))
    >>> int(trace.counts()["opened"])
    3
    """

    engine: str
    scenario: Scenario
    label: str = ""
    partial: bool = False
    end_s: float = 0.0
    late_s: array[float] = field(default_factory=lambda: array("d"))
    standstills: list[Standstill] = field(default_factory=list)
    work_s: float = 0.0
    tally: Tally | None = None
    watched: tuple[int, ...] = ()
    server_log: ServerLog = field(default_factory=ServerLog)
    notes: list[str] = field(default_factory=list)
    made_by: str = field(default_factory=current_command, compare=False)

    def __post_init__(self) -> None:
        self.label = self.label or self.scenario.name
        self._packed = bytearray()
        self._frame: pd.DataFrame | None = None
        #: What `simlib.metrics` has found in the rows, kept for whoever asks next.
        self.found: Any = None

    def __getstate__(self) -> dict[str, Any]:
        """Return what another process is sent: what can be found in the rows again stays here."""
        return self.__dict__ | {"_frame": None, "found": None}

    def __len__(self) -> int:
        return len(self._packed) // ROW.size

    def card(self) -> Card:
        """Return what is shown: what was played, how much was written down, and what was odd."""
        rows = count_in_words(len(self), "row")
        size = rows if self.tally is None else "counted by second, without rows"
        kept = [f"{size}, to {self.end_s:,g} s" + ", partial" * self.partial]
        watched = count_in_words(len(self.watched), "watched client")
        kept += [f"with the rows of {watched}"] * bool(self.watched)
        clients = count_in_words(self.scenario.clients, "client")
        title = f"Trace of {self.label} on {self.engine}: {clients}, {', '.join(kept)}"
        return Card(title, notes=tuple(self.notes))

    def append(self, row: tuple[Any, ...]) -> None:
        """Add a row: one value per column."""
        self._packed += ROW.pack(*row)

    def append_packed(self, rows: bytes) -> None:
        """Add rows that are packed already, as those of a client's step are."""
        self._packed += rows

    def packed_rows(self) -> bytes:
        """Return the rows as they are kept, to be merged into another trace."""
        return bytes(self._packed)

    def take_rows(self) -> bytes:
        """Return the rows as they are kept, and keep them no longer: whoever takes them does."""
        rows = self.packed_rows()
        self._packed.clear()
        return rows

    def merge_packed(self, parts: Sequence[bytes]) -> None:
        """Add rows of several traces in the order of their times.

        Rows of the same moment stay in their order; what a killed process has left half written at
        the end of its part is no row.
        """
        import numpy as np

        whole = b"".join(part[: len(part) - len(part) % ROW.size] for part in parts)
        rows = np.frombuffer(whole, dtype=_row_type())
        self._packed += rows[np.argsort(rows["time_s"], kind="stable")].tobytes()

    def add_note(self, sentence: str) -> None:
        """Note something odd once, however often it happens."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    def add_foreign_note(self, sentence: str) -> None:
        """Note something odd that others do, who may do as many such things as they like."""
        is_full = sentence not in self.notes and len(self.notes) >= _MOST_NOTES
        self.add_note(_MORE_NOTES if is_full else sentence)

    def columns(self) -> dict[str, npt.NDArray[Any]]:
        """Return the columns by name, as arrays of numbers."""
        import numpy as np

        rows = np.frombuffer(bytes(self._packed), dtype=_row_type())
        return {name: np.ascontiguousarray(rows[name]) for name in NAMES}

    def column_reader(self) -> Callable[[str], npt.NDArray[Any]]:
        """Return what reads one column of the rows there are now, as numbers.

        It holds the rows and not the trace, which may hold it in turn.
        """
        import numpy as np

        packed, size = self._packed, len(self._packed)

        def read(name: str) -> npt.NDArray[Any]:
            rows = np.frombuffer(bytes(memoryview(packed)[:size]), dtype=_row_type())
            return np.ascontiguousarray(rows[name])

        return read

    def parts(self, rows: int) -> Iterator[dict[str, npt.NDArray[Any]]]:
        """Give the columns of so many rows at a time, so that the whole is never copied."""
        import numpy as np

        for start in range(0, len(self._packed), rows * ROW.size):
            part = np.frombuffer(
                bytes(self._packed[start : start + rows * ROW.size]), dtype=_row_type()
            )
            yield {name: np.ascontiguousarray(part[name]) for name in NAMES}

    def digest(self) -> str:
        """Return the SHA-256 of every column: equal digests are byte-identical traces."""
        sha, start = hashlib.sha256(), 0
        for name, code in ((column.name, column.code) for column in COLUMNS):
            width = calcsize(f"<{code}")
            column = bytearray(len(self) * width)
            # Byte by byte of a column, for all rows at once: without numpy, which browsers lack.
            for i in range(width):
                column[i::width] = self._packed[start + i :: ROW.size]
            sha.update(name.encode())
            sha.update(column)
            start += width
        return sha.hexdigest()

    def frame(self) -> pd.DataFrame:
        """Return the rows as a DataFrame; words as categories, absent values as -1.

        Examples
        --------
        >>> import simlib as sl
        >>> trace = sl.run(sl.Scenario(clients=1, duration_s=5))
        >>> trace.frame().query("name == 'opened'")[["time_s", "state"]].shape
        (1, 2)
        """
        import pandas as pd

        self._need_rows()
        if self._frame is None or len(self._frame) != len(self):
            columns = self.columns()
            self._frame = pd.DataFrame(
                {
                    column.name: columns[column.name]
                    if column.words is None
                    else categories_of(columns[column.name], column.words)
                    for column in COLUMNS
                }
            )
        return self._frame

    def counts(self) -> pd.Series:
        """Return how many rows there are of each name."""
        self.need_all_rows()
        counts = self.frame()["name"].value_counts()
        return counts[counts > 0].sort_index()

    @check_arguments
    def story(self, client: int) -> list[str]:
        """Return one client's run in words, a line per event.

        Raises
        ------
        SimlibError
            If there is no such client.
        """
        self._need_rows()
        if not 0 <= client < self.scenario.clients:
            last = self.scenario.clients - 1
            raise SimlibError(f"there is no client {client}: the run has clients 0 to {last}")
        if self.tally is not None and client not in self.watched:
            raise SimlibError(f"client {client} was not watched: play again with watch=[{client}]")
        lines: list[str] = []
        # Polls and posts share the connections' numbers; a reader counts WebSockets alone.
        numbers: dict[int, int] = {}
        for row in self.rows_of(client):
            if row["kind"] in (Kind.EVENT, Kind.FAULT):
                lines.append(f"{row['time_s']:8.3f} s  {self._describe(row)}")
            elif row["kind"] == Kind.COMMAND:
                if row["name"] == Name.OPEN:
                    numbers[row["connection"]] = len(numbers) + 1
                lines[-1] += f"; {describe_command(row, numbers.get(row['connection'], NONE))}"
        return lines

    def _describe(self, row: dict[str, Any]) -> str:
        if is_of_all(row):
            return describe_fault_row(row, self.scenario.faults[row["fault"]])
        return describe_event(row)

    def replay(self, client: int) -> Iterator[tuple[dict[str, Any], list[tuple[Any, ...]]]]:
        """Feed one client's recorded events to a fresh client.

        Yields
        ------
        row : dict
            The recorded event.
        decision : list of tuple
            What the fresh client decided, in the form of `recorded_decisions`.
        """
        life, settings = 0, self.scenario.client_of(client)
        fresh = Client(settings, self.scenario.seed, client)
        for row in self.rows_of(client):
            if row["name"] == Name.RELOADED:
                life += 1
                fresh = Client(settings, self.scenario.seed, client, life)
            elif row["kind"] == Kind.EVENT:
                commands = fresh.handle(event_of(row), row["time_s"])
                after = state_cells(fresh, row["time_s"])
                yield row, [after, *(command_cells(command) for command in commands)]

    def recorded_decisions(self, client: int) -> list[list[tuple[Any, ...]]]:
        """Return what one client decided at each event: its state after, and the commands."""
        recorded: list[list[tuple[Any, ...]]] = []
        for row in self.rows_of(client):
            if row["kind"] == Kind.EVENT:
                recorded.append([tuple(row[name] for name in STATE_COLUMNS)])
            elif row["kind"] == Kind.COMMAND:
                recorded[-1].append(tuple(row[name] for name in COMMAND_COLUMNS))
        return recorded

    @check_arguments
    def save(self, path: str | FilePath) -> None:
        """Write the trace to a Parquet file, whole or not at all."""
        import pyarrow as pa

        from simlib.scenario.scenario import dump
        from simlib.support.parquet import save_table

        meta = {
            "version": FILE_VERSION,
            "engine": self.engine,
            "label": self.label,
            "partial": self.partial,
            "end_s": self.end_s,
            "late_s": list(self.late_s),
            "standstills": self.standstills,
            "work_s": self.work_s,
            "scenario": dump(self.scenario),
            "tally": None if self.tally is None else self.tally.to_text(),
            "watched": list(self.watched),
            "server_log": self.server_log.to_text(),
            "notes": self.notes,
        }
        save_table(path, pa.table(self.columns()), self.origin(), {_KEY: meta})

    @check_arguments
    def to_csv(self, path: str | FilePath) -> None:
        """Write the rows to a CSV file, and what its columns mean to a file beside it.

        Parameters
        ----------
        path : path
            The CSV file; its metadata is ``PATH-metadata.json``.

        Raises
        ------
        SimlibError
            If no client has rows.

        Examples
        --------
        >>> import simlib as sl
        >>> sl.run(sl.Scenario(clients=1, duration_s=5)).to_csv("run.csv")  # doctest: +SKIP
        """
        self._need_rows()
        self._export("csv_file").write_csv(self, path, self.origin())

    @check_arguments
    def to_perfetto(self, path: str | FilePath) -> PerfettoFile:
        """Write the run as Chrome trace events, for https://ui.perfetto.dev.

        A lane per client shows its states, with its breaker and transport where they say something;
        above them are the faults, and what the server was busy with. Of many clients the first 500
        have lanes.

        Parameters
        ----------
        path : path
            The JSON file.

        Returns
        -------
        PerfettoFile
            Where it is, how large, and whom it shows; prints itself as a sentence.

        Examples
        --------
        >>> import simlib as sl
        >>> trace = sl.run(sl.Scenario(clients=1, duration_s=5))
        >>> trace.to_perfetto("run.json")  # doctest: +SKIP
        run.json: 14 events, 0.00142 MB, lanes of 1 client. Open it at ui.perfetto.dev.
        """
        written: PerfettoFile = self._export("perfetto").write_perfetto(self, path, self.origin())
        return written

    def origin(self) -> dict[str, Any]:
        """Return where the trace comes from: simlib's version, command, the scenario's hash."""
        from simlib.scenario.origin import describe_origin

        return describe_origin(self.made_by, self.scenario)

    @staticmethod
    def _export(form: str) -> Any:
        # By name, as `simlib.api` finds the engines: what draws on metrics stands above a trace.
        return import_module(f"simlib.exports.{form}")

    @classmethod
    @check_arguments
    def load(cls, path: str | FilePath) -> Trace:
        """Read a trace back from a Parquet file.

        Raises
        ------
        SimlibError
            If there is no such file, or it is not a trace.
        """
        from simlib.support.parquet import load_table

        loaded = load_table(path, _KEY, "a trace", "Trace.save", MOST_TRACE_ROWS)
        version = loaded.notes.get("version", 1)
        if version != FILE_VERSION or set(loaded.table.column_names) != set(NAMES):
            writer = f", {loaded.origin['simlib']}" if "simlib" in loaded.origin else ""
            said = on_one_line(
                f"{path} is a trace of another version of simlib{writer}: its file has layout "
                f"{version}, and this simlib reads {FILE_VERSION}; play its scenario again"
            )
            raise SimlibError(shorten(said, MOST_RULE_CHARACTERS))
        try:
            return cls._read(loaded)
        except (KeyError, TypeError, ValueError, OverflowError, MemoryError) as error:
            said = shorten(on_one_line(f"or was changed: {error}"))
            raise SimlibError(f"{path} is a trace of another version of simlib, {said}") from error

    @classmethod
    def _read(cls, loaded: LoadedTable) -> Trace:
        import numpy as np

        from simlib.scenario.build import build
        from simlib.scenario.scenario import Scenario
        from simlib.support.toml_files import parse_toml
        from simlib.trace.counts import Tally
        from simlib.trace.trace_checks import check_trace_notes, read_file_columns

        meta = loaded.notes
        check_trace_notes(meta)
        trace = cls(
            engine=meta["engine"],
            scenario=build(Scenario, parse_toml(meta["scenario"])),
            label=meta["label"],
            partial=meta["partial"],
            end_s=meta["end_s"],
            late_s=array("d", meta["late_s"]),
            standstills=[Standstill(*row) for row in meta.get("standstills", ())],
            work_s=meta["work_s"],
            tally=None if meta.get("tally") is None else Tally.from_text(meta["tally"]),
            watched=tuple(meta.get("watched", ())),
            server_log=ServerLog.from_text(meta["server_log"])
            if "server_log" in meta
            else ServerLog(),
            notes=list(meta.get("notes", ())),
            made_by=loaded.made_by,
        )
        rows = np.empty(len(loaded.table), dtype=_row_type())
        columns = read_file_columns(loaded.table, trace.scenario, trace.end_s)
        for name, column in columns.items():
            rows[name] = column
        trace._packed += rows.tobytes()
        return trace

    def _need_rows(self) -> None:
        if self.tally is not None and not self.watched:
            self.need_all_rows()

    def need_all_rows(self) -> None:
        """Raise `SimlibError` if not every client has rows."""
        if self.tally is not None:
            raise SimlibError(
                f"{self.label!r} was played by the fleet, which counts and keeps no rows of its "
                "clients, or of a few that are watched; play fewer clients on sim for this"
            )

    def rows_of(self, client: int) -> Iterator[dict[str, Any]]:
        """Give one client's rows, and those of all clients' faults, as plain numbers."""
        import numpy as np

        rows = np.frombuffer(bytes(self._packed), dtype=_row_type())
        of_all = (rows["kind"] == Kind.FAULT) & (rows["client"] == NONE)
        wanted = np.flatnonzero((rows["client"] == client) | of_all)
        for i in wanted.tolist():
            values = ROW.unpack_from(self._packed, i * ROW.size)
            yield dict(zip(NAMES, values, strict=True))


def is_trace(path: str | FilePath) -> bool:
    """Whether a Parquet file is the trace of a run."""
    import pyarrow.parquet as pq

    return _KEY in (pq.read_schema(path).metadata or {})


_NUMPY_TYPES = {"d": "<f8", "i": "<i4", "h": "<i2", "b": "i1"}


def _row_type() -> npt.DTypeLike:
    return [(column.name, _NUMPY_TYPES[column.code]) for column in COLUMNS]


def categories_of(values: npt.NDArray[Any], words: type[IntEnum]) -> Any:
    """Return numbers of a column as a categorical of its words; -1 is none of them."""
    import numpy as np
    import pandas as pd

    members = list(words)
    codes = np.full(256, -1, dtype=np.int8)
    for code, member in enumerate(members):
        codes[member.value] = code
    names: Any = [member.name.lower() for member in members]
    return pd.Categorical.from_codes(codes[values.astype(np.uint8)], names)
