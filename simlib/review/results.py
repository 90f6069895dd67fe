"""The runs of a review: every policy in every scenario, under the same seeds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite, nan
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from simlib.api import run
from simlib.core.errors import SimlibError
from simlib.experiments.pool import open_pool
from simlib.experiments.replicate import Replications, seeds
from simlib.experiments.run_cache import Cell, open_run_cache, play_cells
from simlib.metrics.intervals import Estimate, t_interval
from simlib.review.question import Policy, ReviewQuestion
from simlib.scenario.scenario import Scenario
from simlib.trace.trace import Trace


@dataclass(frozen=True)
class PlayedPolicy:
    """One policy in one scenario: its replications, and the run of the first seed for charts."""

    policy: Policy
    #: With this policy.
    scenario: Scenario
    replications: Replications
    trace: Trace

    @property
    def name(self) -> str:
        """The policy's name."""
        return self.policy.name

    def mean(self, metric: str) -> Estimate:
        """Return the mean of a metric over the seeds, with its interval; NaN: it has no value."""
        values = self.replications.table[metric].to_numpy(np.float64)
        return Estimate(nan, nan, nan, 0) if np.isnan(values).all() else t_interval(values)


@dataclass(frozen=True)
class Results:
    """All runs of a review: for each scenario its policies, in the order of the question."""

    question: ReviewQuestion
    by_scenario: tuple[tuple[PlayedPolicy, ...], ...]
    #: Runs that failed, in words.
    failures: tuple[str, ...] = ()

    def of(self, policy: Policy) -> list[PlayedPolicy]:
        """Return what was played of a policy, a value for each scenario."""
        return [each for row in self.by_scenario for each in row if each.policy == policy]

    def difference(self, metric: str, one: PlayedPolicy, other: PlayedPolicy) -> Estimate:
        """Return by how much a metric is larger with the other policy, seed by seed."""
        values = pd.concat(
            [each.replications.table[metric] for each in (one, other)], axis=1, join="inner"
        )  # by seed: one of them may have failed under some
        first, second = values.to_numpy(np.float64).T
        shared = first.size
        with np.errstate(invalid="ignore"):  # two that never end have no difference
            differences = second - first
        if not np.isfinite(differences).all():
            sides = {float(np.sign(each)) for each in differences if not np.isnan(each)}
            if len(sides) == 1 and not np.isnan(differences).any():
                # One of the two never ends, in every pair: that is a difference beyond doubt.
                (side,) = sides
                return Estimate(side * np.inf, side * np.inf, side * np.inf, shared)
            return Estimate(nan, nan, nan, shared)
        return t_interval(differences)


def play_question(
    question: ReviewQuestion,
    folder: Path | None = None,
    progress: Callable[..., None] | None = None,
) -> Results:
    """Play every policy in every scenario; what a folder has kept is not played again.

    Raises
    ------
    SimlibError
        If no run of some policy could be played.
    """
    pairs = [
        (policy, policy.in_scenario(scenario))
        for scenario in question.scenarios
        for policy in question.policies
    ]
    cells = [
        Cell(played.replace(seed=seed), question.on)
        for _, played in pairs
        for seed in seeds(played, question.replications)
    ]
    workers = count_workers(question.on, sum(cell.scenario.clients for cell in cells))
    with open_run_cache(folder) as store, open_pool(workers) as outcomes:
        rows, failures, _ = play_cells(cells, outcomes, store, progress)
    played = []
    for i, (policy, changed) in enumerate(pairs):
        first = i * question.replications
        numbers = range(first, first + question.replications)
        table = _table([(cells[n].scenario.seed, rows[n]) for n in numbers if n in rows])
        if table.empty:
            why = next(failures[n] for n in numbers if n in failures)
            raise SimlibError(f"no run of {policy.name} in {changed.name} could be played: {why}")
        trace = run(changed, question.on, label=policy.name)
        replications = Replications(changed, question.on, table)
        played.append(PlayedPolicy(policy, changed, replications, trace))
    width = len(question.policies)
    by_scenario = tuple(tuple(played[i : i + width]) for i in range(0, len(played), width))
    words = tuple(f"seed {cells[n].scenario.seed}: {why}" for n, why in sorted(failures.items()))
    return Results(question, by_scenario, words)


def count_workers(on: str, clients: int) -> int | None:
    """Return 1 where processes would take longer to start than runs of so many clients to play."""
    quick = 2_000_000 if on == "fleet" else 2_000
    return 1 if clients < quick else None


def _table(rows: list[tuple[int, dict[str, Any]]]) -> pd.DataFrame:
    return (
        pd.DataFrame([{"seed": seed, **row} for seed, row in rows]).set_index("seed")
        if rows
        else pd.DataFrame()
    )


def is_known(estimate: Estimate) -> bool:
    """Whether a metric has a value: a number, or never."""
    return not np.isnan(estimate.value) and (isfinite(estimate.value) or estimate.value > 0)
