"""Observed waits as columns, and statistics that need no policy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from simlib.metrics.array_types import Floats

Whole = npt.NDArray[np.int64]
#: Timing errors of a loopback observation: timers, the scheduler, a handshake.
BLUR_S = 0.002
#: Fewer waits say nothing of a family.
LEAST_WAITS = 8


class ClientLateness(NamedTuple):
    """How late waits without jitter were though nobody measured it: some of them, exponentially.

    Each part is a number, or a column of numbers.
    """

    late_fraction: Any = 0.0
    #: Of those that were late, beyond the least.
    mean_s: Any = 0.0
    least_s: Any = 0.0

    @property
    def most_s(self) -> Any:
        """The lateness beyond which a wait is a stray."""
        return self.least_s + _MOST_MEANS * self.mean_s


IN_TIME = ClientLateness()
#: An exponential time is longer than so many means once in 3,000 times.
_MOST_MEANS = 8.0


@dataclass(frozen=True)
class Waits:
    """Observed waits in columns."""

    #: How many attempts in a row.
    attempt: Whole
    wait_s: Floats
    #: The wait before.
    previous_s: Floats
    client: Whole
    #: How long the attempt lasted after which it waited.
    lasted_s: Floats
    #: By how much each wait may have been measured too long, and too short.
    late_s: Floats
    early_s: Floats
    #: Standard deviation of the timing errors that each wait has beside lateness.
    blur_s: float = BLUR_S
    #: The lateness that waits without jitter have beside what was measured.
    lateness: ClientLateness = IN_TIME
    #: The same of first waits, for which a client must also notice that its connection is gone.
    first_lateness: ClientLateness = IN_TIME

    @classmethod
    def of(cls, frame: pd.DataFrame, blur_s: float = BLUR_S) -> Waits:
        """Return the waits of a table with attempt, wait_s and client, in the order of time.

        It may have the waits before too, as previous_s; how long the attempts lasted, as lasted_s;
        and by how much each wait may be too long or too short, as late_s and early_s.
        """
        attempt = frame["attempt"].to_numpy(np.int64)
        wait_s = frame["wait_s"].to_numpy(np.float64)
        client = np.unique(frame["client"].to_numpy(), return_inverse=True)[1].astype(np.int64)
        if "previous_s" in frame.columns:
            previous_s = frame["previous_s"].to_numpy(np.float64)
        else:
            previous_s = _before(client, attempt, wait_s)
        lasted_s, late_s, early_s = (
            _column(frame, name) for name in ("lasted_s", "late_s", "early_s")
        )
        return cls(attempt, wait_s, previous_s, client, lasted_s, late_s, early_s, blur_s)

    def __len__(self) -> int:
        return self.wait_s.size

    def with_timing_of(self, others: Waits) -> Waits:
        """Return the waits with the timing errors of others."""
        return replace(self, **{name: getattr(others, name) for name in _TIMING})

    def where(self, chosen: npt.NDArray[np.bool_]) -> Waits:
        """Return some of the waits."""
        return replace(self, **{name: getattr(self, name)[chosen] for name in _COLUMNS})

    @cached_property
    def attempts(self) -> Whole:
        """The numbers of attempts that occur, ascending."""
        return np.unique(self.attempt)

    @cached_property
    def group(self) -> Whole:
        """Of each wait, the place of its attempt in `attempts`."""
        return np.searchsorted(self.attempts, self.attempt).astype(np.int64)

    @cached_property
    def rows(self) -> list[Whole]:
        """The rows of each attempt."""
        return [np.flatnonzero(self.group == i) for i in range(len(self.attempts))]

    @cached_property
    def first_and_later(self) -> tuple[Whole, Whole]:
        """The rows of first attempts, and of all others."""
        first = self.attempt == 1
        return np.flatnonzero(first), np.flatnonzero(~first)

    @property
    def is_late(self) -> bool:
        """Whether waits without jitter may have been late, though nobody measured it."""
        return bool(self.lateness.late_fraction or self.first_lateness.late_fraction)

    @cached_property
    def lateness_by_wait(self) -> ClientLateness:
        """How late each wait may have been: a column of each part."""
        first = self.attempt == 1
        parts = zip(self.first_lateness, self.lateness, strict=True)
        return ClientLateness(*(np.where(first, of_first, later) for of_first, later in parts))

    @cached_property
    def uncertain(self) -> Whole:
        """The rows of waits that may have been measured too long or too short."""
        return np.flatnonzero(self.late_s + self.early_s > _CERTAIN_S)

    @cached_property
    def longest_s(self) -> float:
        """The longest wait."""
        return float(self.wait_s.max())

    @cached_property
    def mean_s(self) -> Floats:
        """The mean wait of each attempt."""
        return self.by_attempt(np.mean)

    @cached_property
    def counts(self) -> Floats:
        """How many waits of each attempt there are."""
        return np.bincount(self.group).astype(np.float64)

    def by_attempt(self, statistic: Callable[[Floats], Any]) -> Floats:
        """Return a statistic of the waits of each attempt."""
        return np.array([float(statistic(self.wait_s[rows])) for rows in self.rows])


#: What is no column.
_TIMING = ("blur_s", "lateness", "first_lateness")
_COLUMNS = tuple(item.name for item in fields(Waits) if item.name not in _TIMING)
#: What is certain to so much is certain: the clock's own steps are no lateness.
_CERTAIN_S = 0.001


def _column(frame: pd.DataFrame, name: str) -> Floats:
    """Return a column of times; 0 where there is none."""
    if name not in frame.columns:
        return np.zeros(len(frame))
    times_s = np.nan_to_num(frame[name].to_numpy(np.float64), nan=0.0)
    return np.asarray(np.maximum(0.0, times_s))


# NaN leaves a wait out of a fit: policies that look back cannot be judged by a wait whose
# predecessor was not seen, and all families must be compared on the same waits.
def _before(client: Whole, attempt: Whole, wait_s: Floats) -> Floats:
    """Return the wait before each; 0 before a first one, NaN where it was not seen."""
    previous_s = np.zeros_like(wait_s)
    last: dict[int, tuple[int, float]] = {}
    for i in range(wait_s.size):
        before, before_s = last.get(int(client[i]), (0, 0.0))
        if attempt[i] > 1:
            previous_s[i] = before_s if before == attempt[i] - 1 else np.nan
        last[int(client[i])] = (int(attempt[i]), float(wait_s[i]))
    return previous_s
