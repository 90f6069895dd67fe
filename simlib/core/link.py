"""The state machine of a connection: states, table, step; with breaker, fallback and budgets.

Rules of the table:
- An answer to another connection than the current one never gets here; the client sees to it.
- Breaker, backoff, budget and the server's hint each postpone; the next attempt is at the latest
  of them.
- A failure is an attempt that failed, or a connection lost before it was stable.
- After the loss of a stable connection a client may have a wait of its own, which is no attempt's.
- The breaker does not fight the backoff: it only moves the next attempt, and calls it a probe.
- After giving up, attempts end; the polling fallback goes on. A code that ends the client for good
  (`stops`) ends polling too.
- Suspended (offline, or without a session) there are no attempts and nothing counts as failure;
  a resumption attempts soon, jittered, and shortens a wait that is longer.

`Link` holds numbers only and `step` uses nothing but numbers, so both compile (with `.value`,
since a compiler does not know `int()` of a member).
"""

from __future__ import annotations

from enum import IntEnum
from math import inf
from typing import NamedTuple, Protocol

from simlib.core.backoff import Backoff, ceiling, delay, scale_hint
from simlib.core.backoff_kinds import CountedFrom, Jitter
from simlib.core.breaker import (
    CLOSED,
    Breaker,
    BreakerState,
    BreakerStatus,
    begin_probe,
    count_failure,
    count_success,
)
from simlib.core.draws import PER_LIFE, Stream, uniform
from simlib.core.fallback import (
    WEBSOCKET,
    Fallback,
    TransportStatus,
    fall_back,
    may_change,
    return_if_due,
    return_s,
    set_good_since,
    wants_poll,
)
from simlib.core.meters import Rate, ready_s, take


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


# Plain numbers: compiled code needs them, and to look a member up costs 0.1 us on Python 3.11.
_CONNECT, _ESTABLISH, _BACK_OFF = Move.CONNECT.value, Move.ESTABLISH.value, Move.BACK_OFF.value
_LOSE, _SETTLE, _STOP, _SUSPEND = (
    Move.LOSE.value,
    Move.SETTLE.value,
    Move.STOP.value,
    Move.SUSPEND.value,
)
_RECONNECT_SOON = Move.RECONNECT_SOON.value
_FALL_BACK, _RETURN = Move.FALL_BACK.value, Move.RETURN.value
_WAKE = Input.WAKE.value
_CONNECTING, _OPEN, _WAITING = State.CONNECTING.value, State.OPEN.value, State.WAITING.value
_STOPPED, _SUSPENDED = State.STOPPED.value, State.SUSPENDED.value
_TRIPPED, _FROM_START = BreakerState.OPEN.value, CountedFrom.START.value
_NO_JITTER = Jitter.NONE.value


class LinkSettings(Protocol):
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
    def attempt_budget(self) -> Rate:
        """How many attempts there may be after failures."""

    @property
    def connect_budget(self) -> Rate:
        """The limit on all attempts."""

    @property
    def connect_timeout_s(self) -> float:
        """How long an attempt may take."""


class Budget(NamedTuple):
    """The two token buckets on attempts, as their theoretical arrival times."""

    attempt_s: float
    connect_s: float


# A tuple of numbers, never changed in place: sim keeps one for each client, the fleet packs its
# fields into arrays, and a test can compare two. Times are absolute, so nothing has to be aged.
class Link(NamedTuple):
    """The state of one connection's life."""

    state: int
    #: Failures in a row, the loss of an open connection included: 1 after the first.
    attempt: int
    #: Failures in a row, the loss of a stable connection left out.
    failures: int
    #: What the backoff drew last, before breaker, budget and hint postponed it.
    delay_s: float
    #: When the link wants to be woken; inf: never.
    deadline_s: float
    #: When the last attempt began.
    started_s: float
    #: When the connection opened last; -inf: it never has. 0 is a moment as any other.
    opened_s: float
    breaker_status: BreakerStatus
    transport_status: TransportStatus
    budget: Budget
    #: Until when the server's hint forbids an attempt.
    hinted_s: float
    #: Whether a budget, and nothing else, set the deadline of this wait: 1 or 0.
    rationed: int
    #: Waits drawn so far: the index of the next draw.
    draws: int

    @property
    def breaker(self) -> int:
        """The breaker's state."""
        return self.breaker_status.state

    @property
    def transport(self) -> int:
        """The transport in use."""
        return self.transport_status.transport


