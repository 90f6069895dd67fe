"""Handshakes that a full queue drops: nobody is told, and TCP sends their SYN again, and again.

Rules of dropped SYNs:
- A SYN that finds the queue full is dropped without an answer. The client's kernel sends it again
  1, 3, 7, 15, 31 and 63 s after the first one: the time-out of RFC 6298 (1 s), doubled each time,
  six times (Linux's ``tcp_syn_retries``).
- The client's program sees none of that: its attempt goes on until it opens or times out.
- Kernels have no jitter: what was dropped together comes again together.
"""

from __future__ import annotations

import itertools
from heapq import heappop, heappush
from math import inf

from simlib.core.events import HandshakeArrived

#: When a SYN is sent again, in s after the first.
SENT_AGAIN_S = (1.0, 3.0, 7.0, 15.0, 31.0, 63.0)


class DroppedSyns:
    """The handshakes that were dropped, and when each comes again.

    Examples
    --------
    >>> dropped = DroppedSyns()
    >>> dropped.add(HandshakeArrived(3, 1), 10.0)
    >>> dropped.deadline_s, dropped.pop_due(11.0)
    (11.0, [HandshakeArrived(client=3, connection=1, signed_in_s=inf)])
    """

    __slots__ = ("_due", "_first_s", "_numbers", "deadline_s")

    def __init__(self) -> None:
        self._due: list[tuple[float, int, HandshakeArrived]] = []
        #: When each handshake that is still wanted came first.
        self._first_s: dict[tuple[int, int], float] = {}
        self._numbers = itertools.count()
        #: When the next one comes again; inf: none does.
        self.deadline_s = inf

    def add(self, event: HandshakeArrived, now: float) -> None:
        """Drop a handshake that has come now, for the first time or again."""
        first_s = self._first_s.setdefault((event.client, event.connection), now)
        again_s = next((first_s + s for s in SENT_AGAIN_S if first_s + s > now + 1e-9), inf)
        if again_s < inf:
            heappush(self._due, (again_s, next(self._numbers), event))
            self.deadline_s = self._due[0][0]

    def forget(self, client: int, connection: int) -> None:
        """Let go of a handshake: it was let in, or its client has gone."""
        self._first_s.pop((client, connection), None)

    def pop_due(self, now: float) -> list[HandshakeArrived]:
        """Remove and return the handshakes that come again by now, and that are still wanted."""
        due = []
        while self._due and self._due[0][0] <= now:
            event = heappop(self._due)[2]
            if (event.client, event.connection) in self._first_s:
                due.append(event)
        self.deadline_s = self._due[0][0] if self._due else inf
        return due
