"""Each limit on what others give is a constant that a test names: one at it, and one beyond it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
#: The rooms that read what a user or a stranger gives.
ROOMS = (
    *("core", "scenario", "logs", "trace", "lab/observe", "lab/bad_server", "lab/fault_proxy"),
    *("engines/live", "engines/kernel/state.py", "engines/retry_after.py", "engines/sockets.py"),
    *(
        "engines/url_port.py",
        "engines/no_time.py",
        "engines/world.py",
        "studies/policy/imports",
        "site/player.py",
    ),
    *("support/text_tables.py", "support/toml_files.py", "support/files.py"),
    *("experiments/sweep.py", "experiments/replicate.py", "review/question.py", "review/grid.py"),
)
LIMIT = re.compile(
    r"_?(MOST|MAX|LONGEST|LARGEST|DEEPEST|FEWEST|FLOOD)(_[A-Z_]+)?|[A-Z_]+_LIMIT|_?NO_LIMIT"
)
#: What is called like a limit, and is none on what others give.
NONE = {
    "core/arrivals.py": {"_LARGEST_SUM": "beyond it the result is 1 to the last bit"},
    "core/draws.py": {"_MOST_BLOCKS": "a cache", "_MOST_SEEDS": "a cache"},
    "core/path.py": {
        "MOST_LOSSES": "how often TCP sends again, a part of the model",
        "LONGEST_RTO_S": "how long TCP waits at most, a part of the model",
    },
    "experiments/replicate.py": {"MOST": "a default"},
    "review/grid.py": {
        "_MOST_CLIENTS": "which points are chosen where none are asked for",
        "_MOST_ON_SIM": "which points are chosen where none are asked for",
    },
    "site/player.py": {"_MOST_POINTS": "points of a drawn curve"},
}
#: Numbers from here on, to which something is compared, are mostly limits: they have names.
LARGE = 1000
#: Comparisons with large numbers that mean themselves.
THEMSELVES = {"code", "value"}


def modules() -> Iterator[tuple[str, ast.Module]]:
    for room in ROOMS:
        path = ROOT / "simlib" / room
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            name = file.relative_to(ROOT / "simlib").as_posix()
            yield name, ast.parse(file.read_text(encoding="utf-8"))


MODULES = dict(modules())


def words_of(text: str) -> set[str]:
    return set(re.findall(r"\w+", text))


def names_of(tree: ast.Module) -> list[str]:
    """The constants of a module that are called like a limit."""
    found = []
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        for target in targets:
            names = target.elts if isinstance(target, ast.Tuple) else [target]
            found += [each.id for each in names if isinstance(each, ast.Name)]
    return [name for name in found if LIMIT.fullmatch(name)]


def untested(module: str, names: list[str], tests: list[set[str]]) -> list[str]:
    """The names that no test has together with the module's own."""
    about = [words for words in tests if Path(module).stem in words]
    none = NONE.get(module, {})
    return [n for n in names if n not in none and not any(n in words for words in about)]


@pytest.fixture(scope="module")
def tests() -> list[set[str]]:
    folders = (folder for folder in (ROOT / "tests").iterdir() if folder.is_dir())
    files = [*(ROOT / "tests").glob("*.py"), *(each for f in folders for each in f.rglob("*.py"))]
    return [words_of(each.read_text(encoding="utf-8")) for each in files if each != Path(__file__)]


def test_each_limit_is_named_by_a_test(tests):
    missing = {module: untested(module, names_of(tree), tests) for module, tree in MODULES.items()}
    assert {} == {module: names for module, names in missing.items() if names}


def test_what_is_no_limit_is_still_there():
    for module, names in NONE.items():
        assert set(names) <= set(names_of(MODULES[module])), module


def test_a_large_number_that_something_is_compared_with_has_a_name():
    found = []
    for module, tree in MODULES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Compare):
                sides = [node.left, *node.comparators]
                if any(isinstance(each, ast.Name) and each.id in THEMSELVES for each in sides):
                    continue
                found += [
                    f"{module}:{each.lineno} {each.value}"
                    for each in sides
                    if isinstance(each, ast.Constant)
                    and isinstance(each.value, int | float)
                    and abs(each.value) >= LARGE
                ]
    assert [] == found


def test_a_limit_without_a_test_is_found():
    tree = ast.parse("MOST_THINGS, _LONGEST_S = 3, 2.0\nTHINGS = 4\n")
    assert ["MOST_THINGS", "_LONGEST_S"] == names_of(tree)
    elsewhere = words_of("from simlib.a import MOST_THINGS")
    here = words_of("from simlib.things import MOST_THINGS")
    assert ["MOST_THINGS", "_LONGEST_S"] == untested("b/things.py", names_of(tree), [elsewhere])
    assert ["_LONGEST_S"] == untested("b/things.py", names_of(tree), [elsewhere, here])
