"""The choices of a backoff: its jitter, where that stands, how it grows, when it begins."""

from enum import IntEnum


class Jitter(IntEnum):
    """How a wait is spread around its ceiling."""

    NONE = 0
    FULL = 1
    EQUAL = 2
    DECORRELATED = 3
    PROPORTIONAL = 4
    ADDITIVE = 5
    BELOW = 6


class JitterPlace(IntEnum):
    """Where jitter stands to the cap."""

    #: The ceiling is capped, and the wait once more: no wait passes the cap.
    INSIDE = 0
    #: The wait is capped, the ceiling is not: jitter vanishes at the cap.
    BEFORE_CAP = 1
    #: The ceiling is capped, the wait is not: jitter may pass the cap.
    AFTER_CAP = 2


class Growth(IntEnum):
    """How ceilings grow from attempt to attempt."""

    EXPONENTIAL = 0
    LINEAR = 1
    POWER = 2


class CountedFrom(IntEnum):
    """From when a wait is counted."""

    #: From the end of the attempt that failed.
    FAILURE = 0
    #: From its start: attempts have a fixed cadence, however long each takes to fail.
    START = 1
