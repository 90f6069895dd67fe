"""The command that writes a trace for other programs: convert."""

from __future__ import annotations

from pathlib import Path

import click

from simlib.cli.app import CommandGroup, examples, main
from simlib.cli.output import check_writable
from simlib.core.errors import SettingsError


@main.command(
    group=CommandGroup.PLAY,
    epilog=examples(
        "convert out/first_outage/trace.parquet run.json",
        "convert out/first_outage/trace.parquet run.csv",
    ),
)
@click.argument("trace", type=click.Path(path_type=Path))
@click.argument("file", type=click.Path(path_type=Path))
def convert(trace: Path, file: Path) -> None:
    """Write TRACE, as simlib run --out keeps it, to FILE for other programs.

    The ending of FILE says the form: .json for Chrome trace events, which ui.perfetto.dev draws;
    .csv for a table, with what its columns mean in a file beside it.
    """
    from simlib.trace.trace import Trace

    if file.suffix not in (".json", ".csv"):
        rule = "must end in .json, for ui.perfetto.dev, or in .csv, for a table"
        raise SettingsError("FILE", str(file), rule)
    check_writable(file.parent)
    played = Trace.load(trace)
    if file.suffix == ".json":
        click.echo(repr(played.to_perfetto(file)))
    else:
        played.to_csv(file)
        meaning = f"{file}-metadata.json says what its columns mean"
        click.echo(f"{len(played):,} rows are in {file}; {meaning}.")
