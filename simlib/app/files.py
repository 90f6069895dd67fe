"""The files that Voila serves the page from: a notebook of one cell, a kernel, a template."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

from jupyter_core.paths import jupyter_path

from simlib.core.errors import SimlibError

#: The name of the notebook, of its kernel, and of the template.
NAME = "simlib"
#: What the page's kernel runs.
_CELL = "from simlib.app.page import Page\n\nPage()"
#: Lines of Voila's own template that load something from another server.
_OUTSIDE = re.compile(r"^.*<(link|script)\b[^>]*https?://.*$\n?", re.MULTILINE)


def write_app_files(folder: Path) -> Path:
    """Write all of them into a folder, have Jupyter look there, and return the notebook."""
    _write_json(folder / "kernels" / NAME / "kernel.json", _kernel())
    template = folder / "voila" / "templates" / NAME
    _write_json(template / "conf.json", {"base_template": "lab"})
    (template / "index.html.j2").write_text(_template(), encoding="utf-8")
    notebook = folder / f"{NAME}.ipynb"
    _write_json(notebook, _notebook())
    before = os.environ.get("JUPYTER_PATH")
    os.environ["JUPYTER_PATH"] = os.pathsep.join(filter(None, (str(folder), before)))
    return notebook


def _write_json(file: Path, document: dict[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(document), encoding="utf-8")


def _kernel() -> dict[str, Any]:
    """Return a kernel of this very Python, which keeps its warnings to itself."""
    launch = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    return {"argv": [*launch, "--log-level=ERROR"], "display_name": NAME, "language": "python"}


def _template() -> str:
    """Return Voila's template without what it loads from other servers: icons that no page shows.

    Raises
    ------
    SimlibError
        If Voila's template is not where Voila keeps it.
    """
    for folder in jupyter_path("voila", "templates", "lab"):
        file = Path(folder) / "index.html.j2"
        if file.is_file():
            return _OUTSIDE.sub("", file.read_text(encoding="utf-8"))
    raise SimlibError("Voila's template lab is not installed: install voila again")


def _notebook() -> dict[str, Any]:
    cell: dict[str, Any] = {
        "cell_type": "code",
        "execution_count": None,
        "id": "page",
        "metadata": {},
        "outputs": [],
        "source": _CELL,
    }
    kernel = {"name": NAME, "display_name": NAME, "language": "python"}
    return {
        "cells": [cell],
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
