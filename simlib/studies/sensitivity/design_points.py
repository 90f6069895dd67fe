"""The sampling plan (design points) of a sensitivity analysis, and its scenarios."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

import numpy as np

from simlib.core.errors import SettingsError
from simlib.experiments.space import Axis
from simlib.scenario.scenario import Scenario
from simlib.studies.sensitivity.sobol import shares

#: Where an axis begins and where it ends.
_ENDS = (0.0, float(np.nextafter(1.0, 0.0)))


@dataclass(frozen=True)
class Points:
    """Points, in SALib's order, and the scenarios that they come to: each is played once."""

    keys: list[str]
    values: list[dict[str, Any]]
    #: The number of each point's scenario: choices and whole numbers come to the same ones.
    which: list[int]
    scenarios: list[Scenario]


def points(scenario: Scenario, varied: Sequence[Axis], samples: int) -> Points:
    """Return ``samples`` design points; the scenario's seed decides which.

    Raises
    ------
    SettingsError
        If the settings of one cannot be together.

    Examples
    --------
    >>> design = points(Scenario(), [Axis("client.backoff.jitter", choices=("none", "full"))], 8)
    >>> len(design.values), len(design.scenarios)
    (24, 2)
    """
    keys = [axis.key for axis in varied]
    rows = shares(keys, samples, scenario.seed).tolist()
    values = [
        {axis.key: axis.at(share) for axis, share in zip(varied, row, strict=True)} for row in rows
    ]
    # By their words: a choice may be a list or a table.
    said = [repr(value) for value in values]
    different = dict(zip(said, values, strict=True))
    number = {word: i for i, word in enumerate(different)}
    scenarios = [_at(scenario, varied, point) for point in different.values()]
    return Points(keys, values, [number[word] for word in said], scenarios)


def check_corners(scenario: Scenario, varied: Sequence[Axis]) -> None:
    """Reject a space in which some pair of extreme values is invalid.

    No point need come near a corner; so what is refused does not depend on the points.
    """
    middle = {axis.key: axis.at(0.5) for axis in varied}
    for pair in combinations(varied, 2):
        for ends in product(_ENDS, repeat=2):
            corner = {axis.key: axis.at(end) for axis, end in zip(pair, ends, strict=True)}
            _at(scenario, varied, middle | corner)


def _at(scenario: Scenario, varied: Sequence[Axis], values: Mapping[str, Any]) -> Scenario:
    """Return the scenario at a point, or say which axes do not go together."""
    try:
        return scenario.replace(values)
    except SettingsError as error:
        left = dict(values)
        for key in values:
            fewer = {name: value for name, value in left.items() if name != key}
            left = left if _can_be(scenario, fewer) else fewer
        words = [f"{axis.key} ({axis.in_words})" for axis in varied if axis.key in left]
        others = " and ".join(words[1:]) or "the scenario's other settings"
        rule = (
            f"cannot be: {error.key} {error.rule}; every value of {words[0]} must go with every "
            f"value of {others}, since the indices are of settings that vary independently"
        )
        raise SettingsError("space", left, rule) from error


def _can_be(scenario: Scenario, values: Mapping[str, Any]) -> bool:
    try:
        scenario.replace(values)
    except SettingsError:
        return False
    return True
