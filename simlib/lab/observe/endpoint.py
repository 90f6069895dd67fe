"""One connection of a client to the lab: websockets' server protocol on asyncio.

The Sans-I/O server of websockets does the handshake and the framing. This module adds what a real
server does not offer: no answer, late answers, resets, closing without a close frame.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from math import ceil, inf, isnan
from typing import Any, Protocol

from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from simlib.core.errors import on_one_line, shorten
from simlib.core.secrets import mask_secrets
from simlib.engines import retry_after as hints
from simlib.engines import sockets
from simlib.lab.observe.observation import Attempt
from simlib.lab.observe.protocols import Data, Greeting
from simlib.lab.observe.script import ABRUPT, Phase, PhaseKind

#: The largest message that is taken from a client.
MAX_MESSAGE_BYTES = 1_000_000
#: Who has sent no whole request by then is reset: so many that never send one would keep all others
#: out, since no more than `MOST_OPEN` are let in at once.
REQUEST_TIMEOUT_S = 30.0
#: A client has this long to answer a close before it is cut.
CLOSE_TIMEOUT_S = 1.0
_CLIENT_HELLO = 0x16
#: What clients say of themselves is kept as far as this, and what they ask for is shown so far.
_LONGEST_AGENT, _LONGEST_PATH = 200, 80


@dataclass(frozen=True, slots=True)
class Order:
    """What the lab does to one attempt."""

    phase: Phase
    #: How many attempts of the client there were in this phase before.
    turn: int = 0
    #: A status in the place of what the phase does.
    rejects: bool = False


class LabCallbacks(Protocol):
    """Callbacks of the lab server."""

    greeting: Greeting
    path: str

    def now_s(self) -> float:
        """Return the time since the beginning."""

    def on_accept(self, connection: Connection) -> Order | None:
        """Register a new connection, give it its attempt, and return what to do to it."""

    def on_open(self, connection: Connection) -> None:
        """Handle a connection's opening."""

    def on_end(self, connection: Connection) -> None:
        """Handle a connection's end."""

    def on_close(self, connection: Connection) -> None:
        """Handle the close of a connection's socket, its last event."""

    def odd(self, word: str, sentence: str) -> None:
        """Note something that a WebSocket client should not do."""


class _Frames(ServerProtocol):
    """The library's protocol, which can also leave pings unanswered."""

    answers_pings = True

    def recv_frame(self, frame: Frame) -> None:
        """Process a frame; the library would answer a ping at once."""
        if frame.opcode is Opcode.PING and not self.answers_pings:
            self.events.append(frame)
            return
        super().recv_frame(frame)


