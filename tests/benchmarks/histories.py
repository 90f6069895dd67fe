"""Thousands of nasty schedules, played in simulation: is any history not that of exactly once?

python tests/benchmarks/histories.py [EXAMPLES [SEED]] prints what was played, and the smallest
schedule that fails if any does; its status is 1 then.
"""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import count

import simlib as sl
from tests.histories.checker import find_violations, read_history
from tests.histories.schedules import find_smallest, judge

#: Hypothesis gets slower the more it has seen of one search.
AT_A_TIME = 250


def search(seed: int, examples: int) -> tuple[Counter[str], str]:
    """Play schedules; return how many of what was in them, and what is wrong with the smallest."""
    played: Counter[str] = Counter()

    def fails(schedule: sl.Scenario) -> bool:
        history = read_history(sl.run(schedule))
        played["schedules"] += 1
        played.update(f"messages {deed.what}" for deed in history)
        played.update(fault.kind.name.lower() for fault in schedule.faults)
        return bool(find_violations(history))

    smallest = find_smallest(fails, examples, seed)
    return played, "" if smallest is None else judge(smallest)


def parts(examples: int) -> Iterator[int]:
    while examples > 0:
        yield min(AT_A_TIME, examples)
        examples -= AT_A_TIME


def main(examples: int, seed: int) -> int:
    began_s = time.monotonic()
    played: Counter[str] = Counter()
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for tally, wrong in pool.map(search, count(seed * 1000), parts(examples)):
            played += tally
            if wrong:
                pool.shutdown(cancel_futures=True)
                print(wrong)
                return 1
    print(f"{time.monotonic() - began_s:.0f} s; nothing lost, nothing counted twice, all in order:")
    for what, number in played.most_common():
        print(f"{number:>12,} {what.replace('_', ' ')}")
    return 0


if __name__ == "__main__":
    given = [*sys.argv[1:], *("10000", "1")[len(sys.argv) - 1 :]]
    sys.exit(main(int(given[0]), int(given[1])))
