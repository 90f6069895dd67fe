"""A comparison as text for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from simlib.metrics.words import format_number
from simlib.studies.compare.compare import COLUMNS_MEAN, NOT_JUDGED

if TYPE_CHECKING:
    import pandas as pd

    from simlib.studies.compare.compare import Comparison
from simlib.charts.text import headline, plain_table

_VERDICT_STYLES = {"agree": "green", "disagree": "bold red", "too little data": "yellow"}


def comparison_in_words(comparison: Comparison) -> Group:
    """Return a comparison for 80 columns and more: table, reasons, verdict and replay."""
    rows, replay = comparison.table, comparison.replay
    parts: list[RenderableType] = [
        headline(comparison.live.scenario, comparison.live.engine),
        f"against {len(comparison.simulated)} simulated runs",
        "",
        _agreement(rows),
        "",
        COLUMNS_MEAN,
        "",
        _reasons(rows),
        "",
        Text(_verdict_in_words(comparison), "bold"),
        f"Decision replay: {replay}.",
    ]
    if replay.first:
        parts.append(f"First that differs: {replay.first}")
    return Group(*parts)


def _verdict_in_words(comparison: Comparison) -> str:
    """Return the headline of a comparison, and for how many metrics it does not hold."""
    verdicts = comparison.table["verdict"]
    agree, scarce = (int((verdicts == word).sum()) for word in ("agree", "too little data"))
    if comparison.verdict == NOT_JUDGED:
        return (
            f"{comparison.headline} {agree} metrics agree, {scarce} have too little data. Play it "
            "again when the machine is less busy, or with fewer clients."
        )
    left_out = f" ({scarce} with too little data)" if scarce else ""
    words = comparison.headline.removesuffix(".")
    return words + " on every metric" * comparison.agreed + left_out + "."


def _agreement(rows: pd.DataFrame) -> Table:
    table = plain_table()
    table.add_column("metric", no_wrap=True)
    for name in ("simulated", "live", "outside", "allowed"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for line in rows.to_dict(orient="records"):
        low, high = format_number(line["sim_low"]), format_number(line["sim_high"])
        table.add_row(
            line["metric"],
            low if low == high else f"{low} .. {high}",
            *(format_number(line[name]) for name in ("live", "outside", "tolerance")),
            Text(line["verdict"], _VERDICT_STYLES[line["verdict"]]),
        )
    return table


def _reasons(rows: pd.DataFrame) -> Table:
    """Return why as much is allowed: the metrics by reason."""
    table = plain_table()
    table.add_column("reason", ratio=1)
    table.add_column("metrics", ratio=1)
    for why, group in rows.groupby("why", sort=False):
        table.add_row(str(why), ", ".join(group["metric"]))
    return table
