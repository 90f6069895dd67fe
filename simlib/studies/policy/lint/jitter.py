"""Lint rules on jitter: is every wait spread, and widely enough?"""

from __future__ import annotations

from math import inf

import numpy as np

from simlib.core.backoff_kinds import Jitter
from simlib.metrics.words import format_seconds
from simlib.studies.policy.lint.case import Case, Check, LintFinding


def no_jitter(case: Case) -> LintFinding | None:
    """Find clients that were lost together and come back together, each time."""
    if case.never or case.jitters:
        return None
    return case.finding(
        "error",
        f"Without jitter, clients that are lost together come back together each time: "
        f"{case.clients:,} attempts at once.",
        float(case.clients),
        "attempts at once",
        "spread the waits: jitter = full, or proportional with a spread_fraction of 0.5",
    )


def jitter_first_only(case: Case) -> LintFinding | None:
    """Find a crowd that stays as wide as its first wait made it."""
    if case.never or not case.jitters or case.spans_s.size < 2 or (case.spans_s[1:] > 0.0).any():
        return None
    width_s = float(case.waits[4, 0] - case.waits[0, 0])
    return case.finding(
        "warning",
        f"Only the first wait is spread: the crowd stays {format_seconds(width_s)} wide while "
        "waits grow to "
        f"{format_seconds(case.waits[2, -1])}.",
        width_s,
        "s",
        "spread every wait",
    )


def jitter_dies_at_cap(case: Case) -> LintFinding | None:
    """Find jitter that is gone once the waits are at the cap."""
    spans_s = case.spans_s
    if case.never or spans_s.size < 2 or spans_s[-1] > 0.0 or not (spans_s[1:] > 0.0).any():
        return None
    last = int(np.flatnonzero(spans_s > 0.0)[-1])
    after_s = float(case.waits[2, : last + 1].sum())
    # What is added to a ceiling at the cap is cut off again inside.
    is_added = case.rules.jitter == Jitter.ADDITIVE
    places = "after_cap" if is_added else "inside or after_cap"
    return case.finding(
        "warning",
        f"Jitter comes before the cap and dies there: from attempt {last + 2}, "
        f"{format_seconds(after_s)} "
        f"into an outage, most waits are {format_seconds(case.waits[2, -1])} exactly.",
        after_s,
        "s",
        f"put jitter after the cap: jitter_place = {places}",
    )


def jitter_narrow(case: Case) -> LintFinding | None:
    """Find jitter that is small beside the waits it spreads."""
    if case.never or not case.jitters or case.spans_s[-1] == 0.0:
        return None
    share = float(case.spans_s[-1] / case.waits[2, -1])
    if share > case.thresholds.narrow_fraction - 1e-9:
        return None
    return case.finding(
        "warning",
        f"Jitter is narrow: of waits of {format_seconds(case.waits[2, -1])} the middle half lies "
        "within "
        f"{format_seconds(case.spans_s[-1])}.",
        share,
        "of the wait",
        "let jitter grow with the wait: full, equal, or proportional",
    )


def jitter_drawn_once(case: Case) -> LintFinding | None:
    """Find clients that keep one draw, so that neighbours stay neighbours."""
    if case.never or not (case.rules.drawn_once and case.jitters):
        return None
    width_s = float(case.waits[4, 0] - case.waits[0, 0])
    return case.finding(
        "warning",
        f"Jitter is drawn once per client: who drew alike within {format_seconds(width_s)} "
        "attempts together "
        f"every time.",
        width_s,
        "s",
        "draw for each wait: drawn_once = false",
    )


def first_wait_together(case: Case) -> LintFinding | None:
    """Find a first wait that is the same for all, where later ones are spread."""
    if case.never or not case.jitters:
        return None
    after_s = case.lost_s
    if not case.lost_together:
        return None
    first_s = float(case.waits[2, 0]) if after_s == inf else after_s
    return case.finding(
        "warning",
        f"The wait after a loss is {format_seconds(first_s)} for all: whoever was lost together "
        "comes back "
        f"together once, {case.clients:,} attempts at once.",
        float(case.clients),
        "attempts at once",
        "spread the first wait too"
        + ("" if case.rules.after_loss_s == inf else ": after_loss_jitter"),
    )


#: The rules of this file by their ids, in the order of their checks.
JITTER_RULES: dict[str, Check] = {
    "no-jitter": no_jitter,
    "jitter-first-only": jitter_first_only,
    "jitter-dies-at-cap": jitter_dies_at_cap,
    "jitter-narrow": jitter_narrow,
    "jitter-drawn-once": jitter_drawn_once,
    "first-wait-together": first_wait_together,
}
