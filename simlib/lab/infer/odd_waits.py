"""Which waits have a rule of their own, such as after one close code, and are left out of the fit?

A client may come back by a rule of its own after one answer, and may begin to count anew there.
Such waits would bend the fit of all others.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from simlib.core.backoff_words import say_seconds
from simlib.lab.infer import findings as phases
from simlib.lab.infer import sequences
from simlib.lab.infer.findings import AFTER_LOSS, Finding
from simlib.lab.infer.likelihood import wait_places
from simlib.lab.infer.policy_fit import PolicyFit
from simlib.lab.infer.reset_rule import known_waits
from simlib.lab.observe.attempt_pairs import LOST, ResetRule


def leave_out(odd: pd.DataFrame, waits: pd.DataFrame) -> pd.DataFrame:
    """Return the waits without the odd ones and what follows them in the same row.

    Where a client has come back by a rule of its own, it may have begun to count anew.
    """
    is_odd = waits.index.isin(odd.index)
    # A row begins with the first failure; each has a number, counted on from client to client.
    row = ((waits["attempt"] == 1) | (waits["client"] != waits["client"].shift())).cumsum()
    follows_odd = pd.Series(is_odd, waits.index).groupby(row).cummax()
    return waits[~follows_odd]


def find_unlike_all_others(waits: pd.DataFrame) -> list[pd.DataFrame]:
    """Return the waits after each answer that are far from those after all other answers.

    Far is: each is less than half of the least or more than twice the greatest of the others. No
    policy is needed to see that, such as where a client comes back at once after one close code.
    """
    odd = []
    for _, rows in waits.groupby(["kind", "detail"], sort=False):
        others_s = waits.drop(rows.index)["wait_s"]
        is_far = (rows["wait_s"] < others_s.min() / 2.0) | (rows["wait_s"] > 2.0 * others_s.max())
        if len(rows) > 1 and is_far.all():
            odd.append(rows)
    return odd


def find_odd(waits: pd.DataFrame, policy_fit: PolicyFit) -> list[tuple[str, pd.DataFrame]]:
    """Return the answers after which most waits lie outside the policy's bands, and those waits."""
    return [
        (phases.answer(kind, detail), rows)
        for (kind, detail), rows in waits.groupby(["kind", "detail"], sort=False)
        if _are_odd(rows, policy_fit)
    ]


def _are_odd(waits: pd.DataFrame, policy_fit: PolicyFit) -> bool:
    known = known_waits(waits, policy_fit)
    return len(known) > 1 and bool(wait_places(policy_fit.best.rules, known).outside.mean() > 0.5)


def _find_odd_by_themselves(
    waits: pd.DataFrame, policy_fit: PolicyFit
) -> list[tuple[str, pd.DataFrame]]:
    """Return the odd waits that are still odd if each earlier odd wait has reset the count.

    A client that comes back at once after one close code may begin to count anew there. Then what
    follows lies outside the bands of its supposed numbers, though it obeys the policy.
    """
    odd: list[tuple[str, pd.DataFrame]] = []
    # What comes first can be the cause of what comes later, not the other way round.
    for name, rows in sorted(find_odd(sequences.select_for_fit(waits), policy_fit), key=_first_row):
        if odd:
            anew = sequences.recount(waits, pd.concat([earlier for _, earlier in odd]).index)
            again = anew.loc[anew.index.isin(rows.index), list(rows.columns)]
            counted = pd.concat([rows.drop(again.index), again]).sort_index()
            if not _are_odd(counted, policy_fit):
                continue
        odd.append((name, rows))
    return odd


def count_failures_since_reset(
    rows: pd.DataFrame, waits: pd.DataFrame, policy_fit: PolicyFit | None, counting: ResetRule
) -> pd.DataFrame:
    """Return the attempts with their failures in a row, which an odd answer may have reset."""
    # `max_attempts` counts failures since the last reset, so an answer that resets must not be
    # counted over.
    resets = pd.Series(False, rows.index)
    if policy_fit is not None and not policy_fit.is_none:
        for _, odd in _find_odd_by_themselves(waits, policy_fit):
            kind, detail = odd.iloc[0][["kind", "detail"]]
            resets |= (rows["kind"] == kind) & (rows["detail"] == detail)
    return sequences.count_failures(rows, waits, counting.stable_after_s, resets)


def _first_row(odd: tuple[str, pd.DataFrame]) -> int:
    return int(odd[1].index[0])


def find_separate_waits(
    waits: pd.DataFrame, policy_fit: PolicyFit | None, counting: ResetRule
) -> list[Finding]:
    """Return the waits that have a rule of their own: after one answer, or after a loss."""
    if policy_fit is None or policy_fit.is_none:
        return []
    groups = _find_odd_by_themselves(waits, policy_fit)
    if not counting.counts_loss:
        lost = waits[waits["attempt"] == LOST]
        groups.append((AFTER_LOSS.removeprefix("wait after "), lost))
    findings = []
    for name, rows in groups:
        wait_s = rows["wait_s"].to_numpy(np.float64)
        if not wait_s.size:
            continue
        low, middle, high = (float(quantile) for quantile in np.quantile(wait_s, [0.0, 0.5, 1.0]))
        words = f"unlike its other waits: {low:.3g} to {say_seconds(high)}; left out of the policy"
        findings.append(Finding(f"wait after {name}", middle, low, high, wait_s.size, words))
    return findings
