"""An observation: a row for each attempt, stored as Parquet, and the waits between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from math import nan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simlib.core.card import Card, ShowsCard, count_in_words
from simlib.core.errors import SimlibError
from simlib.lab.observe.attempt_columns import NOTE_RULES, arrow_types, read_attempt_columns
from simlib.scenario.origin import describe_origin
from simlib.support.arguments import check_arguments
from simlib.support.made_by import current_command, mask_arguments
from simlib.support.parquet import check_notes, load_table, save_table

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

#: The version of the file's form.
SCHEMA = 1
#: An observation has fewer, since the lab keeps 100,000; these take 670 MiB.
MOST_OBSERVED_ROWS = 250_000
_KEY = b"simlib.observation"


@dataclass(slots=True)
class Attempt:
    """One attempt: from the accept of its TCP connection to its end. Times are from the start."""

    phase: int
    kind: str
    detail: str
    client: int
    #: host:port of the peer.
    source: str
    accept_s: float
    #: The HTTP request was complete; NaN if it never was.
    request_s: float = nan
    #: A status, or 101, was sent.
    answered_s: float = nan
    opened: bool = False
    #: The connection was over.
    ended_s: float = nan
    #: us, client, none
    ended_by: str = "none"
    #: The code that ended it, sent or received; -1: none.
    close_code: int = -1
    #: Pings that came from the client: of the protocol, or of what it speaks.
    pings: int = 0
    #: Pongs that came from the client.
    pongs: int = 0
    #: The first ping after opening, and the mean time between pings.
    first_ping_s: float = nan
    ping_interval_s: float = nan
    #: What it was told to wait; NaN: nothing.
    retry_after_s: float = nan
    #: How late this attempt may have been accepted on account of the machine: what the client
    #: waited for a processor since its last attempt, and how late the lab was; NaN: not measured.
    late_s: float = nan
    #: What the client waited for a processor from its attempt's beginning to its end.
    client_late_s: float = nan
    #: How late the lab may have been to note the end.
    end_late_s: float = nan
    user_agent: str = ""
    bytes_in: int = 0

    @property
    def open_s(self) -> float:
        """How long it was open; NaN if it never was, or still is."""
        return self.ended_s - self.answered_s if self.opened else nan


ATTEMPT_COLUMNS = tuple(item.name for item in fields(Attempt))


@dataclass(repr=False)
class Observation(ShowsCard):
    """An observation: the attempts of the clients, and what the lab did to them.

    Examples
    --------
    >>> seen = Observation([Attempt(0, "status", "503", 0, "127.0.0.1:50000", 0.5)])
    >>> seen.frame()[["kind", "detail", "accept_s"]].values.tolist()
    [['status', '503', 0.5]]
    """

    attempts: Sequence[Attempt]
    #: The script as TOML.
    script: str = ""
    command: Sequence[str] = ()
    greeting: str = "echo"
    #: How long was watched.
    observed_s: float = 0.0
    #: Of each phase that was played: number, kind, detail, begin_s, end_s, ended_by, least.
    phases: Sequence[dict[str, Any]] = ()
    #: What was odd, a sentence each.
    notes: Sequence[str] = ()
    #: Attempts beside those kept.
    not_kept: int = 0
    partial: bool = False
    #: How late the lab's own timers were: p50_s, p99_s, longest_s; empty if that was not measured.
    timers_late: Mapping[str, float] = field(default_factory=dict)
    #: The command, or the call in Python, that made it.
    made_by: str = field(default_factory=current_command, compare=False)

    def card(self) -> Card:
        """Return what is shown: how much was seen, by phase, and what was odd."""
        clients = len({attempt.client for attempt in self.attempts})
        partial = ", partial" * self.partial
        made = count_in_words(len(self.attempts), "attempt")
        title = f"Observation: {made} of {count_in_words(clients, 'client')}"
        return Card(f"{title} in {self.observed_s:.0f} s{partial}", notes=tuple(self.notes))

    def frame(self) -> pd.DataFrame:
        """Return the attempts, a row each, in the order of their accept."""
        frame: pd.DataFrame = self._table().to_pandas()
        return frame

    def waits(self) -> pd.DataFrame:
        """Return per client the waits from the end of a connection to the next accept.

        Returns
        -------
        DataFrame
            ``client``, ``phase``, ``kind`` and ``detail`` of the attempt that ended, ``attempt``
            (failures in a row since it was last open; a lost connection is the first; 0 where an
            attempt may have been missed), ``opened``, ``open_s``, ``wait_s``, ``retry_after_s``,
            ``next_phase``.

        Examples
        --------
        >>> rows = [Attempt(0, "status", "503", 0, "", at, ended_s=at + 0.5) for at in (0, 1.5, 4)]
        >>> Observation(rows).waits()[["attempt", "wait_s"]].values.tolist()
        [[1.0, 1.0], [2.0, 2.0]]
        """
        from simlib.lab.observe.attempt_pairs import ResetRule, number_waits, pair_attempts

        waits = number_waits(pair_attempts(self.frame()), ResetRule())
        waits = waits.sort_values("client", kind="stable").reset_index(drop=True)
        return waits[list(_WAIT_COLUMNS)]

    @check_arguments
    def save(self, path: str | Path) -> None:
        """Write the observation to a Parquet file, atomically."""
        meta = {"schema": SCHEMA, **{name: getattr(self, name) for name in _META}}
        meta["command"] = mask_arguments(self.command)
        meta = {
            name: list(value) if isinstance(value, tuple) else value for name, value in meta.items()
        }
        save_table(path, self._table(), describe_origin(self.made_by), {_KEY: meta})

    @classmethod
    @check_arguments
    def load(cls, path: str | Path) -> Observation:
        """Read an observation back from its file.

        Raises
        ------
        SimlibError
            If the file is no observation, or of a later version.
        """
        loaded = load_table(path, _KEY, "an observation", "simlib observe", MOST_OBSERVED_ROWS)
        columns, meta = loaded.table.column_names, loaded.notes
        lacking = {*ATTEMPT_COLUMNS, *_META} - _LATER - {*columns, *meta}
        if meta.pop("schema", None) != SCHEMA or lacking:
            raise SimlibError(f"{path} is an observation of another version of simlib")
        try:
            check_notes(meta, NOTE_RULES)
            table = read_attempt_columns(loaded.table, Attempt)
        except ValueError as error:
            raise SimlibError(f"{path} is not an observation: {error}") from error
        # What older files do not have yet was not measured.
        there = [name for name in ATTEMPT_COLUMNS if name in columns]
        attempts = [Attempt(**row) for row in table.select(there).to_pylist()]
        known = {name: meta[name] for name in _META if name in meta}
        return cls(attempts, **known, made_by=loaded.made_by)

    def _table(self) -> pa.Table:
        import pyarrow as pa

        rows = sorted(self.attempts, key=lambda attempt: attempt.accept_s)
        return pa.table(
            {
                name: pa.array([getattr(row, name) for row in rows], kind)
                for name, kind in arrow_types(Attempt).items()
            }
        )


def is_observation(path: str | Path) -> bool:
    """Whether a Parquet file is an observation, and not a mere table."""
    import pyarrow.parquet as pq

    return _KEY in (pq.read_schema(path).metadata or {})


_WAIT_COLUMNS = (
    *("client", "phase", "kind", "detail", "attempt"),
    *("opened", "open_s", "wait_s", "retry_after_s", "next_phase"),
)
#: What files of the same version may lack, since it came later.
_LATER = {"late_s", "client_late_s", "end_late_s", "timers_late"}
_META = (
    "script",
    "command",
    "greeting",
    "observed_s",
    "phases",
    "notes",
    "not_kept",
    "partial",
    "timers_late",
)
