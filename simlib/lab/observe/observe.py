"""Observe a real client: play a script of faults to it, and record what it does."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

from simlib.engines.loops import run_to_end
from simlib.lab.observe.listener import ObservationInterrupted
from simlib.lab.observe.observation import Observation
from simlib.lab.observe.script import Script
from simlib.lab.observe.session import LabSession
from simlib.support.arguments import check_arguments
from simlib.support.ending_signals import find_ending_signals


@check_arguments
async def observe_live(script: str | Path | Script = "standard", **options: Any) -> Observation:
    """Observe a client in an event loop that is running, as a notebook's is.

    Parameters
    ----------
    script : str, path or Script
        As `observe` takes it.
    **options
        As `observe` takes them.

    Returns
    -------
    Observation
        What was seen.

    Raises
    ------
    SettingsError
        If the script or an option breaks its rule.

    Examples
    --------
    >>> seen = await sl.observe_live("standard", command=["node", "client.js", "{url}"])
    ... # doctest: +SKIP
    """
    stage = LabSession(script, **options)
    await stage.play()
    return stage.observation()


@check_arguments
def observe(script: str | Path | Script = "standard", **options: Any) -> Observation:
    """Play a script of faults to any WebSocket client, and record what it does.

    Parameters
    ----------
    script : {"standard", "quick"}, path or Script
        The phases; a path names a TOML file.
    command : sequence of str, optional
        Starts the client; ``{url}`` in its arguments, and SIMLIB_URL in its environment, say where
        to. Without one the client is started by hand.
    clients : int, optional
        So many clients at once; with a command each has a port of its own.
    greeting : str, optional
        What the client needs to count itself connected: "echo", "silent", "engine.io",
        "graphql-ws", "stomp", "mqtt" or "phoenix".
    host, port, path : optional
        Where to listen: "127.0.0.1", a free port, "/ws".
    wait_s : float, optional
        How long to wait for a client to connect at first, or to return when it seems gone.
    listener : ObservationListener, optional
        Hears of everything as it happens.

    Returns
    -------
    Observation
        What was seen; without attempts if nobody came, and then its notes say so.

    Raises
    ------
    SettingsError
        If the script breaks a rule, the port is in use, or the command cannot be started.
    ObservationInterrupted
        On Ctrl-C; its ``observation`` holds what was seen so far.

    Examples
    --------
    >>> import sys
    >>> seen = observe("quick", command=[sys.executable, "-c", "print('no client')"])
    >>> len(seen.attempts), seen.notes
    (0, ['the command ended with status 0 before it connected: no client'])
    """
    stage = LabSession(script, **options)
    try:
        run_to_end(_with_signals(stage))
    except KeyboardInterrupt:
        raise ObservationInterrupted(stage.observation(partial=True)) from None
    return stage.observation()


async def _with_signals(stage: LabSession) -> None:
    loop = asyncio.get_running_loop()
    # Where signals may not be handled, as in a thread, they are not.
    with suppress(ValueError, RuntimeError, NotImplementedError):
        for ending in find_ending_signals() - {signal.SIGINT}:
            loop.add_signal_handler(ending, stage.stop)
    await stage.play()
