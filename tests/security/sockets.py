"""Raw sockets of strangers, and what a process has of memory and descriptors meanwhile."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

LIMIT_S = 300.0
#: All that were made by `dial`, for whoever closes them.
MADE: list[socket.socket] = []
REQUEST = (
    b"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)


def request(path: str = "/ws", more: bytes = b"") -> bytes:
    """A whole handshake."""
    return REQUEST.replace(b"{path}", path.encode()) + more + b"\r\n"


def frame(opcode: int, data: bytes = b"", *, last: bool = True, reserved: int = 0) -> bytes:
    """A client's frame, masked with zeros."""
    head = bytes([last << 7 | reserved << 4 | opcode])
    size = len(data)
    if size < 126:
        head += bytes([0x80 | size])
    elif size < 1 << 16:
        head += bytes([0x80 | 126]) + size.to_bytes(2, "big")
    else:
        head += bytes([0x80 | 127]) + size.to_bytes(8, "big")
    return head + bytes(4) + data


def dial(port: int, data: bytes = b"") -> socket.socket:
    """A connection that has sent something."""
    made = socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S)
    MADE.append(made)
    if data:
        made.sendall(data)
    return made


def upgraded(port: int, path: str = "/ws", more: bytes = b"") -> tuple[socket.socket, bytes]:
    """A connection with a handshake behind it, and the head of the answer."""
    made = dial(port, request(path, more))
    head = b""
    while b"\r\n\r\n" not in head:
        part = made.recv(1)
        if not part:
            break
        head += part
    return made, head


@contextmanager
def crowd(port: int, count: int, data: bytes = b"") -> Iterator[list[socket.socket]]:
    """So many connections that say no more than that; those that are reset meanwhile too."""
    made: list[socket.socket] = []
    try:
        for _ in range(count):
            with suppress(ConnectionResetError, BrokenPipeError):
                made.append(socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S))
                made[-1].sendall(data)
        yield made
    finally:
        for each in made:
            each.close()


def ended(own: socket.socket, limit_s: float = LIMIT_S) -> bytes | None:
    """What still comes until the other side ends it; None if it does not within the limit."""
    own.settimeout(limit_s)
    came = b""
    try:
        while part := own.recv(65536):
            came += part
    except TimeoutError:
        return None
    except OSError:
        pass
    return came


def is_turned_away(port: int) -> bool:
    """Whether a new connection is reset, without a word, at once or soon."""
    try:
        own = dial(port)
    except ConnectionResetError:
        return True
    came = ended(own)
    own.close()
    return came == b""


def is_open(own: socket.socket) -> bool:
    """Whether nobody has ended a connection on which nothing came."""
    own.setblocking(False)
    try:
        return own.recv(1) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def close_code(came: bytes) -> int:
    """The code of a close frame at the end of what a server has sent."""
    place = came.rfind(b"\x88")
    assert place >= 0, came
    return int.from_bytes(came[place + 2 : place + 4], "big")


def push(own: socket.socket, piece: bytes, most_bytes: int, patience_s: float = 2.0) -> int:
    """Send until the other side takes no more, or that is enough; return how much it took."""
    own.settimeout(patience_s)
    sent = 0
    try:
        while sent < most_bytes:
            sent += own.send(piece)
    except OSError:  # a time-out is one
        pass
    return sent


def until(holds: Callable[[], bool], limit_s: float = LIMIT_S) -> bool:
    """Wait until something holds; return whether it did."""
    until_s = time.monotonic() + limit_s
    while time.monotonic() < until_s:
        if holds():
            return True
        time.sleep(0.02)
    return False


class Use:
    """What a process uses beyond what it used at first."""

    def __init__(self, pid: int) -> None:
        import psutil

        self._process = psutil.Process(pid)
        self._rss, self._files = self._process.memory_info().rss, self._process.num_fds()

    @property
    def mib(self) -> float:
        """How much its resident memory has grown."""
        return (self._process.memory_info().rss - self._rss) / 2**20

    @property
    def files(self) -> int:
        """How many descriptors it has more."""
        return self._process.num_fds() - self._files
