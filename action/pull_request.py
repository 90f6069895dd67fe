"""Lint a repository's scenarios, and say what changed in them since a base: for `action.yml`.

What to do stands in the environment: SIMLIB_SCENARIOS (patterns, one a line), SIMLIB_BASE (a branch
or commit; empty: nothing is compared), SIMLIB_FAIL_IF (rules, one a line), SIMLIB_REPLICATIONS. The
Markdown goes into the file that GITHUB_STEP_SUMMARY names, the annotations to stdout. The status is
0, 1 if lint finds an error or a rule is surely broken, or 2 for bad input.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from simlib.core.errors import SimlibError
from simlib.differences.diff import diff
from simlib.differences.sides import read_side
from simlib.metrics.markdown import escape_markdown, markdown_table
from simlib.scenario.scenario import Scenario, dump, load
from simlib.studies.policy.lint import RULES, lint
from simlib.studies.policy.lint.options import read_options
from simlib.studies.policy.lint.reports import LintedTarget, github_annotations

BROKEN, BAD_INPUT = 1, 2
#: GitHub takes no summary of more than 1 MiB.
_MOST_BYTES = 1_000_000


def main() -> int:
    """Lint and compare, write the summary, and return the status."""
    patterns = _lines("SIMLIB_SCENARIOS")
    files = _find(Path(), patterns)
    if not files:
        raise SimlibError(f"no file matches {', '.join(patterns) or 'the input scenarios'}")
    linted = [_lint(file) for file in files]
    sys.stdout.write(github_annotations(linted))
    parts, fails = (
        ["## simlib", _lint_markdown(linted)],
        any(each.worst == "error" for each in linted),
    )
    if base := os.environ.get("SIMLIB_BASE", ""):
        with tempfile.TemporaryDirectory() as folder:
            old = Path(folder)
            _unpack(_find_commit(base), old)
            compared, is_broken = _compare(files, old, base, patterns)
        parts += compared
        fails = fails or is_broken
    _write("\n\n".join(parts) + "\n")
    return BROKEN if fails else 0


def _lines(name: str) -> list[str]:
    return [line.strip() for line in os.environ.get(name, "").splitlines() if line.strip()]


def _find(folder: Path, patterns: list[str]) -> list[Path]:
    """Return the files below a folder that match, as paths from there, each once."""
    try:
        found = {file for pattern in patterns for file in folder.glob(pattern) if file.is_file()}
    except (NotImplementedError, ValueError) as error:
        raise SimlibError(f"the input scenarios has a pattern that is none: {error}") from error
    return sorted(file.relative_to(folder) for file in found)


# --- lint --------------------------------------------------------------------------------


def _lint(file: Path) -> LintedTarget:
    scenario = load(file)
    options = read_options(file, list(RULES))
    findings = lint(scenario, thresholds=options.thresholds.changed_fields())
    return LintedTarget.of(str(file), scenario.clients, findings, options.ignore, file)


def _lint_markdown(linted: list[LintedTarget]) -> str:
    rows = [
        (f"{each.name}:{each.line(finding)}", finding.severity, finding.rule, finding.sentence)
        for each in linted
        for finding in each.findings
        if finding.severity != "info"
    ]
    heading = "### Lint\n\n"
    if not rows:
        return f"{heading}No errors and no warnings in {len(linted)} files."
    return heading + markdown_table(("where", "", "rule", "finding"), rows, numbers_from=4)


# --- the base ----------------------------------------------------------------------------


def _git(*arguments: str) -> bytes:
    done = subprocess.run(["git", *arguments], capture_output=True, check=False)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise SimlibError(f"git {arguments[0]} failed: {said}")
    return done.stdout


def _find_commit(base: str) -> str:
    """Return where this branch left the base; the base itself if the history is not here."""
    for name in (f"refs/remotes/origin/{base}", base):
        try:
            known = _git(
                "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"
            )
        except SimlibError:
            continue
        break
    else:
        # A checkout of one commit, as actions/checkout makes it.
        _git("fetch", "--quiet", "--depth=1", "origin", f"refs/heads/{base}")
        known = _git("rev-parse", "FETCH_HEAD")
    tip = known.decode().strip()
    try:
        return _git("merge-base", "HEAD", tip).decode().strip() or tip
    except SimlibError:
        return tip


def _unpack(commit: str, folder: Path) -> None:
    """Put all files of a commit into a folder: scenarios may name others."""
    with tarfile.open(fileobj=io.BytesIO(_git("archive", "--format=tar", commit))) as archive:
        archive.extractall(folder, filter="data")


# --- diff --------------------------------------------------------------------------------


def _compare(
    files: list[Path], old: Path, base: str, patterns: list[str]
) -> tuple[list[str], bool]:
    """Return what changed in each file, in Markdown, and whether a rule is surely broken."""
    parts, is_broken, same = [f"### Against {escape_markdown(base)}"], False, 0
    for file in files:
        if not (old / file).is_file():
            parts.append(
                f"{escape_markdown(str(file))} is new: there is nothing to compare it with."
            )
            continue
        one, other = read_side(old / file), read_side(file)
        if _plain(one) == _plain(other):
            same += 1
            continue
        names = (f"{file} of {base}", str(file))
        replications = int(os.environ.get("SIMLIB_REPLICATIONS") or 20)
        found = diff(one, other, replications, fail_if=_lines("SIMLIB_FAIL_IF"), names=names)
        parts.append(found.to_markdown().strip())
        is_broken = is_broken or found.fails
    gone = sorted(set(_find(old, patterns)) - set(files))
    parts += [f"{escape_markdown(str(file))} is gone." for file in gone]
    if same:
        parts.append(f"{same} of {len(files)} files mean the same as before.")
    return parts, is_broken


def _plain(side: object) -> str:
    """Return what a side means, without its comments and the order of its keys."""
    return dump(side) if isinstance(side, Scenario) else repr(side)


def _write(text: str) -> None:
    data = text.encode()
    if len(data) > _MOST_BYTES:
        data = (
            data[:_MOST_BYTES].rpartition(b"\n")[0] + b"\n\nThe rest is left out: it is too long.\n"
        )
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(summary).open("ab") as file:
            file.write(data)
    else:
        sys.stdout.write(data.decode())


if __name__ == "__main__":
    try:
        status = main()
    except (SimlibError, ValueError) as error:
        said = str(error).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
        sys.stdout.write(f"::error title=simlib::{said}\n")
        status = BAD_INPUT
    raise SystemExit(status)
