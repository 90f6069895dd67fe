"""The command that seeks the best settings: tune."""

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
from simlib.cli.arguments import file_of, space_of
from simlib.cli.output import check_writable, default_out, json_text, print_note, print_out, write
from simlib.core.errors import SettingsError
from simlib.support.progress import progress_bar

if TYPE_CHECKING:
    from simlib.scenario.scenario import Scenario


@main.command(
    group=CommandGroup.STUDY,
    epilog=examples(
        "tune fleet_storm",
        'tune fleet_storm --clients 10000 --constraint "peak_attempts_per_s <= 5000"',
        "tune reconnect_storm --set workload.rate_per_s=0 --space client.backoff.base_s=0.1..10",
        "tune fleet_storm --also my_deploy.toml --objective time_to_recover_s_p99 --trials 200",
    ),
)
@plays
@click.option(
    "--also",
    "others",
    multiple=True,
    metavar="SCENARIO",
    help="Tune for SCENARIO and this one; by default for SCENARIO and variants of it.",
)
@click.option("--alone", is_flag=True, help="Tune for SCENARIO alone.")
@click.option(
    "--space",
    "spaces",
    multiple=True,
    metavar="KEY=LOW..HIGH",
    help="A setting and its range, or choices as KEY=A,B; by default jitter, base, factor and cap.",
)
@click.option(
    "--objective",
    "objectives",
    multiple=True,
    metavar="METRIC",
    help="A metric to optimize; may be given again. By default time_to_recover_s_p99 and "
    "peak_attempts_per_s.",
)
@click.option(
    "--constraint",
    "constraints",
    multiple=True,
    metavar="BOUND",
    help='As "peak_attempts_per_s <= 3 * server.accept_per_s"; may be given again. Always added: '
    "never_recovered <= 0, unless you bound that yourself.",
)
@click.option("--trials", default=100, show_default=True, help="Number of trials.")
@click.option("--replications", default=20, show_default=True, help="Seeds of each trial.")
@click.option(
    "--sampler",
    default="tpe",
    show_default=True,
    metavar="[tpe|nsga2|random]",
    help="How Optuna chooses the settings of a trial.",
)
@with_quick_engine
@with_workers
@with_out
@with_json
def tune(
    scenario: Scenario,
    others: Sequence[str],
    alone: bool,
    spaces: Sequence[str],
    objectives: Sequence[str],
    constraints: Sequence[str],
    trials: int,
    replications: int,
    sampler: str,
    on: str | None,
    workers: int | None,
    scheduler: str | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Find the settings of a client that do best in SCENARIO and others like it.

    The best trials are played again under fresh seeds, together with the policy as given, all
    presets, and the defaults of the report that simlib claims tests. With a --constraint, tune
    recommends the policy that keeps all constraints and is best on the first objective; without
    one, the policy that is nearest to the best of every objective. It may also advise you to keep
    what you have, or to take a preset that is better on every objective. Trials are kept in the
    folder: an interrupted tuning continues there, and so do more --trials. Exits with 1 if no
    policy keeps the constraints.
    """
    from simlib.experiments.engine_choice import choose_engine
    from simlib.experiments.objectives import OBJECTIVES
    from simlib.scenario.scenario import load
    from simlib.studies.tune.tune import tune as seek
    from simlib.studies.tune.variants import ensemble

    if alone and others:
        raise SettingsError("--also", others[0], "is not for --alone: leave one of them out")
    several = [scenario, *(load(file_of(name)) for name in others)]
    together = several if alone or others else ensemble(scenario)
    folder = out or default_out(scenario) / "tuning"
    check_writable(folder)
    if said := choose_engine(on, together)[1]:
        print_note(f"{said} That takes longer.")
    with going_on("The trials that are over", folder), progress_bar("tuning") as progress:
        tuning = seek(
            together,
            space_of(spaces) if spaces else None,
            objectives or OBJECTIVES,
            constraints,
            trials,
            replications=replications,
            on=on,
            sampler=sampler,
            workers=workers,
            scheduler=scheduler,
            folder=folder,
            progress=progress,
        )
    from simlib.studies.tune.chart import save_tuning_chart
    from simlib.studies.tune.text import tuning_in_words

    save_tuning_chart(tuning, folder)
    document = json_text(tuning.to_json())
    write(folder / "tuning.json", document)
    if as_json:
        click.echo(document, nl=False)
    else:
        print_out(tuning_in_words(tuning))
    if tuning.note:
        print_note(tuning.note)
    print_note(f"Chart, trials, candidates and the policy as a scenario are in {folder}.")
    if not tuning.verdict.keeps:
        raise SystemExit(1)
