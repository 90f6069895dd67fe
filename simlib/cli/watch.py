"""The command that shows a run while it is played: watch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from simlib.cli.app import CommandGroup, examples, main, plays, with_out
from simlib.cli.output import (
    check_writable,
    default_out,
    print_note,
    save_partial,
    save_run,
    saving_if_interrupted,
)

if TYPE_CHECKING:
    from simlib.scenario.scenario import Scenario


@main.command(
    group=CommandGroup.PLAY,
    epilog=examples(
        "watch first_outage",
        "watch reconnect_storm --on sim --clients 200",
        "watch first_outage --set duration_s=300 --set faults=[]",
    ),
)
@plays
@click.option(
    "--on", default="live", show_default=True, metavar="[live|sim]", help="The engine that plays."
)
@with_out
def watch(scenario: Scenario, on: str, out: Path | None) -> None:
    """Play SCENARIO and watch it; keys cut, slow and restore the network.

    The trace is kept in a file, since keys cannot be pressed at exactly the same times again.
    """
    from simlib.studies.watch.watch import watch as watch_run

    folder = out or default_out(scenario)
    check_writable(folder)
    with saving_if_interrupted(folder):
        trace = watch_run(scenario, on)
    if trace.partial:
        save_partial(trace, folder)
    else:
        save_run(trace, folder)
        print_note(f"Trace, metrics and charts are in {folder}.")
