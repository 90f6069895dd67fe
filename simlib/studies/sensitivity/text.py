"""A sensitivity analysis as text for a terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from simlib.charts.text import headline
from simlib.studies.sensitivity.chart import _CALLED, _varies
from simlib.studies.sensitivity.sensitivity import Sensitivity, with_interval


def sensitivity_in_words(found: Sensitivity) -> Group:
    """Return the findings for a terminal: what decides, a table per metric, what else to say."""
    parts: list[Any] = [headline(found.scenario, found.on), found.size, "", found.headline]
    for metric in found.metrics:
        if _varies(found, metric):
            title = Text(f"Share of the variance of {metric}, alone and with others", "bold")
            parts += ["", title, _table(found, metric)]
    return Group(*parts, *(["", found.note] if found.note else []))


def _table(found: Sensitivity, metric: str) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("setting", no_wrap=True)
    table.add_column("values", overflow="fold")
    for name in _CALLED.values():
        table.add_column(name, justify="right", no_wrap=True)
    values = {axis.key: axis.in_words for axis in found.axes}
    for row in found.of(metric).to_dict(orient="records"):
        said = [with_interval(row, order) for order in _CALLED]
        table.add_row(row["key"], values[row["key"]], *said)
    return table
