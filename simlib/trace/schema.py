"""How what happens is written as a row of numbers, read back, and said in words."""

from __future__ import annotations

import struct
from collections.abc import Callable
from math import inf
from typing import Any, NamedTuple

from simlib.core import events as ev
from simlib.core.client import Client
from simlib.core.events import NONE, Message, Priority, Reason
from simlib.core.faults import Fault
from simlib.core.link_table import State
from simlib.trace.columns import COLUMNS, STATE_COLUMNS, Kind, Name

#: The layout of a trace's file: it rises with each change of the columns.
FILE_VERSION = 2
NAMES = tuple(column.name for column in COLUMNS)
ROW = struct.Struct("<" + "".join(column.code for column in COLUMNS))
#: The columns that a command fills.
COMMAND_COLUMNS = ("name", "connection", "message", "reason", "key", "version")


def event_cells(event: ev.Event) -> tuple[Any, ...]:
    """Return an event's cells, from name to fault_kind."""
    form = _EVENT_FORMS[type(event)]
    return (*form.cells(event), *form.rest)


def pack_event(now: float, client: int, event: ev.Event) -> bytes:
    """Return the row of an event, up to the client's state."""
    cells, _, pack, packed_rest = _EVENT_FORMS[type(event)]
    return pack(now, client, _EVENT, *cells(event)) + packed_rest


def command_cells(command: ev.Command) -> tuple[Any, ...]:
    """Return a command's cells: those of `COMMAND_COLUMNS`."""
    return _COMMAND_CELLS[type(command)](command)


def pack_command(now: float, client: int, command: ev.Command) -> bytes:
    """Return the row of a command, up to the client's state."""
    name, connection, message, reason, key, version = _COMMAND_CELLS[type(command)](command)
    return _pack_to_version(
        now, client, _COMMAND, name, connection, message, reason,
        0.0, 0, NONE, 0, -inf, inf, key, version,
    ) + _PACKED_NO_HINT  # fmt: skip


def state_cells(client: Client, now: float) -> tuple[Any, ...]:
    """Return the cells of a client's state: from state to quality."""
    link = client.link
    wait_s = link.deadline_s - now if link.state == _WAITING else 0.0
    attempt = min(link.attempt, _MOST_ATTEMPTS)
    available = client.available
    return (
        link.state,
        link.breaker_status.state,
        link.transport_status.transport,
        available,
        attempt,
        wait_s,
        client.level if available else 0,
    )


def pack_state(client: Client, now: float) -> bytes:
    """Return the end of each row of a step: the client's state after it."""
    return _pack_state(*state_cells(client, now))


# Constants: to look an enumeration's member up costs 0.1 us on Python 3.11, at every row.
_EVENT, _COMMAND, _WAITING = Kind.EVENT, Kind.COMMAND, State.WAITING
_RECEIVED, _POSTED = Name.RECEIVED, Name.POSTED
#: The most that the trace's column holds.
_MOST_ATTEMPTS = 32767
#: What stands for the parts that only a message of the application has: priority to expiry.
_NO_MESSAGE = (NONE, 0, -inf, inf)
#: And for key and version.
_NO_KEY = (NONE, NONE)
#: And for a fault's number and kind.
_NO_FAULT = (NONE, NONE)
#: And from the session's length to the fault's kind.
_NO_HINT = (0.0, 0.0, 0, 0, *_NO_FAULT)


def columns_layout(first: int, end: int) -> struct.Struct:
    """Return the layout of some columns of a row, by their places."""
    return struct.Struct("<" + "".join(column.code for column in COLUMNS[first:end]))


_NAME, _STATE = NAMES.index("name"), NAMES.index(STATE_COLUMNS[0])
_pack_state = columns_layout(_STATE, len(COLUMNS)).pack
_pack_to_version = columns_layout(0, NAMES.index("version") + 1).pack
_PACKED_NO_HINT = columns_layout(NAMES.index("lifetime_s"), _STATE).pack(*_NO_HINT)


#: From an event or a command to some of its cells.
_Cells = Callable[[Any], tuple[Any, ...]]


