"""Lint rules on many clients at once, against the server's capacity."""

from __future__ import annotations

from math import inf

import numpy as np

from simlib.core.backoff import Backoff
from simlib.core.quality import Quality
from simlib.metrics.words import format_number, format_seconds
from simlib.studies.policy.lint.case import Case, Check, LintFinding
from simlib.studies.policy.lint.draws import DRAWN_CLIENTS, draw_attempt_times_s, longest_wait_s

#: The outage of a storm, as in `storms`, where the scenario has none of its own.
STORM_S = 30.0
#: Longer waits than this are not waited for.
_MOST_S = 3600.0


def polling_overload(case: Case) -> LintFinding | None:
    """Find a fallback whose polls are more than the server can answer."""
    fallback = case.client.fallback
    if fallback.after_attempts == inf and fallback.when_quality == Quality.OFFLINE:
        return None
    per_s = case.clients / fallback.poll_interval_s
    service_s = case.scenario.server.message_service_s
    works_per_s = case.scenario.gateways / service_s if service_s > 0.0 else inf
    can_per_s = min(case.serves_per_s, works_per_s)
    if per_s <= can_per_s:
        return None
    return case.finding(
        "warning",
        f"{case.clients:,} clients that poll every {fallback.poll_interval_s:g} s make "
        f"{format_number(per_s)} requests/s; the server can do {format_number(can_per_s)}/s.",
        per_s,
        "requests/s",
        f"poll every {format_seconds(case.clients / can_per_s)} or more seldom, or let fewer "
        "fall back",
    )


def storm_peak(case: Case) -> LintFinding | None:
    """Find a storm whose peak is above what the server accepts."""
    if case.never or case.serves_per_s == inf:
        return None
    peak_per_s = case.clients * peak_fraction(case.rules, case.storm_s)
    if peak_per_s <= case.serves_per_s:
        return None
    return case.finding(
        "warning",
        f"After {case.say_outage(case.storm_s)}, {case.clients:,} clients make up to "
        f"{peak_per_s:,.0f} attempts in a second; the server can do "
        f"{format_number(case.serves_per_s)}/s.",
        peak_per_s,
        "attempts/s",
        "spread the waits further (jitter, a longer cap), or make room for the peak",
    )


def peak_fraction(rules: Backoff, outage_s: float = STORM_S) -> float:
    """Return the most attempts in a second after an outage, for each client.

    All were lost at once and are refused throughout; 300 of them are drawn.

    Examples
    --------
    >>> peak_fraction(Backoff(jitter="none", base_s=2, cap_s=2))
    1.0
    """
    longest_s = longest_wait_s(rules)
    # After a hundred of its longest waits one outage is as any longer one.
    begins_s = min(outage_s, max(STORM_S, 100.0 * longest_s))
    # Who has just begun the longest wait comes back when that is over.
    ends_s = begins_s + max(STORM_S, np.ceil(min(longest_s, _MOST_S)) + 1.0)
    times = [draw_attempt_times_s(rules, client, ends_s) for client in range(DRAWN_CLIENTS)]
    moments = np.concatenate(times)
    counts = np.histogram(moments, np.arange(begins_s, ends_s + 1.0))[0]
    return float(counts.max()) / DRAWN_CLIENTS


#: The rules of this file by their ids, in the order of their checks.
CROWD_RULES: dict[str, Check] = {
    "polling-overload": polling_overload,
    "storm-peak": storm_peak,
}
