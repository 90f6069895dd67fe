"""The state machine of a connection: what each move changes; with breaker, fallback and budgets.

Rules of the table:
- An answer to another connection than the current one never gets here; the client sees to it.
- Breaker, backoff, budget and the server's hint each postpone; the next attempt is at the latest
  of them. If that is never, or later than the policy allows, the client gives up at once.
- A failure is an attempt that failed, or a connection lost before it was stable.
- After the loss of a stable connection a client may have a wait of its own, which is no attempt's.
- The breaker does not fight the backoff: it only moves the next attempt, and calls it a probe.
- After giving up, attempts end; the polling fallback goes on. A code that ends the client for good
  (`stops`) ends polling too.
- Suspended (offline, or without a session) there are no attempts and nothing counts as failure;
  a resumption attempts soon, jittered, and shortens a wait that is longer.

`step` uses nothing but numbers, so that it compiles (with `.value`, since a compiler does not know
`int()` of a member).
"""

from __future__ import annotations

from math import inf
from typing import Protocol

from simlib.core.backoff import Backoff, delay, delay_after_loss_s, scale_hint, soon
from simlib.core.backoff_kinds import CountedFrom, Jitter
from simlib.core.breaker import (
    Breaker,
    BreakerState,
    BreakerStatus,
    begin_probe,
    count_failure,
    count_success,
)
from simlib.core.draws import PER_LIFE, Stream, uniform
from simlib.core.fallback import (
    Fallback,
    TransportStatus,
    fall_back,
    may_change,
    return_if_due,
    return_s,
    set_good_since,
    wants_poll,
)
from simlib.core.link_fields import Budget, Link, replace_fields
from simlib.core.link_table import TABLE, Input, Move, State
from simlib.core.meters import AttemptBudget, Rate, earn, ready_s, take

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
    def attempt_budget(self) -> AttemptBudget:
        """How many attempts there may be after failures."""

    @property
    def connect_budget(self) -> Rate:
        """The limit on all attempts."""

    @property
    def connect_timeout_s(self) -> float:
        """How long an attempt may take."""


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
    is_timed = settings.backoff.give_up_after_s < inf
    if not is_timed and attempts.per_s == inf and connects.per_s == inf:
        return budget
    # A start is where time begins to count, if it does not yet; after giving up it does so anew.
    begins = is_timed and (link.state == _STOPPED or budget.since_s == inf)
    return Budget(
        # As gRPC and others ration only what they try again, not the first attempt.
        take(budget.attempt_s, now, attempts) if link.attempt > 0 else budget.attempt_s,
        take(budget.connect_s, now, connects),
        now if begins else budget.since_s,
    )


def _earn(budget: Budget, attempts: AttemptBudget) -> Budget:
    return Budget(earn(budget.attempt_s, attempts), budget.connect_s, budget.since_s)


def _count_since(budget: Budget, since_s: float) -> Budget:
    return Budget(budget.attempt_s, budget.connect_s, since_s)


