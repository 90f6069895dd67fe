"""Client events: what happens to one client, event after event; its link is moved by `link.step`.

What is restated here, and only here, is the order in which sim tells clients and server what
happens. What concerns a client alone and comes before the next start or stop of a fault is played
at once (``run.plays_ahead``): nothing can come between. Where the server tells clients apart
(``run.tells``), a handshake's arrival is not: it meets others. Nor is what may come together with
what others do (`_meets`).
"""

from __future__ import annotations

from collections import namedtuple
from dataclasses import fields
from math import inf
from typing import Any, NamedTuple

from simlib.core.backoff import useful_after_s
from simlib.core.breaker import Breaker, BreakerState, BreakerStatus
from simlib.core.events import Reason
from simlib.core.fallback import Fallback, TransportStatus
from simlib.core.faults import FaultKind
from simlib.core.heartbeat import next_ping_s
from simlib.core.link import Budget, Input, Link, State, step
from simlib.core.meters import Rate
from simlib.core.server import UNAVAILABLE as _UNAVAILABLE
from simlib.core.stops import Effect, Stops, effect
from simlib.engines.kernel.fault_targets import strikes
from simlib.engines.kernel.network import connected_s, down_s, up_s
from simlib.engines.kernel.server import abandon, enter, send_abandoned, shun
from simlib.engines.kernel.state import (
    ADMIT,
    ARRIVE,
    BY_FAULT,
    CONNECTED,
    CUT,
    DID_ADMIT,
    DISMISSED,
    ENDS,
    GIVE_UP,
    GIVE_UPS,
    GREETED,
    LAST_TURN,
    LEAVE,
    LEAVES,
    MENDS,
    MOST_ATTEMPTS,
    NOTHING,
    OPENED,
    OPENS,
    PING,
    PINGED,
    PONGED,
    REASONS,
    REFUSED,
    SENT,
    SILENT,
    START,
    TAKEN,
    TOLD_PONG,
    TRIPS,
    UNAVAILABLE,
    WAKE,
    WITH_EXTRAS,
    WITH_LANES,
    WITH_ORDERS,
    WITH_TELLS,
    WITH_WATCHED,
    Fleet,
    count_attempt,
    count_event,
    counted_s,
    event,
    is_watched,
    number_of,
    wide,
    write_down,
)
from simlib.engines.kernel.wheel import is_full, put
from simlib.engines.sizes import (
    ANSWER_BYTES,
    HANDSHAKE_DOWN_BYTES,
    HANDSHAKE_UP_BYTES,
    PING_BYTES,
    PONG_BYTES,
)

# Plain numbers: compiled code compares them with what stands in records.
_CONNECTING, _OPEN, _WAITING = State.CONNECTING.value, State.OPEN.value, State.WAITING.value
_STOPPED = State.STOPPED.value
_START_INPUT, _OPENED_INPUT, _FAILED_INPUT = (
    Input.START.value,
    Input.OPENED.value,
    Input.FAILED.value,
)
_LOST_INPUT, _WAKE_INPUT, _STOP_INPUT = Input.LOST.value, Input.WAKE.value, Input.STOP.value
_END_INPUT, _SUSPEND_INPUT = Input.END.value, Input.SUSPEND.value
_ENDS, _SUSPENDS = Effect.ENDS.value, Effect.SUSPENDS.value
_CUT, _REFUSED, _TIMEOUT = Reason.RESET.value, Reason.REFUSED.value, Reason.TIMEOUT.value
_REJECTED, _SILENT = Reason.REJECTED.value, Reason.SILENT.value
_TRIPPED = BreakerState.OPEN.value
#: Events that one event adds at most.
FEW = 4
#: Turns of one client in a row: it may attempt again and again at one moment, without end.
_LONGEST = 100
_OUTAGE, _REJECT = FaultKind.OUTAGE.value, FaultKind.REJECT.value


