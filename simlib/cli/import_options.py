"""The command that reads a real client's own options: import."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from simlib.cli.app import CommandGroup, examples, main, with_json
from simlib.cli.output import check_writable, json_text, print_note, write
from simlib.core.errors import FileError, SettingsError

if TYPE_CHECKING:
    from simlib.studies.policy.imports.imported import ImportedPolicy


@main.command(
    "import",
    group=CommandGroup.POLICY,
    epilog=examples(
        "import options.js",
        "import application.yml --out policy.toml",
        "import - --from signalr",
    ),
)
@click.argument("file", metavar="FILE|-")
@click.option(
    "--from",
    "kind",
    metavar="KIND",
    help="What they are options of, such as socket.io-client; by default what their keys say.",
)
@click.option("--out", type=click.Path(path_type=Path), help="The TOML file for the policy.")
@with_json
def import_options(file: str, kind: str | None, out: Path | None, as_json: bool) -> None:
    """Read a real client's own options in FILE, and print them as a policy.

    The options stand there as in a program or a configuration: JSON, YAML, or a literal of
    JavaScript, Python, Go or C#, of which nothing is run; - reads stdin. What simlib's model does
    not have, and what is approximated, stands in comments. With --out FILE.toml the policy is a
    file: simlib run SCENARIO --set client=FILE.toml plays a scenario with it.
    """
    if out is not None:
        if out.suffix != ".toml":
            raise SettingsError("--out", str(out), "must end in .toml, as a scenario's file does")
        check_writable(out.parent)
    imported = _read(file, kind)
    text = imported.policy_toml(out.stem if out is not None else "policy")
    if out is not None:
        write(out, text)
    if as_json:
        click.echo(json_text(imported.to_json()), nl=False)
    elif out is None:
        click.echo(text, nl=False)
    else:
        _say(imported)
    if out is not None:
        print_note(f"The policy is in {out}: simlib run reconnect_storm --set client={out}")


def _read(file: str, kind: str | None) -> ImportedPolicy:
    from simlib.studies.policy.imports.policy_from import policy_from
    from simlib.studies.policy.imports.texts import MOST_CHARACTERS

    try:
        if file != "-":
            return policy_from(Path(file), kind)
        with click.open_file("-", encoding="utf-8") as stdin:
            return policy_from(stdin.read(MOST_CHARACTERS + 1), kind, source="stdin")
    except FileError:
        raise
    except SettingsError as error:
        raise SettingsError("--from", error.value, error.rule) from error
    except UnicodeDecodeError as error:
        raise FileError("stdin", "is no text in UTF-8") from error


def _say(imported: ImportedPolicy) -> None:
    click.echo(f"{imported.kind}: {imported.waits}.")
    for lack in imported.lacks:
        click.echo(f"- cannot be said: {lack}")
    for note in imported.notes:
        click.echo(f"- {note}")
