"""The port in the URL of a server."""

from __future__ import annotations

from urllib.parse import urlsplit

from simlib.core.errors import SettingsError

_LARGEST_PORT = 65_535


def url_port(key: str, url: str) -> int | None:
    """Return the port that a URL names; None if it names none.

    Raises
    ------
    SettingsError
        If no server can have it; nobody listens on 0, which stands for any free port.

    Examples
    --------
    >>> url_port("url", "ws://127.0.0.1:8000/chat"), url_port("url", "ws://127.0.0.1/chat")
    (8000, None)
    """
    try:
        port = urlsplit(url).port
    except ValueError:  # more than the largest, or no number
        port = 0
    if port == 0:
        raise SettingsError(key, url, f"must name a port from 1 to {_LARGEST_PORT:,}, or none")
    return port
