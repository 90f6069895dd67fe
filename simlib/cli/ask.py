"""Commands that ask a question of many runs: claims, capacity; and calibrate, of pings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from simlib.cli.given import scenario_of
from simlib.cli.group import examples, main, plays, with_json, with_out
from simlib.cli.results import (
    check_writable,
    default_out,
    json_text,
    note,
    print_out,
    write,
)
from simlib.support.progress import progress_bar

if TYPE_CHECKING:
    from simlib.scenario.scenario import Scenario


@main.command(
    epilog=examples(
        "claims", "claims --replications 1000 --out out/claims", "claims my_client.toml --live"
    )
)
@click.argument("scenario", default="report_claims")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change a setting.")
@click.option("--replications", default=200, show_default=True, help="Clients of each run.")
@click.option("--live", is_flag=True, help="Play each claim on real WebSockets too, quicker.")
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
    """Put the report's claims to the test on SCENARIO's client: do they hold, and up to where?

    A claim that fails is a finding, not an error: the status is 0.
    """
    from simlib.studies.claims.claims import claims as put_to_the_test

    folder = out or Path("out") / "claims"
    check_writable(folder)
    client = scenario_of(scenario, settings, None, None)
    with progress_bar("testing") as progress:
        findings = put_to_the_test(client, replications, live=live, progress=progress)
    document = {"scenario": client.name, "claims": [each.to_json() for each in findings]}
    write(folder / "claims.json", json_text(document))
    from simlib.studies.claims.chart import save_claim_charts
    from simlib.studies.claims.text import claims_in_words

    save_claim_charts(findings, folder)
    if as_json:
        click.echo(json_text(document), nl=False)
    else:
        print_out(claims_in_words(findings))
    note(f"Charts and findings are in {folder}.")


@main.command(
    epilog=examples(
        "capacity fleet_storm --recover-within 10",
        "capacity fleet_storm --recover-within 15 --clients 100000 --set server.accept_per_s=8000",
        "capacity fleet_storm --recover-within 10 --share 0.99 --key server.accept_per_s --json",
    )
)
@plays
@click.option(
    "--recover-within",
    type=float,
    required=True,
    metavar="SECONDS",
    help="Everybody is to be back so soon after a fault's end.",
)
@click.option("--share", default=1.0, show_default=True, help="This share of the clients will do.")
@click.option(
    "--key",
    "keys",
    multiple=True,
    help="A numeric setting to turn; may be given again. By default accept rate, workers, cap ...",
)
@click.option(
    "--on", default="fleet", show_default=True, metavar="[fleet|sim]", help="The engine that plays."
)
@with_out
@with_json
def capacity(
    scenario: Scenario,
    recover_within: float,
    share: float,
    keys: Sequence[str],
    on: str,
    out: Path | None,
    as_json: bool,
) -> None:
    """Find what it takes to bring SCENARIO's clients back in time.

    That is the least accept rate and number of workers, and the largest cap, each alone with the
    rest as given. That nothing will do is a finding, not an error: the status is 0.
    """
    from simlib.studies.capacity.capacity import capacity as find

    folder = out or default_out(scenario)
    check_writable(folder)
    with progress_bar("playing") as progress:
        found = find(scenario, recover_within, share=share, keys=keys, on=on, progress=progress)
    from simlib.studies.capacity.chart import save_capacity_chart
    from simlib.studies.capacity.text import capacity_in_words

    write(folder / "capacity.json", json_text(found.to_json()))
    save_capacity_chart(found, folder)
    if as_json:
        click.echo(json_text(found.to_json()), nl=False)
    else:
        print_out(capacity_in_words(found))
    note(f"Chart and every value played are in {folder}.")


@main.command(
    epilog=examples(
        "calibrate pings.csv",
        "calibrate pings.csv --unit ms --name office --out out/office",
    )
)
@click.argument("pings", type=click.Path(path_type=Path))
@click.option("--name", default="measured", show_default=True, help="What the network is called.")
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
    from simlib.studies.calibrate.calibrate import calibrate as fit

    folder = out or Path("out") / name
    check_writable(folder)
    with progress_bar("fitting") as progress:
        found = fit(pings, unit, progress=progress)
    from simlib.studies.calibrate.chart import save_quantile_chart
    from simlib.studies.calibrate.text import calibration_in_words

    profile = folder / f"{name}.toml"
    write(profile, found.profile_toml(name))
    save_quantile_chart(found, folder)
    if as_json:
        click.echo(json_text(found.to_json()), nl=False)
    else:
        print_out(calibration_in_words(found))
    note(f"Profile and chart are in {folder}: use it with --set network={profile}")
