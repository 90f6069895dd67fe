"""A sensitivity analysis as text for a terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from simlib.charts.text import headline
from simlib.studies.sensitivity.chart import _CALLED, _varies
from simlib.studies.sensitivity.result import Sensitivity, with_interval


def sensitivity_in_words(analysis: Sensitivity) -> Group:
    """Return the findings for a terminal: what decides, a table per metric, what else to say."""
    parts: list[Any] = [
        headline(analysis.scenario, analysis.on),
        analysis.size,
        "",
        analysis.headline,
    ]
    for metric in analysis.metrics:
        if _varies(analysis, metric):
            title = Text(f"Share of the variance of {metric}, alone and with others", "bold")
            parts += ["", title, _table(analysis, metric)]
    return Group(*parts, *(["", analysis.note] if analysis.note else []))


def _table(analysis: Sensitivity, metric: str) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("setting", no_wrap=True)
    table.add_column("values", overflow="fold")
    for name in _CALLED.values():
        table.add_column(name, justify="right", no_wrap=True)
    values = {axis.key: axis.in_words for axis in analysis.axes}
    for row in analysis.of(metric).to_dict(orient="records"):
        said = [with_interval(row, order) for order in _CALLED]
        table.add_row(row["key"], values[row["key"]], *said)
    return table
