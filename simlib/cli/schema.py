"""Commands for those who write scenarios: schema, new."""

from __future__ import annotations

from typing import Any

import click

from simlib.cli.app import CommandGroup, examples, main
from simlib.cli.output import json_text, print_note, write


@main.command(group=CommandGroup.PLAY, epilog=examples("schema", "schema > simlib.schema.json"))
def schema() -> None:
    """Print the JSON Schema of scenarios, by which editors complete and check them.

    An editor that knows TOML (Even Better TOML, Taplo) takes it from a first line such as
    #:schema simlib.schema.json. It knows each setting alone: simlib itself checks that they fit
    together.
    """
    click.echo(json_text(make_schema()), nl=False)


def make_schema() -> dict[str, Any]:
    """Return the schema of a scenario with all that its file may hold."""
    from simlib import __version__
    from simlib.scenario.json_schema import scenario_schema
    from simlib.studies.policy.lint import RULES
    from simlib.studies.policy.lint.options import options_schema

    made = {"$comment": f"Made by simlib {__version__}: simlib schema"}
    return made | scenario_schema(options_schema(list(RULES)))


@main.command(group=CommandGroup.PLAY, epilog=examples("new storm", "new scenarios/storm"))
@click.argument("name")
def new(name: str) -> None:
    """Write NAME.toml, a commented scenario that runs, and the schema that editors check it by.

    A file that is there is never written over, but for the schema, which simlib makes.
    """
    from simlib.scenario.new_scenario import SCHEMA_FILE, write_new_scenario

    file = write_new_scenario(name)
    write(file.with_name(SCHEMA_FILE), json_text(make_schema()))
    click.echo(f"{file} is written. Play it: simlib run {file}")
    print_note(f"{file.with_name(SCHEMA_FILE)} is for editors; simlib does not read it.")
