"""How long to wait before the next attempt."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from math import inf

from simlib.core.errors import SettingsError
from simlib.core.rules import Count, Ruled, choice, count, number, seconds, times


class Jitter(IntEnum):
    """How a wait is spread around its ceiling."""

    NONE = 0
    FULL = 1
    EQUAL = 2
    DECORRELATED = 3
    PROPORTIONAL = 4


@dataclass(frozen=True, kw_only=True)
class Backoff(Ruled):
    """A reconnect policy: the waits between attempts, and how many there may be."""

    #: How the wait is spread: none, full, equal, decorrelated or proportional.
    jitter: Jitter = choice(Jitter.FULL)
    #: Ceiling of the first wait.
    base_s: float = seconds(1.0, above=True)
    #: No wait is longer.
    cap_s: float = seconds(30.0, above=True)
    #: Growth of the ceiling per attempt.
    factor: float = number(2.0, "", low=1.0)
    #: Half-width of proportional jitter, and by how much a server's hint may be stretched.
    spread_fraction: float = number(0.5, "", high=1.0)
    #: The first wait, exactly; inf: like the others.
    first_s: float = seconds(inf, endless=True)
    #: An explicit table of ceilings instead of base and factor; its last entry repeats.
    steps_s: tuple[float, ...] = times()
    #: Failed attempts in a row after which the client gives up.
    max_attempts: Count = count(inf, endless=True)
    #: Open this long before the count of failures resets; 0: it resets on open.
    stable_after_s: float = seconds(0.0)
    #: Length of the table, kept beside it so that compiled code need not look at an empty one.
    step_count: int = field(init=False, repr=False, default=0)

    def check(self) -> None:
        """Raise `SettingsError` where a wait would pass the cap."""
        object.__setattr__(self, "step_count", len(self.steps_s))
        if self.cap_s < self.base_s:
            raise SettingsError("cap_s", self.cap_s, f"must not be below base_s ({self.base_s:g})")
        if self.first_s < inf and self.first_s > self.cap_s:
            raise SettingsError(
                "first_s", self.first_s, f"must not be above cap_s ({self.cap_s:g})"
            )
        for i, step_s in enumerate(self.steps_s):
            if step_s > self.cap_s:
                raise SettingsError(
                    f"steps_s[{i}]", step_s, f"must not be above cap_s ({self.cap_s:g})"
                )


def ceiling(rules: Backoff, attempt: int) -> float:
    """Return the longest wait before this attempt, counted from 1."""
    if rules.step_count > 0:
        return rules.steps_s[min(attempt, rules.step_count) - 1]
    # Multiplied out, not raised to a power: same bits on every machine, and no overflow.
    height_s = rules.base_s
    for _ in range(attempt - 1):
        height_s *= rules.factor
        if height_s >= rules.cap_s or rules.factor == 1.0:
            break
    return min(rules.cap_s, height_s)


def delay(rules: Backoff, attempt: int, previous_s: float, u: float) -> float:
    """Return the wait before this attempt; ``previous_s`` is the wait before, ``u`` the draw."""
    if attempt == 1 and rules.first_s < inf:
        return rules.first_s
    height_s = ceiling(rules, attempt)
    if rules.jitter == Jitter.FULL:
        return height_s * u
    if rules.jitter == Jitter.EQUAL:
        return height_s / 2.0 + height_s / 2.0 * u
    if rules.jitter == Jitter.DECORRELATED:
        before_s = rules.base_s if attempt == 1 else max(rules.base_s, previous_s)
        return min(rules.cap_s, rules.base_s + (3.0 * before_s - rules.base_s) * u)
    if rules.jitter == Jitter.PROPORTIONAL:
        return min(rules.cap_s, height_s * (1.0 + rules.spread_fraction * (2.0 * u - 1.0)))
    return height_s


def stretched(rules: Backoff, hint_s: float, u: float) -> float:
    """Return a server's hint, spread upwards only, since a hint is a lower bound."""
    if rules.jitter == Jitter.NONE:
        return hint_s
    return hint_s * (1.0 + rules.spread_fraction * u)
