"""The command that stands between any client and any server: proxy."""

from __future__ import annotations

from pathlib import Path

import click

from simlib.cli.app import CommandGroup, examples, main


@main.command(
    group=CommandGroup.REAL,
    epilog=examples(
        "proxy --to ws://127.0.0.1:8000 --listen 9000",
        "proxy --to wss://chat.example.org --script faults.toml",
        "proxy --to ws://127.0.0.1:8000 --listen 9000 --control 8474",
    ),
)
@click.option("--to", "url", required=True, metavar="URL", help="The server: ws, wss, http, https.")
@click.option(
    "--listen",
    "port",
    type=click.IntRange(0, 65535),
    default=0,
    help="Port to listen on; 0: a free port.",
)
@click.option(
    "--script",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="TOML file of faults by time, as a scenario has them, and a seed.",
)
@click.option("--seed", type=int, help="Seed of the draws; by default the script's.")
@click.option(
    "--control",
    "control_port",
    type=click.IntRange(0, 65535),
    help="Port of an HTTP control with Toxiproxy's verbs; 0: a free port.",
)
def proxy(
    url: str, port: int, script: Path | None, seed: int | None, control_port: int | None
) -> None:
    """Pass connections on to a server, and cut, slow and hold them.

    Faults come from a script, from keys (in a terminal), and from an HTTP control. TLS passes
    through. Ctrl-C ends it, and prints what passed.
    """
    import asyncio
    from dataclasses import replace
    from functools import partial

    from simlib.lab.fault_proxy.command import ProxyCommand
    from simlib.lab.fault_proxy.fault_script import FaultScript, check_seed, fault_script
    from simlib.lab.fault_proxy.target import proxy_target

    faults = FaultScript() if script is None else fault_script(script)
    if seed is not None:
        faults = replace(faults, seed=check_seed("--seed", seed))
    say = partial(click.echo, err=True)
    command = ProxyCommand(proxy_target(url), port, control_port, faults, say)
    for line in asyncio.run(command.run()).in_words():
        click.echo(line)
