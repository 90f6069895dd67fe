"""Where a fault proxy leads: from a URL to an address, and the URL through the proxy."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from simlib.core.errors import SettingsError
from simlib.engines.url_port import url_port

_PORTS = {"ws": 80, "http": 80, "wss": 443, "https": 443}


@dataclass(frozen=True)
class ProxyTarget:
    """A server by its URL."""

    url: str
    host: str
    port: int

    def resolve(self) -> tuple[str, int]:
        """Return its address as numbers.

        Raises
        ------
        SettingsError
            If nobody knows the host.
        """
        try:
            found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:  # UnicodeError: it is no name of a host
            rule = f"has a host that cannot be found: {getattr(error, 'strerror', '') or error}"
            raise SettingsError("to", self.url, rule) from error
        # IPv4 first: that is where servers under development listen.
        found.sort(key=lambda each: each[0] != socket.AF_INET)
        address = found[0][4]
        return str(address[0]), int(address[1])

    def through(self, host: str, port: int) -> str:
        """Return the URL that leads through a proxy on another host and port.

        Examples
        --------
        >>> proxy_target("ws://127.0.0.1:8000/chat").through("127.0.0.1", 9000)
        'ws://127.0.0.1:9000/chat'
        """
        shown = f"[{host}]" if ":" in host else host
        parts = urlsplit(self.url)
        return urlunsplit(parts._replace(netloc=f"{shown}:{port}"))


def proxy_target(url: str) -> ProxyTarget:
    """Return the server that a URL names.

    Raises
    ------
    SettingsError
        If it is no URL of a WebSocket or HTTP server.

    Examples
    --------
    >>> proxy_target("wss://example.org/chat").port
    443
    """
    rule = 'must be a URL such as "ws://127.0.0.1:8000" (ws, wss, http or https)'
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise SettingsError("to", url, f"{rule}: {error}") from error
    port = url_port("to", url)
    if parts.scheme not in _PORTS or not parts.hostname or parts.username is not None:
        raise SettingsError("to", url, rule)
    return ProxyTarget(url, parts.hostname, _PORTS[parts.scheme] if port is None else port)
