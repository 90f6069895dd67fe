"""Rows of what no client was told: faults, what the server did, a page that closes."""

from __future__ import annotations

from math import inf
from typing import Any

from simlib.core.events import NONE, Answer, Reason, Refuse, ServerCommand
from simlib.core.faults import FaultKind
from simlib.core.server import UNAUTHORIZED
from simlib.trace.columns import COLUMNS, Kind, Name
from simlib.trace.schema import columns_layout, server_name


def note(
    now: float,
    client: int,
    kind: Kind,
    name: Name,
    connection: int = 0,
    message: int = NONE,
    reason: Reason = Reason.NONE,
) -> tuple[Any, ...]:
    """Return a trace row of something that no client was told."""
    return (now, client, kind, name, connection, message, reason, *_REST)


def fault_row(now: float, name: Name, fault: int, kind: FaultKind) -> tuple[Any, ...]:
    """Return the trace row of the start or the stop of a scenario's fault, given its number."""
    what = (now, NONE, Kind.FAULT, name, 0, NONE, Reason.NONE)
    return (*what, *_NO_HINT, fault, kind, *_IDLE)


def pack_arrival(now: float, client: int, connection: int) -> bytes:
    """Return the row of a handshake that reached the server, packed."""
    return _pack_leading(now, client, _SERVER, _ARRIVED, connection, NONE, 0) + _PACKED_REST


def pack_server_command(now: float, command: ServerCommand) -> bytes:
    """Return the row of something that the server asked for, packed."""
    message, reason = NONE, 0
    name = server_name(command)
    if command.__class__ is Answer:
        message, reason = command.message, command.reason
    elif command.__class__ is Refuse:
        reason = Reason.UNAUTHORIZED if command.status == UNAUTHORIZED else Reason.REJECTED
    client, connection = command.client, command.connection
    return _pack_leading(now, client, _SERVER, name, connection, message, reason) + _PACKED_REST


# Constants: to look an enumeration's member up costs 0.1 us on Python 3.11, at every row.
_SERVER, _ARRIVED = Kind.SERVER, Name.ARRIVED
#: From the hint to the platform's word on data: nothing.
_NO_HINT = (0.0, 0, NONE, 0, -inf, inf, NONE, NONE, 0.0, 0.0, 0, 0)
_NO_FAULT = (NONE, NONE)
#: The state of a client that is idle.
_IDLE = (0, 0, 0, 0, 0, 0.0, 0)
_REST = (*_NO_HINT, *_NO_FAULT, *_IDLE)
_pack_leading = columns_layout(0, len(COLUMNS) - len(_REST)).pack
_PACKED_REST = columns_layout(len(COLUMNS) - len(_REST), len(COLUMNS)).pack(*_REST)
