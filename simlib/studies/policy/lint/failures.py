"""Lint rules on consecutive failures: what resets their count, what many lead to."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import numpy as np

from simlib.api import run
from simlib.core.backoff import Backoff, delay, delay_after_loss_s
from simlib.core.breaker import Breaker
from simlib.core.card import count_in_words
from simlib.core.heartbeat import HeartbeatRules
from simlib.core.settings import Settings
from simlib.metrics.fault_times import recovery_times_s
from simlib.metrics.policy_waits import waits_s
from simlib.metrics.words import format_number, format_seconds
from simlib.scenario.scenario import Scenario
from simlib.studies.policy.benchmark import storm
from simlib.studies.policy.lint.case import LINTED_ATTEMPTS, ROUND_TRIP_S, Case, Check, LintFinding
from simlib.studies.policy.lint.draws import give_up_times_s, longest_wait_s

#: A breaker may be lucky in one outage, so it is played in several around this one, or around the
#: scenario's own; one of more than five minutes takes too long to play.
_AROUND, _MOST_S = (2 / 3, 1.0, 1.5), 300.0


def flapping(case: Case) -> LintFinding | None:
    """Find clients that a server which accepts and then closes makes attempt without end."""
    rules = case.rules
    if case.never or rules.stable_after_s > 0.0 or case.resets not in ("", "open", "none"):
        return None
    draws = [(i + 0.5) / 64 for i in range(64)]
    first_s = float(np.mean([delay_after_loss_s(rules, u) for u in draws]))
    if first_s == inf:
        first_s = float(np.mean([delay(rules, 1, 0.0, u) for u in draws]))
    per_s = min(1.0 / (first_s + ROUND_TRIP_S), case.client.connect_budget.per_s)
    if per_s < case.thresholds.flapping_per_s or (per_s < 5.0 and not case.grows):
        return None
    return case.finding(
        "error" if per_s >= 5.0 else "warning",
        f"The count resets on open: a server that accepts and then closes gets "
        f"{format_number(per_s)} "
        f"attempts/s from each client, at a round trip of {ROUND_TRIP_S:g} s.",
        per_s,
        "attempts/s of each client",
        "count on until a connection has lasted: stable_after_s = 5 or more",
    )


def no_wait(case: Case) -> LintFinding | None:
    """Find clients that hardly wait, however long an outage lasts."""
    if case.never or case.rules.max_attempts < LINTED_ATTEMPTS or case.waits[2, -1] >= 0.1:
        return None
    per_s = 1.0 / (float(case.waits[2, -1]) + ROUND_TRIP_S)
    return case.finding(
        "error",
        f"However long an outage lasts, each client makes {format_number(per_s)} attempts/s.",
        per_s,
        "attempts/s of each client",
        "let waits grow: factor = 2, cap_s = 30",
    )


def gives_up(case: Case) -> LintFinding | None:
    """Find clients whose attempts are used up before an outage ends: their own, or a minute."""
    limit = case.most_attempts
    if case.never:
        return case.finding(
            "warning",
            "It never reconnects: whoever uses it must.",
            0.0,
            "s",
            "reconnect in the application, or raise max_attempts",
        )
    if case.rules.give_up_after_s < case.outage_s:
        return case.finding(
            "error",
            f"It gives up for good {case.rules.give_up_after_s:g} s after a loss at the latest; "
            f"{_why(case)}.",
            case.rules.give_up_after_s,
            "s",
            "attempt without end at a long cap: give_up_after_s = inf",
        )
    if limit == inf:
        return None
    outage = case.own_outage
    is_silent = outage is not None and outage.is_silent
    attempt_s = case.client.connect_timeout_s if is_silent else 0.0
    times_s = give_up_times_s(_limit_attempts(case), case.lost_s, attempt_s)
    lasts_s = case.outage_s
    gone = times_s[times_s < lasts_s]
    if gone.size < times_s.size / 100.0:
        return None
    latest_s = _latest_s(case) + attempt_s * limit
    fate = f"that time out after {attempt_s:g} s" if is_silent else "that are refused at once"
    number = latest_s if latest_s < lasts_s else float(gone[gone.size // 2])
    who = f"It gives up for good {format_seconds(number)} into an outage at the latest"
    if latest_s >= lasts_s:
        share = gone.size / times_s.size
        who = f"{100.0 * share:.0f} % of clients give up for good"
        who += f", half of them {format_seconds(number)} into an outage"
    attempts = count_in_words(int(limit), "attempt")
    return case.finding(
        "error",
        f"{who}, after {attempts} {fate}; {_why(case)}.",
        number,
        "s",
        "attempt without end at a long cap: max_attempts = inf"
        if limit == case.rules.max_attempts
        else "let time fill the budget: attempt_budget.per_s above 0",
    )


def gives_up_silently(case: Case) -> LintFinding | None:
    """Find clients that take messages on after they gave up, with nothing left to carry them."""
    rate_per_s, capacity = case.scenario.workload.rate_per_s, case.client.outbox.capacity
    falls_back = case.client.fallback.after_attempts <= case.most_attempts
    if rate_per_s <= 0.0 or (falls_back and case.client.fallback.after_attempts < inf):
        return None
    if gives_up(case) is None:
        return None
    full = (
        "fill an outbox without a bound that nothing empties"
        if capacity == inf
        else f"wait in an outbox that nothing empties, and that is full "
        f"{format_seconds(capacity / rate_per_s)} later"
    )
    return case.finding(
        "warning",
        f"It gives up silently: its application goes on, and {format_number(60.0 * rate_per_s)} "
        f"messages a minute {full}.",
        60.0 * rate_per_s,
        "messages/min of each client",
        "fall back to polling before it gives up (fallback.after_attempts), or attempt without end",
    )


def _why(case: Case) -> str:
    """Return in words why an outage may last longer than the client's attempts."""
    lasts_s = case.outage_s
    if case.own_outage is None:
        return f"outages of {lasts_s:g} s are common"
    return f"its own outage lasts {lasts_s:g} s"


