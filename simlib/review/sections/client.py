"""What the observed client really does, beside the policy as given."""

from __future__ import annotations

from simlib.review.chart import waits_figure
from simlib.review.document import ChartBlock, Content, DataTable, Paragraph, Section
from simlib.review.material import Material


def write_client(material: Material) -> Section | None:
    """Return the section about an observation; None: there is none, and nobody asked."""
    title = "What does the observed client really do?"
    found = material.inference
    if found is None:
        if "client" not in material.missing:
            return None
        return Section("client", title, missing=material.missing["client"])
    blocks: list[Content] = [Paragraph(found.verdict)]
    if found.fit is not None:
        figure = waits_figure(found.fit)
        blocks.append(
            ChartBlock("client", found.verdict.rstrip("."), figure, "Waits, attempt by attempt")
        )
    rows = [[each.about, each.words] for each in found.findings if each.words]
    blocks.append(DataTable.of("client", "What was found", ["about", "finding"], rows, 9))
    return Section("client", title, tuple(blocks))
