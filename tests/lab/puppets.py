"""Clients for tests of the lab: they attempt when they are told to, and say what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import InvalidHandshake, InvalidStatus

import simlib as sl
from simlib.lab.observe.listener import ObservationListener
from simlib.lab.observe.script import Phase, Script
from simlib.lab.observe.session import LabSession

#: No test waits longer for what must happen.
LIMIT_S = 300.0


class Heard(ObservationListener):
    """Keeps where the lab listens, and the notes."""

    def __init__(self) -> None:
        self.urls: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()
        self.phases: asyncio.Queue[int] = asyncio.Queue()

    def listening(self, urls: Any) -> None:
        self.urls.set_result(list(urls))

    def began(self, number: int, phase: Phase, now_s: float) -> None:
        self.phases.put_nowait(number)


async def attempt(url: str, **options: Any) -> str:
    """Connect once, stay until the end, and return what came of it in a word or two."""
    options = {"open_timeout": 2.0, "close_timeout": 0.5, "ping_interval": None} | options
    try:
        connection = await connect(url, **options)
    except InvalidStatus as error:
        hint = error.response.headers.get("Retry-After")
        return f"status {error.response.status_code}" + (f" retry {hint}" if hint else "")
    except TimeoutError:
        return "no answer in time"
    except ConnectionRefusedError:
        return "refused"
    except (OSError, EOFError, InvalidHandshake):
        return "ended before it was open"
    try:
        await connection.wait_closed()
    finally:
        connection.transport.abort()  # whoever is cancelled here leaves nothing open
    return f"open, then {connection.close_code}"


async def played(
    phases: list[Phase],
    client: Callable[[str], Awaitable[Any]],
    *,
    over: asyncio.Event | None = None,
    **options: Any,
) -> sl.Observation:
    """Play phases to a client in the same loop; when they are over it is told, or cancelled."""
    heard = Heard()
    stage = LabSession(Script(phases=tuple(phases)), listener=heard, **options)
    playing = asyncio.ensure_future(stage.play())
    await asyncio.wait({playing, heard.urls}, return_when=asyncio.FIRST_COMPLETED)
    if playing.done():
        await playing
    acting = asyncio.ensure_future(client(heard.urls.result()[0]))
    try:
        await asyncio.wait_for(playing, LIMIT_S)
    finally:
        if over is not None:
            over.set()
            await asyncio.wait({acting}, timeout=LIMIT_S)
        acting.cancel()
        with suppress(asyncio.CancelledError, OSError):  # it may come when all is over
            await acting
    return stage.observation()


def outcomes_of(phases: list[Phase], **options: Any) -> tuple[list[str], sl.Observation]:
    """Play phases to a client that attempts again and again; return what it saw, and the lab."""
    outcomes: list[str] = []

    async def play() -> sl.Observation:
        over = asyncio.Event()

        async def client(url: str) -> None:
            while not over.is_set():
                outcomes.append(await attempt(url, **options))
                await asyncio.sleep(0.005)

        return await played(phases, client, over=over)

    seen = asyncio.run(play())
    return outcomes, seen
