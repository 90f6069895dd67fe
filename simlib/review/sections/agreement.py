"""Whether simulation and a live run agree."""

from __future__ import annotations

from simlib.metrics.words import format_number, metric_in_words
from simlib.review.chart import attempts_figure
from simlib.review.document import ChartBlock, DataTable, Paragraph, Section
from simlib.review.material import Material

NOT_ASKED = (
    "No live run was asked for. With --live, the recommended policy is also played on real "
    "WebSockets on this machine, and compared with the simulation metric by metric."
)


def write_agreement(material: Material) -> Section:
    """Return the section about the live run."""
    title = "Does the simulation agree with real connections?"
    found = material.comparison
    if found is None:
        if "agreement" in material.missing:
            return Section("agreement", title, missing=material.missing["agreement"])
        return Section("agreement", title, (Paragraph(NOT_ASKED),))
    figure = attempts_figure(found)
    scenario = found.live.scenario
    rows = [
        [
            metric_in_words(str(row["metric"])),
            _say_range(row["sim_low"], row["sim_high"]),
            format_number(row["live"]),
            str(row["verdict"]),
        ]
        for _, row in found.table.iterrows()
    ]
    size = (
        f"{scenario.clients:,} real clients were played for {scenario.duration_s:g} s; the "
        f"interval is of {len(found.simulated)} simulated runs of the same scenario."
    )
    blocks = (
        Paragraph(f"{found.headline} {size}"),
        ChartBlock("agreement", found.headline.rstrip("."), figure, "Attempts per second"),
        DataTable.of(
            "agreement", "Metric by metric", ["metric", "simulated", "live", "verdict"], rows
        ),
    )
    return Section("agreement", title, blocks)


def _say_range(low: float, high: float) -> str:
    ends = dict.fromkeys(map(format_number, (low, high)))
    return " to ".join(ends)
