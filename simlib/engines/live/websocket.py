"""One real WebSocket connection: websockets' client protocol on a socket.

The library's Sans-I/O client does the handshake and the framing; there is no task, no timer,
no ping and no reconnect of its own, for those are the core's to decide.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from typing import Protocol

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.typing import Origin
from websockets.uri import WebSocketURI

from simlib.core.events import Reason
from simlib.engines import reasons
from simlib.engines import retry_after as hints
from simlib.engines.live import codec
from simlib.engines.live.circles import break_circles
from simlib.engines.live.codec import MAX_FRAME_BYTES
from simlib.engines.live.tcp import TcpConnection
from simlib.engines.live.tls import TlsClients, TlsConnection

_UNSUPPORTED = 1003
_LOGGER = logging.getLogger("websockets.client")
_DATA = (Opcode.TEXT, Opcode.BINARY, Opcode.CONT)


class Listener(Protocol):
    """Callbacks of a connection."""

    def on_opened(self) -> None:
        """Handle the connection's opening."""

    def on_failed(self, reason: Reason, hint_s: float, status: int) -> None:
        """Handle a failed attempt, with the answer's status, or 0."""

    def on_lost(self, reason: Reason, hint_s: float, code: int) -> None:
        """Handle the end of the open connection, with the close code, or 0."""

    def on_text(self, data: bytes) -> None:
        """Handle a text frame."""

    def on_pong(self) -> None:
        """Handle the answer to a ping."""

    def on_odd(self, sentence: str) -> None:
        """Handle an ignored irregularity from the server."""


class WebSocketConnection:
    """A client's connection, or its attempt at one.

    The socket may still be connecting: the handshake is sent when it is connected.
    """

    def __init__(
        self,
        uri: WebSocketURI,
        cookie: str,
        listener: Listener,
        gone: Callable[[], None],
        connecting: socket.socket,
        catch_up: Callable[[], None],
        tls: TlsClients | None = None,
    ) -> None:
        origin = Origin(f"{'https' if uri.secure else 'http'}://{uri.host}:{uri.port}")
        self._protocol = ClientProtocol(
            uri, origin=origin, max_size=MAX_FRAME_BYTES, logger=_LOGGER
        )
        self._listener = listener
        self._gone = gone
        self._closed = False
        ends = (connecting, self._receive, self._report_end, catch_up)
        self._tcp = TcpConnection(*ends) if tls is None else TlsConnection(tls, *ends)
        request = self._protocol.connect()
        if cookie:
            request.headers["Cookie"] = cookie
        self._protocol.send_request(request)
        self._write()

    def _receive(self, data: bytes) -> None:
        self._protocol.receive_data(data)
        self._handle_events()
        self._write()

    def _report_end(self) -> None:
        """Tell how it ended, unless it was closed from here."""
        if self._protocol.state is not State.CLOSED:
            self._protocol.receive_eof()
        if not self._closed:
            self._closed = True
            if self._opened:
                self._listener.on_lost(*self._why_lost())
            else:
                self._listener.on_failed(Reason.REFUSED, 0.0, 0)
        break_circles(self._protocol)
        self._gone()

    _opened = False

    def send_text(self, text: str) -> None:
        """Send a text frame."""
        if not self._closed and self._protocol.state is State.OPEN:
            self._protocol.send_text(text.encode())
            self._write()

    def ping(self) -> None:
        """Send a ping."""
        if not self._closed and self._protocol.state is State.OPEN:
            self._protocol.send_ping(b"")
            self._write()

    def _why_lost(self) -> tuple[Reason, float, int]:
        received, sent = self._protocol.close_rcvd, self._protocol.close_sent
        if received is not None:
            hint_s = codec.close_hint_s(received.reason)
            return reasons.of_code(received.code), hint_s, int(received.code)
        # The library itself closed, for what it heard was no WebSocket.
        return (Reason.PROTOCOL if sent is not None else Reason.RESET), 0.0, 0

    def reject(self) -> None:
        """End the connection since the other side says what it should not."""
        self._closed = True
        self._protocol.send_close(_UNSUPPORTED)
        self._write()
        self.close()
        self._listener.on_lost(Reason.PROTOCOL, 0.0, 0)

    def close(self) -> None:
        """Close the connection; no callback is called after it."""
        self._closed = True
        self._tcp.close()

    def _handle_events(self) -> None:
        for event in self._protocol.events_received():
            if self._closed:
                return
            if isinstance(event, Response):
                self._handle_response()
            elif isinstance(event, Frame):
                self._handle_frame(event)

    def _handle_frame(self, frame: Frame) -> None:
        if frame.opcode is Opcode.TEXT and frame.fin:
            self._listener.on_text(bytes(frame.data))
        elif frame.opcode is Opcode.PONG:
            self._listener.on_pong()
        elif frame.opcode is Opcode.CLOSE:
            # Told now, not when the other side has also ended TCP, which is a round trip later.
            self._write()
            self.close()
            self._listener.on_lost(*self._why_lost())
        elif frame.opcode in _DATA:
            self.reject()  # binary, or in pieces: nothing that the service sends

    def _handle_response(self) -> None:
        error = self._protocol.handshake_exc
        if error is None:
            self._opened = True
            self._listener.on_opened()
            return
        reason, hint_s, status = Reason.PROTOCOL, 0.0, 0
        if isinstance(error, InvalidStatus):
            status = error.response.status_code
            reason = reasons.of_status(status)
            hint_s = hints.read_hint_s(error.response.headers.raw_items(), self._listener.on_odd)
        self.close()
        self._listener.on_failed(reason, hint_s, status)

    def _write(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self._tcp.write(data)
            else:
                self._tcp.close()
