"""What is validated: cases to be played, and what each must give by theory or publication."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any

from simlib.api import run
from simlib.metrics.array_types import Floats
from simlib.scenario.scenario import Scenario


class Topic(StrEnum):
    """The groups of the table, in its order."""

    QUEUES = "queues"
    BOUNDED = "bounded"
    PRIORITIES = "priorities"
    BUCKETS = "buckets"
    WAITS = "waits"
    RECOVERY = "recovery"
    BREAKER = "breaker"
    HANDSHAKES = "handshakes"
    LIVENESS = "liveness"
    RETRIAL = "retrial"
    AWS = "aws"
    CALLS = "calls"
    METASTABLE = "metastable"
    RECORD = "record"


#: What each group is about, as a heading.
HEADINGS = {
    Topic.QUEUES: "Queues of handshakes, without a bound",
    Topic.BOUNDED: "Bounded queues: the share that is refused or lost",
    Topic.PRIORITIES: "Priorities in the outbox",
    Topic.BUCKETS: "Token buckets",
    Topic.WAITS: "Waits of backoff policies",
    Topic.RECOVERY: "Recovery from an outage",
    Topic.BREAKER: "Circuit breaker",
    Topic.HANDSHAKES: "Round trips of a handshake",
    Topic.LIVENESS: "Heartbeats and polls",
    Topic.RETRIAL: "Retrial queue: those refused come again",
    Topic.AWS: "AWS, Exponential Backoff And Jitter (2015)",
    Topic.CALLS: "Brooker, retries and token buckets (2022)",
    Topic.METASTABLE: "Metastable failures (Bronson et al., 2021)",
    Topic.RECORD: "Numbers of record of the shipped scenarios",
}


@dataclass(frozen=True)
class Known:
    """One row: a number that is known, and how it is measured in what a case played."""

    name: str
    reference: float
    source: str
    #: Independent samples whose mean is compared with the reference.
    measure: Callable[[Any], Floats]
    unit: str = ""
    #: The standard error of the reference, where that was simulated or measured.
    reference_error: float = 0.0
    #: Of how many samples of the same kind the reference is the mean; 0: it has no such error.
    reference_samples: int = 0
    #: How far the reference itself may be off: its rounding, or the error of an approximation.
    leeway: float = 0.0
    #: Whether the samples are zeros and ones.
    is_share: bool = False


@dataclass(frozen=True)
class KnownCase:
    """Something that is played under several seeds, and the checks that look at it."""

    group: Topic
    #: Plays it, given a seed and whether the fleet engine may be used.
    play: Callable[[int, bool], Any]
    checks: tuple[Known, ...]
    replications: int = 1
    #: Roughly how many seconds one replication takes, so that progress is told truly.
    cost_s: float = 1.0
    #: Whether it is too large for any engine but the fleet.
    needs_fleet: bool = False


def simulate(scenario: Scenario) -> Callable[[int, bool], Any]:
    """Return what plays a scenario in the simulation."""
    return partial(_simulate, scenario)


def _simulate(scenario: Scenario, seed: int, _has_fleet: bool) -> Any:
    return run(scenario.replace(seed=seed), "sim")


def play_quickly(scenario: Scenario) -> Callable[[int, bool], Any]:
    """Return what plays a scenario on the fleet if that is there, else in the simulation.

    Both give the same numbers to the last bit, the fleet some thirty times sooner.
    """
    return partial(_play_quickly, scenario)


def _play_quickly(scenario: Scenario, seed: int, has_fleet: bool) -> Any:
    return run(scenario.replace(seed=seed), "fleet" if has_fleet else "sim")
