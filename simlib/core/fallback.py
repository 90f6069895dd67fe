"""The fallback to polling: when it carries the messages, and when WebSocket does again.

Rules of the fallback:
- It starts after failures in a row, with an open breaker, or when the quality of an open
  connection has been poor for long enough.
- It ends once WebSocket has been good for `return_after_s`.
- Between two changes lies at least the dwell time; a change that it forbids waits.

`Carrier` holds numbers only, so its functions compile.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from math import inf
from typing import NamedTuple

from simlib.core.quality import Quality
from simlib.core.validation import Count, ValidatedSettings, choice, count, number, seconds


class Transport(IntEnum):
    """What carries messages."""

    WEBSOCKET = 0
    POLL = 1


@dataclass(frozen=True, kw_only=True)
class Fallback(ValidatedSettings):
    """Carrying messages by HTTP polling while WebSocket fails; by default never."""

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


class Carrier(NamedTuple):
    """What carries one client's messages."""

    transport: int
    #: When it last changed; -inf: never.
    changed_s: float
    #: Since when WebSocket has been good; inf: it is not.
    good_s: float


#: What carries messages at first.
WEBSOCKET = Carrier(0, -inf, inf)


def fallen(carrier: Carrier, now: float) -> Carrier:
    """Return the carrier after the fallback to polling; one that polls already polls on."""
    if carrier.transport == Transport.POLL:
        return carrier
    return Carrier(Transport.POLL.value, now, carrier.good_s)


def may_change(carrier: Carrier, now: float, rules: Fallback) -> bool:
    """Whether the dwell time allows a change now."""
    return now >= carrier.changed_s + rules.dwell_s


def wants_poll(failures: int, breaker_open: bool, rules: Fallback) -> bool:
    """Whether failures, or the breaker, call for polling."""
    return rules.after_attempts < inf and (failures >= rules.after_attempts or breaker_open)


def return_s(carrier: Carrier, rules: Fallback) -> float:
    """Return the moment from which WebSocket carries messages again; inf: not in sight."""
    if carrier.transport == Transport.WEBSOCKET:
        return inf
    return max(carrier.good_s + rules.return_after_s, carrier.changed_s + rules.dwell_s)


def good_since(carrier: Carrier, good_s: float) -> Carrier:
    """Return the carrier with WebSocket good since a moment, or (inf) not good."""
    return Carrier(carrier.transport, carrier.changed_s, good_s)


def settled(carrier: Carrier, now: float, rules: Fallback) -> Carrier:
    """Return the carrier, back on WebSocket if that is due."""
    if now < return_s(carrier, rules):
        return carrier
    return Carrier(Transport.WEBSOCKET.value, now, carrier.good_s)
