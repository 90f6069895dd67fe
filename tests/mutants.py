"""Would the tests about a file tell that it is wrong? python tests/mutants.py [--sample N]

Cosmic Ray changes one operator, number or word of the code, in a copy of the project, and the tests
about that file are played: they ought to fail. It prints how many of a seeded sample did, and each
change that no test told (a survivor) with the reason that `equal_mutants.toml` gives for it, if it
changes nothing that anybody could see.

First the tests are played without a change: they must pass, or every change would seem to be told.
A change may take five times as long as that; then it counts as told, since it makes something wait
for ever. What was told is kept in ``out/mutants.json``: a run that was interrupted goes on there,
and one after new tests plays only the survivors. Remove that file to begin anew.
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
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from pathlib import Path
from time import monotonic

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

ROOT = Path(__file__).parents[1]
KEPT = ROOT / "out" / "mutants.json"
EQUAL = ROOT / "tests" / "equal_mutants.toml"
LEAST_KILLED_FRACTION = 0.9
#: How many times as long as without a change: a busy machine is slow, a hang is endless.
LONGEST_TIMES = 5
#: For tests that take no second: the machine may be busy with something else when one begins.
SHORTEST_LIMIT_S = 30
#: What pytest returns if all passed, and if there was nothing to play.
PASSED = (0, 5)
CONSOLE = Console(highlight=False)


@dataclass(frozen=True)
class Group:
    """Files that are changed, the tests about them, and their share of the sample."""

    files: str
    tests: str
    share: float
    #: The fleet's kernels hold the core: each change of it would compile them anew, for minutes.
    has_fleet: bool = True


PROXY_TESTS = "tests/engines/live/test_proxy.py tests/engines/live/test_proxy_paths.py"
GROUPS = {
    "core": Group("simlib/core/*.py", "tests/core tests/theory", 0.5, has_fleet=False),
    "metrics": Group("simlib/metrics/*.py", "tests/metrics", 0.2),
    "compare": Group("simlib/studies/compare/*.py", "tests/studies/compare", 0.12),
    "store": Group("simlib/engines/store.py", "tests/engines/test_store.py", 0.06),
    "proxy": Group("simlib/engines/live/proxy.py", PROXY_TESTS, 0.12),
}
#: What only words show: their tests look for parts of sentences, not for each.
WORDS = ("words.py", "text.py", "chart.py", "meaning.py", "description.py", "run_sentences.py")
#: The tests of `make test`, without those in a browser.
PLAYED = "not browser and not alone and not slow"
#: These need the fleet, or take minutes on another engine.
OF_FLEET = ("tests/core/test_compiles.py", "tests/theory/test_server.py")
#: Python reads this before anything else; tests that need numba are then skipped.
NO_NUMBA = "import sys\n\nsys.modules['numba'] = None\n"


@dataclass(frozen=True)
class Mutant:
    """One change: the how-manieth place in a file at which an operator of Cosmic Ray changes it."""

    group: str
    file: str
    operator: str
    occurrence: int

    @cached_property
    def changed(self) -> str:
        """The text of the file with the change; somebody may edit the file during a run."""
        from cosmic_ray.mutating import mutate_code
        from cosmic_ray.plugins import get_operator

        text = (ROOT / self.file).read_text(encoding="utf-8")
        return str(mutate_code(text, get_operator(self.operator)(), self.occurrence))

    @cached_property
    def key(self) -> str:
        """What says a change whatever stands elsewhere in the file: the lines that go and come."""
        before = (ROOT / self.file).read_text(encoding="utf-8").splitlines()
        lines = list(difflib.unified_diff(before, self.changed.splitlines(), n=0, lineterm=""))
        return " ".join([f"{self.file}:", *(f"{each[0]} {each[1:].strip()}" for each in lines[3:])])


def sample(size: int, seed: int) -> list[Mutant]:
    """Return a sample of changes: of each group its share, each place at most once.

    Each line draws for itself, so that an edit elsewhere leaves the sample as it is.
    """
    chosen = []
    for name, group in GROUPS.items():
        places: dict[tuple[str, ...], list[Mutant]] = {}
        for path in sorted(ROOT.glob(group.files)):
            if path.name not in WORDS:
                lines = path.read_text(encoding="utf-8").splitlines()
                for kind, (row, column), mutant in mutants_of(name, path):
                    place = (mutant.file, kind, lines[row - 1], str(column))
                    places.setdefault(place, []).append(mutant)
        # A place is drawn, then what happens there: an operator with ten others counts once.
        drawn = sorted(places, key=lambda place: draw(seed, *place))[: round(size * group.share)]
        chosen += [
            min(places[place], key=lambda each: draw(seed, *place, each.operator))
            for place in drawn
        ]
    return chosen


def draw(seed: int, *what: str) -> float:
    """Return a number that this seed always draws for this."""
    return random.Random(repr((seed, what))).random()


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


def read_equal() -> dict[str, str]:
    """Return the changes that change nothing that anybody could see, each with the reason."""
    return tomllib.loads(EQUAL.read_text(encoding="utf-8"))


def is_stale(key: str) -> bool:
    """Whether the line that a change replaces is not in its file any more."""
    name, _, change = key.partition(": - ")
    file = ROOT / name
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    bare = [line.strip() for line in lines]
    return not any(change.startswith((f"{line} + ", f"{line} - ")) for line in bare)


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


def tests_about(group: Group, folder: Path, file: str | None) -> Iterator[list[str]]:
    """Yield commands that play the tests of a group: first what likely tells soonest.

    These are a file's own examples and the tests of its name, then the others, then what needs real
    time.
    """
    parts = group.tests.split()
    never = () if group.has_fleet else OF_FLEET
    own = []
    if file is not None:
        names = f"test_{Path(file).stem}*.py"
        found = (path for part in parts for path in sorted((folder / part).rglob(names)))
        named = (path.relative_to(folder).as_posix() for path in found)
        own = [file, *(name for name in named if name not in never)]
    left_out = [f"--ignore={each}" for each in (*own, *never)]
    for which, files in (
        ("not live", own),
        ("not live", [*left_out, *parts]),
        ("live", parts),
    ):
        if files:
            yield [
                sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider",
                "-p", "no:xdist", "-m", f"{which} and {PLAYED}", *files,
            ]  # fmt: skip


def environment_of(group: Group, folder: Path) -> dict[str, str]:
    """Return the environment of a group's tests: what they import is the copy of the project."""
    path = [str(folder)]
    if not group.has_fleet:
        hidden = folder / "out" / "no_numba"
        hidden.mkdir(parents=True, exist_ok=True)
        (hidden / "sitecustomize.py").write_text(NO_NUMBA, encoding="utf-8")
        path.insert(0, str(hidden))
    return os.environ | {"PYTHONPATH": os.pathsep.join(path)}


