"""Retries of failing calls: none, a fixed number, or as many as a token bucket allows.

The model of M. Brooker's simulation, written from its description: each of a number of clients
makes calls; a call fails with a fixed chance, whatever happened before, and is tried again at once,
up to three times. With a bucket, each call puts a tenth of a token into it, each retry takes one,
and a retry without a token is not made. The fixed number is that of the core's link, which gives
up; the bucket is the core's.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from simlib.core.backoff import Backoff
from simlib.core.backoff_kinds import Jitter
from simlib.core.draws import Stream, uniform
from simlib.core.link import step
from simlib.core.link_fields import Link, idle
from simlib.core.link_table import Input, State
from simlib.core.meters import AttemptBudget, earn, ready_s, take
from simlib.core.settings import Settings
from simlib.metrics.array_types import Floats
from simlib.studies.validate.case import Known, KnownCase, Topic
from simlib.studies.validate.references import read_references

_MOST_AGAIN = 3
#: A tenth of a token comes with each call; a full bucket holds five, and each client begins so.
_BUCKET = AttemptBudget(per_s=0.0, burst=5, success_fraction=0.1)


#: A wait must have a length.
_AT_ONCE_S = 1e-9


class Calls(NamedTuple):
    """What one client's calls came to."""

    attempts: int
    successes: int


def call(strategy: str, failing_fraction: float, client: int, calls: int, seed: int) -> Calls:
    """Make a client's calls, and count them.

    References
    ----------
    M. Brooker, Fixing retries with token buckets and circuit breakers, 2022.

    Examples
    --------
    >>> call("no retries", 1.0, client=0, calls=10, seed=1)
    Calls(attempts=10, successes=0)
    >>> call("three retries", 1.0, client=0, calls=10, seed=1)
    Calls(attempts=40, successes=0)
    >>> call("token bucket", 1.0, client=0, calls=10, seed=1)  # five tokens, and one of ten calls
    Calls(attempts=15, successes=0)
    """
    # The first one counts, too.
    most = 1 if strategy == "no retries" else 1 + _MOST_AGAIN
    settings = Settings(
        backoff=Backoff(jitter=Jitter.NONE, base_s=_AT_ONCE_S, cap_s=_AT_ONCE_S, max_attempts=most)
    )
    has_bucket = strategy == "token bucket"
    missing = 0.0
    attempts = successes = 0
    for _ in range(calls):
        if has_bucket:
            missing = earn(missing, _BUCKET)
        link = _tell(idle(), Input.START, settings)
        while True:
            failed = uniform(seed, client, Stream.FAULT, attempts) < failing_fraction
            attempts += 1
            link = _tell(link, Input.FAILED if failed else Input.OPENED, settings)
            if not failed or link.state == State.STOPPED:
                break
            if has_bucket:
                if ready_s(missing, _BUCKET) > 0.0:
                    break
                missing = take(missing, 0.0, _BUCKET)
            link = _tell(link, Input.WAKE, settings, link.deadline_s)
        successes += not failed
    return Calls(attempts, successes)


def _tell(link: Link, told: Input, settings: Settings, now: float = 0.0) -> Link:
    return step(link, told, now, settings, 1, 0, 0.0)


# --- beside his results ------------------------------------------------------------------

#: Clients, and calls of each: as he has them, but fewer clients.
_CLIENTS, _CALLS = 40, 600
#: How many of his clients the reference comes from.
_HIS_CLIENTS = 100
#: Of calls that fail more rarely, hardly one is among those that are made here.
_RARELY_FAILS = 0.999
_SOURCE = "Brooker's simulation of retries (2022), as we ran it"


def _play(strategy: str, failing_fraction: float, seed: int, _has_fleet: bool) -> list[Calls]:
    return [call(strategy, failing_fraction, client, _CALLS, seed) for client in range(_CLIENTS)]


def measure_call_attempts(played: list[Calls]) -> Floats:
    """Return how many attempts each client made for a call."""
    return np.array([each.attempts / _CALLS for each in played])


def measure_successes(played: list[Calls]) -> Floats:
    """Return the share of each client's calls that succeeded."""
    return np.array([each.successes / _CALLS for each in played])


def call_cases() -> list[KnownCase]:
    """Return his strategies, each at several failure rates."""
    return [
        _case(row["strategy"], float(row["failing_fraction"]), row)
        for row in read_references("validation/brooker_retries.csv")
    ]


def _case(strategy: str, failing_fraction: float, row: dict[str, str]) -> KnownCase:
    name = f"{strategy}, {100 * failing_fraction:g} %"
    attempts, succeeding = float(row["tries_per_call"]), float(row["succeeding_fraction"])
    # What is left in a bucket at the end: less than a token, here and there.
    left = 0.5 / _CALLS if strategy == "token bucket" else 0.0
    checks = [_check(f"{name}: attempts", attempts, measure_call_attempts, left)]
    if succeeding < _RARELY_FAILS:
        checks.append(_check(f"{name}: succeed", succeeding, measure_successes, 0.0))
    return KnownCase(Topic.CALLS, partial(_play, strategy, failing_fraction), tuple(checks), 1, 1.0)


def _check(
    name: str, reference: float, measure: Callable[[list[Calls]], Floats], leeway: float
) -> Known:
    return Known(name, reference, _SOURCE, measure, leeway=leeway, reference_samples=_HIS_CLIENTS)