class _Form(NamedTuple):
    """How events of one kind stand in a row, from name to fault_kind."""

    #: The cells up to the last that may vary from one event to another.
    cells: _Cells
    #: The cells after it.
    rest: tuple[Any, ...]
    #: Packs a row up to the last cell that may vary; packed once, the rest need only be added.
    pack: Callable[..., bytes]
    packed_rest: bytes


def _form(cells: _Cells, *rest: Any) -> _Form:
    begins = _STATE - len(rest)
    packed_rest = columns_layout(begins, _STATE).pack(*rest)
    return _Form(cells, rest, columns_layout(0, begins).pack, packed_rest)


def _bare(name: Name) -> _Form:
    return _form(
        lambda _: (), name, 0, NONE, Reason.NONE, 0.0, 0, *_NO_MESSAGE, *_NO_KEY, *_NO_HINT
    )


def _of_connection(name: Name) -> _Form:
    rest = (NONE, Reason.NONE, 0.0, 0, *_NO_MESSAGE, *_NO_KEY, *_NO_HINT)
    return _form(lambda e: (name, e.connection), *rest)


def _of_end(name: Name) -> _Form:
    rest = (*_NO_MESSAGE, *_NO_KEY, *_NO_HINT)
    return _form(lambda e: (name, e.connection, NONE, e.reason, e.hint_s, e.code), *rest)


def _of_sign_in(e: ev.SignedIn) -> tuple[Any, ...]:
    return (
        Name.SIGNED_IN, e.connection, NONE, e.reason, 0.0, 0, *_NO_MESSAGE, *_NO_KEY, e.lifetime_s
    )  # fmt: skip


def _of_received(e: ev.Received) -> tuple[Any, ...]:
    about = (NONE, 0, -inf, inf, NONE, e.version)
    return (_RECEIVED, e.connection, e.message, e.reason, e.hint_s, 0, *about)


def _of_posted(e: ev.Posted) -> tuple[Any, ...]:
    about = (NONE, 0, -inf, inf, NONE, e.version)
    return (_POSTED, e.connection, e.message, e.reason, e.hint_s, e.code, *about)


def _of_message(name: Name) -> _Form:
    def cells(event: Any) -> tuple[Any, ...]:
        m = event.message
        about = (m.priority, m.size_bytes, m.created_s, m.expires_s, m.key, m.base)
        return (name, 0, m.id, 0, 0.0, 0, *about)

    return _form(cells, *_NO_HINT)


def _of_hint(event: ev.Hinted) -> tuple[Any, ...]:
    network = (event.rtt_s, event.downlink_bytes_per_s, int(event.save_data))
    return (Name.HINTED, 0, NONE, Reason.NONE, 0.0, 0, *_NO_MESSAGE, *_NO_KEY, 0.0, *network)


def _of_follow(event: ev.Follow) -> tuple[Any, ...]:
    about = (*_NO_MESSAGE, event.channel, event.version)
    return (Name.FOLLOW, 0, NONE, Reason.NONE, 0.0, 0, *about)


def _of_push(event: ev.Pushed) -> tuple[Any, ...]:
    about = (*_NO_MESSAGE, event.channel, event.version)
    return (Name.PUSHED, event.connection, NONE, event.reason, 0.0, 0, *about)


_EVENT_FORMS: dict[type, _Form] = {
    ev.Start: _bare(Name.START),
    ev.Stop: _bare(Name.STOP),
    ev.Wake: _bare(Name.WAKE),
    ev.Online: _bare(Name.ONLINE),
    ev.Offline: _bare(Name.OFFLINE),
    ev.Test: _bare(Name.TEST),
    ev.Send: _of_message(Name.SEND),
    ev.Edit: _of_message(Name.EDIT),
    ev.Restored: _of_message(Name.RESTORED),
    ev.Hinted: _form(_of_hint, *_NO_FAULT),
    ev.Follow: _form(_of_follow, *_NO_HINT),
    ev.Pushed: _form(_of_push, *_NO_HINT),
    ev.Opened: _of_connection(Name.OPENED),
    ev.Ponged: _of_connection(Name.PONGED),
    ev.Failed: _of_end(Name.FAILED),
    ev.Lost: _of_end(Name.LOST),
    ev.Polled: _of_end(Name.POLLED),
    ev.SignedIn: _form(_of_sign_in, 0.0, 0, 0, *_NO_FAULT),
    ev.Received: _form(_of_received, *_NO_HINT),
    ev.Posted: _form(_of_posted, *_NO_HINT),
}


