"""What can be copied out of an explorer: TOML, Python, and a policy for a real client."""

from __future__ import annotations

from simlib.scenario.program import write_program
from simlib.scenario.scenario import Scenario, dump
from simlib.studies.policy.export import EXPORTERS, export

#: What a scenario, or the policy of its client, can be copied as.
FORMATS = ("TOML", "Python", *EXPORTERS)


def write_as(scenario: Scenario, name: str) -> str:
    """Return a scenario as TOML or Python, or its client's policy in the words of a real client.

    Examples
    --------
    >>> print(write_as(Scenario(clients=3), "TOML"), end="")
    clients = 3
    name = "scenario"
    """
    if name == "TOML":
        return dump(scenario)
    if name == "Python":
        return write_program(scenario)
    exported = export(scenario.client, name)
    sign = "#" if exported.text.lstrip().startswith(("#", "import", "from")) else "//"
    lacks = [f"{sign} not the same: {each}" for each in exported.lacks]
    return "\n".join([exported.text.rstrip(), *lacks]) + "\n"
