"""The table of a link: states, inputs, and the move that each input causes in each state."""

from __future__ import annotations

from enum import IntEnum


class State(IntEnum):
    """Where the connection stands."""

    IDLE = 0
    CONNECTING = 1
    OPEN = 2
    WAITING = 3
    STOPPED = 4
    SUSPENDED = 5


class Input(IntEnum):
    """An input of the state machine."""

    START = 0
    OPENED = 1
    FAILED = 2
    LOST = 3
    WAKE = 4
    STOP = 5
    SUSPEND = 6
    RESUME = 7
    POOR = 8
    GOOD = 9
    END = 10


class Move(IntEnum):
    """The moves of the state machine."""

    IGNORE = 0
    CONNECT = 1
    ESTABLISH = 2
    BACK_OFF = 3
    LOSE = 4
    SETTLE = 5
    STOP = 6
    MISUSE = 7
    SUSPEND = 8
    RECONNECT_SOON = 9
    FALL_BACK = 10
    RETURN = 11


_I, _C, _E, _R = Move.IGNORE, Move.CONNECT, Move.ESTABLISH, Move.BACK_OFF
_L, _S, _H, _M = Move.LOSE, Move.SETTLE, Move.STOP, Move.MISUSE
_P, _N, _F, _B = Move.SUSPEND, Move.RECONNECT_SOON, Move.FALL_BACK, Move.RETURN

#: TABLE[state][input]: every cell is defined. A wake acts only when the deadline has come.
TABLE: tuple[tuple[Move, ...], ...] = (
    # START OPENED FAILED LOST WAKE STOP SUSPEND RESUME POOR GOOD END
    (_C, _M, _M, _M, _I, _H, _P, _I, _I, _I, _M),  # IDLE
    (_M, _E, _R, _R, _R, _H, _P, _I, _I, _I, _H),  # CONNECTING: a wake is the connect timeout
    (_M, _M, _M, _L, _S, _H, _P, _I, _F, _B, _H),  # OPEN: a wake: stable, or good for long enough
    (_M, _M, _M, _M, _C, _H, _P, _N, _I, _I, _H),  # WAITING
    (_C, _M, _M, _M, _F, _H, _I, _I, _I, _I, _H),  # STOPPED: a wake ends the dwell time: it polls
    (_M, _M, _M, _M, _I, _H, _I, _N, _I, _I, _H),  # SUSPENDED
)
