"""One WebSocket of the service: a uvicorn protocol that handles messages in its own callbacks.

The framework does the handshake. After it a text is handled where it is parsed, and an answer is
written where it is decided. ASGI's queue would cost, for each message, a turn of a task and two
system calls, since uvicorn pauses reading until the application has taken the message.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable
from contextlib import suppress

from starlette.websockets import WebSocket, WebSocketDisconnect
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame
from websockets.http11 import Request
from websockets.protocol import State

from simlib.engines import sockets
from simlib.engines.live.circles import break_circles

#: Where the ASGI scope has the protocol of its connection.
_PROTOCOL = "simlib_protocol"
#: A client that leaves so much unread, of what others cause to be sent to it, is cut.
MOST_UNREAD_BYTES = 16 * 1024 * 1024
SWITCHING_PROTOCOLS = 101


class DirectProtocol(WebSocketsSansIOProtocol):
    """A uvicorn protocol with callbacks for texts and pings."""

    on_text: Callable[[str], None] | None = None
    on_ping: Callable[[], None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Prepare a new connection."""
        sockets.read_quickly(transport)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Process data from the client."""
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            # Too many headers, or too long ones: uvicorn would leave it open for ever.
            self.transport.close()

    def pause_writing(self) -> None:
        """Read nothing from a client that does not read: each answer would wait in memory."""
        super().pause_writing()
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        """Read again."""
        super().resume_writing()
        if not self.read_paused:
            self.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the application that the connection is over, and let go of it."""
        super().connection_lost(exc)
        break_circles(self.conn)

    def handle_connect(self, event: Request) -> None:
        """Put this protocol into the ASGI scope, where the application finds it."""
        super().handle_connect(event)
        if self.response.status_code == SWITCHING_PROTOCOLS:
            # Weakly, since it holds the scope: a circle would wait for the collector.
            self.scope["state"][_PROTOCOL] = weakref.ref(self)

    def handle_text(self, event: Frame) -> None:
        """Pass on an unfragmented text, unless earlier messages still wait in ASGI's queue."""
        if self.on_text is None or not event.fin or not self.queue.empty():
            super().handle_text(event)
            return
        try:
            text = str(event.data, "utf-8")
        except UnicodeDecodeError:
            super().handle_text(event)  # it closes the connection with code 1007
        else:
            self.on_text(text)

    def handle_ping(self) -> None:
        """Answer a ping, and report it."""
        super().handle_ping()
        if self.on_ping is not None:
            self.on_ping()


class ServiceSocket:
    """One client's accepted connection."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        # It is there: what the application receives by is a method of it.
        self._protocol: DirectProtocol = websocket.scope["state"][_PROTOCOL]()

    def listen(self, on_text: Callable[[str], None], on_ping: Callable[[], None] | None) -> None:
        """Set the callbacks for texts and pings."""
        self._protocol.on_text, self._protocol.on_ping = on_text, on_ping

    def send_text(self, text: str) -> None:
        """Send a text, unless the connection is closing."""
        protocol = self._protocol
        if protocol.conn.state is State.OPEN and not protocol.transport.is_closing():
            protocol.conn.send_text(text.encode())
            protocol.transport.write(b"".join(protocol.conn.data_to_send()))
            if protocol.transport.get_write_buffer_size() > MOST_UNREAD_BYTES:
                protocol.transport.abort()

    def stop_listening(self) -> None:
        """Ignore all later texts and pings."""
        self.listen(_ignore, None)

    async def close(self, code: int, reason: str = "") -> None:
        """Close the connection with a close frame."""
        # If it ended meanwhile, its own task reports that.
        with suppress(WebSocketDisconnect, RuntimeError):
            await self._websocket.close(code, reason)


def _ignore(text: str) -> None:
    """Ignore a text of a connection that is being closed."""
