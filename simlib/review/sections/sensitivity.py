"""Which setting of the policy decides the results."""

from __future__ import annotations

import re
from math import isnan

from simlib.core.card import count_in_words
from simlib.review.chart import sensitivity_figure
from simlib.review.document import ChartBlock, DataTable, Paragraph, Section
from simlib.review.material import Material
from simlib.review.question import METRIC_WORDS
from simlib.studies.sensitivity.result import as_share, with_interval


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
    heading = ["metric", "setting", "alone", "with others (95 % interval)"]
    rows = [
        [
            METRIC_WORDS[str(row["metric"])],
            str(row["key"]),
            "-" if isnan(row["first"]) else f"{as_share(row['first'])} %",
            "-" if isnan(row["total"]) else with_interval(row, "total"),
        ]
        for _, row in found.table.iterrows()
    ]
    size = f"{found.size}, with {count_in_words(found.scenario.clients, 'client')}"
    words = _in_words(f"Sobol's indices of {size}. {found.note}".strip())
    blocks = (
        ChartBlock("sensitivity", "Share of the variance, by setting", figure, words),
        DataTable.of(
            "sensitivity", "Share of the variance that each setting explains", heading, rows, 2
        ),
    )
    return Section("sensitivity", title, (Paragraph(_in_words(found.headline)), *blocks))


def _in_words(text: str) -> str:
    """Return a text of the analysis with its metrics as a reader of the review knows them."""
    for metric, words in METRIC_WORDS.items():
        text = text.replace(metric, f"the {words}")
    return re.sub(r"(?<=\. )the ", "The ", text)
