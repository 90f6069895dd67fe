"""The fallback to polling: when it carries the messages, and when WebSocket does again.

Rules of the fallback:
- It starts after failures in a row, with an open breaker, or when the quality of an open
  connection has been poor for long enough.
- It ends once WebSocket has been good for `return_after_s`.
- Between two changes lies at least the dwell time; a change that it forbids waits.

`TransportStatus` holds numbers only, so its functions compile.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from math import inf
from typing import NamedTuple

from simlib.core.quality import Quality
from simlib.core.validation import Count, ValidatedSettings, choice, count, number, seconds


class Transport(IntEnum):
    """The transports of messages."""

    WEBSOCKET = 0
    POLL = 1


# Plain numbers: compiled code needs them, and to look a member up costs 0.1 us on Python 3.11.
_WEBSOCKET, _POLL = Transport.WEBSOCKET.value, Transport.POLL.value


@dataclass(frozen=True, kw_only=True)
class Fallback(ValidatedSettings):
    """When HTTP polling carries the messages because WebSocket fails; by default never.

    Examples
    --------
    >>> Fallback(after_attempts=3)
    Fallback(after_attempts=3)
    """

    #: Failures in a row after which it starts (an open breaker starts it too); inf: not by them.
    after_attempts: Count = count(inf, endless=True)
    #: It starts when the quality is this or worse: poor, fair or good; offline: not by quality.
    when_quality: Quality = choice(Quality.OFFLINE)
    #: And has been for this long.
    quality_for_s: float = seconds(5.0)
    #: Time between polls.
    poll_interval_s: float = seconds(5.0, above=True)
    #: So many times as long where the user wants to save data.
    save_data_factor: float = number(3.0, "", low=1.0)
    #: WebSocket must have been good this long before it carries messages again.
    return_after_s: float = seconds(5.0)
    #: Time between two changes of the transport, at least.
    dwell_s: float = seconds(0.0)


class TransportStatus(NamedTuple):
    """The transport of one client's messages."""

    transport: int
    #: When it last changed; -inf: never.
    changed_s: float
    #: Since when WebSocket has been good; inf: it is not.
    good_s: float


#: What carries messages at first.
WEBSOCKET = TransportStatus(0, -inf, inf)


def fall_back(status: TransportStatus, now: float) -> TransportStatus:
    """Return the status after the fallback to polling; one that polls already polls on."""
    if status.transport == _POLL:
        return status
    return TransportStatus(_POLL, now, status.good_s)


def may_change(status: TransportStatus, now: float, settings: Fallback) -> bool:
    """Whether the dwell time allows a change now."""
    return now >= status.changed_s + settings.dwell_s


def wants_poll(failures: int, breaker_open: bool, settings: Fallback) -> bool:
    """Whether failures, or the breaker, call for polling."""
    return settings.after_attempts < inf and (failures >= settings.after_attempts or breaker_open)


def return_s(status: TransportStatus, settings: Fallback) -> float:
    """Return the moment from which WebSocket carries messages again; inf: not in sight."""
    if status.transport == _WEBSOCKET:
        return inf
    return max(status.good_s + settings.return_after_s, status.changed_s + settings.dwell_s)


def set_good_since(status: TransportStatus, good_s: float) -> TransportStatus:
    """Return the status with WebSocket good since a moment, or (inf) not good."""
    if status.good_s == good_s:
        return status
    return TransportStatus(status.transport, status.changed_s, good_s)


def return_if_due(status: TransportStatus, now: float, settings: Fallback) -> TransportStatus:
    """Return the status, back on WebSocket if that is due."""
    if now < return_s(status, settings):
        return status
    return TransportStatus(_WEBSOCKET, now, status.good_s)
