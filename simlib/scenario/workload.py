"""What the application of each client sends, and what its platform says of the network."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from math import inf, isfinite
from typing import Any

from simlib.core.errors import SettingsError
from simlib.core.events import Priority
from simlib.core.validation import ValidatedSettings, choice, count, flag, number, seconds

#: The largest message that is sent: twice as much is the largest frame of a live run.
MOST_MESSAGE_BYTES = 1_000_000


class Arrivals(IntEnum):
    """How a client's messages are spaced."""

    CONSTANT = 0
    POISSON = 1
    BURSTS = 2
    TYPING = 3
    RECORDED = 4


class TimeOrigin(IntEnum):
    """What the times of recorded messages are counted from."""

    #: From the start of the run.
    RUN = 0
    #: From the first message, as times since 1970 are.
    FIRST = 1


@dataclass(frozen=True, kw_only=True)
class Workload(ValidatedSettings):
    """The messages that the application of each client sends.

    Examples
    --------
    >>> Workload(rate_per_s=2.0, size_bytes=500)
    Workload(rate_per_s=2, size_bytes=500)
    """

    #: How messages are spaced: constant, poisson, bursts, typing or recorded.
    arrivals: Arrivals = choice(Arrivals.POISSON)
    #: Messages of each client per second; 0: none.
    rate_per_s: float = number(1.0, "messages per second")
    #: The first message comes after this moment.
    start_s: float = seconds(0.0)
    #: No message after this moment; inf: to the end of the run.
    stop_s: float = seconds(inf, endless=True)
    #: Size of a message on the wire.
    size_bytes: int = count(200, high=MOST_MESSAGE_BYTES)
    #: A message older than this is dropped; inf: never.
    expires_after_s: float = seconds(inf, above=True, endless=True)
    #: Share of the messages that are critical; what the three shares leave is normal.
    critical_fraction: float = number(0.05, "", high=1.0)
    #: Share of the messages of high priority.
    high_fraction: float = number(0.15, "", high=1.0)
    #: Share of the messages of low priority.
    low_fraction: float = number(0.3, "", high=1.0)
    #: bursts: messages at the same moment. typing: edits before a pause.
    burst: int = count(10)
    #: typing: mean length of a pause.
    pause_s: float = seconds(3.0)
    #: Messages are about so many things: of client i, about thing i modulo keys. 0: about none,
    #: or (typing) each client has a draft of its own.
    keys: int = count(0, low=0)
    #: recorded: a list of (time_s, priority, size_bytes), played by each client.
    recorded: tuple[tuple[float, Priority, int], ...] = ()
    #: recorded: its times are counted from the run's start (run), or from its first message
    #: (first), as they must be if they are times since 1970.
    time_origin: TimeOrigin = choice(TimeOrigin.RUN)

    def check(self) -> None:
        """Raise `SettingsError` where parts contradict each other."""
        shares = self.critical_fraction + self.high_fraction + self.low_fraction
        if shares > 1.0 + 1e-9:
            raise SettingsError(
                "low_fraction",
                self.low_fraction,
                f"the shares of the priorities add up to {shares:g}, above 1",
            )
        if self.stop_s <= self.start_s:
            raise SettingsError("stop_s", self.stop_s, f"must be after start_s ({self.start_s:g})")
        if isinstance(self.recorded, (str, bytes)) or not isinstance(self.recorded, Iterable):
            rule = "must be a list of messages, each [time_s, priority, size_bytes]"
            raise SettingsError("recorded", self.recorded, rule)
        recorded = tuple(map(_read_message, enumerate(self.recorded)))
        if recorded and self.time_origin == TimeOrigin.FIRST:
            first_s = min(time_s for time_s, _, _ in recorded)
            recorded = tuple((time_s - first_s, word, size) for time_s, word, size in recorded)
        object.__setattr__(self, "recorded", recorded)
        if bool(self.recorded) != (self.arrivals == Arrivals.RECORDED):
            rule = 'goes with arrivals = "recorded", and that with it'
            raise SettingsError("recorded", self.recorded, rule)

    def key_of(self, client: int) -> int:
        """Return what a client's messages are about; -1: nothing."""
        if self.keys:
            return client % self.keys
        return client if self.arrivals == Arrivals.TYPING else -1


def _read_message(item: tuple[int, Any]) -> tuple[float, Priority, int]:
    i, row = item
    where = f"recorded[{i}]"
    try:
        time_s, priority, size_bytes = row
        named = Priority[priority.upper()] if isinstance(priority, str) else Priority(priority)
        good = isfinite(time_s) and time_s >= 0.0 and size_bytes == int(size_bytes)
        good = good and 1 <= size_bytes <= MOST_MESSAGE_BYTES
    except (TypeError, ValueError, KeyError, OverflowError):
        good = False
    if not good:
        rule = "must be a time in seconds, a priority (as high), and a size in whole bytes, from 1 "
        rule += f"to {MOST_MESSAGE_BYTES:,}"
        raise SettingsError(where, row, rule)
    return float(time_s), named, int(size_bytes)


@dataclass(frozen=True, kw_only=True)
class Hint(ValidatedSettings):
    """What the platform tells clients about the network at a moment (Network Information).

    Examples
    --------
    >>> Hint(start_s=5.0, online=False)
    Hint(start_s=5, online=False)
    """

    #: When.
    start_s: float = seconds(0.0)
    #: Its estimate of the round trip; 0: it does not say.
    rtt_s: float = seconds(0.0)
    #: Its estimate of the bandwidth; 0: it does not say.
    downlink_bytes_per_s: float = number(0.0, "bytes per second", high=1e9)
    #: Whether the user wants to save data.
    save_data: bool = flag(False)
    #: Whether there is a network at all.
    online: bool = flag(True)
    #: The share of the clients that are told, the first ones.
    clients_fraction: float = number(1.0, "", high=1.0)
