"""A client's link and policy as `link.step` wants them, and the link back into its records."""

from __future__ import annotations

from collections import namedtuple
from dataclasses import fields
from math import inf
from typing import Any, NamedTuple

from simlib.core.breaker import Breaker, BreakerStatus
from simlib.core.fallback import Fallback, TransportStatus
from simlib.core.link_fields import Budget, Link
from simlib.core.link_table import State
from simlib.core.meters import AttemptBudget, Rate
from simlib.engines.kernel.state import LAST_TURN, WITH_EXTRAS, Fleet, wide

_OPEN = State.OPEN.value


class LinkRules(NamedTuple):
    """What `link.step` reads of a client's settings."""

    backoff: Any
    breaker: Any
    fallback: Any
    attempt_budget: Any
    connect_budget: Any
    connect_timeout_s: float


def _constant(settings: Any) -> Any:
    """Return settings as a tuple of numbers, which compiled code takes for constants."""
    numbers = {item.name: getattr(settings, item.name) for item in fields(settings)}
    kind = namedtuple(type(settings).__name__, numbers)  # type: ignore[misc]
    return kind(*(int(n) if isinstance(n, int) else n for n in numbers.values()))


#: What a link follows of a policy that has none of these.
NO_BREAKER, NO_FALLBACK = _constant(Breaker()), _constant(Fallback())
NO_BUDGET, NO_LIMIT = _constant(AttemptBudget()), _constant(Rate())


def read_link(w: Fleet, i: int) -> Link:
    """Return a client's link, put together from its records."""
    c = w.clients[i]
    breaker_status, budget = BreakerStatus(0, 0.0, 0, 0, 0, 0), Budget(0.0, 0.0, inf)
    delay_s = started_s = 0.0
    if WITH_EXTRAS and w.run[0].has_extras:
        e = w.extras[i]
        breaker_status = BreakerStatus(
            wide(e.breaker), e.until_s, wide(e.probes), wide(e.trips), e.outcomes, wide(e.seen)
        )
        since_s = w.since_s[i] if w.run[0].is_timed else inf
        budget, delay_s = Budget(e.attempt_s, e.connect_s, since_s), e.delay_s
        started_s = e.started_s
    # What it has not is what `link.step` sets before it reads it.
    is_open = c.state == _OPEN
    return Link(
        # Fields in the order of `Link`; transport and rationing are what they are without a
        # fallback.
        wide(c.state), wide(c.attempt), wide(c.failures), delay_s,
        inf if is_open else c.moment_s, started_s, c.moment_s if is_open else -inf,
        breaker_status, TransportStatus(0, -inf, inf), budget, 0.0, 0, wide(c.draws),
    )  # fmt: skip


def write_link(w: Fleet, i: int, link: Link) -> None:
    """Put a client's link back into its records."""
    c = w.clients[i]
    c.state = link.state
    c.attempt = link.attempt
    c.failures = link.failures
    c.moment_s = link.opened_s if link.state == _OPEN else link.deadline_s
    c.draws = link.draws
    if link.draws >= LAST_TURN:
        # Its next events could not be told from those of its first draws.
        w.run[0].is_worn_out = 1
    if WITH_EXTRAS and w.run[0].has_extras:
        e = w.extras[i]
        e.breaker, e.until_s, e.probes = (
            link.breaker_status.state,
            link.breaker_status.until_s,
            link.breaker_status.probes,
        )
        e.trips, e.outcomes, e.seen = (
            link.breaker_status.trips,
            link.breaker_status.outcomes,
            link.breaker_status.seen,
        )
        e.attempt_s, e.connect_s = link.budget.attempt_s, link.budget.connect_s
        e.delay_s, e.started_s = link.delay_s, link.started_s
        if w.run[0].is_timed:
            w.since_s[i] = link.budget.since_s
