"""The signals that end a command; Windows does not have all of them."""

import signal

#: Ctrl-C, a polite end, and a terminal that was closed.
ENDING_SIGNALS = frozenset(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