def follow(w: Fleet, i: int, kind: int, now: float) -> None:
    """Process an event of a client, and the events that follow as long as it is alone."""
    # The link is read once, moved as often as the client is alone, and written back once: in
    # between it is a tuple of numbers, which the compiler keeps in registers.
    run, number = w.run[0], number_of(w, i)
    policy = w.policies[w.clients[i].cohort]
    if WITH_EXTRAS:
        rules = policy
    else:
        # Nobody has a breaker, and so on: all that these would do, with its dozen divisions and
        # comparisons at each attempt, is worked out by the compiler.
        rules = _LinkRules(
            policy.backoff, _NO_BREAKER, _NO_FALLBACK, _NO_LIMIT, _NO_LIMIT,
            policy.connect_timeout_s,
        )  # fmt: skip
    link, was = _link(w, i), kind
    for turns in range(1, _LONGEST + 1):
        # Two sorts of events: those that are an input of the link (and move it), and those of its
        # network and server, which only say what comes next.
        if kind < CONNECTED or kind >= BY_FAULT:
            before = link
            input_, reason, hint_s, code = _input_of(w, i, before, kind, now)
            # What a watched client finds out by its own deadline is left out: the core's client, to
            # which the log is fed again (`fleet/watched.py`), finds it out by itself.
            if input_ != _WAKE_INPUT and kind != SILENT:
                write_down(w, i, link.draws + 1, wide(input_), reason, hint_s, wide(code), now)
            # Before the link hears of it: whether a code ends a client is no matter of the link's
            # state.
            if code > 0:
                input_ = _classify_end(policy.stops, code, input_)
            link = step(before, input_, now, rules, run.seed, number, hint_s)
            _note(w, i, before, link, input_, reason, hint_s, now)
            now, kind = _next(w, i, link, now)
        else:
            now, kind = _pass(w, i, link, kind, now)
        if kind == NOTHING or now >= run.duration_s:
            break
        # Played ahead, an event costs no place in the queue. That is the same as taking turns only
        # while nobody else could act before it: not over a fault's edge (`limit_s`), not where the
        # server can tell the order of arrivals (`tells`), not where events may coincide (`_meets`).
        alone = run.plays_ahead and now < run.limit_s and (kind != ARRIVE or run.tells == 0)
        alone = alone and not is_watched(w, i) and turns < _LONGEST
        alone = alone and not _meets(w, link, now)
        if not alone or (kind in (OPENED, CONNECTED) and is_short(w, FEW)):
            put(w.wheel, now, event(i, link.draws, kind))
            break
    # By the event that this call began with: what was played ahead since has set its own.
    _set_timeout(w, i, link, was)
    _keep(w, i, link)


def _meets(w: Fleet, link: Link, time_s: float) -> bool:
    """Whether a client may come to a moment with others, in an order that the server tells.

    While clients start that may be so of those that have drawn no wait yet, and of those that are
    open: they may have waited behind such a one, and the server learns when they end.
    """
    run = w.run[0]
    if WITH_TELLS and run.is_ordered:
        return True
    if WITH_TELLS and time_s < run.even_s:
        if link.state == _CONNECTING:
            return link.draws == 0
        return link.state == _OPEN and run.tracks > 0
    return False


def _set_timeout(w: Fleet, i: int, link: Link, kind: int) -> None:
    """Schedule an explicit time-out event where the order of simultaneous time-outs matters.

    It is the order in which they began. Elsewhere a timeout is an event only if it will come.
    """
    if WITH_TELLS:
        if link.state == _CONNECTING and kind in (START, WAKE):
            if _meets(w, link, link.deadline_s):
                put(w.wheel, link.deadline_s, event(i, link.draws, GIVE_UP))
        elif link.state == _OPEN and kind == PING and _meets(w, link, w.lanes[i].timeout_s):
            put(w.wheel, w.lanes[i].timeout_s, event(i, link.draws, SILENT))


def times_out(w: Fleet, i: int, kind: int, now: float) -> bool:
    """Whether what was to time out now still waits for its answer."""
    if kind == GIVE_UP:
        return bool(w.clients[i].state == _CONNECTING)
    if kind == WAKE:
        return bool(w.clients[i].state == _WAITING)
    if WITH_LANES and kind == SILENT:
        return bool(w.lanes[i].timeout_s == now)
    return True


