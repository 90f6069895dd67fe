"""What simlib logs, and warnings that a user must see whether or not logging is set up.

The logger is "simlib". A library leaves it to its user what becomes of logs, so it has a handler
that does nothing; warnings that nobody would see are printed on stderr.
"""

from __future__ import annotations

import logging
import sys

LOGGER = logging.getLogger("simlib")
LOGGER.addHandler(logging.NullHandler())
#: What the commands may be asked to show.
LEVELS = ("debug", "info", "warning", "error")
_SHOWN = logging.StreamHandler()
_SHOWN.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))


def show_logs(level: str) -> None:
    """Show what simlib logs from a level on, on stderr."""
    _SHOWN.setStream(sys.stderr)
    LOGGER.setLevel(level.upper())
    LOGGER.addHandler(_SHOWN)  # which is there once, however often this is called


def warn_user(message: str, *arguments: object) -> None:
    """Log a warning, and print it if no handler of the user's takes it.

    Examples
    --------
    >>> warn_user("this takes %d s", 30)
    """
    LOGGER.warning(message, *arguments)
    if not _has_listener():
        print(message % arguments, file=sys.stderr, flush=True)


def _has_listener() -> bool:
    logger: logging.Logger | None = LOGGER
    while logger is not None:
        if any(not isinstance(each, logging.NullHandler) for each in logger.handlers):
            return True
        logger = logger.parent if logger.propagate else None
    return False
