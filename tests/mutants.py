"""Would the tests about a file tell that it is wrong? python tests/mutants.py [--sample N]

Cosmic Ray changes one operator, number or word of the code, in a copy of the project, and the tests
about that file are played: they ought to fail. It prints how many of a seeded sample did, and each
change that no test told (a survivor) with the reason that `equal_mutants.toml` gives for it, if it
changes nothing that anybody could see. What was found is kept in ``out/mutants.json``: a run that
was interrupted goes on there.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import json
import os
import queue
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

ROOT = Path(__file__).parents[1]
KEPT = ROOT / "out" / "mutants.json"
LEAST_KILLED_FRACTION = 0.9
#: Tests of a file end long before; a change may make one wait for ever.
LONGEST_S = 600


@dataclass(frozen=True)
class Group:
    """Files that are changed, the tests about them, and their share of the sample."""

    files: str
    tests: str
    share: float


GROUPS = {
    "core": Group("simlib/core/*.py", "tests/core tests/theory", 0.5),
    "metrics": Group("simlib/metrics/*.py", "tests/metrics", 0.2),
    "compare": Group("simlib/studies/compare/*.py", "tests/studies/compare", 0.12),
    "store": Group("simlib/engines/store.py", "tests/engines/test_store.py", 0.06),
    "proxy": Group("simlib/engines/live/proxy.py", "tests/engines/live/test_proxy.py", 0.12),
}
#: What only words show: their tests look for parts of sentences, not for each.
WORDS = ("words.py", "text.py", "chart.py", "meaning.py", "description.py", "run_sentences.py")


@dataclass(frozen=True)
class Mutant:
    """One change: the how-manieth place in a file at which an operator of Cosmic Ray changes it."""

    group: str
    file: str
    operator: str
    occurrence: int

    def changed(self) -> str:
        """Return the text of the file with the change."""
        from cosmic_ray.mutating import mutate_code
        from cosmic_ray.plugins import get_operator

        text = (ROOT / self.file).read_text(encoding="utf-8")
        return str(mutate_code(text, get_operator(self.operator)(), self.occurrence))

    def difference(self) -> list[str]:
        """Return the lines that go and those that come."""
        before = (ROOT / self.file).read_text(encoding="utf-8").splitlines()
        lines = list(difflib.unified_diff(before, self.changed().splitlines(), n=0, lineterm=""))
        return [f"{line[0]} {line[1:].strip()}" for line in lines[3:]]


def sample(size: int, seed: int) -> list[Mutant]:
    """Return a sample of changes: of each group its share, each place at most once."""
    draw = random.Random(seed)
    chosen = []
    for name, group in GROUPS.items():
        places: dict[tuple[str, str, tuple[int, int]], list[Mutant]] = {}
        for path in sorted(ROOT.glob(group.files)):
            if path.name not in WORDS:
                for kind, start, mutant in mutants_of(name, path):
                    places.setdefault((mutant.file, kind, start), []).append(mutant)
        # A place is drawn, then what happens there: an operator with ten others counts once.
        drawn = draw.sample(sorted(places), min(len(places), round(size * group.share)))
        chosen += [draw.choice(places[place]) for place in drawn]
    return chosen


def mutants_of(group: str, path: Path) -> Iterator[tuple[str, tuple[int, int], Mutant]]:
    """Yield all changes of a file: the kind of the operator, where it changes, and the change."""
    # Here, since pytest reads this file in every process, and few machines have Cosmic Ray.
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.plugins import get_operator, operator_names

    text = path.read_text(encoding="utf-8")
    nodes = list(ast_nodes(get_ast(text)))
    skipped = lines_without_effect(ast.parse(text))
    for name in operator_names():
        operator = get_operator(name)
        if operator.arguments() or name.endswith(("NoOp", "RemoveDecorator")):
            continue
        positions = (at for node in nodes for at in operator().mutation_positions(node))
        for occurrence, (start, _) in enumerate(positions):
            if not any(first <= start < last for first, last in skipped):
                file = path.relative_to(ROOT).as_posix()
                yield name.split("_")[0], start, Mutant(group, file, name, occurrence)


def lines_without_effect(tree: ast.AST) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Return from where to where annotations and decorators stand: nothing runs there."""
    found: list[ast.expr] = []
    for node in ast.walk(tree):
        found += getattr(node, "decorator_list", [])
        found += [
            each
            for each in (getattr(node, "annotation", None), getattr(node, "returns", None))
            if each is not None
        ]
    return [
        ((each.lineno, each.col_offset), (each.end_lineno or 0, each.end_col_offset or 0))
        for each in found
    ]


