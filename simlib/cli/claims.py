"""The command that puts the report to the test: claims."""

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
from simlib.cli.arguments import scenario_of
from simlib.cli.completion import complete_scenario
from simlib.cli.output import check_writable, json_text, print_note, print_out, write
from simlib.support.made_by import KEY, current_command
from simlib.support.progress import progress_bar


@main.command(
    group=CommandGroup.STUDY,
    epilog=examples(
        "claims", "claims --replications 1000 --out out/claims", "claims my_client.toml --live"
    ),
)
@click.argument("scenario", default="report_claims", shell_complete=complete_scenario)
@with_settings()
@click.option(
    "--replications", default=200, show_default=True, help="Clients that play each claim."
)
@click.option("--live", is_flag=True, help="Also play each claim on real WebSockets, time-scaled.")
@with_out
@with_json
def claims(
    scenario: str,
    settings: Sequence[str],
    replications: int,
    live: bool,
    out: Path | None,
    as_json: bool,
) -> None:
    """Test what a report claims of a client on SCENARIO's: does it hold, and up to where?

    The report is the one that simlib began with: 99.9 % delivered, back in under 5 s, nothing lost.
    A claim that fails is a result, not an error: the status is 0.
    """
    from simlib.scenario.origin import describe_origin
    from simlib.studies.claims.claims import claims as put_to_the_test

    folder = out or Path("out") / "claims"
    check_writable(folder)
    client = scenario_of(scenario, settings, None, None)
    with progress_bar("testing") as progress:
        findings = put_to_the_test(client, replications, live=live, progress=progress)
    document = {
        "scenario": client.name,
        "claims": [finding.to_json() for finding in findings],
        KEY: describe_origin(current_command(), client),
    }
    write(folder / "claims.json", json_text(document))
    from simlib.studies.claims.chart import save_claim_charts
    from simlib.studies.claims.text import claims_in_words

    save_claim_charts(findings, folder)
    if as_json:
        click.echo(json_text(document), nl=False)
    else:
        print_out(claims_in_words(findings))
    print_note(f"Charts and findings are in {folder}.")
