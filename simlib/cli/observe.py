"""The command that watches a real client: observe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from simlib.cli.app import CommandGroup, examples, main
from simlib.cli.output import check_writable, print_note
from simlib.core.errors import SettingsError, SimlibError


@main.command(
    group=CommandGroup.REAL,
    epilog=examples(
        "observe --port 8765                     # then point your client at ws://127.0.0.1:8765/ws",
        "observe --script quick --clients 3 -- node client.mjs {url}",
        "observe --script mine.toml --greeting phoenix --out obs.parquet -- node client.mjs",
    ),
)
@click.option(
    "--script",
    default="standard",
    show_default=True,
    metavar="[standard|quick|FILE]",
    help="Script of phases; quick takes under two minutes.",
)
@click.option("--port", default=0, help="Port to listen on; 0: a free port.")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on; 0.0.0.0 lets other machines connect.",
)
@click.option("--path", default="/ws", show_default=True, help="Path of the URL.")
@click.option(
    "--greeting",
    default="echo",
    show_default=True,
    metavar="[echo|silent|engine.io|graphql-ws|stomp|mqtt|phoenix]",
    help="Handshake that your client expects once it is connected.",
)
@click.option("--clients", default=1, show_default=True, help="Number of clients.")
@click.option(
    "--wait",
    "wait_s",
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for the client to connect.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("out") / "obs.parquet",
    show_default=True,
    help="File for the observation.",
)
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def observe(script: str, out: Path, **options: Any) -> None:
    """Serve any WebSocket client, cause faults, and record when it reconnects.

    COMMAND starts the client; it gets the URL in place of {url}, and in the environment variable
    SIMLIB_URL. Without a COMMAND, start the client yourself. Clients that share a port are
    distinguished by host and order.
    """
    from simlib.lab.observe.listener import ObservationInterrupted
    from simlib.lab.observe.observe import observe as watch_client
    from simlib.lab.observe.script import script as script_of
    from simlib.lab.observe.text import observation_in_words, show_observation

    if out.is_dir():
        raise SettingsError("--out", str(out), "is a folder: name a file in it, as obs.parquet")
    check_writable(out.parent)
    phases, interrupted = script_of(script), False
    with show_observation(phases) as listener:
        try:
            seen = watch_client(phases, listener=listener, **options)
        except ObservationInterrupted as cut_short:
            seen, interrupted = cut_short.observation, True
    seen.save(out)
    clients = len({attempt.client for attempt in seen.attempts})
    for line in observation_in_words(len(seen.waits()), len(seen.attempts), clients, seen.notes):
        click.echo(line)
    print_note(f"What was seen is in {out}{' (partial)' if seen.partial else ''}.")
    if interrupted:
        raise KeyboardInterrupt
    if not seen.attempts:
        raise SimlibError("no attempt was seen, so there is nothing to tell of the client")
