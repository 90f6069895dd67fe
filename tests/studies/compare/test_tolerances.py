"""What `compare` allows each metric is that of record.

Whoever means to allow more or less writes the record anew, by
`python tests/studies/compare/test_tolerances.py`, and says why in the same commit.
"""

from __future__ import annotations

import csv
from math import inf
from pathlib import Path

import pandas as pd
import pytest

from simlib.metrics.lateness import Lateness
from simlib.studies.compare.tolerances import COMPARED_METRICS, Metric

RECORD = Path(__file__).parent / "tolerances.csv"
#: Each part of it has digits of its own, so that what is allowed tells what it is made of.
LATE = Lateness(p50_s=0.01, p99_s=0.1, longest_s=1.0, turn_s=0.001)
NUMBERS = pd.Series({"sent": 50.0})


def allowed_of_each() -> list[tuple[str, str, str, str, str]]:
    return [
        (
            metric.name,
            metric.unit,
            f"{metric.tolerance(LATE, 0.0, NUMBERS):.9g}",
            f"{metric.tolerance(LATE, -1000.0, NUMBERS):.9g}",
            f"{metric.highest:g}",
        )
        for metric in COMPARED_METRICS
    ]


def test_each_metric_is_allowed_what_is_on_record() -> None:
    with RECORD.open(encoding="utf-8", newline="") as file:
        recorded = [tuple(row) for row in csv.reader(file)][1:]
    assert recorded == allowed_of_each()


@pytest.mark.parametrize(("sent", "allowed"), [(0.0, 1.005), (1.0, 1.005), (200.0, 0.01)])
def test_a_share_of_messages_is_allowed_one_message_more_or_less(
    sent: float, allowed: float
) -> None:
    [metric] = [each for each in COMPARED_METRICS if each.name == "delivered_fraction"]
    numbers = pd.Series({"sent": sent})
    assert pytest.approx(allowed) == metric.tolerance(LATE, 0.5, numbers)


def test_a_metric_that_says_nothing_is_allowed_nothing() -> None:
    assert 0.0 == Metric("any").tolerance(LATE, 5.0, NUMBERS)
    assert 0.0 == Metric("any", turns=3, tail=True).tolerance(LATE, 5.0, NUMBERS)
    assert (inf, "", 0) == (Metric("any").highest, Metric("any").why, Metric("any").hops)


def test_a_share_cannot_be_above_one_and_each_metric_says_why_it_is_allowed_that() -> None:
    for metric in COMPARED_METRICS:
        # Some are below one by what they are; a mean wait may be above its ceiling.
        assert metric.highest in (1.0, inf)
        assert metric.why


def main() -> None:
    """Write the record anew."""
    with RECORD.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("metric", "unit", "allowed of 0", "allowed of -1000", "highest"))
        writer.writerows(allowed_of_each())


if __name__ == "__main__":
    main()
