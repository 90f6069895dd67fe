"""What is counted when a link has changed: attempts, waits, losses, recoveries, breakers.

The same definitions as in `simlib.metrics`, which counts the rows of a trace; here there are no
rows, so everything is counted as it happens.
"""

from __future__ import annotations

from math import inf
from typing import Any

from simlib.core.backoff import useful_after_s
from simlib.core.breaker import BreakerState
from simlib.core.events import Reason
from simlib.core.link_fields import Link
from simlib.core.link_table import Input, State
from simlib.engines.kernel.server_counts import note_open
from simlib.engines.kernel.state import (
    ENDS,
    GIVE_UPS,
    LEAVES,
    MENDS,
    MOST_ATTEMPTS,
    OPENS,
    REASONS,
    TRIPS,
    WITH_EXTRAS,
    WITH_TELLS,
    Fleet,
    cohort_of,
    count_attempt,
    count_event,
    counted_s,
    wide,
)

# Plain numbers: compiled code compares them with what stands in records.
_CONNECTING = State.CONNECTING.value
_OPEN = State.OPEN.value
_WAITING = State.WAITING.value
_STOPPED = State.STOPPED.value
_STOP_INPUT = Input.STOP.value
_TIMEOUT = Reason.TIMEOUT.value
_SILENT = Reason.SILENT.value
_TRIPPED = BreakerState.OPEN.value


def note_change(
    w: Fleet, i: int, before: Link, link: Link, input_: int, reason: int, hint_s: float, now: float
) -> None:
    """Count what has changed in a link."""
    run = w.run[0]
    if before.state == _OPEN and link.state != _OPEN:
        run.open_s += counted_s(w, before.opened_s, now)
        _note_return(w, i, before.opened_s)
        _note_open(w, wide(-1), now)
    if reason > 0:
        count_event(w, now, REASONS + reason)
    if link.state == _WAITING:
        _note_wait(w, cohort_of(w, i), link, reason, hint_s, now)
    elif link.state == _CONNECTING:
        count_attempt(w, now)
    elif link.state == _OPEN:
        count_event(w, now, OPENS)
        _note_open(w, wide(1), now)
        _note_early_return(w, i, now)
    elif input_ == _STOP_INPUT:
        _note_leaving(w, i, now)
    elif link.state == _STOPPED:
        count_event(w, now, GIVE_UPS)
    if before.state == _OPEN and link.state != _OPEN and input_ != _STOP_INPUT:
        count_event(w, now, ENDS)
        _note_loss(w, i, before.opened_s, now)
    if WITH_EXTRAS and link.breaker_status.state != before.breaker_status.state:
        _note_breaker(w, i, before.breaker_status.state, link.breaker_status.state, now)


def _note_open(w: Fleet, by: int, now: float) -> None:
    if WITH_TELLS:
        note_open(w, by, now)


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
    # in, then of those that the backoff alone decided. `tallies.tally` adds both for the mean.
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


def _note_early_return(w: Fleet, i: int, now: float) -> None:
    """Count a client that is OPEN again before the end of a fault that hit it."""
    c = w.clients[i]
    if c.lost_s == inf:
        return
    for k in range(w.interruptions.size):
        f = w.interruptions[k]
        if f.ended and is_hit_by(f, k, c) and f.start_s <= c.lost_s and now < f.end_s:
            f.back += 1


def _note_return(w: Fleet, i: int, opened_s: float) -> None:
    """Count how long a client was away before the connection that ends now.

    Not when it opened: until then, `moment_s` and `lost_s` tell it, and of most clients that is to
    the end of the run (`tallies.py`). So a million times to recover take no memory of their own.
    """
    run, c = w.run[0], w.clients[i]
    if c.lost_s == inf:
        return
    if run.warm_up_s <= c.lost_s:
        w.downtime_s[run.returned] = opened_s - c.lost_s
        run.returned += 1
    for k in range(w.interruptions.size):
        f = w.interruptions[k]
        if f.ended and is_hit_by(f, k, c) and f.end_s <= opened_s:
            w.recovery_s[run.recovered] = opened_s - f.end_s
            run.recovered += 1


def is_hit_by(fault: Any, place: int, clients: Any) -> Any:
    """Whether an interruption hit clients that are away, or were: one or an array of them.

    `metrics/fault_times.py` says the same of a trace: hit is who was open before the fault's end
    and had left OPEN by the time at which losses are still put down to the fault.
    """
    return (clients.lost_s <= fault.noticed_s) & (clients.over <= place)


def _note_loss(w: Fleet, i: int, opened_s: float, now: float) -> None:
    run, c = w.run[0], w.clients[i]
    if opened_s >= run.warm_up_s and now < opened_s + useful_after_s(
        w.policies[cohort_of(w, i)].backoff
    ):
        run.unstable += 1
    for k in range(w.interruptions.size):
        f = w.interruptions[k]
        again = now <= f.noticed_s and opened_s < f.end_s
        if again and f.ended and f.start_s <= c.lost_s <= f.noticed_s:
            # It was back, and is hit a second time: only a client's last return counts, so the
            # first one is taken off.
            f.back -= 1
    c.lost_s = now
    c.over = 0
    while c.over < w.interruptions.size and w.interruptions[c.over].end_s <= opened_s:
        c.over += 1
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
