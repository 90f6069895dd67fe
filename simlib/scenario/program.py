"""A scenario as a program: what is copied into a notebook or a script."""

from __future__ import annotations

from simlib.scenario.scenario import Scenario, dump


def write_program(scenario: Scenario) -> str:
    """Return a program in Python that plays a scenario.

    Examples
    --------
    >>> print(write_program(Scenario(clients=3)), end="")
    import simlib as sl
    <BLANKLINE>
    scenario = sl.loads('''
    clients = 3
    name = "scenario"
    ''')
    print(sl.describe_run(sl.run(scenario)))
    """
    toml = dump(scenario)
    # TOML has its own escapes, which a raw text leaves to it.
    raw = "r" if "\\" in toml else ""
    text = repr(toml) if "'''" in toml else f"{raw}'''\n{toml}'''"
    played = "print(sl.describe_run(sl.run(scenario)))"
    return f"import simlib as sl\n\nscenario = sl.loads({text})\n{played}\n"
