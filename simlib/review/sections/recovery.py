"""Getting back: how soon after a fault, and what it costs in load."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, isfinite, isnan

from simlib.metrics.words import format_number
from simlib.review.chart import recovery_chart, tradeoff_chart
from simlib.review.document import ChartBlock, Content, Paragraph, Section
from simlib.review.material import Material
from simlib.review.question import say_policy
from simlib.review.results import PlayedPolicy
from simlib.review.tables import metrics_table

_METRICS = {
    "time_to_detect_s_p50": "time to detect the fault, 50 %, s",
    "time_to_detect_s_p95": "time to detect the fault, 95 %, s",
    "time_to_recover_s_p50": "time to recover, 50 %, s",
    "time_to_recover_s_p95": "time to recover, 95 %, s",
    "time_to_recover_s_p99": "time to recover, 99 %, s",
    "last_back_s": "the last is back after, s",
    "never_recovered": "clients that were never back",
}


def write_recovery(material: Material) -> Section:
    """Return the section about getting back."""
    blocks: list[Content] = []
    time, load = material.verdict.metrics
    for i, row in enumerate(material.results.by_scenario):
        name, caption = material.by_scenario(
            "recovery", "Times after the fault, means of all runs", i
        )
        if isnan(row[0].mean("time_to_recover_s_p50").value):
            blocks.append(Paragraph(f"No fault that ended in {row[0].scenario.name} hit a client."))
            continue
        subtitle = "Clients that were hit, in one run of each policy; 0 s is the fault's end"
        blocks.append(
            ChartBlock(f"{name}-curves", recovery_title(row), recovery_chart(row), subtitle)
        )
        blocks.append(metrics_table(name, caption, row, _METRICS))
        if len(row) > 1:
            bounds = {b.metric: b.bound(row[0].scenario) for b in material.question.bounds}
            figure = tradeoff_chart(row, time, load, bounds)
            title = tradeoff_title(row, time, load)
            subtitle = "Time to come back, and load on the server: means with 95 % intervals"
            blocks.append(ChartBlock(f"{name}-tradeoff", title, figure, subtitle))
    return Section("recovery", "How soon is everybody back?", tuple(blocks))


def tradeoff_title(row: Sequence[PlayedPolicy], time: str, load: str) -> str:
    """Return what sooner costs in load, in a sentence."""
    points = [(each.mean(time).value, each.mean(load).value, each.name) for each in row]
    if not all(isfinite(value) for point in points for value in point[:2]):
        return "Time to come back, and load on the server"
    soonest, gentlest = min(points), min(points, key=lambda point: (point[1], point[0]))
    first, second = (
        f"{format_number(after_s)} s and {format_number(attempts)}"
        for after_s, attempts, _ in (soonest, gentlest)
    )
    if soonest is gentlest:
        return f"Soonest, with the least load: {first} attempts with {say_policy(soonest[2])}"
    return (
        f"Sooner costs load: {first} attempts with {say_policy(soonest[2])}, {second} with "
        f"{say_policy(gentlest[2])}"
    )


def recovery_title(row: Sequence[PlayedPolicy]) -> str:
    """Return what the chart of times to recover shows, in a sentence."""
    times = sorted((each.mean("time_to_recover_s_p99").value, each.name) for each in row)
    first = times[0]
    if first[0] == inf:
        return "Fewer than 99 % of the clients come back in the run, with any policy"
    start = f"99 % are back after {format_number(first[0])} s with {say_policy(first[1])}"
    if len(times) == 1:
        return start
    last = times[-1]
    if last[0] == inf:
        return f"{start}; with {say_policy(last[1])} they never are in the run"
    return f"{start}, after {format_number(last[0])} s with {say_policy(last[1])}"
