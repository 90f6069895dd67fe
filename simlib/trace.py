"""What happened: columns and units; frame, story, counts; save, load, replay.

A row is written after each event and each command, and carries the client's state *after*
the step. Rows are packed numbers, 58 bytes each, read back as columns.
"""

from __future__ import annotations

import hashlib
import json
import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from math import inf
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any, get_args

from simlib.core import events as ev
from simlib.core.client import Client
from simlib.core.errors import SimlibError
from simlib.core.events import Message, Priority, Reason
from simlib.core.link import BreakerState, State, Transport

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd

    from simlib.scenario import Scenario


class Kind(IntEnum):
    """What sort of thing a row records."""

    EVENT = 0
    COMMAND = 1
    FAULT = 2
    SERVER = 3


class Name(IntEnum):
    """What happened. In the order of the events, the commands, the faults, the server."""

    START = 0
    STOP = 1
    WAKE = 2
    SEND = 3
    OPENED = 4
    FAILED = 5
    LOST = 6
    RECEIVED = 7
    PONGED = 8
    POSTED = 9
    POLLED = 10
    OPEN = 20
    CLOSE = 21
    TRANSMIT = 22
    PING = 23
    POLL = 24
    POST = 25
    DROP = 26
    NOTIFY = 27
    FAULT_START = 40
    FAULT_STOP = 41
    ARRIVED = 50
    ADMIT = 51
    REFUSE = 52
    PROCESS = 53
    LIMIT = 54


#: Column name, type code of `struct`, enumeration or None. Times in seconds since the run began.
COLUMNS: tuple[tuple[str, str, type[IntEnum] | None], ...] = (
    ("time_s", "d", None),
    ("client", "i", None),
    ("kind", "b", Kind),
    ("name", "b", Name),
    ("connection", "i", None),
    ("message", "i", None),
    ("reason", "b", Reason),
    ("hint_s", "d", None),
    ("priority", "b", Priority),
    ("size_bytes", "i", None),
    ("expires_s", "d", None),
    ("state", "b", State),
    ("breaker", "b", BreakerState),
    ("transport", "b", Transport),
    ("available", "b", None),
    ("attempt", "h", None),
    ("wait_s", "d", None),
)
#: Stands where a row has no client, no message or no priority.
NONE = -1
_NAMES = tuple(name for name, _, _ in COLUMNS)
_ROW = struct.Struct("<" + "".join(code for _, code, _ in COLUMNS))
_NUMPY_TYPES = {"d": "<f8", "i": "<i4", "h": "<i2", "b": "i1"}


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during a run; carries what was played so far."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        super().__init__("the run was interrupted")


