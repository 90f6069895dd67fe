"""What the server has to do, counted in advance: all is known when a handshake arrives.

What would be done after the next crash, or after the run, is not counted.
"""

from __future__ import annotations

from simlib.core.faults import FaultKind
from simlib.core.levels import change_level, count_in_tenth
from simlib.core.link_table import State
from simlib.engines.kernel.state import Fleet, wide
from simlib.trace.server_counts import (
    ABANDONED,
    BACKLOG,
    BUSY,
    OPENED,
    REFUSED,
    SERVED,
    THERE,
)

_CONNECTING = State.CONNECTING.value
_CRASH = FaultKind.SERVER_CRASH.value


def note_taken(
    w: Fleet, i: int, connection: int, begin_s: float, done_s: float, free_s: float, now: float
) -> None:
    """Count a handshake that a worker will begin, be done with, and be free after."""
    tenths, until_s = w.server_tenths, w.run[0].server_until_s
    if w.queue_s.size > 1:
        if begin_s > now:
            change_level(tenths, wide(BACKLOG), now, wide(1))
            change_level(tenths, wide(BACKLOG), min(begin_s, until_s), wide(-1))
        change_level(tenths, wide(BUSY), min(begin_s, until_s), wide(1))
        change_level(tenths, wide(BUSY), min(free_s, until_s), wide(-1))
        _note_wait(w, begin_s, now)
    if done_s >= until_s:
        return
    count_in_tenth(tenths, wide(SERVED), done_s, wide(1))
    c = w.clients[i]
    # Who has gone, or will have given up by then: the end of an attempt is known from its start.
    gone = c.state != _CONNECTING or connection != c.draws + 1
    if gone or done_s >= c.moment_s:
        count_in_tenth(tenths, wide(ABANDONED), done_s, wide(1))
    if w.queue_s.size > 1 and not gone:
        w.done_s[i] = done_s if done_s < c.moment_s else -1.0


def _note_wait(w: Fleet, begin_s: float, now: float) -> None:
    run = w.run[0]
    if now < run.warm_up_s:
        return
    if begin_s > now:
        w.backlog_waits_s[run.waited] = begin_s - now
        run.waited += 1
    else:
        run.begun_at_once += 1


def note_backlog(w: Fleet, now: float) -> None:
    """Note how many wait for a worker now, if they are the most so far."""
    run = w.run[0]
    if now >= run.warm_up_s and run.queued > run.worst_backlog:
        run.worst_backlog = run.queued


def note_refused(w: Fleet, decision: int, now: float) -> None:
    """Count a handshake that is refused."""
    count_in_tenth(w.server_tenths, REFUSED + decision, now, wide(1))


def note_gone(w: Fleet, i: int, now: float) -> None:
    """Count the handshake of a client that goes while a worker has it, or will have: in vain."""
    if w.queue_s.size > 1 and now <= w.done_s[i] < w.run[0].server_until_s:
        count_in_tenth(w.server_tenths, wide(ABANDONED), w.done_s[i], wide(1))
        w.done_s[i] = -1.0


def note_open(w: Fleet, by: int, now: float) -> None:
    """Count a connection that a client opens, or one that ends."""
    count_in_tenth(w.server_tenths, wide(OPENED), now, by)


def note_workers(w: Fleet, workers: int, ready_s: float) -> None:
    """Count workers that come, and stay until the server crashes."""
    until_s = w.run[0].server_until_s
    change_level(w.server_tenths, wide(THERE), min(ready_s, until_s), workers)
    change_level(w.server_tenths, wide(THERE), until_s, -workers)


def find_next_crash(w: Fleet) -> None:
    """Set the moment up to which the server goes on: its next crash, or the run's end."""
    run = w.run[0]
    run.server_until_s = run.duration_s
    for k in range(run.edge, w.edges.size):
        edge = w.edges[k]
        if edge.starts and w.faults[edge.fault].kind == _CRASH:
            run.server_until_s = edge.time_s
            return
