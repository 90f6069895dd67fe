"""The load on the server: attempts over time, and what they amount to."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, isfinite

from simlib.metrics.words import REFUSALS, format_number
from simlib.review.chart import load_chart
from simlib.review.document import ChartBlock, Content, Section
from simlib.review.material import Material
from simlib.review.question import say_policy
from simlib.review.results import PlayedPolicy
from simlib.review.tables import metrics_table
from simlib.scenario.rates import handshakes_per_s

_METRICS = {
    "peak_after_fault_per_s": "attempts in the worst second after the fault",
    "peak_attempts_per_s": "attempts in the worst second of the run",
    "attempts": "attempts in all",
    "amplification": "attempts per useful connection",
    "server_busy_fraction": "workers' time at work",
    "backlog_worst": "handshakes that waited, at worst",
    "backlog_wait_s_p95": "wait for a worker, 95 %, s",
    "handshakes_abandoned": "handshakes served in vain",
    **REFUSALS,
    "open_connections_worst": "most connections open",
}


def write_load(material: Material) -> Section:
    """Return the section about the load on the server."""
    blocks: list[Content] = []
    for i, row in enumerate(material.results.by_scenario):
        name, caption = material.by_scenario("load", "Load, means of all runs", i)
        chart = f"{name}-over-time"
        subtitle = f"One run of each policy; the fault is shaded. {row[0].scenario.name}"
        blocks.append(ChartBlock(chart, load_title(row), load_chart(row), subtitle))
        blocks.append(metrics_table(name, caption, row, _METRICS))
    return Section("load", "What load does the server see?", tuple(blocks))


def load_title(row: Sequence[PlayedPolicy]) -> str:
    """Return what the chart of attempts shows, in a sentence."""
    metric = "peak_after_fault_per_s"
    if not isfinite(row[0].mean(metric).value):
        metric = "peak_attempts_per_s"
    when = "after the fault" if metric == "peak_after_fault_per_s" else "of the run"
    peaks = sorted((each.mean(metric).value, each.name) for each in row)
    limit = handshakes_per_s(row[0].scenario)
    able = f"; the server can take {format_number(limit)}" if limit < inf else ""
    if len(peaks) == 1:
        return f"The worst second {when} brings {format_number(peaks[0][0])} attempts{able}"
    least, most = peaks[0], peaks[-1]
    return (
        f"The worst second {when} brings {format_number(least[0])} attempts with "
        f"{say_policy(least[1])}, "
        f"{format_number(most[0])} with {say_policy(most[1])}{able}"
    )
