"""Sobol indices via SALib: sampling plan and analysis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from simlib.core.errors import SettingsError
from simlib.metrics.array_types import Floats
from simlib.metrics.intervals import CONFIDENCE
from simlib.support.extras import load_extra

#: Samples are taken again so many times for the intervals.
_RESAMPLES = 1000
#: The columns of `indices`.
INDEX_COLUMNS = ("first", "first_low", "first_high", "total", "total_low", "total_high")


def check_samples(samples: int) -> None:
    """Refuse a number of samples that is no power of two, at which Sobol's sequence is uneven."""
    is_whole = isinstance(samples, int) and not isinstance(samples, bool)
    if not is_whole or samples < 2 or samples & (samples - 1):
        raise SettingsError("samples", samples, "must be a power of two: 32, 64, 128 ...")


def shares(keys: Sequence[str], samples: int, seed: int) -> Floats:
    """Return the points at which a model is to be known, as shares of each axis.

    Returns
    -------
    array
        A row per point. In turn, for each sample: a point, the same with one value taken from
        another point (a row per axis), and that other point.

    Raises
    ------
    SimlibError
        If SALib is not there.

    Examples
    --------
    >>> shares(["a", "b"], 8, seed=1).shape
    (32, 2)
    """
    check_samples(samples)
    problem = _problem(keys)
    sample = _salib("sample").sample
    points: Floats = sample(problem, samples, calc_second_order=False, seed=_some(seed))
    return points


def indices(keys: Sequence[str], values: Floats, seed: int) -> list[dict[str, float]]:
    """Return first and total order indices with their 95 % intervals, a row per axis.

    Parameters
    ----------
    keys : sequence of str
        The axes.
    values : array
        What the model says at each point of `shares`, in their order; samples may be left out
        as a whole.
    seed : int
        Of the samples that the intervals are made of: quantiles of indices of samples taken
        again with replacement (bootstrap).

    Returns
    -------
    list of dict
        `INDEX_COLUMNS` of each axis; NaN where the model's values are all the same, since there
        is no variance then to have a share of.

    Examples
    --------
    >>> keys = ["a", "b"]
    >>> [a, b] = indices(keys, shares(keys, 64, seed=1)[:, 0], seed=1)
    >>> round(a["first"], 2), round(a["total"], 2), b["total"]
    (1.0, 1.0, 0.0)
    """
    if not varies(values, len(keys)):
        return [dict.fromkeys(INDEX_COLUMNS, np.nan) for _ in keys]
    sobol_indices = _salib("analyze").analyze(
        _problem(keys),
        values,
        calc_second_order=False,
        num_resamples=_RESAMPLES,
        keep_resamples=True,
        seed=_some(seed),
    )
    ends = (1.0 - CONFIDENCE) / 2.0, (1.0 + CONFIDENCE) / 2.0
    columns = []
    for name in ("S1", "ST"):
        columns += [
            sobol_indices[name],
            *np.quantile(sobol_indices[f"{name}_conf_all"], ends, axis=0),
        ]
    rows = zip(*columns, strict=True)
    return [dict(zip(INDEX_COLUMNS, map(float, row), strict=True)) for row in rows]


def varies(values: Floats, axes: int) -> bool:
    """Whether there is a variance to have a share of, among the points it is taken from."""
    rows = values.reshape(-1, axes + 2)
    # Less than the rounding of a mean is none.
    return float(np.ptp(rows[:, [0, -1]])) > 1e-12 * float(np.abs(rows).max())


def _problem(keys: Sequence[str]) -> dict[str, Any]:
    return {"num_vars": len(keys), "names": list(keys), "bounds": [[0.0, 1.0]] * len(keys)}


def _some(seed: int) -> int:
    """Return a seed other than 0, which SALib takes for none."""
    return seed + 1


def _salib(part: str) -> Any:
    return load_extra(f"SALib.{part}.sobol", "study", "sensitivity needs SALib")
