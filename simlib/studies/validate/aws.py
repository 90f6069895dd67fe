"""AWS's study of backoff and jitter: clients that contend for one row, strategy by strategy."""

from __future__ import annotations

from functools import partial
from math import sqrt

import numpy as np

from simlib.core.backoff import Backoff
from simlib.core.backoff_kinds import Jitter
from simlib.metrics.array_types import Floats
from simlib.studies.validate.case import Known, KnownCase, Topic
from simlib.studies.validate.contest import Contest, contend
from simlib.studies.validate.references import read_references

_CAP_S = 2.0
#: The strategies by their names in the file. A first wait of that simulation has a ceiling of twice
#: its base of 5 ms, but decorrelated jitter begins with the base; and a wait must have a length.
POLICIES = {
    "at_once": Backoff(jitter=Jitter.NONE, base_s=1e-9, cap_s=1e-9),
    "none": Backoff(jitter=Jitter.NONE, base_s=0.01, cap_s=_CAP_S),
    "full": Backoff(jitter=Jitter.FULL, base_s=0.01, cap_s=_CAP_S),
    "equal": Backoff(jitter=Jitter.EQUAL, base_s=0.01, cap_s=_CAP_S),
    "decorrelated": Backoff(jitter=Jitter.DECORRELATED, base_s=0.005, cap_s=_CAP_S),
}
_NAMES = {"at_once": "no backoff", "none": "no jitter", "full": "full jitter",
          "equal": "equal jitter"}  # fmt: skip
#: The numbers of clients that are played, each so often; a contest costs the square of them.
_REPEATS = {2: 50, 10: 200, 50: 30, 100: 20, 200: 16}
_SOURCE = "aws-arch-backoff-simulator, 200 runs"


def _play(jitter: str, clients: int, seed: int, _has_fleet: bool) -> list[Contest]:
    repeats = _REPEATS[clients]
    first = 1000 * seed
    return [contend(POLICIES[jitter], clients, first + k) for k in range(repeats)]


def measure_calls(played: list[Contest]) -> Floats:
    """Return how many calls each contest took."""
    return np.array([float(contest.calls) for contest in played])


def measure_time_s(played: list[Contest]) -> Floats:
    """Return how long each contest took."""
    return np.array([contest.time_s for contest in played])


def aws_cases() -> list[KnownCase]:
    """Return each strategy with each number of clients."""
    rows = read_references("aws_backoff.csv")
    return [_case(row) for row in rows if int(row["clients"]) in _REPEATS]


def _case(row: dict[str, str]) -> KnownCase:
    jitter, clients, repeats = row["jitter"], int(row["clients"]), int(row["repeats"])
    name = f"{_NAMES.get(jitter, jitter)}, {clients} clients"
    calls, time_s = (
        Known(
            f"{name}: {word}",
            float(row[f"{column}_mean"]),
            _SOURCE,
            measure,
            unit,
            reference_error=float(row[f"{column}_sd"]) / sqrt(repeats),
        )
        for word, column, measure, unit in (
            ("calls", "calls", measure_calls, ""),
            ("time", "time_s", measure_time_s, "s"),
        )
    )
    cost_s = 1e-5 * clients**2 * _REPEATS[clients]
    return KnownCase(Topic.AWS, partial(_play, jitter, clients), (calls, time_s), 1, cost_s)
