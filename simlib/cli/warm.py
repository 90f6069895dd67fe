"""The command that compiles the fleet engine ahead: warm."""

from __future__ import annotations

import click

from simlib.cli.app import CommandGroup, examples, main
from simlib.cli.output import print_note

#: What each loop is compiled for; see `simlib.engines.kernel.features.LOOPS`.
_FOR = {
    "plain": "paths of constant latency, servers without limits, clients that only back off",
    "limited": "the same, with servers that let clients in one after the other",
    "whole": "all other scenarios, and clients that are watched",
}


@main.command(group=CommandGroup.PLAY, epilog=examples("warm"))
def warm() -> None:
    """Compile the fleet engine ahead, so that no run waits for it.

    The fleet has three event loops: two small ones that play what most storms need, and one that
    plays everything. Each is compiled by the first run that needs it, and kept in the user's cache
    until simlib changes. This command compiles all, and says how long it takes.
    """
    from time import perf_counter

    from simlib.engines.fleet.machine_code import cache_folder
    from simlib.engines.fleet.part import compile_ahead

    for name, purpose in _FOR.items():
        print_note(f"The {name} loop, for {purpose}:")
        began_s = perf_counter()
        how = "compiled" if compile_ahead(name) else "is compiled already, read"
        click.echo(f"{name}: {how} in {perf_counter() - began_s:.1f} s")
    click.echo(f"Compiled code is kept in {cache_folder()}")
