"""Lint findings as text for a terminal, and as a table for a document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from simlib.metrics.words import format_number
from simlib.scenario.presets import Preset
from simlib.studies.policy.lint import SEVERITIES, LintFinding, lint

_STYLES = {"error": "bold red", "warning": "yellow", "info": "dim"}


def lint_in_words(name: str, findings: Sequence[LintFinding], ignored: int = 0) -> Group:
    """Return findings for a terminal, the worst first, and how many were ignored."""
    counts = {severity: sum(f.severity == severity for f in findings) for severity in SEVERITIES}
    said = ", ".join(
        f"{count} {_plural(severity, count)}" for severity, count in counts.items() if count
    )
    table = Table(box=None, padding=(0, 1, 0, 0), show_header=False)
    for _ in range(2):
        table.add_column(no_wrap=True)
    table.add_column(ratio=1)
    several = len({finding.where for finding in findings}) > 1
    for finding in findings:
        where = f"{finding.where}: " if several else ""
        table.add_row(
            Text(finding.severity, _STYLES[finding.severity]),
            finding.rule,
            f"{where}{finding.sentence}",
        )
        table.add_row("", "", Text(f"-> {finding.remedy}", "dim"))
    beside = f", {ignored} ignored" if ignored else ""
    parts: list[RenderableType] = [f"{name}: {said or 'nothing found'}{beside}"]
    return Group(*parts, "", table) if findings else Group(*parts)


def _plural(severity: str, count: int) -> str:
    return severity if severity == "info" or count == 1 else f"{severity}s"


def presets_lint_table(known: Mapping[str, Preset]) -> list[list[str]]:
    """Return the findings of presets as rows of text, the head first: name, errors, warnings.

    Examples
    --------
    >>> import simlib as sl
    >>> presets_lint_table({"partysocket": sl.presets["partysocket"]})
    [['preset', 'errors', 'warnings'], ['partysocket', 'no-jitter', '']]
    """
    rows = [["preset", "errors", "warnings"]]
    for name, preset in known.items():
        findings = lint(preset)
        cells = [
            ", ".join(_short(finding) for finding in findings if finding.severity == severity)
            for severity in ("error", "warning")
        ]
        rows.append([name, *cells])
    return rows


def _short(finding: LintFinding) -> str:
    """Return a finding with its number, where that tells one client from another."""
    if finding.unit in ("attempts at once", "of the wait", "transient codes"):
        return finding.rule
    unit = finding.unit.replace(" of each client", "")
    return f"{finding.rule} {format_number(finding.number)} {unit}"
