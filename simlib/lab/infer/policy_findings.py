"""Findings that need the policy: what resets the count, Retry-After, jitter drawn once."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, nan

import numpy as np
import pandas as pd

from simlib.core.backoff import Backoff, ceiling
from simlib.core.backoff_kinds import Jitter
from simlib.core.backoff_words import say_seconds
from simlib.lab.infer import findings as phases
from simlib.lab.infer import reset_rule, sequences
from simlib.lab.infer.bands import bands
from simlib.lab.infer.findings import FEWEST_TIMES, LATENESS, WAITS_LEFT_OUT, Finding
from simlib.lab.infer.late_client import lateness_s
from simlib.lab.infer.policy_fit import PolicyFit
from simlib.lab.infer.reset_rule import known_waits
from simlib.lab.observe.attempt_pairs import ResetRule
from simlib.lab.observe.script import AS_DATE

#: Hypotheses on counting that explain the waits so nearly alike are not told apart.
_TOLD_APART = 5.0
#: A policy's waits are this unlikely to be as long as a hint, if it does not heed it.
_UNLIKELY = 0.01


def find_reset_rule(
    followed: pd.DataFrame, policy_fit: PolicyFit | None, counting: ResetRule
) -> Finding:
    """Return how long a connection must be open before the count of failures resets."""
    about = "stable_after_s"
    open_s = np.sort(followed["open_s"].dropna().to_numpy(np.float64))
    tells = "phase open_then_cut tells it"
    if open_s.size < FEWEST_TIMES or policy_fit is None:
        return phases.not_enough(about, "open_then_cut", open_s.size, FEWEST_TIMES, tells)
    limits = reset_rule.infer_reset_rule(followed, policy_fit, counting).limits
    top = max(score for _, score in limits)
    likely = [limit for limit, score in limits if score > top - _TOLD_APART]
    if len(likely) == len(limits):
        words = "its waits are the same whether the count resets or not: no phase can tell"
        if len(np.unique(_list_ceilings(policy_fit.best.rules))) > 1:
            words = f"too few waits followed each other after a loss; a longer {tells}"
        return Finding(about, None, nan, nan, open_s.size, words)
    # A limit stands between two times that were seen: it may be anywhere between these.
    shorter, longer = open_s[open_s < likely[0]], open_s[open_s >= likely[-1]]
    low = float(shorter[-1]) if shorter.size else 0.0
    high = float(longer[0]) if longer.size else inf
    if likely[0] == 0.0:
        words = f"its count resets on open, or at most {say_seconds(high)} later"
        return Finding(about, 0.0, 0.0, high, open_s.size, words)
    if high == inf:
        words = (
            f"its count does not reset within {say_seconds(low)} of being open; a longer {tells}"
        )
        return Finding(about, None, low, inf, open_s.size, words)
    words = f"its count resets when it has been open for {low:.3g} to {say_seconds(high)}"
    return Finding(about, (low + high) / 2.0, low, high, open_s.size, words)


def _list_ceilings(rules: Backoff) -> list[float]:
    """Return the ceilings of a policy's first waits."""
    return [round(ceiling(rules, attempt), 6) for attempt in range(1, 6)]


def find_hint_use(
    waits: pd.DataFrame, policy_fit: PolicyFit | None, blur_s: float
) -> Iterator[Finding]:
    """Yield whether Retry-After is heeded: in seconds, and as a date where that was tried."""
    dated = waits["detail"].astype(str).str.endswith(AS_DATE)
    yield _heeds("heeds Retry-After", waits[~dated], policy_fit, blur_s)
    if dated.any():
        yield _heeds("heeds Retry-After as a date", waits[dated], policy_fit, blur_s)


def _heeds(about: str, waits: pd.DataFrame, policy_fit: PolicyFit | None, blur_s: float) -> Finding:
    """Return whether the client waits at least as long as a Retry-After asks."""
    hinted = waits[waits["retry_after_s"] > 0.0]
    tells = "a phase status 503 with Retry-After tells it"
    if hinted.empty:
        return phases.not_enough(about, "status with Retry-After", 0, 1, tells)
    count = len(hinted)
    over_s = (hinted["wait_s"] - hinted["retry_after_s"]).to_numpy(np.float64)
    # Where the lab was late to note an end, a wait looks shorter than it was.
    unsure_s = hinted["early_s"].fillna(0.0).to_numpy() if "early_s" in hinted else 0.0
    early = int((over_s + unsure_s < -(0.05 + 5.0 * blur_s)).sum())
    if early:
        words = f"came back before the time it was told, {early} of {count} times"
        return Finding(about, "no", nan, nan, count, words)
    if policy_fit is None or policy_fit.is_none or not _unlikely(hinted, policy_fit):
        words = "its own waits are as long as the hint; a longer Retry-After tells it"
        return Finding(about, None, nan, nan, count, words)
    words = f"waited for it {count} of {count} times, and up to {say_seconds(over_s.max())} longer"
    return Finding(about, "yes", nan, nan, count, words)


