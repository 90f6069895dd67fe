"""Measures of the code beside those of others: python tests/house.py [--names] [FOLDER...].

Each folder is a package; without any, simlib and whatever of h11, SimPy, Ciw, websockets and
distributed is installed here. Comments are counted by the tokenizer, docstrings by the syntax tree.
With --names, where each name stands that two files have, and each function named by a participle.

Not counted are names that mean one thing in two files:

- A command and its function (``cli/sweep.py`` has the command ``sweep``, which calls ``sl.sweep``).
- ``play`` and ``play_async``, which every engine has: an engine is a module with these functions.

Nor are participles that are read at once:

- Before a noun or a unit, as in ``known_waits`` or ``held_until_s``: it names what is returned.
- ``paired``, the public comparison of two scenarios: the statisticians' word for it.
- Checks of the course's exercises, as ``exercises.mended(answer)``: the sentence of the notebook.
"""

from __future__ import annotations

import ast
import io
import sys
import tokenize
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

BESIDE = ("h11", "simpy", "ciw", "websockets", "distributed")
#: Endings of words that are participles though they do not end in -ed.
IRREGULAR = {"built", "cut", "done", "drawn", "found", "given", "gone", "grown", "held", "kept",
             "known", "laid", "left", "made", "met", "read", "run", "said", "seen", "sent", "set",
             "shown", "split", "spread", "taken", "told", "written"}  # fmt: skip
#: Verbs in the present that are spelt as participles are.
VERBS = {"feed", "seed", "embed", "exceed", "need", "proceed", "cut", "read", "run", "set", "split",
         "spread"}  # fmt: skip
#: What makes a participle with a second word still no name of a thing: ``told_by``, ``left_out``.
PARTICLES = {"about", "apart", "as", "at", "by", "for", "from", "in", "of", "on", "out", "to"}
#: Folders whose functions have the names of others on purpose: see above.
ENGINES, EXERCISES = "simlib/engines", "simlib/course"
SHARED_BY_ENGINES = {"play", "play_async"}
UNITS = {"s", "bytes", "fraction"}
TERMS = {"paired"}
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass
class House:
    """What is counted of one package."""

    lines: list[int] = field(default_factory=list)
    comments: int = 0
    docstrings: int = 0
    functions: list[int] = field(default_factory=list)
    parameters: list[int] = field(default_factory=list)
    #: Each function named by a participle, with its place.
    participles: list[tuple[str, str]] = field(default_factory=list)
    #: The places of each public name.
    public: dict[str, list[str]] = field(default_factory=dict)
    imports: dict[str, set[str]] = field(default_factory=dict)


def sources(folder: Path) -> list[Path]:
    """The package's modules, without its tests and vendored code."""
    skipped = {"tests", "test", "_vendor", "node_modules"}
    return [
        path
        for path in sorted(folder.rglob("*.py"))
        if not skipped & set(path.relative_to(folder).parts) and not path.name.startswith("test_")
    ]


def measure(folder: Path) -> House:
    """Count what is in a package."""
    house = House()
    names = {module_name(folder, path) for path in sources(folder)}
    for path in sources(folder):
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
        house.lines.append(text.count("\n"))
        tokens = tokenize.generate_tokens(io.StringIO(text).readline)
        house.comments += sum(token.type == tokenize.COMMENT for token in tokens)
        house.docstrings += docstring_lines(tree)
        place = f"{folder.name}/{path.relative_to(folder).as_posix()}"
        for node in ast.walk(tree):
            if isinstance(node, Function):
                count_function(house, node, place)
        for name in set(public_names(tree)):
            if not (place.startswith(ENGINES) and name in SHARED_BY_ENGINES):
                house.public.setdefault(name, []).append(place)
        house.imports[module_name(folder, path)] = imports(tree) & names
    return house


def module_name(folder: Path, path: Path) -> str:
    """The dotted name of a module."""
    dotted = ".".join(path.relative_to(folder.parent).with_suffix("").parts)
    return dotted.removesuffix(".__init__")


def docstring_lines(tree: ast.AST) -> int:
    """How many lines are docstrings."""
    count = 0
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | Function) and ast.get_docstring(node):
            text = node.body[0]
            count += (text.end_lineno or text.lineno) - text.lineno + 1
    return count


def count_function(house: House, node: Function, place: str) -> None:
    """Count a function's lines without its docstring, its parameters, and the form of its name."""
    length = (node.end_lineno or node.lineno) - node.lineno + 1 - (docstring_of(node))
    house.functions.append(length)
    given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    house.parameters.append(sum(each.arg not in {"self", "cls"} for each in given))
    is_property = any("property" in ast.unparse(each) for each in node.decorator_list)
    if is_participle(node.name) and not is_property and not place.startswith(EXERCISES):
        house.participles.append((node.name, f"{place}:{node.lineno}"))


