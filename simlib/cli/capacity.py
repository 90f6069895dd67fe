"""The command that finds the least server that will do: capacity."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from simlib.cli.app import CommandGroup, examples, main, plays, with_json, with_out
from simlib.cli.output import check_writable, default_out, json_text, print_note, print_out, write
from simlib.support.progress import progress_bar

if TYPE_CHECKING:
    from simlib.scenario.scenario import Scenario


@main.command(
    group=CommandGroup.STUDY,
    epilog=examples(
        "capacity fleet_storm --recover-within 10",
        "capacity fleet_storm --recover-within 15 --clients 100000 --set server.accept_per_s=8000",
        "capacity fleet_storm --recover-within 10 --share 0.99 --key server.accept_per_s --json",
    ),
)
@plays
@click.option(
    "--recover-within",
    type=float,
    required=True,
    metavar="SECONDS",
    help="Required recovery time after the fault ends, in seconds.",
)
@click.option(
    "--share",
    default=1.0,
    show_default=True,
    help="Fraction of clients that must recover in time.",
)
@click.option(
    "--key",
    "keys",
    multiple=True,
    help="A numeric setting to vary; may be given again. By default gateways, accept rate, "
    "workers and cap.",
)
@click.option(
    "--on", default="fleet", show_default=True, metavar="[fleet|sim]", help="The engine that plays."
)
@with_out
@with_json
def capacity(
    scenario: Scenario,
    recover_within: float,
    share: float,
    keys: Sequence[str],
    on: str,
    out: Path | None,
    as_json: bool,
) -> None:
    """Find what it takes to bring SCENARIO's clients back in time.

    That is the least number of gateways, accept rate and number of workers, and the largest cap,
    each alone with the rest as given. If no value is enough, that is a result, not an error: the
    status is 0.
    """
    from simlib.studies.capacity.capacity import capacity as find

    folder = out or default_out(scenario)
    check_writable(folder)
    with progress_bar("playing") as progress:
        capacity = find(scenario, recover_within, share=share, keys=keys, on=on, progress=progress)
    from simlib.studies.capacity.chart import save_capacity_chart
    from simlib.studies.capacity.text import capacity_in_words

    write(folder / "capacity.json", json_text(capacity.to_json()))
    save_capacity_chart(capacity, folder)
    if as_json:
        click.echo(json_text(capacity.to_json()), nl=False)
    else:
        print_out(capacity_in_words(capacity))
    print_note(f"Chart and every value played are in {folder}.")
