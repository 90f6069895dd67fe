"""What a server can do, in settings, and what follows from them for each handshake."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from math import ceil, inf

from simlib.core.draws import Stream, uniform
from simlib.core.errors import SettingsError
from simlib.core.exact import log
from simlib.core.meters import Rate
from simlib.core.validation import (
    Count,
    ValidatedSettings,
    choice,
    count,
    flag,
    number,
    seconds,
)

#: Workers of a server, and of a step that adds some; and such steps.
MOST_WORKERS, _MOST_STEPS = 10_000, 1_000


class ServiceTime(IntEnum):
    """The distributions of the service time of a handshake."""

    CONSTANT = 0
    EXPONENTIAL = 1


class FullBacklog(IntEnum):
    """What becomes of a handshake that finds the backlog full."""

    REFUSE = 0
    DROP = 1


class Remember(IntEnum):
    """Where a server keeps the ids of the messages that it has counted."""

    MEMORY = 0
    DISK = 1


@dataclass(frozen=True, kw_only=True)
class Scaling(ValidatedSettings):
    """When a server gets more workers for its handshakes; by default never.

    Each time the backlog reaches a length, workers are called for, which come after a delay.

    Examples
    --------
    >>> Scaling(at_backlog=100, workers=2)
    Scaling(at_backlog=100, workers=2)
    """

    #: So many handshakes that wait for a worker call for a step; inf: never.
    at_backlog: Count = count(inf, endless=True)
    #: From the call to the moment at which the new workers are there.
    delay_s: float = seconds(30.0)
    #: Workers that each step adds.
    workers: int = count(1, high=MOST_WORKERS)
    #: The most steps from the server's start to its end.
    most_steps: int = count(1, high=_MOST_STEPS)


@dataclass(frozen=True, kw_only=True)
class AddressLimit(ValidatedSettings):
    """How many handshakes a server takes from one address; by default any number.

    Clients behind one router (NAT) share an address: client i has address i // clients. The limit
    is a token bucket for each address, as nginx's limit_req and most proxies have it.

    Examples
    --------
    >>> AddressLimit(accept_per_s=0.5, burst=10, clients=50).address_of(120)
    2
    """

    #: Handshakes of one address per second; 10 in a minute are 0.1667. inf: no limit.
    accept_per_s: float = number(inf, "handshakes per second", above=True, endless=True)
    #: So many handshakes at once after a rest.
    burst: int = count(1)
    #: So many clients that follow each other share an address.
    clients: int = count(1)
    #: What a handshake beyond the limit is answered with: 429, or 503 as nginx does by default.
    status: int = count(429, low=400, high=599)

    def address_of(self, client: int) -> int:
        """Return the number of a client's address."""
        return client // self.clients


