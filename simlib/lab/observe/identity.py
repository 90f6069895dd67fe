"""Attribute attempts to clients, and track each client.

A client on its own port is identified by that port. Clients that share a port are identified by
host and order alone: an attempt is attributed to the client of its host that has been without a
connection for longest, or to a new client if all are connected. So two clients of one host that are
disconnected at the same time may be confused, and a client with two connections counts as two.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf, nan

from simlib.lab.observe.observation import Attempt

#: A client is gone when it was quiet for so many of its longest waits and a while more.
_PATIENCE, _WHILE_S = 6.0, 12.0


@dataclass(slots=True)
class ObservedClient:
    """A client as the lab sees it."""

    number: int
    seat: int
    host: str
    #: The attempt that it makes, or whose connection it has.
    live: Attempt | None = None
    #: Attempts in all, begun and ended in this phase.
    attempts: int = 0
    begun: int = 0
    ended: int = 0
    last_ended_s: float = 0.0
    #: How long it had waited for a processor when that was looked at last; NaN if nobody knows.
    waited_for_cpu_s: float = nan
    longest_wait_s: float = -1.0
    #: Until then nobody could see it, since the port was closed.
    unseen_until_s: float = 0.0
    #: What ended its last attempt, in words.
    last_kind: str = ""
    #: It will not come any more.
    gone: bool = False

    def came(self, attempt: Attempt) -> float:
        """Record an attempt; return the wait before it, NaN before the first."""
        wait_s = attempt.accept_s - self.last_ended_s if self.attempts else nan
        if self.attempts:
            self.longest_wait_s = max(self.longest_wait_s, wait_s)
        self.live, self.gone = attempt, False
        self.attempts += 1
        self.begun += 1
        return wait_s

    def note_end(self, attempt: Attempt, phase: int) -> None:
        """Record an attempt's end."""
        self.last_ended_s = attempt.ended_s
        self.last_kind = f"{attempt.kind} {attempt.detail}".strip()
        self.ended += attempt.phase == phase
        if self.live is attempt:
            self.live = None

    def is_quiet(self, now_s: float) -> bool:
        """Whether it has been away for so long that it will hardly come back.

        Examples
        --------
        >>> seen = {"attempts": 3, "last_ended_s": 10.0, "longest_wait_s": 1.0}
        >>> client = ObservedClient(0, 0, "127.0.0.1", **seen)
        >>> client.is_quiet(21.0), client.is_quiet(23.0)
        (False, True)
        """
        if self.live is not None or not self.attempts:
            return False
        longest_s = self.longest_wait_s
        limit_s = inf if longest_s < 0.0 else max(_WHILE_S, _PATIENCE * longest_s + 2.0)
        return now_s - max(self.last_ended_s, self.unseen_until_s) > limit_s


@dataclass(slots=True)
class ObservedClients:
    """All clients."""

    #: The seats that belong to one client each.
    own_seats: bool
    known: list[ObservedClient] = field(default_factory=list)

    def take(self, seat: int, host: str) -> ObservedClient:
        """Return the client that an attempt is taken for."""
        here = [guest for guest in self.known if guest.seat == seat]
        if self.own_seats:
            return here[-1] if here else self.add(seat, host)
        free = [guest for guest in here if guest.host == host and guest.live is None]
        return min(free, key=lambda guest: guest.last_ended_s) if free else self.add(seat, host)

    def add(self, seat: int, host: str) -> ObservedClient:
        """Add a client that was not seen before."""
        self.known.append(ObservedClient(len(self.known), seat, host))
        return self.known[-1]

    def present(self) -> list[ObservedClient]:
        """Return the clients that may still come."""
        return [guest for guest in self.known if not guest.gone]

    def begin_phase(self) -> None:
        """Count from nought."""
        for guest in self.known:
            guest.begun = guest.ended = 0
