"""Takes in what connects to a listening socket, without a task for each."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

#: In one turn of the loop, so that sockets that have work get on in between.
_ACCEPTS_AT_ONCE = 20
#: How long nobody is let in after the process has run out of files.
_FULL_S = 1.0


class Acceptor:
    """Calls back with each socket that connects, and the port that it comes from."""

    def __init__(
        self,
        listener: socket.socket,
        on_accepted: Callable[[socket.socket, int], None],
        catch_up: Callable[[], None] = lambda: None,
    ) -> None:
        self._listener: socket.socket | None = listener
        self._on_accepted = on_accepted
        self._catch_up = catch_up
        self._loop = asyncio.get_running_loop()
        listener.setblocking(False)
        self._loop.add_reader(listener, self._accept, listener)

    def close(self) -> None:
        """Listen no more; what was accepted stays."""
        if self._listener is not None:
            self._loop.remove_reader(self._listener)
            self._listener.close()
            self._listener = None

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(_ACCEPTS_AT_ONCE):
            self._catch_up()
            try:
                accepted, (_, port, *_) = listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError:
                # As long as it cannot be taken in, it would be readable again at once.
                self._loop.remove_reader(listener)
                self._loop.call_later(_FULL_S, self._go_on, listener)
                return
            self._on_accepted(accepted, port)

    def _go_on(self, listener: socket.socket) -> None:
        if listener is self._listener:
            self._loop.add_reader(listener, self._accept, listener)
