"""A diff for a terminal."""

from __future__ import annotations

from itertools import groupby

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from simlib.differences.diff import Diff
from simlib.differences.words import DIFF_HEADING, change_row, describe_intervals, say_verdict

_STYLES = {"better": "green", "worse": "red"}


def diff_in_words(found: Diff) -> Group:
    """Return a diff for a terminal: the finding, metrics by group, settings, verdicts."""
    parts: list[RenderableType] = [Text(found.finding)]
    if found.changes:
        parts += ["", _metrics_table(found)]
        if intervals := describe_intervals(len(found.all_changes), found.count):
            parts.append(Text(intervals, "dim"))
    if found.settings:
        parts += ["", _settings_table(found)]
    parts += ["" for _ in found.notes[:1]] + [Text(note, "dim") for note in found.notes]
    parts += ["" for _ in found.verdicts[:1]] + [
        Text(say_verdict(verdict), "bold red" if verdict.is_exceeded else "")
        for verdict in found.verdicts
    ]
    return Group(*parts)


def _metrics_table(found: Diff) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0))
    for i, name in enumerate(DIFF_HEADING):
        is_last = i >= len(DIFF_HEADING) - 2
        table.add_column(name, justify="right" if 0 < i < 4 else "left", no_wrap=not is_last)
    for group, changes in groupby(found.changes, lambda change: change.group):
        table.add_row(Text(group, "bold"))
        for change in changes:
            *cells, side = change_row(change)
            table.add_row(*cells, Text(side, _STYLES.get(side, "")))
    return table


def _settings_table(found: Diff) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("setting", "old", "new"):
        table.add_column(name, overflow="fold")
    for change in found.settings:
        table.add_row(*change)
    return table
