"""The life of a connection: states, table, step; breaker, fallback and budgets put together.

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

from simlib.core.backoff import Backoff, CountedFrom, Jitter, ceiling, delay, stretched
from simlib.core.breaker import (
    CLOSED,
    Breaker,
    BreakerState,
    Guard,
    noted_failure,
    probing,
    succeeded,
)
from simlib.core.draws import PER_LIFE, Stream, uniform
from simlib.core.fallback import (
    WEBSOCKET,
    Carrier,
    Fallback,
    fallen,
    good_since,
    may_change,
    return_s,
    settled,
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
    """What a link can be told."""

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
    """What a link does about it."""

    IGNORE = 0
    CONNECT = 1
    ESTABLISH = 2
    RETREAT = 3
    LOSE = 4
    SETTLE = 5
    HALT = 6
    MISUSE = 7
    PARK = 8
    HASTEN = 9
    FALL = 10
    MEND = 11


_I, _C, _E, _R = Move.IGNORE, Move.CONNECT, Move.ESTABLISH, Move.RETREAT
_L, _S, _H, _M = Move.LOSE, Move.SETTLE, Move.HALT, Move.MISUSE
_P, _N, _F, _B = Move.PARK, Move.HASTEN, Move.FALL, Move.MEND

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
    def attempt_budget(self) -> Rate:
        """How many attempts there may be after failures."""

    @property
    def connect_budget(self) -> Rate:
        """How many attempts there may be at all."""

    @property
    def connect_timeout_s(self) -> float:
        """How long an attempt may take."""


class Budget(NamedTuple):
    """The two token buckets on attempts, as their theoretical arrival times."""

    attempt_s: float
    connect_s: float


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
    guard: Guard
    carrier: Carrier
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
        return self.guard.state

    @property
    def transport(self) -> int:
        """What carries messages."""
        return self.carrier.transport


def changed(
    link: Link,
    state: int | None = None,
    attempt: int | None = None,
    failures: int | None = None,
    delay_s: float | None = None,
    deadline_s: float | None = None,
    started_s: float | None = None,
    opened_s: float | None = None,
    guard: Guard | None = None,
    carrier: Carrier | None = None,
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
        link.guard if guard is None else guard,
        link.carrier if carrier is None else carrier,
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
        unstable = 1 if now < link.opened_s + rules.backoff.stable_after_s else 0
        return _retreat(_settle(link, now, rules), now, rules, seed, client, hint_s, unstable)
    if move == Move.SETTLE:
        return _settle(link, now, rules)
    return _set_aside(link, move, now, rules, seed, client)


def _set_aside(link: Link, move: int, now: float, rules: LinkRules, seed: int, client: int) -> Link:
    """Make the moves that neither begin nor end an attempt."""
    if move == Move.HALT:
        return _rest(link, State.STOPPED.value, Carrier(0, link.carrier.changed_s, inf))
    if move == Move.PARK:
        return _rest(link, State.SUSPENDED.value, good_since(link.carrier, inf))
    if move == Move.HASTEN:
        return _hasten(link, now, rules, seed, client)
    if move == Move.FALL:
        carrier = good_since(fallen(link.carrier, now), inf)
        return _carried(link, carrier, inf if link.state == State.STOPPED else link.deadline_s)
    if move == Move.MEND:
        return _settle(_carried(link, good_since(link.carrier, now), inf), now, rules)
    return link


def _connect(link: Link, now: float, rules: LinkRules) -> Link:
    # A start after giving up is a fresh start; under an open breaker it counts as a probe.
    afresh = link.state == State.STOPPED
    budget = Budget(
        take(link.budget.attempt_s, now, rules.attempt_budget)
        if link.attempt > 0
        else link.budget.attempt_s,
        take(link.budget.connect_s, now, rules.connect_budget),
    )
    return changed(
        link,
        state=State.CONNECTING.value,
        attempt=0 if afresh else link.attempt,
        failures=0 if afresh else link.failures,
        deadline_s=now + rules.connect_timeout_s,
        started_s=now,
        guard=probing(link.guard),
        budget=budget,
        rationed=0,
    )


def _establish(link: Link, now: float, rules: LinkRules) -> Link:
    return changed(
        link,
        state=State.OPEN.value,
        deadline_s=inf,
        opened_s=now,
        guard=succeeded(link.guard, rules.breaker),
        carrier=good_since(link.carrier, now),
        rationed=0,
    )


def _settle(link: Link, now: float, rules: LinkRules) -> Link:
    """Reset the count once stable, return from polling once good for long enough."""
    stable_s = link.opened_s + rules.backoff.stable_after_s
    stable = now >= stable_s
    carrier = settled(link.carrier, now, rules.fallback)
    deadline_s = return_s(carrier, rules.fallback)
    return changed(
        link,
        attempt=0 if stable else link.attempt,
        failures=0 if stable else link.failures,
        deadline_s=deadline_s if stable else min(deadline_s, stable_s),
        carrier=carrier,
        rationed=0,
    )


def _retreat(
    link: Link, now: float, rules: LinkRules, seed: int, client: int, hint_s: float, failed: int
) -> Link:
    """Wait, after a failure or a loss: the latest of backoff, breaker, budget and hint."""
    attempt = link.attempt + 1
    failures = link.failures + failed
    guard = link.guard
    if failed == 1:
        guard = noted_failure(guard, failures, now, rules.breaker)
    refused = guard.state == BreakerState.OPEN
    carrier = good_since(link.carrier, inf)
    falls = carrier.transport == 0 and wants_poll(failures, refused, rules.fallback)
    if falls and may_change(carrier, now, rules.fallback):
        carrier, falls = fallen(carrier, now), False
    if failures >= rules.backoff.max_attempts:
        # Nothing fails any more, so a fallback that the dwell time forbids needs a wake.
        dwelt_s = carrier.changed_s + rules.fallback.dwell_s if falls else inf
        return changed(
            link,
            state=State.STOPPED.value,
            attempt=attempt,
            failures=failures,
            deadline_s=dwelt_s,
            guard=guard,
            carrier=carrier,
            rationed=0,
        )
    u = _draw(link, rules, seed, client)
    from_s = now
    if failed == 0 and rules.backoff.after_loss_s < inf:
        attempt, delay_s = 0, rules.backoff.after_loss_s
    else:
        delay_s = delay(rules.backoff, attempt, link.delay_s, u)
        if rules.backoff.counted_from == CountedFrom.START:
            from_s = link.started_s
    hinted_s = now + stretched(rules.backoff, hint_s, u)
    next_s = max(now, from_s + delay_s, hinted_s)
    if refused:
        next_s = max(next_s, guard.until_s)
    budget_s = _budget_s(link, rules)
    return changed(
        link,
        state=State.WAITING.value,
        attempt=attempt,
        failures=failures,
        delay_s=delay_s,
        deadline_s=max(next_s, budget_s),
        guard=guard,
        carrier=carrier,
        hinted_s=hinted_s,
        rationed=1 if budget_s > next_s else 0,
        draws=link.draws + 1,
    )


def _hasten(link: Link, now: float, rules: LinkRules, seed: int, client: int) -> Link:
    """Wait no longer than a first wait, though not less than breaker, budget and hint ask."""
    soon_s = now
    # A first attempt that had to wait for a session wakes nobody else.
    is_first = link.attempt == 0 and link.opened_s == -inf
    if rules.backoff.jitter != Jitter.NONE and not is_first:
        soon_s += ceiling(rules.backoff, 1) * _draw(link, rules, seed, client)
    soon_s = max(soon_s, link.hinted_s)
    if link.guard.state == BreakerState.OPEN:
        soon_s = max(soon_s, link.guard.until_s)
    budget_s = _budget_s(link, rules)
    return changed(
        link,
        state=State.WAITING.value,
        deadline_s=min(link.deadline_s, max(soon_s, budget_s)),
        rationed=1 if budget_s > soon_s else 0,
        draws=link.draws + 1,
    )


def _draw(link: Link, rules: LinkRules, seed: int, client: int) -> float:
    """Return the draw of this wait; a client that draws once has one for each of its lives."""
    if rules.backoff.drawn_once:
        return uniform(seed, client, Stream.WAIT_ONCE, link.draws // PER_LIFE)
    return uniform(seed, client, Stream.WAIT, link.draws)


def _budget_s(link: Link, rules: LinkRules) -> float:
    """Return the moment from which the budgets allow an attempt after a failure."""
    return max(
        ready_s(link.budget.attempt_s, rules.attempt_budget),
        ready_s(link.budget.connect_s, rules.connect_budget),
    )


def _rest(link: Link, state: int, carrier: Carrier) -> Link:
    """Make no attempt until told to."""
    return changed(link, state=state, deadline_s=inf, carrier=carrier, rationed=0)


def _carried(link: Link, carrier: Carrier, deadline_s: float) -> Link:
    return changed(link, deadline_s=deadline_s, carrier=carrier)
