"""Rules on many clients at once, beside what the server can do."""

from __future__ import annotations

from math import inf

import numpy as np

from simlib.core.backoff import Backoff, delay, waited
from simlib.core.draws import Stream, uniform
from simlib.core.quality import Quality
from simlib.study.lint.case import ROUND_TRIP_S, Case, Check, Finding

#: Outages of storms, as in `storms`, and of how many clients their waits are drawn.
_STORM_S = 30.0
_CLIENTS = 300


def polling_overload(case: Case) -> Finding | None:
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
        f"{per_s:,.3g} requests/s; the server can do {can_per_s:,.3g}/s.",
        per_s,
        "requests/s",
        f"poll every {case.clients / can_per_s:.3g} s or more seldom, or let fewer fall back",
    )


def storm_peak(case: Case) -> Finding | None:
    """Find a storm whose peak is above what the server accepts."""
    if case.never or case.serves_per_s == inf:
        return None
    peak_per_s = case.clients * peak_fraction(case.rules)
    if peak_per_s <= case.serves_per_s:
        return None
    return case.finding(
        "warning",
        f"After an outage of {_STORM_S:g} s, {case.clients:,} clients make up to "
        f"{peak_per_s:,.0f} attempts in a second; the server can do {case.serves_per_s:,.3g}/s.",
        peak_per_s,
        "attempts/s",
        "spread the waits further (jitter, a longer cap), or make room for the peak",
    )


def peak_fraction(rules: Backoff) -> float:
    """Return the most attempts in a second after an outage of 30 s, for each client.

    All were lost at once and are refused throughout; 300 of them are drawn.

    Examples
    --------
    >>> peak_fraction(Backoff(jitter="none", base_s=2, cap_s=2))
    1.0
    """
    moments = np.concatenate([_moments_s(rules, client) for client in range(_CLIENTS)])
    after = moments[(moments >= _STORM_S) & (moments < 2.0 * _STORM_S)]
    counts = np.histogram(after, np.arange(_STORM_S, 2.0 * _STORM_S + 1.0))[0]
    return float(counts.max()) / _CLIENTS


def _moments_s(rules: Backoff, client: int) -> list[float]:
    """Return when a client attempts while it is refused, up to twice the outage."""
    moments: list[float] = []
    now = 0.0 if rules.after_loss_s == inf else rules.after_loss_s + ROUND_TRIP_S
    wait_s, attempt = 0.0, 0
    while now < 2.0 * _STORM_S and attempt < rules.max_attempts:
        attempt += 1
        stream = Stream.WAIT_ONCE if rules.drawn_once else Stream.WAIT
        u = uniform(1, client, stream, 0 if rules.drawn_once else attempt)
        wait_s = delay(rules, attempt, wait_s, u)
        now += waited(rules, wait_s, ROUND_TRIP_S)
        moments.append(now)
        now += ROUND_TRIP_S
    return moments


#: The rules of this file by their ids, in the order of their checks.
RULES: dict[str, Check] = {
    "polling-overload": polling_overload,
    "storm-peak": storm_peak,
}
