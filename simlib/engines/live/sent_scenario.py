"""A scenario on its way to a worker process: as TOML, or pickled if it has a Python function."""

from __future__ import annotations

import base64
import pickle
import sys
import tomllib
from typing import Any

from simlib.core.errors import EngineError, SettingsError
from simlib.scenario.build import build
from simlib.scenario.functions import find_functions
from simlib.scenario.scenario import Scenario, dump


def write_scenario(scenario: Scenario) -> dict[str, Any]:
    """Return what a line of JSON holds for `read_scenario`.

    Raises
    ------
    SettingsError
        If a Python function cannot be sent: what it refers to belongs to this process.

    Examples
    --------
    >>> read_scenario(write_scenario(Scenario(clients=3))).clients
    3
    """
    functions = find_functions(scenario)
    if not functions:
        return {"scenario": dump(scenario)}
    # What sends tasks to a sweep's processes: functions of a notebook too, by their code.
    from loky.backend.reduction import dumps

    try:
        pickled = base64.b64encode(dumps(scenario)).decode()
    except Exception as error:
        words = ", ".join(each.function_in_words for each in functions.values())
        rule = f"must be 1: {words} cannot be sent to another process ({error})"
        raise SettingsError("workers", "several", rule) from error
    return {"pickled": pickled, "path": sys.path}


def read_scenario(order: dict[str, Any]) -> Scenario:
    """Return the scenario that the process which began this one has written.

    Raises
    ------
    EngineError
        If a module that a function is in, or uses, cannot be imported here.
    """
    if "scenario" in order:
        return build(Scenario, tomllib.loads(order["scenario"]))
    sys.path += [each for each in order["path"] if each not in sys.path]
    try:
        # What it is given comes from the process that began this one, which could run anything.
        scenario: Scenario = pickle.loads(base64.b64decode(order["pickled"]))
    except (ImportError, AttributeError) as error:
        raise EngineError(f"the backoff's function cannot be read here: {error}") from error
    return scenario
