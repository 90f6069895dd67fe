"""The documents say what the code does: `python tests/test_docs.py` writes the README's tables."""

import re
from pathlib import Path

import pytest

import simlib as sl
from simlib.core.link import TABLE, Input, State
from simlib.show.lint import presets_lint_table
from simlib.show.terminal import written
from simlib.study.storms import storms

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
DESIGN = (ROOT / "simlib" / "README.md").read_text(encoding="utf-8")


def links_table():
    """Return the link's table as Markdown."""
    rows = [["", *(told.name for told in Input)], ["-"] * (len(Input) + 1)]
    rows += [[state.name, *(TABLE[state][told].name for told in Input)] for state in State]
    lines = ("| " + " | ".join(row).lower() + " |" for row in rows)
    return "\n".join(lines).replace("|  |", "| |").replace(" - ", "---")


def test_the_link_s_table_in_the_design_is_the_one_that_runs():
    assert links_table().replace(" ", "") in DESIGN.replace(" ", "")


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


#: Tables of the README that are written by what they tell of, between marks of these names.
TABLES = {
    "storms": storms_table,
    "lint": lambda: markdown(presets_lint_table(sl.presets)),
}


def marked(name: str, table: str = "") -> str:
    """A pattern for a table between its marks, or the text of one."""
    return f"<!-- {name} -->\n{table or '.*?'}\n<!-- end of {name} -->"


@pytest.mark.parametrize("name", TABLES)
def test_a_table_of_the_readme_is_what_the_code_gives(name):
    pytest.importorskip("numba")
    assert marked(name, TABLES[name]()) in README.read_text(encoding="utf-8")


def test_every_module_is_named_in_the_design():
    modules = {path.name for path in (ROOT / "simlib").rglob("*.py")} - {"__init__.py"}
    named = set(re.findall(r"\w+\.py", DESIGN))
    assert modules - named == set()


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
    text = README.read_text(encoding="utf-8")
    for each, table in TABLES.items():
        text = re.sub(
            marked(each), lambda _, e=each, t=table: marked(e, t()), text, flags=re.DOTALL
        )
    README.write_text(text, encoding="utf-8")
