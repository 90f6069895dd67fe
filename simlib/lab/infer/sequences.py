"""Tables of attempts and of waits: checked, counted again, selected for a fit."""

from __future__ import annotations

from itertools import pairwise
from math import inf

import numpy as np
import pandas as pd

from simlib.core.errors import SettingsError
from simlib.lab.observe.attempt_pairs import ResetRule, number_waits

#: What a table of attempts must have; what else an observation has is used where it is there.
NEEDED = {
    "phase": np.int64,
    "kind": str,
    "detail": str,
    "client": np.int64,
    "accept_s": np.float64,
    "answered_s": np.float64,
    "opened": bool,
    "ended_s": np.float64,
    "ended_by": str,
}
#: What is used where it is there, and what it is otherwise.
_USED = {
    "close_code": -1,
    "pings": 0,
    "first_ping_s": np.nan,
    "ping_interval_s": np.nan,
    "retry_after_s": np.nan,
    "late_s": np.nan,
    "end_late_s": np.nan,
    "client_late_s": np.nan,
}
#: Failures in a row whose waits are looked at.
LONGEST_ROW = 256
#: How well a wait must have been timed to say something of a policy, and that in words.
CERTAIN_S, _CERTAIN_FRACTION = 0.02, 0.02
CERTAINLY = "to within 20 ms or 2 %"
#: With a larger share of them not timed so well, waits may not be said to have their own rule.
MOST_UNCERTAIN = 0.2


def check_attempts(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the attempts in the order of time, or say what is missing.

    Raises
    ------
    SettingsError
        Naming the column, or saying that there is no attempt.
    """
    for name in NEEDED:
        if name not in frame.columns:
            there = ", ".join(map(str, frame.columns))
            rule = f"is not among the columns ({there}): simlib observe writes it"
            raise SettingsError("observation", name, rule)
    if frame.empty:
        rule = "has no attempt: the client never connected, so nothing can be told"
        raise SettingsError("observation", "0 rows", rule)
    added = {name: value for name, value in _USED.items() if name not in frame.columns}
    kept = frame.assign(**added)
    for name, kind in NEEDED.items():
        if kind is not str:
            try:
                kept[name] = kept[name].astype(kind)
            except (TypeError, ValueError) as error:
                rule = f"must be {np.dtype(kind).name} in every row"
                raise SettingsError("observation", name, rule) from error
    return kept.sort_values(["accept_s"], kind="stable").reset_index(drop=True)


def cut_long_rows(followed: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Return the pairs up to `LONGEST_ROW` failures in a row, and how many come later.

    What a fit takes grows with the longest row, and no policy is still changing there.
    """
    is_later = number_waits(followed, ResetRule())["attempt"] > LONGEST_ROW
    return followed[~is_later], int(is_later.sum())


def recount(waits: pd.DataFrame, odd: pd.Index) -> pd.DataFrame:
    """Return the waits that follow odd ones in the same row, as if the count had begun anew there.

    Where a client has come back by a rule of its own, it may have forgotten its failures.
    """
    known = waits[waits["attempt"] > 0]
    is_odd = pd.Series(known.index.isin(odd), known.index)
    begins = (known["attempt"] == 1) | is_odd.groupby(known["client"]).shift(1, fill_value=False)
    # Each stretch has a number; it follows an odd wait unless it is the first of its row.
    stretch = begins.groupby(known["client"]).cumsum()
    by_stretch = [known["client"], stretch]
    follows = begins & (known["attempt"] != 1)
    anew = known.assign(attempt=known.groupby(by_stretch).cumcount() + 1)
    anew["previous_s"] = anew["previous_s"].where(anew["attempt"] > 1, 0.0)
    return anew[follows.groupby(by_stretch).transform("any")]


def count_failures(
    rows: pd.DataFrame, followed: pd.DataFrame, stable_after_s: float, resets: pd.Series
) -> pd.DataFrame:
    """Return the attempts with ``failures``, how many in a row each one ends.

    A failure is an attempt that failed, or a connection lost before it was stable. The count begins
    anew after a stable connection, and after each attempt that ``resets`` names. ``is_exact`` says
    whether no attempt of the row can have been missed.
    """
    open_s = rows["ended_s"] - rows["answered_s"]
    is_failure = ~((rows["opened"] & (open_s >= stable_after_s)) | resets)
    row = [rows["client"], (~is_failure).groupby(rows["client"]).cumsum()]
    # Where an attempt may have been missed after one, the numbers of all later ones are too small.
    is_unsure = ~followed["seen"].astype(bool).reindex(rows.index, fill_value=True)
    is_unsure = is_unsure.groupby(rows["client"]).shift(1, fill_value=False)
    failures = is_failure.astype(np.int64).groupby(row).cumsum()
    return rows.assign(failures=failures, is_exact=~is_unsure.groupby(row).cummax())


def select_for_fit(waits: pd.DataFrame) -> pd.DataFrame:
    """Return the waits that say something of the policy: with a number, and without a hint."""
    return waits[(waits["attempt"] > 0) & waits["retry_after_s"].isna()]


def is_uncertain(waits: pd.DataFrame) -> pd.Series:
    """Return which waits may be longer or shorter than they were measured, by too much."""
    off_s = waits["late_s"].fillna(0.0) + waits["early_s"].fillna(0.0)
    return off_s > np.maximum(CERTAIN_S, _CERTAIN_FRACTION * waits["wait_s"])


def hypotheses(followed: pd.DataFrame) -> list[ResetRule]:
    """Return the ways of counting that the observation can tell apart.

    That waits after a loss stand apart is one of them only where these were timed well: otherwise
    leaving them out would make the second wait of a row the first.
    """
    open_s = np.unique(np.round(followed["open_s"].dropna().to_numpy(np.float64), 1))
    if not len(open_s):
        return [ResetRule()]
    between = [float(a + b) / 2.0 for a, b in pairwise(open_s)]
    lost = followed[followed["opened"] & followed["retry_after_s"].isna()]
    is_timed = lost.empty or is_uncertain(lost).mean() <= MOST_UNCERTAIN
    losses = (True, False) if is_timed else (True,)
    # A limit can only be told from another one if some connection was open for a time between the
    # two.
    limits = [0.0, *between[:_MOST_LIMITS], inf]
    return [ResetRule(limit, loss) for limit in limits for loss in losses]


_MOST_LIMITS = 12
