"""From attempts to waits: which attempt follows which, and how many failed in a row.

The lab sees attempts, not waits. A wait is the time from the end of one attempt to the beginning of
the next one of the same client, so it holds only where no attempt in between can have been missed.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

#: A client may not have seen that it was open if it had to wait for this share of that time.
_UNNOTICED = 0.5
#: Attempts that begin so long before another one has ended are not its successors.
_OVERLAP_S = 0.05
#: In the place of a number: the wait after a stable connection was lost, which stands apart.
LOST = -1
#: An attempt in such a phase is seen by nobody.
UNSEEN = "refuse"


@dataclass(frozen=True)
class ResetRule:
    """How a client counts its attempts: what resets the count, and whether a loss is counted."""

    #: Open this long before the count resets; 0: on open; inf: never.
    stable_after_s: float = 0.0
    #: Whether the wait after a lost connection is the first of the count, or stands apart.
    counts_loss: bool = True


def pair_attempts(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the attempts that were followed by another one of the same client.

    The rows must be in the order of time. Added are ``wait_s`` (from its end to the next one's
    beginning), ``late_s`` and ``early_s`` (by how much that may have been measured too long or too
    short), ``lasted_s`` (from its beginning to its end), ``open_s`` (how long it was open; NaN if
    it never was), ``next_phase``, and ``seen``: whether no attempt in between can have been missed.
    """
    paired = rows.copy()
    by_client = rows.groupby("client", sort=False)
    later = by_client[["accept_s", "phase", "late_s"]].shift(-1)
    # Seen from the server: the client's wait, plus its way to notice the end and to connect. On
    # loopback both are a millisecond, and part of the timing errors.
    paired["wait_s"] = later["accept_s"] - rows["ended_s"]
    paired["late_s"], paired["early_s"] = later["late_s"], rows["end_late_s"]
    paired["lasted_s"] = rows["ended_s"] - rows["accept_s"]
    paired["open_s"] = (rows["ended_s"] - rows["answered_s"]).where(rows["opened"])
    paired["seen"] = (later["phase"] - rows["phase"] <= 1) & (rows["kind"] != UNSEEN)
    paired["next_phase"] = later["phase"]
    paired = paired[later["accept_s"].notna() & (paired["wait_s"] > -_OVERLAP_S)]
    return paired.astype({"next_phase": np.int64})


def number_waits(followed: pd.DataFrame, counting: ResetRule) -> pd.DataFrame:
    """Return the pairs with ``attempt``, how many attempts in a row, and the wait before.

    The attempt is 0 where nobody can say, and `LOST` after a loss that is not counted.
    """
    attempts = np.zeros(len(followed), np.int64)
    unsure = followed["client_late_s"].fillna(0.0) > _UNNOTICED * followed["open_s"]
    counts: dict[Any, float] = {}
    columns = ("client", "opened", "open_s", "seen")
    for i, (client, opened, open_s, seen, is_unsure) in enumerate(
        zip(*(followed[name] for name in columns), unsure, strict=True)
    ):
        count = counts.get(client, 0.0)
        is_stable = opened and open_s >= counting.stable_after_s
        if is_stable:
            count = 0.0
        # A late client may not have noticed that it was open, and then its count goes on.
        is_known = seen and not (is_stable and is_unsure)
        if is_stable and not counting.counts_loss:
            attempts[i] = LOST if is_known else 0
        else:
            count += 1.0
            attempts[i] = count if is_known and count < inf else 0
        # What was missed was an attempt too, but nobody knows how many.
        # Infinity stays infinity when failures are added: all later numbers of the row are unknown.
        counts[client] = count if is_known else inf
    before_s = followed.groupby("client", sort=False)["wait_s"].shift(1)
    before_s = before_s.where(attempts > 1, 0.0)
    return followed.assign(attempt=attempts, previous_s=before_s)
