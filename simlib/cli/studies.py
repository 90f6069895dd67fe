"""Commands that play a scenario many times: sweep, sensitivity."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simlib.cli.given import choices, space_of
from simlib.cli.group import (
    examples,
    going_on,
    main,
    plays,
    with_engine,
    with_json,
    with_out,
    with_quick_engine,
    with_workers,
)
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
from simlib.scenario.scenario import Scenario
from simlib.support.progress import progress_bar

if TYPE_CHECKING:
    import pandas as pd

#: What is printed of a sweep unless somebody asks for something else.
METRICS = ("time_to_recover_s_p95", "peak_attempts_per_s", "amplification")
#: A chart shows so many settings.
_DRAWN = 2


@main.command(
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
    metavar="KEY=V1,V2",
    help="A setting and its values; may be given again: then all combinations are played.",
)
@click.option("--replications", default=10, show_default=True, help="Seeds of each combination.")
@with_engine
@with_workers
@click.option("--metric", "metrics", multiple=True, help="What is printed; may be given again.")
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

    Runs that are finished are kept in the folder: a sweep that was interrupted goes on there. Exits
    with 1 if some runs failed.
    """
    from simlib.experiments.sweep import sweep as play_all
    from simlib.metrics.metrics import check_metric

    for metric in metrics:
        check_metric("--metric", metric)
    folder = out or default_out(scenario) / "sweep"
    check_writable(folder)
    with going_on("The runs that are finished", folder), progress_bar("playing") as progress:
        found = play_all(
            scenario,
            _grid(grids),
            replications,
            on=on,
            workers=workers,
            scheduler=scheduler,
            folder=folder,
            progress=progress,
        )
    means = found.means(*(metrics or METRICS))
    write(folder / "means.csv", means.to_csv(index=False))
    if len(found.grid) <= _DRAWN:
        from simlib.charts.heatmap import save_heat

        for metric in metrics or METRICS:
            save_heat(found, metric, folder)
    if as_json:
        document = {"scenario": scenario.name, "runs": len(found.table), "means": plain_rows(means)}
        click.echo(json_text(document | {"failures": plain_rows(found.failures)}), nl=False)
    else:
        from simlib.charts.text import sweep_in_words

        print_out(sweep_in_words(found, means))
    for sentence in filter(None, [found.note, _resumed(found.resumed)]):
        note(sentence)
    charts = " and charts" if len(found.grid) <= _DRAWN else ""
    note(f"All runs are in {folder / 'sweep.parquet'}, means.csv{charts} beside it.")
    _end(found.failures)


@main.command(
    epilog=examples(
        "sensitivity fleet_storm",
        "sensitivity fleet_storm --space client.backoff.base_s=0.1..5 "
        "--space client.backoff.jitter=none,full",
        "sensitivity reconnect_storm --metric delivered_fraction --samples 128 --workers 2",
    ),
)
@plays
@click.option(
    "--space",
    "spaces",
    multiple=True,
    metavar="KEY=LOW..HIGH",
    help="A setting and its range, or its choices as KEY=A,B; may be given again. By default "
    "jitter, base, factor and cap of the backoff.",
)
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    help="What is to be decided; may be given again. By default time_to_recover_s_p99 and "
    "peak_attempts_per_s.",
)
@click.option(
    "--samples",
    default=64,
    show_default=True,
    help="A power of two; each makes a point per setting, and two more. So 64 samples of 4 "
    "settings under 3 seeds are 64 x 6 x 3 = 1,152 runs.",
)
@click.option("--replications", default=3, show_default=True, help="Seeds of each point.")
@with_quick_engine
@with_workers
@with_out
@with_json
def sensitivity(
    scenario: Scenario,
    spaces: Sequence[str],
    metrics: Sequence[str],
    samples: int,
    replications: int,
    on: str | None,
    workers: int | None,
    scheduler: str | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Tell which settings of SCENARIO decide a metric: alone, and with others.

    As Sobol's indices: of the metric's variance over the space, the share that each setting
    explains. Runs that are finished are kept in the folder: what was interrupted goes on there.
    Exits with 1 if some runs failed.
    """
    from simlib.experiments.objectives import OBJECTIVES
    from simlib.studies.sensitivity.sensitivity import sensitivity as play_all

    folder = out or default_out(scenario) / "sensitivity"
    check_writable(folder)
    with going_on("The runs that are finished", folder), progress_bar("playing") as progress:
        found = play_all(
            scenario,
            space_of(spaces) or None,
            metrics or OBJECTIVES,
            samples=samples,
            replications=replications,
            on=on,
            workers=workers,
            scheduler=scheduler,
            folder=folder,
            progress=progress,
        )
    from simlib.studies.sensitivity.chart import save_sensitivity_chart
    from simlib.studies.sensitivity.text import sensitivity_in_words

    write(folder / "sensitivity.csv", found.table.to_csv(index=False))
    save_sensitivity_chart(found, folder)
    if as_json:
        click.echo(json_text(found.to_json()), nl=False)
    else:
        print_out(sensitivity_in_words(found))
    if resumed := _resumed(found.resumed):
        note(resumed)
    note(
        f"All points are in {folder / 'points.parquet'}; sensitivity.csv and sensitivity.png are "
        "beside it."
    )
    _end(found.failures)


def _end(failures: pd.DataFrame) -> None:
    """End with status 1 if runs failed, and say why the first did."""
    if len(failures):
        note(f"{len(failures)} runs failed, the first with {failures['failure'].iloc[0]}")
        raise SystemExit(1)


def _resumed(count: int) -> str:
    return f"{count:,} runs had been finished before." if count else ""


def _grid(given: Sequence[str]) -> dict[str, list[Any]]:
    grid: dict[str, list[Any]] = {}
    for each in given:
        key, _, text = (part.strip() for part in each.partition("="))
        if key in grid:
            raise SettingsError("--grid", each, "names a setting that has its values already")
        values = choices(text)
        if not key or not values:
            rule = "must be KEY=V1,V2, as client.backoff.cap_s=5,30 is"
            raise SettingsError("--grid", each, rule)
        grid[key] = values
    return grid
