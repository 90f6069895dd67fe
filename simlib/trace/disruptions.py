"""Which faults can break a connection, and until when a lost connection is attributed to one."""

from __future__ import annotations

from math import inf

from simlib.core.faults import Fault, FaultKind, Route
from simlib.core.path import IdleAction
from simlib.scenario.scenario import Scenario

#: Whoever leaves OPEN this long after a fault's start was still hit by it: a reset takes but a
#: moment, and a real socket tells of it a little later. So does what is closed at a fault's end.
NOTICE_S = 1.0
#: Faults that make things worse, but end no connection by themselves.
_HARMLESS = (
    FaultKind.LATENCY,
    FaultKind.LOSS,
    FaultKind.BANDWIDTH,
    FaultKind.SLOW_SERVER,
    FaultKind.CLIENT_SLEEP,
    FaultKind.CLIENT_THROTTLE,
)
#: Faults that nobody is told of: only the heartbeat finds them.
_SILENT = (FaultKind.HALF_OPEN, FaultKind.HANDOVER)
#: Faults that end connections up to their own end, and clients hear of it a little later: a drain
#: closes its last connection then, and a ping is answered too late that a black hole has held.
_LATE = (FaultKind.DEPLOY, FaultKind.CLOSE, FaultKind.BLACK_HOLE)


def interrupting(scenario: Scenario) -> list[Fault]:
    """Return the faults that can end a WebSocket connection or keep one from opening.

    Those that start before the warm-up is over do not count, and so are not among them.
    """
    return [
        fault
        for fault in scenario.faults
        if interrupts(fault) and fault.start_s >= scenario.warm_up_s
    ]


def interrupts(fault: Fault) -> bool:
    """Whether a fault can end a WebSocket connection or keep one from opening."""
    return fault.kind not in _HARMLESS and fault.route != Route.HTTP


def may_die_unnoticed(scenario: Scenario) -> bool:
    """Whether connections can die without a word to their clients, who then think them good."""
    path = scenario.path
    forgets = path.idle_timeout_s < inf and path.idle_action == IdleAction.FORGET
    return forgets or any(
        fault.kind in (*_SILENT, FaultKind.BLACK_HOLE)
        and fault.route != Route.HTTP
        and fault.clients_fraction > 0.0
        for fault in scenario.faults
    )


def describe_unnoticed(scenario: Scenario) -> str:
    """Return what availability leaves out in a scenario, in a sentence; nothing if it is all there.

    Examples
    --------
    >>> describe_unnoticed(Scenario(faults=[Fault("reset", 5)]))
    ''
    """
    if not may_die_unnoticed(scenario):
        return ""
    beats = [client.heartbeat for client in scenario.policies]
    longest_s = max(beat.interval_s + beat.timeout_s for beat in beats)
    how = f"for up to {longest_s:g} s, until the heartbeat finds it"
    if longest_s == inf:
        how = "and without a heartbeat that may be to the end"
    return (
        "Connections can die silently here: availability_fraction counts such a one as good "
        f"until its client notices, {how}."
    )


def noticed_by_s(scenario: Scenario, fault: Fault) -> float:
    """Return the last moment at which leaving OPEN is put down to a fault."""
    noticed_s = NOTICE_S
    if fault.kind in _SILENT:
        beats = [client.heartbeat for client in scenario.policies]
        noticed_s += max(beat.interval_s + beat.timeout_s for beat in beats)
    late_s = NOTICE_S if fault.kind in _LATE else 0.0
    return max(fault.end_s + late_s, fault.start_s + noticed_s)
