"""Tested claims as text for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from simlib.metrics.intervals import CONFIDENCE
from simlib.metrics.words import format_number
from simlib.studies.claims.claims import ClaimResult

_STYLES = {"holds": "green", "fails": "bold red", "undecided": "yellow"}


def claims_in_words(findings: Sequence[ClaimResult]) -> Group:
    """Return the findings for a terminal: a verdict, an estimate and an edge per claim."""
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("claim", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("estimate", justify="right", no_wrap=True)
    table.add_column(f"{100.0 * CONFIDENCE:.0f} % interval", justify="right", no_wrap=True)
    table.add_column("n", justify="right", no_wrap=True)
    table.add_column("holds up to", justify="right")
    lived = any(finding.live is not None for finding in findings)
    if lived:
        table.add_column("live", justify="right", no_wrap=True)
    for finding in findings:
        estimate = finding.estimate
        cells: list[RenderableType] = [
            finding.claim.name,
            Text(finding.verdict, _STYLES[finding.verdict]),
            _exact(estimate.value),
            f"{_exact(estimate.low)} .. {_exact(estimate.high)}",
            f"{estimate.observations:,}",
            _edge(finding),
        ]
        if lived:
            cells.append("-" if finding.live is None else _exact(finding.live.value))
        table.add_row(*cells)
    reasons = Table(box=None, padding=(0, 1, 0, 0), header_style="bold")
    reasons.add_column("claim", no_wrap=True)
    reasons.add_column("required", justify="right", no_wrap=True)
    reasons.add_column("how it was tested, and what theory says", style="dim")
    for finding in findings:
        claim = finding.claim
        word = ">=" if claim.at_least else "<="
        at = f"at {claim.at:g} ({claim.axis})"
        theory = f"; {claim.theory}" if claim.theory else ""
        reasons.add_row(claim.name, f"{word} {claim.required:g}", f"{claim.test}, {at}{theory}")
    return Group(table, "", reasons)


def _exact(value: float) -> str:
    return f"{value:.5f}" if 0.99 < value < 1.0 else format_number(value)


def _edge(finding: ClaimResult) -> str:
    unit = finding.claim.axis
    if finding.edge == inf:
        return f"{finding.claim.high:g}+ ({unit})"
    if finding.edge == -inf:
        return f"not even {finding.claim.low:g} ({unit})"
    return f"{format_number(finding.edge)} ({unit})"
