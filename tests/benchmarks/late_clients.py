"""Figures of inference from late clients: how often is the family right, not told, or wrong?

python tests/benchmarks/late_clients.py [SEEDS [PART OF A NAME]] prints a table: a row for each
policy, a column for each way of being late, by 5 to 60 ms that nobody measured.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import process_time

import numpy as np
import pandas as pd
from rich.console import Console

from simlib.core.backoff import Backoff
from simlib.lab.infer.infer import infer
from simlib.metrics.array_types import Floats

sys.path.append(str(Path(__file__).parents[2]))
from tests.lab.playing import observe_late

Chance = np.random.Generator
Draw = Callable[[Chance, int], Floats]

#: By the family that should be told.
POLICIES = {
    "constant": Backoff(jitter="none", base_s=1, factor=1, cap_s=1),
    "exponential, no jitter": Backoff(jitter="none", base_s=0.2, cap_s=1),
    "exponential, no jitter (long)": Backoff(jitter="none", base_s=0.1, cap_s=2.5),
    "exponential, no jitter (slow)": Backoff(jitter="none", base_s=0.3, factor=1.3, cap_s=2),
    "linear, no jitter": Backoff(jitter="none", growth="linear", base_s=0.5, rise_s=0.5, cap_s=3),
    "power, no jitter": Backoff(jitter="none", growth="power", exponent=2, base_s=0.1, cap_s=4),
    "Fibonacci table, no jitter": Backoff(jitter="none", steps_s=[0.5, 0.5, 1, 1.5, 2.5, 4]),
    "table of steps": Backoff(jitter="none", steps_s=[0.1, 0.3, 0.4, 1.2]),
    "exponential, no jitter, first wait fixed": Backoff(jitter="none", first_s=0, cap_s=30),
    "exponential, no jitter, first wait spread": Backoff(
        jitter="none", base_s=0.2, factor=1.6, cap_s=1.5, first_s=0.5, first_jitter="full"
    ),
    "exponential, full jitter": Backoff(jitter="full", base_s=0.5, cap_s=5),
    "exponential, equal jitter": Backoff(jitter="equal", base_s=0.5, cap_s=5),
    "decorrelated jitter": Backoff(jitter="decorrelated", base_s=0.5, cap_s=5),
    "constant, additive jitter": Backoff(
        jitter="additive", base_s=1, factor=1, add_least_s=0, add_most_s=0.5
    ),
}


def _in_bursts(chance: Chance, count: int) -> Floats:
    """Return lateness of a machine that is busy for some waits on end, a fifth of the time."""
    is_busy = np.repeat(chance.random(count // 4 + 1) < 0.2, 4)[:count]
    return np.asarray(is_busy * chance.exponential(2.0, count))


#: By how much of a mean the waits are late, the first waits of a row alone or all.
LATENESS: dict[str, tuple[Draw, bool]] = {
    "constant": (lambda chance, count: np.ones(count), False),
    "tail": (lambda chance, count: chance.exponential(1.0, count), False),
    "bursts": (_in_bursts, False),
    "first constant": (lambda chance, count: np.ones(count), True),
    "first around": (lambda chance, count: chance.uniform(0.7, 1.3, count), True),
    "first tail": (lambda chance, count: chance.exponential(1.0, count), True),
}
LEVELS_S = (0.005, 0.02, 0.04, 0.06)


@dataclass(frozen=True)
class Told:
    """What was told of a client that was late in one way."""

    policy: str
    lateness: str
    level_s: float
    seed: int
    verdict: str
    is_told: bool

    @property
    def outcome(self) -> str:
        """Whether the family is right, not told or wrong."""
        if not self.is_told:
            return "not told"
        family = self.verdict.partition(", from")[0]
        return "right" if family == self.policy.partition(" (")[0] else "wrong"


def _times(level_s: float, draw: Draw, chance: Chance, count: int) -> Floats:
    return level_s * draw(chance, count)


def told(seeds: int, chosen: str = "") -> Iterator[Told]:
    """Infer each policy from clients that were late in each way, so many times."""
    for policy, rules in POLICIES.items():
        for lateness, (draw, first_alone) in LATENESS.items():
            if chosen not in f"{policy}, {lateness}":
                continue
            for level_s in LEVELS_S:
                for seed in range(seeds):
                    draw_late_s = partial(_times, level_s, draw)
                    frame = observe_late(rules, draw_late_s, first_alone=first_alone, seed=seed)
                    found = infer(frame, known={})
                    is_told = found.policy is not None
                    yield Told(policy, lateness, level_s, seed, found.verdict, is_told)


def main(seeds: int, chosen: str = "") -> None:
    """Print how often the family was right, not told and wrong, and what was told wrongly."""
    console, begin_s = Console(width=150), process_time()
    results = []
    for each in told(seeds, chosen):
        results.append((each.policy, each.lateness, each.outcome))
        if each.outcome == "wrong":
            where = f"{each.policy}, {each.lateness} {each.level_s * 1000:.0f} ms"
            console.print(f"wrong: {where}, seed {each.seed}: {each.verdict}")
    frame = pd.DataFrame(results, columns=["policy", "lateness", "outcome"])
    counts = frame.pivot_table(
        index="policy",
        columns="lateness",
        values="outcome",
        sort=False,
        aggfunc=lambda some: " ".join(
            str((some == kind).sum()) for kind in ("right", "not told", "wrong")
        ),
    )
    console.print(f"right, not told, wrong, of {len(LEVELS_S) * seeds} each:")
    console.print(counts.to_string())
    console.print(frame["outcome"].value_counts().to_string())
    console.print(f"{process_time() - begin_s:.0f} s of processor time")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1, *sys.argv[2:3])
