"""The life of a connection: states, table, step; breaker and fallback included.

Rules of the table:
- An answer to another connection than the current one never gets here; the client sees to it.
- Breaker, backoff and the server's hint each postpone; the next attempt is at the latest of them.
- A failure is an attempt that failed, or a connection lost before it was stable.
- The breaker does not fight the backoff: it only moves the next attempt, and calls it a probe.
- After giving up, attempts end; the polling fallback goes on.

`Link` holds numbers only and `step` uses nothing but numbers, so both compile (with `.value`,
since a compiler does not know `int()` of a member).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from math import inf
from typing import NamedTuple, Protocol

from simlib.core.backoff import Backoff, delay, stretched
from simlib.core.draws import Stream, uniform
from simlib.core.rules import Count, Ruled, count, seconds


class State(IntEnum):
    """Where the connection stands."""

    IDLE = 0
    CONNECTING = 1
    OPEN = 2
    WAITING = 3
    STOPPED = 4


class BreakerState(IntEnum):
    """Whether attempts are allowed."""

    CLOSED = 0
    OPEN = 1
    HALF_OPEN = 2


class Transport(IntEnum):
    """What carries messages."""

    WEBSOCKET = 0
    POLL = 1


class Input(IntEnum):
    """What a link can be told."""

    START = 0
    OPENED = 1
    FAILED = 2
    LOST = 3
    WAKE = 4
    STOP = 5


class Move(IntEnum):
    """What a link does about it."""

    IGNORE = 0
    CONNECT = 1
    ESTABLISH = 2
    RETREAT = 3
    LOSE = 4
    SETTLE = 5
    HALT = 6
    MISUSE = 7


_I, _C, _E, _R = Move.IGNORE, Move.CONNECT, Move.ESTABLISH, Move.RETREAT
_L, _S, _H, _M = Move.LOSE, Move.SETTLE, Move.HALT, Move.MISUSE

#: TABLE[state][input]: every cell is defined. A wake acts only when the deadline has come.
TABLE: tuple[tuple[Move, ...], ...] = (
    #           START OPENED FAILED LOST WAKE STOP
    (_C, _M, _M, _M, _I, _H),  # IDLE
    (_M, _E, _R, _R, _R, _H),  # CONNECTING: a wake is the connect timeout
    (_M, _M, _M, _L, _S, _H),  # OPEN: a wake says stable, or good for long enough to return
    (_M, _M, _M, _M, _C, _H),  # WAITING
    (_C, _M, _M, _M, _I, _H),  # STOPPED: a stop ends the polling of a client that gave up
)


@dataclass(frozen=True, kw_only=True)
class Breaker(Ruled):
    """A circuit breaker over connection attempts; by default it never trips."""

    #: Failures in a row that trip it; inf: no breaker.
    trip_after: Count = count(inf, endless=True)
    #: Attempts are refused this long.
    open_s: float = seconds(30.0, above=True)
    #: Attempts that must succeed, half-open, before it closes.
    probes: int = count(1)


@dataclass(frozen=True, kw_only=True)
class Fallback(Ruled):
    """Carrying messages by HTTP polling while WebSocket fails; by default never."""

    #: Failures in a row after which it starts (an open breaker starts it too); inf: no fallback.
    after_attempts: Count = count(inf, endless=True)
    #: Time between polls.
    poll_interval_s: float = seconds(5.0, above=True)
    #: WebSocket must have been open this long before it carries messages again.
    return_after_s: float = seconds(5.0)


class LinkRules(Protocol):
    """The part of a client's settings that a link follows."""

    @property
    def backoff(self) -> Backoff:
        """The waits between attempts."""

    @property
    def breaker(self) -> Breaker:
        """When attempts are refused."""

    @property
    def fallback(self) -> Fallback:
        """When polling carries messages."""

    @property
    def connect_timeout_s(self) -> float:
        """How long an attempt may take."""


class Link(NamedTuple):
    """The state of one connection's life."""

    state: int
    #: Failures in a row, the loss of an open connection included: 1 after the first.
    attempt: int
    #: Failures in a row, the loss of a stable connection left out.
    failures: int
    #: What the backoff drew last, before breaker and hint postponed it.
    delay_s: float
    #: When the link wants to be woken; inf: never.
    deadline_s: float
    opened_s: float
    breaker: int
    breaker_until_s: float
    #: Probes that have succeeded since the breaker was half-open.
    probes: int
    transport: int
    #: Waits drawn so far: the index of the next draw.
    draws: int


def idle() -> Link:
    """Return a link before its start."""
    return Link(0, 0, 0, 0.0, inf, 0.0, 0, 0.0, 0, 0, 0)


