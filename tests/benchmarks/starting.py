"""Figures of starting: what `import simlib` adds to Python, and the whole of `simlib --help`."""

from __future__ import annotations

import subprocess
import sys
import time

from figure import Figure

_HELP = "from simlib.cli import main; main(['--help'])"


def starting(runs: int = 10) -> list[Figure]:
    """Whole processes; a bare Python beside each import, to be taken off."""
    _process_s(_HELP)  # compiles what is not compiled yet
    imports, helps = [], []
    for _ in range(runs):
        bare_s = _process_s("pass")
        imports.append(_process_s("import simlib") - bare_s)
        helps.append(_process_s(_HELP))
    return [
        Figure("import simlib, beyond bare Python", "s", tuple(imports), at_most=0.15),
        Figure("simlib --help, the whole process", "s", tuple(helps), at_most=0.3),
    ]


def _process_s(code: str) -> float:
    began_s = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began_s
