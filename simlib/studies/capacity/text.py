"""A capacity study as text for a terminal."""

from __future__ import annotations

from rich.console import Group
from rich.table import Table
from rich.text import Text

from simlib.charts.text import headline
from simlib.metrics.words import format_number
from simlib.studies.capacity.capacity import Capacity

_STYLES = {"edge": "green", "everywhere": "green", "nowhere": "bold red", "no difference": "yellow"}


def capacity_in_words(capacity_result: Capacity) -> Group:
    """Return the findings for a terminal: the question, a row per setting, and what else to say."""
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("setting", no_wrap=True)
    table.add_column("given", justify="right")
    table.add_column("needed")
    table.add_column("back after, s", justify="right", no_wrap=True)
    table.add_column("peak attempts/s", justify="right", no_wrap=True)
    for knob in capacity_result.knobs:
        table.add_row(
            knob.key,
            knob.in_words(knob.given),
            Text(knob.answer, _STYLES[knob.outcome]),
            format_number(knob.time_to_recover_s),
            format_number(knob.peak_attempts_per_s),
        )
    played = headline(capacity_result.scenario, capacity_result.on)
    return Group(
        played,
        capacity_result.headline,
        "",
        table,
        *([""] if capacity_result.notes else []),
        *capacity_result.notes,
    )
