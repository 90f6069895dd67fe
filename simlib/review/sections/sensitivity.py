"""Which setting of the policy decides the results."""

from __future__ import annotations

from simlib.metrics.words import format_number, metric_in_words
from simlib.review.chart import sensitivity_figure
from simlib.review.document import ChartBlock, DataTable, Paragraph, Section
from simlib.review.material import Material


def write_sensitivity(material: Material) -> Section:
    """Return the section about sensitivity."""
    title = "Which setting decides?"
    found = material.sensitivity
    if found is None:
        return Section(
            "sensitivity",
            title,
            missing=material.missing.get("sensitivity", "It was not asked for."),
        )
    figure = sensitivity_figure(found)
    heading = ["metric", "setting", "alone", "in all (95 % interval)"]
    rows = []
    for _, row in found.table.iterrows():
        total, low, high = (
            format_number(float(row[name])) for name in ("total", "total_low", "total_high")
        )
        first, metric = format_number(float(row["first"])), metric_in_words(str(row["metric"]))
        rows.append([metric, str(row["key"]), first, f"{total} ({low} to {high})"])
    words = f"Sobol's indices over {found.size}. {found.note}".strip()
    blocks = (
        ChartBlock("sensitivity", "Share of the variance, by setting", figure, words),
        DataTable.of(
            "sensitivity", "Share of the variance that each setting explains", heading, rows, 2
        ),
    )
    return Section("sensitivity", title, (Paragraph(found.headline), *blocks))