def _establish(link: Link, now: float, settings: LinkSettings) -> Link:
    return replace_fields(
        link,
        state=_OPEN,
        deadline_s=inf,
        opened_s=now,
        breaker_status=count_success(link.breaker_status, settings.breaker),
        transport_status=set_good_since(link.transport_status, now),
        budget=link.budget
        if settings.attempt_budget.success_fraction == 0.0
        else _earn(link.budget, settings.attempt_budget),
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
        budget=_count_since(link.budget, inf)
        if stable and link.budget.since_s < inf
        else link.budget,
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
    # Two counts: `attempt` makes waits grow and includes the loss itself; `failures` trips the
    # breaker, starts polling and ends the client, and does not. So ten attempts after a loss wait
    # 1, 2, 4 ... and the tenth failure gives up.
    backoff, budget = settings.backoff, link.budget
    failures = link.failures + failed
    goes_on = failures < backoff.max_attempts
    # One draw a wait, whatever the wait needs it for: so the index of a draw is the number of
    # waits, and the same in all engines.
    u = _draw(link, settings, seed, client) if goes_on else 0.5
    breaker_status = link.breaker_status
    # A stable connection that was lost counts as an attempt of the backoff, and as no failure: it
    # must not trip the breaker, nor use up `max_attempts`.
    if failed == 1:
        breaker_status = count_failure(breaker_status, failures, now, settings.breaker, u)
    refused = breaker_status.state == _TRIPPED
    transport_status = set_good_since(link.transport_status, inf)
    # Asked before giving up: a client that makes no more attempts must still be able to poll.
    falls = transport_status.transport == 0 and wants_poll(failures, refused, settings.fallback)
    if falls and may_change(transport_status, now, settings.fallback):
        transport_status, falls = fall_back(transport_status, now), False
    if backoff.give_up_after_s < inf and budget.since_s == inf:
        budget = _count_since(budget, now)
    attempt, delay_s, from_s = _draw_wait(link, now, backoff, failed, u)
    hinted_s = now if hint_s == 0.0 else now + scale_hint(backoff, hint_s, u)
    # Each may only postpone: whichever asks for the longest wait decides.
    next_s = max(now, from_s + delay_s, hinted_s)
    if refused:
        next_s = max(next_s, breaker_status.until_s)
    budget_s = _budget_s(link, settings)
    deadline_s = max(next_s, budget_s)
    is_late = deadline_s == inf or deadline_s > budget.since_s + backoff.give_up_after_s
    if is_late or not goes_on:
        # Nothing fails any more, so a fallback that the dwell time forbids needs a wake.
        dwelt_s = transport_status.changed_s + settings.fallback.dwell_s if falls else inf
        return _give_up(link, failures, dwelt_s, breaker_status, transport_status)
    # All fields at once and by place: in sim this is the most frequent link of all, and
    # `replace_fields` would take four times as long.
    return Link(
        _WAITING,
        attempt,
        failures,
        delay_s,
        deadline_s,
        link.started_s,
        link.opened_s,
        breaker_status,
        transport_status,
        budget,
        hinted_s,
        1 if budget_s > next_s else 0,
        link.draws + 1,
    )


def _give_up(
    link: Link,
    failures: int,
    deadline_s: float,
    breaker_status: BreakerStatus,
    transport_status: TransportStatus,
) -> Link:
    """Make no further attempt: the policy's last one has failed."""
    return replace_fields(
        link,
        state=_STOPPED,
        attempt=link.attempt + 1,
        failures=failures,
        deadline_s=deadline_s,
        breaker_status=breaker_status,
        transport_status=transport_status,
        rationed=0,
    )


def _draw_wait(
    link: Link, now: float, backoff: Backoff, failed: int, u: float
) -> tuple[int, float, float]:
    """Return the count of attempts, the backoff's wait, and the moment from which it counts."""
    if failed == 0 and backoff.after_loss_s < inf:
        return 0, delay_after_loss_s(backoff, u), now
    # From the backoff's own last wait, not from the postponed one: a long hint must not make
    # decorrelated jitter grow.
    delay_s = delay(backoff, link.attempt + 1, link.delay_s, u)
    from_s = link.started_s if backoff.counted_from == _FROM_START else now
    return link.attempt + 1, delay_s, from_s


def _reconnect_soon(link: Link, now: float, settings: LinkSettings, seed: int, client: int) -> Link:
    """After a resumption, wait at most one first wait, but respect breaker, budget and hint."""
    soon_s = now
    # A first attempt that had to wait for a session wakes nobody else.
    # Jitter here is for clients that come back together, such as all tabs of a laptop that wakes
    # up.
    is_first = link.attempt == 0 and link.opened_s == -inf
    if settings.backoff.jitter != _NO_JITTER and not is_first:
        soon_s += soon(settings.backoff, 1, 0.0, _draw(link, settings, seed, client))
    soon_s = max(soon_s, link.hinted_s)
    if link.breaker_status.state == _TRIPPED:
        soon_s = max(soon_s, link.breaker_status.until_s)
    budget_s = _budget_s(link, settings)
    if min(link.deadline_s, budget_s) == inf:
        # Neither time nor a success will ever allow an attempt.
        return _stand_still(link, _STOPPED, link.transport_status)
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
    """Make no attempt until the next input asks for one; time counts anew from there."""
    return replace_fields(
        link,
        state=state,
        deadline_s=inf,
        transport_status=transport_status,
        budget=link.budget if link.budget.since_s == inf else _count_since(link.budget, inf),
        rationed=0,
    )


def _switch_transport(link: Link, transport_status: TransportStatus, deadline_s: float) -> Link:
    return replace_fields(link, deadline_s=deadline_s, transport_status=transport_status)