def _unlikely(hinted: pd.DataFrame, policy_fit: PolicyFit) -> bool:
    """Whether a client that ignores hints would hardly wait so long each time."""
    numbers = known_waits(hinted[hinted["attempt"] > 0], policy_fit)
    if not len(numbers):
        return False
    hint_s = hinted.loc[hinted["attempt"] > 0, "retry_after_s"].to_numpy(np.float64)[: len(numbers)]
    lies = bands(policy_fit.best.rules, numbers)
    width_s = np.maximum(lies.high_s - lies.low_s, 1e-9)
    longer = np.clip((lies.high_s + numbers.blur_s - hint_s) / width_s, 0.0, 1.0)
    return float(np.prod(longer)) < _UNLIKELY


def count_left_out(waits: pd.DataFrame) -> list[Finding]:
    """Return how many waits were left out of the policy since the machine was late."""
    usable = sequences.select_for_fit(waits)
    uncertain = sequences.is_uncertain(usable)
    if not uncertain.any():
        return []
    off_s = (usable["late_s"] + usable["early_s"]).max()
    words = (
        f"the machine was busy: these were not timed {sequences.CERTAINLY}, by up to {off_s:.2g} s"
    )
    count = float(uncertain.sum())
    return [Finding(WAITS_LEFT_OUT, count, nan, nan, len(usable), words)]


def describe_long_rows(later: int) -> list[Finding]:
    """Return how many waits were left out of the policy since so many failures came before."""
    if not later:
        return []
    words = f"those after more than {sequences.LONGEST_ROW} failures in a row are left out"
    return [Finding("waits of long rows", float(later), nan, nan, later, words)]


def find_lateness(policy_fit: PolicyFit | None) -> list[Finding]:
    """Return by how much waits were longer than their policy says, if they were."""
    if policy_fit is None or not policy_fit.waits.is_late:
        return []
    waits, which = policy_fit.waits, "waits"
    if policy_fit.best.rules.jitter != Jitter.NONE:
        share, mean_s = waits.lateness.late_fraction, waits.lateness.mean_s
        words = (
            f"as likely as if {100.0 * share:.0f} % of its waits had been late, by {mean_s:.2g} s"
        )
        words += " on average: its process was busy; the intervals allow for that"
        return [Finding(LATENESS, mean_s, nan, nan, len(waits), words)]
    if not waits.lateness.late_fraction:
        waits, which = waits.where(waits.attempt == 1), "first waits in a row"
    over_s = lateness_s(policy_fit.best, waits)
    middle_s, most_s = float(np.median(over_s)), float(over_s.max())
    words = f"its {which} were up to {most_s:.2g} s longer than without jitter, half of them by"
    words += f" {middle_s:.2g} s at most: a busy process is as late, and jitter no wider would look"
    words += " the same; observe it on a machine that is less busy"
    return [Finding(LATENESS, most_s, nan, nan, len(over_s), words)]


def find_drawn_once(policy_fit: PolicyFit | None) -> Finding:
    """Return whether jitter is drawn once per client: each alone has none, all together have."""
    about = "jitter drawn once"
    clients = 0 if policy_fit is None else len(np.unique(policy_fit.waits.client))
    if policy_fit is None or policy_fit.is_none or clients < 2:
        tells = "several clients at once tell it"
        return phases.not_enough(about, "several (clients)", clients, 2, tells)
    count, rules = len(policy_fit.waits), policy_fit.best.rules
    if rules.drawn_once:
        words = f"each of {clients} clients waits without jitter, but not like the others"
        return Finding(about, "yes", nan, nan, count, words)
    how = "wait alike, without jitter"
    if rules.jitter != Jitter.NONE:
        how = "vary in their waits by themselves"
    return Finding(about, "no", nan, nan, count, f"{clients} clients {how}")
