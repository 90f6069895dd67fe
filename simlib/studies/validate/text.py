"""A validation as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group as Lines
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from simlib.studies.validate.case import HEADINGS, Topic
from simlib.studies.validate.judge import ValidationRow
from simlib.studies.validate.validate import Validation, cells

_STYLES = {"holds": "green", "fails": "bold red", "skipped": "yellow"}


def validation_in_words(validation: Validation) -> Lines:
    """Return the table for a terminal: a heading for each group, a row for each number."""
    parts = [part for group in Topic for part in _group(group, validation)]
    return Lines(*parts, validation.headline, validation.explanation)


def _group(group: Topic, validation: Validation) -> Iterator[RenderableType]:
    rows = [row for row in validation.rows if row.group == group]
    if rows:
        yield Text(f"{HEADINGS[group]} ({group.value})", style="bold")
        yield _table(rows)
        yield ""


def _table(rows: list[ValidationRow]) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim")
    table.add_column("what", width=33)
    table.add_column("reference", justify="right", width=9)
    table.add_column("simlib, interval", justify="right", width=18)
    table.add_column("off by", justify="right", width=8)
    table.add_column("verdict", no_wrap=True, width=7)
    for row in rows:
        reference, found, difference, verdict = cells(row)
        table.add_row(row.name, reference, found, difference, Text(verdict, _STYLES[verdict]))
    return table


def validation_as_markdown(validation: Validation) -> str:
    """Return the tables for a page: with the source of each reference."""
    lines = []
    for group in Topic:
        rows = [row for row in validation.rows if row.group == group]
        if rows:
            lines += [f"### {HEADINGS[group]}", "", *_markdown_table(rows), ""]
    return "\n".join(lines).rstrip()


def _markdown_table(rows: list[ValidationRow]) -> Iterator[str]:
    sources = {row.source for row in rows}
    # A source that all rows share is said once: the table then fits a page, a line for each row.
    own = len(sources) > 1
    if not own:
        yield from (f"The source of each reference: {rows[0].source}.", "")
    heading = ["what", "reference", "simlib, interval", "off by", "verdict", *["source"] * own]
    for line in (heading, ["---"] * len(heading)):
        yield f"| {' | '.join(line)} |"
    for row in rows:
        # A number stays beside its unit or percent sign; a reason why there is none may be long.
        beside = "\N{NO-BREAK SPACE}" if row.observations else " "
        numbers = [cell.replace(" ", beside) for cell in cells(row)]
        yield f"| {' | '.join((row.name, *numbers, *[row.source] * own))} |"