@dataclass
class Trace:
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
        live only: how late each wake-up was, seconds.
    """

    engine: str
    scenario: Scenario
    label: str = ""
    partial: bool = False
    end_s: float = 0.0
    late_s: array[float] = field(default_factory=lambda: array("d"))

    def __post_init__(self) -> None:
        self.label = self.label or self.scenario.name
        self._packed = bytearray()
        self._frame: pd.DataFrame | None = None

    def __len__(self) -> int:
        return len(self._packed) // _ROW.size

    def __repr__(self) -> str:
        partial = ", partial" if self.partial else ""
        return f"<Trace {self.label!r} on {self.engine}: {len(self):,} rows{partial}>"

    def append(self, row: tuple[Any, ...]) -> None:
        """Add a row: one value per column."""
        self._packed += _ROW.pack(*row)

    def columns(self) -> dict[str, npt.NDArray[Any]]:
        """Return the columns by name, as arrays of numbers."""
        import numpy as np

        rows = np.frombuffer(bytes(self._packed), dtype=_row_type())
        return {name: np.ascontiguousarray(rows[name]) for name in _NAMES}

    def digest(self) -> str:
        """Return the SHA-256 of every column: equal digests are byte-identical traces."""
        sha = hashlib.sha256()
        for name, column in self.columns().items():
            sha.update(name.encode())
            sha.update(column.tobytes())
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

        if self._frame is None or len(self._frame) != len(self):
            columns = self.columns()
            self._frame = pd.DataFrame(
                {
                    name: columns[name] if words is None else _words(columns[name], words)
                    for name, _, words in COLUMNS
                }
            )
        return self._frame

    def counts(self) -> pd.Series:
        """Return how many rows there are of each name."""
        counts = self.frame()["name"].value_counts()
        return counts[counts > 0].sort_index()

    def story(self, client: int) -> list[str]:
        """Return one client's run in words, a line per event.

        Raises
        ------
        SimlibError
            If there is no such client.
        """
        if not 0 <= client < self.scenario.clients:
            last = self.scenario.clients - 1
            raise SimlibError(f"there is no client {client}: the run has clients 0 to {last}")
        lines: list[str] = []
        for row in self._rows(client):
            if row["kind"] in (Kind.EVENT, Kind.FAULT):
                lines.append(f"{row['time_s']:8.3f} s  {_told(row)}")
            elif row["kind"] == Kind.COMMAND:
                lines[-1] += f"; {_asked(row)}"
        return lines

    def replay(self, client: int) -> Iterator[tuple[dict[str, Any], list[tuple[Any, ...]]]]:
        """Feed one client's recorded events to a fresh client.

        Yields
        ------
        row : dict
            The recorded event.
        commands : list of tuple
            What the fresh client asked for, in the form of `recorded_commands`.
        """
        fresh = Client(self.scenario.client, self.scenario.seed, client)
        for row in self._rows(client):
            if row["kind"] == Kind.EVENT:
                commands = fresh.handle(event_of(row), row["time_s"])
                yield row, [command_cells(command) for command in commands]

    def recorded_commands(self, client: int) -> list[list[tuple[Any, ...]]]:
        """Return the commands that followed each event of one client."""
        recorded: list[list[tuple[Any, ...]]] = []
        for row in self._rows(client):
            if row["kind"] == Kind.EVENT:
                recorded.append([])
            elif row["kind"] == Kind.COMMAND:
                recorded[-1].append(tuple(row[cell] for cell in _COMMAND_CELLS))
        return recorded

    def save(self, path: str | FilePath) -> None:
        """Write the trace to a Parquet file, whole or not at all."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        from simlib.files import replacing
        from simlib.scenario import dump

        meta = {
            "engine": self.engine,
            "label": self.label,
            "partial": self.partial,
            "end_s": self.end_s,
            "late_s": list(self.late_s),
            "scenario": dump(self.scenario),
        }
        table = pa.table({name: column for name, column in self.columns().items()})
        table = table.replace_schema_metadata({"simlib": json.dumps(meta)})
        with replacing(path) as temporary:
            pq.write_table(table, temporary, compression="zstd")

    @classmethod
    def load(cls, path: str | FilePath) -> Trace:
        """Read a trace back from a Parquet file.

        Raises
        ------
        SimlibError
            If the file is not a trace.
        """
        import tomllib

        import numpy as np
        import pyarrow as pa
        import pyarrow.parquet as pq

        from simlib.scenario import Scenario, build

        try:
            table = pq.read_table(path)
            meta = json.loads((table.schema.metadata or {})[b"simlib"])
        except (OSError, pa.ArrowInvalid, KeyError, ValueError) as error:
            raise SimlibError(f"{path} is not a trace: {error}") from error
        trace = cls(
            engine=meta["engine"],
            scenario=build(Scenario, tomllib.loads(meta["scenario"])),
            label=meta["label"],
            partial=meta["partial"],
            end_s=meta["end_s"],
            late_s=array("d", meta["late_s"]),
        )
        rows = np.empty(len(table), dtype=_row_type())
        for name in _NAMES:
            rows[name] = table[name].to_numpy()
        trace._packed += rows.tobytes()
        return trace

    def _rows(self, client: int) -> Iterator[dict[str, Any]]:
        import numpy as np

        rows = np.frombuffer(bytes(self._packed), dtype=_row_type())
        wanted = np.flatnonzero((rows["client"] == client) | (rows["kind"] == Kind.FAULT))
        for i in wanted.tolist():
            values = _ROW.unpack_from(self._packed, i * _ROW.size)
            yield dict(zip(_NAMES, values, strict=True))


#: What a fresh client's command is compared on.
_COMMAND_CELLS = ("name", "connection", "message", "reason")
_EVENT_NAMES: dict[type, Name] = {
    kind: Name[kind.__name__.upper()]
    for kind in get_args(ev.Event)
}
_COMMAND_NAMES: dict[type, Name] = {
    kind: Name[kind.__name__.upper()]
    for kind in get_args(ev.Command)
}


