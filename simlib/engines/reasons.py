"""The words of HTTP statuses and WebSocket close codes in a trace: the only table of them.

What a code does to a client is a setting of the client: `simlib.core.stops`.
"""

from __future__ import annotations

from simlib.core.events import Reason

_OF_STATUS = {401: Reason.UNAUTHORIZED, 403: Reason.UNAUTHORIZED}
_OF_CODE = {
    1012: Reason.RESTARTING,
    1013: Reason.OVERLOADED,
    4401: Reason.UNAUTHORIZED,
    4403: Reason.UNAUTHORIZED,
}


def of_status(status: int) -> Reason:
    """Return the reason that an HTTP status other than success stands for."""
    return _OF_STATUS.get(status, Reason.REJECTED)


def of_code(code: int) -> Reason:
    """Return the reason that a WebSocket close code stands for."""
    return _OF_CODE.get(code, Reason.CLOSED)
