"""Lint rules on waiting messages: room for an outage, an end to resends."""

from __future__ import annotations

from math import inf

from simlib.metrics.words import format_seconds
from simlib.studies.policy.lint.case import Case, Check, LintFinding


def outbox_small(case: Case) -> LintFinding | None:
    """Find an outbox that overflows before the outage ends."""
    rate_per_s, capacity = case.scenario.workload.rate_per_s, case.client.outbox.capacity
    polls = case.client.fallback.after_attempts < inf
    brought = rate_per_s * case.outage_s
    if rate_per_s <= 0.0 or polls or brought <= capacity:
        return None
    lasts_s = capacity / rate_per_s
    return case.finding(
        "warning",
        f"The outbox of {capacity:.0f} messages is full after {format_seconds(lasts_s)} at "
        f"{rate_per_s:g}/s; {case.say_outage(case.outage_s)} brings {brought:,.0f}.",
        lasts_s,
        "s",
        f"make room for {brought:,.0f}, coalesce by key, or let old ones expire",
    )


def outbox_unbounded(case: Case) -> LintFinding | None:
    """Find an outbox that grows for as long as an outage lasts."""
    if case.client.outbox.capacity < inf:
        return None
    rate_per_s = case.scenario.workload.rate_per_s
    grown = rate_per_s * case.outage_s
    brings = f": {grown:,.0f} in {case.say_outage(case.outage_s)}" if grown else ""
    return case.finding(
        "info",
        f"The outbox has no bound, and is flushed at once when the connection is back{brings}.",
        inf,
        "messages",
        "bound it: outbox.capacity, and say who yields: outbox.when_full",
    )


def resend_unbounded(case: Case) -> LintFinding | None:
    """Find messages that are sent again without end."""
    if case.client.outbox.max_resends < inf:
        return None
    return case.finding(
        "warning",
        "Messages are sent again without a bound: one that the server cannot take stays for ever.",
        inf,
        "resends",
        "bound it: outbox.max_resends = 5 or so",
    )


#: The rules of this file by their ids, in the order of their checks.
MESSAGE_RULES: dict[str, Check] = {
    "outbox-small": outbox_small,
    "outbox-unbounded": outbox_unbounded,
    "resend-unbounded": resend_unbounded,
}