def replace_fields(
    link: Link,
    state: int | None = None,
    attempt: int | None = None,
    failures: int | None = None,
    delay_s: float | None = None,
    deadline_s: float | None = None,
    started_s: float | None = None,
    opened_s: float | None = None,
    breaker_status: BreakerStatus | None = None,
    transport_status: TransportStatus | None = None,
    budget: Budget | None = None,
    hinted_s: float | None = None,
    rationed: int | None = None,
    draws: int | None = None,
) -> Link:
    """Return a link with some fields replaced: what `_replace` does, which numba does not know.

    It compiles, since numba leaves away the branch of an argument that is not given.
    """
    return Link(
        link.state if state is None else state,
        link.attempt if attempt is None else attempt,
        link.failures if failures is None else failures,
        link.delay_s if delay_s is None else delay_s,
        link.deadline_s if deadline_s is None else deadline_s,
        link.started_s if started_s is None else started_s,
        link.opened_s if opened_s is None else opened_s,
        link.breaker_status if breaker_status is None else breaker_status,
        link.transport_status if transport_status is None else transport_status,
        link.budget if budget is None else budget,
        link.hinted_s if hinted_s is None else hinted_s,
        link.rationed if rationed is None else rationed,
        link.draws if draws is None else draws,
    )


_FULL = Budget(0.0, 0.0)


def idle(draws: int = 0) -> Link:
    """Return a link before its start; its draws begin at an index."""
    return Link(0, 0, 0, 0.0, inf, 0.0, -inf, CLOSED, WEBSOCKET, _FULL, 0.0, 0, draws)


def step(
    link: Link,
    input_: int,
    now: float,
    settings: LinkSettings,
    seed: int,
    client: int,
    hint_s: float,
) -> Link:
    """Return the link after an input."""
    # The table decides what may happen, the moves below what follows. MISUSE leaves the link as it
    # is: the client raises for it, as compiled code cannot.
    move = TABLE[link.state][input_]
    # An alarm of an earlier deadline: hosts need not take alarms back when a deadline moves.
    if input_ == _WAKE and now < link.deadline_s:
        return link
    if move == _CONNECT:
        return _connect(link, now, settings)
    if move == _ESTABLISH:
        # A policy with ``stable_after_s = 0`` is settled at the moment at which it opens.
        return _settle(_establish(link, now, settings), now, settings)
    if move == _BACK_OFF:
        return _back_off(link, now, settings, seed, client, hint_s, 1)
    if move == _LOSE:
        # Lost before it was stable: a failure, as an attempt that failed is.
        unstable = 1 if now < link.opened_s + settings.backoff.stable_after_s else 0
        return _back_off(
            _settle(link, now, settings), now, settings, seed, client, hint_s, unstable
        )
    if move == _SETTLE:
        return _settle(link, now, settings)
    return _set_aside(link, move, now, settings, seed, client)


def _set_aside(
    link: Link, move: int, now: float, settings: LinkSettings, seed: int, client: int
) -> Link:
    """Make the moves that neither begin nor end an attempt."""
    if move == _STOP:
        return _stand_still(
            link, _STOPPED, TransportStatus(0, link.transport_status.changed_s, inf)
        )
    if move == _SUSPEND:
        return _stand_still(link, _SUSPENDED, set_good_since(link.transport_status, inf))
    if move == _RECONNECT_SOON:
        return _reconnect_soon(link, now, settings, seed, client)
    if move == _FALL_BACK:
        transport_status = set_good_since(fall_back(link.transport_status, now), inf)
        return _switch_transport(
            link, transport_status, inf if link.state == _STOPPED else link.deadline_s
        )
    if move == _RETURN:
        return _settle(
            _switch_transport(link, set_good_since(link.transport_status, now), inf), now, settings
        )
    return link


