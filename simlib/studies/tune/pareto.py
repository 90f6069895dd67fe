"""The Pareto front of candidates, and the order of those on it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def front(losses: Sequence[Sequence[float]]) -> list[int]:
    """Return the indices of the points that no other point dominates.

    Examples
    --------
    >>> front([[1, 5], [2, 2], [3, 3], [5, 1]])
    [0, 1, 3]
    """
    points = np.array(losses, float).reshape(len(losses), -1)
    kept = []
    for i, point in enumerate(points):
        # Quadratic in the number of trials, which are a few hundred.
        no_worse = (points <= point).all(axis=1)
        better = (points < point).any(axis=1)
        if not (no_worse & better).any():
            kept.append(i)
    return kept


def middle(losses: Sequence[Sequence[float]]) -> int:
    """Return the number of the one nearest to the best of everything, among those of a front.

    Examples
    --------
    >>> middle([[1, 100], [2, 10], [100, 9]])
    1
    """
    return by_distance(losses)[0]


def by_distance(losses: Sequence[Sequence[float]]) -> list[int]:
    """Return the numbers of those on a front, the nearest to the best of everything first.

    Each objective is measured from its best (0) to its worst (1) of them, on a scale of factors
    where all are above 0.

    Examples
    --------
    >>> by_distance([[1, 100], [2, 10], [100, 9]])
    [1, 0, 2]
    """
    points = np.array(losses, float).reshape(len(losses), -1)
    scaled = []
    for column in points.T:
        scale = np.log(column) if (column > 0.0).all() else column
        span = np.ptp(scale)
        scaled.append((scale - scale.min()) / span if span > 0.0 else np.zeros_like(scale))
    distances = np.hypot.reduce(np.array(scaled), axis=0)
    return [int(i) for i in np.argsort(distances, kind="stable")]
