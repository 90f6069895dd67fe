"""The columns of a trace: how each is packed, its unit, and what it says in which rows.

The one table of them: rows are packed by it, and the documented form of a CSV file is made of it.
"""

from __future__ import annotations

from enum import IntEnum
from math import inf
from typing import NamedTuple

from simlib.core.breaker import BreakerState
from simlib.core.events import NONE, Priority, Reason
from simlib.core.fallback import Transport
from simlib.core.faults import FaultKind
from simlib.core.link_table import State
from simlib.core.quality import Quality


class Kind(IntEnum):
    """What sort of thing a row records."""

    EVENT = 0
    COMMAND = 1
    FAULT = 2
    SERVER = 3


class Name(IntEnum):
    """What happened. In the order of the events, the commands, the faults, the server."""

    START = 0
    STOP = 1
    WAKE = 2
    SEND = 3
    OPENED = 4
    FAILED = 5
    LOST = 6
    RECEIVED = 7
    PONGED = 8
    POSTED = 9
    POLLED = 10
    EDIT = 11
    RESTORED = 12
    FOLLOW = 13
    ONLINE = 14
    OFFLINE = 15
    HINTED = 16
    TEST = 17
    SIGNED_IN = 18
    PUSHED = 19
    OPEN = 20
    CLOSE = 21
    TRANSMIT = 22
    PING = 23
    POLL = 24
    POST = 25
    DROP = 26
    NOTIFY = 27
    SUBSCRIBE = 28
    FETCH = 29
    SIGN_IN = 30
    SAVE = 31
    FORGET = 32
    DELIVER = 33
    FAULT_START = 40
    FAULT_STOP = 41
    GONE = 42
    RELOADED = 43
    ARRIVED = 50
    ADMIT = 51
    REFUSE = 52
    PROCESS = 53
    LIMIT = 54
    CONTEST = 55
    PUSH = 56
    SERVED = 57
    GRANT = 58
    SHUT = 59
    GARBAGE = 60


class Column(NamedTuple):
    """A column of a trace: how it is packed, and what it says."""

    name: str
    #: Its type, by the code of `struct`.
    code: str
    #: The words that its numbers stand for, if it has any.
    words: type[IntEnum] | None
    #: What stands where there is nothing to say; None: it says something in every row that has it.
    absent: float | None
    unit: str
    meaning: str


#: Times are in seconds since the run began.
COLUMNS = (
    Column("time_s", "d", None, None, "s", "when it happened, since the run began"),
    Column("client", "i", None, NONE, "", "the client's number, from 0; empty: all clients"),
    Column("kind", "b", Kind, None, "", "who says it: `event`, what a client was told; `command`, "
           "what it asked for; `fault`, what befell it; `server`, what the server did"),
    Column("name", "b", Name, None, "", "what happened, see below"),
    Column("connection", "i", None, 0, "", "the number of the attempt, poll, post or sign-in; each "
           "client counts its own, from 1"),
    Column("message", "i", None, NONE, "", "the number of the message; each client counts its own"),
    Column("reason", "b", Reason, Reason.NONE, "", "why: how an attempt or a connection ended, how "
           "a message was answered or why it was given up, what the user is told"),
    Column("hint_s", "d", None, 0.0, "s", "when to come back, as the server says it (Retry-After); "
           "below 0: within so long, at a moment that the client draws"),
    Column("code", "h", None, 0, "", "the HTTP status of a refusal, the close code of a loss"),
    Column("priority", "b", Priority, NONE, "", "how urgent a message is"),
    Column("size_bytes", "i", None, 0, "bytes", "the size of a message"),
    Column("created_s", "d", None, -inf, "s", "when a message was made"),
    Column("expires_s", "d", None, inf, "s", "until when it is worth sending; empty: always"),
    Column("key", "i", None, NONE, "", "the draft that a message is about; in `follow`, `pushed`, "
           "`subscribe`, `fetch` and `deliver` the channel"),
    Column("version", "i", None, NONE, "", "the version that an edit was made on, or that the "
           "draft or channel has now; in `follow` and `subscribe` the last one that is known"),
    Column("lifetime_s", "d", None, 0.0, "s", "how long a new session holds"),
    Column("rtt_s", "d", None, 0.0, "s", "the platform's estimate of the round trip"),
    Column("downlink_bytes_per_s", "i", None, 0, "bytes/s", "its estimate of the bandwidth"),
    Column("save_data", "b", None, None, "", "1: the user asks to save data, 0: not"),
    Column("fault", "i", None, NONE, "", "which of the scenario's faults, from 0"),
    Column("fault_kind", "b", FaultKind, NONE, "", "the kind of that fault"),
    Column("state", "b", State, None, "", "the client's state after it"),
    Column("breaker", "b", BreakerState, None, "", "its circuit breaker after it"),
    Column("transport", "b", Transport, None, "", "what carries its messages after it"),
    Column("available", "b", None, None, "", "1: it can deliver messages after it, 0: not"),
    Column("attempt", "h", None, None, "", "failures in a row after it"),
    Column("wait_s", "d", None, None, "s", "the wait that is left after it; 0 unless it waits"),
    Column("quality", "b", Quality, None, "", "the quality of its connection after it; `offline` "
           "if it is not available"),
)  # fmt: skip
#: What every row says, and what rows of a client's step say: its state after the step.
IN_EVERY_ROW = ("time_s", "client", "kind", "name")
STATE_COLUMNS = ("state", "breaker", "transport", "available", "attempt", "wait_s", "quality")


class Happening(NamedTuple):
    """What rows of one name record."""

    kinds: tuple[Kind, ...]
    meaning: str
    #: The columns that say something in them, beside those of every row.
    columns: tuple[str, ...] = ()