def _connect(link: Link, now: float, settings: LinkSettings) -> Link:
    # A start after giving up is a fresh start; under an open breaker it counts as a probe.
    afresh = link.state == _STOPPED
    return Link(
        _CONNECTING,
        0 if afresh else link.attempt,
        0 if afresh else link.failures,
        link.delay_s,
        now + settings.connect_timeout_s,
        now,
        link.opened_s,
        # The breaker counts a probe when it begins, since several may be on their way at once.
        begin_probe(link.breaker_status),
        link.transport_status,
        _spend(link, now, settings),
        link.hinted_s,
        0,
        link.draws,
    )


def _spend(link: Link, now: float, settings: LinkSettings) -> Budget:
    """Return the budgets after an attempt that begins now; a first one is no attempt again."""
    budget, attempts, connects = link.budget, settings.attempt_budget, settings.connect_budget
    if attempts.per_s == inf and connects.per_s == inf:
        return budget
    return Budget(
        # As gRPC and others ration only what they try again, not the first attempt.
        take(budget.attempt_s, now, attempts) if link.attempt > 0 else budget.attempt_s,
        take(budget.connect_s, now, connects),
    )


def _establish(link: Link, now: float, settings: LinkSettings) -> Link:
    return replace_fields(
        link,
        state=_OPEN,
        deadline_s=inf,
        opened_s=now,
        breaker_status=count_success(link.breaker_status, settings.breaker),
        transport_status=set_good_since(link.transport_status, now),
        rationed=0,
    )


def _settle(link: Link, now: float, settings: LinkSettings) -> Link:
    """Reset the count once stable, return from polling once good for long enough."""
    stable_s = link.opened_s + settings.backoff.stable_after_s
    stable = now >= stable_s
    transport_status = return_if_due(link.transport_status, now, settings.fallback)
    deadline_s = return_s(transport_status, settings.fallback)
    return replace_fields(
        link,
        attempt=0 if stable else link.attempt,
        failures=0 if stable else link.failures,
        deadline_s=deadline_s if stable else min(deadline_s, stable_s),
        transport_status=transport_status,
        rationed=0,
    )