def wakes_instead(w: Fleet, i: int, now: float) -> bool:
    """Whether a wait ends at the moment at which the attempt before it would have timed out.

    Where the order matters, it then ends when the time-out would have come: sim has one alarm for
    both, and does not set it anew for the same moment. Not if the connection opened in between.
    """
    c = w.clients[i]
    if c.state != _WAITING or c.deadline_s != now:
        return False
    return bool(c.lost_s == inf or c.lost_s + w.policies[c.cohort].connect_timeout_s < now)


def _at_timeout(w: Fleet, link: Link, timeout_s: float, kind: int) -> tuple[float, int]:
    return (inf, NOTHING) if _meets(w, link, timeout_s) else (timeout_s, kind)


def is_short(w: Fleet, more: int) -> bool:
    """Whether an array lacks room for so many more events, and for what one event writes.

    Compiled code checks no bounds.
    """
    run = w.run[0]
    times = 2 * w.interruptions.size
    if (
        is_full(w.wheel, more)
        or run.returned + 2 >= w.downtime_s.size
        or run.recovered + times >= w.recovery_s.size
        or run.detected + times >= w.detection_s.size
    ):
        return True
    if WITH_TELLS and w.queue_s.size > 1 and run.queued + 1 >= w.queue_s.size:
        return True
    if (WITH_LANES or WITH_TELLS) and _has_few_places(w):
        return True
    return bool(WITH_WATCHED and run.logged + 2 * run.watched + 8 >= w.log.size)


def _has_few_places(w: Fleet) -> bool:
    """Whether there is no second place for an abandoned handshake."""
    free = w.run[0].abandoned_free
    return bool(free < 0 or w.abandoned[free].next < 0)


def _input_of(w: Fleet, i: int, link: Link, kind: int, now: float) -> tuple[int, int, float, int]:
    """Return what happens to a link, why, the server's hint, and its status or close code."""
    if kind == WAKE:
        return _WAKE_INPUT, 0, 0.0, 0
    if kind == OPENED:
        return _OPENED_INPUT, 0, 0.0, 0
    if kind == REFUSED:
        return _FAILED_INPUT, _REFUSED, 0.0, 0
    if WITH_TELLS and kind == UNAVAILABLE:
        return _FAILED_INPUT, _REJECTED, float(w.server[0].retry_after_s), _UNAVAILABLE
    if kind >= BY_FAULT:
        input_ = _FAILED_INPUT if link.state == _CONNECTING else _LOST_INPUT
        mark, fault = w.marks[kind - BY_FAULT], w.faults[kind - BY_FAULT]
        return input_, int(mark.reason), float(fault.retry_after_s), int(mark.code)
    if kind == CUT:
        if link.state == _OPEN:
            return _LOST_INPUT, _CUT, 0.0, 0
        return _FAILED_INPUT, _REFUSED, 0.0, 0
    if kind == START:
        return _START_INPUT, 0, 0.0, 0
    return _close_client(w, i, link, kind, now)


def _classify_end(rules: Stops, code: int, input_: int) -> int:
    """Return the link's input for an end with a code: failed or lost, end, or suspend."""
    what = effect(rules, code)
    if what == _ENDS:
        return _END_INPUT
    return _SUSPEND_INPUT if what == _SUSPENDS else input_


def _close_client(
    w: Fleet, i: int, link: Link, kind: int, now: float
) -> tuple[int, int, float, int]:
    """Close the client's attempt or connection, and return the link's input."""
    if WITH_LANES and (link.state == _CONNECTING or link.state == _OPEN):
        abandon(w, i, link.draws + 1, kind == LEAVE, now)
    if kind == GIVE_UP:
        return _WAKE_INPUT, _TIMEOUT, 0.0, 0
    if WITH_LANES and kind == SILENT:
        return _LOST_INPUT, _SILENT, 0.0, 0
    return _STOP_INPUT, 0, 0.0, 0


def _next(w: Fleet, i: int, link: Link, now: float) -> tuple[float, int]:
    """Return when something happens next to a link as it stands, and what."""
    run = w.run[0]
    if link.state == _WAITING:
        return link.deadline_s, WAKE
    if link.state == _CONNECTING:
        return _connect(w, i, link, now)
    if WITH_LANES and link.state == _OPEN and run.pings:
        return now + w.policies[w.clients[i].cohort].heartbeat.interval_s, PING
    return inf, NOTHING


