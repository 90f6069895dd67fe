"""Measure speed and memory: prints one table and writes out/bench.json. About a quarter of an hour.

python tests/benchmarks/run.py MODULE... measures some: charts, explorer, fleet, inference, live,
page, review, simulated, starting, studies.
--quick measures a few ratios in under a minute and compares them with the last ones recorded;
--record adds the ratios of a quiet machine to history.csv.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import charts
import explorer
import fleet
import history
import inference
import live
import page
import review
import simulated
import starting
import studies
from figure import Figure, as_table
from machine import watched
from rich.console import Console

from simlib.support.files import replacing

BENCHMARKS = (
    simulated.time_of_storm,
    simulated.time_of_small_storm,
    simulated.memory_of_storm,
    simulated.messages_per_s,
    starting.starting,
    fleet.beside_plain,
    fleet.beside_floor,
    fleet.beside_sim,
    fleet.by_size,
    fleet.whole_processes,
    fleet.many_scenarios,
    fleet.nothing_compiled,
    explorer.steps,
    page.starting,
    charts.charts,
    inference.inference,
    studies.efficiency,
    studies.tuning,
    review.review,
    live.crowd,
    live.beside_bare,
    live.round_trip,
    live.many,
)
#: Ratios that need little time, with fewer runs each than in the full list.
QUICK = (
    partial(simulated.time_of_small_storm, 5),
    partial(simulated.messages_per_s, 2),
    partial(starting.starting, 5),
    partial(fleet.beside_floor, 3),
    partial(live.round_trip, 2),
)
OUT = Path("out/bench.json")


def main(arguments: list[str]) -> None:
    """Run every benchmark in turn, or those of some modules."""
    began_s = time.perf_counter()
    modules = [each for each in arguments if not each.startswith("--")]
    benchmarks = QUICK if "--quick" in arguments else BENCHMARKS
    wanted = [each for each in benchmarks if not modules or _function(each).__module__ in modules]
    figures = measure(wanted)
    OUT.parent.mkdir(exist_ok=True)
    with replacing(OUT) as temporary:
        temporary.write_text(json.dumps(_document(figures), indent=2) + "\n")
    console = Console(width=max(110, Console().width))
    console.print(as_table(figures))
    for line in history.compare(figures):
        console.print(line)
    if "--record" in arguments:
        console.print(f"{history.append(figures)} ratios added to {history.FILE.name}")
    for why in {figure.skipped for figure in figures} - {""}:
        console.print(f"skipped: {why}")
    console.print(f"{time.perf_counter() - began_s:.0f} s in all; written to {OUT}")


def measure(benchmarks: Sequence[Callable[[], list[Figure]]]) -> list[Figure]:
    """Run benchmarks in turn; each figure says how busy the machine was."""
    figures: list[Figure] = []
    with Console(stderr=True).status("") as status:
        for benchmark in benchmarks:
            status.update(f"measuring: {_function(benchmark).__name__.replace('_', ' ')}")
            with watched() as busyness:
                measured = benchmark()
            figures += [figure.beside(busyness) for figure in measured]
    return figures


def _function(benchmark: Any) -> Any:
    return benchmark.func if isinstance(benchmark, partial) else benchmark


def _document(figures: list[Figure]) -> dict[str, object]:
    libraries = ("simpy", "numba", "websockets", "uvicorn")
    return {
        "python": platform.python_version(),
        "processors": os.cpu_count(),
        "libraries": {name: version(name) for name in libraries},
        "figures": [figure.as_json() for figure in figures],
    }


if __name__ == "__main__":
    main(sys.argv[1:])
