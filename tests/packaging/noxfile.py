"""Plays the tests on each Python that simlib supports and this machine has: make pythons."""

from pathlib import Path

import nox

ROOT = Path(__file__).parents[2]
nox.options.error_on_missing_interpreters = False


@nox.session(
    python=nox.project.python_versions(nox.project.load_toml(ROOT / "pyproject.toml")),
    venv_backend="uv|virtualenv",
)
def tests(session: nox.Session) -> None:
    """Install simlib as `make` does, and play what needs neither real time nor a browser."""
    session.chdir(ROOT)
    session.install("-c", "constraints.txt", "-e", ".[dev]")
    played = ["-m", "not live and not browser and not slow", *session.posargs]
    session.run("python", "-m", "pytest", "-q", "-n", "logical", "--dist", "worksteal", *played)
