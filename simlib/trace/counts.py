"""Aggregate counts of a fleet run, by second, in the place of a trace of rows."""

from __future__ import annotations

import zlib
from base64 import b64decode, b64encode
from dataclasses import dataclass, fields
from functools import reduce
from io import BytesIO
from operator import add
from typing import TYPE_CHECKING, Any

from simlib.core.errors import SettingsError
from simlib.trace.server_counts import ServerCounts

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

#: Attempts are counted by tenth of a second too, so that the worst second may begin at any.
TENTHS_PER_S = 10
#: Of a file, unpacked.
MOST_TALLY_BYTES = 2**28


@dataclass
class Tally:
    """The counts of one run.

    Attributes
    ----------
    bins : array of int, one row per second
        What happened from each whole second to the next; `columns` names the columns.
    recovery_s, detection_s, downtime_s : array of float
        Times to recover, to detect and away, ascending, as `simlib.summary` defines them.
    tenths : array of int, ten for each second
        Attempts from each tenth of a second to the next, from the end of the warm-up on.
    unstable : int
        Connections, opened since then, that were lost before they had been of use.
    waits : array of float, policies by 4 by attempts in a row
        Of each cohort, and then of all other clients: number and sum of the waits after so many
        failures, from the end of the warm-up on; the same of those that the backoff alone decided.
    there_s, open_s, breaker_open_s : float
        Time that the clients were there, OPEN, and with an open breaker, together, seconds, from
        the end of the warm-up on.
    early : array of int, one row per second
        What of ``bins`` had happened before the end of the warm-up.
    servers : tuple of ServerCounts
        What the server of each gateway had to do, where servers have limits.
    """

    bins: Any
    columns: tuple[str, ...]
    recovery_s: Any
    detection_s: Any
    downtime_s: Any
    tenths: Any
    unstable: int
    waits: Any
    there_s: float
    open_s: float
    breaker_open_s: float
    early: Any = ()
    servers: tuple[ServerCounts, ...] = ()

    @property
    def attempts_per_s(self) -> Any:
        """Attempts from each whole second to the next."""
        return self.bins[:, self.columns.index("attempts")]

    def table(self, bin_s: int = 1) -> pd.DataFrame:
        """Return the counts by bin, indexed by the bins' beginnings; only what happened.

        Raises
        ------
        SettingsError
            If a bin is not of whole seconds; one longer than the run holds all of it.
        """
        import numpy as np
        import pandas as pd

        if bin_s < 1 or bin_s != int(bin_s):
            raise SettingsError("bin_s", bin_s, "must be whole seconds, at least 1")
        starts = np.arange(0, len(self.bins), int(bin_s))
        index = pd.Index(starts.astype(float), name="time_s")
        counts = np.add.reduceat(self.bins, starts, axis=0)
        table = pd.DataFrame(counts, index=index, columns=list(self.columns))
        return table.loc[:, (table != 0).any()]

    def total(self, column: str) -> int:
        """Return how often something happened in the whole run."""
        return int(self.bins[:, self.columns.index(column)].sum())

    def count_by_second(self, column: str) -> Any:
        """Return how often something happened in each second, from the end of the warm-up on."""
        place = self.columns.index(column)
        counts = self.bins[:, place].copy()
        if len(self.early):
            counts[: len(self.early)] -= self.early[:, place]
        return counts

    @classmethod
    def merge(cls, parts: Sequence[Tally]) -> Tally:
        """Return the counts of several parts of the clients together, some cut short perhaps."""
        first, *others = parts
        if not others:
            return first
        by_second = ("bins", "early", "tenths")
        sums = ("unstable", "waits", "there_s", "open_s", "breaker_open_s")
        times = ("recovery_s", "detection_s", "downtime_s")
        # Added up one after the other, in the order given: the same bits wherever they come from.
        summed: dict[str, Any] = {
            name: reduce(add, (getattr(part, name) for part in parts)) for name in sums
        }
        summed |= {name: _stack([getattr(part, name) for part in parts]) for name in by_second}
        joined: dict[str, Any] = {
            name: _merge_sorted([getattr(part, name) for part in parts]) for name in times
        }
        servers = tuple(each for part in parts for each in part.servers)
        return cls(columns=first.columns, servers=servers, **summed, **joined)

    def to_text(self) -> str:
        """Return everything as text, to be kept in a file."""
        import numpy as np

        file = BytesIO()
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        for number, server in enumerate(values.pop("servers")):
            values |= {f"{name}{number}": value for name, value in vars(server).items()}
        np.savez_compressed(file, **values)
        return b64encode(file.getvalue()).decode()

    @classmethod
    def from_text(cls, text: str) -> Tally:
        """Return what `to_text` gave.

        Raises
        ------
        ValueError, KeyError, TypeError
            If it is no such text.
        """
        from zipfile import BadZipFile, ZipFile

        import numpy as np

        packed = b64decode(text)
        try:
            with ZipFile(BytesIO(packed)) as archive:
                size_bytes = sum(each.file_size for each in archive.infolist())
            if size_bytes > MOST_TALLY_BYTES:
                raise ValueError("its counts are too large")
            kept = np.load(BytesIO(packed))
            values = {name: kept[name] for name in kept.files}
        except (BadZipFile, EOFError, OSError, NotImplementedError, zlib.error) as error:
            raise ValueError("its counts are damaged") from error
        for name in ("there_s", "open_s", "breaker_open_s"):
            values[name] = float(values[name])
        values["unstable"] = int(values["unstable"])
        count = sum(name.startswith("worst_backlog") for name in values)
        values["servers"] = tuple(_read_server(values, number) for number in range(count))
        return cls(**values | {"columns": tuple(values["columns"].tolist())})


def _merge_sorted(times: Sequence[Any]) -> Any:
    """Return the times of several parts, each ascending, as one ascending array."""
    import numpy as np

    # The stable sort finds the parts' runs and merges them: half the time of sorting anew.
    return np.sort(np.concatenate(times), kind="stable")


def _read_server(values: dict[str, Any], number: int) -> ServerCounts:
    """Take the counts of one server out of what a file holds."""
    names = [item.name for item in fields(ServerCounts)]
    counts = ServerCounts(**{name: values.pop(f"{name}{number}") for name in names})
    counts.worst_backlog = int(counts.worst_backlog)
    return counts


def _stack(counts: Sequence[Any]) -> Any:
    """Return counts by second added up; those of a part that was cut short end sooner."""
    import numpy as np

    total = np.zeros_like(max(counts, key=len))
    for part_counts in counts:
        total[: len(part_counts)] += part_counts
    return total
