"""Commands that play a scenario many times: sweep."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from simlib.cli.given import toml_value
from simlib.cli.group import examples, main, plays, with_engine, with_json, with_out
from simlib.cli.results import (
    check_writable,
    default_out,
    json_text,
    note,
    plain_rows,
    print_out,
    write,
)
from simlib.core.errors import SettingsError
from simlib.progress import progress_bar
from simlib.scenario import Scenario

#: What is printed of a sweep unless somebody asks for something else.
METRICS = ("time_to_recover_s_p95", "peak_attempts_per_s", "amplification")
#: A chart shows so many settings.
_DRAWN = 2


@main.command(
    epilog=examples(
        "sweep reconnect_storm --grid client.backoff.cap_s=5,30,120 --replications 30",
        "sweep fleet_storm --on fleet --grid client=preset:phoenix,preset:aws-full --workers 2",
        "sweep fleet_storm --on fleet --grid clients=1000,10000 --dask tcp://127.0.0.1:8786",
    ),
)
@plays
@click.option(
    "--grid",
    "grids",
    multiple=True,
    metavar="KEY=V1,V2",
    help="A setting and its values; may be given again: then all combinations are played.",
)
@click.option("--replications", default=10, show_default=True, help="Seeds of each combination.")
@with_engine
@click.option("--workers", type=int, help="Processes; by default one per processor.")
@click.option("--dask", metavar="ADDRESS", help="Play on the cluster of this Dask scheduler.")
@click.option("--metric", "metrics", multiple=True, help="What is printed; may be given again.")
@with_out
@with_json
def sweep(
    scenario: Scenario,
    grids: Sequence[str],
    replications: int,
    on: str,
    workers: int | None,
    dask: str | None,
    metrics: Sequence[str],
    out: Path | None,
    as_json: bool,
) -> None:
    """Play every combination of some settings of SCENARIO, each under many seeds.

    Runs that are finished are kept in the folder: a sweep that was interrupted goes on there. Exits
    with 1 if some runs failed.
    """
    from simlib.study.metrics import MEANING
    from simlib.study.sweep import sweep as play_all

    for metric in metrics:
        if metric not in MEANING:
            raise SettingsError("--metric", metric, "is no metric: simlib run prints all of them")
    if workers is not None and dask is not None:
        raise SettingsError("--workers", workers, "is for this machine: leave it out with --dask")
    folder = out or default_out(scenario) / "sweep"
    check_writable(folder)
    with progress_bar("playing") as progress:
        found = play_all(
            scenario,
            _grid(grids),
            replications,
            on=on,
            workers=workers,
            client=dask,
            folder=folder,
            progress=progress,
        )
    means = found.means(*(metrics or METRICS))
    write(folder / "means.csv", means.to_csv(index=False))
    if len(found.grid) <= _DRAWN:
        from simlib.show.heat import save_heat

        for metric in metrics or METRICS:
            save_heat(found, metric, folder)
    if as_json:
        document = {"scenario": scenario.name, "runs": len(found.table), "means": plain_rows(means)}
        click.echo(json_text(document | {"failures": plain_rows(found.failures)}), nl=False)
    else:
        from simlib.show.sweep import sweep_in_words

        print_out(sweep_in_words(found, means))
    for sentence in filter(None, [found.note, _resumed(found.resumed)]):
        note(sentence)
    charts = " and charts" if len(found.grid) <= _DRAWN else ""
    note(f"All runs are in {folder / 'sweep.parquet'}, means.csv{charts} beside it.")
    if len(found.failures):
        note(
            f"{len(found.failures)} runs failed, the first with {found.failures['failure'].iloc[0]}"
        )
        raise SystemExit(1)


def _resumed(count: int) -> str:
    return f"{count:,} runs had been finished before." if count else ""


def _grid(given: Sequence[str]) -> dict[str, list[Any]]:
    grid: dict[str, list[Any]] = {}
    for each in given:
        key, _, text = (part.strip() for part in each.partition("="))
        values = [part.strip() for part in text.split(",")]
        if not key or not all(values):
            rule = "must be KEY=V1,V2, as client.backoff.cap_s=5,30 is"
            raise SettingsError("--grid", each, rule)
        grid[key] = [toml_value(value) for value in values]
    return grid