class Connection(asyncio.Protocol):
    """A client's connection to the lab, from the accept to its end."""

    attempt: Attempt

    def __init__(self, host: LabCallbacks, seat: int) -> None:
        self._host = host
        #: Which of the host's ports it came to.
        self.seat = seat
        self.source = ("", 0)
        self._frames = _Frames(select_subprotocol=_first, max_size=MAX_MESSAGE_BYTES)
        self._transport: asyncio.Transport | None = None
        #: It does not read what it is sent.
        self._is_full = False
        self._is_mute = False
        self._timers: set[asyncio.TimerHandle] = set()

    # --- asyncio's side ------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Register a client's connection."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.source = (transport.get_extra_info("peername") or ("", 0))[:2]
        order = self._host.on_accept(self)
        if order is None:
            self._transport = None
            sockets.reset(transport)
            return
        self._order = order
        self._frames.answers_pings = order.phase.kind is not PhaseKind.NO_PONG
        if order.phase.kind is PhaseKind.REFUSE:
            self.reset()
        else:
            self._later(REQUEST_TIMEOUT_S, self._end_without_request)

    def data_received(self, data: bytes) -> None:
        """Process data from the client."""
        if self._transport is None:
            return
        if not self.attempt.bytes_in:
            self._look_at(data)
        self.attempt.bytes_in += len(data)
        if self.attempt.detail == "tls":
            return
        self._frames.receive_data(data)
        for event in self._frames.events_received():
            if isinstance(event, Request):
                self._on_request(event)
            elif isinstance(event, Frame):
                self._on_frame(event)
        if self._frames.handshake_exc is not None and isnan(self.attempt.request_s):
            self._not_http()
        if self._frames.close_sent is not None:
            self._leave("us")  # unless the client was first: what it sent was no frame for us
        self._write()

    def eof_received(self) -> bool:
        """Process the end of the client's side."""
        self._leave("client")
        self._frames.receive_eof()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Process the end of the connection."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self._host.on_close(self)
        if self._transport is None:
            return
        self._leave("client")
        self._transport = None
        if self._frames.state is not State.CLOSED:
            self._frames.receive_eof()
        self.attempt.close_code = self._close_code()
        self.attempt.ended_s = self._host.now_s()
        self._host.on_end(self)

    def pause_writing(self) -> None:
        """Stop writing to a client that does not read, and reading what it would be answered."""
        self._is_full = True
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Speak and read again."""
        self._is_full = False
        if self._transport is not None:
            self._transport.resume_reading()

    # --- what the client says ------------------------------------------------------------

    def _look_at(self, data: bytes) -> None:
        if data[0] == _CLIENT_HELLO:
            self.attempt.detail = "tls"
            rule = (
                "the client speaks TLS, and the lab does not: point it at ws:// instead of wss://"
            )
            self._host.odd("tls", rule)
            self.reset()  # no line of it ever ends

    def _not_http(self) -> None:
        if self.attempt.detail != "tls":
            self.attempt.detail = "garbage"
            self._host.odd("garbage", "a client sent what is not HTTP; its connection was ended")
        self._leave("us")

    def _end_without_request(self) -> None:
        if isnan(self.attempt.request_s) and self.attempt.ended_by == "none":
            sentence = (
                f"a client sent no whole request within {REQUEST_TIMEOUT_S:g} s: it was reset"
            )
            self._host.odd("no request", sentence)
            self.reset()

    def _on_request(self, request: Request) -> None:
        self.attempt.request_s = self._host.now_s()
        agent = ", ".join(request.headers.get_all("User-Agent"))
        self.attempt.user_agent = shorten(on_one_line(mask_secrets(agent)), _LONGEST_AGENT)
        if self._frames.eof_sent:  # what came with it is no frame, and ended the library's side
            self._not_http()
            return
        asked = request.path.partition("?")[0]
        if asked.rstrip("/") != self._host.path.rstrip("/"):
            shown = shorten(asked, _LONGEST_PATH)
            sentence = f"a client asked for {shown}, not {self._host.path}: it is answered alike"
            self._host.odd(f"path {shown}", sentence)
        phase = self._order.phase
        if self._order.rejects or phase.kind is PhaseKind.STATUS:
            self._reject(request, phase)
        elif phase.kind is PhaseKind.SLOW:
            self._later(phase.delay_s, self._accept, request)
        elif phase.kind is not PhaseKind.SILENT:
            self._accept(request)

    def _on_frame(self, frame: Frame) -> None:
        if frame.opcode is Opcode.PING:
            self._on_ping()
        elif frame.opcode is Opcode.PONG:
            self.attempt.pongs += 1
        elif frame.opcode is Opcode.CLOSE:
            # A close that answers ours does not change who ended it.
            self._leave("client")
        elif frame.fin and frame.opcode is Opcode.TEXT:
            self._heard(bytes(frame.data).decode(errors="replace"))
        elif frame.fin and frame.opcode is Opcode.BINARY:
            self._heard(bytes(frame.data))

    def _heard(self, data: Data) -> None:
        heard = self._host.greeting.heard(data)
        self.attempt.pongs += heard.is_pong
        if heard.is_ping:
            self._on_ping()
        if self._frames.answers_pings or not heard.is_ping:
            self._say(heard.answers)

    def _on_ping(self) -> None:
        attempt, since_s = self.attempt, self._host.now_s() - self.attempt.answered_s
        attempt.pings += 1
        if attempt.pings == 1:
            attempt.first_ping_s = since_s
        else:
            attempt.ping_interval_s = (since_s - attempt.first_ping_s) / (attempt.pings - 1)

    # --- what is done to it --------------------------------------------------------------

    def _reject(self, request: Request, phase: Phase) -> None:
        response = self._frames.reject(HTTPStatus.SERVICE_UNAVAILABLE, "The lab says no.\n")
        known = {status.value for status in HTTPStatus}
        response.status_code = phase.status
        response.reason_phrase = HTTPStatus(phase.status).phrase if phase.status in known else "No"
        if phase.retry_after_s and not self._order.rejects:
            response.headers["Retry-After"], hint_s = _hint(phase, time.time())
            self.attempt.retry_after_s = hint_s
        self._frames.send_response(response)
        self.attempt.answered_s = self._host.now_s()
        self._leave("us")
        self._write()

    def _accept(self, request: Request) -> None:
        if self._frames.eof_sent:  # it has sent what is no frame while it was let wait
            return
        response = self._frames.accept(request)
        self._frames.send_response(response)
        self.attempt.answered_s = self._host.now_s()
        if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            self.attempt.detail = "http"
            sentence = "a client asked by plain HTTP, without an upgrade: it got status"
            self._host.odd("http", f"{sentence} {response.status_code}; has it other transports?")
            self._leave("us")
            self._write()
            return
        self.attempt.opened = True
        self._say(self._host.greeting.first)
        self._write()
        open_s = self._order.phase.open_for_s(self._order.turn)
        if open_s < inf:
            self._later(open_s, self._cut)
        if self._host.greeting.beat_s and self._frames.answers_pings:
            self._later(self._host.greeting.beat_s, self._beat)
        self._host.on_open(self)

    def _beat(self) -> None:
        self._say((self._host.greeting.beat,))
        self._write()
        self._later(self._host.greeting.beat_s, self._beat)

    def _cut(self) -> None:
        phase = self._order.phase
        if phase.kind is PhaseKind.RESET or phase.kind is PhaseKind.SLOW:
            self.reset()
        elif phase.code == ABRUPT:
            self.leave_abruptly()
        else:
            self.close(phase.code)

    def leave_abruptly(self) -> None:
        """End TCP without a close frame."""
        self._leave("us")
        if self._transport is not None:
            self._transport.close()

    def mute(self) -> None:
        """Say nothing from now on, whatever comes: the client can tell by a timeout alone."""
        self._is_mute, self._frames.answers_pings = True, False

    def close(self, code: int) -> None:
        """Close with a code; cut it if the client does not answer."""
        if self._transport is not None and self._frames.state is State.OPEN:
            self._leave("us")
            self._frames.send_close(code, "the lab")
            self._write()

    def reset(self) -> None:
        """Reset the connection."""
        self._leave("us")
        if self._transport is not None:
            sockets.reset(self._transport)

    def forget(self) -> None:
        """End it without a word to the host."""
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()

    # --- how ------------------------------------------------------------------------------

    def _leave(self, by: str) -> None:
        """Record which side started closing; the first wins."""
        if self.attempt.ended_by == "none":
            self.attempt.ended_by = by
            if by == "us":
                # Whatever the client does, it is over soon.
                self._later(CLOSE_TIMEOUT_S, self.reset)

    def _close_code(self) -> int:
        sent, received = self._frames.close_sent, self._frames.close_rcvd
        closed = sent if self.attempt.ended_by == "us" else received
        return int(closed.code) if closed is not None else -1

    def _say(self, messages: Sequence[Data]) -> None:
        if self._frames.state is not State.OPEN or self._is_full or self._is_mute:
            return
        for message in messages:
            if isinstance(message, str):
                self._frames.send_text(message.encode())
            else:
                self._frames.send_binary(message)

    def _later(self, delay_s: float, function: Callable[..., None], *arguments: Any) -> None:
        def act() -> None:
            self._timers.discard(timer)
            if self._transport is not None:
                function(*arguments)

        timer = asyncio.get_running_loop().call_later(delay_s, act)
        self._timers.add(timer)

    def _write(self) -> None:
        if self._transport is None:
            return
        for data in self._frames.data_to_send():
            if self._is_mute:
                continue
            if data:
                self._transport.write(data)
            else:
                self._transport.close()


def _first(_: ServerProtocol, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """Speak whatever the client offers first."""
    return offered[0] if offered else None


def _hint(phase: Phase, now_unix_s: float) -> tuple[str, float]:
    """Return the header's value, and how long it asks to wait."""
    hint_s = float(phase.retry_after_s)
    if not phase.as_date:
        return hints.format_header(hint_s), hint_s
    # A date has whole seconds, so it asks for up to one second more.
    return hints.format_as_date(hint_s, now_unix_s), ceil(now_unix_s + hint_s) - now_unix_s