def _limit_attempts(case: Case) -> Backoff:
    """Return the waits, which end where the client gives up."""
    return replace(case.rules, max_attempts=case.most_attempts)


def _latest_s(case: Case) -> float:
    """Return when the last client gives up whose attempts are refused at once; inf: far away."""
    limit = case.most_attempts
    if limit > 1000:
        return inf
    waits = waits_s(_limit_attempts(case), int(limit))[4]
    # A loss that is no attempt's comes before the first failure, and its wait before all others.
    lost_s, counted = (0.0, waits) if case.lost_s == inf else (case.lost_s, waits[:-1])
    return lost_s + float(counted.sum())


def breaker_slows(case: Case) -> LintFinding | None:
    """Find a breaker with which clients come back later than by their backoff alone."""
    breaker = case.client.breaker
    if breaker.trip_after == inf and breaker.failure_fraction == inf:
        return None
    # Before an open door, and with attempts without end: what else may hinder has its own rule.
    # Without pings, which are most of such a run: the clients notice this outage at once.
    endless = replace(
        case.client,
        backoff=replace(case.rules, max_attempts=inf, give_up_after_s=inf),
        heartbeat=HeartbeatRules(),
    )
    outages_s = [round(min(case.storm_s, _MOST_S) * share, 3) for share in _AROUND]
    alone = replace(endless, breaker=Breaker())
    late_s, alone_s = (_back_s(client, outages_s) for client in (endless, alone))
    if not late_s > (1.0 + case.thresholds.slower_fraction) * alone_s + 1.0:
        return None
    longest_s = longest_wait_s(case.rules) if case.rules.has_function else case.rules.cap_s
    return case.finding(
        "warning",
        f"The breaker makes recovery slower than the backoff alone: after outages of "
        f"{format_number(outages_s[0])} to {format_seconds(outages_s[-1])}, "
        f"95 % are back in {format_seconds(late_s)}, without it in {format_seconds(alone_s)}.",
        late_s - alone_s,
        "s",
        f"let it refuse for no longer than the cap: open_s of at most {longest_s:g}",
    )


def _back_s(client: Settings, outages_s: list[float]) -> float:
    """Return how soon 95 of 100 clients are back after outages, on average, by playing them."""
    late = [_late_s(storm(client, 60, outage_s)) for outage_s in outages_s]
    return float(np.mean(late))


def _late_s(scenario: Scenario) -> float:
    back_s = np.sort(recovery_times_s(run(scenario.replace("server.accept_per_s", inf))))
    # A client whose attempts never succeed is not back before the end, with a breaker or without.
    return float(back_s[int(0.95 * back_s.size) - 1]) if back_s.size else scenario.duration_s


#: The rules of this file by their ids, in the order of their checks.
FAILURE_RULES: dict[str, Check] = {
    "flapping": flapping,
    "no-wait": no_wait,
    "gives-up": gives_up,
    "gives-up-silently": gives_up_silently,
    "breaker-slows": breaker_slows,
}
