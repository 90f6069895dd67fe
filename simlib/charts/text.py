"""Runs and sweeps as tables of text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from math import isnan
from typing import TYPE_CHECKING

import pandas as pd
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from simlib.experiments.sweep import Sweep
from simlib.metrics.meaning import MEANING
from simlib.metrics.metrics import row
from simlib.metrics.words import format_number, metric_in_words, plus_minus
from simlib.scenario.scenario import Scenario
from simlib.trace.disruptions import describe_unnoticed
from simlib.trace.trace import Trace

if TYPE_CHECKING:
    import pandas as pd


def run_in_words(trace: Trace) -> Group:
    """Return the metrics of one run: name, value and meaning."""
    table = plain_table()
    table.add_column("metric", no_wrap=True)
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("meaning", style="dim")
    values = row(trace)
    for name, meaning in MEANING.items():
        value = values.get(name, math.nan)
        table.add_row(
            name, value if isinstance(value, str) else format_number(float(value)), meaning
        )
    parts: list[RenderableType] = [headline(trace.scenario, trace.engine), "", table]
    if unnoticed := describe_unnoticed(trace.scenario):
        parts += ["", unnoticed]
    return Group(*parts)


def headline(scenario: Scenario, engine: str) -> Text:
    """Return what was played, and on what."""
    size = f"{scenario.clients:,} clients, {scenario.duration_s:g} s, seed {scenario.seed}"
    if scenario.warm_up_s:
        size += f"; what came before {scenario.warm_up_s:g} s does not count"
    return Text.assemble((scenario.name, "bold"), f" on {engine}: {size}")


def plain_table() -> Table:
    """Return an empty table for a terminal."""
    # No frame: a table can be copied, and read in any encoding.
    return Table(box=None, padding=(0, 1, 0, 0), header_style="bold")


#: What is said of a combination with which no client connects in some run.
DEAD = "nobody"


def sweep_in_words(found: Sweep, means: pd.DataFrame) -> Group:
    """Return what was swept, and each combination's means with their intervals."""
    shown = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    keys = list(found.grid)
    for name in [*_shortest(keys), "runs"]:
        shown.add_column(name, overflow="fold")
    names = [str(name) for name in means.columns if name not in (*keys, "runs")]
    metrics = [name for name in names if not name.endswith((" low", " high"))]
    for metric in metrics:
        shown.add_column(metric_in_words(metric), justify="right", max_width=18)
    dead = found.nobody_connects()
    for (_, each), is_dead in zip(means.iterrows(), dead, strict=True):
        cells = [_short(each[key]) for key in [*keys, "runs"]]
        shown.add_row(*cells, *(_mean(each, metric, is_dead) for metric in metrics))
    said = "Means, with half of the 95 % interval of each."
    if any(dead):
        said += (
            f" {DEAD}: in some run no client ever connects, so there are no times, and to be "
            "easy on the server is no merit."
        )
    return Group(found.card().title, "", shown, "", said)


def _mean(row: pd.Series, metric: str, is_dead: bool) -> str:
    value = plus_minus(row, metric)
    return value if not is_dead else DEAD if isnan(row[metric]) else f"{value} ({DEAD})"


def _shortest(keys: Sequence[str]) -> list[str]:
    """Return the last parts of paths, where these tell them apart."""
    last = [key.rpartition(".")[2] for key in keys]
    return last if len(set(last)) == len(keys) else list(keys)


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
