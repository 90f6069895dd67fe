"""No import goes upwards, and the core imports nothing that knows time, chance or the world."""

import ast
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "simlib"
FLOORS = {
    "core": 0,
    "support": 1,
    "scenario": 2,
    "trace": 3,
    "api": 3,
    "engines": 4,
    "metrics": 5,
    "experiments": 6,
    "charts": 7,
    "lab": 7,
    "studies": 8,
    "course": 9,
    "cli": 10,
    "__main__": 10,
}
IMPURE = {"asyncio", "datetime", "logging", "random", "socket", "time", "uuid"}
MODULES = [path for path in sorted(ROOT.rglob("*.py")) if path != ROOT / "__init__.py"]


def imported(path: Path) -> set[str]:
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
    return names


def floor(dotted: str) -> int:
    """The floor of a simlib module; the public names stand above all but the command line."""
    part = dotted.split(".")[1] if dotted.count(".") else "cli"
    return FLOORS.get(part, FLOORS["cli"])


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_imported_from_a_floor_above(path):
    own = floor(".".join(path.relative_to(ROOT.parent).with_suffix("").parts))
    ours = [name for name in imported(path) if name.split(".")[0] == "simlib"]
    assert [] == [name for name in ours if floor(name) > own]


@pytest.mark.parametrize("path", sorted(ROOT.glob("core/*.py")), ids=lambda path: path.name)
def test_the_core_imports_only_itself_and_the_pure_standard_library(path):
    tops = {name.split(".")[0] for name in imported(path)}
    assert tops <= {"simlib"} | (sys.stdlib_module_names - IMPURE)


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
