"""The bounds: a row for each policy and bound, with margin and verdict."""

from __future__ import annotations

from math import isfinite

from simlib.experiments.bound_words import bound_in_words
from simlib.metrics.words import say_mean
from simlib.review.document import DataTable, Paragraph, Section
from simlib.review.material import Material
from simlib.review.tables import say_number


def write_bounds(material: Material) -> Section:
    """Return the section with the verdict on every bound."""
    several = len(material.question.scenarios) > 1
    scenarios = {scenario.name: scenario for scenario in material.question.scenarios}
    rows = []
    for each in material.verdict.bounds:
        margin = f"{100 * each.margin:+.3g} %" if isfinite(each.margin) and each.limit else "-"
        where = [each.scenario] if several else []
        words = bound_in_words(each.bound, [scenarios[each.scenario]])
        rows.append([each.policy.name, *where, words, say_mean(each.mean),
                     say_number(each.limit), margin, each.word])  # fmt: skip
    heading = ["policy", *(["scenario"] if several else []),
               "bound", "mean (95 % interval)", "limit", "margin", "verdict"]  # fmt: skip
    words = (
        "A policy keeps a bound if the whole 95 % interval of the mean does, and breaks it if the "
        "whole interval is beyond; between the two it is not certain, and more runs would tell."
    )
    table = DataTable.of("bounds", "Every bound, policy by policy", heading, rows, 3 + several)
    return Section("bounds", "Does each policy keep the bounds?", (Paragraph(words), table))
