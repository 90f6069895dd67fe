"""The command that compares two versions: diff."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from simlib.cli.app import (
    CommandGroup,
    examples,
    main,
    with_quick_engine,
    with_settings,
)
from simlib.cli.arguments import file_of, read_settings
from simlib.cli.completion import complete_rule, complete_target
from simlib.cli.output import json_text, print_out
from simlib.core.errors import SettingsError
from simlib.support.progress import progress_bar

if TYPE_CHECKING:
    from simlib.differences.sides import Side

FAILED = 1


@main.command(
    group=CommandGroup.STUDY,
    epilog=examples(
        "diff before.toml after.toml",
        "diff reconnect_storm preset:phoenix --replications 40",
        "diff preset:socket.io-client options.js --format markdown",
        'diff before.toml after.toml --fail-if "time_to_recover_s_p95 > +5%" --fail-if "lost > +0"',
        "diff out/before/trace.parquet out/after/trace.parquet",
    ),
)
@click.argument("old", metavar="OLD", shell_complete=complete_target)
@click.argument("new", metavar="NEW", shell_complete=complete_target)
@click.option(
    "--fail-if",
    "fail_if",
    multiple=True,
    metavar="RULE",
    shell_complete=complete_rule,
    help='Exit with 1 if a change is surely too much: METRIC > +LIMIT or METRIC < -LIMIT, as "lost '
    '> +0" or "time_to_recover_s_p95 > +5%"; may be given again.',
)
@click.option("--replications", default=20, show_default=True, help="Seeds, the same for both.")
@with_settings("Change a setting, in both.")
@click.option("--seed", type=int, help="The first seed, for both.")
@click.option("--clients", type=int, help="Number of clients, in both.")
@with_quick_engine
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "markdown", "json"]),
    default="text",
    show_default=True,
    help="How the result is printed.",
)
def diff(
    old: str,
    new: str,
    fail_if: Sequence[str],
    replications: int,
    settings: Sequence[str],
    seed: int | None,
    clients: int | None,
    on: str | None,
    form: str,
) -> None:
    """Say what surely changed from OLD to NEW, and by how much.

    Each is a scenario, a policy's file, a real client's own options (JSON, YAML, JavaScript, as
    simlib import reads them), or preset:NAME, played under the same seeds; or both are traces of
    runs. A policy beside a scenario is played as its client; two policies are played in
    an outage and the storm after it.

    A metric surely changed if its interval leaves 0 out; all intervals hold together with 95 %. A
    rule of --fail-if is exceeded only if the whole 95 % interval of its metric's change, pair by
    pair, lies beyond the limit: chance alone makes a rule fail in at most 1 of 40 diffs. A change
    that may be too much is said, and does not fail. With %, the limit is a share of the mean of
    OLD, else it is in the metric's unit: +0.5 of a time is half a second. Of two traces there is no
    interval, so their difference itself counts.
    """
    from simlib.differences.diff import diff as compare

    one, other = map(_side_of, (old, new))
    values = read_settings(settings) | ({} if seed is None else {"seed": seed})
    names = (old, new) if old != new else (f"{old} (old)", f"{new} (new)")
    with progress_bar("playing") as progress:
        try:
            found = compare(
                one,
                other,
                replications,
                on=on,
                clients=clients,
                settings=values,
                fail_if=fail_if,
                names=names,
                progress=progress,
            )
        except SettingsError as error:
            raise _name_option(error) from error
    if form == "json":
        click.echo(json_text(found.to_json()), nl=False)
    elif form == "markdown":
        click.echo(found.to_markdown(), nl=False)
    else:
        from simlib.differences.text import diff_in_words

        print_out(diff_in_words(found))
    if found.fails:
        raise SystemExit(FAILED)


def _side_of(given: str) -> Side:
    """Return what OLD or NEW stands for."""
    from simlib.differences.sides import read_side
    from simlib.scenario.presets import PREFIX, presets

    if given.startswith(PREFIX):
        return presets[given.removeprefix(PREFIX)]
    return read_side(file_of(given))


def _name_option(error: SettingsError) -> SettingsError:
    """Return an error of the study with the option in the place of its argument."""
    options = {
        "fail_if": "--fail-if",
        "n": "--replications",
        "on": "--on",
        "clients": "--clients",
        "settings": "--set",
    }
    argument, _, rest = error.key.partition(" ")
    if argument not in options:
        return error
    return SettingsError(f"{options[argument]} {rest}".strip(), error.value, error.rule)
