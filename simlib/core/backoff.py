"""How long to wait before the next attempt.

A wait is made in three steps: a ceiling that grows with the attempts, jitter around or below it,
and the cap. Clients differ in the order of the last two: jitter before the cap vanishes once the
ceiling is far above it, jitter after the cap can pass it. A floor bounds waits from below.

`delay` rises with its draw, and has no branch on it, nor on the wait before; `spread_ceiling` has
none on the ceiling either. So these arguments may also be arrays, and those numbers of a policy on
which nothing branches.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from math import inf
from typing import Any, ClassVar, TypeVar, cast

from simlib.core.backoff_kinds import CountedFrom, Growth, Jitter, JitterPlace
from simlib.core.backoff_words import describe_backoff
from simlib.core.card import Card
from simlib.core.errors import SettingsError
from simlib.core.exact import exp, log
from simlib.core.validation import (
    Count,
    ValidatedSettings,
    choice,
    count,
    flag,
    number,
    seconds,
    times,
)

_Drawn = TypeVar("_Drawn", bound=Callable[..., Any])

#: Additive jitter takes away less than a day.
_LONG_S = 86_400.0
#: More than one over the least draw above 0.
_BEYOND = 2.0**64


@dataclass(frozen=True, kw_only=True)
class Backoff(ValidatedSettings):
    """A reconnect policy: the waits between attempts, and how many there may be.

    The ceiling of the wait before attempt n is ``base_s * factor ** (n - 1)``, or grows as
    ``growth`` says; the jitter draws the wait at or below it, or around it. No wait is longer than
    the cap, but for jitter placed after it; `longest_s` says how long one can be.

    References
    ----------
    M. Brooker, Exponential Backoff And Jitter, AWS Architecture Blog, 2015: full, equal and
    decorrelated jitter. cenkalti/backoff for Go, MaxElapsedTime: it stops if the time since the
    beginning and the next wait are together longer.

    Examples
    --------
    >>> policy = Backoff(base_s=0.5, factor=2.0, cap_s=4.0)
    >>> [ceiling(policy, attempt) for attempt in (1, 2, 3, 4, 5)]
    [0.5, 1.0, 2.0, 4.0, 4.0]
    """

    #: How the wait is spread: none, full, equal, decorrelated, proportional, additive or below.
    jitter: Jitter = choice(Jitter.FULL)
    #: Ceiling of the first wait.
    base_s: float = seconds(1.0, above=True)
    #: No ceiling is longer, and no wait unless jitter comes after the cap.
    cap_s: float = seconds(30.0, above=True)
    #: How ceilings grow: exponential, by factor; linear, by rise_s; or power, as the attempt's
    #: number raised to exponent.
    growth: Growth = choice(Growth.EXPONENTIAL)
    #: Growth of the ceiling per attempt.
    factor: float = number(2.0, "", low=1.0)
    #: Linear growth: the ceiling rises by this per attempt.
    rise_s: float = seconds(1.0)
    #: Power growth: the ceiling is base_s times the attempt's number to this power; 2 is quadratic.
    exponent: float = number(2.0, "", high=10.0)
    #: Half-width of proportional jitter, or how much of the ceiling jitter below it may take away;
    #: and by how much a server's hint may be stretched.
    spread_fraction: float = number(0.5, "", high=1.0)
    #: Additive jitter adds at least this, which may be below 0; no wait ever is.
    add_least_s: float = seconds(0.0, low=-_LONG_S)
    #: And at most this.
    add_most_s: float = seconds(1.0, low=-_LONG_S)
    #: Where jitter stands to the cap: inside, before_cap or after_cap. Decorrelated: inside.
    jitter_place: JitterPlace = choice(JitterPlace.INSIDE)
    #: Whether a client draws its jitter once, and keeps it for life; else for each wait.
    drawn_once: bool = flag(False)
    #: Whether a ceiling grows from the wait before, jitter included; a table does not grow.
    compounding: bool = flag(False)
    #: No wait is shorter, except a first wait or a wait after a loss that is set apart.
    floor_s: float = seconds(0.0)
    #: Whether jitter is drawn between the floor and the ceiling, so that no draw is cut off; else
    #: a wait that was drawn below the floor is raised to it.
    drawn_above_floor: bool = flag(False)
    #: From when a wait is counted: from the failure of an attempt or from its start. A wait that is
    #: over by the time of the failure is none.
    counted_from: CountedFrom = choice(CountedFrom.FAILURE)
    #: The first wait, before its jitter; inf: like the others.
    first_s: float = seconds(inf, endless=True)
    #: How such a first wait is spread; by default it is exact.
    first_jitter: Jitter = choice(Jitter.NONE)
    #: The wait after a stable connection was lost, exactly; the count begins only with the next
    #: failure. inf: a loss counts as an attempt and waits like the others.
    after_loss_s: float = seconds(inf, endless=True)
    #: How such a wait is spread, as `jitter` is; by default it is exact. The cap does not bound it.
    after_loss_jitter: Jitter = choice(Jitter.NONE)
    #: An explicit table of ceilings instead of base and growth; its last entry repeats.
    steps_s: tuple[float, ...] = times()
    #: Failed attempts in a row after which the client gives up; 0: it never attempts again.
    max_attempts: Count = count(inf, low=0, endless=True)
    #: No attempt begins later than this after the loss of the last stable connection, or after the
    #: start if there was none: a client whose next attempt would, gives up at once.
    give_up_after_s: float = seconds(inf, endless=True)
    #: Open this long before the count of failures resets; 0: it resets on open.
    stable_after_s: float = seconds(0.0)
    #: Whether a server's hint is a lower bound of the next wait: its Retry-After, or the moment
    #: that is drawn in a window which it advises.
    heeds_hint: bool = flag(True)
    #: No hint is taken for longer; what spreads a hint comes on top of it.
    hint_cap_s: float = seconds(inf, above=True, endless=True)
    #: Length of the table, kept beside it so that compiled code need not look at an empty one.
    step_count: int = field(init=False, repr=False, default=0)

    #: Whether a Python function makes the waits: see `simlib.core.function_backoff`.
    has_function: ClassVar[bool] = False

    def call_function(self, attempt: int, previous_s: float, u: float) -> float:
        """Return the wait that the function gives, where a policy has one."""
        raise NotImplementedError

    @property
    def in_words(self) -> str:
        """The policy in words.

        Examples
        --------
        >>> Backoff().in_words
        '1 s x 2 to 30 s, full jitter'
        """
        return describe_backoff(self, delay(self, 1, 0.0, 0.0), delay(self, 1, 0.0, 1.0))

    def card(self) -> Card:
        """Return what is shown: the policy in words, and the settings that are no defaults."""
        return super().card()._replace(title=f"Backoff: {self.in_words}")

    def check(self) -> None:
        """Raise `SettingsError` where a wait would pass the cap."""
        object.__setattr__(self, "step_count", len(self.steps_s))
        if self.cap_s < self.base_s:
            raise SettingsError("cap_s", self.cap_s, f"must not be below base_s ({self.base_s:g})")
        if self.first_s < inf and self.first_s > self.cap_s:
            raise SettingsError(
                "first_s", self.first_s, f"must not be above cap_s ({self.cap_s:g})"
            )
        self._check_floor_and_growth()
        for name in ("first_jitter", "after_loss_jitter"):
            if getattr(self, name) == Jitter.DECORRELATED:
                rule = "must not be decorrelated: there is no wait before it"
                raise SettingsError(name, "decorrelated", rule)
        if self.add_most_s < self.add_least_s:
            rule = f"must not be below add_least_s ({self.add_least_s:g})"
            raise SettingsError("add_most_s", self.add_most_s, rule)
        for i, step_s in enumerate(self.steps_s):
            if step_s > self.cap_s:
                raise SettingsError(
                    f"steps_s[{i}]", step_s, f"must not be above cap_s ({self.cap_s:g})"
                )

    def _check_floor_and_growth(self) -> None:
        if self.floor_s > self.cap_s:
            rule = f"must not be above cap_s ({self.cap_s:g})"
            raise SettingsError("floor_s", self.floor_s, rule)
        if self.drawn_above_floor and self.jitter == Jitter.DECORRELATED:
            rule = "must be false with decorrelated jitter, which is drawn from base_s up"
            raise SettingsError("drawn_above_floor", True, rule)
        if self.compounding and self.growth == Growth.POWER:
            rule = "must be false with power growth, which follows the attempt's number"
            raise SettingsError("compounding", True, rule)


# Plain numbers: compiled code needs them, and to look a member up costs 0.1 us on Python 3.11.
_NO_JITTER, _FULL, _EQUAL = Jitter.NONE.value, Jitter.FULL.value, Jitter.EQUAL.value
_DECORRELATED, _PROPORTIONAL = Jitter.DECORRELATED.value, Jitter.PROPORTIONAL.value
_ADDITIVE, _BELOW = Jitter.ADDITIVE.value, Jitter.BELOW.value
_BEFORE_CAP, _AFTER_CAP = JitterPlace.BEFORE_CAP.value, JitterPlace.AFTER_CAP.value
_LINEAR, _POWER = Growth.LINEAR.value, Growth.POWER.value
_FROM_START, _FROM_FAILURE = CountedFrom.START.value, CountedFrom.FAILURE.value


def ceiling(policy: Backoff, attempt: int) -> float:
    """Return what the wait before this attempt is spread around or below, counted from 1."""
    return _ceiling(policy, attempt, policy.cap_s)


def _or_by_function(by_rules: _Drawn) -> _Drawn:
    """Return a function of a policy and a draw that asks the policy's own function if it has one.

    For the interpreter alone: compiled code plays no Python functions, and takes what is wrapped.
    """

    @wraps(by_rules)
    def wait_s(policy: Backoff, attempt: int, previous_s: float, u: float) -> Any:
        if policy.has_function:
            return policy.call_function(attempt, previous_s, u)
        return by_rules(policy, attempt, previous_s, u)

    return cast(_Drawn, wait_s)


@_or_by_function
def delay(policy: Backoff, attempt: int, previous_s: float, u: float) -> float:
    """Return the wait before this attempt; ``previous_s`` is the wait before, ``u`` the draw."""
    is_apart = attempt == 1 and policy.first_s < inf
    if policy.jitter == _DECORRELATED and not is_apart:
        before_s = policy.base_s if attempt == 1 else max(policy.base_s, previous_s)
        drawn_s = policy.base_s + (3.0 * before_s - policy.base_s) * u
        return max(policy.floor_s, min(policy.cap_s, drawn_s))
    # One call only: compiled code is inlined, and so grows with each.
    jitter = policy.first_jitter if is_apart else policy.jitter
    height_s = policy.first_s if is_apart else height(policy, attempt, previous_s)
    return spread_ceiling(policy, jitter, height_s, 0.0 if is_apart else policy.floor_s, u)


@_or_by_function
def soon(policy: Backoff, attempt: int, previous_s: float, u: float) -> float:
    """Return how soon a client attempts that may again: at most the ceiling of this attempt."""
    return ceiling(policy, attempt) * u


def delay_after_loss_s(policy: Backoff, u: float) -> float:
    """Return the wait after the loss of a stable connection; ``u`` is the draw."""
    if policy.after_loss_jitter == _NO_JITTER:
        return policy.after_loss_s
    return max(0.0, _add_jitter(policy, policy.after_loss_jitter, policy.after_loss_s, u))


def height(policy: Backoff, attempt: int, previous_s: float) -> float:
    """Return the ceiling to which jitter is applied: not capped if jitter comes before the cap."""
    top_s = policy.cap_s
    if policy.jitter_place == _BEFORE_CAP:
        # So far above the cap that the least draw above 0 reaches it; and no overflow.
        top_s = top_s * _BEYOND  # not in place, since the cap may be an array
    if policy.compounding and attempt > 1 and policy.step_count == 0:
        return min(top_s, _grow(policy, previous_s))
    return _ceiling(policy, attempt, top_s)


def _ceiling(policy: Backoff, attempt: int, top_s: float) -> float:
    if policy.step_count > 0:
        return policy.steps_s[min(attempt, policy.step_count) - 1]
    if policy.growth == _LINEAR:
        return min(top_s, policy.base_s + policy.rise_s * (attempt - 1))
    if policy.growth == _POWER:
        return min(top_s, policy.base_s * _power(attempt, policy.exponent))
    # Multiplied out, not raised to a power: same bits on every machine, and no overflow.
    height_s = policy.base_s
    for _ in range(attempt - 1):
        height_s *= policy.factor
        if height_s >= top_s or policy.factor == 1.0:
            break
    return min(top_s, height_s)


def _power(number: int, exponent: float) -> float:
    """Return a number to a power: whole powers multiplied out, so squares are exact."""
    whole = int(exponent)
    power = 1.0
    for _ in range(whole):
        power *= number
    if exponent > whole and number > 1:
        # The C library's pow differs in the last bit between platforms.
        power *= exp((exponent - whole) * log(float(number)))
    return power


def _grow(policy: Backoff, wait_s: float) -> float:
    """Return a wait one growth later."""
    if policy.growth == _LINEAR:
        return wait_s + policy.rise_s
    return wait_s * policy.factor


def spread_ceiling(
    policy: Backoff, jitter: int, height_s: float, floor_s: float, u: float
) -> float:
    """Return a ceiling with jitter: not below the floor, nor above the cap unless jitter is."""
    wait_s = max(floor_s, uncut(policy, jitter, height_s, floor_s, u))
    if policy.jitter_place == _AFTER_CAP:
        return wait_s
    return min(policy.cap_s, wait_s)


def uncut(policy: Backoff, jitter: int, height_s: float, floor_s: float, u: float) -> float:
    """Return a ceiling with jitter, before the floor and the cap cut off what lies beyond them."""
    if floor_s > 0.0 and policy.drawn_above_floor:
        low_s = max(floor_s, _add_jitter(policy, jitter, height_s, 0.0))
        high_s = max(low_s, _add_jitter(policy, jitter, height_s, 1.0))
        return low_s + (high_s - low_s) * u
    return _add_jitter(policy, jitter, height_s, u)


def _add_jitter(policy: Backoff, jitter: int, height_s: float, u: float) -> float:
    """Return a ceiling with jitter alone."""
    if jitter == _FULL:
        return height_s * u
    if jitter == _EQUAL:
        return height_s / 2.0 + height_s / 2.0 * u
    if jitter == _PROPORTIONAL:
        return height_s * (1.0 + policy.spread_fraction * (2.0 * u - 1.0))
    if jitter == _BELOW:
        return height_s * (1.0 - policy.spread_fraction * (1.0 - u))
    if jitter == _ADDITIVE:
        added_s = policy.add_least_s + (policy.add_most_s - policy.add_least_s) * u
        return height_s + added_s
    return height_s


def longest_s(policy: Backoff) -> float:
    """Return the bound of every wait that is drawn: the cap, or what jitter after it can reach.

    A Python function has none that is known: inf.
    """
    if policy.has_function:
        return inf
    if policy.jitter_place != _AFTER_CAP:
        return policy.cap_s
    reach_s = policy.cap_s
    for jitter in (policy.jitter, policy.first_jitter):
        if jitter not in (_NO_JITTER, _DECORRELATED):
            reach_s = max(reach_s, spread_ceiling(policy, jitter, policy.cap_s, 0.0, 1.0))
    return reach_s


def wait_after_attempt_s(policy: Backoff, delay_s: float, lasted_s: float) -> float:
    """Return the wait after an attempt that failed after ``lasted_s``."""
    if policy.counted_from == _FROM_START:
        return max(0.0, delay_s - lasted_s)
    return delay_s


def looks_back(policy: Backoff) -> bool:
    """Whether a wait depends on the one before it."""
    return policy.jitter == _DECORRELATED or policy.compounding or policy.has_function


def is_scattered(policy: Backoff) -> bool:
    """Whether no two clients ever draw the same wait, but by a chance that is none in practice."""
    return (
        policy.jitter in (_FULL, _EQUAL)
        and policy.jitter_place != _BEFORE_CAP
        and not policy.drawn_once
        and not policy.compounding
        and policy.floor_s == 0.0
        and policy.counted_from == _FROM_FAILURE
        and policy.first_s == inf
        and policy.after_loss_s == inf
        and (policy.spread_fraction > 0.0 or not policy.heeds_hint)
        and min(policy.steps_s, default=inf) > 0.0
    )


def useful_after_s(policy: Backoff) -> float:
    """Return how long a connection must be open to have been of use: until it counts as stable.

    Where it counts as stable at once, a second: one that is accepted and closed serves nobody.
    """
    return policy.stable_after_s if policy.stable_after_s > 0.0 else 1.0


def scale_hint(policy: Backoff, hint_s: float, u: float) -> float:
    """Return a server's hint, spread upwards only, since a hint is a lower bound.

    A hint below 0 is a window, of which the draw is a share. 0 if the client does not heed it.
    """
    if not policy.heeds_hint:
        return 0.0
    if hint_s < 0.0:
        return min(-hint_s, policy.hint_cap_s) * u
    # Before the spread, or all those whose hints are longer would return at the same moment.
    hint_s = min(hint_s, policy.hint_cap_s)
    if policy.jitter == _NO_JITTER:
        return hint_s
    return hint_s * (1.0 + policy.spread_fraction * u)
