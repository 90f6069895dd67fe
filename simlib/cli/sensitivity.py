"""The command that tells which setting decides a metric: sensitivity."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from simlib.cli.app import (
    CommandGroup,
    examples,
    going_on,
    main,
    plays,
    with_json,
    with_out,
    with_quick_engine,
    with_workers,
)
from simlib.cli.arguments import space_of
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
from simlib.support.progress import progress_bar

if TYPE_CHECKING:
    from simlib.scenario.scenario import Scenario


@main.command(
    group=CommandGroup.STUDY,
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
    help="A metric to explain; may be given again. By default time_to_recover_s_p99 and "
    "peak_attempts_per_s.",
)
@click.option(
    "--samples",
    default=64,
    show_default=True,
    help="Samples, a power of two; each gives a point per setting, and two more. So 64 samples of "
    "4 settings under 3 seeds are 64 x 6 x 3 = 1,152 runs.",
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
    """Find which settings of SCENARIO decide a metric, alone and with others.

    The answer is given as Sobol's indices: the share of the metric's variance over the space that
    each setting explains. Finished runs are kept in the folder, where an interrupted command
    continues. Exits with 1 if some runs failed.
    """
    from simlib.experiments.objectives import OBJECTIVES
    from simlib.studies.sensitivity.sensitivity import sensitivity as play_all

    folder = out or default_out(scenario) / "sensitivity"
    check_writable(folder)
    with going_on("The runs that are finished", folder), progress_bar("playing") as progress:
        result = play_all(
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

    write(folder / "sensitivity.csv", result.table.to_csv(index=False))
    save_sensitivity_chart(result, folder)
    if as_json:
        click.echo(json_text(result.to_json()), nl=False)
    else:
        print_out(sensitivity_in_words(result))
    if resumed := describe_resumed(result.resumed):
        print_note(resumed)
    print_note(
        f"All points are in {folder / 'points.parquet'}; sensitivity.csv and sensitivity.png are "
        "beside it."
    )
    end_if_runs_failed(result.failures)
