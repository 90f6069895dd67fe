"""Small statistics of metrics: quantiles by name, means and ratios that may have no data."""

from __future__ import annotations

from math import nan

import numpy as np

from simlib.metrics.array_types import Floats
from simlib.metrics.intervals import observed_quantiles


def named_quantiles(name: str, values: Floats, *percents: int) -> dict[str, float]:
    """Return observed quantiles by the names of their columns, such as ``latency_s_p95``."""
    quantiles = observed_quantiles(values, [p / 100 for p in percents])
    return {f"{name}_p{p}": quantile for p, quantile in zip(percents, quantiles, strict=True)}


def mean_of_known(values: Floats) -> float:
    """Return the mean of what is a number; NaN if nothing is."""
    known = ~np.isnan(values)
    # Zeros keep their places in the sum, so that it is rounded as that of a pandas column.
    return ratio(np.where(known, values, 0.0).sum(), known.sum())


def ratio(part: float, whole: float) -> float:
    """Return a part of a whole; NaN where there is no whole."""
    return float(part) / float(whole) if whole else nan
