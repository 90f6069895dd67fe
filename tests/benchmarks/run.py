"""Measure speed and memory: prints one table and writes out/bench.json. About eight minutes.

python tests/benchmarks/run.py [fleet|inference|live|simulated|starting|studies ...] measures these.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path

import fleet
import inference
import live
import simulated
import starting
import studies
from figure import Figure, as_table
from rich.console import Console

from simlib.support.files import replacing

BENCHMARKS = (
    simulated.time_of_storm,
    simulated.memory_of_storm,
    simulated.messages_per_s,
    starting.starting,
    fleet.beside_plain,
    fleet.beside_sim,
    fleet.by_size,
    fleet.whole_processes,
    fleet.many_scenarios,
    fleet.nothing_compiled,
    inference.inference,
    studies.efficiency,
    studies.tuning,
    live.crowd,
    live.beside_bare,
)
OUT = Path("out/bench.json")


def main(modules: list[str]) -> None:
    """Run every benchmark in turn, or those of some modules."""
    began_s = time.perf_counter()
    figures: list[Figure] = []
    wanted = [each for each in BENCHMARKS if not modules or each.__module__ in modules]
    with Console(stderr=True).status("") as status:
        for benchmark in wanted:
            status.update(f"measuring: {benchmark.__name__.replace('_', ' ')}")
            figures += benchmark()
    OUT.parent.mkdir(exist_ok=True)
    with replacing(OUT) as temporary:
        temporary.write_text(json.dumps(_document(figures), indent=2) + "\n")
    console = Console(width=max(110, Console().width))
    console.print(as_table(figures))
    for why in {figure.skipped for figure in figures} - {""}:
        console.print(f"skipped: {why}")
    console.print(f"{time.perf_counter() - began_s:.0f} s in all; written to {OUT}")


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
