"""Where a scenario has policies that are Python functions, and what such a scenario cannot do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simlib.core.errors import SettingsError
from simlib.core.function_backoff import FunctionBackoff
from simlib.core.validation import name_function

if TYPE_CHECKING:
    from simlib.scenario.scenario import Scenario


def find_functions(scenario: Scenario) -> dict[str, FunctionBackoff]:
    """Return the policies that are Python functions, by their places.

    Examples
    --------
    >>> import simlib as sl
    >>> list(find_functions(sl.Scenario(client=sl.Settings(backoff=max))))
    ['client.backoff']
    """
    clients = {"client": scenario.client}
    clients |= {f"cohorts.{i}.client": each.client for i, each in enumerate(scenario.cohorts)}
    return {
        f"{place}.backoff": client.backoff
        for place, client in clients.items()
        if isinstance(client.backoff, FunctionBackoff)
    }


def refuse_functions(scenario: Scenario, why: str) -> None:
    """Raise `SettingsError` if a policy is a Python function; ``why`` ends the sentence.

    Examples
    --------
    >>> import simlib as sl
    >>> refuse_functions(sl.Scenario(), "nothing can be done with one")
    """
    for place, backoff in find_functions(scenario).items():
        name = name_function(backoff.function)
        raise SettingsError(place, name, f"is a Python function, and {why}")
