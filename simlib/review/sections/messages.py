"""Messages and their latency, by priority."""

from __future__ import annotations

from simlib.core.events import Priority
from simlib.metrics.words import format_number
from simlib.review.chart import latency_figure
from simlib.review.document import ChartBlock, Content, Paragraph, Section
from simlib.review.material import Material
from simlib.review.question import say_policy
from simlib.review.results import PlayedPolicy
from simlib.review.tables import metrics_table

_METRICS = {
    "sent": "messages sent",
    "delivered_fraction": "delivered",
    "lost": "lost",
    "undelivered": "still under way at the end",
    "duplicate_fraction": "arrived twice",
    "doubled": "counted twice",
    "latency_s_p50": "latency, 50 %, s",
    "latency_s_p95": "latency, 95 %, s",
    "latency_s_p99": "latency, 99 %, s",
} | {
    f"latency_s_p95_{priority.name.lower()}": f"latency of {priority.name.lower()} ones, 95 %, s"
    for priority in Priority
}


def write_messages(material: Material) -> Section:
    """Return the section about messages."""
    title = "What becomes of the messages?"
    if material.question.on == "fleet":
        words = (
            "The fleet engine simulates connections only, so this review says nothing about "
            "messages. Where they matter, play fewer clients on sim."
        )
        return Section("messages", title, (Paragraph(words),))
    blocks: list[Content] = []
    for i, row in enumerate(material.results.by_scenario):
        if not row[0].mean("sent").value > 0:
            blocks.append(Paragraph(f"No messages are sent in {row[0].scenario.name}."))
            continue
        name, caption = material.by_scenario("messages", "Messages, means of all runs", i)
        blocks.append(_chart(name, row))
        blocks.append(metrics_table(name, caption, row, _METRICS))
    return Section("messages", title, tuple(blocks))


def _chart(name: str, row: tuple[PlayedPolicy, ...]) -> ChartBlock:
    figure = latency_figure(row)
    late = sorted((each.mean("latency_s_p95").value, each.name) for each in row)
    words = (
        f"95 % of the acknowledgements come within {format_number(late[0][0])} s with "
        f"{say_policy(late[0][1])}"
    )
    if len(late) > 1:
        words += f", {format_number(late[-1][0])} s with {say_policy(late[-1][1])}"
    return ChartBlock(
        f"{name}-latency", words, figure, "Acknowledged messages of one run of each policy"
    )
