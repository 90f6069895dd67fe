"""One measured number beside its goal, as a table's row and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf
from statistics import median
from typing import Any

from machine import Busyness
from rich.table import Table


@dataclass(frozen=True)
class Figure:
    """A number measured several times, or why it was not; a goal that is infinite is none."""

    name: str
    unit: str
    values: tuple[float, ...]
    at_most: float = inf
    at_least: float = -inf
    skipped: str = ""
    #: Set by whoever ran the benchmark: the load average, and what other programs used meanwhile.
    load: float = 0.0
    others_share: float = 0.0
    busy: bool = False

    def beside(self, busyness: Busyness) -> Figure:
        """Return the figure with how busy the machine was when it was measured."""
        return replace(
            self,
            load=busyness.load,
            others_share=busyness.others_share,
            busy=busyness.busy,
        )

    @property
    def more_is_better(self) -> bool:
        return self.at_least > -inf

    @property
    def numbers(self) -> tuple[float, ...]:
        """Median, lowest and highest; nothing if it was skipped."""
        return (median(self.values), min(self.values), max(self.values)) if self.values else ()

    @property
    def goal(self) -> str:
        if self.at_most < inf:
            return f"at most {self.at_most:g}"
        return f"at least {self.at_least:g}" if self.at_least > -inf else ""

    @property
    def verdict(self) -> str:
        if self.skipped:
            return "skipped"
        if not self.goal:
            return ""
        if self.busy:
            return "busy"
        return "met" if self.at_least <= self.numbers[0] <= self.at_most else "missed"

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "unit": self.unit,
            **dict(zip(("median", "min", "max"), self.numbers, strict=False)),
            "goal": self.goal,
            "verdict": self.verdict,
            "skipped": self.skipped,
            "values": self.values,
            "load": self.load,
            "others_share": self.others_share,
        }


def as_table(figures: Sequence[Figure]) -> Table:
    """Return the figures as one table: median, min, max, load, goal, and whether it is met."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("figure", no_wrap=True)
    for heading in ("median", "min", "max", "runs", "load"):
        table.add_column(heading, justify="right", no_wrap=True)
    for heading in ("unit", "goal", ""):
        table.add_column(heading, no_wrap=True)
    for figure in figures:
        numbers = [f"{each:,.3g}" if each < 100 else f"{each:,.0f}" for each in figure.numbers]
        style = {"missed": "red", "met": "green"}.get(figure.verdict, "yellow")
        table.add_row(
            figure.name,
            *(numbers or ["-"] * 3),
            str(len(figure.values)),
            f"{figure.load:.1f}",
            figure.unit,
            figure.goal,
            f"[{style}]{figure.verdict}[/]",
        )
    return table
