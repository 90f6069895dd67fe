"""One end of a TCP connection, straight on the event loop.

An asyncio transport costs eighteen callbacks and two tasks for a connection from a client through
the proxy; a storm has hundreds of connections in a second, and what it costs is late timers. Here
a socket is read when it is readable and written at once; there is no task and no timer.
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
    """Return a socket that is connecting, or has connected.

    ``own_port``: it has its port at once, and not only when it is connected.

    Raises
    ------
    OSError
        If it cannot even begin.
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


class TcpConnection:
    """A connected socket, or one that is connecting: what is written waits until it is connected.

    Its owner hears each piece that comes, and once, never from inside one of its own calls, that
    the connection is over. Before either, ``first`` is called: what is due by the clock goes first.
    """

    __slots__ = (
        "reached", "_loop", "_socket", "_file", "_hear", "_ended", "_first", "_unsent", "_closing",
        "_over",
    )  # fmt: skip

    def __init__(
        self,
        own: socket.socket,
        hear: Callable[[bytes], None],
        ended: Callable[[], None],
        first: Callable[[], None] = lambda: None,
    ) -> None:
        #: Whether anything has passed; an attempt that was refused has never reached anybody.
        self.reached = False
        self._loop = asyncio.get_running_loop()
        self._socket, self._file = own, own.fileno()
        self._hear = hear
        self._ended = ended
        self._first = first
        self._unsent = bytearray()
        self._closing = self._over = False
        own.setblocking(False)
        # Small frames must not wait for each other's acknowledgement (Nagle).
        own.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._loop.add_reader(self._file, self._read)

    def write(self, data: bytes) -> None:
        """Send now what the system takes now, and the rest when it can; nothing once it ends."""
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
        """End it after all that was written."""
        if not self._closing:
            self._closing = True
            self._loop.remove_reader(self._file)
            if not self._unsent:
                self._end()

    def reset(self) -> None:
        """End it now with a reset; what is on its way is lost."""
        if not self._over:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            self._end()

    def _read(self) -> None:
        self._first()
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
            self._hear(data)
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
        self._loop.call_soon(self._say_that_it_ended)

    def _say_that_it_ended(self) -> None:
        self._first()
        self._ended()
