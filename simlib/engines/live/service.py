"""The real server process: HTTP and WebSocket host of the core server, under uvicorn.

Started by `simlib.engines.live.processes`. It reads its settings from the first line of standard
input, binds and listens at the second, writes every decision to a log that outlives a kill, and
ends when its standard input does: it cannot be left behind.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import socket
import sys
from collections import defaultdict
from collections.abc import Coroutine
from functools import partial
from math import ceil, inf
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from simlib.core import events as ev
from simlib.core.errors import EngineError
from simlib.core.events import NONE, Reason, ServerCommand, ServerEvent
from simlib.core.server import Server
from simlib.core.server_messages import DedupWindow
from simlib.core.server_settings import Remember, ServerSettings
from simlib.core.tls import Tls
from simlib.engines import garbage_collection as garbage
from simlib.engines import operator as orders
from simlib.engines import reasons
from simlib.engines import retry_after as hints
from simlib.engines.live import codec
from simlib.engines.live.clock import LoopClock, noting_standstills
from simlib.engines.live.decision_log import STANDSTILL, DecisionLog, read_log
from simlib.engines.live.run_parts import explain_no_room
from simlib.engines.live.service_socket import DirectProtocol, ServiceSocket
from simlib.engines.live.tls import server_context
from simlib.scenario.build import build
from simlib.trace.columns import Name
from simlib.trace.schema import server_name

_UNSUPPORTED = 1003
_Where = tuple[int, int]
#: What may stand in an address.
_PARAMETERS = ("client", "connection", "channels")


class _ServiceLog(DecisionLog):
    """The log of a server, which ends with it: what it decided after that, nobody would know."""

    def _begin_chunk(self) -> None:
        try:
            super()._begin_chunk()
        except OSError as error:
            # At once, as a kill does: in a callback this would be an error of one connection.
            print(explain_no_room("its log", error), file=sys.stderr, flush=True)
            os._exit(1)


class Service:
    """Carries out on real sockets what the core server decides."""

    def __init__(self, settings: ServerSettings, order: dict[str, Any], clock: LoopClock) -> None:
        self._settings = settings
        self._log = _ServiceLog(order["log"])
        self._server = Server(settings, order["seed"], _recall(settings, Path(order["log"])))
        self._secret: str = order["secret"]
        self._password: str = order["password"]
        self._clock = clock
        self._alarm = clock.alarm(Service._woken, self)
        self._sockets: dict[_Where, ServiceSocket] = {}
        #: Closes of connections that are admitted, and whose handshake is not answered yet.
        self._early_closes: dict[_Where, ev.CloseConnection] = {}
        self._decisions: dict[_Where, asyncio.Future[ServerCommand]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def app(self) -> Starlette:
        """Return the ASGI application."""
        return Starlette(
            routes=[
                WebSocketRoute("/ws", self.websocket),
                Route("/poll", self.poll),
                Route("/messages", self.post, methods=["POST"]),
                Route("/login", self.login, methods=["POST"]),
                Route("/health", self.health),
            ],
            middleware=self._middleware(),
            exception_handlers={EngineError: _refuse_request},
        )

    def _middleware(self) -> list[Middleware]:
        """Return the framework's signed session cookies, where there are sessions."""
        lifetime_s = self._settings.session_lifetime_s
        if lifetime_s == inf:
            return []
        return [
            Middleware(
                SessionMiddleware,
                secret_key=self._secret,
                session_cookie="simlib_session",
                # The server core decides to the millisecond; this only must not be earlier.
                max_age=ceil(lifetime_s) + 1,
                same_site="strict",
            )
        ]

    async def health(self, request: Request) -> Response:
        """Report that the service is up."""
        return Response("up")

    async def login(self, request: Request) -> Response:
        """Sign a user in: the right password gives a session, in a signed HttpOnly cookie."""
        where = _where(request)
        given = (await _read_body(request)).decode(errors="replace")
        if not secrets.compare_digest(given, self._password):
            return Response("wrong password", 403)
        answer = await self._decide(where, ev.Requested(*where, signs_in=True))
        assert isinstance(answer, ev.GrantSession)
        if answer.lifetime_s < inf:
            request.session.update(user=where[0], signed_in_s=self._clock.now_s)
        lifetime_s = answer.lifetime_s if answer.lifetime_s < inf else None
        return JSONResponse({"lifetime_s": lifetime_s})

    async def poll(self, request: Request) -> Response:
        """Answer a poll with what is new in its channels."""
        where = _where(request)
        channels = codec.channels_of(request.query_params.get("channels", ""))
        event = ev.Requested(*where, self._signed_in_s(request, where), channels=channels)
        answer = await self._decide(where, event)
        if isinstance(answer, ev.Refuse):
            return _refusal(answer)
        assert isinstance(answer, ev.AnswerPoll)
        return Response(codec.poll_answer_text(answer), media_type="application/json")

    async def post(self, request: Request) -> Response:
        """Take one message by HTTP."""
        where = _where(request)
        framed = codec.parse_client_frame(await _read_body(request), *where)
        if not isinstance(framed, ev.MessageArrived):
            raise EngineError("only messages are posted")
        event = ev.Requested(*where, self._signed_in_s(request, where), framed)
        answer = await self._decide(where, event)
        if isinstance(answer, ev.Refuse):
            return _refusal(answer)
        assert isinstance(answer, ev.Answer)
        status = 429 if answer.reason == Reason.LIMITED else 200
        return Response(codec.answer_text(answer), status, media_type="application/json")

    async def websocket(self, websocket: WebSocket) -> None:
        """Take one handshake and, if it is admitted, its connection."""
        await websocket.receive()  # the handshake itself
        if _is_cross_site(websocket):
            await websocket.send_denial_response(Response("cross-site", 403))
            return
        try:
            where = _where(websocket)
        except EngineError as error:
            await websocket.send_denial_response(Response(str(error), 400))
            return
        decision = self._expect(where)
        self._carry_out(
            self._tell(ev.HandshakeArrived(*where, self._signed_in_s(websocket, where)))
        )
        try:
            if not decision.done() and await _left_first(websocket, decision):
                return
            command = decision.result()
            if isinstance(command, ev.Refuse):
                await websocket.send_denial_response(_refusal(command))
                return
            await websocket.accept()
            await self._listen(websocket, where)
        except WebSocketDisconnect:
            pass
        finally:
            self._decisions.pop(where, None)
            self._sockets.pop(where, None)
            self._early_closes.pop(where, None)
            self._carry_out(self._tell(ev.Ended(*where)))

    async def _listen(self, websocket: WebSocket, where: _Where) -> None:
        """Serve a connection until it ends; most texts come from the protocol's callback."""
        accepted = self._sockets[where] = ServiceSocket(websocket)
        watches = self._settings.silence_timeout_s < inf
        accepted.listen(
            partial(self._receive_text, where),
            partial(self._receive_ping, where) if watches else None,
        )
        if where in self._early_closes:
            self._carry_out([self._early_closes.pop(where)])
        while (came := await websocket.receive())["type"] == "websocket.receive":
            self._receive_text(where, came.get("text"))

    def _receive_text(self, where: _Where, text: str | None) -> None:
        """Process a text from a client; None stands for a binary message."""
        if where not in self._sockets:
            return  # it is being closed
        try:
            event = codec.parse_client_frame(text or "", *where)
        except EngineError:
            self._write(self._clock.now_s, ev.Ended(*where), Name.GARBAGE)
            self._end(where, _UNSUPPORTED)
        else:
            self._carry_out(self._tell(event))

    def _receive_ping(self, where: _Where) -> None:
        """Process a ping, which the library has answered."""
        self._carry_out(self._tell(ev.PingArrived(*where)))

    def order(self, line: str) -> None:
        """Carry out an order of the operator."""
        self._carry_out(self._tell(orders.decode(json.loads(line))))

    def _signed_in_s(self, connection: Any, where: _Where) -> float:
        """Return when the cookie's session began; -inf: there is none, or it is another user's."""
        if self._settings.session_lifetime_s == inf:
            return inf
        session = connection.session
        return float(session["signed_in_s"]) if session.get("user") == where[0] else -inf

    async def _decide(self, where: _Where, event: ServerEvent) -> ServerCommand:
        """Pass a request to the server and return its decision."""
        decision = self._expect(where)
        self._carry_out(self._tell(event))
        try:
            return await decision
        finally:
            self._decisions.pop(where, None)

    def _expect(self, where: _Where) -> asyncio.Future[ServerCommand]:
        decision = self._decisions[where] = asyncio.get_running_loop().create_future()
        return decision

    def _tell(self, event: ServerEvent) -> list[ServerCommand]:
        now = self._clock.now_s
        if isinstance(event, ev.HandshakeArrived):
            self._write(now, event, Name.ARRIVED)
        commands = self._server.handle(event, now)
        for verdict in self._server.verdicts:
            self._log.write_verdict(now, verdict)
        self._server.verdicts.clear()
        for command in commands:
            self._write(now, command, server_name(command))
        self._alarm.set(self._server.deadline)
        return commands

    def note_standstill(self, start_s: float, length_s: float) -> None:
        """Log a time in which this process could not act."""
        self._log.write(start_s, STANDSTILL, length_s=length_s)

    def _write(self, now: float, what: Any, name: Name) -> None:
        message, reason = NONE, Reason.NONE
        if isinstance(what, ev.Answer):
            message, reason = what.message, what.reason
        elif isinstance(what, ev.Refuse):
            reason = reasons.of_status(what.status)
        self._log.write(now, name, what.client, what.connection, message, reason)

    def _carry_out(self, commands: list[ServerCommand]) -> None:
        for command in commands:
            where = (command.client, command.connection)
            decision = self._decisions.get(where)
            if decision is not None and not decision.done():
                decision.set_result(command)
            elif isinstance(command, ev.CloseConnection):
                self._close(where, command)
            elif where in self._sockets and isinstance(command, ev.Answer):
                self._sockets[where].send_text(codec.answer_text(command))
            elif where in self._sockets and isinstance(command, ev.Push):
                self._sockets[where].send_text(codec.push_text(command))

    def _close(self, where: _Where, command: ev.CloseConnection) -> None:
        if where in self._sockets:
            self._end(where, command.code, codec.close_reason(command.hint_s))
        else:
            self._early_closes[where] = command

    def _end(self, where: _Where, code: int, reason: str = "") -> None:
        """Close a connection, and ignore what it still sends."""
        ending = self._sockets.pop(where)
        ending.stop_listening()
        self._spawn(ending.close(code, reason))

    def _woken(self) -> None:
        self._carry_out(self._tell(ev.Wake()))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _recall(settings: ServerSettings, log: Path) -> dict[int, DedupWindow] | None:
    """Return what earlier lives of this server have counted, by client; None: it keeps no ids.

    Their logs stand beside its own. The record that counts a message is the one that is read
    again, so no kill can come between the effect and the memory of it.
    """
    if settings.remember != Remember.DISK:
        return None
    counted: dict[int, DedupWindow] = defaultdict(DedupWindow)
    for earlier in log.parent.glob(f"*{log.suffix}"):
        for _, _, name, client, _, message, reason, *_ in read_log(earlier):
            if name == Name.PROCESS and reason == Reason.ACCEPTED:
                counted[client].add(message)
    return counted


