"""The command that is a server in trouble, for clients in any language: serve."""

from __future__ import annotations

from pathlib import Path

import click

from simlib.cli.app import CommandGroup, examples, main
from simlib.cli.output import check_writable, print_note


@main.command(
    group=CommandGroup.REAL,
    epilog=examples(
        "serve --script trouble.toml --port 8765",
        "serve --script trouble.toml --greeting engine.io --out seen.parquet",
    ),
)
@click.option(
    "--script",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="TOML file of moments: from when on the server does what.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    help="Port to listen on; 0: a free port.",
)
@click.option(
    "--greeting",
    default="echo",
    show_default=True,
    metavar="[echo|silent|engine.io|graphql-ws|stomp|mqtt|phoenix]",
    help="Handshake that your client expects once it is connected.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="File for what was seen, for simlib infer."
)
def serve(script: Path, port: int, greeting: str, out: Path | None) -> None:
    """Be a WebSocket server in trouble, for a client in any language.

    A script says from which moment on it refuses, stays silent, answers with a status, closes with
    a code. Ctrl-C ends it, and prints what was seen.
    """
    import asyncio
    from functools import partial

    from simlib.lab.bad_server.command import serve_moments
    from simlib.lab.bad_server.moments import read_moments
    from simlib.lab.bad_server.text import MomentLines, moments_in_words

    moments = read_moments(script)
    if out is not None:
        check_writable(out.parent)
    listener = MomentLines(partial(click.echo, err=True))
    seen = asyncio.run(serve_moments(moments, port=port, greeting=greeting, listener=listener))
    for line in moments_in_words(seen):
        click.echo(line)
    if out is not None:
        seen.save(out)
        print_note(f"What was seen is in {out}.")
