"""How what happens is written as a row of numbers, read back, and said in words."""

from __future__ import annotations

import struct
from collections.abc import Callable
from enum import IntEnum
from math import inf
from typing import Any

from simlib.core import events as ev
from simlib.core.client import Client
from simlib.core.events import Message, Priority, Reason
from simlib.core.link import BreakerState, State, Transport


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
    OPEN = 20
    CLOSE = 21
    TRANSMIT = 22
    PING = 23
    POLL = 24
    POST = 25
    DROP = 26
    NOTIFY = 27
    FAULT_START = 40
    FAULT_STOP = 41
    ARRIVED = 50
    ADMIT = 51
    REFUSE = 52
    PROCESS = 53
    LIMIT = 54


#: Column name, type code of `struct`, enumeration or None. Times in seconds since the run began.
COLUMNS: tuple[tuple[str, str, type[IntEnum] | None], ...] = (
    ("time_s", "d", None),
    ("client", "i", None),
    ("kind", "b", Kind),
    ("name", "b", Name),
    ("connection", "i", None),
    ("message", "i", None),
    ("reason", "b", Reason),
    ("hint_s", "d", None),
    ("priority", "b", Priority),
    ("size_bytes", "i", None),
    ("expires_s", "d", None),
    ("state", "b", State),
    ("breaker", "b", BreakerState),
    ("transport", "b", Transport),
    ("available", "b", None),
    ("attempt", "h", None),
    ("wait_s", "d", None),
)
#: Stands where a row has no client, no message or no priority.
NONE = -1
NAMES = tuple(name for name, _, _ in COLUMNS)
ROW = struct.Struct("<" + "".join(code for _, code, _ in COLUMNS))
#: The columns that a command fills, and those that carry the state after.
COMMAND_COLUMNS = ("name", "connection", "message", "reason")
STATE_COLUMNS = ("state", "breaker", "transport", "available", "attempt", "wait_s")


def event_cells(event: ev.Event) -> tuple[Any, ...]:
    """Return an event's cells: name, connection, message, reason, hint, priority, size, expiry."""
    return _EVENT_CELLS[type(event)](event)


def command_cells(command: ev.Command) -> tuple[Any, ...]:
    """Return a command's cells: name, connection, message, reason."""
    return _COMMAND_CELLS[type(command)](command)


def state_cells(client: Client, now: float) -> tuple[Any, ...]:
    """Return the cells of a client's state: from state to wait."""
    link = client.link
    wait_s = link.deadline_s - now if link.state == _WAITING else 0.0
    attempt = min(link.attempt, _MOST_ATTEMPTS)
    return (link.state, link.breaker, link.transport, client.available, attempt, wait_s)


# A constant: to look an enumeration's member up costs 0.1 us on Python 3.11, at every step.
_WAITING = State.WAITING
#: The most that the trace's column holds.
_MOST_ATTEMPTS = 32767
#: What stands for the parts that only a message of the application has.
_NO_MESSAGE = (NONE, 0, inf)


def _bare(name: Name) -> Callable[[Any], tuple[Any, ...]]:
    cells = (name, 0, NONE, Reason.NONE, 0.0, *_NO_MESSAGE)
    return lambda _: cells


def _of_connection(name: Name) -> Callable[[Any], tuple[Any, ...]]:
    return lambda e: (name, e.connection, NONE, Reason.NONE, 0.0, *_NO_MESSAGE)


def _of_end(name: Name) -> Callable[[Any], tuple[Any, ...]]:
    return lambda e: (name, e.connection, NONE, e.reason, e.hint_s, *_NO_MESSAGE)


def _of_answer(name: Name) -> Callable[[Any], tuple[Any, ...]]:
    return lambda e: (name, e.connection, e.message, e.reason, e.hint_s, *_NO_MESSAGE)


def _of_send(event: ev.Send) -> tuple[Any, ...]:
    m = event.message
    return (Name.SEND, 0, m.id, Reason.NONE, 0.0, m.priority, m.size_bytes, m.expires_s)


