"""The origin that saved results carry: simlib's version, the command, the hashes of scenarios."""

from __future__ import annotations

import hashlib
from collections.abc import Container
from itertools import chain, count
from typing import Any

from simlib.scenario.functions import find_functions
from simlib.scenario.scenario import Scenario, dump


def describe_origin(command: str, *scenarios: Scenario) -> dict[str, Any]:
    """Return what a result that is saved says of its origin.

    Parameters
    ----------
    command : str
        The command, or the call in Python, that made it.
    *scenarios : Scenario
        What was played.

    Examples
    --------
    >>> origin = describe_origin("simlib run storm", Scenario(name="storm"))
    >>> list(origin), list(origin["scenarios"])
    (['simlib', 'command', 'scenarios'], ['storm'])
    """
    from simlib import __version__

    hashes: dict[str, str] = {}
    for each in scenarios:
        hashes[_number_apart(each.name, hashes)] = scenario_hash(each)
    return {"simlib": __version__, "command": command, "scenarios": hashes}


def _number_apart(name: str, known: Container[str]) -> str:
    """Return a name, with a number if another scenario has it too."""
    names = chain([name], (f"{name} ({number})" for number in count(2)))
    return next(each for each in names if each not in known)


def scenario_hash(scenario: Scenario) -> str:
    """Return the start of a scenario's hash: the same scenario has the same.

    A scenario with a Python function has none, since a function's name does not say what it does.
    """
    for place, backoff in find_functions(scenario).items():
        return f"none: {place} is {backoff.function_in_words}"
    return hashlib.sha256(dump(scenario).encode()).hexdigest()[:16]


def comment_origin(command: str, *scenarios: Scenario) -> str:
    """Return the origin as comments, which stand before the first key of a TOML file.

    Examples
    --------
    >>> comment_origin("simlib calibrate pings.csv").strip().rpartition(": ")[2]
    'simlib calibrate pings.csv'
    """
    origin = describe_origin(command, *scenarios)
    lines = [f"Made by simlib {origin['simlib']}" + (f": {command}" if command else "")]
    lines += [f"Scenario {name}: hash {given}" for name, given in origin["scenarios"].items()]
    return "".join(f"# {' '.join(line.split())}\n" for line in lines)
