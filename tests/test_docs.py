"""The documents say what the code does: `python tests/test_docs.py` writes their tables."""

import ast
import re
import tomllib
from dataclasses import fields
from pathlib import Path
from token import NAME
from tokenize import tokenize

import pytest

import simlib as sl
from simlib.charts import plots
from simlib.core.link_table import TABLE, Input, State
from simlib.metrics.meaning import MEANING
from simlib.metrics.words import format_number
from simlib.studies.policy.benchmark import storms
from simlib.studies.policy.lint import options
from simlib.studies.policy.lint.text import presets_lint_table
from simlib.trace.columns import COLUMNS, HAPPENINGS, Column, Kind, Name

ROOT = Path(__file__).parents[1]
POLICIES = ROOT / "docs" / "guide" / "policies.md"
DESIGN = ROOT / "simlib" / "README.md"
TRACE = ROOT / "docs" / "reference" / "trace.md"
#: Every document of the project, by its path.
DOCUMENTS = [
    *ROOT.glob("*.md"),
    *(ROOT / folder / "README.md" for folder in ("simlib", "data", "notebooks")),
    *(ROOT / "docs").rglob("*.md"),
]


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
    """The table of one storm played with several presets."""
    names = ["reconnecting-websocket", "socket.io-client", "aws-full", "websockets-python",
             "phoenix", "signalr"]  # fmt: skip
    found = storms({name: sl.presets[name].client for name in names})
    columns = ["peak_after_per_s", "attempts_per_client", "back_s_p50", "back_s_p95", "never_back"]
    head = ["client", "peak after the outage, attempts/s", "attempts of each",
            "half are back after, s", "95 % are, s", "never back"]  # fmt: skip
    rows = [
        [name, *(format_number(float(row[each])) for each in columns)]
        for name, row in found.iterrows()
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


def columns_table() -> str:
    """The columns of a trace: what they mean, and what stands where they say nothing."""
    rows = [
        [
            f"`{column.name}`",
            nothing_of(column),
            column.unit,
            column.meaning + (f": {in_words(column.words)}" if column.words not in TOLD else ""),
        ]
        for column in COLUMNS
    ]
    return markdown([["column", "nothing to say", "unit", "what it means"], *rows])


def nothing_of(column: Column) -> str:
    """What stands in a frame where there is nothing to say."""
    if column.absent is None:
        return ""
    if column.words is None:
        return f"{column.absent:g}"
    known = {word.value: word.name.lower() for word in column.words}
    return f"`{known[column.absent]}`" if column.absent in known else "NaN"


#: Columns of numbers, and those whose words are told elsewhere on the page.
TOLD = (None, Kind, Name)


def in_words(words) -> str:
    return ", ".join(f"`{word.name.lower()}`" for word in words)


def happenings_table() -> str:
    """What a trace's rows record, by their names."""
    rows = [
        [
            f"`{name.name.lower()}`",
            " or ".join(kind.name.lower() for kind in happening.kinds),
            happening.meaning,
            ", ".join(f"`{column}`" for column in happening.columns),
        ]
        for name, happening in HAPPENINGS.items()
    ]
    return markdown([["name", "kind", "what happened", "also fills"], *rows])


def thresholds_table() -> str:
    """The thresholds of lint with their defaults, and the rules that each is for."""
    lines = (Path(options.__file__)).read_text(encoding="utf-8").splitlines()
    rows = []
    for item in fields(options.Thresholds):
        (place,) = (i for i, line in enumerate(lines) if line.startswith(f"    {item.name}: "))
        said: list[str] = []
        while lines[place - 1].startswith("    #:"):
            place -= 1
            said.insert(0, lines[place].removeprefix("    #: "))
        rules, _, meaning = " ".join(said).partition(": ")
        rows.append([f"`{item.name}`", f"{item.default:g}", rules, meaning])
    return markdown([["threshold", "by default", "rules", "what it is"], *rows])


#: Tables that are written by what they tell of, between marks of these names in a document.
TABLES = {
    "storms": (POLICIES, storms_table),
    "lint": (POLICIES, lambda: markdown(presets_lint_table(sl.presets))),
    "thresholds": (ROOT / "docs" / "guide" / "pull_request.md", thresholds_table),
    "rooms": (DESIGN, rooms_tables),
    "columns": (TRACE, columns_table),
    "happenings": (TRACE, happenings_table),
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
        ("docs", "*.md"),
    ):
        places += (ROOT / folder).rglob(kind)
    for place in filter(Path.is_file, places):
        text = place.read_text(encoding="utf-8").replace("\\", "").replace("\n", " ")
        found = re.findall(r"simlib\[\w|pip install [^.`]*\bsimlib\b(?!-ws)", text)
        assert [] == found, f"{place.name} has {found}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_files_that_a_document_names_and_links_to_are_there(document):
    text = document.read_text(encoding="utf-8")
    named = [
        ROOT / name for name in re.findall(r"\b(?:data|notebooks|simlib|tests)/[\w/]+\.\w+", text)
    ]
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text)]
    linked = [document.parent / link for link in links if link and "://" not in link]
    assert [] == [path for path in [*named, *linked] if not path.exists()]


