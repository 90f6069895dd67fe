"""The distance between two policies, and the nearest known policy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from simlib.core.backoff import Backoff
from simlib.lab.infer.likelihood import sample

#: Policies are compared by so many waits in a row.
COMPARED_ATTEMPTS = 10
#: Waits that differ by less are the same.
_LEAST_S = 0.01


class Near(NamedTuple):
    """A known policy and how far away it is."""

    name: str
    distance: float


def policy_distance(one: Backoff, other: Backoff, attempts: int = COMPARED_ATTEMPTS) -> float:
    """Return by which share of themselves the waits of two policies differ.

    For each attempt in a row it is the area between the two distribution functions (Wasserstein's
    distance) over the mean of both means; the result is the mean over the attempts: 0 for the
    same policy, 2 for waits of which one is always nothing beside the other.

    Examples
    --------
    >>> one, other = Backoff(jitter="none"), Backoff(jitter="none", base_s=1.1, cap_s=33)
    >>> round(policy_distance(one, other), 3)
    0.095
    """
    waits = [np.sort(sample(rules, attempts), axis=1) for rules in (one, other)]
    apart_s = np.abs(waits[0] - waits[1]).mean(axis=1)
    middle_s = (waits[0].mean(axis=1) + waits[1].mean(axis=1)) / 2.0
    return float((apart_s / np.maximum(middle_s, _LEAST_S)).mean())


def nearest_policies(
    rules: Backoff, known: Mapping[str, Backoff], attempts: int = COMPARED_ATTEMPTS
) -> list[Near]:
    """Return the known policies, the nearest first.

    Examples
    --------
    >>> known = {"one": Backoff(base_s=1), "two": Backoff(base_s=2)}
    >>> [near.name for near in nearest_policies(Backoff(base_s=1.2), known)]
    ['one', 'two']
    """
    distances = [
        Near(name, policy_distance(rules, preset_rules, attempts))
        for name, preset_rules in known.items()
    ]
    return sorted(distances, key=lambda near: (near.distance, near.name))