def measure_unchanged(folder: Path) -> dict[str, float]:
    """Return how long a change of each group may take, after its tests passed without one.

    Raises
    ------
    SystemExit
        If they do not pass.
    """
    limit_s = {}
    for name, group in GROUPS.items():
        began_s = monotonic()
        for command in tests_about(group, folder, None):
            done = subprocess.run(
                command, cwd=folder, env=environment_of(group, folder),
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            if done.returncode not in PASSED:
                said = "\n".join(done.stdout.splitlines()[-15:])
                sys.exit(f"The tests about {name} fail without any change:\n{said}")
        took_s = monotonic() - began_s
        limit_s[name] = max(SHORTEST_LIMIT_S, LONGEST_TIMES * took_s)
        CONSOLE.print(f"{name}: its tests pass without a change in {took_s:.0f} s")
    return limit_s


def plays_green(mutant: Mutant, folder: Path, limit_s: float) -> bool:
    """Whether the tests about a file pass though it is changed."""
    path, group = folder / mutant.file, GROUPS[mutant.group]
    before = path.read_text(encoding="utf-8")
    write_newer(path, mutant.changed)
    try:
        return all(
            has_passed(command, folder, environment_of(group, folder), limit_s)
            for command in tests_about(group, folder, mutant.file)
        )
    finally:
        write_newer(path, before)


def has_passed(
    command: list[str], folder: Path, environment: dict[str, str], limit_s: float
) -> bool:
    """Whether a command ends well in time; nothing that it started goes on afterwards."""
    with subprocess.Popen(
        command, cwd=folder, env=environment, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as tests:  # fmt: skip
        _PLAYING.add(tests.pid)
        try:
            return tests.wait(limit_s) in PASSED
        except subprocess.TimeoutExpired:
            return False
        finally:
            end(tests.pid)


#: The processes that play tests now.
_PLAYING: set[int] = set()


def end(group: int) -> None:
    """End a process and all that it started."""
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
    _PLAYING.discard(group)


def play(mutants: list[Mutant], processes: int, equal: dict[str, str]) -> dict[str, bool]:
    """Return whether each change was told; those that are not known yet are played in copies."""
    told: dict[str, bool] = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    settled = {each for each, is_told in told.items() if is_told or each in equal}
    # Mixed, so that the time that the first take foretells that of the others.
    left = sorted(
        (each for each in mutants if each.key not in settled), key=lambda each: draw(0, each.key)
    )
    KEPT.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary, ThreadPoolExecutor(processes) as pool:
        copies: queue.SimpleQueue[Path] = queue.SimpleQueue()
        for i in range(processes):
            copies.put(copy_project(Path(temporary, str(i))))
        limit_s = measure_unchanged(Path(temporary, "0")) if left else {}

        def play_one(mutant: Mutant) -> tuple[Mutant, bool]:
            folder = copies.get()
            try:
                return mutant, not plays_green(mutant, folder, limit_s[mutant.group])
            finally:
                copies.put(folder)

        playing = [pool.submit(play_one, each) for each in left]
        with ends_on_interruption(pool), Progress(console=CONSOLE) as progress:
            for done in progress.track(
                as_completed(playing), total=len(playing), description="Changes played"
            ):
                mutant, is_told = done.result()
                told[mutant.key] = is_told
                KEPT.write_text(json.dumps(told, indent=0))
                if not is_told:
                    progress.console.print(f"not told: {mutant.key}", markup=False, soft_wrap=True)
    return told


@contextmanager
def ends_on_interruption(pool: ThreadPoolExecutor) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end what is played now, and begin nothing more."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for group in list(_PLAYING):
            end(group)
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


def main() -> int:
    """Play the sample and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    mutants = sample(given.sample, given.seed)
    equal = read_equal()
    for each in filter(is_stale, equal):
        said = f"equal_mutants.toml lists a change of a line that is gone: {each}"
        CONSOLE.print(said, markup=False, soft_wrap=True)
    try:
        told = play(mutants, given.processes, equal)
    except KeyboardInterrupt:
        CONSOLE.print("Interrupted: the next run goes on here.")
        return 130
    table = Table("files", "changes", "told", "equal in effect", "not told")
    survivors = []
    for name in [*GROUPS, "all"]:
        keys = [each.key for each in mutants if name in (each.group, "all")]
        alive = [each for each in keys if not told[each]]
        same = [each for each in alive if each in equal]
        table.add_row(name, *map(str, (len(keys), len(keys) - len(alive), len(same),
                                       len(alive) - len(same))))  # fmt: skip
        survivors = alive
    CONSOLE.print(table)
    for each in survivors:
        reason = equal.get(each, "NOT TOLD: a test is missing")
        CONSOLE.print(f"{each}\n    {reason}", markup=False, soft_wrap=True)
    killed_fraction = 1 - len(survivors) / len(mutants)
    CONSOLE.print(f"{killed_fraction:.1%} were told; {LEAST_KILLED_FRACTION:.0%} ought to be.")
    return int(killed_fraction < LEAST_KILLED_FRACTION)


if __name__ == "__main__":
    sys.exit(main())
