"""The documents say what the code does: `python tests/test_docs.py` writes the README's tables."""

import ast
import re
from pathlib import Path

import pytest

import simlib as sl
from simlib.core.link import TABLE, Input, State
from simlib.metrics.words import written
from simlib.studies.policy.benchmark import storms
from simlib.studies.policy.lint.text import presets_lint_table

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
DESIGN = ROOT / "simlib" / "README.md"


def links_table():
    """Return the link's table as Markdown."""
    rows = [["", *(told.name for told in Input)], ["-"] * (len(Input) + 1)]
    rows += [[state.name, *(TABLE[state][told].name for told in Input)] for state in State]
    lines = ("| " + " | ".join(row).lower() + " |" for row in rows)
    return "\n".join(lines).replace("|  |", "| |").replace(" - ", "---")


def test_the_link_s_table_in_the_design_is_the_one_that_runs():
    assert links_table().replace(" ", "") in DESIGN.read_text(encoding="utf-8").replace(" ", "")


def markdown(rows: list[list[str]]) -> str:
    lines = [" | ".join(row) for row in [rows[0], ["---"] * len(rows[0]), *rows[1:]]]
    return "\n".join(f"| {line} |" for line in lines)


def storms_table() -> str:
    """The README's table of storms."""
    names = ["reconnecting-websocket", "socket.io-client", "aws-full", "websockets-python",
             "phoenix", "signalr"]  # fmt: skip
    found = storms({name: sl.presets[name].client for name in names})
    columns = ["peak_after_per_s", "attempts_per_client", "back_s_p50", "back_s_p95", "never_back"]
    head = ["client", "peak after it, attempts/s", "attempts of each", "half are back after, s",
            "95 %, s", "never back"]  # fmt: skip
    rows = [
        [name, *(written(float(row[each])) for each in columns)] for name, row in found.iterrows()
    ]
    return markdown([head, *rows])


def rooms_tables() -> str:
    """The design's tables of the modules of each room, by the first line of each."""
    rooms: dict[str, list[list[str]]] = {}
    for path in sorted((ROOT / "simlib").rglob("*.py")):
        room = path.parent.relative_to(ROOT / "simlib").as_posix()
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
        first = " ".join(text.partition("\n\n")[0].split())
        if room == "." or path.name == "__main__.py":
            continue
        rows = rooms.setdefault(room, [["", first]])
        if path.name != "__init__.py":
            rows.append([f"`{path.name}`", first])
    return "\n\n".join(
        f"`{room}/`: {rows[0][1]}\n\n" + markdown([["file", "what it is for"], *rows[1:]])
        for room, rows in rooms.items()
    )


#: Tables that are written by what they tell of, between marks of these names in a document.
TABLES = {
    "storms": (README, storms_table),
    "lint": (README, lambda: markdown(presets_lint_table(sl.presets))),
    "rooms": (DESIGN, rooms_tables),
}


def marked(name: str, table: str = "") -> str:
    """A pattern for a table between its marks, or the text of one."""
    return f"<!-- {name} -->\n{table or '.*?'}\n<!-- end of {name} -->"


@pytest.mark.parametrize("name", TABLES)
def test_a_table_of_a_document_is_what_the_code_gives(name):
    pytest.importorskip("numba")
    document, table = TABLES[name]
    assert marked(name, table()) in document.read_text(encoding="utf-8")


def test_nothing_sends_a_reader_to_the_other_simlib_of_the_package_index():
    places = [
        ROOT / name for name in ("README.md", "CONTRIBUTING.md", "Makefile", "pyproject.toml")
    ]
    for folder, kind in (
        ("simlib", "*.py"),
        ("simlib", "*.md"),
        ("notebooks", "*"),
        ("data", "*.md"),
    ):
        places += (ROOT / folder).rglob(kind)
    for place in filter(Path.is_file, places):
        text = place.read_text(encoding="utf-8").replace("\\", "").replace("\n", " ")
        found = re.findall(r"simlib\[\w|pip install [^.`]*\bsimlib\b(?!-ws)", text)
        assert [] == found, f"{place.name} has {found}"


def test_the_files_that_documents_name_are_there():
    for document in ("README.md", "CONTRIBUTING.md", "data/README.md", "notebooks/README.md"):
        text = (ROOT / document).read_text(encoding="utf-8")
        for name in re.findall(r"\b(?:data|notebooks|simlib|tests)/[\w/]+\.\w+", text):
            assert (ROOT / name).exists(), f"{document} names {name}"


if __name__ == "__main__":  # writes the tables anew, to be looked at before they are committed
    for each, (document, table) in TABLES.items():
        text = marked(each, table())
        old = document.read_text(encoding="utf-8")
        new = re.sub(marked(each), lambda _, t=text: t, old, flags=re.DOTALL)
        document.write_text(new, encoding="utf-8")
