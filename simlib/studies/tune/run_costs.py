"""Estimate the cost of runs, in attempts, and the progress of a study from it.

The unit of work is an attempt, since the time that a run takes grows with its events. A policy that
never waits makes a thousand times as many attempts as one that does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import ceil, inf, nan
from typing import NamedTuple

from simlib.api import run
from simlib.experiments.pool import Outcomes
from simlib.metrics.attempts import attempts_per_s
from simlib.scenario.scenario import Scenario
from simlib.support.progress import Progress

#: So many clients stand for all.
_SAMPLE = {"fleet": 20, "sim": 5}
#: A client takes part in a run even if it makes no attempt: it starts, and is cut off.
_PER_CLIENT = 1.0


class PlannedRun(NamedTuple):
    """A run that may be played: the scenario and the engine."""

    scenario: Scenario
    on: str


def work_of(asked: PlannedRun) -> float:
    """Return about how many attempts all clients make in a run, and how many clients there are.

    A few clients play it before a server that is as much smaller. A task for a worker.

    Examples
    --------
    >>> work_of(PlannedRun(Scenario(clients=1000, duration_s=5), "sim"))
    2000.0
    """
    clients = asked.scenario.clients
    few = min(clients, _SAMPLE[asked.on])
    attempts = float(attempts_per_s(run(_smaller(asked.scenario, few), asked.on)).sum())
    return clients * (attempts / few + _PER_CLIENT)


def works_of(runs: Sequence[PlannedRun], outcomes: Outcomes) -> list[float]:
    """Return the work of each run; NaN where the run cannot be played."""
    costs = [nan] * len(runs)
    for outcome in outcomes(work_of, runs):
        costs[outcome.index] = nan if outcome.failure else outcome.value
    return costs


def _smaller(scenario: Scenario, clients: int) -> Scenario:
    share = clients / scenario.clients
    server = scenario.server
    smaller = replace(
        server,
        accept_per_s=share * min(server.accept_per_s, _service_per_s(scenario)),
        handshake_service_s=0.0,
        tls_service_s=0.0,
        backlog=_part(server.backlog, share),
        max_connections=_part(server.max_connections, share),
    )
    silent = replace(scenario.workload, rate_per_s=0.0)
    return scenario.replace(clients=clients, server=smaller, workload=silent)


def _service_per_s(scenario: Scenario) -> float:
    server = scenario.server
    service_s = server.tls_service_s + server.handshake_service_s
    return server.workers / service_s if service_s > 0.0 else inf


def _part(limit: float, share: float) -> float:
    return limit if limit == inf else float(ceil(share * limit))


class Meter:
    """How far a study is, by work: what is done, of that and what is left as far as is known."""

    def __init__(self, move: Progress) -> None:
        self._move = move
        self._done = self._left = self._shown = 0.0

    def expect(self, left: float, done: float | None = None) -> None:
        """Set how much work is left from now on, and how much was done if that is known by now."""
        self._left = max(left, 0.0)
        self._done = self._done if done is None else done

    def part(self, work: float, word: str) -> Callable[[float], None]:
        """Begin a part of what is left; return the callback for the share of it that is done."""
        before, after = self._done, max(self._left, work)

        def move(share: float) -> None:
            whole = before + after
            fraction = (before + share * work) / whole if whole else 0.0
            # What is left may turn out to be more than was thought: a bar does not go back.
            self._shown = max(self._shown, min(fraction, 1.0))
            self._move(self._shown, word)

        move(0.0)
        self._done, self._left = before + work, max(self._left - work, 0.0)
        return move