def is_participle(name: str) -> bool:
    """Whether a function's name is a participle, with no noun after it."""
    first, *more = name.strip("_").split("_")
    is_one = (first.endswith("ed") or first in IRREGULAR) and first not in VERBS | TERMS
    is_noun = more and (more[0] not in PARTICLES or more[-1] in UNITS)
    return is_one and not name.startswith("__") and not is_noun


def docstring_of(node: Function) -> int:
    """How many lines a function's docstring has."""
    if not ast.get_docstring(node):
        return 0
    text = node.body[0]
    return (text.end_lineno or text.lineno) - text.lineno + 1


def public_names(tree: ast.Module) -> list[str]:
    """The public functions, classes and constants that a module defines, but for commands."""
    names = []
    for node in tree.body:
        decorators = [ast.unparse(each) for each in getattr(node, "decorator_list", [])]
        if any(".command(" in each or ".group(" in each for each in decorators):
            continue
        if isinstance(node, ast.ClassDef | Function):
            names.append(node.name)
        elif isinstance(node, ast.Assign):
            names += [target.id for target in node.targets if isinstance(target, ast.Name)]
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.append(node.target.id)
    return [name for name in names if not name.startswith("_")]


def imports(tree: ast.Module) -> set[str]:
    """All dotted names that a module imports absolutely, wherever it does so."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def cyclic(arrows: dict[str, set[str]]) -> set[str]:
    """The modules that are in a circle of imports, or between two."""
    left = {name: targets - {name} for name, targets in arrows.items()}
    for _ in range(2):  # once without what imports nothing, once without what nobody imports
        while free := {name for name, targets in left.items() if not targets & left.keys()}:
            left = {name: targets for name, targets in left.items() if name not in free}
        left = {
            name: {other for other, targets in left.items() if name in targets} for name in left
        }
    return set(left)


def quantiles(values: list[int]) -> str:
    """The median, the 90 % quantile and the largest of values."""
    ordered = sorted(values)
    return " / ".join(str(ordered[int(share * (len(ordered) - 1))]) for share in (0.5, 0.9, 1.0))


def rows(house: House) -> dict[str, str]:
    """What is said of a package, in the order of the table."""
    total = sum(house.lines)
    mean = sum(house.parameters) / len(house.parameters)
    return {
        "files": str(len(house.lines)),
        "lines": f"{total:,}",
        "docstrings, comments, % of lines": f"{100 * house.docstrings / total:.0f}, "
        f"{100 * house.comments / total:.0f}",
        "lines of a file, median / 90 % / most": quantiles(house.lines),
        "functions": f"{len(house.functions):,}",
        "lines of a function": quantiles(house.functions),
        "parameters, mean; functions with > 7": f"{mean:.2f}; "
        f"{sum(count > 7 for count in house.parameters)}",
        "names in two files or more": str(len(homonyms(house))),
        "functions named by a participle": str(len(house.participles)),
        "modules in circles of imports": str(len(cyclic(house.imports))),
    }


def homonyms(house: House) -> dict[str, list[str]]:
    """The public names that two files or more have, with their places."""
    return {name: places for name, places in sorted(house.public.items()) if len(places) > 1}


def main(arguments: list[str]) -> None:
    """Print the table, a column for each package; if they are asked for, the names too."""
    folders = [each for each in arguments if each != "--names"]
    own = Path(__file__).parents[1] / "simlib"
    specs = [find_spec(name) for name in BESIDE]
    others = [Path(spec.origin).parent for spec in specs if spec is not None and spec.origin]
    chosen = [Path(each) for each in folders] or [own, *others]
    houses = {path.name: measure(path) for path in chosen}
    tables = {name: rows(house) for name, house in houses.items()}
    print("| |", " | ".join(tables), "|\n|---|" + "---|" * len(tables))
    for row in next(iter(tables.values())):
        print(f"| {row} |", " | ".join(table[row] for table in tables.values()), "|")
    for package, house in houses.items() if "--names" in arguments else ():
        print(f"\n{package}: names in two files or more")
        for name, places in homonyms(house).items():
            print(f"  {name}:", *places)
        print(f"{package}: functions named by a participle")
        for name, place in sorted(house.participles):
            print(f"  {name}: {place}")


if __name__ == "__main__":
    main(sys.argv[1:])
