"""The token bucket, as its theoretical arrival time (GCRA): one number, no drift.

The moment at which the next token is there is known exactly, so a timer set for it
never wakes a hair too early.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

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


def ready_s(arrival_s: float, rate: Rate) -> float:
    """Return the moment from which the next token may be taken."""
    return arrival_s - (rate.burst - 1) / rate.per_s


def take(arrival_s: float, now: float, rate: Rate) -> float:
    """Return the bucket's theoretical arrival time after taking a token now."""
    if rate.per_s == inf:
        # Always full, so there is nothing to note.
        return arrival_s
    return max(arrival_s, now) + 1.0 / rate.per_s
