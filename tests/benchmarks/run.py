"""Measure speed and memory: prints one table and writes out/bench.json. Under three minutes."""

from __future__ import annotations

import json
import os
import platform
import time
from importlib.metadata import version
from pathlib import Path

import live
import simulated
import starting
from figure import Figure, as_table
from rich.console import Console

from simlib.files import replacing

BENCHMARKS = (
    simulated.time_of_storm,
    simulated.memory_of_storm,
    simulated.messages_per_s,
    starting.starting,
    live.crowd,
    live.beside_bare,
)
OUT = Path("out/bench.json")


def main() -> None:
    """Run every benchmark in turn."""
    began_s = time.perf_counter()
    figures: list[Figure] = []
    with Console(stderr=True).status("") as status:
        for benchmark in BENCHMARKS:
            status.update(f"measuring: {benchmark.__name__.replace('_', ' ')}")
            figures += benchmark()
    OUT.parent.mkdir(exist_ok=True)
    with replacing(OUT) as temporary:
        temporary.write_text(json.dumps(_document(figures), indent=2) + "\n")
    console = Console(width=max(110, Console().width))
    console.print(as_table(figures))
    console.print(f"{time.perf_counter() - began_s:.0f} s in all; written to {OUT}")


def _document(figures: list[Figure]) -> dict[str, object]:
    libraries = ("simpy", "websockets", "uvicorn")
    return {
        "python": platform.python_version(),
        "processors": os.cpu_count(),
        "libraries": {name: version(name) for name in libraries},
        "figures": [figure.as_json() for figure in figures],
    }


if __name__ == "__main__":
    main()
