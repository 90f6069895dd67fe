"""The documents say what the code does."""

import re
from pathlib import Path

from simlib.core.link import TABLE, Input, State

ROOT = Path(__file__).parents[1]
DESIGN = (ROOT / "simlib" / "README.md").read_text(encoding="utf-8")


def links_table():
    """Return the link's table as Markdown."""
    rows = [["", *(told.name for told in Input)], ["-"] * (len(Input) + 1)]
    rows += [[state.name, *(TABLE[state][told].name for told in Input)] for state in State]
    lines = ("| " + " | ".join(row).lower() + " |" for row in rows)
    return "\n".join(lines).replace("|  |", "| |").replace(" - ", "---")


def test_the_link_s_table_in_the_design_is_the_one_that_runs():
    assert links_table().replace(" ", "") in DESIGN.replace(" ", "")


def test_every_module_is_named_in_the_design():
    modules = {path.name for path in (ROOT / "simlib").rglob("*.py")} - {"__init__.py"}
    named = set(re.findall(r"\w+\.py", DESIGN))
    assert modules - named == set()


def test_the_files_that_documents_name_are_there():
    for document in ("README.md", "CONTRIBUTING.md", "data/README.md", "notebooks/README.md"):
        text = (ROOT / document).read_text(encoding="utf-8")
        for name in re.findall(r"\b(?:data|notebooks|simlib|tests)/[\w/]+\.\w+", text):
            assert (ROOT / name).exists(), f"{document} names {name}"
