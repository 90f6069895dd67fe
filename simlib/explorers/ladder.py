"""The values between which a slider moves: round ones, and the given one exactly."""

from __future__ import annotations

from math import ceil, floor, inf, log10

from simlib.core.validation import Rule

_DIGITS = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0)
#: A range over less than this is cut into equal steps, another into steps that grow.
_NARROW = 12.0
_STEPS = 20


def round_values(low: float, high: float, rule: Rule, value: float) -> tuple[float, ...]:
    """Return round values from low to high that a rule allows, with the given one among them.

    Examples
    --------
    >>> seconds = Rule("seconds", above=True, endless=True)
    >>> round_values(0.5, 20.0, seconds, 7.92)[-7:]
    (6.0, 7.92, 8.0, 10.0, 15.0, 20.0, inf)
    """
    low, high = min(low, value), high if value == inf else max(high, value)
    found = {value, *(each for each in _candidates(low, high) if _is_allowed(rule, each))}
    if rule.endless:
        found.add(inf)
    return tuple(sorted(found))


def _candidates(low: float, high: float) -> list[float]:
    if low <= 0.0 or high / low < _NARROW:
        return _equal_steps(low, high) if high - low <= _NARROW else [0.0, *_growing(1.0, high)]
    return _growing(low, high)


def _equal_steps(low: float, high: float) -> list[float]:
    width = high - low
    if width <= 0.0:
        return [low]
    power = 10.0 ** floor(log10(width / _STEPS))
    step = next(
        power * digit for digit in (1.0, 2.0, 5.0, 10.0) if width / (power * digit) <= _STEPS
    )
    return [
        round(i * step, 9) for i in range(ceil(low / step - 1e-9), floor(high / step + 1e-9) + 1)
    ]


def _growing(low: float, high: float) -> list[float]:
    powers = range(floor(log10(low)), floor(log10(high)) + 1)
    found = [float(f"{digit * 10.0**power:.9g}") for power in powers for digit in _DIGITS]
    return [each for each in found if low <= each <= high]


def _is_allowed(rule: Rule, value: float) -> bool:
    if value > rule.high or value < rule.low or (rule.above and value == rule.low):
        return False
    return not rule.whole or value == int(value)
