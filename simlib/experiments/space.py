"""The search space of a study: for each setting, a range or a list of choices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from typing import Any

from simlib.core.errors import SettingsError
from simlib.metrics.words import say_setting
from simlib.scenario.scenario import Scenario, setting

#: A range whose end is so many times its beginning is searched by factors, not by differences.
_WIDE = 10.0
#: A value within this share of an axis is near its end.
_NEAR = 0.03
#: The reconnect policy: what is tuned unless somebody asks for something else.
POLICY: dict[str, Any] = {
    "client.backoff.jitter": ["none", "full", "equal", "decorrelated"],
    "client.backoff.base_s": (0.1, 5.0),
    "client.backoff.factor": (1.1, 4.0),
    "client.backoff.cap_s": (5.0, 120.0),
}


@dataclass(frozen=True)
class Axis:
    """One setting, and the values it may have: a range, or choices.

    Attributes
    ----------
    key : str
        The setting's path in a scenario.
    low, high : float
        The ends of a range.
    choices : tuple
        The values instead; empty for a range.
    whole, by_factors : bool
        Whether a range is of whole numbers, and whether it is wide.
    """

    key: str
    low: float = 0.0
    high: float = 0.0
    choices: tuple[Any, ...] = ()
    whole: bool = False
    by_factors: bool = False

    def at(self, share: float) -> Any:
        """Return the value at a share of the axis, from 0 to 1.

        Examples
        --------
        >>> Axis("client.backoff.cap_s", 1.0, 100.0, by_factors=True).at(0.5)
        10.0
        """
        if self.choices:
            return self.choices[min(int(share * len(self.choices)), len(self.choices) - 1)]
        if self.whole:  # each whole number has the same share
            return min(int(self.low + share * (self.high - self.low + 1)), int(self.high))
        if self.by_factors:
            return float(self.low * (self.high / self.low) ** share)
        return self.low + share * (self.high - self.low)

    def is_near_an_end(self, value: Any) -> bool:
        """Whether a value lies so near to an end of a range that the best may lie beyond.

        Examples
        --------
        >>> Axis("client.backoff.cap_s", 1.0, 100.0, by_factors=True).is_near_an_end(95)
        True
        """
        if self.choices:
            return False
        if self.whole:
            return value in (self.low, self.high)
        return not self.at(_NEAR) < value < self.at(1.0 - _NEAR)

    @property
    def in_words(self) -> str:
        """The values, as they are said."""
        if self.choices:
            return ", ".join(map(say_setting, self.choices))
        return f"{self.low:g} to {self.high:g}"


def axes(scenario: Scenario, space: Mapping[str, Any]) -> tuple[Axis, ...]:
    """Return what may vary, checked against a scenario.

    Parameters
    ----------
    scenario : Scenario
        What has these settings.
    space : mapping
        By setting: a tuple of two numbers is a range, a list holds choices.

    Raises
    ------
    SettingsError
        If there is no such setting, a value breaks its rule, or a range ends before it begins.

    Examples
    --------
    >>> [axis] = axes(Scenario(), {"client.backoff.cap_s": (5, 120)})
    >>> axis.low, axis.high, axis.by_factors
    (5.0, 120.0, True)
    """
    if not space:
        raise SettingsError("space", dict(space), "must name a setting and its values")
    return tuple(_axis(scenario, key, values) for key, values in space.items())


def _axis(scenario: Scenario, key: str, values: Any) -> Axis:
    if isinstance(values, tuple):
        return _range(scenario, key, values)
    if isinstance(values, str) or not isinstance(values, Sequence) or not len(values):
        rule = "must be a list of choices, or a tuple of two numbers: the ends of a range"
        raise SettingsError(f"space {key}", values, rule)
    for value in values:
        try:
            scenario.replace({key: value})
        except SettingsError as error:
            raise error.after("space") from error
    return Axis(key, choices=tuple(values))


def _range(scenario: Scenario, key: str, ends: tuple[Any, ...]) -> Axis:
    try:
        _, rule = setting(scenario, key)
    except SettingsError as error:
        raise SettingsError(f"space {error.key}", ends, error.rule) from error
    if rule is None:
        raise SettingsError(f"space {key}", ends, "has no range: give it a list of choices")
    if len(ends) != 2:
        raise SettingsError(f"space {key}", ends, "must have two ends: the lowest and the highest")
    low, high = (rule.validate(f"space {key}", end) for end in ends)
    if not isfinite(low) or not isfinite(high):
        raise SettingsError(f"space {key}", inf, "cannot be the end of a range: name a number")
    if low >= high:
        raise SettingsError(f"space {key}", ends, f"must begin below its end: {low:g} is not")
    wide = low > 0.0 and high >= _WIDE * low and not rule.whole
    return Axis(key, low, high, whole=rule.whole, by_factors=wide)
