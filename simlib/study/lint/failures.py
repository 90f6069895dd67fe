"""Rules on failures in a row: what resets their count, and what comes of many."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import numpy as np

from simlib.core.backoff import delay
from simlib.core.breaker import Breaker
from simlib.core.client import Settings
from simlib.policies import grows
from simlib.run import run
from simlib.scenario import Scenario
from simlib.study.lint.case import ATTEMPTS, OUTAGE_S, ROUND_TRIP_S, Case, Check, Finding
from simlib.study.metrics import recovery_times_s
from simlib.study.storms import storm, waits_s

#: A breaker may be lucky in one outage, so it is played in several.
_OUTAGES_S = (20.0, 30.0, 45.0)


def flapping(case: Case) -> Finding | None:
    """Find clients that a server which accepts and then closes makes attempt without end."""
    rules = case.rules
    if case.never or rules.stable_after_s > 0.0 or case.resets not in ("", "open", "none"):
        return None
    first_s = rules.after_loss_s
    if first_s == inf:
        first_s = float(np.mean([delay(rules, 1, 0.0, (i + 0.5) / 64) for i in range(64)]))
    per_s = min(1.0 / (first_s + ROUND_TRIP_S), case.client.connect_budget.per_s)
    if per_s < 0.5 or (per_s < 5.0 and not grows(rules)):
        return None
    return case.finding(
        "error" if per_s >= 5.0 else "warning",
        f"The count resets on open: a server that accepts and then closes gets {per_s:.2g} "
        f"attempts/s from each client, at a round trip of {ROUND_TRIP_S:g} s.",
        per_s,
        "attempts/s of each client",
        "count on until a connection has lasted: stable_after_s = 5 or more",
    )


def no_wait(case: Case) -> Finding | None:
    """Find clients that hardly wait at all, however long an outage lasts."""
    if case.never or case.rules.max_attempts < ATTEMPTS or case.waits[2, -1] >= 0.1:
        return None
    per_s = 1.0 / (float(case.waits[2, -1]) + ROUND_TRIP_S)
    return case.finding(
        "error",
        f"However long an outage lasts, each client makes {per_s:.3g} attempts/s.",
        per_s,
        "attempts/s of each client",
        "let waits grow: factor = 2, cap_s = 30",
    )


def gives_up(case: Case) -> Finding | None:
    """Find clients whose attempts are used up before an outage of a minute ends."""
    limit = case.rules.max_attempts
    if case.never:
        return case.finding(
            "warning",
            "It never reconnects: whoever uses it must.",
            0.0,
            "s",
            "reconnect in the application, or raise max_attempts",
        )
    if limit > 1000:
        return None
    waits = waits_s(case.rules, int(limit))[4]
    lost_s = 0.0 if case.lost_s == inf else case.lost_s
    # A loss that is no attempt's comes before the first failure, and its wait before all others.
    counted = waits if case.lost_s == inf else waits[:-1]
    lasts_s = lost_s + float(counted.sum())
    if lasts_s >= OUTAGE_S:
        return None
    return case.finding(
        "error",
        f"It gives up for good {lasts_s:.3g} s into an outage at the latest, after {limit:.0f} "
        f"attempts that are refused at once; outages of {OUTAGE_S:g} s are common.",
        lasts_s,
        "s",
        "attempt without end at a long cap: max_attempts = inf",
    )


def breaker_slows(case: Case) -> Finding | None:
    """Find a breaker with which clients come back later than by their backoff alone."""
    breaker = case.client.breaker
    if breaker.trip_after == inf and breaker.failure_fraction == inf:
        return None
    # Before an open door, and with attempts without end: what else may hinder has its own rule.
    endless = replace(case.client, backoff=replace(case.rules, max_attempts=inf))
    late_s, alone_s = _back_s(endless), _back_s(replace(endless, breaker=Breaker()))
    if not late_s > 1.2 * alone_s + 1.0:
        return None
    return case.finding(
        "warning",
        f"The breaker makes recovery slower than the backoff alone: after outages of 20 to 45 s, "
        f"95 % are back in {late_s:.3g} s, without it in {alone_s:.3g} s.",
        late_s - alone_s,
        "s",
        f"let it refuse for no longer than the cap: open_s of at most {case.rules.cap_s:g}",
    )


def _back_s(client: Settings) -> float:
    """Return how soon 95 of 100 clients are back after outages, on average, by playing them."""
    late = [_late_s(storm(client, 60, outage_s)) for outage_s in _OUTAGES_S]
    return float(np.mean(late))


def _late_s(scenario: Scenario) -> float:
    back_s = np.sort(recovery_times_s(run(scenario.replace("server.accept_per_s", inf))))
    return float(back_s[int(0.95 * back_s.size) - 1])


#: The rules of this file by their ids, in the order of their checks.
RULES: dict[str, Check] = {
    "flapping": flapping,
    "no-wait": no_wait,
    "gives-up": gives_up,
    "breaker-slows": breaker_slows,
}
