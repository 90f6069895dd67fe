"""The token bucket, as its theoretical arrival time (GCRA): one number, no drift.

The moment at which the next token is there is known exactly, so a timer set for it
never wakes a hair too early.

Time fills a bucket, and successes may: a token that a success brings moves the arrival time back
by what a token costs. A bucket that time does not fill has no clock: its arrival time counts the
tokens that are missing, and an empty one stays empty until a success.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Protocol

from simlib.core.validation import ValidatedSettings, count, number


@dataclass(frozen=True, kw_only=True)
class Rate(ValidatedSettings):
    """A token bucket: tokens per second, and how many a full bucket holds.

    Examples
    --------
    >>> Rate(per_s=10.0, burst=5)
    Rate(per_s=10, burst=5)
    """

    #: Tokens per second; inf: no limit.
    per_s: float = number(inf, "messages per second", above=True, endless=True)
    #: Tokens that a full bucket holds.
    burst: int = count(1)


@dataclass(frozen=True, kw_only=True)
class AttemptBudget(ValidatedSettings):
    """A budget of attempts after failures: what time brings, and what successes bring.

    A first attempt costs nothing; each attempt after a failure, or after the loss of a connection,
    takes a token. An attempt that opens a connection is a success. A client without a token waits
    for the next one; if neither time nor a success can bring one, it gives up, as a call fails
    whose retry is refused.

    Notes
    -----
    The budgets of libraries are shared by all calls of a process or a proxy. Of one client, which
    makes one attempt at a time, they leave this:

    - *Finagle* (``RetryBudget``: 10 s, 10 retries/s, 20 %) deposits a share of each request, on top
      of a reserve of 10 retries/s times 10 s: ``per_s=10, burst=100, success_fraction=0.2``. Its
      deposits expire after 10 s; here what overflows the bucket is lost. Its minimum alone decides
      here: hardly a client makes ten attempts a second for longer than ten seconds.
    - *gRPC* (``maxTokens`` m, ``tokenRatio`` r; proposal A6) refuses retries once half of the
      tokens are gone: ``per_s=0, burst=ceil(m / 2) - 1, success_fraction=r``. There the failure
      that is not retried takes a token, too; here it costs nothing.
    - *Envoy* (``budget_percent`` 20, ``min_retry_concurrency`` 3) bounds how many retries are under
      way at a time, which of one client is never more than one: no budget.

    References
    ----------
    Finagle, RetryBudget.scala; gRPC proposal A6, "Throttling Retry Attempts and Hedged RPCs";
    Envoy, config.cluster.v3.CircuitBreakers.Thresholds.RetryBudget.

    Examples
    --------
    >>> AttemptBudget(per_s=0.0, burst=4, success_fraction=0.1)  # maxTokens 10, tokenRatio 0.1
    AttemptBudget(success_fraction=0.1, per_s=0, burst=4)
    """

    # First, so that no record of a budget begins as one of a rate: numba would take it for one.
    #: What a success brings, as a share of one attempt: 0.2 is an attempt for each five.
    success_fraction: float = number(0.0, "", high=1.0)
    #: Tokens that time brings; 0: none, inf: no limit.
    per_s: float = number(inf, "attempts per second", endless=True)
    #: Tokens that a full bucket holds, and that each client begins with.
    burst: int = count(1)


#: Ten tenths of a token are one, whatever their sum is in floating point.
_ROUNDING = 1e-9


class Bucket(Protocol):
    """What the functions below read of a bucket's settings."""

    @property
    def per_s(self) -> float:
        """Tokens that time brings."""

    @property
    def burst(self) -> int:
        """Tokens that a full bucket holds."""


def ready_s(arrival_s: float, bucket: Bucket) -> float:
    """Return the moment from which the next token may be taken; inf: not by time alone."""
    if bucket.per_s == 0.0:
        return 0.0 if arrival_s <= bucket.burst - 1 + _ROUNDING else inf
    return arrival_s - (bucket.burst - 1) / bucket.per_s


def take(arrival_s: float, now: float, bucket: Bucket) -> float:
    """Return the bucket's theoretical arrival time after taking a token now."""
    if bucket.per_s == inf:
        # Always full, so there is nothing to note.
        return arrival_s
    if bucket.per_s == 0.0:
        return arrival_s + 1.0
    return max(arrival_s, now) + 1.0 / bucket.per_s


def earn(arrival_s: float, budget: AttemptBudget) -> float:
    """Return the bucket's theoretical arrival time after a success; what overflows is lost."""
    if budget.success_fraction == 0.0 or budget.per_s == inf:
        return arrival_s
    if budget.per_s == 0.0:
        return max(0.0, arrival_s - budget.success_fraction)
    # Below the present it is full, and the next token is taken from the present.
    return arrival_s - budget.success_fraction / budget.per_s
