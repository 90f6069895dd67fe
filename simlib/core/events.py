"""What a client or server is told, and what it asks for: closed sets, frozen.

Each names its ``connection``: one counter per client numbers attempts, polls and posts alike,
so an answer to something long given up is recognised. ``Open`` is answered by Opened or
Failed, and after Opened by Lost; ``Transmit`` by Received or by nothing; ``Ping`` by Ponged or
by nothing; ``Subscribe`` and ``Fetch`` by any number of Pushed; ``Post`` by Posted; ``Poll`` by
Pushed and then Polled; ``SignIn`` by SignedIn. ``Close``, ``Save``, ``Forget``, ``Deliver``,
``Drop``, ``Notify`` by nothing.
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
    # the server, or the network's own word, on whether to connect at all
    UNAUTHORIZED = 20
    SIGN_IN = 21
    SIGNED_IN = 22
    OFFLINE = 23
    ONLINE = 24
    CONFLICT = 25
    QUOTA = 26
    BUDGET = 27
    # a message that a newer one of its key stands for, and one that was not saved
    COALESCED = 28
    FORGOTTEN = 29
    # a channel's update that stands for all before it
    SNAPSHOT = 30
    # the server ended a connection and says why: it restarts, or it is overloaded
    RESTARTING = 31
    OVERLOADED = 32


#: Stands where there is no key, no version, no message.
NONE = -1


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the application; ``id`` is unique within its client."""

    id: int
    priority: Priority = Priority.NORMAL
    size_bytes: int = 100
    created_s: float = 0.0
    expires_s: float = inf
    #: What the message is about, such as a draft: messages of one key keep their order.
    key: int = NONE
    #: The version that an edit was made on; -1: the message is not an edit.
    base: int = NONE


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
class Edit:
    """The application has a new text of the draft ``message.key``."""

    message: Message


@dataclass(frozen=True, slots=True)
class Restored:
    """A message was saved by an earlier life of this client; told before the start."""

    message: Message


@dataclass(frozen=True, slots=True)
class Follow:
    """The application wants the updates of a channel after ``version``."""

    channel: int
    version: int = 0


@dataclass(frozen=True, slots=True)
class Online:
    """The platform says that there is a network again."""


@dataclass(frozen=True, slots=True)
class Offline:
    """The platform says that there is no network."""


@dataclass(frozen=True, slots=True)
class Hinted:
    """The platform's estimate of the network (Network Information); 0: it does not say."""

    rtt_s: float = 0.0
    downlink_bytes_per_s: int = 0
    save_data: bool = False


@dataclass(frozen=True, slots=True)
class Test:
    """The user wants the connection tested now."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A sign-in was answered: accepted, with the session's length as ``hint_s``, or failed."""

    connection: int
    reason: Reason
    hint_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Opened:
    """The attempt succeeded: the connection is open."""

    connection: int


@dataclass(frozen=True, slots=True)
class Failed:
    """The attempt failed; ``hint_s`` is the server's Retry-After, ``code`` its status, or 0."""

    connection: int
    reason: Reason
    hint_s: float = 0.0
    code: int = 0


@dataclass(frozen=True, slots=True)
class Lost:
    """The open connection ended; ``code`` is the server's close code, or 0."""

    connection: int
    reason: Reason
    hint_s: float = 0.0
    code: int = 0


@dataclass(frozen=True, slots=True)
class Received:
    """The server answered a message over the connection; of an edit, with the draft's version."""

    connection: int
    message: int
    reason: Reason
    hint_s: float = 0.0
    version: int = NONE


@dataclass(frozen=True, slots=True)
class Ponged:
    """The server answered a ping."""

    connection: int


@dataclass(frozen=True, slots=True)
class Posted:
    """A post was answered as over a connection, or refused with a status, or got no answer."""

    connection: int
    message: int
    reason: Reason
    hint_s: float = 0.0
    version: int = NONE
    code: int = 0


@dataclass(frozen=True, slots=True)
class Polled:
    """A poll was answered (accepted), or refused with a status, or got no answer."""

    connection: int
    reason: Reason
    hint_s: float = 0.0
    code: int = 0


@dataclass(frozen=True, slots=True)
class Pushed:
    """The server sent a channel's update; a snapshot stands for all up to its version."""

    connection: int
    channel: int
    version: int
    reason: Reason = Reason.NONE


Event = (
    Start
    | Stop
    | Wake
    | Send
    | Edit
    | Restored
    | Follow
    | Online
    | Offline
    | Hinted
    | Test
    | SignedIn
    | Opened
    | Failed
    | Lost
    | Received
    | Ponged
    | Pushed
    | Posted
    | Polled
)


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
class Subscribe:
    """Ask for a channel's updates after a version, and for all that follow."""

    connection: int
    channel: int
    version: int


