"""Lint rules on circuit breakers: one that never trips, and those that all trip together."""

from __future__ import annotations

from math import inf

import numpy as np

from simlib.core.breaker import CLOSED, Breaker, BreakerState, count_failure, count_success
from simlib.metrics.array_types import Floats
from simlib.metrics.words import format_seconds
from simlib.studies.policy.lint.case import ROUND_TRIP_S, Case, Check, LintFinding
from simlib.studies.policy.lint.draws import DRAWN_CLIENTS, draw_attempt_times_s

#: A breaker that has not tripped by so many failures in a row never does: it looks back on 60.
_MOST_FAILURES = 200


def breaker_never_trips(case: Case) -> LintFinding | None:
    """Find a breaker that an outage is over for before it has counted enough failures."""
    breaker = case.client.breaker
    if case.never or (breaker.trip_after == inf and breaker.failure_fraction == inf):
        return None
    failures, lasts_s = failures_to_trip(breaker), case.outage_s
    if failures == inf or failures > case.most_attempts:
        why = (
            "no row of failures is enough: least is above window, or failure_fraction above 1"
            if failures == inf
            else f"it takes {failures:.0f} failures, and the client gives up after "
            f"{case.most_attempts:.0f}"
        )
        return _never(case, why, inf)
    trips_s = _trip_times_s(case, int(failures), lasts_s)
    after_s = float(np.median(trips_s))
    if after_s <= lasts_s:
        return None
    within = f"more than {format_seconds(lasts_s)}" if after_s == inf else format_seconds(after_s)
    why = (
        f"at this policy's pace the {failures:.0f} failures that it takes after a success come in "
        f"{within}, and {case.say_outage(lasts_s)} is over by then"
    )
    return _never(case, why, failures)


def _never(case: Case, why: str, failures: float) -> LintFinding:
    return case.finding(
        "warning",
        f"The breaker never trips: {why}.",
        failures,
        "failures",
        "let fewer failures do: a lower trip_after, or failure_fraction = 0.5 and window = 10",
    )


def failures_to_trip(breaker: Breaker) -> float:
    """Return how many failures in a row trip a breaker after a success; inf: no number does.

    Examples
    --------
    >>> failures_to_trip(Breaker(trip_after=5))
    5.0
    >>> failures_to_trip(Breaker(failure_fraction=1.0, window=20))  # the success must be forgotten
    20.0
    """
    status = count_success(CLOSED, breaker)
    # A row that is counted alone is known at once, however long it is.
    if breaker.failure_fraction == inf:
        return breaker.trip_after
    for failures in range(1, _MOST_FAILURES + 1):
        status = count_failure(status, failures, 0.0, breaker)
        if status.state == BreakerState.OPEN:
            return float(failures)
    return breaker.trip_after


def _trip_times_s(case: Case, failures: int, until_s: float) -> Floats:
    """Return when clients that were lost at 0 s have failed so often; inf: not until then."""
    outage = case.own_outage
    # Nobody answers in some outages: then each attempt takes its time-out.
    slower_s = case.client.connect_timeout_s - ROUND_TRIP_S if outage and outage.is_silent else 0.0
    found = []
    for client in range(DRAWN_CLIENTS):
        attempts_s = draw_attempt_times_s(case.rules, client, 2.0 * until_s)
        known = len(attempts_s) >= failures
        found.append(attempts_s[failures - 1] + slower_s * failures if known else inf)
    return np.array(found)


def breaker_trips_together(case: Case) -> LintFinding | None:
    """Find clients whose breakers open together, and so probe together: nothing spreads them."""
    breaker = case.client.breaker
    failures = failures_to_trip(breaker)
    if case.never or breaker.open_spread_fraction > 0.0 or failures > case.most_attempts:
        return None
    if failures == inf or failures > _MOST_FAILURES:
        return None
    times_s = _trip_times_s(case, int(failures), case.outage_s)
    times_s = np.sort(times_s[times_s < case.outage_s])
    if not times_s.size:
        return None
    # The most that trip within a second, wherever that begins.
    within = np.searchsorted(times_s, times_s + 1.0, side="left") - np.arange(times_s.size)
    share = float(within.max()) / DRAWN_CLIENTS
    if share < case.thresholds.together_fraction:
        return None
    count = round(share * case.clients)
    return case.finding(
        "warning",
        f"Breakers open and half-open together: after a loss that all feel, {count:,} of "
        f"{case.clients:,} clients trip within a second, and probe within a second "
        f"{format_seconds(breaker.open_s)} later, each time.",
        float(count),
        "clients within a second",
        "spread the time for which it refuses: open_spread_fraction = 0.5",
    )


#: The rules of this file by their ids, in the order of their checks.
BREAKER_RULES: dict[str, Check] = {
    "breaker-never-trips": breaker_never_trips,
    "breaker-trips-together": breaker_trips_together,
}
