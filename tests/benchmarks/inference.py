"""Figures of inference: is the family right, do the intervals hold the truth, how quickly?

python tests/benchmarks/inference.py [REPLICATIONS] prints the table of confusions, and that of
policies in no family.
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass, replace
from itertools import pairwise
from math import inf
from pathlib import Path

import pandas as pd
from figure import Figure
from rich.console import Console
from rich.table import Table
from timed import timed

from simlib.core.backoff import Backoff, ceiling, longest_s
from simlib.core.backoff_kinds import Growth, Jitter, JitterPlace
from simlib.lab.infer.family_names import name_family
from simlib.lab.infer.fit import fit
from simlib.lab.infer.likelihood import log_likelihood
from simlib.lab.infer.scales import LEAST_S
from simlib.lab.infer.waits import Waits
from simlib.scenario.presets import presets

sys.path.append(str(Path(__file__).parents[2]))
from tests.lab.playing import FOREIGN, drawn, foreign

#: A synthetic observation has so many waits, of clients that fail so often in a row.
WAITS, ROWS = 200, 10


def told_as(rules: Backoff, rows: int) -> Backoff:
    """Return a policy in the form that inference tells, where several forms say the same."""
    # Waits alone do not say from when they are counted.
    rules = replace(rules, counted_from="failure")
    if rules.step_count:
        return _formula(rules)
    flat = rules.factor == 1.0 and rules.growth == Growth.EXPONENTIAL
    if flat and rules.jitter == Jitter.NONE and rules.first_s < inf:
        return replace(rules, steps_s=(rules.first_s, rules.base_s), first_s=inf)
    if flat and rules.jitter == Jitter.ADDITIVE:
        base_s = rules.base_s + rules.add_least_s
        added_s = rules.add_most_s - rules.add_least_s
        return replace(rules, base_s=base_s, cap_s=1e6, add_least_s=0.0, add_most_s=added_s)
    if rules.jitter == Jitter.BELOW:  # the same as proportional jitter around the middle
        middle = 1.0 - rules.spread_fraction / 2.0
        return replace(
            rules,
            jitter=Jitter.PROPORTIONAL,
            jitter_place=JitterPlace.AFTER_CAP,
            base_s=rules.base_s * middle,
            rise_s=rules.rise_s * middle,
            cap_s=rules.cap_s * middle,
            spread_fraction=rules.spread_fraction / 2.0 / middle,
        )
    added = rules.jitter == Jitter.ADDITIVE and rules.add_least_s > -0.05
    if added and rules.jitter_place == JitterPlace.INSIDE:
        return replace(rules, jitter_place=JitterPlace.BEFORE_CAP)
    return rules


def _formula(rules: Backoff) -> Backoff:
    """Return a table of steps as the growth that it follows, if it follows one."""
    steps_s = rules.steps_s
    rules = replace(rules, base_s=LEAST_S, cap_s=max(LEAST_S, *steps_s))
    if len(set(steps_s)) == 1:
        base_s = max(LEAST_S, steps_s[0])
        return replace(rules, base_s=base_s, factor=1.0, steps_s=())
    gaps_s = {round(b - a, 9) for a, b in pairwise(steps_s)}
    if len(gaps_s) == 1 and len(steps_s) > 3:
        base_s, rise_s = max(LEAST_S, steps_s[0]), gaps_s.pop()
        return replace(rules, base_s=base_s, growth="linear", rise_s=rise_s, steps_s=())
    factors = {round(b / a, 9) if a else inf for a, b in pairwise(steps_s[:-1])}
    if len(factors) == 1 and len(steps_s) > 4:
        return replace(rules, base_s=steps_s[0], factor=factors.pop(), steps_s=())
    return rules


def family(rules: Backoff, rows: int) -> str:
    """Return the family that should be told of a policy after so many attempts in a row."""
    told = told_as(rules, rows)
    numbers = range(1, rows + 1)
    free = [ceiling(replace(told, cap_s=1e9), n) for n in numbers]
    capped = told.growth == Growth.LINEAR or told.factor > 1.0
    capped = capped and longest_s(replace(told, cap_s=max(free))) > 1.001 * longest_s(told)
    return name_family(told, capped=capped or told.jitter == Jitter.DECORRELATED)


def truth(rules: Backoff, name: str) -> float:
    """Return the true value of a setting, or of a step of a table."""
    key, _, place = name.partition("[")
    value = getattr(rules, key)
    return float(value[int(place.rstrip("]"))] if place else value)


@dataclass(frozen=True)
class Told:
    """What was told of a preset from one synthetic observation."""

    name: str
    true: str
    told: str
    #: Of each setting, whether its interval holds the truth.
    holds: list[tuple[str, bool]]

    @property
    def is_right(self) -> bool:
        """Whether the family is the right one."""
        return self.true == self.told


def tell(name: str, seed: int) -> Told:
    """Fit 200 waits of a preset, with 2 ms of timing errors."""
    rules = presets[name].client.backoff
    rows = int(min(ROWS, rules.max_attempts))
    found = fit(drawn(rules, WAITS, seed, rows=rows))
    best = told_as(found.best.rules, rows)
    said = name_family(best, capped=found.best.is_capped)
    true, expected = told_as(rules, rows), family(rules, rows)
    holds = [
        (each.name.partition("[")[0], each.low <= truth(true, each.name) <= each.high)
        for each in found.parameters
        if said == expected
    ]
    return Told(name, expected, "none" if found.is_none else said, holds)


def told(replications: int) -> list[Told]:
    """Fit each preset that attempts more than once, so many times.

    One wait in a row tells nothing of growth: an RPC proxy that retries once after 0 to 25 ms looks
    like any late client.
    """
    names = [name for name, each in presets.items() if each.client.backoff.max_attempts > 1]
    return [tell(name, seed) for name in names for seed in range(replications)]


def refusals(replications: int) -> pd.DataFrame:
    """Return of policies in no family how often each was refused, and what else was told."""
    rows = []
    for name in FOREIGN:
        fits = [
            fit(foreign(name, WAITS, seed), intervals=False) for seed in range(1, replications + 1)
        ]
        wrong = Counter(each.best.name for each in fits if not each.is_none)
        rows.append((name, len(fits) - wrong.total(), len(fits), ", ".join(wrong)))
    return pd.DataFrame(rows, columns=["true", "refused", "of", "told"])


def confusion(found: list[Told]) -> pd.DataFrame:
    """Return how often each family was told, by the true one."""
    frame = pd.DataFrame([(each.true, each.told) for each in found], columns=["true", "told"])
    return pd.crosstab(frame["true"], frame["told"])


def shares(found: list[Told]) -> tuple[float, float]:
    """Return how often the family was right, and how often an interval held the truth."""
    holds = [held for each in found for _, held in each.holds]
    return sum(each.is_right for each in found) / len(found), sum(holds) / len(holds)


def one_pass_s(rules: Backoff, seen: pd.DataFrame) -> float:
    """Return how long the likelihood of all waits under one policy takes, as one array."""
    waits = Waits.of(seen)
    return timed(lambda: [log_likelihood(rules, waits) for _ in range(_PASSES)])[0] / _PASSES


#: One pass is too short to be measured alone.
_PASSES = 1000


def inference() -> list[Figure]:
    """The goals: 95 % of the families right, 90 % of the intervals; 1,000 waits in 2 s."""
    right, holds = shares(told(1))
    refused = refusals(1)
    known = [presets[name].client.backoff for name in ("aws-full", "socket.io-client", "grpc-js")]
    waits = [drawn(rules, 1000) for rules in known]
    times = tuple(timed(lambda seen=seen: fit(seen))[0] for seen in waits)  # type: ignore[misc]
    passes = map(one_pass_s, known, waits)
    return [
        Figure("right family from 200 waits", "share", (right,), at_least=0.95),
        Figure(
            "policies in no family refused",
            "share",
            (refused["refused"].sum() / refused["of"].sum(),),
            at_least=1.0,
        ),
        Figure("interval holds the truth", "share", (holds,), at_least=0.9),
        Figure("fit of 1,000 waits", "s", times, at_most=2.0),
        Figure(
            "fit of 1,000 waits over one likelihood pass",
            "passes",
            tuple(time_s / pass_s for time_s, pass_s in zip(times, passes, strict=True)),
        ),
    ]


def main(replications: int) -> None:
    """Print which family was told for which, and how often each interval held the truth."""
    found = told(replications)
    table = confusion(found)
    console = Console(width=110)
    console.print(f"told (columns) by truth (rows), {WAITS} waits each:")
    shown = Table(box=None)
    shown.add_column("")
    names = [str(name) for name in table.columns]
    letters = [chr(ord("a") + i) for i in range(len(names))]
    for letter in letters:
        shown.add_column(letter, justify="right")
    for true, row in table.iterrows():
        shown.add_row(str(true), *(str(count) if count else "." for count in row))
    console.print(shown)
    console.print(*map("{}: {}".format, letters, names), sep="\n")
    for each in found:
        if not each.is_right:
            console.print(f"wrong: {each.name}, {each.true}: told {each.told}")
    counts = Counter((each.true, *held) for each in found for held in each.holds)
    for true, setting in sorted({(true, setting) for true, setting, _ in counts}):
        good, bad = counts[true, setting, True], counts[true, setting, False]
        if bad:
            console.print(f"{good / (good + bad):6.1%} of {good + bad}: {setting} of {true}")
    right, holds = shares(found)
    console.print(f"right family: {right:.1%} of {len(found)}")
    console.print(f"interval holds the truth: {holds:.1%}")
    console.print("policies in no family:")
    console.print(refusals(replications).to_string(index=False))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
