"""The outages of a scenario: when its faults let no client in."""

from __future__ import annotations

from math import inf
from operator import attrgetter
from typing import NamedTuple

from simlib.core.faults import Fault, FaultKind, Route
from simlib.scenario.scenario import Scenario, timeline_of

#: In these, attempts are refused at once, or are answered by a status or a close.
_REFUSING = (FaultKind.OUTAGE, FaultKind.SERVER_CRASH, FaultKind.REJECT)
#: In these, nobody answers, so attempts time out.
_SILENT = (FaultKind.BLACK_HOLE, FaultKind.HALF_OPEN)


class Outage(NamedTuple):
    """A time in which no client gets in."""

    start_s: float
    stop_s: float
    #: Whether attempts get no answer and time out; else they are refused at once.
    is_silent: bool
    #: The status or close code that they are refused with; 0: none.
    code: int

    @property
    def lasts_s(self) -> float:
        """How long it lasts."""
        return self.stop_s - self.start_s


def outages(scenario: Scenario, closes_fail: bool = False) -> list[Outage]:
    """Return the outages that a scenario's faults make, in their order.

    Those that overlap or follow each other at once are one. One without an end lasts to the end of
    the run. ``closes_fail``: a connection that opens and is closed at once is a failure too.

    Examples
    --------
    >>> faults = [Fault("outage", 10, 40), Fault("server_crash", 40, 55)]
    >>> [outage.lasts_s for outage in outages(Scenario(faults=faults))]
    [45.0]
    """
    timeline = timeline_of(scenario)
    joined: list[Outage] = []
    for fault in sorted(timeline.faults, key=attrgetter("start_s")):
        outage = _outage(fault, scenario, closes_fail)
        if outage is None:
            continue
        # Refusals of one code are waited out alike; another code may stop a client.
        if joined and outage.start_s <= joined[-1].stop_s and outage.code == joined[-1].code:
            joined[-1] = _join(joined[-1], outage)
        else:
            joined.append(outage)
    return joined


def _outage(fault: Fault, scenario: Scenario, closes_fail: bool) -> Outage | None:
    if fault.route == Route.HTTP or fault.clients_fraction == 0.0:
        return None
    is_silent = fault.kind in _SILENT
    closes = fault.kind == FaultKind.CLOSE and fault.stop_s < inf and closes_fail
    if not (is_silent or closes or fault.kind in _REFUSING):
        return None
    stop_s = fault.end_s if fault.end_s < inf else scenario.duration_s
    code = {FaultKind.REJECT: fault.status, FaultKind.CLOSE: fault.code}.get(fault.kind, 0)
    return Outage(fault.start_s, stop_s, is_silent, code)


def _join(one: Outage, other: Outage) -> Outage:
    stop_s = max(one.stop_s, other.stop_s)
    return Outage(one.start_s, stop_s, one.is_silent and other.is_silent, one.code)