_EVENT_CELLS: dict[type, Callable[[Any], tuple[Any, ...]]] = {
    ev.Start: _bare(Name.START),
    ev.Stop: _bare(Name.STOP),
    ev.Wake: _bare(Name.WAKE),
    ev.Send: _of_send,
    ev.Opened: _of_connection(Name.OPENED),
    ev.Ponged: _of_connection(Name.PONGED),
    ev.Failed: _of_end(Name.FAILED),
    ev.Lost: _of_end(Name.LOST),
    ev.Polled: _of_end(Name.POLLED),
    ev.Received: _of_answer(Name.RECEIVED),
    ev.Posted: _of_answer(Name.POSTED),
}
_COMMAND_CELLS: dict[type, Callable[[Any], tuple[Any, ...]]] = {
    ev.Open: lambda c: (Name.OPEN, c.connection, NONE, Reason.NONE),
    ev.Close: lambda c: (Name.CLOSE, c.connection, NONE, c.reason),
    ev.Transmit: lambda c: (Name.TRANSMIT, c.connection, c.message.id, Reason.NONE),
    ev.Ping: lambda c: (Name.PING, c.connection, NONE, Reason.NONE),
    ev.Poll: lambda c: (Name.POLL, c.connection, NONE, Reason.NONE),
    ev.Post: lambda c: (Name.POST, c.connection, c.message.id, Reason.NONE),
    ev.Drop: lambda c: (Name.DROP, 0, c.message.id, c.reason),
    ev.Notify: lambda c: (Name.NOTIFY, 0, NONE, c.reason),
}


def event_of(row: dict[str, Any]) -> Any:
    """Return the event that a row records."""
    name, connection, reason = row["name"], row["connection"], Reason(row["reason"])
    message, hint_s = row["message"], row["hint_s"]
    if name == Name.SEND:
        priority = Priority(row["priority"])
        return ev.Send(
            Message(message, priority, row["size_bytes"], row["time_s"], row["expires_s"])
        )
    if name in (Name.START, Name.STOP, Name.WAKE):
        return {Name.START: ev.Start, Name.STOP: ev.Stop, Name.WAKE: ev.Wake}[Name(name)]()
    if name in (Name.OPENED, Name.PONGED):
        return (ev.Opened if name == Name.OPENED else ev.Ponged)(connection)
    if name in (Name.FAILED, Name.LOST, Name.POLLED):
        kinds: dict[int, Any] = {Name.FAILED: ev.Failed, Name.LOST: ev.Lost, Name.POLLED: ev.Polled}
        return kinds[name](connection, reason, hint_s)
    return (ev.Received if name == Name.RECEIVED else ev.Posted)(
        connection, message, reason, hint_s
    )


def told_in_words(row: dict[str, Any]) -> str:
    """Return what a client was told, or a fault, in words."""
    name = Name(row["name"]).name.lower().replace("_", " ")
    if row["kind"] == Kind.FAULT:
        return f"-- {name}: fault {row['message']} --"
    text = name
    if row["message"] != NONE:
        text += f" {row['message']}"
    if row["priority"] != NONE:
        text += f" ({Priority(row['priority']).name.lower()})"
    if row["reason"] != Reason.NONE:
        text += f": {Reason(row['reason']).name.lower().replace('_', ' ')}"
    if row["hint_s"] > 0.0:
        text += f", retry after {row['hint_s']:g} s"
    if row["name"] in _CHANGES:
        text += f" -> {State(row['state']).name.lower()}"
        if row["state"] == State.WAITING:
            text += f" {row['wait_s']:.3f} s (attempt {row['attempt']})"
    return text


_CHANGES = (Name.START, Name.STOP, Name.OPENED, Name.FAILED, Name.LOST, Name.WAKE)


def asked_in_words(row: dict[str, Any]) -> str:
    """Return what a client asked for in words."""
    text = Name(row["name"]).name.lower()
    if row["name"] in (Name.OPEN, Name.CLOSE, Name.POLL, Name.POST):
        text += f" #{row['connection']}"
    if row["message"] != NONE:
        text += f" {row['message']}"
    if row["reason"] != Reason.NONE:
        text += f" ({Reason(row['reason']).name.lower().replace('_', ' ')})"
    return text
