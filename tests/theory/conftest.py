"""How near a simulation must come to a known answer."""

from math import sqrt
from statistics import fmean, stdev

import pytest


@pytest.fixture(scope="session")
def agrees():
    """A function: whether samples' mean is within 4 standard errors, or 2 %, of a known one.

    The standard error is that of 20 batch means, so that neighbours may depend on each other.
    """

    def within(samples: list[float], expected: float) -> bool:
        size = len(samples) // 20
        batches = [fmean(samples[i * size : (i + 1) * size]) for i in range(20)]
        error = stdev(batches) / sqrt(20)
        return abs(fmean(samples) - expected) <= max(4.0 * error, 0.02 * abs(expected), 1e-9)

    return within
