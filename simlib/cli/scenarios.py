"""The command that lists what comes with simlib: scenarios."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from simlib.cli.app import CommandGroup, examples, main, with_json
from simlib.cli.arguments import shipped_scenarios
from simlib.cli.output import json_text, print_out

if TYPE_CHECKING:
    from simlib.scenario.scenario import Scenario


@main.command(group=CommandGroup.PLAY, epilog=examples("scenarios", "scenarios --json"))
@with_json
def scenarios(as_json: bool) -> None:
    """List the scenarios that come with simlib."""
    from simlib.scenario.scenario import load

    known = [load(file) for file in shipped_scenarios().values()]
    if as_json:
        click.echo(
            json_text({"scenarios": [_list_settings(scenario) for scenario in known]}), nl=False
        )
        return
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(style="bold", no_wrap=True)
    for scenario in known:
        table.add_row(scenario.name, scenario.teaches)
    print_out(table)


def _list_settings(scenario: Scenario) -> dict[str, Any]:
    from simlib.scenario.scenario import plain

    names = ("name", "teaches", "clients", "duration_s")
    tables = plain(scenario).get("faults", [])
    faults = [
        table | {"start_s": fault.start_s, "stop_s": fault.stop_s}
        for table, fault in zip(tables, scenario.faults, strict=True)
    ]
    return {name: getattr(scenario, name) for name in names} | {"faults": faults}
