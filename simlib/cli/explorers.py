"""The command that serves the explorers to a browser: app."""

from __future__ import annotations

import click

from simlib.cli.app import CommandGroup, examples, main
from simlib.cli.output import print_note


@main.command(group=CommandGroup.PLAY, epilog=examples("app", "app --no-browser --port 9000"))
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    help="Where to listen, on this machine alone; the first free port from 8866 if not given.",
)
@click.option("--no-browser", is_flag=True, help="Do not open the browser.")
def app(port: int | None, no_browser: bool) -> None:
    """Show the explorers in a browser, without a notebook; Ctrl-C ends it."""
    from simlib.app.serve import serve_app

    serve_app(
        port,
        open_browser=not no_browser,
        announce=lambda address: print_note(f"The explorers are at {address}\nCtrl-C ends them."),
    )
