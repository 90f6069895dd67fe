"""Measures of the code, beside those of other projects: python tests/house.py [FOLDER...].

Each folder is a package; without any, simlib and whatever of h11, SimPy, Ciw, websockets and
distributed is installed here. Comments are counted by the tokenizer, docstrings by the syntax tree.
"""

from __future__ import annotations

import ast
import io
import sys
import tokenize
from collections import Counter
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
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass
class House:
    """What is counted of one package."""

    lines: list[int] = field(default_factory=list)
    comments: int = 0
    docstrings: int = 0
    functions: list[int] = field(default_factory=list)
    parameters: list[int] = field(default_factory=list)
    participles: list[str] = field(default_factory=list)
    public: Counter[str] = field(default_factory=Counter)
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
        for node in ast.walk(tree):
            if isinstance(node, Function):
                count_function(house, node)
        house.public.update(set(public_names(tree)))
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


def count_function(house: House, node: Function) -> None:
    """Count a function's lines without its docstring, its parameters, and the form of its name."""
    length = (node.end_lineno or node.lineno) - node.lineno + 1 - (docstring_of(node))
    house.functions.append(length)
    given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    house.parameters.append(sum(each.arg not in {"self", "cls"} for each in given))
    first = node.name.strip("_").split("_")[0]
    is_property = any("property" in ast.unparse(each) for each in node.decorator_list)
    participle = (first.endswith("ed") or first in IRREGULAR) and first not in VERBS
    if participle and not is_property and not node.name.startswith("__"):
        house.participles.append(node.name)


def docstring_of(node: Function) -> int:
    """How many lines a function's docstring has."""
    if not ast.get_docstring(node):
        return 0
    text = node.body[0]
    return (text.end_lineno or text.lineno) - text.lineno + 1


def public_names(tree: ast.Module) -> list[str]:
    """The public functions, classes and constants that a module defines."""
    names = []
    for node in tree.body:
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
    homonyms = sorted(name for name, count in house.public.items() if count > 1)
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
        "names in two files or more": str(len(homonyms)),
        "functions named by a participle": str(len(house.participles)),
        "modules in circles of imports": str(len(cyclic(house.imports))),
    }


def main(folders: list[str]) -> None:
    """Print the table, a column for each package; with one, its homonyms and participles too."""
    own = Path(__file__).parents[1] / "simlib"
    specs = [find_spec(name) for name in BESIDE]
    others = [Path(spec.origin).parent for spec in specs if spec is not None and spec.origin]
    chosen = [Path(each) for each in folders] or [own, *others]
    houses = {path.name: measure(path) for path in chosen}
    tables = {name: rows(house) for name, house in houses.items()}
    print("| |", " | ".join(tables), "|\n|---|" + "---|" * len(tables))
    for row in next(iter(tables.values())):
        print(f"| {row} |", " | ".join(table[row] for table in tables.values()), "|")
    if len(houses) == 1:
        (house,) = houses.values()
        print("\nhomonyms:", *sorted(name for name, count in house.public.items() if count > 1))
        print("\nparticiples:", *sorted(house.participles))


if __name__ == "__main__":
    main(sys.argv[1:])
