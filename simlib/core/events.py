"""Events (inputs) and commands (outputs) of client and server; immutable.

Each names its ``connection``: one counter per client numbers attempts, polls and posts alike,
so an answer to something long given up is recognised. ``Open`` is answered by Opened or
Failed, and after Opened by Lost; ``Transmit`` by Received or by nothing; ``Ping`` by Ponged or
by nothing; ``Subscribe`` and ``Fetch`` by any number of Pushed; ``Post`` by Posted; ``Poll`` by
Pushed and then Polled; ``SignIn`` by SignedIn. ``Close``, ``Save``, ``Forget``, ``Deliver``,
``Drop``, ``Notify`` by nothing.
"""

from __future__ import annotations

from enum import IntEnum
from math import inf

from simlib.core.immutable import Immutable


class Priority(IntEnum):
    """How urgent a message is; the most urgent leaves first.

    Examples
    --------
    >>> Priority.CRITICAL < Priority.LOW
    True
    """

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


class Message(Immutable):
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


class Start(Immutable):
    """Begin: make the first attempt."""


class Stop(Immutable):
    """End for good: close, and wait for nothing."""


class Wake(Immutable):
    """The deadline has come."""


class Send(Immutable):
    """The application has a message."""

    message: Message


class Edit(Immutable):
    """The application has a new text of the draft ``message.key``."""

    message: Message


class Restored(Immutable):
    """A message that an earlier life of this client saved; it comes before the start."""

    message: Message


class Follow(Immutable):
    """The application wants the updates of a channel after ``version``."""

    channel: int
    version: int = 0


class Online(Immutable):
    """The platform says that there is a network again."""


class Offline(Immutable):
    """The platform says that there is no network."""


class Hinted(Immutable):
    """The platform's estimate of the network (Network Information); 0: it does not say."""

    rtt_s: float = 0.0
    downlink_bytes_per_s: int = 0
    save_data: bool = False


class Test(Immutable):
    """The user wants the connection tested now."""


class SignedIn(Immutable):
    """A sign-in was answered: accepted, with the session's length, or failed."""

    connection: int
    reason: Reason
    lifetime_s: float = 0.0


class Opened(Immutable):
    """The attempt succeeded: the connection is open."""

    connection: int


class Failed(Immutable):
    """The attempt failed; ``code`` is the server's status, or 0.

    ``hint_s`` is when to come back, as the server says it: so late at the earliest (Retry-After);
    below 0, within so long, at a moment that the client draws; 0: it does not say.
    """

    connection: int
    reason: Reason
    hint_s: float = 0.0
    code: int = 0


class Lost(Immutable):
    """The open connection ended; ``hint_s`` is as in `Failed`, ``code`` its close code, or 0."""

    connection: int
    reason: Reason
    hint_s: float = 0.0
    code: int = 0


class Received(Immutable):
    """The server answered a message over the connection; of an edit, with the draft's version."""

    connection: int
    message: int
    reason: Reason
    hint_s: float = 0.0
    version: int = NONE


class Ponged(Immutable):
    """The server answered a ping."""

    connection: int


class Posted(Immutable):
    """A post was answered as over a connection, or refused with a status, or got no answer."""

    connection: int
    message: int
    reason: Reason
    hint_s: float = 0.0
    version: int = NONE
    code: int = 0


class Polled(Immutable):
    """A poll was answered (accepted), or refused with a status, or got no answer."""

    connection: int
    reason: Reason
    hint_s: float = 0.0
    code: int = 0


class Pushed(Immutable):
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


class Open(Immutable):
    """Make an attempt."""

    connection: int


class Close(Immutable):
    """Abandon an attempt, a connection, a poll or a post; later answers to it are ignored."""

    connection: int
    reason: Reason = Reason.NONE


class Transmit(Immutable):
    """Send a message over the open connection."""

    connection: int
    message: Message


class Ping(Immutable):
    """Send a ping over the open connection."""

    connection: int


class Subscribe(Immutable):
    """Ask for a channel's updates after a version, and for all that follow."""

    connection: int
    channel: int
    version: int


class Fetch(Immutable):
    """Ask for a channel as a whole, since updates in between are missing."""

    connection: int
    channel: int