def _connect(w: Fleet, i: int, link: Link, now: float) -> tuple[float, int]:
    run = w.run[0]
    w.clients[i].stage = GREETED
    if WITH_EXTRAS and run.is_ordered:
        w.extras[i].rank = run.ranks
        run.ranks += 1
    # The lanes' draws are numbered in the order of sending, so the round trip draws before it is
    # asked whether anybody answers: sim does, too.
    there_s = connected_s(w, i, now)
    if there_s > link.deadline_s:
        return _at_timeout(w, link, link.deadline_s, GIVE_UP)
    # A round trip, whether it is refused or not.
    refused = run.crashes > 0 or (run.outages > 0 and strikes(w, _OUTAGE, i, now) >= 0)
    return there_s, REFUSED if refused else CONNECTED


def _pass(w: Fleet, i: int, link: Link, kind: int, now: float) -> tuple[float, int]:
    """Process an event that is no input of the link; return time and kind of the next event."""
    timeout_s = link.deadline_s
    if kind == CONNECTED:
        w.clients[i].stage = SENT
        arrival_s = up_s(w, i, now, HANDSHAKE_UP_BYTES)
        if arrival_s < timeout_s:
            return arrival_s, ARRIVE
        if (WITH_LANES or WITH_TELLS) and arrival_s < inf:
            send_abandoned(w, i, link.draws + 1, arrival_s)
        return _at_timeout(w, link, timeout_s, GIVE_UP)
    if kind == ARRIVE:
        return _arrive(w, i, link, now)
    if WITH_LANES and kind != ADMIT:
        return _beat(w, i, link, kind, now)
    return _admit(w, i, link, now)


def _admit(w: Fleet, i: int, link: Link, now: float) -> tuple[float, int]:
    run = w.run[0]
    write_down(w, i, link.draws + 1, wide(DID_ADMIT), wide(0), 0.0, wide(0), now)
    if WITH_LANES and run.has_lanes:
        w.lanes[i].rank = run.ranks
        run.ranks += 1
    # From here on the server has it open, though the client does not know yet: a fault may end it
    # first.
    open_s, kind = down_s(w, i, now, HANDSHAKE_DOWN_BYTES), OPENED
    if open_s >= link.deadline_s:
        open_s, kind = _at_timeout(w, link, link.deadline_s, GIVE_UP)
    if (WITH_ORDERS or WITH_WATCHED) and run.tracks > 1:
        if kind != NOTHING:
            # What says that it ends follows what says that it is open.
            put(w.wheel, open_s, event(i, link.draws, kind))
            kind = NOTHING
        shun(w, i, now)
    return open_s, kind


def _arrive(w: Fleet, i: int, link: Link, now: float) -> tuple[float, int]:
    run, c, timeout_s = w.run[0], w.clients[i], link.deadline_s
    # A fault that rejects stands before the server: what it rejects takes no place in the queue.
    fault = strikes(w, _REJECT, i, now) if run.rejects > 0 else -1
    if fault < 0:
        done_s = enter(w, i, link.draws + 1, now)
        if done_s >= 0.0:
            c.stage = TAKEN
            if WITH_LANES and run.has_lanes:
                w.lanes[i].done_s = done_s
            if done_s <= now:
                # The server answers at once, before it hears of anybody else.
                return _admit(w, i, link, now)
            if WITH_TELLS:
                if done_s < timeout_s:
                    return done_s, ADMIT
                return _at_timeout(w, link, timeout_s, GIVE_UP)
    # The server is done with it, so whatever ends it from here on leaves nothing behind there.
    c.stage = DISMISSED
    answered_s = down_s(w, i, now, ANSWER_BYTES)
    if answered_s >= timeout_s:
        return _at_timeout(w, link, timeout_s, GIVE_UP)
    return answered_s, UNAVAILABLE if fault < 0 else BY_FAULT + fault


