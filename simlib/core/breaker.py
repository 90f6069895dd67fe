"""The circuit breaker: when attempts are refused for a while, and when they are tried again.

Rules of the breaker:
- Closed, it trips on failures in a row, or on their share among the last attempts.
- Open, it refuses until `open_s` has passed; each trip in a row may make that longer, and a draw
  may spread it, so that clients which tripped together do not probe together.
- The attempt after that is a probe; when enough have succeeded it closes, when one fails it trips.

`BreakerStatus` holds numbers only, so its functions compile.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from math import inf
from typing import NamedTuple

from simlib.core.validation import Count, ValidatedSettings, count, number, seconds

#: So many outcomes are kept as the bits of one number.
LONGEST_WINDOW = 60


class BreakerState(IntEnum):
    """Whether attempts are allowed."""

    CLOSED = 0
    OPEN = 1
    HALF_OPEN = 2


# Plain numbers: compiled code needs them, and to look a member up costs 0.1 us on Python 3.11.
_SHUT, _OPEN = BreakerState.CLOSED.value, BreakerState.OPEN.value
_HALF_OPEN = BreakerState.HALF_OPEN.value


@dataclass(frozen=True, kw_only=True)
class Breaker(ValidatedSettings):
    """A circuit breaker over connection attempts; by default it never trips.

    It trips after failures in a row, or at a share of failures among the last attempts. While it is
    open no attempt is made; then probes decide whether it closes.

    References
    ----------
    resilience4j, IntervalFunction.ofRandomized as waitIntervalFunctionInOpenState: the time is
    drawn around its middle, from ``open_s * (1 - f)`` to ``open_s * (1 + f)``. So it is here. Polly
    asks the application (BreakDurationGenerator); its own examples draw nothing.

    Examples
    --------
    >>> Breaker(trip_after=5, open_s=20.0)
    Breaker(trip_after=5, open_s=20)
    """

    #: Failures in a row that trip it; inf: it does not count them.
    trip_after: Count = count(inf, endless=True)
    #: Share of failures among the last attempts that trips it; inf: it does not look.
    failure_fraction: float = number(inf, "", above=True, endless=True)
    #: How many attempts it looks back on.
    window: int = count(20, high=LONGEST_WINDOW)
    #: It looks only once there are so many.
    least: int = count(5, high=LONGEST_WINDOW)
    #: Attempts are refused this long.
    open_s: float = seconds(30.0, above=True)
    #: Each trip that no closing came before refuses so many times as long as the last.
    factor: float = number(1.0, "", low=1.0)
    #: But never longer than this.
    longest_open_s: float = seconds(inf, above=True, endless=True)
    #: Half-width of the spread of the time for which it refuses, as a share of that time: each trip
    #: draws from (1 - this) to (1 + this) times it, and may so pass the longest.
    open_spread_fraction: float = number(0.0, "", high=1.0)
    #: Attempts that must succeed, half-open, before it closes.
    probes: int = count(1)


class BreakerStatus(NamedTuple):
    """The state of one breaker."""

    state: int
    until_s: float
    #: Probes that have succeeded since it was half-open.
    probes: int
    #: Trips since it was last closed.
    trips: int
    #: The last attempts, a bit each: 1 failed; and how many there are.
    outcomes: int
    seen: int


#: A breaker before the first attempt.
CLOSED = BreakerStatus(0, 0.0, 0, 0, 0, 0)


def begin_probe(status: BreakerStatus) -> BreakerStatus:
    """Return the breaker when an attempt begins: an open one is being probed."""
    if status.state != _OPEN:
        return status
    return BreakerStatus(_HALF_OPEN, status.until_s, 0, status.trips, status.outcomes, status.seen)


def count_success(status: BreakerStatus, settings: Breaker) -> BreakerStatus:
    """Return the breaker after an attempt succeeded."""
    outcomes, seen = _shift_outcomes(status, settings, 0)
    if status.state != _HALF_OPEN:
        if status.probes == 0 and seen == status.seen and outcomes == status.outcomes:
            return status
        return BreakerStatus(status.state, status.until_s, 0, status.trips, outcomes, seen)
    probes = status.probes + 1
    if probes < settings.probes:
        return BreakerStatus(status.state, status.until_s, probes, status.trips, outcomes, seen)
    return BreakerStatus(_SHUT, status.until_s, probes, 0, 0, 0)


def count_failure(
    status: BreakerStatus, failures: int, now: float, settings: Breaker, u: float = 0.5
) -> BreakerStatus:
    """Return the breaker after a failure, the last of ``failures`` in a row.

    ``u`` is the draw that spreads how long it refuses if it trips.
    """
    if (
        status.state == _SHUT
        and settings.failure_fraction == inf
        and failures < settings.trip_after
    ):
        return status
    outcomes, seen = _shift_outcomes(status, settings, 1)
    trips = status.state == _HALF_OPEN
    if status.state == _SHUT:
        trips = failures >= settings.trip_after or (
            seen >= settings.least and _ones(outcomes) >= settings.failure_fraction * seen
        )
    if not trips:
        return BreakerStatus(
            status.state, status.until_s, status.probes, status.trips, outcomes, seen
        )
    refused_s = _refused_s(settings, status.trips)
    if settings.open_spread_fraction > 0.0:
        # After the bound, or breakers that have reached it would all end at once.
        refused_s *= 1.0 + settings.open_spread_fraction * (2.0 * u - 1.0)
    until_s = now + refused_s
    return BreakerStatus(_OPEN, until_s, status.probes, status.trips + 1, 0, 0)


def _refused_s(settings: Breaker, trips: int) -> float:
    # Multiplied out, not raised to a power: same bits on every machine, and no overflow.
    length_s = settings.open_s
    for _ in range(trips):
        length_s *= settings.factor
        if length_s >= settings.longest_open_s or settings.factor == 1.0:
            break
    return min(length_s, max(settings.longest_open_s, settings.open_s))


def _shift_outcomes(status: BreakerStatus, settings: Breaker, outcome: int) -> tuple[int, int]:
    if settings.failure_fraction == inf:
        return status.outcomes, status.seen
    kept = (1 << settings.window) - 1
    return (status.outcomes << 1 | outcome) & kept, min(settings.window, status.seen + 1)


def _ones(bits: int) -> int:
    ones = 0
    while bits > 0:
        bits &= bits - 1
        ones += 1
    return ones
