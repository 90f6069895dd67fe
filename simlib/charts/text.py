"""Runs and sweeps as tables of text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from math import isnan
from typing import TYPE_CHECKING

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from simlib.charts.bars import attempt_bars
from simlib.core.card import count_in_words
from simlib.metrics.description import RunDescription
from simlib.metrics.meaning import MEANING
from simlib.metrics.metrics import row
from simlib.metrics.words import format_number, metric_in_words, plus_minus, say_setting
from simlib.scenario.scenario import Scenario
from simlib.trace.disruptions import describe_unnoticed
from simlib.trace.trace import Trace

if TYPE_CHECKING:
    import pandas as pd

    from simlib.experiments.sweep import Sweep


def run_in_words(described: RunDescription) -> Group:
    """Return what a run shows: sentences, lint's hint, attempts over time, numbers by group."""
    trace = described.trace
    parts: list[RenderableType] = [
        headline(trace.scenario, trace.engine),
        "",
        described.sentences,
    ]
    if described.hint:
        parts += ["", Text(described.hint, style="dim")]
    parts += ["", _AttemptBars(trace), "", _numbers(described)]
    if described.note:
        parts += ["", described.note]
    return Group(*parts)


class _AttemptBars:
    """The line of attempts, in characters that the terminal has."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> RenderResult:
        title, bars, marks = attempt_bars(self._trace, options.ascii_only)
        yield from (Text(title, style="dim"), Text(bars))
        if marks:
            yield Text(marks, style="dim")


def _numbers(described: RunDescription) -> Table:
    table = plain_table()
    table.add_column("", no_wrap=True)
    for name in ("value", "p50", "p95", "p99"):
        table.add_column(name, justify="right", no_wrap=True)
    for group, lines in groupby(described.lines, lambda line: line.group):
        table.add_row(Text(group, style="bold"))
        for line in lines:
            table.add_row(f"  {line.words}", line.value, *(line.quantiles or ("", "", "")))
    return table


def all_metrics_in_words(trace: Trace) -> Group:
    """Return all metrics of one run: name, value and meaning."""
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
    clients = count_in_words(scenario.clients, "client")
    size = f"{clients}, {scenario.duration_s:,g} s, seed {scenario.seed}"
    if scenario.warm_up_s:
        size += f"; what came before {scenario.warm_up_s:g} s does not count"
    return Text.assemble((scenario.name, "bold"), f" on {engine}: {size}")


def plain_table() -> Table:
    """Return an empty table for a terminal."""
    # No frame: a table can be copied, and read in any encoding.
    return Table(box=None, padding=(0, 1, 0, 0), header_style="bold")


#: What is said of a combination with which no client connects in some run.
DEAD = "nobody"


def sweep_in_words(sweep_result: Sweep, means: pd.DataFrame) -> Group:
    """Return what was swept, and each combination's means with their intervals."""
    shown = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    keys = list(sweep_result.grid)
    for name in [*_shortest(keys), "runs"]:
        shown.add_column(name, overflow="fold")
    names = [str(name) for name in means.columns if name not in (*keys, "runs")]
    metrics = [name for name in names if not name.endswith((" low", " high"))]
    for metric in metrics:
        shown.add_column(metric_in_words(metric), justify="right", max_width=18)
    dead = sweep_result.nobody_connects()
    for (_, mean_row), is_dead in zip(means.iterrows(), dead, strict=True):
        cells = [say_setting(mean_row[key]) for key in [*keys, "runs"]]
        shown.add_row(*cells, *(_mean(mean_row, metric, is_dead) for metric in metrics))
    said = "Means, with half of the 95 % interval of each."
    if any(dead):
        said += (
            f" {DEAD}: in some run no client ever connects, so there are no times, and to be "
            "easy on the server is no merit."
        )
    return Group(sweep_result.card().title, "", shown, "", said)


def _mean(row: pd.Series, metric: str, is_dead: bool) -> str:
    value = plus_minus(row, metric)
    return value if not is_dead else DEAD if isnan(row[metric]) else f"{value} ({DEAD})"


def _shortest(keys: Sequence[str]) -> list[str]:
    """Return the last parts of paths, where these tell them apart."""
    last = [key.rpartition(".")[2] for key in keys]
    return last if len(set(last)) == len(keys) else list(keys)
