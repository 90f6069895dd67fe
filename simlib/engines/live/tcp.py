"""One end of a TCP connection, read and written by callbacks of the event loop.

With asyncio transports a refused attempt takes eighteen callbacks and three tasks in client and
proxy. A storm has hundreds of attempts in a second, and that work makes timers late. Here a socket
is read when it is readable and written at once, without tasks.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from collections.abc import Callable

from simlib.engines.sockets import READ_BYTES

_IN_PROGRESS = (0, errno.EINPROGRESS)
#: Closed with this, a socket ends with a reset (RST).
_NO_LINGER = struct.pack("ii", 1, 0)


def begin_connecting(address: tuple[str, int], *, own_port: bool = False) -> socket.socket:
    """Return a socket that has begun to connect.

    ``own_port``: bind it first, so that its port is known at once.

    Raises
    ------
    OSError
        If connecting cannot begin.
    """
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    connecting = socket.socket(family)
    try:
        connecting.setblocking(False)
        if own_port:
            connecting.bind((address[0], 0))
        error = connecting.connect_ex(address)
        if error not in _IN_PROGRESS:
            raise OSError(error, "cannot connect")
    except BaseException:
        connecting.close()
        raise
    return connecting


def reset_socket(own: socket.socket) -> None:
    """Close a socket with a reset (RST); unsent data is lost."""
    own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    own.close()


class TcpConnection:
    """A socket that is connected or connecting; data written before it is connected waits.

    ``on_data`` is called with each piece that arrives, and ``on_end`` once when the connection is
    over, never from inside a method. ``catch_up`` is called before either, so that timers that are
    due go first. Who writes more than the peer takes looks at `unsent_bytes`, and is called back
    by ``on_sent`` whenever some of it was sent.
    """

    __slots__ = (
        "reached", "_loop", "_socket", "_file", "_on_data", "_on_end", "_catch_up", "_unsent",
        "_closing", "_over", "_is_paused", "on_sent",
    )  # fmt: skip

    def __init__(
        self,
        own: socket.socket,
        on_data: Callable[[bytes], None],
        on_end: Callable[[], None],
        catch_up: Callable[[], None] = lambda: None,
    ) -> None:
        #: Whether any data was sent or received: False for a refused attempt.
        self.reached = False
        self._loop = asyncio.get_running_loop()
        self._socket, self._file = own, own.fileno()
        self._on_data = on_data
        self._on_end = on_end
        self._catch_up = catch_up
        self._unsent = bytearray()
        self._closing = self._over = self._is_paused = False
        #: Called when some of what was unsent is sent.
        self.on_sent: Callable[[], None] | None = None
        own.setblocking(False)
        # Small frames must not wait for each other's acknowledgement (Nagle).
        own.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._loop.add_reader(self._file, self._read)

    @property
    def unsent_bytes(self) -> int:
        """How much was written that the peer has not taken yet."""
        return len(self._unsent)

    def pause_reading(self) -> None:
        """Read no more until `resume_reading`; the peer is slowed down by TCP itself."""
        if not self._closing and not self._is_paused:
            self._is_paused = True
            self._loop.remove_reader(self._file)

    def resume_reading(self) -> None:
        """Read again."""
        if not self._closing and self._is_paused:
            self._is_paused = False
            self._loop.add_reader(self._file, self._read)

    def write(self, data: bytes) -> None:
        """Send data at once, or as soon as the socket can take it; nothing after `close`."""
        if self._closing:
            return
        if not self._unsent:
            sent = self._send(data)
            if sent == len(data) or self._over:
                return
            data = data[sent:]
            self._loop.add_writer(self._file, self._write_unsent)
        self._unsent += data

    def close(self) -> None:
        """Close it once all written data is sent."""
        if not self._closing:
            self._closing = True
            self._loop.remove_reader(self._file)
            if not self._unsent:
                self._end()

    def reset(self) -> None:
        """Close it at once with a reset (RST); unsent data is lost."""
        if not self._over:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            self._end()

    def _read(self) -> None:
        self._catch_up()
        if self._closing:
            return
        try:
            data = self._socket.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            self._end()
            return
        if data:
            self.reached = True
            self._on_data(data)
        else:
            self.close()

    def _send(self, data: bytes | bytearray) -> int:
        try:
            sent = self._socket.send(data)
        except BlockingIOError:
            return 0
        except OSError as error:
            if error.errno != errno.ENOTCONN:  # what some systems say of one that is connecting
                self._end()
            return 0
        self.reached = True
        return sent

    def _write_unsent(self) -> None:
        del self._unsent[: self._send(self._unsent)]
        if not self._unsent and not self._over:
            self._loop.remove_writer(self._file)
            if self._closing:
                self._end()
        if self.on_sent is not None and not self._closing:
            self.on_sent()

    def _end(self) -> None:
        if self._over:
            return
        if not self._closing:
            self._loop.remove_reader(self._file)
        if self._unsent:
            self._loop.remove_writer(self._file)
            self._unsent.clear()
        self._closing = self._over = True
        self._socket.close()
        self._loop.call_soon(self._report_end)

    def _report_end(self) -> None:
        self._catch_up()
        on_end = self._on_end
        # They hold who holds this connection: a circle, which would wait for the collector.
        del self._on_data, self._on_end
        self.on_sent = None
        on_end()