def _beat(w: Fleet, i: int, link: Link, kind: int, now: float) -> tuple[float, int]:
    """Ping, or carry a ping or its answer."""
    lane, heartbeat = w.lanes[i], w.policies[w.clients[i].cohort].heartbeat
    if kind == PING:
        lane.timeout_s = now + heartbeat.timeout_s
        arrival_s = up_s(w, i, now, PING_BYTES)
        if arrival_s <= lane.timeout_s:
            return arrival_s, PINGED
        return _at_timeout(w, link, lane.timeout_s, SILENT)
    if kind == PINGED:
        answer_s = down_s(w, i, now, PONG_BYTES)
        if answer_s < lane.timeout_s:
            return answer_s, PONGED
        return _at_timeout(w, link, lane.timeout_s, SILENT)
    write_down(w, i, link.draws + 1, wide(TOLD_PONG), wide(0), 0.0, wide(0), now)
    ping_s = next_ping_s(now, lane.timeout_s, heartbeat)
    lane.timeout_s = inf
    return ping_s, PING


# --- what is counted ---------------------------------------------------------------------


def _note(
    w: Fleet, i: int, before: Link, link: Link, input_: int, reason: int, hint_s: float, now: float
) -> None:
    """Count what has changed in a link."""
    run, c = w.run[0], w.clients[i]
    if reason > 0:
        count_event(w, now, REASONS + reason)
    if link.state == _WAITING:
        _note_wait(w, c.cohort, link, reason, hint_s, now)
    elif link.state == _CONNECTING:
        count_attempt(w, now)
    elif link.state == _OPEN:
        count_event(w, now, OPENS)
        _note_recovery(w, c.lost_s, before.opened_s, now)
        _note_return(w, c.lost_s, now)
    elif input_ == _STOP_INPUT:
        _note_leaving(w, i, now)
    elif link.state == _STOPPED:
        count_event(w, now, GIVE_UPS)
    if before.state == _OPEN and link.state != _OPEN:
        run.open_s += counted_s(w, before.opened_s, now)
        if input_ != _STOP_INPUT:
            count_event(w, now, ENDS)
            _note_loss(w, i, before.opened_s, now)
    if WITH_EXTRAS and link.breaker_status.state != before.breaker_status.state:
        _note_breaker(w, i, before.breaker_status.state, link.breaker_status.state, now)


def _note_wait(w: Fleet, cohort: int, link: Link, reason: int, hint_s: float, now: float) -> None:
    if now < w.run[0].warm_up_s:
        return
    k = min(link.attempt, MOST_ATTEMPTS - 1)
    wait_s = link.deadline_s - now
    answered = reason not in (_TIMEOUT, _SILENT)
    alone = (
        answered and hint_s == 0.0 and link.rationed == 0 and link.breaker_status.state != _TRIPPED
    )
    # Columns of waits: count and sum of those that breaker, hint, budget or a time-out had a say
    # in, then of those that the backoff alone decided. `arrays.tally` adds both for the mean.
    which = 2 if alone else 0
    w.waits[cohort, k, which] += 1.0
    w.waits[cohort, k, which + 1] += wait_s


def _note_leaving(w: Fleet, i: int, now: float) -> None:
    run = w.run[0]
    count_event(w, now, LEAVES)
    run.left += 1
    run.left_s += max(now, run.warm_up_s)
    # Nobody waits for it any more.
    w.clients[i].lost_s = inf
    if WITH_EXTRAS and run.has_extras and w.extras[i].breaker == _TRIPPED:
        run.tripped_s += counted_s(w, w.extras[i].tripped_s, now)
        w.extras[i].tripped_s = inf


def _note_recovery(w: Fleet, lost_s: float, opened_s: float, now: float) -> None:
    run = w.run[0]
    if lost_s == inf:
        return
    for k in range(w.interruptions.size):
        f = w.interruptions[k]
        # `metrics/fault_times.py` says the same of a trace: hit is who was open before the fault's
        # end and had left OPEN by the time at which losses are still put down to the fault.
        if f.ended == 0 or opened_s >= f.end_s or lost_s > f.noticed_s:
            continue
        if now >= f.end_s:
            w.recovery_s[run.recovered] = now - f.end_s
            run.recovered += 1
        elif lost_s >= f.start_s:
            f.back += 1


def _note_return(w: Fleet, lost_s: float, now: float) -> None:
    run = w.run[0]
    if run.warm_up_s <= lost_s < inf:
        w.downtime_s[run.returned] = now - lost_s
        run.returned += 1


