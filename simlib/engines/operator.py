"""Server-side fault commands and their wire encoding."""

from __future__ import annotations

from typing import Any

from simlib.core.events import CloseClients, Drain, Revoke, ServerEvent, Slow
from simlib.core.faults import FaultKind, Timeline

#: The close code of a server that restarts.
RESTART = 1012


def order(
    timeline: Timeline, index: int, starts: bool, clients: int, zero_s: float, gateway: int = 0
) -> ServerEvent | None:
    """Return the event that a fault's start or stop sends to a gateway; None: it sends none.

    ``zero_s`` is the server clock's time at the beginning of the run.
    """
    fault = timeline.faults[index]
    if fault.kind == FaultKind.SLOW_SERVER:
        return Slow(timeline.slowness(fault.start_s if starts else fault.stop_s, gateway))
    if starts and fault.kind == FaultKind.SESSION_EXPIRY:
        return Revoke()
    if not starts or fault.kind not in (FaultKind.DEPLOY, FaultKind.CLOSE):
        return None
    hit = frozenset(timeline.hit(index, clients, gateway))
    until_s, hint_s = zero_s + fault.end_s, float(fault.retry_after_s)
    if fault.kind == FaultKind.DEPLOY:
        return Drain(hit, RESTART, until_s, hint_s)
    return CloseClients(hit, fault.code, until_s, hint_s)


def encode(event: ServerEvent) -> list[Any]:
    """Return an order as plain values."""
    if isinstance(event, (CloseClients, Drain)):
        name = type(event).__name__
        return [name, sorted(event.clients), event.code, event.until_s, event.hint_s]
    return ["Slow", event.factor] if isinstance(event, Slow) else ["Revoke"]


def decode(values: list[Any]) -> ServerEvent:
    """Return the order that plain values stand for."""
    name, *rest = values
    if name == "Slow":
        return Slow(*rest)
    if name == "Revoke":
        return Revoke()
    clients, *others = rest
    return (CloseClients if name == "CloseClients" else Drain)(frozenset(clients), *others)
