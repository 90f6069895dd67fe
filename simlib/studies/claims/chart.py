"""A tested claim as a chart: its estimate along its axis."""

from __future__ import annotations

import os
from collections.abc import Sequence
from math import isfinite
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from simlib.charts.colours import OTHER_COLOURS
from simlib.charts.figures import HEIGHT_IN, WIDTH_IN, save_figure
from simlib.charts.style import dress, new_axes, style
from simlib.charts.titles import write_titles
from simlib.metrics.words import format_number
from simlib.studies.claims.catalogue import Claim
from simlib.studies.claims.claims import ClaimResult

_COLOUR, _GREY, _EDGE = OTHER_COLOURS[0], "#555555", "#D55E00"
_VERDICTS = {"holds": "Holds", "fails": "Does not hold", "undecided": "Undecided"}


def claim_chart(finding: ClaimResult, axes: Axes | None = None) -> Axes:
    """Draw a claim's estimate along its axis, what it requires, and the edge.

    Parameters
    ----------
    finding : ClaimResult
        What `claims` found.
    axes : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes
        The estimate, with its interval as a band.
    """
    with style():
        canvas = new_axes()[0] if axes is None else axes
        dress(canvas)
        _draw(finding, canvas)
    return canvas


def _draw(finding: ClaimResult, axes: Axes) -> None:
    claim, curve = finding.claim, finding.curve
    top = _top(finding)
    x = curve["at"].to_numpy()
    low, value, high = (
        np.minimum(curve[name].to_numpy(), top) for name in ("low", "value", "high")
    )
    axes.fill_between(x, low, high, color=_COLOUR, alpha=0.2, linewidth=0)
    axes.plot(x, value, color=_COLOUR)
    axes.axhline(claim.required, color=_GREY, linewidth=1.0, linestyle="--")
    axes.annotate(
        f"claimed: {describe_requirement(claim)}",
        (x[0], claim.required),
        xytext=(4, 4 if _room_above(finding, top) else -12),
        textcoords="offset points",
        color=_GREY,
    )
    if isfinite(finding.edge):
        axes.axvline(finding.edge, color=_EDGE, linewidth=1.5)
        axes.annotate(
            describe_edge(finding),
            (finding.edge, 0.5),
            xycoords=("data", "axes fraction"),
            xytext=(5, 0),
            textcoords="offset points",
            color=_EDGE,
        )
    axes.set_xlim(x[0], x[-1])
    spread = max(top - min(low.min(), claim.required), 1e-9)
    axes.set_ylim(min(low.min(), claim.required) - 0.08 * spread, top + 0.12 * spread)
    axes.xaxis.set_major_locator(MaxNLocator(8))
    axes.set_xlabel(claim.axis)
    axes.set_ylabel(claim.unit)
    write_titles(axes, describe_verdict(finding), describe_estimate(finding))


def describe_verdict(finding: ClaimResult) -> str:
    """Return what became of a claim, and the claim: a chart's title."""
    return f"{_VERDICTS[finding.verdict]}: {finding.claim.sentence.rstrip('.')}"


def describe_estimate(finding: ClaimResult) -> str:
    """Return what was found beside what was claimed, and how it was tested."""
    claim, estimate = finding.claim, finding.estimate
    value, low, high = map(format_number, (estimate.value, estimate.low, estimate.high))
    found = f"found {value} ({low} to {high})"
    at = f"at {claim.at:,g} ({claim.axis})"
    return f"Claimed {describe_requirement(claim)}, {found} {at}. Band: 95 % interval. {claim.test}"


def describe_requirement(claim: Claim) -> str:
    """Return what a claim requires, with its unit of measure if it has one."""
    unit = claim.unit.partition(", ")[2] if claim.unit.endswith(", s") else ""
    return f"{'at least' if claim.at_least else 'at most'} {claim.required:g} {unit}".rstrip()


def describe_edge(finding: ClaimResult) -> str:
    """Return up to where a claim holds, with the unit of the axis."""
    name, _, unit = finding.claim.axis.rpartition(", ")
    what = f"{unit} ({name})" if name else unit
    return f"holds up to {format_number(finding.edge)} {what}"


def _top(finding: ClaimResult) -> float:
    """Return the highest finite value: a time that never came is drawn there."""
    values = finding.curve[["value", "high"]].to_numpy().ravel()
    return float(max([finding.claim.required, *values[np.isfinite(values)]]))


def _room_above(finding: ClaimResult, top: float) -> bool:
    return finding.claim.required < top


def save_claim_charts(
    findings: Sequence[ClaimResult], folder: str | os.PathLike[str]
) -> list[Path]:
    """Write a chart per claim as PNG; return the files."""
    files = []
    for finding in findings:
        with style():
            figure = Figure(figsize=(WIDTH_IN, HEIGHT_IN))
            claim_chart(finding, figure.subplots())
            name = "".join(c if c.isalnum() else "_" for c in finding.claim.name)
            files.append(save_figure(figure, Path(folder) / f"claim_{name}.png"))
    return files
