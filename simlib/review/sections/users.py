"""What users see: time offline, and what they are told."""

from __future__ import annotations

from math import isnan

from simlib.core.notices import WORDINGS
from simlib.metrics.words import format_number
from simlib.review.chart import quantiles_chart
from simlib.review.document import ChartBlock, Content, DataTable, Paragraph, Section
from simlib.review.material import Material
from simlib.review.question import say_policy
from simlib.review.results import PlayedPolicy
from simlib.review.tables import metrics_table

_METRICS = {
    "availability_fraction": "time in which a message could leave at once",
    "downtime_s_p50": "a loss lasts, 50 %, s",
    "downtime_s_p95": "a loss lasts, 95 %, s",
    "downtime_s_p99": "a loss lasts, 99 %, s",
    "gave_up": "clients that gave up",
    "polling_fraction": "time on polling",
}


def write_users(material: Material) -> Section:
    """Return the section about what users see."""
    blocks: list[Content] = []
    for i, row in enumerate(material.results.by_scenario):
        name, caption = material.by_scenario("users", "Time offline, means of all runs", i)
        if not isnan(row[0].mean("downtime_s_p50").value):
            title = _title(row)
            figure = quantiles_chart(row, "downtime_s", "time offline after a loss, s")
            blocks.append(
                ChartBlock(f"{name}-downtime", title, figure, "50, 95 and 99 % of the losses")
            )
        blocks.append(metrics_table(name, caption, row, _METRICS))
        blocks += _notices(name, row)
    return Section("users", "What do users see?", tuple(blocks))


def _title(row: tuple[PlayedPolicy, ...]) -> str:
    times = sorted((each.mean("downtime_s_p99").value, each.name) for each in row)
    words = "of the losses last no longer than"
    first = f"99 % {words} {format_number(times[0][0])} s with {say_policy(times[0][1])}"
    if len(times) == 1:
        return first
    return f"{first}, {format_number(times[-1][0])} s with {say_policy(times[-1][1])}".replace(
        "inf s", "the run"
    )


def _notices(name: str, row: tuple[PlayedPolicy, ...]) -> list[Content]:
    """Return how often users were told what, where the engine says so."""
    if row[0].trace.tally is not None:
        return [Paragraph("The fleet engine does not count the notices that users get.")]
    counts = []
    for each in row:
        frame = each.trace.frame()
        told = frame[(frame["kind"] == "command") & (frame["name"] == "notify")]
        counts.append(told["reason"].value_counts())
    rows = []
    for reason, wording in WORDINGS.items():
        numbers = [int(each.get(reason.name.lower(), 0)) for each in counts]
        if any(numbers):
            rows.append([wording.text, *(f"{number:,}" for number in numbers)])
    if not rows:
        return [Paragraph("Users get no notices.")]
    heading = ["notice", *(each.name for each in row)]
    return [DataTable.of(f"{name}-notices", "Notices to all users, in one run", heading, rows)]
