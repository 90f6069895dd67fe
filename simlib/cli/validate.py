"""The command that compares with theory and published studies: validate."""

from __future__ import annotations

from collections.abc import Sequence

import click

from simlib.cli.app import DISAGREED, CommandGroup, examples, main, with_json
from simlib.cli.completion import complete_group
from simlib.cli.output import json_text, print_out
from simlib.support.made_by import KEY, current_command
from simlib.support.progress import progress_bar


@main.command(
    group=CommandGroup.STUDY,
    epilog=examples("validate", "validate --only queues --only waits", "validate --json"),
)
@click.option(
    "--only",
    "groups",
    multiple=True,
    metavar="GROUP",
    shell_complete=complete_group,
    help="Only this group of rows, by the word in brackets; may be given again.",
)
@click.option("--workers", type=int, help="Processes; by default one per processor.")
@with_json
def validate(groups: Sequence[str], workers: int | None, as_json: bool) -> None:
    """Compare simlib with theory and published studies: what is known beside what is played.

    Each row holds if the known number lies within the interval of what was played. Seeds are
    fixed: the same simlib gives the same table. Exits with 1 if a row fails.
    """
    from simlib.scenario.origin import describe_origin
    from simlib.studies.validate.validate import validate as play

    with progress_bar("validating") as progress:
        validation = play(list(groups) or None, workers=workers, progress=progress)
    if as_json:
        document = {**validation.to_json(), KEY: describe_origin(current_command())}
        click.echo(json_text(document), nl=False)
    else:
        from simlib.studies.validate.text import validation_in_words

        print_out(validation_in_words(validation))
    if validation.failures:
        raise SystemExit(DISAGREED)
