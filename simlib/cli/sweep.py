"""The command that plays every combination of settings: sweep."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simlib.cli.app import (
    CommandGroup,
    examples,
    going_on,
    main,
    plays,
    with_engine,
    with_json,
    with_out,
    with_workers,
)
from simlib.cli.arguments import choices
from simlib.cli.output import (
    check_writable,
    default_out,
    describe_resumed,
    end_if_runs_failed,
    json_text,
    print_note,
    print_out,
    write,
)
from simlib.core.errors import SettingsError
from simlib.support.made_by import KEY
from simlib.support.progress import progress_bar

if TYPE_CHECKING:
    from simlib.scenario.scenario import Scenario


#: What is printed of a sweep unless somebody asks for something else.
METRICS = ("time_to_recover_s_p95", "peak_attempts_per_s", "amplification")


#: A chart shows so many settings.
_DRAWN = 2


@main.command(
    group=CommandGroup.STUDY,
    epilog=examples(
        "sweep reconnect_storm --grid client.backoff.cap_s=5,30,120 --replications 30",
        "sweep fleet_storm --on fleet --grid client=preset:phoenix,preset:aws-full --workers 2",
        "sweep fleet_storm --on fleet --grid clients=1000,10000 --scheduler tcp://127.0.0.1:8786",
    ),
)
@plays
@click.option(
    "--grid",
    "grids",
    multiple=True,
    required=True,
    metavar="KEY=V1,V2",
    help="A setting and its values; may be given again: then all combinations are played.",
)
@click.option("--replications", default=10, show_default=True, help="Seeds of each combination.")
@with_engine
@with_workers
@click.option("--metric", "metrics", multiple=True, help="A metric to print; may be given again.")
@with_out
@with_json
def sweep(
    scenario: Scenario,
    grids: Sequence[str],
    replications: int,
    on: str,
    workers: int | None,
    scheduler: str | None,
    metrics: Sequence[str],
    out: Path | None,
    as_json: bool,
) -> None:
    """Play every combination of some settings of SCENARIO, each under many seeds.

    Finished runs are kept in the folder: an interrupted sweep continues there. Exits with 1 if some
    runs failed.
    """
    from simlib.experiments.sweep import sweep as play_all
    from simlib.metrics.meaning import check_metric
    from simlib.scenario.origin import describe_origin

    for metric in metrics:
        check_metric("--metric", metric)
    folder = out or default_out(scenario) / "sweep"
    check_writable(folder)
    with going_on("The runs that are finished", folder), progress_bar("playing") as progress:
        table = play_all(
            scenario,
            _grid(grids),
            replications,
            on=on,
            workers=workers,
            scheduler=scheduler,
            folder=folder,
            progress=progress,
        )
    means = table.means(*(metrics or METRICS))
    write(folder / "means.csv", means.to_csv(index=False))
    if len(table.grid) <= _DRAWN:
        from simlib.charts.heatmap import save_heat

        for metric in metrics or METRICS:
            save_heat(table, metric, folder)
    if as_json:
        document = {"scenario": scenario.name, "runs": len(table.table), "means": means}
        document |= {"failures": table.failures, KEY: describe_origin(table.made_by, scenario)}
        click.echo(json_text(document), nl=False)
    else:
        from simlib.charts.text import sweep_in_words

        print_out(sweep_in_words(table, means))
    for sentence in filter(None, [table.note, describe_resumed(table.resumed)]):
        print_note(sentence)
    charts = " and charts" if len(table.grid) <= _DRAWN else ""
    print_note(f"All runs are in {folder / 'sweep.parquet'}, means.csv{charts} beside it.")
    end_if_runs_failed(table.failures)


def _grid(given: Sequence[str]) -> dict[str, list[Any]]:
    grid: dict[str, list[Any]] = {}
    for axis in given:
        key, _, text = (part.strip() for part in axis.partition("="))
        if key in grid:
            raise SettingsError("--grid", axis, "names a setting that has its values already")
        values = choices(text)
        if not key or not values:
            rule = "must be KEY=V1,V2, as client.backoff.cap_s=5,30 is"
            raise SettingsError("--grid", axis, rule)
        grid[key] = values
    return grid
