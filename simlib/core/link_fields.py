"""The state of a link as a tuple of numbers, and how a changed one is made."""

from __future__ import annotations

from math import inf
from typing import NamedTuple

from simlib.core.breaker import CLOSED, BreakerStatus
from simlib.core.fallback import WEBSOCKET, TransportStatus


class Budget(NamedTuple):
    """What a link has left of attempts and of time: two token buckets, and since when it tries."""

    #: The buckets' theoretical arrival times.
    attempt_s: float
    connect_s: float
    #: Since when there has been no stable connection, where time ends the attempts; inf: there is
    #: one, or none was tried for yet.
    since_s: float


# A tuple of numbers, never changed in place: sim keeps one for each client, the fleet packs its
# fields into arrays, and a test can compare two. Times are absolute, so nothing has to be aged.
class Link(NamedTuple):
    """The state of one connection's life."""

    state: int
    #: Failures in a row, the loss of an open connection included: 1 after the first.
    attempt: int
    #: Failures in a row, the loss of a stable connection left out.
    failures: int
    #: What the backoff drew last, before breaker, budget and hint postponed it.
    delay_s: float
    #: When the link wants to be woken; inf: never.
    deadline_s: float
    #: When the last attempt began.
    started_s: float
    #: When the connection opened last; -inf: it never has. 0 is a moment as any other.
    opened_s: float
    breaker_status: BreakerStatus
    transport_status: TransportStatus
    budget: Budget
    #: Until when the server's hint forbids an attempt.
    hinted_s: float
    #: Whether a budget, and nothing else, set the deadline of this wait: 1 or 0.
    rationed: int
    #: Waits drawn so far: the index of the next draw.
    draws: int

    @property
    def breaker(self) -> int:
        """The breaker's state."""
        return self.breaker_status.state

    @property
    def transport(self) -> int:
        """The transport in use."""
        return self.transport_status.transport


def replace_fields(
    link: Link,
    state: int | None = None,
    attempt: int | None = None,
    failures: int | None = None,
    delay_s: float | None = None,
    deadline_s: float | None = None,
    started_s: float | None = None,
    opened_s: float | None = None,
    breaker_status: BreakerStatus | None = None,
    transport_status: TransportStatus | None = None,
    budget: Budget | None = None,
    hinted_s: float | None = None,
    rationed: int | None = None,
    draws: int | None = None,
) -> Link:
    """Return a link with some fields replaced: what `_replace` does, which numba does not know.

    It compiles, since numba leaves away the branch of an argument that is not given.
    """
    return Link(
        link.state if state is None else state,
        link.attempt if attempt is None else attempt,
        link.failures if failures is None else failures,
        link.delay_s if delay_s is None else delay_s,
        link.deadline_s if deadline_s is None else deadline_s,
        link.started_s if started_s is None else started_s,
        link.opened_s if opened_s is None else opened_s,
        link.breaker_status if breaker_status is None else breaker_status,
        link.transport_status if transport_status is None else transport_status,
        link.budget if budget is None else budget,
        link.hinted_s if hinted_s is None else hinted_s,
        link.rationed if rationed is None else rationed,
        link.draws if draws is None else draws,
    )


# Shared by all links that have no budget: so a budget takes memory only where there is one.
_FULL = Budget(0.0, 0.0, inf)


def idle(draws: int = 0) -> Link:
    """Return a link before its start; its draws begin at an index."""
    return Link(0, 0, 0, 0.0, inf, 0.0, -inf, CLOSED, WEBSOCKET, _FULL, 0.0, 0, draws)