def event_cells(event: Any) -> tuple[Any, ...]:
    """Return an event's cells: name, connection, message, reason, hint, priority, size, expiry."""
    name = _EVENT_NAMES[type(event)]
    if name == Name.SEND:
        m = event.message
        return (name, 0, m.id, Reason.NONE, 0.0, m.priority, m.size_bytes, m.expires_s)
    return (
        name,
        getattr(event, "connection", 0),
        getattr(event, "message", NONE),
        getattr(event, "reason", Reason.NONE),
        getattr(event, "hint_s", 0.0),
        NONE,
        0,
        inf,
    )


def command_cells(command: Any) -> tuple[Any, ...]:
    """Return a command's cells: name, connection, message, reason."""
    message = getattr(command, "message", None)
    return (
        _COMMAND_NAMES[type(command)],
        getattr(command, "connection", 0),
        NONE if message is None else message.id,
        getattr(command, "reason", Reason.NONE),
    )


def event_of(row: dict[str, Any]) -> Any:
    """Return the event that a row records."""
    name, connection, reason = row["name"], row["connection"], Reason(row["reason"])
    message, hint_s = row["message"], row["hint_s"]
    if name == Name.SEND:
        priority = Priority(row["priority"])
        return ev.Send(
            Message(message, priority, row["size_bytes"], row["time_s"], row["expires_s"])
        )
    if name in (Name.START, Name.STOP, Name.WAKE):
        return {Name.START: ev.Start, Name.STOP: ev.Stop, Name.WAKE: ev.Wake}[Name(name)]()
    if name in (Name.OPENED, Name.PONGED):
        return (ev.Opened if name == Name.OPENED else ev.Ponged)(connection)
    if name in (Name.FAILED, Name.LOST, Name.POLLED):
        kinds: dict[int, Any] = {Name.FAILED: ev.Failed, Name.LOST: ev.Lost, Name.POLLED: ev.Polled}
        return kinds[name](connection, reason, hint_s)
    return (ev.Received if name == Name.RECEIVED else ev.Posted)(
        connection, message, reason, hint_s
    )


def _row_type() -> npt.DTypeLike:
    return [(name, _NUMPY_TYPES[code]) for name, code, _ in COLUMNS]


def _words(values: npt.NDArray[Any], words: type[IntEnum]) -> pd.Categorical:
    import numpy as np
    import pandas as pd

    members = list(words)
    codes = np.full(256, -1, dtype=np.int8)
    for code, member in enumerate(members):
        codes[member.value] = code
    names = [member.name.lower() for member in members]
    return pd.Categorical.from_codes(codes[values.astype(np.uint8)], categories=names)


def _told(row: dict[str, Any]) -> str:
    name = Name(row["name"]).name.lower().replace("_", " ")
    if row["kind"] == Kind.FAULT:
        return f"-- {name}: fault {row['message']} --"
    text = name
    if row["message"] != NONE:
        text += f" {row['message']}"
    if row["priority"] != NONE:
        text += f" ({Priority(row['priority']).name.lower()})"
    if row["reason"] != Reason.NONE:
        text += f": {Reason(row['reason']).name.lower().replace('_', ' ')}"
    if row["hint_s"] > 0.0:
        text += f", retry after {row['hint_s']:g} s"
    if row["name"] in _CHANGES:
        text += f" -> {State(row['state']).name.lower()}"
        if row["state"] == State.WAITING:
            text += f" {row['wait_s']:.3f} s (attempt {row['attempt']})"
    return text


_CHANGES = (Name.START, Name.STOP, Name.OPENED, Name.FAILED, Name.LOST, Name.WAKE)


def _asked(row: dict[str, Any]) -> str:
    text = Name(row["name"]).name.lower()
    if row["name"] in (Name.OPEN, Name.CLOSE, Name.POLL, Name.POST):
        text += f" #{row['connection']}"
    if row["message"] != NONE:
        text += f" {row['message']}"
    if row["reason"] != Reason.NONE:
        text += f" ({Reason(row['reason']).name.lower().replace('_', ' ')})"
    return text
