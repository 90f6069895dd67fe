"""One WebSocket of the service: uvicorn's protocol, whose messages take no way round.

The framework does the handshake. From then on a text is heard where it is parsed and an answer is
written where it is decided: ASGI's queue would cost, for each message, the turn of a task and two
system calls, since uvicorn stops to read until the application has taken what came.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from starlette.websockets import WebSocket, WebSocketDisconnect
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame
from websockets.http11 import Request
from websockets.protocol import State

from simlib.engines import sockets

#: Where the ASGI scope has the protocol of its connection.
_PROTOCOL = "simlib_protocol"
SWITCHING_PROTOCOLS = 101


class DirectProtocol(WebSocketsSansIOProtocol):
    """uvicorn's protocol; whoever listens hears each text and each ping at once."""

    hear_text: Callable[[str], None] | None = None
    hear_ping: Callable[[], None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take in a connection."""
        sockets.read_quickly(transport)
        super().connection_made(transport)

    def handle_connect(self, event: Request) -> None:
        """Let the application find this protocol."""
        super().handle_connect(event)
        if self.response.status_code == SWITCHING_PROTOCOLS:
            self.scope["state"][_PROTOCOL] = self

    def handle_text(self, event: Frame) -> None:
        """Hand on a whole text, but never before what came earlier and waits in the queue."""
        if self.hear_text is None or not event.fin or not self.queue.empty():
            super().handle_text(event)
            return
        try:
            text = str(event.data, "utf-8")
        except UnicodeDecodeError:
            super().handle_text(event)  # it knows how to end such a connection
        else:
            self.hear_text(text)

    def handle_ping(self) -> None:
        """Answer a ping, and hand it on as a sign of life."""
        super().handle_ping()
        if self.hear_ping is not None:
            self.hear_ping()


class ServiceSocket:
    """One client's accepted connection."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        self._protocol: DirectProtocol = websocket.scope["state"][_PROTOCOL]

    def listen(
        self, hear_text: Callable[[str], None], hear_ping: Callable[[], None] | None
    ) -> None:
        """Have texts and pings handed on from now on."""
        self._protocol.hear_text, self._protocol.hear_ping = hear_text, hear_ping

    def say(self, text: str) -> None:
        """Send a text; nothing if the connection is ending."""
        protocol = self._protocol
        if protocol.conn.state is State.OPEN and not protocol.transport.is_closing():
            protocol.conn.send_text(text.encode())
            protocol.transport.write(b"".join(protocol.conn.data_to_send()))

    def mute(self) -> None:
        """Hear nothing more."""
        self.listen(_ignore, None)

    async def close(self, code: int, reason: str = "") -> None:
        """End the connection with a close frame."""
        # If it ended meanwhile, its own task will say so.
        with suppress(WebSocketDisconnect, RuntimeError):
            await self._websocket.close(code, reason)


def _ignore(text: str) -> None:
    """Hear a text of a connection that is ending."""
