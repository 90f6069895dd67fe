"""What the arrays of a gateway's run hold at its end, as a `Tally`."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import Any, NamedTuple

import numpy as np

from simlib.core.arrivals import StartTimes
from simlib.core.breaker import BreakerState
from simlib.core.errors import EngineError
from simlib.core.events import Reason
from simlib.core.link_table import State
from simlib.engines.kernel.client_counts import is_hit_by
from simlib.engines.kernel.state import Fleet
from simlib.trace.counts import TENTHS_PER_S, Tally
from simlib.trace.server_counts import ServerCounts

#: Clients whose times are added up at a time: another number gives other last bits.
_ADDED_AT_A_TIME = 1 << 18
#: Clients that are counted at a time.
_AT_A_TIME = 1 << 16
_OPEN, _TRIPPED = State.OPEN.value, BreakerState.OPEN.value
_COLUMNS = (
    "attempts", "opens", "ends", "queued", "served", "trips", "probes", "mends", "gave_up", "left",
    *(reason.name.lower() for reason in Reason),
)  # fmt: skip


def tally(w: Fleet, end_s: float) -> Tally:
    """Return what was counted up to a moment; it takes the clients apart, and so is for once."""
    run = w.run[0]
    _check(w)
    # Nothing is to come any more.
    w.wheel.far.resize(0, refcheck=False)
    waits = w.waits.transpose(0, 2, 1)
    bins, early = _bins(w, max(1, int(np.ceil(end_s))))
    # Of a run that ends before its warm-up no time counts.
    last_s = max(end_s, float(run["warm_up_s"]))
    there_s = _there_s(w, last_s)
    open_s = float(run["open_s"] + _since(w, w.clients, "state", _OPEN, "moment_s", last_s))
    recovery_s, downtime_s = _times_of_returns(w, end_s)
    detection_s = _Times(int(run["detected_at_once"]), int(run["detected"]))
    detection_s.add(w.detection_s[: run["detected"]])
    return Tally(
        bins=bins,
        columns=_COLUMNS,
        recovery_s=recovery_s,
        detection_s=detection_s.in_order(),
        downtime_s=downtime_s,
        unstable=int(run["unstable"]),
        tenths=w.tenths[: TENTHS_PER_S * len(bins)],
        waits=np.concatenate([waits[:, :2] + waits[:, 2:], waits[:, 2:]], axis=1),
        there_s=there_s,
        open_s=open_s,
        breaker_open_s=float(
            run["tripped_s"] + _since(w, w.extras, "breaker", _TRIPPED, "tripped_s", last_s)
        ),
        early=early,
        servers=_servers(w, TENTHS_PER_S * len(bins)),
    )


def _servers(w: Fleet, tenths: int) -> tuple[ServerCounts, ...]:
    """Return the counts of the server, if it has limits."""
    run = w.run[0]
    if not run["tells"]:
        return ()
    waits_s = _Times(int(run["begun_at_once"]), int(run["waited"]))
    waits_s.add(w.backlog_waits_s[: run["waited"]])
    worst = int(run["worst_backlog"])
    return (ServerCounts(w.server_tenths[:tenths], waits_s.in_order(), worst),)


def _bins(w: Fleet, seconds: int) -> tuple[Any, Any]:
    """Return the counts by second, and what of them came before the warm-up's end."""
    warm_up_s = float(w.run[0]["warm_up_s"])
    if warm_up_s == 0.0:
        return w.bins[1 : seconds + 1], w.bins[:0]
    # Its end cuts a second in two, of which the first part is empty if it is whole.
    cut = int(warm_up_s)
    bins = np.concatenate([w.bins[: cut + 1], w.bins[cut + 2 :]])
    bins[cut] += w.bins[cut + 1]
    return bins[:seconds], w.bins[: min(cut + 1, seconds)]


class _Times:
    """Times in one array: zeros, then those that are added, in ascending order in the end.

    Of ten million there is no second copy, and what nobody has written takes no memory.
    """

    def __init__(self, zeros: int, most: int) -> None:
        self._values = np.zeros(zeros + most)
        self._zeros = self._size = zeros

    def add(self, times_s: Any) -> None:
        end = self._size + len(times_s)
        self._values[self._size : end] = times_s
        self._size = end

    def in_order(self) -> Any:
        self._values[self._zeros : self._size].sort()
        return self._values[: self._size]


