"""What the observed client really does, beside the policy as given."""

from __future__ import annotations

from simlib.review.chart import waits_figure
from simlib.review.document import ChartBlock, Content, DataTable, Paragraph, Section
from simlib.review.material import Material

#: What is found out about a setting, as a reader says it.
_ABOUT = {
    "connect_timeout_s": "timeout of an attempt",
    "heartbeat.interval_s": "heartbeat, interval",
    "heartbeat.timeout_s": "heartbeat, timeout",
    "stable_after_s": "when its count of failures resets",
    "max_attempts": "when it gives up",
}


def write_client(material: Material) -> Section | None:
    """Return the section about an observation; None: there is none, and nobody asked."""
    title = "What does the observed client really do?"
    found = material.inference
    if found is None:
        if "client" not in material.missing:
            return None
        return Section("client", title, missing=material.missing["client"])
    verdict = found.verdict[:1].upper() + found.verdict[1:].rstrip(".")
    blocks: list[Content] = []
    if found.fit is None:
        blocks.append(Paragraph(f"{verdict}."))
    else:  # the verdict is the chart's title
        figure = waits_figure(found.fit)
        blocks.append(ChartBlock("client", verdict, figure, "Waits, attempt by attempt"))
    rows = [
        [_ABOUT.get(each.about, each.about), each.words] for each in found.findings if each.words
    ]
    blocks.append(DataTable.of("client", "What was found", ["about", "finding"], rows, 9))
    return Section("client", title, tuple(blocks))
