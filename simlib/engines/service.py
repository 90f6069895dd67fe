"""The real server process: HTTP and WebSocket host of the core server, under uvicorn.

Started by `simlib.engines.processes`. It reads its settings from the first line of standard
input, binds and listens at the second, writes every decision to a log that outlives a kill, and
ends when its standard input does: it cannot be left behind.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from simlib.core import events as ev
from simlib.core.errors import EngineError
from simlib.core.events import Reason, ServerCommand, ServerEvent
from simlib.core.server import Server, ServerSettings
from simlib.engines import codec
from simlib.engines.driver import Alarm
from simlib.engines.wallclock import LoopClock
from simlib.scenario import build

#: Nothing that this project's client sends is larger.
MAX_FRAME_BYTES = 2_000_000
_UNSUPPORTED = 1003
_Where = tuple[int, int]


class Service:
    """Carries out on real sockets what the core server decides."""

    def __init__(self, settings: ServerSettings, clock: LoopClock, log: int) -> None:
        self._server = Server(settings)
        self._clock = clock
        self._log = log
        self._alarm = Alarm(clock, self._woken)
        self._sockets: dict[_Where, WebSocket] = {}
        self._decisions: dict[_Where, asyncio.Future[ServerCommand]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def app(self) -> Starlette:
        """Return the ASGI application."""
        return Starlette(
            routes=[
                WebSocketRoute("/ws", self.websocket),
                Route("/poll", self.poll),
                Route("/messages", self.post, methods=["POST"]),
                Route("/health", self.health),
            ]
        )

    async def health(self, request: Request) -> Response:
        """Say that the service is up."""
        return Response("up")

    async def poll(self, request: Request) -> Response:
        """Answer a poll: there is nothing to fetch but the certainty that the route works."""
        return JSONResponse({"messages": []})

    async def post(self, request: Request) -> Response:
        """Take one message by HTTP."""
        where = _where(request.query_params)
        try:
            message = codec.message_number(await request.body())
        except EngineError as error:
            return JSONResponse({"error": str(error)}, status_code=400)
        decision = self._expect(where)
        await self._carry_out(self._tell(ev.Framed(*where, message)))
        try:
            answer = await decision
        finally:
            self._decisions.pop(where, None)
        assert isinstance(answer, ev.Answer)
        status = 429 if answer.reason == Reason.LIMITED else 200
        return Response(codec.answer_text(answer), status, media_type="application/json")

    async def websocket(self, websocket: WebSocket) -> None:
        """Take one handshake and, if it is admitted, its connection."""
        where = _where(websocket.query_params)
        await websocket.receive()  # the handshake itself
        decision = self._expect(where)
        await self._carry_out(self._tell(ev.Arrived(*where)))
        try:
            if not decision.done() and await _left_first(websocket, decision):
                return
            command = decision.result()
            if isinstance(command, ev.Refuse):
                await websocket.send_denial_response(_refusal(command))
                return
            self._sockets[where] = websocket
            await websocket.accept()
            await self._listen(websocket, where)
        except WebSocketDisconnect:
            pass
        finally:
            self._decisions.pop(where, None)
            self._sockets.pop(where, None)
            await self._carry_out(self._tell(ev.Ended(*where)))

    async def _listen(self, websocket: WebSocket, where: _Where) -> None:
        while True:
            try:
                message = codec.message_number(await websocket.receive_text())
            except (EngineError, KeyError):
                await websocket.close(_UNSUPPORTED)
                return
            await self._carry_out(self._tell(ev.Framed(*where, message)))

    def _expect(self, where: _Where) -> asyncio.Future[ServerCommand]:
        decision = self._decisions[where] = asyncio.get_running_loop().create_future()
        return decision

    def _tell(self, event: ServerEvent) -> list[ServerCommand]:
        now = self._clock.now_s
        if isinstance(event, ev.Arrived):
            self._write(now, event, "arrived")
        commands = self._server.handle(event, now)
        for command in commands:
            self._write(now, command, type(command).__name__.lower())
        self._alarm.set(self._server.deadline)
        return commands

    def _write(self, now: float, what: Any, name: str) -> None:
        line = [now, name, what.client, what.connection]
        if isinstance(what, ev.Answer):
            line += [what.message, what.reason]
        os.write(self._log, (json.dumps(line) + "\n").encode())

    async def _carry_out(self, commands: list[ServerCommand]) -> None:
        for command in commands:
            where = (command.client, command.connection)
            decision = self._decisions.get(where)
            if decision is not None and not decision.done():
                decision.set_result(command)
            elif isinstance(command, ev.Answer) and where in self._sockets:
                try:
                    await self._sockets[where].send_text(codec.answer_text(command))
                except (WebSocketDisconnect, RuntimeError):
                    continue  # it ended meanwhile; its own task will say so

    def _woken(self) -> None:
        task = asyncio.get_running_loop().create_task(self._carry_out(self._tell(ev.Wake())))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _left_first(websocket: WebSocket, decision: asyncio.Future[Any]) -> bool:
    """Wait for the server's decision; True if the client went away before it."""
    leaving = asyncio.ensure_future(websocket.receive())
    await asyncio.wait({leaving, decision}, return_when=asyncio.FIRST_COMPLETED)
    if decision.done():
        leaving.cancel()
        return False
    return True


def _where(query: Any) -> _Where:
    return int(query["client"]), int(query["connection"])


def _refusal(command: ev.Refuse) -> Response:
    headers = {"Retry-After": str(int(command.hint_s))} if command.hint_s > 0.0 else {}
    return Response(status_code=command.status, headers=headers)


async def _serve(settings: ServerSettings, log_path: str) -> None:
    loop = asyncio.get_running_loop()
    log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    service = Service(settings, LoopClock(loop), log)
    config = uvicorn.Config(
        service.app(),
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        ws_ping_interval=None,
        ws_max_size=MAX_FRAME_BYTES,
        lifespan="off",
        log_level="critical",
        access_log=False,
        timeout_keep_alive=60,
    )
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    server = uvicorn.Server(config)
    serving = asyncio.ensure_future(server.serve(sockets=[listener]))
    print(listener.getsockname()[1], flush=True)
    await asyncio.wait(
        {serving, asyncio.ensure_future(asyncio.to_thread(sys.stdin.read))},
        return_when=asyncio.FIRST_COMPLETED,
    )
    os._exit(0)


def main() -> None:
    """Run the service: settings from the first line of standard input, the word from the second."""
    order = json.loads(sys.stdin.readline())
    settings = build(ServerSettings, order["server"])
    print("ready", flush=True)
    if sys.stdin.readline():
        asyncio.run(_serve(settings, order["log"]))


if __name__ == "__main__":
    main()
