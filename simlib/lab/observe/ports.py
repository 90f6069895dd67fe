"""The ports that the lab listens on: opened, closed to refuse clients, opened again."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable

from simlib.core.errors import SettingsError
from simlib.engines import sockets

_BACKLOG = 4096
_LARGEST_PORT = 65_535
_REOPEN_TIMEOUT_S = 5.0
_PAUSE_S = 0.05


class Ports:
    """One port for each seat."""

    def __init__(self, host: str, first: int, seats: int) -> None:
        _check_port(first, _LARGEST_PORT + 1 - seats)
        self._host = host
        #: The numbers; those that are to be chosen are known when it listens.
        self.numbers = [first + i if first else 0 for i in range(seats)]
        self._servers: list[asyncio.Server] = []

    async def open(self, protocol: Callable[[int], asyncio.Protocol]) -> None:
        """Listen; the protocol of a connection is made for its seat.

        Raises
        ------
        SettingsError
            If a port is in use, or the host is none of this machine's.
        """
        loop = asyncio.get_running_loop()
        for seat, number in enumerate(self.numbers):
            listener = listen(self._host, number)
            self.numbers[seat] = listener.getsockname()[1]
            server = await loop.create_server(
                lambda seat=seat: protocol(seat),  # type: ignore[misc]
                sock=listener,
                backlog=_BACKLOG,
            )
            self._servers.append(server)

    async def reopen(self, protocol: Callable[[int], asyncio.Protocol]) -> None:
        """Listen on the same ports again; a process that took one has a moment to leave it."""
        loop = asyncio.get_running_loop()
        until_s = loop.time() + _REOPEN_TIMEOUT_S
        while True:
            try:
                return await self.open(protocol)
            except SettingsError:
                await self.close()
                if loop.time() > until_s:
                    raise
                await asyncio.sleep(_PAUSE_S)

    async def close(self) -> None:
        """Stop listening; connections that are there stay."""
        servers, self._servers = self._servers, []
        await sockets.stop_listening(servers)


def listen(host: str, number: int) -> socket.socket:
    """Return a socket that listens on a port; 0: a free one.

    Raises
    ------
    SettingsError
        If the port is in use or may not be opened, or the host is none of this machine's.
    """
    _check_port(number, _LARGEST_PORT)
    try:
        return socket.create_server((host, number), backlog=_BACKLOG)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            rule = "is in use: name another, or 0 for a free one"
            raise SettingsError("port", number, rule) from error
        if error.errno == errno.EACCES:
            rule = "may not be opened by this user: name one above 1023"
            raise SettingsError("port", number, rule) from error
        rule = f"is no address of this machine: {error.strerror}"
        raise SettingsError("host", host, rule) from error
    except (UnicodeError, TypeError) as error:  # TypeError: it has a null character
        raise SettingsError("host", host, f"is no name of a host: {error}") from error


def _check_port(number: int, largest: int) -> None:
    if not 0 <= number <= largest:
        rule = f"must be a port up to {largest:,}, or 0 for a free one"
        raise SettingsError("port", number, rule)