def _asks(name: Name) -> _Cells:
    return lambda c: (name, c.connection, NONE, 0, NONE, NONE)


def _carries(name: Name) -> _Cells:
    def cells(command: Any) -> tuple[Any, ...]:
        m = command.message
        return (name, command.connection, m.id, 0, m.key, m.base)

    return cells


def _keeps(name: Name) -> _Cells:
    def cells(command: Any) -> tuple[Any, ...]:
        m = command.message
        return (name, 0, m.id, 0, m.key, m.base)

    return cells


_COMMAND_CELLS: dict[type, _Cells] = {
    ev.Open: _asks(Name.OPEN),
    ev.Close: lambda c: (Name.CLOSE, c.connection, NONE, c.reason, *_NO_KEY),
    ev.Transmit: _carries(Name.TRANSMIT),
    ev.Ping: _asks(Name.PING),
    ev.Subscribe: lambda c: (Name.SUBSCRIBE, c.connection, NONE, 0, c.channel, c.version),
    ev.Fetch: lambda c: (Name.FETCH, c.connection, NONE, Reason.NONE, c.channel, NONE),
    ev.Poll: _asks(Name.POLL),
    ev.Post: _carries(Name.POST),
    ev.SignIn: _asks(Name.SIGN_IN),
    ev.Save: _keeps(Name.SAVE),
    ev.Forget: _keeps(Name.FORGET),
    ev.Deliver: lambda c: (Name.DELIVER, 0, NONE, c.reason, c.channel, c.version),
    ev.Drop: lambda c: (Name.DROP, 0, c.message.id, c.reason, c.message.key, c.message.base),
    ev.Notify: lambda c: (Name.NOTIFY, 0, NONE, c.reason, *_NO_KEY),
}
_BARE = {
    Name.START: ev.Start,
    Name.STOP: ev.Stop,
    Name.WAKE: ev.Wake,
    Name.ONLINE: ev.Online,
    Name.OFFLINE: ev.Offline,
    Name.TEST: ev.Test,
}
_CONNECTED = {Name.OPENED: ev.Opened, Name.PONGED: ev.Ponged}
_ENDED = {
    Name.FAILED: ev.Failed,
    Name.LOST: ev.Lost,
    Name.POLLED: ev.Polled,
}
_SENT = {Name.SEND: ev.Send, Name.EDIT: ev.Edit, Name.RESTORED: ev.Restored}


def event_of(row: dict[str, Any]) -> Any:
    """Return the event that a row records."""
    name, connection, reason = Name(row["name"]), row["connection"], Reason(row["reason"])
    key, version = row["key"], row["version"]
    if name in _BARE:
        return _BARE[name]()
    if name in _CONNECTED:
        return _CONNECTED[name](connection)
    if name in _ENDED:
        return _ENDED[name](connection, reason, row["hint_s"], row["code"])
    if name == Name.SIGNED_IN:
        return ev.SignedIn(connection, reason, row["lifetime_s"])
    if name == Name.RECEIVED:
        return ev.Received(connection, row["message"], reason, row["hint_s"], version)
    if name == Name.POSTED:
        return ev.Posted(connection, row["message"], reason, row["hint_s"], version, row["code"])
    if name in _SENT:
        size_bytes, expires_s = row["size_bytes"], row["expires_s"]
        priority, created_s = Priority(row["priority"]), row["created_s"]
        return _SENT[name](
            Message(row["message"], priority, size_bytes, created_s, expires_s, key, version)
        )
    if name == Name.HINTED:
        return ev.Hinted(row["rtt_s"], row["downlink_bytes_per_s"], bool(row["save_data"]))
    if name == Name.FOLLOW:
        return ev.Follow(key, version)
    return ev.Pushed(connection, key, version, reason)


