"""Commands that play a scenario once: run, story."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from simlib.cli.app import (
    CommandGroup,
    examples,
    main,
    plays,
    with_engine,
    with_json,
    with_out,
    with_scheduler,
)
from simlib.cli.output import (
    check_writable,
    default_out,
    json_text,
    play_scenario,
    print_note,
    print_out,
    run_document,
    save_run,
)
from simlib.core.errors import SettingsError

if TYPE_CHECKING:
    from simlib.logs.attempts import ObservedAttempts
    from simlib.scenario.scenario import Scenario


@main.command(
    group=CommandGroup.PLAY,
    epilog=examples(
        "run first_outage",
        "run first_outage --on live --out out/mine",
        "run reconnect_storm --on live --workers 2",
        "run reconnect_storm --set client.backoff.jitter=full --json",
        "run fleet_storm --on fleet --clients 100000 --set server.accept_per_s=10000",
        "run fleet_storm --on fleet --clients 800000 --set gateways=8 --partition gateway",
        "run black_hole --on live --url ws://127.0.0.1:8000/chat --codec echo",
        "run reconnect_storm --observed access.log --observed-start 2026-01-31T10:00:00Z",
    ),
)
@plays
@with_engine
@click.option("--url", default="", help="live: your own server, as ws://127.0.0.1:8000/chat.")
@click.option(
    "--codec",
    default="simlib",
    show_default=True,
    metavar="[simlib|echo|none]",
    help="With --url: what acknowledges a message: the server's answer, its echo, or nothing.",
)
@click.option("--allow-host", default="", help="With --url: a host other than this machine.")
@click.option("--store", type=click.Path(path_type=Path), help="live: file for saved messages.")
@click.option(
    "--workers",
    type=int,
    default=1,
    show_default=True,
    help="live: processes of this machine that share the clients.",
)
@click.option(
    "--partition",
    metavar="[gateway]",
    help="fleet: play each gateway as a Dask task, on this machine's processors.",
)
@with_scheduler("cluster", "With --partition: the address of a Dask scheduler.")
@click.option(
    "--observed",
    type=click.Path(path_type=Path),
    help="Draw the attempts in this access log, HAR or table over those of the run.",
)
@click.option(
    "--observed-start",
    metavar="TIME",
    help="With --observed: the moment in it, as 2026-01-31T10:00:00Z, at which the run begins; by "
    "default its first attempt is put at the run's first.",
)
@click.option("--all", "shows_all", is_flag=True, help="Print all metrics with their meanings.")
@with_out
@with_json
def run(
    scenario: Scenario,
    on: str,
    url: str,
    codec: str,
    allow_host: str,
    store: Path | None,
    workers: int,
    partition: str | None,
    scheduler: str | None,
    observed: Path | None,
    observed_start: str | None,
    shows_all: bool,
    out: Path | None,
    as_json: bool,
) -> None:
    """Play SCENARIO once and say what happened: sentences, attempts, numbers.

    With --out, the trace, all metrics and the charts are kept there; with --observed in
    out/SCENARIO, unless --out says otherwise.
    """
    seen = None if observed is None else _read_observed(observed, observed_start)
    if seen is not None and out is None:
        out = default_out(scenario)
    if out is not None:
        check_writable(out)
    target = None
    if url or store is not None or codec != "simlib":
        from simlib.engines.live.target import Target

        target = Target(url, codec, allow_host, store)
    trace = play_scenario(
        scenario,
        on,
        out,
        target=target,
        workers=workers,
        partition=partition,
        scheduler=scheduler,
    )
    if out is not None:
        save_run(trace, out, seen, observed_start)
    if as_json:
        click.echo(json_text(run_document(trace)), nl=False)
    else:
        from simlib.charts.text import all_metrics_in_words, run_in_words
        from simlib.review.run_answer import describe_run

        print_out(all_metrics_in_words(trace) if shows_all else run_in_words(describe_run(trace)))
    if out is not None:
        print_note(f"Trace, metrics and charts are in {out}.")


def _read_observed(file: Path, start: str | None) -> ObservedAttempts:
    """Return observed attempts; what is wrong with them is known before anything is played."""
    from simlib.logs.attempts import read_attempts

    seen = read_attempts(file)
    try:
        seen.place(0.0, start)
    except SettingsError as error:
        raise SettingsError("--observed-start", start, error.rule) from error
    card = seen.card()
    for sentence in (f"{card.title}.", *card.notes):
        print_note(sentence)
    return seen


@main.command(
    group=CommandGroup.PLAY,
    epilog=examples(
        "story first_outage --client 3",
        "story first_outage --client 3 --on live",
        "story first_outage --client 3 --format mermaid",
        "story fleet_storm --client 9999 --clients 10000 --on fleet",
    ),
)
@plays
@click.option("--client", type=int, required=True, help="Number of the client; the first is 0.")
@with_engine
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "mermaid"]),
    default="text",
    show_default=True,
    help="Lines of text, or a sequence diagram in Mermaid.",
)
def story(scenario: Scenario, client: int, on: str, form: str) -> None:
    """Play SCENARIO once and tell what happened to one client."""
    from simlib.trace.trace import Trace

    Trace(on, scenario).story(client)  # an unknown client is known before anything is played
    more = {"watch": [client]} if on == "fleet" else {}
    trace = play_scenario(scenario, on, None, **more)
    if form == "mermaid":
        from simlib.trace.sequence import list_sequence_steps, to_mermaid

        click.echo(to_mermaid(list_sequence_steps(trace, client), client))
    else:
        click.echo("\n".join(trace.story(client)))
