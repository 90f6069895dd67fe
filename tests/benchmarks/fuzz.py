"""Feed foreign data to what reads it: python tests/benchmarks/fuzz.py [MINUTES] [TARGET...].

Each target of `tests/fuzz/targets.py` is fed for so many minutes (1 by default), in a process of
its own: examples are drawn by Hypothesis, with other seeds than those of the tests. What is neither
a result nor a clear error is a fault, and so is an example that takes longer than `LONGEST_S`, or a
process that needs more than `MOST_MIB` beyond what it began with.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).parents[2]
LONGEST_S, MOST_MIB = 10.0, 1024.0
#: A process that says nothing for so long beyond its time hangs.
PATIENCE_S = 120.0


def _peak_mib() -> float:
    # Linux counts in KiB, macOS in bytes.
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def feed(name: str, minutes: float) -> None:
    """Feed one target, and print what became of it as JSON."""
    from hypothesis import HealthCheck, Phase, given, seed, settings
    from hypothesis import strategies as st

    from tests.fuzz.targets import TARGETS, play

    target = TARGETS[name]
    fed, longest_s, faults = 0, 0.0, {}
    before_mib, until_s, number = 0.0, time.monotonic() + 60.0 * minutes, int(time.time())

    def plays(example):
        nonlocal fed, longest_s, before_mib
        began_s = time.monotonic()
        play(target, example)
        took_s = time.monotonic() - began_s
        fed += 1
        # What is imported and compiled for the first example is no fault of it.
        if fed == 1:
            before_mib = _peak_mib()
        else:
            longest_s = max(longest_s, took_s)
            assert took_s < LONGEST_S, f"an example took {took_s:.1f} s"

    while time.monotonic() < until_s:
        number += 1
        bounded = settings(
            max_examples=100, deadline=None, database=None, report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck), phases=(Phase.generate, Phase.shrink),
            print_blob=False,
        )  # fmt: skip
        try:
            seed(number)(bounded(given(st.deferred(target.examples))(plays)))()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a fault
            place = traceback.extract_tb(error.__traceback__)[-1]
            key = f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}"
            notes = " ".join(getattr(error, "__notes__", []))
            faults.setdefault(key, f"{str(error)[:300]} {notes[:600]}")
    grown_mib = _peak_mib() - before_mib
    if grown_mib > MOST_MIB:
        faults["memory"] = f"grew by {grown_mib:.0f} MiB"
    print(json.dumps({"fed": fed, "s": longest_s, "mib": grown_mib, "faults": faults}))


def start(name: str, minutes: float) -> dict:
    """Feed one target in a process of its own."""
    command = [sys.executable, __file__, "--feed", name, str(minutes)]
    began_s = time.monotonic()
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=60.0 * minutes + PATIENCE_S,
            check=False,
            cwd=ROOT,
        )
    except subprocess.TimeoutExpired:
        done = None
    if done is not None and done.returncode == 0:
        return json.loads(done.stdout.splitlines()[-1])
    how = "hangs" if done is None else f"died ({done.returncode}): {done.stderr[-600:]}"
    return {"fed": 0, "s": time.monotonic() - began_s, "mib": 0.0, "faults": {"process": how}}


def main(minutes: float, wanted: list[str]) -> int:
    """Feed all targets, or those whose names begin with what is wanted; print a table."""
    from tests.fuzz.targets import TARGETS

    faults = 0
    print(f"{'target':30} {'examples':>9} {'longest, s':>11} {'memory, MiB':>12}  faults")
    for name in TARGETS:
        if wanted and not any(name.startswith(each) for each in wanted):
            continue
        said = start(name, minutes)
        numbers = f"{said['fed']:9,} {said['s']:11.3f} {said['mib']:12.0f}"
        print(f"{name:30} {numbers}  {len(said['faults'])}", flush=True)
        for place, words in said["faults"].items():
            print(f"  {place}: {words}", flush=True)
        faults += len(said["faults"])
    return min(faults, 1)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    if sys.argv[1:2] == ["--feed"]:
        feed(sys.argv[2], float(sys.argv[3]))
        sys.exit()
    sys.exit(main(float(sys.argv[1]) if sys.argv[1:] else 1.0, sys.argv[2:]))
