"""The circuit breaker: when attempts are refused for a while, and when they are tried again.

Rules of the breaker:
- Closed, it trips on failures in a row, or on their share among the last attempts.
- Open, it refuses until `open_s` has passed; each trip in a row may make that longer.
- The attempt after that is a probe; when enough have succeeded it closes, when one fails it trips.

`Guard` holds numbers only, so its functions compile.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from math import inf
from typing import NamedTuple

from simlib.core.validation import Count, ValidatedSettings, count, number, seconds


class BreakerState(IntEnum):
    """Whether attempts are allowed."""

    CLOSED = 0
    OPEN = 1
    HALF_OPEN = 2


@dataclass(frozen=True, kw_only=True)
class Breaker(ValidatedSettings):
    """A circuit breaker over connection attempts; by default it never trips."""

    #: Failures in a row that trip it; inf: it does not count them.
    trip_after: Count = count(inf, endless=True)
    #: Share of failures among the last attempts that trips it; inf: it does not look.
    failure_fraction: float = number(inf, "", above=True, endless=True)
    #: How many attempts it looks back on.
    window: int = count(20, high=60)
    #: It looks only once there are so many.
    least: int = count(5, high=60)
    #: Attempts are refused this long.
    open_s: float = seconds(30.0, above=True)
    #: Each trip that no closing came before refuses so many times as long as the last.
    factor: float = number(1.0, "", low=1.0)
    #: But never longer than this.
    longest_open_s: float = seconds(inf, above=True, endless=True)
    #: Attempts that must succeed, half-open, before it closes.
    probes: int = count(1)


class Guard(NamedTuple):
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
CLOSED = Guard(0, 0.0, 0, 0, 0, 0)


def probing(guard: Guard) -> Guard:
    """Return the breaker when an attempt begins: an open one is being probed."""
    if guard.state != BreakerState.OPEN:
        return guard
    half_open = BreakerState.HALF_OPEN.value
    return Guard(half_open, guard.until_s, 0, guard.trips, guard.outcomes, guard.seen)


def succeeded(guard: Guard, rules: Breaker) -> Guard:
    """Return the breaker after an attempt succeeded."""
    outcomes, seen = _noted(guard, rules, 0)
    if guard.state != BreakerState.HALF_OPEN:
        if guard.probes == 0 and seen == guard.seen and outcomes == guard.outcomes:
            return guard
        return Guard(guard.state, guard.until_s, 0, guard.trips, outcomes, seen)
    probes = guard.probes + 1
    if probes < rules.probes:
        return Guard(guard.state, guard.until_s, probes, guard.trips, outcomes, seen)
    return Guard(BreakerState.CLOSED.value, guard.until_s, probes, 0, 0, 0)


def noted_failure(guard: Guard, failures: int, now: float, rules: Breaker) -> Guard:
    """Return the breaker after a failure, the last of ``failures`` in a row."""
    outcomes, seen = _noted(guard, rules, 1)
    trips = guard.state == BreakerState.HALF_OPEN
    if guard.state == BreakerState.CLOSED:
        trips = failures >= rules.trip_after or (
            seen >= rules.least and _ones(outcomes) >= rules.failure_fraction * seen
        )
    if not trips:
        return Guard(guard.state, guard.until_s, guard.probes, guard.trips, outcomes, seen)
    until_s = now + _refused_s(rules, guard.trips)
    return Guard(BreakerState.OPEN.value, until_s, guard.probes, guard.trips + 1, 0, 0)


def _refused_s(rules: Breaker, trips: int) -> float:
    # Multiplied out, not raised to a power: same bits on every machine, and no overflow.
    length_s = rules.open_s
    for _ in range(trips):
        length_s *= rules.factor
        if length_s >= rules.longest_open_s or rules.factor == 1.0:
            break
    return min(length_s, max(rules.longest_open_s, rules.open_s))


def _noted(guard: Guard, rules: Breaker, outcome: int) -> tuple[int, int]:
    if rules.failure_fraction == inf:
        return guard.outcomes, guard.seen
    kept = (1 << rules.window) - 1
    return (guard.outcomes << 1 | outcome) & kept, min(rules.window, guard.seen + 1)


def _ones(bits: int) -> int:
    ones = 0
    while bits > 0:
        bits &= bits - 1
        ones += 1
    return ones
