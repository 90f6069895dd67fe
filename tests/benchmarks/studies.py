"""Figures of studies: what two processors make of a thousand short runs; how long tuning takes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import distributed
from figure import Figure

import simlib as sl
from simlib.experiments.pool import Outcomes, open_pool
from simlib.experiments.run_cache import Cell, play_cell

CELLS, WORKERS = 1000, 2
#: Some 15 ms on one processor: nearly all of it the metrics, so none is much shorter on sim.
SHORT = sl.Scenario(clients=1, duration_s=10, faults=[sl.Fault("outage", start_s=3, stop_s=5)])


def _time_s(cells: list[Cell], outcomes: Outcomes) -> float:
    began_s = time.perf_counter()
    assert not any(each.failure for each in outcomes(play_cell, cells))
    return time.perf_counter() - began_s


def _warm_s(cells: list[Cell], workers: int | None = None, cluster: Any = None) -> float:
    """Return the time that cells take once the workers have begun."""
    with open_pool(workers, cluster) as outcomes:
        _time_s(cells[:40], outcomes)
        return _time_s(cells, outcomes)


def efficiency() -> list[Figure]:
    """The goals: 85 % of two processors with processes, 75 % with a Dask cluster."""
    cells = [Cell(SHORT.replace(seed=seed)) for seed in range(CELLS)]
    alone_s = _warm_s(cells, 1)
    processes_s = _warm_s(cells, WORKERS)
    with (
        distributed.LocalCluster(
            n_workers=WORKERS,
            threads_per_worker=1,
            dashboard_address="127.0.0.1:0",
            host="127.0.0.1",
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        dask_s = _warm_s(cells, cluster=client)
    goals = ((processes_s, "processes", 0.85), (dask_s, "a Dask cluster", 0.75))
    return [
        Figure("one of 1,000 runs, alone", "ms", (1000.0 * alone_s / CELLS,)),
        *(
            Figure(f"efficiency of {name}", "share", (alone_s / WORKERS / took_s,), at_least=goal)
            for took_s, name, goal in goals
        ),
    ]


#: The reconnect storm with ten times the clients, and a server for ten times as many.
STORM = {
    "server.workers": 10,
    "server.accept_per_s": 2000,
    "server.backlog": 500,
    "workload.rate_per_s": 0,
}
BOUNDS = ("peak_attempts_per_s <= 3 * server.accept_per_s", "never_recovered <= 0")
TRIALS, SEEDS = 200, 20


def tuning() -> list[Figure]:
    """The goals: under three minutes, and no rival is unbeaten that keeps the bounds."""
    file = Path(__file__).parents[2] / "data" / "scenarios" / "reconnect_storm.toml"
    storm = sl.load(file).replace(STORM).replace(clients=10_000, warm_up_s=10)
    began_s = time.perf_counter()
    found = sl.tune([storm], None, constraints=BOUNDS, trials=TRIALS, replications=SEEDS)
    took_s = time.perf_counter() - began_s
    table = found.verdict.table
    rivals = table[table["kind"] != "tuned"]
    unbeaten = rivals[rivals["keeps"] & (rivals["worse on"] == "")]
    return [
        Figure("200 trials x 20 seeds, 10,000 clients", "s", (took_s,), at_most=180.0),
        Figure("rivals that keep the bounds", "policies", (float(rivals["keeps"].sum()),)),
        Figure("of these beaten on no objective", "policies", (float(len(unbeaten)),), at_most=0.0),
    ]