def is_of_all(row: dict[str, Any]) -> bool:
    """Whether a row is the start or the end of a fault, which no client is told as such."""
    return bool(row["kind"] == Kind.FAULT and row["client"] == NONE)


def describe_fault_row(row: dict[str, Any], fault: Fault) -> str:
    """Return the start or the end of a fault in words; what takes but a moment has no end."""
    kind = fault.kind.name.lower().replace("_", " ")
    if fault.end_s == fault.start_s:
        return f"-- {kind} --"
    return f"-- {kind} {'begins' if row['name'] == Name.FAULT_START else 'ends'} --"


def describe_event(row: dict[str, Any]) -> str:
    """Return what a client was told in words."""
    text = Name(row["name"]).name.lower().replace("_", " ")
    if row["message"] != NONE:
        text += f" {row['message']}"
    if row["key"] != NONE:
        text += f" [{row['key']}]"
    if row["priority"] != NONE:
        text += f" ({Priority(row['priority']).name.lower()})"
    if row["reason"] != Reason.NONE:
        text += f": {Reason(row['reason']).name.lower().replace('_', ' ')}"
    if row["code"]:
        text += f" {row['code']}"
    text += "".join(
        f", {words} {sign * row[column]:g} s"
        for column, sign, words in _LENGTHS_S
        if sign * row[column] > 0.0
    )
    stops = row["name"] in _STOPPING and row["code"] and row["state"] in _AT_REST
    if row["name"] in _CHANGES or stops:
        text += f" -> {State(row['state']).name.lower()}"
        if row["state"] == State.WAITING:
            text += f" {row['wait_s']:.3f} s (attempt {row['attempt']})"
    return text


#: Columns of seconds that a story tells, the sign that they have then, and its words for them.
_LENGTHS_S = (
    ("hint_s", 1.0, "retry after"),
    ("hint_s", -1.0, "retry within"),
    ("lifetime_s", 1.0, "for"),
    ("rtt_s", 1.0, "round trip"),
)
_CHANGES = (
    Name.START,
    Name.STOP,
    Name.OPENED,
    Name.FAILED,
    Name.LOST,
    Name.WAKE,
    Name.ONLINE,
    Name.OFFLINE,
    Name.SIGNED_IN,
)
#: What may stop a client, and says so only if it does.
_STOPPING, _AT_REST = (Name.POLLED, Name.POSTED), (State.STOPPED, State.SUSPENDED)


def describe_command(row: dict[str, Any], number: int) -> str:
    """Return what a client asked for in words; WebSockets have a number, requests by HTTP none."""
    text = Name(row["name"]).name.lower().replace("_", " ")
    if row["name"] in (Name.OPEN, Name.CLOSE):
        text += f" #{number}" if number != NONE else " request"
    if row["key"] != NONE:
        text += f" [{row['key']}]"
    if row["message"] != NONE:
        text += f" {row['message']}"
    if row["reason"] != Reason.NONE:
        text += f" ({Reason(row['reason']).name.lower().replace('_', ' ')})"
    return text


_SERVER_NAMES: dict[type, Name] = {
    ev.Admit: Name.ADMIT,
    ev.Refuse: Name.REFUSE,
    ev.Answer: Name.PROCESS,
    ev.Push: Name.PUSH,
    ev.AnswerPoll: Name.SERVED,
    ev.GrantSession: Name.GRANT,
    ev.CloseConnection: Name.SHUT,
}
_PLAIN_ANSWERS = (Reason.ACCEPTED, Reason.DUPLICATE)
_ANSWER_NAMES = {Reason.LIMITED: Name.LIMIT, Reason.CONFLICT: Name.CONTEST}


def server_name(command: ev.ServerCommand) -> Name:
    """Return the name of the row that a command of the server leaves, in every engine."""
    name = _SERVER_NAMES[type(command)]
    if command.__class__ is ev.Answer and command.reason not in _PLAIN_ANSWERS:
        return _ANSWER_NAMES.get(command.reason, name)
    return name
