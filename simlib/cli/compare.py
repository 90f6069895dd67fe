"""The command that asks whether the engines agree: compare."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from simlib.cli.app import DISAGREED, CommandGroup, examples, main, plays, with_json, with_out
from simlib.cli.output import (
    check_writable,
    default_out,
    json_text,
    print_note,
    print_out,
    save_comparison,
    saving_if_interrupted,
)
from simlib.support.progress import progress_bar

if TYPE_CHECKING:
    from simlib.scenario.scenario import Scenario


@main.command(
    group=CommandGroup.PLAY,
    epilog=examples(
        "compare first_outage",
        "compare first_outage --replications 50 --out out/fifty",
        "compare poor_network_fallback --clients 5 --json",
    ),
)
@plays
@click.option("--replications", default=20, show_default=True, help="Simulated runs.")
@with_out
@with_json
def compare(scenario: Scenario, replications: int, out: Path | None, as_json: bool) -> None:
    """Play SCENARIO in simulation and on real WebSockets: do they agree?

    Exits with 1 if they disagree, and with 0 if they agree or if this machine was too busy to
    judge, which is no fault of either. The last lines, and "verdict" in JSON, say which.
    """
    from simlib.studies.compare.compare import compare as compare_engines

    folder = out or default_out(scenario)
    check_writable(folder)
    with saving_if_interrupted(folder), progress_bar("simulating") as progress:
        comparison = compare_engines(scenario, replications, progress=progress)
    save_comparison(comparison, folder)
    for sentence in comparison.live.notes:
        print_note(sentence)
    if as_json:
        click.echo(json_text(comparison.to_json()), nl=False)
    else:
        from simlib.studies.compare.text import comparison_in_words

        print_out(comparison_in_words(comparison))
    print_note(f"Traces, table and charts are in {folder}.")
    if comparison.disagreed:
        raise SystemExit(DISAGREED)