@dataclass(frozen=True, kw_only=True)
class ServerSettings(ValidatedSettings):
    """What one server can do; by default everything at once.

    Examples
    --------
    >>> ServerSettings(accept_per_s=100.0)
    ServerSettings(accept_per_s=100)
    """

    #: Handshakes accepted per second (one second's worth at once); inf: no limit.
    accept_per_s: float = number(inf, "handshakes per second", above=True, endless=True)
    #: Handshakes worked on at the same time.
    workers: int = count(1, high=MOST_WORKERS)
    #: Work on one handshake.
    handshake_service_s: float = seconds(0.0)
    #: Whether it always takes that long, or on average: constant or exponential.
    handshake_service: ServiceTime = choice(ServiceTime.CONSTANT)
    #: Work on the TLS of one handshake, before the handshake itself; needs path.tls.
    tls_service_s: float = seconds(0.0)
    #: After a handshake its worker is busy this much longer, with the client's resynchronisation.
    resync_service_s: float = seconds(0.0)
    #: When more workers come.
    scaling: Scaling = field(default_factory=Scaling)
    #: Handshakes that may wait for a worker; beyond, they are refused.
    backlog: Count = count(inf, low=0, endless=True)
    #: refuse: with 503; drop: without an answer, as a full accept queue drops SYNs, which the
    #: client's kernel sends again after 1, 3, 7, 15, 31 and 63 s.
    backlog_full: FullBacklog = choice(FullBacklog.REFUSE)
    #: What is accepted from one address, which clients behind a router share.
    per_address: AddressLimit = field(default_factory=AddressLimit)
    #: Connections open at the same time.
    max_connections: Count = count(inf, endless=True)
    #: Work on one message; messages are worked on one at a time.
    message_service_s: float = seconds(0.0)
    #: Messages accepted from each client.
    rate: Rate = field(default_factory=Rate)
    #: The Retry-After of a refusal, whole seconds as in HTTP; 0: none.
    retry_after_s: float = number(0.0, "seconds", whole=True)
    #: The window in which a client draws the moment of its next attempt, as the server says in a
    #: refusal and in a close of its operator (fault deploy or close) that has no Retry-After of its
    #: own; 0: it says nothing.
    advises_window_s: float = seconds(0.0)
    #: Whether it keeps the ids of messages, and counts each message once; else it counts each copy.
    deduplicates: bool = flag(True)
    #: Where it keeps these ids: in memory, which is lost when it crashes, so that what is sent
    #: again may count twice; or on disk, as part of the write that counts the message.
    remember: Remember = choice(Remember.MEMORY)
    #: Updates of each channel that are kept, to be sent to who comes back.
    history: Count = count(100, low=0, endless=True)
    #: How long a session holds; inf: no session is asked for.
    session_lifetime_s: float = seconds(inf, above=True, endless=True)
    #: Work on one sign-in.
    sign_in_service_s: float = seconds(0.0)
    #: A connection that gives no sign of life for this long is ended.
    silence_timeout_s: float = seconds(inf, above=True, endless=True)
    #: A connection that is open for this long is closed (1001), so that its client connects anew
    #: and perhaps elsewhere; inf: never.
    max_connection_age_s: float = seconds(inf, above=True, endless=True)
    #: The age is drawn for each connection within this share of it, up and down, so that those who
    #: came together do not go together.
    max_connection_age_jitter_fraction: float = number(0.1, "", high=1.0)

    def check(self) -> None:
        """Raise `SettingsError` where it would say two things at once."""
        if self.advises_window_s > 0.0 and self.retry_after_s > 0.0:
            rule = (
                f"must be 0 with advises_window_s ({self.advises_window_s:g}): either is the hint"
            )
            raise SettingsError("retry_after_s", self.retry_after_s, rule)
        if self.backlog_full == FullBacklog.DROP and self.backlog == inf:
            rule = "needs a bound: a backlog without one is never full"
            raise SettingsError("backlog", self.backlog, rule)
        if self.remember == Remember.DISK and not self.deduplicates:
            rule = "must be memory with deduplicates = false: there are no ids to keep"
            raise SettingsError("remember", "disk", rule)


def is_limited(settings: ServerSettings) -> bool:
    """Whether a server tells handshakes apart: by what it can do at a time."""
    return settings.accept_per_s < inf or has_queue(settings) or settings.max_connections < inf


def decides(settings: ServerSettings) -> bool:
    """Whether a server refuses any handshake, or lets one wait."""
    return (
        is_limited(settings)
        or settings.session_lifetime_s < inf
        or settings.per_address.accept_per_s < inf
    )


def has_queue(settings: ServerSettings) -> bool:
    """Whether handshakes take a worker's time, and so can wait for one."""
    works_s = settings.handshake_service_s, settings.tls_service_s, settings.resync_service_s
    return any(work_s > 0.0 for work_s in works_s)


def accepts(per_s: float) -> Rate:
    """Return the token bucket of an accept rate: it holds what one second brings."""
    return Rate(per_s=per_s, burst=1 if per_s == inf else max(1, ceil(per_s)))


def handshake_s(
    settings: ServerSettings, slowness: float, seed: int, client: int, connection: int
) -> float:
    """Return the length of the work on one handshake, that of its TLS included."""
    length_s = settings.handshake_service_s * slowness
    if settings.handshake_service == ServiceTime.EXPONENTIAL:
        length_s *= -log(1.0 - uniform(seed, client, Stream.SERVICE, connection))
    return length_s + settings.tls_service_s * slowness


def advised_hint_s(settings: ServerSettings, retry_after_s: float) -> float:
    """Return what a server says of the next attempt, as `Failed.hint_s`: a Retry-After first."""
    if retry_after_s > 0.0 or settings.advises_window_s == 0.0:
        return retry_after_s
    return -settings.advises_window_s


def resync_s(settings: ServerSettings, slowness: float) -> float:
    """Return for how long a worker is busy after a handshake."""
    return settings.resync_service_s * slowness


def max_age_s(settings: ServerSettings, seed: int, client: int, connection: int) -> float:
    """Return how long a connection may be open."""
    u = uniform(seed, client, Stream.AGE, connection)
    spread = settings.max_connection_age_jitter_fraction * (2.0 * u - 1.0)
    return settings.max_connection_age_s * (1.0 + spread)
