"""What one server had to do, counted by tenths of a second: the same from rows and from the fleet.

A handshake takes a worker from the moment at which it is begun. It was in vain, and counts as
abandoned, if its client had gone by the time at which the worker was done with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simlib.core.admission import Decision

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simlib.scenario.scenario import Scenario

#: Columns of the counts by tenth of a second. Levels, as `core/levels.py` keeps them: workers that
#: are there, those that are busy, handshakes that wait for one.
THERE, BUSY, BACKLOG = range(3)
#: Counts: connections that clients opened less those that ended; handshakes that a worker was done
#: with, those of them in vain, and those refused (from REFUSED on, by `Decision`).
OPENED, SERVED, ABANDONED, REFUSED = range(3, 7)
SERVER_COLUMNS = REFUSED + Decision.ADDRESS + 1


@dataclass
class ServerCounts:
    """The counts of one server.

    Attributes
    ----------
    tenths : array of int, a row for each tenth of a second
        What happened in it, and what it adds to the levels.
    waits_s : array of float
        How long each handshake that was taken since the warm-up waits for its worker, ascending.
    worst_backlog : int
        The most that waited at a time, at the arrivals since the warm-up.
    """

    tenths: Any
    waits_s: Any
    worst_backlog: int


def up_spans(scenario: Scenario, gateway: int) -> Iterator[tuple[float, float]]:
    """Yield from when to when a gateway's server is there, between its crashes."""
    from simlib.core.faults import Timeline

    timeline = Timeline(scenario.faults, scenario.seed, scenario.gateways)
    since_s, is_up = 0.0, True
    for time_s, _, _ in timeline.edges():
        if timeline.is_crashed(time_s, gateway) == is_up:
            if is_up:
                yield since_s, min(time_s, scenario.duration_s)
            since_s, is_up = time_s, not is_up
    if is_up:
        yield since_s, max(since_s, scenario.duration_s)
