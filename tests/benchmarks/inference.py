"""Figures of inference: is the family right, do the intervals hold the truth, how quickly?

python tests/benchmarks/inference.py [REPLICATIONS] prints the confusion table alone.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pandas as pd
from figure import Figure
from rich.console import Console
from rich.table import Table
from timed import timed

from simlib.core.backoff import Backoff
from simlib.lab.fit import Fit, fit

sys.path.append(str(Path(__file__).parents[2]))
from tests.lab.playing import drawn

#: Policies by the family that should be told; several of each.
POLICIES = {
    "constant": [Backoff(jitter="none", base_s=s, factor=1, cap_s=s) for s in (0.5, 1, 5)],
    "table of steps": [
        Backoff(jitter="none", steps_s=steps_s, cap_s=60)
        for steps_s in (
            (0.01, 0.05, 0.1, 0.15, 0.2, 0.25, 0.5, 1, 2, 5),
            (1, 2, 5, 10),
            (0, 2, 10, 30),
            (0.25, 0.5, 1, 2, 4, 8, 10, 60),
        )
    ],
    "exponential, no jitter": [
        Backoff(jitter="none", base_s=3, factor=1.3, cap_s=10),
        Backoff(jitter="none", base_s=0.2, cap_s=2.5),
        Backoff(jitter="none", base_s=1, cap_s=120),
    ],
    "exponential, no jitter, first wait fixed": [Backoff(jitter="none", first_s=0, cap_s=30)],
    "exponential, full jitter": [
        Backoff(jitter="full", base_s=0.5, cap_s=20),
        Backoff(jitter="full", base_s=1, cap_s=60),
        Backoff(jitter="full", base_s=2, cap_s=1024),
        Backoff(jitter="full", base_s=0.05, cap_s=20),
    ],
    "exponential, equal jitter": [
        Backoff(jitter="equal", base_s=0.5, cap_s=20),
        Backoff(jitter="equal", base_s=1, factor=1.5, cap_s=9),
    ],
    "exponential, proportional jitter inside the cap": [
        Backoff(jitter="proportional", base_s=1, cap_s=5, spread_fraction=0.5),
        Backoff(jitter="proportional", base_s=0.05, cap_s=1, spread_fraction=0.2),
        Backoff(jitter="proportional", base_s=1, factor=1.6, cap_s=120, spread_fraction=0.2),
    ],
    "decorrelated jitter": [
        Backoff(jitter="decorrelated", base_s=1, cap_s=20),
        Backoff(jitter="decorrelated", base_s=0.1, cap_s=30),
    ],
}


def truth(rules: Backoff, name: str) -> float:
    """Return the true value of a setting, or of a step of a table."""
    key, _, place = name.partition("[")
    value = getattr(rules, key)
    return float(value[int(place.rstrip("]"))] if place else value)


def told(replications: int = 5) -> list[tuple[str, Backoff, Fit]]:
    """Fit 200 waits of each policy, so many times."""
    return [
        (name, rules, fit(drawn(rules, 200, seed)))
        for name, policies in POLICIES.items()
        for rules in policies
        for seed in range(replications)
    ]


def confusion(found: list[tuple[str, Backoff, Fit]]) -> pd.DataFrame:
    """Return how often each family was told, by the true one."""
    rows = [(name, "none" if each.is_none else each.best.name) for name, _, each in found]
    frame = pd.DataFrame(rows, columns=["true", "told"])
    return pd.crosstab(frame["true"], frame["told"])


def held(found: list[tuple[str, Backoff, Fit]]) -> Counter[tuple[str, str, bool]]:
    """Return how often an interval held the truth, by family and setting."""
    return Counter(
        (name, each.name.partition("[")[0], each.low <= truth(rules, each.name) <= each.high)
        for name, rules, fitted in found
        if fitted.best.name == name
        for each in fitted.parameters
    )


def inference() -> list[Figure]:
    """The goals: 95 % of the families right, 90 % of the intervals; 1,000 waits in 2 s."""
    found = told()
    right = sum(name == each.best.name and not each.is_none for name, _, each in found)
    counts = held(found)
    good = sum(count for (_, _, holds), count in counts.items() if holds)
    waits = [drawn(rules[0], 1000) for rules in POLICIES.values()]
    times = tuple(timed(lambda seen=seen: fit(seen))[0] for seen in waits)  # type: ignore[misc]
    total = sum(counts.values())
    return [
        Figure("right family from 200 waits", "share", (right / len(found),), at_least=0.95),
        Figure("interval holds the truth", "share", (good / total,), at_least=0.9),
        Figure("fit of 1,000 waits", "s", times, at_most=2.0),
    ]


def main(replications: int) -> None:
    """Print which family was told for which, and how often each interval held the truth."""
    found = told(replications)
    table = confusion(found)
    console = Console(width=110)
    console.print("told (columns) by truth (rows), 200 waits each:")
    shown = Table(box=None)
    shown.add_column("")
    names = [str(name) for name in table.columns]
    for i in range(len(names)):
        shown.add_column(chr(ord("a") + i), justify="right")
    for true, row in table.iterrows():
        shown.add_row(str(true), *(str(count) if count else "." for count in row))
    console.print(shown)
    console.print(*(f"{chr(ord('a') + i)}: {name}" for i, name in enumerate(names)), sep="\n")
    counts = held(found)
    for name, setting in sorted({(name, setting) for name, setting, _ in counts}):
        good, bad = counts[name, setting, True], counts[name, setting, False]
        console.print(f"{good / (good + bad):6.1%} of {good + bad}: {setting} of {name}")
    right = sum(name == each.best.name and not each.is_none for name, _, each in found)
    good = sum(count for (_, _, holds), count in counts.items() if holds)
    total = sum(counts.values())
    console.print(f"right family: {right / len(found):.1%} of {len(found)}")
    console.print(f"interval holds the truth: {good / total:.1%} of {total}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
