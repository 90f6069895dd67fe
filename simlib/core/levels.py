"""Levels over time, by tenths of a second: how many were busy, how many waited.

A level is kept as what each tenth of a second adds to the level's integral, in whole
microseconds. So a change takes two additions however long it lasts, and sums are the same to the
last bit in whatever order changes come.
"""

from __future__ import annotations

from typing import Any

#: A tenth of a second.
TENTH_US = 100_000
US_PER_S = 1e6


def change_level(tenths: Any, column: int, time_s: float, by: int) -> None:
    """Raise a level by a number from a moment on; beyond the last tenth nothing is kept.

    The running sum of a column is the level's integral over each tenth of a second.
    """
    time_us = int(time_s * US_PER_S)
    tenth = time_us // TENTH_US
    if tenth + 1 < tenths.shape[0]:
        after_us = time_us - tenth * TENTH_US
        tenths[tenth, column] += by * (TENTH_US - after_us)
        tenths[tenth + 1, column] += by * after_us


def count_in_tenth(tenths: Any, column: int, time_s: float, by: int = 1) -> None:
    """Add to the count of the tenth of a second in which a moment lies."""
    tenth = int(time_s * US_PER_S) // TENTH_US
    if tenth < tenths.shape[0]:
        tenths[tenth, column] += by
