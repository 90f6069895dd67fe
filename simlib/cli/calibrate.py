"""The command that fits a network to pings: calibrate."""

from __future__ import annotations

from pathlib import Path

import click

from simlib.cli.app import CommandGroup, examples, main, with_json, with_out
from simlib.cli.output import check_writable, json_text, print_note, print_out, write
from simlib.support.progress import progress_bar


@main.command(
    group=CommandGroup.REAL,
    epilog=examples(
        "calibrate pings.csv",
        "calibrate pings.csv --unit ms --name office --out out/office",
    ),
)
@click.argument("pings", type=click.Path(path_type=Path))
@click.option("--name", default="measured", show_default=True, help="Name of the network.")
@click.option(
    "--unit",
    metavar="[s|ms|us]",
    help="The unit of numbers whose heading names none; by default seconds.",
)
@with_out
@with_json
def calibrate(pings: Path, name: str, unit: str | None, out: Path | None, as_json: bool) -> None:
    """Fit the named latencies to the round trips in PINGS.

    PINGS is a table with one column of round trips, its unit in the heading (as rtt_ms), or the
    output of ping. Writes a network profile, which a scenario takes as network = "FILE".
    """
    from simlib.scenario.file_names import check_file_name, name_folder
    from simlib.studies.calibrate.calibrate import calibrate as fit

    check_file_name("--name", name)
    folder = out or Path("out") / name_folder(name)
    check_writable(folder)
    with progress_bar("fitting") as progress:
        calibration = fit(pings, unit, progress=progress)
    from simlib.studies.calibrate.chart import save_quantile_chart
    from simlib.studies.calibrate.text import calibration_in_words

    profile = folder / f"{name_folder(name)}.toml"
    write(profile, calibration.profile_toml(name))
    save_quantile_chart(calibration, folder)
    if as_json:
        click.echo(json_text(calibration.to_json()), nl=False)
    else:
        print_out(calibration_in_words(calibration))
    print_note(f"Profile and chart are in {folder}: use it with --set network={profile}")