def step(
    link: Link, told: int, now: float, rules: LinkRules, seed: int, client: int, hint_s: float
) -> Link:
    """Return the link after it was told something."""
    move = TABLE[link.state][told]
    if told == Input.WAKE and now < link.deadline_s:
        return link
    if move == Move.CONNECT:
        return _connect(link, now, rules)
    if move == Move.ESTABLISH:
        return _settle(_establish(link, now, rules), now, rules)
    if move == Move.RETREAT:
        return _retreat(link, now, rules, seed, client, hint_s, 1)
    if move == Move.LOSE:
        # Lost before it was stable: a failure, as an attempt that failed is.
        failed = 1 if now < link.opened_s + rules.backoff.stable_after_s else 0
        return _retreat(_settle(link, now, rules), now, rules, seed, client, hint_s, failed)
    if move == Move.SETTLE:
        return _settle(link, now, rules)
    if move == Move.HALT:
        breaker, until_s = link.breaker, link.breaker_until_s
        websocket = Transport.WEBSOCKET.value
        return _stopped(link, link.attempt, link.failures, breaker, until_s, websocket)
    return link


def _connect(link: Link, now: float, rules: LinkRules) -> Link:
    # A start after giving up is a fresh start; under an open breaker it counts as a probe.
    afresh = link.state == State.STOPPED
    half_open = link.breaker == BreakerState.OPEN
    return Link(
        state=State.CONNECTING.value,
        attempt=0 if afresh else link.attempt,
        failures=0 if afresh else link.failures,
        delay_s=link.delay_s,
        deadline_s=now + rules.connect_timeout_s,
        opened_s=link.opened_s,
        breaker=BreakerState.HALF_OPEN.value if half_open else link.breaker,
        breaker_until_s=link.breaker_until_s,
        probes=0 if half_open else link.probes,
        transport=link.transport,
        draws=link.draws,
    )


def _establish(link: Link, now: float, rules: LinkRules) -> Link:
    probes = link.probes + 1 if link.breaker == BreakerState.HALF_OPEN else 0
    mended = link.breaker == BreakerState.HALF_OPEN and probes >= rules.breaker.probes
    return Link(
        state=State.OPEN.value,
        attempt=link.attempt,
        failures=link.failures,
        delay_s=link.delay_s,
        deadline_s=inf,
        opened_s=now,
        breaker=BreakerState.CLOSED.value if mended else link.breaker,
        breaker_until_s=link.breaker_until_s,
        probes=probes,
        transport=link.transport,
        draws=link.draws,
    )


def _settle(link: Link, now: float, rules: LinkRules) -> Link:
    """Reset the count once stable, return from polling once good for long enough."""
    stable_s = link.opened_s + rules.backoff.stable_after_s
    return_s = link.opened_s + rules.fallback.return_after_s
    stable = now >= stable_s
    returned = link.transport == Transport.WEBSOCKET or now >= return_s
    deadline_s = inf
    if not stable:
        deadline_s = stable_s
    if not returned:
        deadline_s = min(deadline_s, return_s)
    return Link(
        state=link.state,
        attempt=0 if stable else link.attempt,
        failures=0 if stable else link.failures,
        delay_s=link.delay_s,
        deadline_s=deadline_s,
        opened_s=link.opened_s,
        breaker=link.breaker,
        breaker_until_s=link.breaker_until_s,
        probes=link.probes,
        transport=Transport.WEBSOCKET.value if returned else link.transport,
        draws=link.draws,
    )


def _retreat(
    link: Link, now: float, rules: LinkRules, seed: int, client: int, hint_s: float, failed: int
) -> Link:
    """Wait, after a failure or a loss: the later of backoff, breaker and hint."""
    attempt = link.attempt + 1
    failures = link.failures + failed
    probe_failed = link.breaker == BreakerState.HALF_OPEN and failed == 1
    trips = probe_failed or (
        link.breaker == BreakerState.CLOSED and failures >= rules.breaker.trip_after
    )
    breaker = BreakerState.OPEN.value if trips else link.breaker
    until_s = now + rules.breaker.open_s if trips else link.breaker_until_s
    falls_back = rules.fallback.after_attempts < inf and (
        failures >= rules.fallback.after_attempts or breaker == BreakerState.OPEN
    )
    transport = Transport.POLL.value if falls_back else link.transport
    if failures >= rules.backoff.max_attempts:
        return _stopped(link, attempt, failures, breaker, until_s, transport)
    u = uniform(seed, client, Stream.WAIT, link.draws)
    delay_s = delay(rules.backoff, attempt, link.delay_s, u)
    next_s = max(now + delay_s, now + stretched(rules.backoff, hint_s, u))
    if breaker == BreakerState.OPEN:
        next_s = max(next_s, until_s)
    return Link(
        state=State.WAITING.value,
        attempt=attempt,
        failures=failures,
        delay_s=delay_s,
        deadline_s=next_s,
        opened_s=link.opened_s,
        breaker=breaker,
        breaker_until_s=until_s,
        probes=link.probes,
        transport=transport,
        draws=link.draws + 1,
    )


def _stopped(
    link: Link, attempt: int, failures: int, breaker: int, until_s: float, transport: int
) -> Link:
    return Link(
        state=State.STOPPED.value,
        attempt=attempt,
        failures=failures,
        delay_s=link.delay_s,
        deadline_s=inf,
        opened_s=link.opened_s,
        breaker=breaker,
        breaker_until_s=until_s,
        probes=link.probes,
        transport=transport,
        draws=link.draws,
    )
