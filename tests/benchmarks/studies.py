"""Figures of studies: what two processors make of a thousand short runs, start-up apart."""

from __future__ import annotations

import time
from typing import Any

import distributed
from figure import Figure

import simlib as sl
from simlib.study.cells import Cell, played
from simlib.study.workers import outcomes

CELLS, WORKERS = 1000, 2
#: About 10 ms on one processor.
SHORT = sl.Scenario(clients=30, duration_s=20, faults=[sl.Fault("outage", start_s=5, stop_s=8)])


def _time_s(cells: list[Cell], **where: Any) -> float:
    began_s = time.perf_counter()
    assert not any(each.failure for each in outcomes(played, cells, **where))
    return time.perf_counter() - began_s


def efficiency() -> list[Figure]:
    """The goals: 85 % of two processors with processes, 75 % with a Dask cluster."""
    cells = [Cell(SHORT.replace(seed=seed)) for seed in range(CELLS)]
    few = cells[: 2 * WORKERS]
    alone_s = _time_s(cells, workers=1)
    processes_s = _time_s(cells, workers=WORKERS) - _time_s(few, workers=WORKERS)
    with (
        distributed.LocalCluster(
            n_workers=WORKERS, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        _time_s(few, cluster=client)
        dask_s = _time_s(cells, cluster=client)
    goals = ((processes_s, "processes", 0.85), (dask_s, "a Dask cluster", 0.75))
    return [
        Figure("one of 1,000 runs, alone", "ms", (1000.0 * alone_s / CELLS,)),
        *(
            Figure(f"efficiency of {name}", "share", (alone_s / WORKERS / took_s,), at_least=goal)
            for took_s, name, goal in goals
        ),
    ]