def _back_off(
    link: Link,
    now: float,
    settings: LinkSettings,
    seed: int,
    client: int,
    hint_s: float,
    failed: int,
) -> Link:
    """Wait, after a failure or a loss: the latest of backoff, breaker, budget and hint."""
    attempt = link.attempt + 1
    # Two counts: `attempt` makes waits grow and includes the loss itself; `failures` trips the
    # breaker, starts polling and ends the client, and does not. So ten attempts after a loss wait
    # 1, 2, 4 ... and the tenth failure gives up.
    failures = link.failures + failed
    breaker_status = link.breaker_status
    # A stable connection that was lost counts as an attempt of the backoff, and as no failure: it
    # must not trip the breaker, nor use up `max_attempts`.
    if failed == 1:
        breaker_status = count_failure(breaker_status, failures, now, settings.breaker)
    refused = breaker_status.state == _TRIPPED
    transport_status = set_good_since(link.transport_status, inf)
    # Asked before giving up: a client that makes no more attempts must still be able to poll.
    falls = transport_status.transport == 0 and wants_poll(failures, refused, settings.fallback)
    if falls and may_change(transport_status, now, settings.fallback):
        transport_status, falls = fall_back(transport_status, now), False
    if failures >= settings.backoff.max_attempts:
        # Nothing fails any more, so a fallback that the dwell time forbids needs a wake.
        dwelt_s = transport_status.changed_s + settings.fallback.dwell_s if falls else inf
        return replace_fields(
            link,
            state=_STOPPED,
            attempt=attempt,
            failures=failures,
            deadline_s=dwelt_s,
            breaker_status=breaker_status,
            transport_status=transport_status,
            rationed=0,
        )
    # One draw a wait, whatever the wait needs it for: so the index of a draw is the number of
    # waits, and the same in all engines.
    u = _draw(link, settings, seed, client)
    from_s = now
    if failed == 0 and settings.backoff.after_loss_s < inf:
        attempt, delay_s = 0, settings.backoff.after_loss_s
    else:
        # From the backoff's own last wait, not from the postponed one: a long hint must not make
        # decorrelated jitter grow.
        delay_s = delay(settings.backoff, attempt, link.delay_s, u)
        if settings.backoff.counted_from == _FROM_START:
            from_s = link.started_s
    hinted_s = now if hint_s == 0.0 else now + scale_hint(settings.backoff, hint_s, u)
    # Each may only postpone: whichever asks for the longest wait decides.
    next_s = max(now, from_s + delay_s, hinted_s)
    if refused:
        next_s = max(next_s, breaker_status.until_s)
    budget_s = _budget_s(link, settings)
    return Link(
        _WAITING,
        attempt,
        failures,
        delay_s,
        max(next_s, budget_s),
        link.started_s,
        link.opened_s,
        breaker_status,
        transport_status,
        link.budget,
        hinted_s,
        1 if budget_s > next_s else 0,
        link.draws + 1,
    )


def _reconnect_soon(link: Link, now: float, settings: LinkSettings, seed: int, client: int) -> Link:
    """After a resumption, wait at most one first wait, but respect breaker, budget and hint."""
    soon_s = now
    # A first attempt that had to wait for a session wakes nobody else.
    # Jitter here is for clients that come back together, such as all tabs of a laptop that wakes
    # up.
    is_first = link.attempt == 0 and link.opened_s == -inf
    if settings.backoff.jitter != _NO_JITTER and not is_first:
        soon_s += ceiling(settings.backoff, 1) * _draw(link, settings, seed, client)
    soon_s = max(soon_s, link.hinted_s)
    if link.breaker_status.state == _TRIPPED:
        soon_s = max(soon_s, link.breaker_status.until_s)
    budget_s = _budget_s(link, settings)
    return replace_fields(
        link,
        state=_WAITING,
        # A resumption may only shorten a wait. A suspended link has none, and its deadline is
        # infinite.
        deadline_s=min(link.deadline_s, max(soon_s, budget_s)),
        rationed=1 if budget_s > soon_s else 0,
        draws=link.draws + 1,
    )


def _draw(link: Link, settings: LinkSettings, seed: int, client: int) -> float:
    """Return the draw of this wait; a client that draws once has one for each of its lives."""
    if settings.backoff.drawn_once:
        # Draws of one life have indices of one block of PER_LIFE, so a page that is loaded again
        # draws anew.
        return uniform(seed, client, Stream.WAIT_ONCE, link.draws // PER_LIFE)
    return uniform(seed, client, Stream.WAIT, link.draws)


def _budget_s(link: Link, settings: LinkSettings) -> float:
    """Return the moment from which the budgets allow an attempt after a failure."""
    attempts, connects = settings.attempt_budget, settings.connect_budget
    if attempts.per_s == inf and connects.per_s == inf:
        return 0.0
    return max(ready_s(link.budget.attempt_s, attempts), ready_s(link.budget.connect_s, connects))


def _stand_still(link: Link, state: int, transport_status: TransportStatus) -> Link:
    """Make no attempt until the next input asks for one."""
    return replace_fields(
        link, state=state, deadline_s=inf, transport_status=transport_status, rationed=0
    )


def _switch_transport(link: Link, transport_status: TransportStatus, deadline_s: float) -> Link:
    return replace_fields(link, deadline_s=deadline_s, transport_status=transport_status)
