"""Libraries that only some of simlib needs: each is there, or a sentence says how to install it."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from simlib.core.errors import SimlibError

_SOURCES = Path(__file__).parents[2]


def load_extra(
    module: str,
    extra: str,
    purpose: str,
    kind: type[SimlibError] = SimlibError,
    otherwise: str = "",
) -> Any:
    """Return a module that an extra of simlib installs.

    Parameters
    ----------
    module : str
        The module's full name.
    extra : str
        The extra in pyproject.toml that installs it.
    purpose : str
        What it is needed for, to begin the sentence: "sensitivity needs SALib".
    kind : type, optional
        The error that is raised.
    otherwise : str, optional
        What can be done without it, to end the sentence.

    Raises
    ------
    SimlibError
        If it is not there, or does not work.

    Examples
    --------
    >>> load_extra("json", "study", "this example needs json").dumps([1])
    '[1]'
    """
    try:
        return import_module(module)
    except Exception as error:
        raise kind(
            f"{purpose}, which is not installed or does not work here ({error}): "
            f"install it with {install_command(extra)}{otherwise}"
        ) from error


def install_command(extra: str) -> str:
    """Return the command that installs an extra, in a source tree or by the distribution's name."""
    if (_SOURCES / "pyproject.toml").is_file():
        return f'pip install -e ".[{extra}]" in simlib\'s folder'
    return f'pip install "simlib-ws[{extra}]"'