def test_the_names_that_contributing_gives_with_a_file_are_in_that_file():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    given = re.findall(r"`(\w+)`(?: and `(\w+)`)? in `((?:\w+/)+\w+\.py)`", text)
    assert len(given) >= 4
    for *names, file in given:
        source = (ROOT / "simlib" / file).read_text(encoding="utf-8")
        assert [] == [name for name in names if name and not re.search(rf"\b{name}\b", source)]


def test_the_files_to_which_contributing_sends_a_reader_are_there():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = re.findall(r"`([\w/]+(?:/|\.(?:py|toml|mplstyle|csv|md)))`", text)
    assert 30 < len(named)
    inside = {"chart.py", "text.py"}  # of every study
    made = {"out/screens/"}
    rules = ROOT / "simlib" / "studies" / "policy" / "lint"
    places = [ROOT, ROOT / "simlib", rules]
    missing = [name for name in named if not any((place / name).exists() for place in places)]
    assert [] == [name for name in missing if name not in inside | made]


def test_the_readme_has_every_extra():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    table = text.partition("| extra |")[2].partition("\n\n")[0]
    extras = set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE))
    assert set(project["optional-dependencies"]) == extras | {"all"}


def names_of_the_code() -> set[str]:
    """Every name in the sources, not counting words in texts and comments; and all metrics."""
    found = set(MEANING)
    for path in (ROOT / "simlib").rglob("*.py"):
        with path.open("rb") as file:
            found |= {token.string for token in tokenize(file.readline) if token.type == NAME}
    return found


def terms() -> dict[str, list[str]]:
    """The names in the code that the glossary gives for each term."""
    text = (ROOT / "GLOSSARY.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return {
        row[0]: re.findall(r"`([^`]+)`", row[2]) for row in rows if row[0] not in ("term", "---")
    }


def test_the_glossary_s_names_are_in_the_code():
    known = names_of_the_code()
    missing = [
        f"{term}: {name}"
        for term, names in terms().items()
        for name in names
        if not known.issuperset(name.split("."))
    ]
    assert [] == missing, "give these terms of GLOSSARY.md the names that the code has now"


def test_every_part_of_a_client_s_settings_is_in_the_glossary():
    names = {name for names in terms().values() for name in names}
    parts = {type(part).__name__ for part in vars(sl.Settings()).values() if hasattr(part, "check")}
    assert set() == parts - names - {"DraftRules"}


def test_the_names_on_the_page_of_the_kernel_are_in_the_kernel():
    folder = ROOT / "simlib" / "engines" / "kernel"
    text = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    page = (ROOT / "docs" / "kernel.md").read_text(encoding="utf-8")
    in_capitals = {"TCP", "WAITING", "STOPPED", "SUSPENDED", "CONNECTING", "OPEN"}
    named = re.findall(r"`([a-z_]+(?:\.[a-z_]+)*|[A-Z_]+)`", page)
    named += re.findall(r"\b[A-Z_]{4,}\b", "".join(re.findall(r"```text(.*?)```", page, re.DOTALL)))
    words = {part for name in named for part in name.split(".")} - {"sim"} - in_capitals
    files = {path.stem for path in folder.glob("*.py")} | {"py"}
    missing = [word for word in words - files if not re.search(rf"\b{word}\b", text)]
    assert [] == sorted(missing), "docs/kernel.md tells a story that the kernel has no longer"


def test_every_public_name_is_on_a_page_of_the_reference():
    pages = (ROOT / "docs" / "reference").glob("*.md")
    found = re.findall(r":: simlib\.(\w+)", "".join(page.read_text("utf-8") for page in pages))
    names = [name for name in sl.__all__ if name not in ("plots", "__version__")]
    assert sorted(names) == sorted(name for name in found if name not in ("charts", "explorers"))


def test_the_chart_functions_are_on_the_page_of_results():
    page = (ROOT / "docs" / "reference" / "results.md").read_text(encoding="utf-8")
    (members,) = re.findall(r"automodule:: simlib.charts.plots\n +:members: (.*)", page)
    assert sorted(plots.__all__) == sorted(members.split(", "))


if __name__ == "__main__":  # writes the tables anew, to be looked at before they are committed
    for each, (document, table) in TABLES.items():
        text = marked(each, table())
        old = document.read_text(encoding="utf-8")
        new = re.sub(marked(each), lambda _, t=text: t, old, flags=re.DOTALL)
        document.write_text(new, encoding="utf-8")
