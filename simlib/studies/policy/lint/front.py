"""Lint rules on what stands in front of the server: limits per address, the age of connections."""

from __future__ import annotations

from math import inf

from simlib.metrics.words import format_number
from simlib.studies.policy.lint.case import Case, Check, LintFinding


def crowded_address(case: Case) -> LintFinding | None:
    """Find a limit per address that keeps those who share one waiting after an outage."""
    limit = case.scenario.server.per_address
    sharing = min(limit.clients, case.scenario.clients)
    if limit.accept_per_s == inf or sharing <= limit.burst:
        return None
    last_s = (sharing - limit.burst) / limit.accept_per_s
    return case.finding(
        "warning",
        f"{sharing:,} clients share an address, and the server takes {limit.burst:,} of one at "
        f"once and {format_number(limit.accept_per_s)}/s after that: when all were lost, the "
        "last of them is "
        f"let in {last_s:,.3g} s later at the soonest.",
        last_s,
        "s",
        "raise server.per_address.burst to the clients of the largest address, or count sessions "
        "in the place of addresses",
    )


def ages_together(case: Case) -> LintFinding | None:
    """Find connections that are closed together because they were opened together."""
    server = case.scenario.server
    if server.max_connection_age_s == inf or server.max_connection_age_jitter_fraction > 0.0:
        return None
    return case.finding(
        "warning",
        f"Each connection is closed at exactly {server.max_connection_age_s:g} s: those that a "
        "storm opened together are closed together, and each time there is a storm again.",
        float(case.clients),
        "clients at once",
        "spread the ages: server.max_connection_age_jitter_fraction = 0.1",
    )


#: The rules of this file by their ids, in the order of their checks.
FRONT_RULES: dict[str, Check] = {
    "crowded-address": crowded_address,
    "ages-together": ages_together,
}
