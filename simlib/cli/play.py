"""Commands that play a scenario: run, story, compare, watch; and the list of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simlib.cli.given import shipped_scenarios
from simlib.cli.group import (
    DISAGREED,
    examples,
    main,
    plays,
    with_engine,
    with_json,
    with_out,
    with_scheduler,
)
from simlib.cli.results import (
    check_writable,
    default_out,
    finite,
    json_text,
    note,
    played,
    print_out,
    run_document,
    save_comparison,
    save_partial,
    save_run,
    saving_if_interrupted,
)
from simlib.support.progress import progress_bar

if TYPE_CHECKING:
    from simlib.scenario.scenario import Scenario


@main.command(
    epilog=examples(
        "run first_outage",
        "run first_outage --on live --out out/mine",
        "run reconnect_storm --set client.backoff.jitter=full --json",
        "run fleet_storm --on fleet --clients 100000 --set server.accept_per_s=10000",
        "run fleet_storm --on fleet --clients 800000 --set gateways=8 --partition gateway",
        "run black_hole --on live --url ws://127.0.0.1:8000/chat --codec echo",
    )
)
@plays
@with_engine
@click.option("--url", default="", help="live: your own server, as ws://127.0.0.1:8000/chat.")
@click.option(
    "--codec",
    default="simlib",
    show_default=True,
    metavar="[simlib|echo|none]",
    help="With --url: what acknowledges a message: the server, its echo; or there are none.",
)
@click.option("--allow-host", default="", help="With --url: a host beside this machine.")
@click.option("--store", type=click.Path(path_type=Path), help="live: keep saved messages here.")
@click.option(
    "--partition",
    metavar="[gateway]",
    help="fleet: play each gateway as a Dask task, on this machine's processors.",
)
@with_scheduler("cluster", "With --partition: the address of a Dask scheduler.")
@with_out
@with_json
def run(
    scenario: Scenario,
    on: str,
    url: str,
    codec: str,
    allow_host: str,
    store: Path | None,
    partition: str | None,
    scheduler: str | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Play SCENARIO once and print its metrics."""
    if out is not None:
        check_writable(out)
    target = None
    if url or store is not None or codec != "simlib":
        from simlib.engines.live.target import Target

        target = Target(url, codec, allow_host, store)
    trace = played(scenario, on, out, target=target, partition=partition, scheduler=scheduler)
    if out is not None:
        save_run(trace, out)
    if as_json:
        click.echo(json_text(run_document(trace)), nl=False)
    else:
        from simlib.charts.text import run_in_words

        print_out(run_in_words(trace))
    if out is not None:
        note(f"Trace and metrics are in {out}.")


@main.command(
    epilog=examples(
        "story first_outage --client 3",
        "story first_outage --client 3 --on live",
        "story fleet_storm --client 9999 --clients 10000 --on fleet",
    )
)
@plays
@click.option("--client", type=int, required=True, help="Whose story; the first is 0.")
@with_engine
def story(scenario: Scenario, client: int, on: str) -> None:
    """Play SCENARIO once and tell what happened to one client."""
    from simlib.trace.trace import Trace

    Trace(on, scenario).story(client)  # an unknown client is known before anything is played
    more = {"watch": [client]} if on == "fleet" else {}
    click.echo("\n".join(played(scenario, on, None, **more).story(client)))


@main.command(
    epilog=examples(
        "compare first_outage",
        "compare first_outage --replications 50 --out out/fifty",
        "compare poor_network_fallback --clients 5 --json",
    )
)
@plays
@click.option("--replications", default=20, show_default=True, help="Simulated runs.")
@with_out
@with_json
def compare(scenario: Scenario, replications: int, out: Path | None, as_json: bool) -> None:
    """Play SCENARIO in simulation and on real WebSockets: do they agree?

    Exits with 1 if they disagree, and with 0 if they agree or if this machine was too busy to
    judge, which is no fault of either. The last lines, and "verdict" in JSON, say which.
    """
    from simlib.studies.compare.compare import compare as compare_engines

    folder = out or default_out(scenario)
    check_writable(folder)
    with saving_if_interrupted(folder), progress_bar("simulating") as progress:
        comparison = compare_engines(scenario, replications, progress=progress)
    save_comparison(comparison, folder)
    for sentence in comparison.live.notes:
        note(sentence)
    if as_json:
        click.echo(json_text(comparison.to_json()), nl=False)
    else:
        from simlib.studies.compare.text import comparison_in_words

        print_out(comparison_in_words(comparison))
    note(f"Traces, table and charts are in {folder}.")
    if comparison.disagreed:
        raise SystemExit(DISAGREED)


@main.command(
    epilog=examples(
        "watch first_outage",
        "watch reconnect_storm --on sim --clients 200",
        "watch first_outage --set duration_s=300 --set faults=[]",
    )
)
@plays
@click.option(
    "--on", default="live", show_default=True, metavar="[live|sim]", help="The engine that plays."
)
@with_out
def watch(scenario: Scenario, on: str, out: Path | None) -> None:
    """Play SCENARIO and watch it; keys cut, slow and restore the network.

    Its trace is kept, since what was done by hand cannot be repeated.
    """
    from simlib.studies.watch.watch import watch as watch_run

    folder = out or default_out(scenario)
    check_writable(folder)
    with saving_if_interrupted(folder):
        trace = watch_run(scenario, on)
    if trace.partial:
        save_partial(trace, folder)
    else:
        save_run(trace, folder)
        note(f"Trace and metrics are in {folder}.")


@main.command(epilog=examples("scenarios", "scenarios --json"))
@with_json
def scenarios(as_json: bool) -> None:
    """List the scenarios that come with simlib."""
    from simlib.scenario.scenario import load

    known = [load(file) for file in shipped_scenarios().values()]
    if as_json:
        click.echo(json_text({"scenarios": [_listed(each) for each in known]}), nl=False)
        return
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(style="bold", no_wrap=True)
    for each in known:
        table.add_row(each.name, each.teaches)
    print_out(table)


def _listed(scenario: Scenario) -> dict[str, Any]:
    from simlib.scenario.scenario import plain

    names = ("name", "teaches", "clients", "duration_s")
    tables = plain(scenario).get("faults", [])
    faults = [
        table | {"start_s": fault.start_s, "stop_s": fault.stop_s}
        for table, fault in zip(tables, scenario.faults, strict=True)
    ]
    return {name: getattr(scenario, name) for name in names} | {"faults": finite(faults)}
