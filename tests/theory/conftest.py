"""Known answers and how near a simulation must come to them."""

import json
from math import sqrt
from pathlib import Path
from statistics import fmean, stdev

import pytest

ORACLES = Path(__file__).parents[3] / "shared" / "reference" / "oracles.json"


@pytest.fixture(scope="session")
def oracles():
    """A function: the cases whose id begins so, each a dict with params and expected."""
    if not ORACLES.exists():
        pytest.skip("the reference numbers are not here")
    cases = json.loads(ORACLES.read_text(encoding="utf-8"))["oracles"]

    def begin(prefix: str) -> list[dict]:
        found = [case for case in cases if case["id"].startswith(prefix)]
        assert found, f"no case begins with {prefix}"
        return found

    return begin


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
