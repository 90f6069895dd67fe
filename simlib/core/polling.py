"""The polling fallback: when to poll, and whether the HTTP route is known to work.

A poll that succeeds proves the route; only then are messages posted. A failed poll or post
takes that back until the next poll succeeds, so a dead route costs one request an interval.
"""

from __future__ import annotations

from math import inf


class Polling:
    """The polls of one client: at most one is unanswered."""

    # fmt: off
    __slots__ = (
        "interval_s", "_patience_s", "connection", "reachable", "due_s", "timeout_s", "_sent_s",
    )
    # fmt: on

    def __init__(self, interval_s: float, timeout_s: float) -> None:
        #: From one poll to the next.
        self.interval_s = interval_s
        self._patience_s = timeout_s
        #: The number of the unanswered poll; 0: none.
        self.connection = 0
        self.reachable = False
        self.due_s = inf
        self.timeout_s = inf
        self._sent_s = 0.0

    @property
    def deadline_s(self) -> float:
        """When a poll is due or overdue; inf: never."""
        return min(self.due_s, self.timeout_s)

    def begin(self, now: float) -> None:
        """Fall back: the first poll is due at once."""
        self.due_s, self.reachable = now, False

    def end(self) -> None:
        """Stop polling."""
        self.connection, self.reachable = 0, False
        self.due_s = self.timeout_s = inf

    def begin_poll(self, now: float, connection: int) -> None:
        """Note that a poll was sent."""
        self.connection, self._sent_s = connection, now
        self.due_s, self.timeout_s = inf, now + self._patience_s

    def take_answer(self, now: float, works: bool, hint_s: float) -> None:
        """Note how the poll ended; the next is one interval after it was sent, or at the hint."""
        self.connection, self.timeout_s = 0, inf
        self.reachable = works
        self.due_s = max(now + hint_s, self._sent_s + self.interval_s)
