"""What a client or server is told, and what it asks for: closed sets, frozen.

Each names its ``connection``: one counter per client numbers attempts, polls and posts alike,
so an answer to something long given up is recognised. ``Open`` is answered by Opened or
Failed, and after Opened by Lost; ``Transmit`` by Received or by nothing; ``Ping`` by Ponged or
by nothing; ``Post`` by Posted; ``Poll`` by Polled. ``Close``, ``Drop``, ``Notify`` by nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from math import inf


class Priority(IntEnum):
    """How urgent a message is; the most urgent leaves first."""

    CRITICAL = 0
    HIGH = 1
    NORMAL = 2
    LOW = 3


class Reason(IntEnum):
    """Why something happened: the closed list that every engine maps its world onto."""

    NONE = 0
    # an attempt or a connection ended
    REFUSED = 1
    RESET = 2
    TIMEOUT = 3
    REJECTED = 4
    CLOSED = 5
    SILENT = 6
    PROTOCOL = 7
    # a message was answered
    ACCEPTED = 8
    DUPLICATE = 9
    LIMITED = 10
    # a message was given up
    FULL = 11
    EVICTED = 12
    EXPIRED = 13
    DEAD_LETTER = 14
    # a notice to the user
    GAVE_UP = 15
    FELL_BACK = 16
    RETURNED = 17
    TRIPPED = 18
    MENDED = 19


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the application; ``id`` is unique within its client."""

    id: int
    priority: Priority = Priority.NORMAL
    size_bytes: int = 100
    created_s: float = 0.0
    expires_s: float = inf


# --- what a client is told ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Start:
    """Begin: make the first attempt."""


@dataclass(frozen=True, slots=True)
class Stop:
    """End for good: close, and wait for nothing."""


@dataclass(frozen=True, slots=True)
class Wake:
    """The deadline has come."""


@dataclass(frozen=True, slots=True)
class Send:
    """The application has a message."""

    message: Message


@dataclass(frozen=True, slots=True)
class Opened:
    """The attempt succeeded: the connection is open."""

    connection: int


@dataclass(frozen=True, slots=True)
class Failed:
    """The attempt failed; ``hint_s`` is the server's Retry-After, or 0."""

    connection: int
    reason: Reason
    hint_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Lost:
    """The open connection ended."""

    connection: int
    reason: Reason
    hint_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Received:
    """The server answered a message over the connection: accepted, duplicate or limited."""

    connection: int
    message: int
    reason: Reason
    hint_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Ponged:
    """The server answered a ping."""

    connection: int


@dataclass(frozen=True, slots=True)
class Posted:
    """A post was answered (accepted, duplicate, limited) or failed for a network reason."""

    connection: int
    message: int
    reason: Reason
    hint_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Polled:
    """A poll was answered (accepted) or failed for a network reason."""

    connection: int
    reason: Reason
    hint_s: float = 0.0


Event = Start | Stop | Wake | Send | Opened | Failed | Lost | Received | Ponged | Posted | Polled


# --- what a client asks for --------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Open:
    """Make an attempt."""

    connection: int


@dataclass(frozen=True, slots=True)
class Close:
    """Give up an attempt, a connection, a poll or a post; nothing more is heard of it."""

    connection: int
    reason: Reason = Reason.NONE


@dataclass(frozen=True, slots=True)
class Transmit:
    """Send a message over the open connection."""

    connection: int
    message: Message


@dataclass(frozen=True, slots=True)
class Ping:
    """Send a ping over the open connection."""

    connection: int


@dataclass(frozen=True, slots=True)
class Poll:
    """Ask the server over HTTP what there is."""

    connection: int


@dataclass(frozen=True, slots=True)
class Post:
    """Send a message over HTTP."""

    connection: int
    message: Message


@dataclass(frozen=True, slots=True)
class Drop:
    """Tell the application that a message will not be delivered, and why."""

    message: Message
    reason: Reason


@dataclass(frozen=True, slots=True)
class Notify:
    """Tell the user what changed."""

    reason: Reason


Command = Open | Close | Transmit | Ping | Poll | Post | Drop | Notify


# --- what a server is told and asks for --------------------------------------------------


@dataclass(frozen=True, slots=True)
class Arrived:
    """A handshake reached the server."""

    client: int
    connection: int


@dataclass(frozen=True, slots=True)
class Framed:
    """A message reached the server, over a connection or by a post."""

    client: int
    connection: int
    message: int


@dataclass(frozen=True, slots=True)
class Ended:
    """A connection, or a handshake that nobody waits for any more, ended."""

    client: int
    connection: int


ServerEvent = Arrived | Framed | Ended | Wake


@dataclass(frozen=True, slots=True)
class Admit:
    """Open the connection."""

    client: int
    connection: int


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer the handshake with an HTTP status, and a Retry-After where ``hint_s`` is above 0."""

    client: int
    connection: int
    status: int
    hint_s: float


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer a message: accepted, duplicate or limited."""

    client: int
    connection: int
    message: int
    reason: Reason
    hint_s: float = 0.0


ServerCommand = Admit | Refuse | Answer
