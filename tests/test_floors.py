"""No import goes upwards, and the core imports nothing that knows time, chance or the world."""

import ast
import re
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "simlib"
FLOORS = {
    "app": 9,
    "core": 0,
    "support": 1,
    "scenario": 2,
    "trace": 3,
    "api": 3,
    "engines": 4,
    "metrics": 5,
    "experiments": 6,
    "exports": 6,
    "logs": 6,
    "charts": 7,
    "lab": 7,
    "studies": 8,
    "course": 9,
    "differences": 9,
    "explorers": 9,
    "gallery": 9,
    "live_console": 9,
    "pytest_plugin": 9,
    "review": 9,
    "site": 9,
    "cli": 10,
    "__main__": 10,
}
IMPURE = {"asyncio", "datetime", "logging", "random", "socket", "time", "uuid"}
MODULES = [path for path in sorted(ROOT.rglob("*.py")) if path != ROOT / "__init__.py"]


@cache
def imported(path: Path) -> frozenset[str]:
    """The full names of the modules that a module imports when it runs, wherever it does so."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name the whole module"
            # "from simlib.core import draws" names a module, "from simlib import run" a name.
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names)


def floor(dotted: str) -> int:
    """The floor of a simlib module; the public names stand above all but the command line."""
    part = dotted.split(".")[1] if dotted.count(".") else "cli"
    return FLOORS.get(part, FLOORS["cli"])


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_imported_from_a_floor_above(path):
    own = floor(".".join(path.relative_to(ROOT.parent).with_suffix("").parts))
    # The version is a constant of the package, on no floor.
    ours = [name for name in imported(path) - {"simlib.__version__"} if name.startswith("simlib")]
    assert [] == [name for name in ours if floor(name) > own]


@pytest.mark.parametrize("path", sorted(ROOT.glob("core/*.py")), ids=lambda path: path.name)
def test_the_core_imports_only_itself_and_the_pure_standard_library(path):
    tops = {name.split(".")[0] for name in imported(path)}
    # New in Python 3.14, and imported there alone.
    assert tops - {"annotationlib"} <= {"simlib"} | (sys.stdlib_module_names - IMPURE)


def rooms_of(names: set[str], room: str) -> set[str]:
    """The folders below a room that names of modules stand in."""
    parts = (name.split(".") for name in names)
    return {part[2] for part in parts if part[:2] == ["simlib", room] and len(part) > 3}


@pytest.mark.parametrize("room", ["studies"])
def test_studies_know_nothing_of_each_other(room):
    for path in sorted((ROOT / room).rglob("*.py")):
        own = path.relative_to(ROOT / room).parts[0]
        assert rooms_of(imported(path), room) <= {own}, path


#: Which files may import a library that shows: by name, or by their room.
SHOWING = {
    "matplotlib": ({"chart.py"}, {"charts"}),
    "ipywidgets": (set(), {"app", "charts", "live_console"}),
    # progress.py: one bar for all long work, in terminal and notebook, imported when it is shown.
    "rich": ({"text.py", "progress.py"}, {"cli"}),
}


@pytest.mark.parametrize("library", SHOWING)
def test_only_charts_and_texts_import_what_shows(library):
    files, rooms = SHOWING[library]
    for path in MODULES:
        allowed = path.name in files or path.relative_to(ROOT).parts[0] in rooms
        tops = {name.split(".")[0] for name in imported(path)}
        assert allowed or library not in tops, path


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_charts_and_texts_of_a_room_are_for_those_who_show(path):
    """Computing needs no picture: a room's chart and text are imported by cli and notebooks."""
    if path.relative_to(ROOT).parts[0] in {"cli", "charts"} or path.name in {"chart.py", "text.py"}:
        return
    pattern = r"simlib\.(studies|lab)\.[\w.]*(?<=\.)(chart|text)(\.|$)"
    shown = {name for name in imported(path) if re.match(pattern, name)}
    # The screen of a watched run is what that study is for.
    assert shown == set() or path == ROOT / "studies" / "watch" / "watch.py"


def modules_imported(path: Path, known: set[str]) -> set[str]:
    """The simlib modules among what a module imports."""
    names = imported(path)
    return (names | {name.rpartition(".")[0] for name in names}) & known


def test_no_modules_import_each_other_in_a_circle_lazily_either():
    known = {
        ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__"): (
            path
        )
        for path in MODULES
    }
    arrows = {name: modules_imported(path, set(known)) - {name} for name, path in known.items()}
    # Take away what imports nothing that is left, as long as there is such a module.
    while free := {name for name, targets in arrows.items() if not targets & arrows.keys()}:
        arrows = {name: targets for name, targets in arrows.items() if name not in free}
    assert {} == arrows


def test_every_folder_has_a_floor():
    parts = {path.relative_to(ROOT).parts[0].removesuffix(".py") for path in MODULES}
    assert parts <= FLOORS.keys()


def test_the_design_has_the_same_floors():
    table = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Floors")[2]
    rows = re.findall(r"^\| (\d+) \| `([^`]+)`", table.partition("\n## ")[0], re.MULTILINE)
    written = {
        name.strip("/").removesuffix(".py"): int(number)
        for number, names in rows
        for name in names.split()
    }
    expected = {name: floor for name, floor in FLOORS.items() if name != "__main__"}
    assert expected == written, "the table of floors in simlib/README.md"
