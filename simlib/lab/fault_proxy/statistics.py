"""What a fault proxy counts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass
class Statistics:
    """What passed through a fault proxy, and what it did to it.

    Examples
    --------
    >>> print("; ".join(Statistics(connections=3, cut=1, up_bytes=120).in_words()))
    3 connections, 1 cut; 120 bytes up, 0 bytes down
    """

    #: Connections that clients made, those that were refused included.
    connections: int = 0
    #: Of these: reset at once, since a fault refuses.
    refused: int = 0
    #: Of these: reset at once, since as many were open as may be.
    turned_away: int = 0
    #: Of these: the target was not there.
    unreachable: int = 0
    #: Of these: reset later, by a fault.
    cut: int = 0
    #: What was passed on to the server, and to clients.
    up_bytes: int = 0
    down_bytes: int = 0
    #: The most that ever waited in the proxy of one connection, both ways together.
    most_waiting_bytes: int = 0

    def in_words(self) -> list[str]:
        """Return the numbers in words, a line each."""
        parts = [f"{self.connections:,} connection{'s' * (self.connections != 1)}"]
        parts += [f"{self.refused:,} refused"] * bool(self.refused)
        parts += [f"{self.turned_away:,} turned away"] * bool(self.turned_away)
        parts += [f"{self.unreachable:,} without a server"] * bool(self.unreachable)
        parts += [f"{self.cut:,} cut"] * bool(self.cut)
        waited = f", at most {self.most_waiting_bytes:,} bytes of one waiting"
        carried = f"{self.up_bytes:,} bytes up, {self.down_bytes:,} bytes down"
        return [", ".join(parts), carried + waited * bool(self.most_waiting_bytes)]

    def to_json(self) -> dict[str, Any]:
        """Return the numbers as values for JSON."""
        return asdict(self)