def _times_of_returns(w: Fleet, end_s: float) -> tuple[Any, Any]:
    """Return times to recover and times away; of those that never came back they are infinite.

    Returns that a later loss has followed were counted in the run, the others stand in the records
    of those that are OPEN. These are read from the last to the first, and their memory is given
    back on the way: so at no moment a client has both a record and its times.
    """
    run, never, away = w.run[0], _count_never_back(w, end_s), _count_away(w)
    opened = sum(int((w.clients["state"][part] == _OPEN).sum()) for part in _slices(w.clients.size))
    ended = [k for k in range(len(w.interruptions)) if w.interruptions[k]["ended"]]
    faults = w.interruptions.view(np.recarray)
    recoveries = int(run["recovered"]) + len(ended) * opened
    recovery_s = _Times(_count_back_before(w, end_s), recoveries + never)
    recovery_s.add(w.recovery_s[: run["recovered"]])
    downtime_s = _Times(0, int(run["returned"]) + opened + away)
    downtime_s.add(w.downtime_s[: run["returned"]])
    for part in reversed(list(_slices(w.clients.size))):
        back = _select(w, part, w.clients["state"][part] == _OPEN)
        w.clients.resize(part.start, refcheck=False)
        downtimes_s = back.moment_s - back.lost_s
        downtime_s.add(downtimes_s[back.lost_s >= run["warm_up_s"]])
        for k in ended:
            recoveries_s = back.moment_s - faults[k].end_s
            recovery_s.add(recoveries_s[is_hit_by(faults[k], k, back) & (recoveries_s >= 0.0)])
    recovery_s.add(np.full(never, inf))
    downtime_s.add(np.full(away, inf))
    return recovery_s.in_order(), downtime_s.in_order()


def _slices(size: int, at_a_time: int = _AT_A_TIME) -> Iterator[slice]:
    """Return the clients a part at a time, so that what is worked out takes no second memory."""
    return (slice(first, min(size, first + at_a_time)) for first in range(0, size, at_a_time))


class _Losses(NamedTuple):
    """What the records of some clients say of their last losses; arrays."""

    moment_s: Any
    lost_s: Any
    over: Any


def _select(w: Fleet, part: slice, which: Any) -> _Losses:
    """Return the losses of those clients of a part that had any, in memory of their own."""
    # Field by field: NumPy copies whole records one by one, which takes ten times as long.
    clients = w.clients[part]
    which = which & (clients["lost_s"] < inf)
    return _Losses(*(clients[name][which] for name in _Losses._fields))


def _count_back_before(w: Fleet, end_s: float) -> int:
    """Return how many that a fault hit were back before its end, of the faults that are over."""
    return int(sum(f["back"] for f in w.interruptions if f["end_s"] < end_s))


def _count_away(w: Fleet) -> int:
    """Return how many have lost their connection, and are not OPEN again."""
    away = 0
    for part in _slices(w.clients.size):
        lost_s = _select(w, part, w.clients["state"][part] != _OPEN).lost_s
        away += int((lost_s >= w.run[0]["warm_up_s"]).sum())
    return away


def _count_never_back(w: Fleet, end_s: float) -> int:
    """Return how many times to recover never came: of clients that a fault put out for good."""
    faults = w.interruptions.view(np.recarray)
    never = 0
    for part in _slices(w.clients.size):
        away = _select(w, part, w.clients["state"][part] != _OPEN)
        for k, fault in enumerate(faults):
            if fault.ended and fault.end_s < end_s:
                never += int(is_hit_by(fault, k, away).sum())
    return never


def _there_s(w: Fleet, end_s: float) -> float:
    """Return the time from each client's start until it left, or to the end, together.

    What lies before the end of the warm-up is not counted, here and in `_since`.
    """
    run = w.run[0]
    if run["arrivals"] != StartTimes.EVEN:
        there_s = float(run["started"] * end_s - run["joined_s"])
        return there_s - float(run["left"] * end_s - run["left_s"])
    there_s = 0.0
    for part in _slices(int(run["clients"]), _ADDED_AT_A_TIME):
        places = np.arange(part.start, part.stop)
        starts_s = run["ramp_s"] * (run["first"] + places * run["stride"]) / run["all_clients"]
        counted_s = end_s - np.maximum(starts_s, run["warm_up_s"])
        there_s += float(np.maximum(counted_s, 0.0).sum())
    return there_s - float(run["left"] * end_s - run["left_s"])


def _since(w: Fleet, records: Any, field: str, value: int, began_s: str, end_s: float) -> float:
    """Return the total time spent so far in the current state; clients that left are excluded."""
    total_s = 0.0
    for part in _slices(records.size, _ADDED_AT_A_TIME):
        spans_s = records[began_s][part][records[field][part] == value]
        # In place: of a million, each further array would be as large as their times away.
        np.maximum(spans_s, w.run[0]["warm_up_s"], out=spans_s)
        np.subtract(end_s, spans_s, out=spans_s)
        total_s += float(spans_s[spans_s > -inf].sum())
    return total_s


def _check(w: Fleet) -> None:
    counts = w.wheel.state[0]
    if not 0 <= counts["near"] <= w.wheel.near.size or counts["spare"] < 0:
        raise EngineError("the fleet's events overran their arrays")