def copy_project(folder: Path) -> Path:
    """Copy what git knows, so that nobody's work is changed."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True)
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


_TIMES = count(1)


def write_newer(path: Path, text: str) -> None:
    """Write a module so that no compiled form of another text is taken for it.

    Python compares size and seconds: two changes within one second would look alike.
    """
    path.write_text(text, encoding="utf-8")
    then = 2_000_000_000 + next(_TIMES)
    os.utime(path, (then, then))


def plays_green(mutant: Mutant, folder: Path) -> bool:
    """Whether the tests about a file pass though it is changed."""
    path, group = folder / mutant.file, GROUPS[mutant.group]
    own = [each for part in group.tests.split()
           for each in sorted(Path(folder, part).rglob(f"test_{path.stem}*.py"))]  # fmt: skip
    command = [
        sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist",
        "-m", "not browser and not alone", "--ignore=tests/core/test_compiles.py",
        *map(str, own), *group.tests.split(),
    ]  # fmt: skip
    before = path.read_text(encoding="utf-8")
    write_newer(path, mutant.changed())
    try:
        return has_passed(command, folder)
    finally:
        write_newer(path, before)


def has_passed(command: list[str], folder: Path) -> bool:
    """Whether a command ends well in time; nothing that it started goes on afterwards."""
    environment = os.environ | {"PYTHONPATH": str(folder), "NUMBA_DISABLE_JIT": "1"}
    with subprocess.Popen(
        command, cwd=folder, env=environment, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as tests:  # fmt: skip
        try:
            return tests.wait(LONGEST_S) == 0
        except subprocess.TimeoutExpired:
            return False
        finally:
            with suppress(ProcessLookupError):
                os.killpg(tests.pid, signal.SIGKILL)


def play(mutants: list[Mutant], processes: int) -> dict[str, bool]:
    """Return whether each change was told, played in copies of the project."""
    told: dict[str, bool] = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    left = [each for each in mutants if key(each) not in told]
    KEPT.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary, ThreadPoolExecutor(processes) as pool:
        copies: queue.SimpleQueue[Path] = queue.SimpleQueue()
        for i in range(processes):
            copies.put(copy_project(Path(temporary, str(i))))

        def play_one(mutant: Mutant) -> tuple[Mutant, bool]:
            folder = copies.get()
            try:
                return mutant, not plays_green(mutant, folder)
            finally:
                copies.put(folder)

        playing = [pool.submit(play_one, each) for each in left]
        for done in track(as_completed(playing), "Changes played", len(playing)):
            mutant, is_told = done.result()
            told[key(mutant)] = is_told
            KEPT.write_text(json.dumps(told, indent=0))
    return told


def key(mutant: Mutant) -> str:
    """Return what says a change whatever stands elsewhere in the file: its lines."""
    return f"{mutant.file}: {' '.join(mutant.difference())}"


def main() -> int:
    """Play the sample and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    mutants = sample(given.sample, given.seed)
    told = play(mutants, given.processes)
    equal = tomllib.loads((Path(__file__).parent / "equal_mutants.toml").read_text("utf-8"))
    table = Table("files", "changes", "told", "equal in effect", "not told")
    survivors = []
    for name in [*GROUPS, "all"]:
        keys = [key(each) for each in mutants if name in (each.group, "all")]
        alive = [each for each in keys if not told[each]]
        same = [each for each in alive if each in equal]
        table.add_row(name, *map(str, (len(keys), len(keys) - len(alive), len(same),
                                       len(alive) - len(same))))  # fmt: skip
        survivors = alive
    console = Console(highlight=False)
    console.print(table)
    for each in survivors:
        console.print(f"{each}\n    {equal.get(each, 'NOT TOLD: a test is missing')}", markup=False)
    killed_fraction = 1 - len(survivors) / len(mutants)
    console.print(f"{killed_fraction:.1%} were told; {LEAST_KILLED_FRACTION:.0%} ought to be.")
    return int(killed_fraction < LEAST_KILLED_FRACTION)


if __name__ == "__main__":
    sys.exit(main())
