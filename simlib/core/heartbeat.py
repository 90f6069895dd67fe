"""The heartbeat: when to ping an open connection, and when silence ends it.

What counts as life is the answer to a ping, or anything that the server sends (`any_traffic`). In
the latter case a connection that is in use is not pinged: pings follow silence alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from simlib.core.validation import ValidatedSettings, flag, seconds


@dataclass(frozen=True, kw_only=True)
class HeartbeatRules(ValidatedSettings):
    """When a client pings an open connection, and when silence ends it; by default never.

    References
    ----------
    gRPC's keepalive (grpc-go, ``http2_client.keepalive``) counts from the last read, whatever it
    was, as ``any_traffic`` does; websockets for Python awaits the answer to each ping.

    Examples
    --------
    >>> HeartbeatRules(interval_s=25.0, timeout_s=20.0)
    HeartbeatRules(interval_s=25, timeout_s=20)
    """

    #: Time between pings; inf: none.
    interval_s: float = seconds(inf, above=True, endless=True)
    #: A ping unanswered for this long ends the connection.
    timeout_s: float = seconds(10.0, above=True)
    #: Whether anything that the server sends counts as life: then it answers a ping, and the next
    #: ping follows a silence of interval_s. Else each ping awaits its own answer.
    any_traffic: bool = flag(False)


def next_ping_s(now: float, timeout_s: float, settings: HeartbeatRules) -> float:
    """Return when to ping after the answer to the ping that would time out then."""
    if settings.any_traffic:
        return now + settings.interval_s
    return max(now, timeout_s - settings.timeout_s + settings.interval_s)


class Heartbeat:
    """The pings of one connection: at most one is unanswered."""

    __slots__ = ("settings", "due_s", "timeout_s")

    def __init__(self, settings: HeartbeatRules) -> None:
        self.settings = settings
        self.due_s = inf
        self.timeout_s = inf

    @property
    def deadline_s(self) -> float:
        """When a ping is due or overdue; inf: never."""
        return min(self.due_s, self.timeout_s)

    @property
    def sent_s(self) -> float:
        """When the unanswered ping was sent; inf: none is."""
        return self.timeout_s - self.settings.timeout_s

    def begin(self, now: float) -> None:
        """Watch a connection that has just opened."""
        self.due_s, self.timeout_s = now + self.settings.interval_s, inf

    def end(self) -> None:
        """Watch nothing."""
        self.due_s = self.timeout_s = inf

    def ping(self, now: float) -> None:
        """Note that a ping was sent."""
        self.due_s, self.timeout_s = inf, now + self.settings.timeout_s

    def hear(self, now: float) -> None:
        """Note that the server has sent something, where that counts as life."""
        if self.settings.any_traffic and self.deadline_s < inf:
            self.due_s, self.timeout_s = now + self.settings.interval_s, inf

    def pong(self, now: float) -> bool:
        """Note the answer to a ping; False if none was awaited.

        The next ping follows one interval after this one was sent, or after the answer where any
        traffic counts as life.
        """
        if self.timeout_s == inf:
            self.hear(now)
            return False
        self.due_s, self.timeout_s = next_ping_s(now, self.timeout_s, self.settings), inf
        return True