async def _refuse_request(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, status_code=400)


async def _read_body(request: Request) -> bytes:
    """Return what a request carries, which may be as much as a frame."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > codec.MAX_FRAME_BYTES:
            raise EngineError(f"a request carries at most {codec.MAX_FRAME_BYTES:,} bytes")
    return bytes(body)


async def _left_first(websocket: WebSocket, decision: asyncio.Future[Any]) -> bool:
    """Wait for the server's decision; True if the client went away before it."""
    leaving = asyncio.ensure_future(websocket.receive())
    await asyncio.wait({leaving, decision}, return_when=asyncio.FIRST_COMPLETED)
    if decision.done():
        leaving.cancel()
        return False
    return True


def _where(connection: HTTPConnection) -> _Where:
    """Parse client and connection from the query; reject other parameters, as URLs are logged."""
    query = connection.query_params
    for name in query:
        if name not in _PARAMETERS:
            raise EngineError(
                f"{name} has no place in an address: addresses are logged, a session is a cookie"
            )
    return _numbers(query)


def _numbers(query: Any) -> _Where:
    try:
        client, connection = int(query["client"]), int(query["connection"])
    except (KeyError, ValueError) as error:
        raise EngineError("the address must name client and connection") from error
    if not (0 <= client < codec.NUMBER_LIMIT and 0 < connection < codec.NUMBER_LIMIT):
        raise EngineError("client or connection is out of bounds")
    return client, connection


