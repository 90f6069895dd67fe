"""The ratios of earlier commits, in history.csv: a loss is seen on the day it comes."""

from __future__ import annotations

import csv
import subprocess
from collections.abc import Sequence
from pathlib import Path

from figure import Figure
from rich.text import Text

FILE = Path(__file__).with_name("history.csv")
COLUMNS = ("commit", "figure", "unit", "median", "load", "others_share")
#: What does not depend on how fast the machine is.
RATIOS = ("times", "share")
#: A ratio that is this many times worse than in the last line is told.
WORSE = 1.3


def append(figures: Sequence[Figure], file: Path = FILE) -> int:
    """Add a line for each ratio that was measured on a quiet machine; return how many."""
    commit = _commit()
    lines = [
        (commit, each.name, each.unit, f"{each.numbers[0]:.4g}", f"{each.load:.2f}",
         f"{each.others_share:.2f}")
        for each in figures
        if each.unit in RATIOS and each.numbers and not each.busy
    ]  # fmt: skip
    new = not file.exists()
    with file.open("a", newline="", encoding="utf-8") as opened:
        writer = csv.writer(opened, lineterminator="\n")
        writer.writerows([COLUMNS] * new + lines)
    return len(lines)


def last_medians(file: Path = FILE) -> dict[str, tuple[str, float]]:
    """Return the last line of each figure: its commit and its median."""
    if not file.exists():
        return {}
    with file.open(newline="", encoding="utf-8") as opened:
        return {
            row["figure"]: (row["commit"], float(row["median"])) for row in csv.DictReader(opened)
        }


def compare(figures: Sequence[Figure], file: Path = FILE) -> list[Text]:
    """Return a line for each ratio that has a line of an earlier commit; a loss is red."""
    medians = last_medians(file)
    lines = []
    for figure in figures:
        if figure.unit in RATIOS and figure.numbers and figure.name in medians:
            commit, before = medians[figure.name]
            lines.append(_compare_one(figure, commit, before))
    return lines


def _compare_one(figure: Figure, commit: str, before: float) -> Text:
    now = figure.numbers[0]
    worse = before / now if figure.more_is_better else now / before
    words = f"{figure.name}: {now:.3g} {figure.unit}, {before:.3g} at {commit}"
    if worse <= WORSE:
        return Text(words)
    beside = " (the machine is busy: measure again)" if figure.busy else ""
    return Text(f"{words}: {worse:.2f} times worse{beside}", style="red")


def _commit() -> str:
    """Return the short name of the commit, with a + if files have changed since."""

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=FILE.parent, check=True, capture_output=True, text=True
        ).stdout.strip()  # fmt: skip

    changed = bool(git("status", "--porcelain", "--untracked-files=no"))
    return git("rev-parse", "--short", "HEAD") + "+" * changed
