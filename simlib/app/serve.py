"""Serve the page of the explorers from this machine, with Voila, until Ctrl-C."""

from __future__ import annotations

import logging
import secrets
import socket
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from simlib.core.errors import SettingsError
from simlib.support.extras import load_extra

HOST = "127.0.0.1"
#: The port of the page; if it is taken, one of the next.
FIRST_PORT, _PORTS = 8866, 50


def serve_app(port: int | None, *, open_browser: bool, announce: Callable[[str], None]) -> None:
    """Serve the page until Ctrl-C; then nothing of it is left running.

    Parameters
    ----------
    port : int or None
        Where to listen, on loopback alone; None: the first free port from 8866.
    open_browser : bool
        Whether the machine's browser shows the page.
    announce : callable
        Called with the page's address before it is served.

    Raises
    ------
    SimlibError
        If Voila or the widgets are not there.
    SettingsError
        If the port is taken.
    """
    voila = load_extra("voila.app", "app", "simlib app needs Voila")
    load_extra("ipywidgets", "app", "simlib app needs ipywidgets")
    from simlib.app.files import NAME, write_app_files
    from simlib.support.prompt_sockets import CONNECTION_SETTING, PromptConnection

    port = _find_port(port)
    token = secrets.token_urlsafe()
    with tempfile.TemporaryDirectory(prefix="simlib-app-") as folder:
        notebook = write_app_files(Path(folder))
        announce(f"http://{HOST}:{port}/?token={token}")
        # What websockets think of Jupyter's defaults is no news for who runs the app.
        logging.getLogger("tornado.general").setLevel(logging.ERROR)
        settings = _settings(port, token, open_browser) | {CONNECTION_SETTING: PromptConnection}
        app = voila.Voila.instance(**settings)
        app.initialize([str(notebook), f"--template={NAME}"])
        with suppress(KeyboardInterrupt):  # Voila takes the first; a second may come while it ends
            app.start()


def _settings(port: int, token: str, open_browser: bool) -> dict[str, Any]:
    return {
        "ip": HOST,
        "port": port,
        "port_retries": 0,
        "token": token,
        "open_browser": open_browser,
        "log_level": "ERROR",
    }


def _find_port(asked: int | None) -> int:
    """Return a port that is free: the one that was asked for, or the first from 8866."""
    candidates = range(FIRST_PORT, FIRST_PORT + _PORTS) if asked is None else (asked,)
    for port in candidates:
        try:
            with socket.create_server((HOST, port)) as listener:
                return int(listener.getsockname()[1])
        except OSError:
            continue
    raise SettingsError("port", candidates[0], "is in use: choose another with --port")