def _is_cross_site(websocket: WebSocket) -> bool:
    """Whether a page of another site opens this connection with its visitor's cookie.

    A browser always names the page's origin; who names none is no browser.
    """
    origin = websocket.headers.get("origin")
    try:
        return origin is not None and urlsplit(origin).netloc != websocket.headers.get("host")
    except ValueError:
        return True  # it is no origin at all


def _refusal(command: ev.Refuse) -> Response:
    return Response(status_code=command.status, headers=hints.hint_headers(command.hint_s))


def listen_on(port: int) -> socket.socket:
    """Return a socket of this machine that listens, and whose connections send at once."""
    listener = socket.create_server(("127.0.0.1", port), backlog=4096)
    # Accepted sockets have it from their listener; asyncio would not set it for them, since this
    # listener names no protocol. Without it an answer may wait for the client's next message
    # (Nagle).
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


async def _serve(settings: ServerSettings, order: dict[str, Any]) -> None:
    loop = asyncio.get_running_loop()
    service = Service(settings, order, LoopClock(loop))
    config = uvicorn.Config(
        service.app(),
        ws=DirectProtocol,
        ws_per_message_deflate=False,
        ws_ping_interval=None,
        ws_max_size=codec.MAX_FRAME_BYTES,
        lifespan="off",
        log_level="critical",
        access_log=False,
        timeout_keep_alive=60,
    )
    config.load()
    if "tls" in order:
        name, certificate, key = order["tls"]
        config.ssl = server_context(Tls[name], certificate, key)
    listener = listen_on(order.get("port", 0))
    server = uvicorn.Server(config)
    serving = asyncio.ensure_future(server.serve(sockets=[listener]))
    print(listener.getsockname()[1], flush=True)
    hearing = asyncio.ensure_future(asyncio.to_thread(_hear_orders, loop, service))
    garbage.collect_often()
    with noting_standstills(loop, service.note_standstill):
        await asyncio.wait({serving, hearing}, return_when=asyncio.FIRST_COMPLETED)
    os._exit(0)


def _hear_orders(loop: asyncio.AbstractEventLoop, service: Service) -> None:
    for line in sys.stdin:
        loop.call_soon_threadsafe(service.order, line)


def serve() -> None:
    """Run the service: settings from the first line of standard input, the word from the second."""
    order = json.loads(sys.stdin.readline())
    settings = build(ServerSettings, order["server"])
    print("ready", flush=True)
    if sys.stdin.readline():
        asyncio.run(_serve(settings, order))


if __name__ == "__main__":
    serve()
