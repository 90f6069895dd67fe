"""Commands about reconnect policies: presets, export."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from simlib.cli.app import (
    CommandGroup,
    examples,
    main,
    with_json,
    with_out,
    with_settings,
)
from simlib.cli.arguments import policy_of
from simlib.cli.completion import complete_preset, complete_target
from simlib.cli.output import check_writable, json_text, print_note, print_out, write
from simlib.core.errors import SettingsError
from simlib.support.made_by import KEY, current_command
from simlib.support.progress import progress_bar


@main.group(
    group=CommandGroup.POLICY,
    invoke_without_command=True,
    epilog=examples(
        "presets",
        "presets --json",
        "presets show socket.io-client",
        "presets compare phoenix aws-full --out out/two",
    ),
)
@with_json
@click.pass_context
def presets(ctx: click.Context, as_json: bool) -> None:
    """List the reconnect policies of real clients that come with simlib.

    Any of them stands for a scenario's clients: --set client=preset:NAME.
    """
    from simlib.scenario.presets import presets as known

    if ctx.invoked_subcommand is not None:
        if as_json:
            rule = f"goes behind {ctx.invoked_subcommand}"
            raise SettingsError("--json", f"presets {ctx.invoked_subcommand}", rule)
    elif as_json:
        document = {"presets": [preset.to_json() for preset in known.values()]}
        click.echo(json_text(document), nl=False)
    else:
        from simlib.studies.policy.text import presets_in_words

        print_out(presets_in_words(known))


@presets.command(epilog=examples("presets show phoenix", "presets show signalr --json"))
@click.argument("name", shell_complete=complete_preset)
@with_json
def show(name: str, as_json: bool) -> None:
    """Show preset NAME: where it was read, what it leaves out, its first waits, its settings."""
    from simlib.scenario.presets import presets as known

    preset = known[name]
    if as_json:
        click.echo(json_text(preset.to_json()), nl=False)
    else:
        from simlib.studies.policy.text import preset_in_words

        print_out(preset_in_words(preset))


@presets.command(
    "compare",
    epilog=examples(
        "presets compare",
        "presets compare phoenix socket.io-client aws-full --clients 100000",
        "presets compare phoenix aws-full --clients 50000 --outage 60 --accept-per-s 2000",
    ),
)
@click.argument("names", nargs=-1, shell_complete=complete_preset)
@click.option(
    "--clients", default=10_000, show_default=True, help="Number of clients of each preset."
)
@click.option(
    "--outage",
    "outage_s",
    default=30.0,
    show_default=True,
    help="Length of the outage, in seconds.",
)
@click.option(
    "--accept-per-s",
    type=float,
    help="How many connections the server opens a second; by default a tenth of the clients.",
)
@click.option(
    "--on", default="fleet", show_default=True, metavar="[fleet|sim]", help="The engine that plays."
)
@with_out
@with_json
def compare_presets(
    names: Sequence[str],
    clients: int,
    outage_s: float,
    accept_per_s: float | None,
    on: str,
    out: Path | None,
    as_json: bool,
) -> None:
    """Draw how presets wait, attempt by attempt, and play one storm with each.

    NAMES: some presets; by default all. The storm is an outage, and then a server that opens so
    many connections each second and refuses the others.
    """
    from simlib.core.settings import Settings
    from simlib.scenario.origin import describe_origin
    from simlib.scenario.presets import presets as known
    from simlib.studies.policy.benchmark import play_storms, storm, tabulate_storms
    from simlib.studies.policy.chart import save_policies_chart, save_storms_chart
    from simlib.studies.policy.text import storms_in_words

    chosen = {name: known[name].client for name in names or known}
    played = storm(Settings(), clients, outage_s, accept_per_s)
    folder = out or Path("out") / "presets"
    check_writable(folder)
    with progress_bar("playing") as progress:
        traces = play_storms(chosen, clients, outage_s, accept_per_s, on=on, progress=progress)
    table = tabulate_storms(traces)
    save_policies_chart({name: settings.backoff for name, settings in chosen.items()}, folder)
    save_storms_chart(traces, folder)
    write(folder / "storms.csv", table.to_csv())
    document = json_text(
        {
            "clients": clients,
            "outage_s": outage_s,
            "accept_per_s": played.server.accept_per_s,
            "storms": table.to_dict(orient="index"),
            KEY: describe_origin(current_command(), played),
        }
    )
    write(folder / "storms.json", document)
    if as_json:
        click.echo(document, nl=False)
    else:
        print_out(storms_in_words(table, played, on))
    print_note(f"Charts of waits and storms, and the table of the storms, are in {folder}.")


@main.command(
    group=CommandGroup.POLICY,
    epilog=examples(
        "export preset:aws-full --for socket.io-client", "export policy.toml --for tenacity"
    ),
)
@click.argument("target", metavar="SCENARIO|preset:NAME", shell_complete=complete_target)
@click.option(
    "--for",
    "to",
    required=True,
    metavar="CLIENT",
    help="Such as socket.io-client, partysocket, phoenix, signalr, websockets-python, tenacity, "
    "polly, resilience4j or grpc; an unknown one lists all.",
)
@with_settings()
@with_json
def export(target: str, to: str, settings: Sequence[str], as_json: bool) -> None:
    """Print the options or the code that give a real client SCENARIO's policy.

    If the client cannot express the policy, the nearest that it can express is printed, and
    stderr says what is missing. That is a result, not an error: the status is 0.
    """
    from simlib.studies.policy.export import export as written_for

    scenario, _ = policy_of(target, settings, None)
    try:
        exported = written_for(scenario.client, to)
    except SettingsError as error:
        raise SettingsError("--for", to, error.rule) from error
    if as_json:
        document = {"target": target, "for": to, "exact": exported.exact, "text": exported.text}
        click.echo(json_text(document | {"lacks": list(exported.lacks)}), nl=False)
        return
    click.echo(exported.text)
    if scenario.cohorts:
        print_note("Exported is the policy of client; cohorts have their own.")
    if exported.exact:
        print_note(f"{to} then does all of this policy.")
    else:
        print_note(f"{to} cannot do all of it; this is the nearest it can:")
    for lack in exported.lacks:
        print_note(f"- {lack}")
