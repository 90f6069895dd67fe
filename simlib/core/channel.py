"""The channels that a client follows: resumed after each open, gaps found and fetched.

Rules of the channels:
- An update is delivered once and in order; what was seen before is ignored.
- An update that is not the next one shows a gap: the channel is fetched as a whole, and what
  comes before that snapshot is ignored, since it is part of it.
"""

from __future__ import annotations

from enum import IntEnum

from simlib.core.events import Reason


class Verdict(IntEnum):
    """The decision about an update."""

    IGNORE = 0
    DELIVER = 1
    FETCH = 2


class Channels:
    """The versions that one client has seen."""

    __slots__ = ("_seen", "_fetching")

    def __init__(self) -> None:
        self._seen: dict[int, int] = {}
        self._fetching: frozenset[int] = frozenset()

    def __len__(self) -> int:
        return len(self._seen)

    def follow(self, channel: int, version: int) -> None:
        """Want the updates after a version."""
        self._seen[channel] = max(version, self._seen.get(channel, 0))

    def versions(self) -> tuple[tuple[int, int], ...]:
        """Return each channel and the version it was seen at."""
        return tuple(self._seen.items())

    def interrupt(self) -> None:
        """Expect no answer to a fetch any more: the connection ended."""
        self._fetching = frozenset()

    def take_push(self, channel: int, version: int, reason: Reason) -> Verdict:
        """Process a pushed update."""
        if channel not in self._seen or version <= self._seen[channel]:
            if reason == Reason.SNAPSHOT:
                self._fetching -= {channel}
            return Verdict.IGNORE
        if reason == Reason.SNAPSHOT or version == self._seen[channel] + 1:
            self._fetching -= {channel}
            self._seen[channel] = version
            return Verdict.DELIVER
        if channel in self._fetching:
            return Verdict.IGNORE
        self._fetching |= {channel}
        return Verdict.FETCH
