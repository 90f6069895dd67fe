"""Read single keys from the terminal while an event loop runs."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


@contextmanager
def read_keys(act: Callable[[str], None]) -> Iterator[bool]:
    """Call a function with each key pressed, and restore the terminal whatever happens.

    Yields
    ------
    bool
        Whether there is a keyboard: standard input may be a file or nothing at all.
    """
    # Windows has no terminals of this kind.
    if sys.platform == "win32" or sys.stdin is None or not sys.stdin.isatty():
        yield False
        return
    import termios
    import tty

    loop, terminal = asyncio.get_running_loop(), sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    tty.setcbreak(terminal)
    loop.add_reader(terminal, _read, loop, terminal, act)
    try:
        yield True
    finally:
        loop.remove_reader(terminal)
        # A terminal whose window was closed has nothing to restore.
        with suppress(termios.error):
            termios.tcsetattr(terminal, termios.TCSANOW, before)


def _read(loop: asyncio.AbstractEventLoop, terminal: int, act: Callable[[str], None]) -> None:
    try:
        keys = os.read(terminal, 64).decode(errors="ignore")
    except OSError:
        keys = ""
    if not keys:
        loop.remove_reader(terminal)  # closed: it would be ready for ever
    for key in keys:
        act(key)