def _of_event(meaning: str, *columns: str) -> Happening:
    return Happening((Kind.EVENT,), meaning, columns)


def _of_command(meaning: str, *columns: str) -> Happening:
    return Happening((Kind.COMMAND,), meaning, columns)


def _of_server(meaning: str, *columns: str) -> Happening:
    return Happening((Kind.SERVER,), meaning, columns)


_END = ("connection", "reason", "hint_s", "code")
_MESSAGE = ("message", "priority", "size_bytes", "created_s", "expires_s", "key", "version")
_SENT = ("connection", "message", "key", "version")
_KEPT = ("message", "key", "version")
_ANSWERED = ("connection", "message", "reason")
#: What rows of each name mean, and which columns say something in them.
HAPPENINGS: dict[Name, Happening] = {
    Name.START: _of_event("the client begins, and makes its first attempt"),
    Name.STOP: Happening((Kind.EVENT, Kind.FAULT), "the client leaves for good"),
    Name.WAKE: _of_event("a moment that the client waited for has come"),
    Name.SEND: _of_event("the application has a message", *_MESSAGE),
    Name.OPENED: _of_event("the attempt succeeded: the connection is open", "connection"),
    Name.FAILED: _of_event("the attempt failed", *_END),
    Name.LOST: _of_event("the open connection ended", *_END),
    Name.RECEIVED: _of_event("the server answered a message over the connection",
                         "connection", "message", "reason", "hint_s", "version"),
    Name.PONGED: _of_event("the server answered a ping", "connection"),
    Name.POSTED: _of_event("a post was answered, or refused, or got no answer",
                       "connection", "message", "reason", "hint_s", "version", "code"),
    Name.POLLED: _of_event("a poll was answered, or refused, or got no answer", *_END),
    Name.EDIT: _of_event("the application has a new text of a draft", *_MESSAGE),
    Name.RESTORED: _of_event("a message that an earlier life of this client saved", *_MESSAGE),
    Name.FOLLOW: _of_event("the application wants the updates of a channel", "key", "version"),
    Name.ONLINE: _of_event("the platform says that there is a network again"),
    Name.OFFLINE: _of_event("the platform says that there is no network"),
    Name.HINTED: _of_event("the platform's estimate of the network",
                       "rtt_s", "downlink_bytes_per_s", "save_data"),
    Name.TEST: _of_event("the user wants the connection tested now"),
    Name.SIGNED_IN: _of_event("a sign-in was answered, or failed",
                          "connection", "reason", "lifetime_s"),
    Name.PUSHED: _of_event("the server sent a channel's update",
                       "connection", "key", "version", "reason"),
    Name.OPEN: _of_command("make an attempt", "connection"),
    Name.CLOSE: _of_command("abandon an attempt, a connection, a poll or a post",
                       "connection", "reason"),
    Name.TRANSMIT: _of_command("send a message over the open connection", *_SENT),
    Name.PING: _of_command("send a ping over the open connection", "connection"),
    Name.POLL: _of_command("ask the server over HTTP what there is", "connection"),
    Name.POST: _of_command("send a message over HTTP", *_SENT),
    Name.DROP: Happening((Kind.COMMAND, Kind.FAULT), "a message will not be delivered",
                         (*_KEPT, "reason")),
    Name.NOTIFY: _of_command("tell the user of a change", "reason"),
    Name.SUBSCRIBE: _of_command("ask for a channel's updates after a version",
                           "connection", "key", "version"),
    Name.FETCH: _of_command("ask for a channel as a whole", "connection", "key"),
    Name.SIGN_IN: _of_command("sign in over HTTP", "connection"),
    Name.SAVE: _of_command("save a message so that it outlives the client", *_KEPT),
    Name.FORGET: _of_command("a saved message need not be kept any more", *_KEPT),
    Name.DELIVER: _of_command("deliver a channel's update to the application",
                         "key", "version", "reason"),
    Name.FAULT_START: Happening((Kind.FAULT,), "a fault of the scenario starts",
                                ("fault", "fault_kind")),
    Name.FAULT_STOP: Happening((Kind.FAULT,), "a fault of the scenario stops",
                               ("fault", "fault_kind")),
    Name.GONE: Happening((Kind.FAULT,), "the client's page was closed: it is idle from then on"),
    Name.RELOADED: Happening((Kind.FAULT,), "the client's page was opened again: a new client"),
    Name.ARRIVED: _of_server("a handshake reached the server", "connection"),
    Name.ADMIT: _of_server("it opened the connection", "connection"),
    Name.REFUSE: _of_server("it refused a handshake or a request", "connection", "reason"),
    Name.PROCESS: _of_server("it took a message, for the first time or again", *_ANSWERED),
    Name.LIMIT: _of_server("it refused a message: too many", *_ANSWERED),
    Name.CONTEST: _of_server("it refused an edit: the draft has changed", *_ANSWERED),
    Name.PUSH: _of_server("it sent a channel's update", "connection"),
    Name.SERVED: _of_server("it answered a poll", "connection"),
    Name.GRANT: _of_server("it answered a sign-in with a session", "connection"),
    Name.SHUT: _of_server("it ended an open connection", "connection"),
    Name.GARBAGE: _of_server("it got what it could not read", "connection"),
}  # fmt: skip


def says(name: Name, kind: Kind) -> tuple[str, ...]:
    """Return the columns that say something in rows of a name, the state after a step included.

    Examples
    --------
    >>> says(Name.OPEN, Kind.COMMAND)[:6]
    ('time_s', 'client', 'kind', 'name', 'connection', 'state')
    """
    after = STATE_COLUMNS if kind in (Kind.EVENT, Kind.COMMAND) else ()
    return (*IN_EVERY_ROW, *HAPPENINGS[name].columns, *after)
