"""The server in trouble as a command: it plays its moments until it is ended."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from simlib.lab.bad_server.moments import ServerMoment
from simlib.lab.bad_server.switched_session import SwitchedSession
from simlib.lab.observe.listener import ObservationListener
from simlib.lab.observe.observation import Observation
from simlib.support.ending_signals import find_ending_signals


async def serve_moments(
    moments: Sequence[ServerMoment], *, port: int, greeting: str, listener: ObservationListener
) -> Observation:
    """Serve until Ctrl-C or another signal, and return what was seen.

    Raises
    ------
    SettingsError
        If the port is in use, or there is no such greeting.
    """
    over, loop = asyncio.Event(), asyncio.get_running_loop()
    session = SwitchedSession(
        greeting=greeting, host="127.0.0.1", port=port, path="/ws", listener=listener
    )
    for number in find_ending_signals():
        with suppress(ValueError, RuntimeError, NotImplementedError):
            loop.add_signal_handler(number, over.set)
    try:
        await session.open()
        listener.listening([session.url])
        await _play(moments, session, over)
    finally:
        await session.close()
    return session.observation()


async def _play(
    moments: Sequence[ServerMoment], session: SwitchedSession, over: asyncio.Event
) -> None:
    begun_s = asyncio.get_running_loop().time()
    for moment in moments:
        with suppress(TimeoutError):
            async with asyncio.timeout_at(begun_s + moment.at_s):
                await over.wait()
                return
        await session.switch(moment.phase)
    await over.wait()