@dataclass(frozen=True, slots=True)
class Fetch:
    """Ask for a channel as a whole, since updates in between are missing."""

    connection: int
    channel: int


@dataclass(frozen=True, slots=True)
class Poll:
    """Ask the server over HTTP what there is: each channel and the version it was seen at."""

    connection: int
    channels: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class SignIn:
    """Sign in over HTTP; the cookie that comes back is the host's to keep."""

    connection: int


@dataclass(frozen=True, slots=True)
class Save:
    """Keep a message where it outlives this client; asked before it is sent."""

    message: Message


@dataclass(frozen=True, slots=True)
class Forget:
    """A saved message need not be kept any more."""

    message: Message


@dataclass(frozen=True, slots=True)
class Deliver:
    """Give the application a channel's update."""

    channel: int
    version: int
    reason: Reason = Reason.NONE


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


Command = (
    Open
    | Close
    | Transmit
    | Ping
    | Subscribe
    | Fetch
    | Poll
    | Post
    | SignIn
    | Save
    | Forget
    | Deliver
    | Drop
    | Notify
)


# --- what a server is told and asks for --------------------------------------------------


@dataclass(frozen=True, slots=True)
class Arrived:
    """A handshake reached the server; -inf: without a session."""

    client: int
    connection: int
    signed_in_s: float = inf


@dataclass(frozen=True, slots=True)
class Framed:
    """A message reached the server, over a connection or by a post."""

    client: int
    connection: int
    message: int
    key: int = NONE
    base: int = NONE


@dataclass(frozen=True, slots=True)
class Requested:
    """An HTTP request reached the server: a post with its message, a poll, or a sign-in."""

    client: int
    connection: int
    signed_in_s: float = inf
    post: Framed | None = None
    channels: tuple[tuple[int, int], ...] = ()
    signs_in: bool = False


@dataclass(frozen=True, slots=True)
class Subscribed:
    """A client on a connection wants a channel's updates after a version."""

    client: int
    connection: int
    channel: int
    version: int


@dataclass(frozen=True, slots=True)
class Fetched:
    """A client on a connection wants a channel as a whole."""

    client: int
    connection: int
    channel: int


@dataclass(frozen=True, slots=True)
class Heard:
    """A connection gave a sign of life: a ping."""

    client: int
    connection: int


@dataclass(frozen=True, slots=True)
class Ended:
    """A connection, or a handshake that nobody waits for any more, ended."""

    client: int
    connection: int


@dataclass(frozen=True, slots=True)
class Revoke:
    """The operator ends every session that began before now."""


@dataclass(frozen=True, slots=True)
class Shun:
    """The operator ends clients' connections with a code, and those that open until a moment."""

    clients: frozenset[int]
    code: int
    until_s: float
    hint_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Drain:
    """The operator ends clients' connections one after the other, evenly until a moment."""

    clients: frozenset[int]
    code: int
    until_s: float
    hint_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Slow:
    """Work begun from now on takes so many times as long."""

    factor: float


ServerEvent = (
    Arrived
    | Framed
    | Requested
    | Subscribed
    | Fetched
    | Heard
    | Ended
    | Revoke
    | Shun
    | Drain
    | Slow
    | Wake
)


@dataclass(frozen=True, slots=True)
class Admit:
    """Open the connection."""

    client: int
    connection: int


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer a request with an HTTP status, and a Retry-After where ``hint_s`` is above 0."""

    client: int
    connection: int
    status: int
    hint_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer a message: accepted, duplicate, limited or conflict; of an edit, with a version."""

    client: int
    connection: int
    message: int
    reason: Reason
    hint_s: float = 0.0
    version: int = NONE


@dataclass(frozen=True, slots=True)
class Push:
    """Send a channel's update; a snapshot stands for all up to its version."""

    client: int
    connection: int
    channel: int
    version: int
    reason: Reason = Reason.NONE


@dataclass(frozen=True, slots=True)
class Served:
    """Answer a poll with the updates that there are."""

    client: int
    connection: int
    pushes: tuple[Push, ...] = ()


@dataclass(frozen=True, slots=True)
class Grant:
    """Answer a sign-in with a session of this length."""

    client: int
    connection: int
    lifetime_s: float


@dataclass(frozen=True, slots=True)
class Shut:
    """End an open connection with a close code, and a hint where ``hint_s`` is above 0."""

    client: int
    connection: int
    code: int
    hint_s: float = 0.0


ServerCommand = Admit | Refuse | Answer | Push | Served | Grant | Shut
