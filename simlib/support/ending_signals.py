"""The signals that end a command: heard as Ctrl-C is, so that all of them end it in one way."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType
from typing import Self

#: Ctrl-C, a polite end, and a terminal that was closed; Windows does not have all of them.
ENDING_SIGNALS = frozenset(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
_STANDARD = (0, 1, 2)


def find_ending_signals() -> frozenset[signal.Signals]:
    """Return the signals to be heard: not the end of a terminal where nohup has it ignored."""
    return frozenset(
        each
        for each in ENDING_SIGNALS
        if each.name != "SIGHUP" or signal.getsignal(each) is not signal.SIG_IGN
    )


class EndingSignals:
    """While it is entered, each signal that ends a command is a KeyboardInterrupt.

    Python itself ends at once where it is asked politely, and leaves processes and files behind.
    A signal that is ignored, as nohup wants it, stays so. Threads but the main one hear nothing.

    Examples
    --------
    >>> with EndingSignals() as signals:
    ...     try:
    ...         signal.raise_signal(signal.SIGTERM)
    ...     except KeyboardInterrupt:
    ...         print(signals.status)
    143
    """

    def __init__(self) -> None:
        self._first = signal.SIGINT
        self._heard: list[signal.Signals] = []
        self._terminals: list[int] = []

    @property
    def status(self) -> int:
        """The status of a command that was ended: 128 and the number of the first signal."""
        return 128 + self._first

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._terminals = [each for each in _STANDARD if os.isatty(each)]
            for each in ENDING_SIGNALS - {signal.SIGINT}:
                if signal.getsignal(each) is signal.SIG_DFL:
                    signal.signal(each, self._interrupt)
                    self._heard.append(each)
        return self

    def __exit__(self, *_: object) -> None:
        for each in self._heard:
            signal.signal(each, signal.SIG_DFL)
        self._heard.clear()

    def _interrupt(self, number: int, _: FrameType | None) -> None:
        if self._first == signal.SIGINT:
            self._first = signal.Signals(number)
        self._leave_lost_terminals()
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            raise KeyboardInterrupt  # a shell has begun this command in its background
        # Whoever has a way of their own to hear Ctrl-C, as asyncio has, hears this in that way.
        signal.raise_signal(signal.SIGINT)

    def _leave_lost_terminals(self) -> None:
        """Write to nowhere what would go to a terminal that is gone: it would be an error."""
        for each in self._terminals:
            if not os.isatty(each):
                nowhere = os.open(os.devnull, os.O_RDWR)
                os.dup2(nowhere, each)
                os.close(nowhere)
