"""What a fault proxy does to the connections that pass through it, while it does it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from math import inf

from simlib.core.validation import ValidatedSettings, choice, count, flag, number, seconds


class EffectKind(IntEnum):
    """The kinds of effects."""

    #: End what is open, and reset each attempt.
    REFUSE = 0
    #: Carry everything later.
    LATENCY = 1
    #: Carry no more than so much per second, each way of each connection.
    BANDWIDTH = 2
    #: Hold what is sent until the effect ends.
    HOLD = 3
    #: Hold it for good: a connection that sent into it never carries anything that way again.
    HALF_OPEN = 4
    #: Reset each connection, at once or when it is so old.
    RESET = 5
    #: Reset a connection that has carried so much one way.
    LIMIT = 6


@dataclass(frozen=True, kw_only=True)
class ProxyEffect(ValidatedSettings):
    """One effect: what it does, which way, and to what share of the connections."""

    kind: EffectKind = choice(EffectKind.LATENCY)
    #: Whether it acts on what the client sends, and on what the server sends.
    up: bool = flag(True)
    down: bool = flag(True)
    #: The share of the connections that it acts on, drawn by connection.
    fraction: float = number(1.0, "", high=1.0)
    #: latency
    latency_s: float = seconds(0.0)
    #: latency: it is so much longer or shorter for each piece.
    jitter_s: float = seconds(0.0)
    #: bandwidth
    bandwidth_bytes_per_s: float = number(inf, "bytes per second", above=True, endless=True)
    #: hold, reset: the connection is reset after this time; inf: never.
    end_after_s: float = seconds(inf, endless=True)
    #: limit
    limit_bytes: int = count(0, low=0)