def _note_loss(w: Fleet, i: int, opened_s: float, now: float) -> None:
    run, c = w.run[0], w.clients[i]
    if opened_s >= run.warm_up_s and now < opened_s + useful_after_s(w.policies[c.cohort].backoff):
        run.unstable += 1
    for k in range(w.interruptions.size):
        f = w.interruptions[k]
        again = now <= f.noticed_s and opened_s < f.end_s
        if again and f.ended and f.start_s <= c.lost_s <= f.noticed_s:
            # It was back, and is hit a second time: only a client's last return counts, so the
            # first one is taken off.
            f.back -= 1
    c.lost_s = now
    _note_detection(w, opened_s, now)


def _note_detection(w: Fleet, opened_s: float, now: float) -> None:
    run = w.run[0]
    for k in range(w.interruptions.size):
        f = w.interruptions[k]
        if opened_s < f.start_s == now:
            run.detected_at_once += 1
        elif opened_s < f.start_s <= now <= f.noticed_s:
            w.detection_s[run.detected] = now - f.start_s
            run.detected += 1


def _note_breaker(w: Fleet, i: int, before: int, after: int, now: float) -> None:
    run = w.run[0]
    count_event(w, now, MENDS if after == 0 else TRIPS - 1 + after)
    if after == _TRIPPED:
        w.extras[i].tripped_s = now
    elif before == _TRIPPED:
        run.tripped_s += counted_s(w, w.extras[i].tripped_s, now)


# --- what a link follows ------------------------------------------------------------------


class _LinkRules(NamedTuple):
    """What `link.step` reads of a client's settings."""

    backoff: Any
    breaker: Any
    fallback: Any
    attempt_budget: Any
    connect_budget: Any
    connect_timeout_s: float


def _constant(settings: Any) -> Any:
    """Return settings as a tuple of numbers, which compiled code takes for constants."""
    numbers = {item.name: getattr(settings, item.name) for item in fields(settings)}
    kind = namedtuple(type(settings).__name__, numbers)  # type: ignore[misc]
    return kind(*(int(n) if isinstance(n, int) else n for n in numbers.values()))


_NO_BREAKER, _NO_FALLBACK = _constant(Breaker()), _constant(Fallback())
_NO_LIMIT = _constant(Rate())


# --- a link in its records ---------------------------------------------------------------


def _link(w: Fleet, i: int) -> Link:
    c = w.clients[i]
    breaker_status, budget, delay_s = BreakerStatus(0, 0.0, 0, 0, 0, 0), Budget(0.0, 0.0), 0.0
    started_s = 0.0
    if WITH_EXTRAS and w.run[0].has_extras:
        e = w.extras[i]
        breaker_status = BreakerStatus(
            wide(e.breaker), e.until_s, wide(e.probes), wide(e.trips), e.outcomes, wide(e.seen)
        )
        budget, delay_s = Budget(e.attempt_s, e.connect_s), e.delay_s
        started_s = e.started_s
    return Link(
        # Fields in the order of `Link`; transport and rationing are what they are without a
        # fallback.
        wide(c.state), wide(c.attempt), wide(c.failures), delay_s, c.deadline_s, started_s,
        c.opened_s, breaker_status, TransportStatus(0, -inf, inf), budget, 0.0, 0, wide(c.draws),
    )  # fmt: skip


def _keep(w: Fleet, i: int, link: Link) -> None:
    c = w.clients[i]
    c.state = link.state
    c.attempt = link.attempt
    c.failures = link.failures
    c.deadline_s = link.deadline_s
    c.opened_s = link.opened_s
    c.draws = link.draws
    if link.draws >= LAST_TURN:
        # Its next events could not be told from those of its first draws.
        w.run[0].is_worn_out = 1
    if WITH_EXTRAS and w.run[0].has_extras:
        e = w.extras[i]
        e.breaker, e.until_s, e.probes = (
            link.breaker_status.state,
            link.breaker_status.until_s,
            link.breaker_status.probes,
        )
        e.trips, e.outcomes, e.seen = (
            link.breaker_status.trips,
            link.breaker_status.outcomes,
            link.breaker_status.seen,
        )
        e.attempt_s, e.connect_s = link.budget.attempt_s, link.budget.connect_s
        e.delay_s, e.started_s = link.delay_s, link.started_s
