"""A tuning as text for a terminal."""

from __future__ import annotations

from typing import Any

import pandas as pd
from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from simlib.core.card import count_in_words
from simlib.experiments.bound_words import bounds_in_words
from simlib.metrics.words import join_words, metric_in_words, plus_minus
from simlib.studies.tune.chart import _labelled_candidates
from simlib.studies.tune.result import Tuning


def tuning_in_words(tuning: Tuning) -> Group:
    """Return what was found for a terminal: the sentences, the candidates, the limits."""
    counts = tuning.trials["outcome"].value_counts()
    told = {"full": "played out", "discarded": "discarded early", "refused": "not playable"}
    played = join_words(
        [f"{counts[name]} {words}" for name, words in told.items() if name in counts]
    )
    first, *others = (scenario.name for scenario in tuning.scenarios)
    scenarios = ", ".join([first, *(name.removeprefix(f"{first}, ") for name in others)])
    head = Text.assemble(
        (tuning.scenarios[0].name, "bold"),
        f" on {tuning.on}: {count_in_words(len(tuning.trials), 'trial')}, {played}",
    )
    what, *more = tuning.verdict.sentences
    parts: list[Any] = [head, f"Scenarios: {scenarios}", "", Text(what, "bold")]
    parts += [*map(Text, more), "", _candidates(tuning), "", _legend(tuning)]
    if tuning.verdict.unplayed:
        parts.append(_describe_unplayed(tuning))
    return Group(*parts)


def _describe_unplayed(tuning: Tuning) -> str:
    """Say which rivals were not played: those that cost too much, with how much it is."""
    named = [
        f"{name} ({why})" if why.startswith("would make") else name
        for name, why in tuning.verdict.unplayed.items()
    ]
    return f"Not played: {', '.join(named)}."


def _candidates(tuning: Tuning) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold", expand=True)
    table.add_column("policy", ratio=1)
    for objective in tuning.objectives:
        table.add_column(metric_in_words(objective.metric), justify="right", max_width=18)
    if tuning.bounds:
        table.add_column("bounds", no_wrap=True)
    named = _labelled_candidates(tuning)
    tuned = tuning.verdict.table.iloc[1:].query("kind == 'tuned'")
    shown = pd.concat([named.head(1), tuned, named.iloc[1:]])
    for _, row in shown.iterrows():
        cells: list[Any] = [
            Group(Text(str(row["name"])), Padding(Text(row["waits"], "dim"), (0, 0, 0, 2)))
        ]
        cells += [plus_minus(row, objective.metric) for objective in tuning.objectives]
        if tuning.bounds:
            cells.append(Text("kept", "green") if row["keeps"] else Text("broken", "red"))
        table.add_row(*cells)
    return table


def _legend(tuning: Tuning) -> str:
    words = bounds_in_words(tuning.bounds, tuning.scenarios)
    bounds = f" Bounds: {words}." if words else ""
    seeds = int(tuning.verdict.table["replications"].max())
    scenarios = f"{len(tuning.scenarios)} scenarios and " if len(tuning.scenarios) > 1 else ""
    return (
        f"Means over {scenarios}{count_in_words(seeds, 'fresh seed')}, with half of the "
        f"95 % interval; who is known, or surely worse, after fewer was not played on.{bounds}"
    )
