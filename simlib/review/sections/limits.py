"""Where the recommendation stops being best: other outages, other sizes."""

from __future__ import annotations

from dataclasses import replace
from math import isnan

from simlib.core.card import count_in_words
from simlib.review.chart import best_chart
from simlib.review.document import ChartBlock, Content, DataTable, Paragraph, Section
from simlib.review.grid import CLIENTS_AXIS, NUMBERS, OUTAGE_AXIS, Grid, say_value
from simlib.review.material import Material
from simlib.review.question import say_policy
from simlib.review.tables import say_number

_NOBODY_HIT = "No fault that ends in the run hits a client, so nobody has to come back."
#: What varies, in a sentence.
_AXIS_WORDS = {OUTAGE_AXIS: "outage length", CLIENTS_AXIS: "number of clients"}


def write_limits(material: Material) -> Section:
    """Return the section about the grid."""
    title = "Where does the recommendation stop being best?"
    grid = material.grid
    if grid is None:
        return Section(
            "limits", title, missing=material.missing.get("limits", "No grid was played.")
        )
    words = _NOBODY_HIT if _nobody_was_hit(grid) else describe_limits(material)
    blocks: list[Content] = [Paragraph(words)]
    if len(grid.policies) > 1 and not _nobody_was_hit(grid):
        subtitle = (
            "Time until 99 % of the clients hit are back, one run each; framed: the scenario itself"
        )
        words = "The policy with which 99 % of the clients are back soonest"
        blocks.append(ChartBlock("limits", words, best_chart(grid), subtitle))
    blocks.append(grid_table(grid))
    if grid.failures:
        missing = count_in_words(len(grid.failures), "point")
        blocks.append(Paragraph(f"{missing} could not be played: {grid.failures[0]}"))
    return Section("limits", title, tuple(blocks))


def _nobody_was_hit(grid: Grid) -> bool:
    return all(isnan(point.numbers["time_to_recover_s_p99"]) for point in grid.points)


def describe_limits(material: Material) -> str:
    """Return in a sentence at how many points of the grid the recommendation is best."""
    grid, chosen = material.grid, material.verdict.recommended
    if grid is None or chosen is None:
        return ""
    if _nobody_was_hit(grid):
        return ""
    what = " and ".join(_AXIS_WORDS.get(axis.key, axis.key) for axis in grid.axes)
    if len(grid.policies) == 1:
        late = [_say_place(grid, place) for place in grid.places if not grid.best_at(place)]
        where = f"except with {' or with '.join(late[:2])}" if late else "in every combination"
        return f"With other values of {what}, 99 % come back within the run {where}."
    other = {
        place: grid.best_at(place) for place in grid.places if grid.best_at(place) != chosen.name
    }
    best = len(grid.places) - len(other)
    if not other:
        return f"It has clients back soonest in all {best} simulated combinations of {what}."
    place, name = next(iter(other.items()))
    first = f"with {_say_place(grid, place)}, {say_policy(name) if name else 'no policy'} is"
    return (
        f"It has clients back soonest in {best} of {len(grid.places)} simulated combinations of "
        f"{what}; {first}{' sooner' if name else ' in time'}."
    )


def _say_place(grid: Grid, place: tuple[int, ...]) -> str:
    return " and ".join(
        say_value(axis.key, axis.values[i]) for axis, i in zip(grid.axes, place, strict=True)
    )


def grid_table(grid: Grid) -> DataTable:
    """Return every point of the grid as a row."""
    heading = [*(axis.label for axis in grid.axes), "policy", *NUMBERS.values()]
    rows = []
    for point in grid.points:
        values = [axis.values[i] for axis, i in zip(grid.axes, point.place, strict=True)]
        shown = [f"{v:,.10g}" if isinstance(v, (int, float)) else str(v) for v in values]
        numbers = [say_number(point.numbers[name]) for name in NUMBERS]
        rows.append([*shown, point.policy, *numbers])
    table = DataTable.of("grid", "Every point that was played", heading, rows, len(grid.axes) + 1)
    return replace(table, is_long=True)
