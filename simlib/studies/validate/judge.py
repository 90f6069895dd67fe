"""From samples to a verdict: how near a mean must come to what is known.

All rows of the table are judged together: were simlib right, and everything else as assumed, then
one row or more would fail by chance in one of a hundred such tables (Bonferroni). Whichever groups
are asked for, the number of rows that counts is that of the whole table.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import nan, sqrt
from typing import Any

from simlib.metrics.array_types import Floats
from simlib.studies.validate.case import Known, Topic

#: How often a right model may fail in one row or more.
FAMILY_ERROR = 0.01
#: Differences below this share of a number are those of floating point.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class ValidationRow:
    """What is known beside what was played."""

    group: Topic
    name: str
    unit: str
    source: str
    reference: float
    #: The mean of the samples; NaN if it was not played.
    value: float
    #: Half the width of its interval: as far from it the reference may lie.
    half_width: float
    observations: int
    #: Why it was not played; empty otherwise.
    skipped: str = ""
    #: Why there is no number though it was played; empty otherwise.
    failure: str = ""

    @property
    def low(self) -> float:
        """Where the interval begins."""
        return self.value - self.half_width

    @property
    def high(self) -> float:
        """Where the interval ends."""
        return self.value + self.half_width

    @property
    def difference(self) -> float:
        """How far it is from what is known."""
        return self.value - self.reference

    @property
    def verdict(self) -> str:
        """Whether it holds, fails or was skipped."""
        if self.skipped:
            return "skipped"
        return "holds" if abs(self.difference) <= self.half_width else "fails"

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        found = {"low": self.low, "high": self.high, "difference": self.difference}
        return {**asdict(self), **found, "verdict": self.verdict}


def judge_number(group: Topic, check: Known, samples: Floats, rows: int) -> ValidationRow:
    """Return the row of a check in a table of so many rows."""
    count = int(samples.size)
    value = float(samples.mean()) if count else nan
    half = _half_width(check, samples, FAMILY_ERROR / rows) if count else nan
    floor = _ROUNDING * max(1.0, abs(check.reference))
    half = max(half + check.leeway, floor)
    return ValidationRow(
        group, check.name, check.unit, check.source, check.reference, value, half, count
    )


def skip_number(group: Topic, check: Known, skipped: str = "", failure: str = "") -> ValidationRow:
    """Return the row of a check that was not played, or of which nothing is known."""
    return ValidationRow(
        group, check.name, check.unit, check.source, check.reference, nan, nan, 0, skipped, failure
    )


def _half_width(check: Known, samples: Floats, error: float) -> float:
    # Not scipy.stats, which takes a second to import.
    from scipy.special import ndtri, stdtrit

    count = samples.size
    if check.is_share:
        # By the variance of what is known, since a rare thing may not be among the samples.
        variance = check.reference * (1.0 - check.reference)
        beside = 0.5 / count
        factor = float(ndtri(1.0 - error / 2.0))
    else:
        variance = float(samples.var(ddof=1)) if count > 1 else 0.0
        beside = 0.0
        tail = 1.0 - error / 2.0
        factor = float(stdtrit(count - 1, tail) if variance else ndtri(tail))
    of_reference = check.reference_error**2
    if check.reference_samples:
        of_reference += variance / check.reference_samples
    return factor * sqrt(variance / count + of_reference) + beside
