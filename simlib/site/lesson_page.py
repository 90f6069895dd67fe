"""Write the page that teaches: a notebook of the course, its words and its cells, as HTML."""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt  # it comes with rich

#: Where the cells stand in the page's template.
_PLACE = "<!-- cells -->"


def write_lesson(notebook: Path, template: str) -> str:
    """Return the page of a notebook: its words as text, its code in fields that can be run.

    Parameters
    ----------
    notebook : path
        The notebook; its outputs are left out, since the page runs its cells.
    template : str
        The page around the cells.
    """
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return template.replace(_PLACE, "\n".join(_write_cells(cells)))


def _write_cells(cells: list[dict[str, Any]]) -> Iterator[str]:
    markdown, number = MarkdownIt("commonmark"), 0
    for cell in cells:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            yield f'<div class="words">{markdown.render(source)}</div>'
            continue
        number += 1
        rows = source.count("\n") + 1
        yield (
            f'<section class="cell" aria-label="Cell {number}">'
            f'<textarea aria-label="Code of cell {number}" rows="{rows}" wrap="off" '
            f'spellcheck="false" autocapitalize="off">\n{escape(source)}</textarea>'
            f'<button type="button">Run</button>'
            f'<div class="shown" role="status"></div></section>'
        )
