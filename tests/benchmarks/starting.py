"""Figures of starting: what `import simlib` adds to Python, and the whole of `simlib --help`."""

from __future__ import annotations

from figure import Figure
from timed import process

_HELP = "from simlib.cli import main; main(['--help'])"


def starting(runs: int = 10) -> list[Figure]:
    """Whole processes; a bare Python beside each import, to be taken off."""
    process("-c", _HELP)  # compiles what is not compiled yet
    imports, helps = [], []
    for _ in range(runs):
        bare_s = process("-c", "pass")[0]
        imports.append(process("-c", "import simlib")[0] - bare_s)
        helps.append(process("-c", _HELP)[0])
    return [
        Figure("import simlib, beyond bare Python", "s", tuple(imports), at_most=0.04),
        Figure("simlib --help, the whole process", "s", tuple(helps), at_most=0.15),
    ]
