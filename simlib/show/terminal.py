"""Results as tables for a terminal: what stands in which column, and how a number is written."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from simlib.interruptions import unnoticed_in_words
from simlib.scenario import Scenario
from simlib.study.compare import COLUMNS_MEAN, NOT_JUDGED
from simlib.study.metrics import MEANING, row
from simlib.study.review import words_and_unit
from simlib.trace import Trace

if TYPE_CHECKING:
    import pandas as pd

    from simlib.study.compare import Comparison

_VERDICT_STYLES = {"agree": "green", "disagree": "bold red", "too little data": "yellow"}


def run_in_words(trace: Trace) -> Group:
    """Return the metrics of one run: name, value and meaning."""
    table = _table()
    table.add_column("metric", no_wrap=True)
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("meaning", style="dim")
    values = row(trace)
    for name, meaning in MEANING.items():
        value = values.get(name, math.nan)
        table.add_row(name, value if isinstance(value, str) else written(float(value)), meaning)
    parts: list[RenderableType] = [headline(trace.scenario, trace.engine), "", table]
    if unnoticed := unnoticed_in_words(trace.scenario):
        parts += ["", unnoticed]
    return Group(*parts)


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


def written(value: float) -> str:
    """Return a number for reading: three digits, at most four decimals; ``-`` for NaN.

    Examples
    --------
    >>> written(0.012345), written(-0.00042), written(1234.5), written(math.inf), written(math.nan)
    ('0.0123', '-0.0004', '1,234', 'inf', '-')
    """
    if math.isnan(value):
        return "-"
    return f"{value:,.0f}" if 100.0 <= abs(value) < math.inf else f"{round(value, 4):.3g}"


def in_words(metric: str) -> str:
    """Return a metric's name with its quantile and its unit apart, as tables and axes have it.

    Examples
    --------
    >>> in_words("time_to_recover_s_p99"), in_words("peak_attempts_per_s"), in_words("lost")
    ('time to recover, 99 %, s', 'peak attempts, 1/s', 'lost')
    """
    words, unit = words_and_unit(metric)
    return f"{words}, {unit}" if unit else words


def plus_minus(row: pd.Series, metric: str) -> str:
    """Return a mean with half of its interval, of a row that has both ends beside it."""
    value, low, high = (float(row[f"{metric}{end}"]) for end in ("", " low", " high"))
    if value == math.inf:
        return "never"
    if not math.isfinite(low) or not math.isfinite(high):
        return written(value)
    half = (high - low) / 2.0
    # What all runs agree on differs by rounding alone.
    half = 0.0 if half < 1e-9 * abs(value) else half
    return f"{written(value)} \N{PLUS-MINUS SIGN}{half:.2g}"


def headline(scenario: Scenario, engine: str) -> Text:
    """Return what was played, and on what."""
    size = f"{scenario.clients:,} clients, {scenario.duration_s:g} s, seed {scenario.seed}"
    if scenario.warm_up_s:
        size += f"; what came before {scenario.warm_up_s:g} s does not count"
    return Text.assemble((scenario.name, "bold"), f" on {engine}: {size}")


def _agreement(rows: pd.DataFrame) -> Table:
    table = _table()
    table.add_column("metric", no_wrap=True)
    for name in ("simulated", "live", "outside", "allowed"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for line in rows.to_dict(orient="records"):
        low, high = written(line["sim_low"]), written(line["sim_high"])
        table.add_row(
            line["metric"],
            low if low == high else f"{low} .. {high}",
            *(written(line[name]) for name in ("live", "outside", "tolerance")),
            Text(line["verdict"], _VERDICT_STYLES[line["verdict"]]),
        )
    return table


def _reasons(rows: pd.DataFrame) -> Table:
    """Return why as much is allowed: the metrics by reason."""
    table = _table()
    table.add_column("reason", ratio=1)
    table.add_column("metrics", ratio=1)
    for why, group in rows.groupby("why", sort=False):
        table.add_row(str(why), ", ".join(group["metric"]))
    return table


def _table() -> Table:
    # No frame: a table can be copied, and read in any encoding.
    return Table(box=None, padding=(0, 1, 0, 0), header_style="bold")
