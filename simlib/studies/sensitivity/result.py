"""The result of a sensitivity analysis: its indices, its points, and the main results in words."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isnan
from pathlib import Path
from typing import Any

import pandas as pd

from simlib.core.card import Card, ShowsCard
from simlib.experiments.space import Axis
from simlib.metrics.words import join_words, table_card
from simlib.scenario.origin import describe_origin
from simlib.scenario.scenario import Scenario
from simlib.support.json_values import jsonable
from simlib.support.made_by import KEY, current_command
from simlib.support.parquet import save_table


@dataclass(frozen=True, repr=False)
class Sensitivity(ShowsCard):
    """Which setting decides a metric, as Sobol's indices; prints itself as a table.

    Attributes
    ----------
    scenario : Scenario
        The scenario as given.
    axes : tuple of Axis
        What was varied.
    on : str
        The engine that played.
    metrics : tuple of str
        What the settings are asked about.
    replications : int
        Seeds of each point.
    table : DataFrame
        A row per metric and setting, ``metric`` and ``key``, those that matter most first:
        ``first``, the share of the variance that the setting explains alone, and ``total``, the
        share it has a part in, alone or with others; each with its 95 % interval, as
        ``first_low``, ``first_high``, ``total_low``, ``total_high``. These are estimates, so few
        samples may put them below 0 or above 1. NaN: no variance at all.
    points : DataFrame
        A row per point: the settings; of each metric the mean over the seeds, NaN if a run
        failed; ``endless``, how many of its runs had a time that never came.
    failures : DataFrame
        A row per run that failed: the settings, ``seed``, ``failure``.
    resumed : int
        How many runs had been finished before, and were not played again.
    note : str
        What else there is to say.
    made_by : str
        The command, or the call in Python, that made it.
    """

    scenario: Scenario
    axes: tuple[Axis, ...]
    on: str
    metrics: tuple[str, ...]
    replications: int
    table: pd.DataFrame
    points: pd.DataFrame
    failures: pd.DataFrame
    resumed: int = 0
    note: str = ""
    made_by: str = field(default_factory=current_command)

    @property
    def samples(self) -> int:
        """How many samples there are, each of as many points as there are axes, and two."""
        return len(self.points) // (len(self.axes) + 2)

    @property
    def size(self) -> str:
        """How much was played, in words."""
        seeds_ = "1 seed" if self.replications == 1 else f"{self.replications} seeds"
        return f"{len(self.points):,} points, {seeds_} each"

    @property
    def headline(self) -> str:
        """The main results, a sentence per metric."""
        return " ".join(_sentence(self.of(metric)) for metric in self.metrics)

    def of(self, metric: str) -> pd.DataFrame:
        """Return the rows of one metric, the setting that matters most first."""
        return self.table[self.table["metric"] == metric]

    def save(self, folder: str | Path) -> None:
        """Write the points to ``points.parquet`` in a folder, atomically."""
        origin = describe_origin(self.made_by, self.scenario)
        save_table(Path(folder) / "points.parquet", self.points, origin)

    def to_json(self) -> dict[str, Any]:
        """Return everything but the points as values for JSON."""
        document = {
            "scenario": self.scenario.name,
            "clients": self.scenario.clients,
            "seed": self.scenario.seed,
            "engine": self.on,
            "samples": self.samples,
            "points": len(self.points),
            "replications": self.replications,
            "space": {axis.key: axis.in_words for axis in self.axes},
            "headline": self.headline,
            "table": self.table,
            "failures": self.failures,
            "note": self.note,
            KEY: describe_origin(self.made_by, self.scenario),
        }
        return dict(jsonable(document))

    def card(self) -> Card:
        """Return what is shown: which setting decides what, with intervals."""
        title = f"Sensitivity of {self.scenario.name} on {self.on}: {self.size}"
        return table_card(title, self.table, (self.headline, self.note))


def _sentence(rows: pd.DataFrame) -> str:
    top = rows.iloc[0]
    metric = top["metric"]
    if isnan(top["total"]):
        return f"{metric} is the same all over the space."
    said = (
        f"Of the variance of {metric}, {top['key']} explains {with_interval(top, 'total')}, "
        f"alone {as_share(top['first'])} %"
    )
    close = [row for _, row in rows.iloc[1:].iterrows() if row["total_high"] >= top["total_low"]]
    if close:
        also = join_words([f"{row['key']} ({as_share(row['total'])} %)" for row in close])
        said += f"; {also} may matter as much"
    return f"{said}."


def with_interval(row: Any, order: str) -> str:
    """Return an index in a row of the table, ``first`` or ``total``, with its interval.

    Examples
    --------
    >>> with_interval({"first": 0.604, "first_low": -0.02, "first_high": 1.1}, "first")
    '60 % (0 to 100)'
    """
    value, low, high = (as_share(row[f"{order}{end}"]) for end in ("", "_low", "_high"))
    return f"{value} % ({low} to {high})"


def as_share(index: float) -> int:
    """Return an index in hundredths: an estimate may be outside of 0 to 1, a share is not."""
    return round(100 * min(1.0, max(0.0, index)))
