"""One run of the fleet in a process of its own, for its memory; prints what it took, as JSON.

python tests/benchmarks/alone.py SCENARIO.toml [warm]. Warm: a small run comes first, so that
imports and loading are over; what the second takes is counted from there.
"""

import json
import re
import sys
import time
from pathlib import Path

import simlib as sl


def memory_bytes(name: str) -> int:
    """Return a line of what the system says of this process: VmRSS is now, VmHWM the peak.

    Not what it says to the parent: that counts what the parent had when it started this one.
    """
    status = Path("/proc/self/status").read_text()
    return 1024 * int(re.search(rf"{name}:\s*(\d+)", status)[1])


def main(file: str, warm: bool) -> dict[str, object]:
    scenario = sl.load(file)
    if warm:
        sl.run(scenario.replace(clients=1000), on="fleet")
    before_bytes, began_s, worked_s = (
        memory_bytes("VmRSS"),
        time.perf_counter(),
        time.process_time(),
    )
    try:
        trace = sl.run(scenario, on="fleet")
    except (sl.SettingsError, MemoryError) as error:
        return {"refused": str(error)}
    return {
        "run_s": time.perf_counter() - began_s,
        "work_s": time.process_time() - worked_s,
        "attempts": trace.tally.total("attempts"),
        "before_bytes": before_bytes,
        "peak_bytes": memory_bytes("VmHWM"),
    }


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], "warm" in sys.argv)))
