"""Watch a run in the terminal while it is played, and inject faults with keys."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Generator
from math import ceil
from typing import Any

from simlib.core.faults import Fault, FaultKind
from simlib.engines.world import World
from simlib.scenario.scenario import Scenario
from simlib.studies.watch.live_run import LiveRun
from simlib.studies.watch.text import WatchScreen, look_line
from simlib.support.ending_signals import find_ending_signals
from simlib.support.keyboard import read_keys
from simlib.trace.trace import Interrupted, Trace

#: The faults that keys begin.
FAULTS = {
    "c": Fault(FaultKind.OUTAGE),
    "s": Fault(FaultKind.LATENCY, amount_s=0.5),
    "b": Fault(FaultKind.BLACK_HOLE),
}
#: What each key does, as the screen says it.
WATCH_KEYS = {
    "c": "cut the network",
    "s": "slow by 0.5 s",
    "b": "black hole",
    "r": "restore",
    "q": "quit",
}
#: Time between two pictures of the screen.
_REFRESH_S = 0.25


def watch(scenario: Scenario, on: str = "live", label: str = "") -> Trace:
    """Play a scenario and show on the terminal how it goes; keys begin and end faults.

    Where standard output is no terminal, one line is written per second instead.

    Parameters
    ----------
    scenario : Scenario
        What to play.
    on : {"live", "sim"}
        The engine; a simulation is played at the pace of the wall clock.
    label : str, optional
        The name of the trace on charts; the scenario's name by default.

    Returns
    -------
    Trace
        What happened; partial if the user quit. Its scenario has the faults by hand too.

    Raises
    ------
    SettingsError
        If there is no such engine.
    Interrupted
        On Ctrl-C; its ``trace`` holds what was played so far.

    Examples
    --------
    >>> import simlib as sl
    >>> trace = watch(sl.Scenario(clients=3, duration_s=1.5, ramp_s=0), on="sim")
       1.0 s  open 3  in outbox 0  attempts 3  sent 3  acknowledged 3  dropped 0
       1.5 s  open 3  in outbox 1  attempts 3  sent 4  acknowledged 3  dropped 0
    """
    feed = LiveRun(scenario, on, label)
    try:
        asyncio.run(_watch(feed))
    except KeyboardInterrupt:
        raise Interrupted(feed.trace) from None
    print(look_line(feed.look()), flush=True)
    return feed.trace


async def _watch(feed: LiveRun) -> None:
    loop = asyncio.get_running_loop()
    for ending in find_ending_signals() - {signal.SIGINT}:
        loop.add_signal_handler(ending, feed.stop)
    with read_keys(lambda key: _act(feed, key)) as has_keys:
        if (picture := WatchScreen(WATCH_KEYS if has_keys else {})).is_possible:
            await _on_screen(feed, picture)
        else:
            await _in_lines(feed)


def _act(feed: LiveRun, key: str) -> None:
    if key in FAULTS:
        feed.strike(FAULTS[key])
    elif key == "r":
        feed.restore()
    elif key == "q":
        feed.stop()


async def _on_screen(feed: LiveRun, picture: WatchScreen) -> None:
    loop = asyncio.get_running_loop()
    due_s = 0.0

    def draw(_: float) -> None:
        nonlocal due_s
        if loop.time() >= due_s:
            picture.draw(feed.look())
            due_s = loop.time() + _REFRESH_S

    with picture:
        draw(0.0)
        await feed.play(progress=draw)


async def _in_lines(feed: LiveRun) -> None:
    def each_second(world: World) -> Generator[Any, Any, None]:
        for _ in range(1, ceil(world.scenario.duration_s)):
            yield world.clock.timeout(1)
            print(look_line(feed.look()), flush=True)

    await feed.play(processes=[each_second])
