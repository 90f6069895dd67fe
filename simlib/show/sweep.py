"""A sweep's means as a table for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan

import pandas as pd
from rich.console import Group
from rich.table import Table

from simlib.show.terminal import in_words, plus_minus
from simlib.study.sweep import Sweep

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
        shown.add_column(in_words(metric), justify="right", max_width=18)
    dead = found.nobody_connects()
    for (_, row), is_dead in zip(means.iterrows(), dead, strict=True):
        cells = [_short(row[key]) for key in [*keys, "runs"]]
        shown.add_row(*cells, *(_mean(row, metric, is_dead) for metric in metrics))
    said = "Means, with half of the 95 % interval of each."
    if any(dead):
        said += (
            f" {DEAD}: in some run no client ever connects, so there are no times, and to be "
            "easy on the server is no merit."
        )
    return Group(repr(found), "", shown, "", said)


def _mean(row: pd.Series, metric: str, is_dead: bool) -> str:
    value = plus_minus(row, metric)
    return value if not is_dead else DEAD if isnan(row[metric]) else f"{value} ({DEAD})"


def _shortest(keys: Sequence[str]) -> list[str]:
    """Return the last parts of paths, where these tell them apart."""
    last = [key.rpartition(".")[2] for key in keys]
    return last if len(set(last)) == len(keys) else list(keys)


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