class Poll(Immutable):
    """Ask the server over HTTP what there is: each channel and the version it was seen at."""

    connection: int
    channels: tuple[tuple[int, int], ...] = ()


class SignIn(Immutable):
    """Sign in over HTTP; the cookie that comes back is the host's to keep."""

    connection: int


class Save(Immutable):
    """Save a message so that it outlives this client; it comes before the message is sent."""

    message: Message


class Forget(Immutable):
    """A saved message need not be kept any more."""

    message: Message


class Deliver(Immutable):
    """Deliver a channel's update to the application."""

    channel: int
    version: int
    reason: Reason = Reason.NONE


class Post(Immutable):
    """Send a message over HTTP."""

    connection: int
    message: Message


class Drop(Immutable):
    """Report to the application that a message will not be delivered, and why."""

    message: Message
    reason: Reason


class Notify(Immutable):
    """Report a change to the user."""

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


class HandshakeArrived(Immutable):
    """A handshake reached the server; -inf: without a session."""

    client: int
    connection: int
    signed_in_s: float = inf


class MessageArrived(Immutable):
    """A message reached the server, over a connection or by a post."""

    client: int
    connection: int
    message: int
    key: int = NONE
    base: int = NONE


class Requested(Immutable):
    """An HTTP request reached the server: a post with its message, a poll, or a sign-in."""

    client: int
    connection: int
    signed_in_s: float = inf
    post: MessageArrived | None = None
    channels: tuple[tuple[int, int], ...] = ()
    signs_in: bool = False


class Subscribed(Immutable):
    """A client on a connection wants a channel's updates after a version."""

    client: int
    connection: int
    channel: int
    version: int


class Fetched(Immutable):
    """A client on a connection wants a channel as a whole."""

    client: int
    connection: int
    channel: int


class PingArrived(Immutable):
    """A connection gave a sign of life: a ping."""

    client: int
    connection: int


class Ended(Immutable):
    """A connection ended, or a handshake that its client had abandoned."""

    client: int
    connection: int


class Revoke(Immutable):
    """The operator ends every session that began before now."""


class CloseClients(Immutable):
    """The operator closes clients' connections with a code, also those that open until a moment."""

    clients: frozenset[int]
    code: int
    until_s: float
    hint_s: float = 0.0


class Drain(Immutable):
    """The operator ends clients' connections one after the other, evenly until a moment."""

    clients: frozenset[int]
    code: int
    until_s: float
    hint_s: float = 0.0


class Slow(Immutable):
    """Work that begins from now on takes ``factor`` times as long."""

    factor: float


ServerEvent = (
    HandshakeArrived
    | MessageArrived
    | Requested
    | Subscribed
    | Fetched
    | PingArrived
    | Ended
    | Revoke
    | CloseClients
    | Drain
    | Slow
    | Wake
)


class Admit(Immutable):
    """Open the connection."""

    client: int
    connection: int


class Refuse(Immutable):
    """Answer a request with an HTTP status, and with a hint as in `Failed`; 0: none."""

    client: int
    connection: int
    status: int
    hint_s: float = 0.0


class Answer(Immutable):
    """Answer a message: accepted, duplicate, limited or conflict; of an edit, with a version."""

    client: int
    connection: int
    message: int
    reason: Reason
    hint_s: float = 0.0
    version: int = NONE


class Push(Immutable):
    """Send a channel's update; a snapshot stands for all up to its version."""

    client: int
    connection: int
    channel: int
    version: int
    reason: Reason = Reason.NONE


class AnswerPoll(Immutable):
    """Answer a poll with the updates that there are."""

    client: int
    connection: int
    pushes: tuple[Push, ...] = ()


class GrantSession(Immutable):
    """Answer a sign-in with a session of this length."""

    client: int
    connection: int
    lifetime_s: float


class CloseConnection(Immutable):
    """End an open connection with a close code, and with a hint as in `Failed`; 0: none."""

    client: int
    connection: int
    code: int
    hint_s: float = 0.0


ServerCommand = Admit | Refuse | Answer | Push | AnswerPoll | GrantSession | CloseConnection
