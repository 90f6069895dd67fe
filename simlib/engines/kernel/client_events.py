"""Client events: what happens to one client, event after event; its link is moved by `link.step`.

What is restated here, and only here, is the order in which sim tells clients and server what
happens. What concerns a client alone and comes before the next start or stop of a fault is played
at once (``run.plays_ahead``): nothing can come between. Where the server tells clients apart
(``run.tells``), a handshake's arrival is not: it meets others. Nor is what may come together with
what others do (`may_meet`).
"""

from __future__ import annotations

from math import inf

from simlib.core.events import Reason
from simlib.core.link import step
from simlib.core.link_fields import Link
from simlib.core.link_table import Input, State
from simlib.core.server import UNAVAILABLE as _UNAVAILABLE
from simlib.core.server_settings import advised_hint_s
from simlib.core.stops import Effect, Stops, effect
from simlib.engines.kernel.attempt_events import begin_attempt, pass_on
from simlib.engines.kernel.client_counts import note_change
from simlib.engines.kernel.link_records import (
    NO_BREAKER,
    NO_BUDGET,
    NO_FALLBACK,
    NO_LIMIT,
    LinkRules,
    read_link,
    write_link,
)
from simlib.engines.kernel.room import FEW, is_short
from simlib.engines.kernel.server import abandon
from simlib.engines.kernel.state import (
    ARRIVE,
    BY_FAULT,
    CONNECTED,
    CUT,
    GIVE_UP,
    LEAVE,
    NOTHING,
    OPENED,
    PING,
    REFUSED,
    SECURED,
    SILENT,
    START,
    UNAVAILABLE,
    WAKE,
    WITH_EXTRAS,
    WITH_LANES,
    WITH_TELLS,
    Fleet,
    cohort_of,
    event,
    is_watched,
    number_of,
    wide,
    write_down,
)
from simlib.engines.kernel.timeouts import may_meet, set_timeout
from simlib.engines.kernel.wheel import put, put_wake

# Plain numbers: compiled code compares them with what stands in records.
_CONNECTING = State.CONNECTING.value
_OPEN = State.OPEN.value
_WAITING = State.WAITING.value
_START_INPUT = Input.START.value
_OPENED_INPUT = Input.OPENED.value
_FAILED_INPUT = Input.FAILED.value
_LOST_INPUT = Input.LOST.value
_WAKE_INPUT = Input.WAKE.value
_STOP_INPUT = Input.STOP.value
_END_INPUT = Input.END.value
_SUSPEND_INPUT = Input.SUSPEND.value
_ENDS = Effect.ENDS.value
_SUSPENDS = Effect.SUSPENDS.value
_CUT = Reason.RESET.value
_REFUSED = Reason.REFUSED.value
_TIMEOUT = Reason.TIMEOUT.value
_REJECTED = Reason.REJECTED.value
_SILENT = Reason.SILENT.value
#: Turns of one client in a row: it may attempt again and again at one moment, without end.
_LONGEST = 100


def follow(w: Fleet, i: int, kind: int, now: float) -> None:
    """Process an event of a client, and the events that follow as long as it is alone."""
    # The link is read once, moved as often as the client is alone, and written back once: in
    # between it is a tuple of numbers, which the compiler keeps in registers.
    run, number = w.run[0], number_of(w, i)
    policy = w.policies[cohort_of(w, i)]
    if WITH_EXTRAS:
        rules = policy
    else:
        # Nobody has a breaker, and so on: all that these would do, with its dozen divisions and
        # comparisons at each attempt, is worked out by the compiler.
        rules = LinkRules(
            policy.backoff, NO_BREAKER, NO_FALLBACK, NO_BUDGET, NO_LIMIT,
            policy.connect_timeout_s,
        )  # fmt: skip
    link, was = read_link(w, i), kind
    # Bounded, so that Ctrl-C and a look at the arrays' room come in between, even with a policy
    # that never waits.
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
            note_change(w, i, before, link, input_, reason, hint_s, now)
            now, kind = _next(w, i, link, now)
        else:
            now, kind = pass_on(w, i, link, kind, now)
        if kind == NOTHING or now >= run.duration_s:
            break
        # Played ahead, an event costs no place in the queue. That is the same as taking turns only
        # while nobody else could act before it: not over a fault's edge (`limit_s`), not where the
        # server can tell the order of arrivals (`tells`), not where events may coincide
        # (`may_meet`).
        alone = run.plays_ahead and now < run.limit_s and (kind != ARRIVE or run.tells == 0)
        alone = alone and not is_watched(w, i) and turns < _LONGEST
        alone = alone and not may_meet(w, link, now)
        if not alone or (kind in (OPENED, CONNECTED, SECURED) and is_short(w, FEW)):
            _put(w, i, link, kind, now)
            break
    # By the event that this call began with: what was played ahead since has set its own.
    set_timeout(w, i, link, was)
    write_link(w, i, link)


def _put(w: Fleet, i: int, link: Link, kind: int, now: float) -> None:
    what = event(i, link.draws, kind)
    if kind == WAKE:
        put_wake(w.wheel, now, what, i)
    else:
        put(w.wheel, now, what)


def _input_of(w: Fleet, i: int, link: Link, kind: int, now: float) -> tuple[int, int, float, int]:
    """Return what happens to a link, why, the server's hint, and its status or close code."""
    if kind == WAKE:
        return _WAKE_INPUT, 0, 0.0, 0
    if kind == OPENED:
        return _OPENED_INPUT, 0, 0.0, 0
    if kind == REFUSED:
        return _FAILED_INPUT, _REFUSED, 0.0, 0
    if WITH_TELLS and kind == UNAVAILABLE:
        server = w.server[0]
        hint_s = advised_hint_s(server, float(server.retry_after_s))
        return _FAILED_INPUT, _REJECTED, hint_s, _UNAVAILABLE
    # The same event has two meanings: a rejected attempt has failed, an open connection is lost.
    if kind >= BY_FAULT:
        input_ = _FAILED_INPUT if link.state == _CONNECTING else _LOST_INPUT
        mark = w.marks[kind - BY_FAULT]
        return input_, int(mark.reason), mark.hint_s, int(mark.code)
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
        return begin_attempt(w, i, link, now)
    if WITH_LANES and link.state == _OPEN and run.pings:
        return now + w.policies[cohort_of(w, i)].heartbeat.interval_s, PING
    return inf, NOTHING
