"""Time spans in which a client's state did not change, and the spans in OPEN, as arrays.

They are arrays, since a study computes them for thousands of small runs; `simlib.metrics.metrics`
makes tables of them for a single run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf, nan
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from simlib.core.link_table import State
from simlib.metrics.array_types import Bools, Floats, Ints
from simlib.trace.columns import Kind, Name

#: What a client's time is cut into spans by, beside whether it has left for good.
LOOKS = ("state", "transport", "available", "breaker")


class Spans(NamedTuple):
    """Stretches of time in which a client looked the same, ordered by client and time."""

    client: Ints
    start_s: Floats
    stop_s: Floats
    #: The wait that a span began with; 0 if none.
    wait_s: Floats
    #: What it looked like: the numbers of a trace's words; of ``left``, whether it had left.
    looks: Mapping[str, npt.NDArray[Any]]


class Opens(NamedTuple):
    """The spans in OPEN, ordered by client and time."""

    client: Ints
    start_s: Floats
    stop_s: Floats
    #: Whether the span ended with a loss, rather than with the run or as the client left.
    lost: Bools
    #: When the client was OPEN again: inf never in the run; NaN as it has left for good instead.
    again_s: Floats


class Steps:
    """The state of each client after each event, ordered by client and time."""

    def __init__(self, columns: Mapping[str, npt.NDArray[Any]], clients: int, end_s: float) -> None:
        name = columns["name"]
        # A client whose page was closed is idle from then on; nobody tells it.
        told = (columns["kind"] == Kind.EVENT) | (name == Name.GONE) | (name == Name.STOP)
        name = name[told]
        begin = np.zeros(clients, np.int8)
        client = np.concatenate([np.arange(clients), columns["client"][told]])
        time_s = np.concatenate([np.zeros(clients), columns["time_s"][told]])
        wait_s = np.concatenate([np.zeros(clients), columns["wait_s"][told]])
        order = np.lexsort((time_s, client))
        self._end_s = end_s
        self._client, self._time_s, self._wait_s = client[order], time_s[order], wait_s[order]
        # Idle, closed, websocket and not available are all 0, as a client begins.
        self._looks = {
            look: np.concatenate([begin, columns[look][told].astype(np.int8)])[order]
            for look in LOOKS
        }
        comes = np.concatenate([begin == 0, name == Name.START])[order]
        leaves = np.concatenate([begin > 0, name == Name.STOP])[order]
        self._looks["left"] = _since(leaves, comes)

    def spans(self, by: Sequence[str]) -> Spans:
        """Return the stretches of time in which all that is named stays the same."""
        first = np.zeros(self._client.size, bool)
        for values in (self._client, *(self._looks[look] for look in by)):
            first[1:] |= values[1:] != values[:-1]
        first[:1] = True
        client, start_s = self._client[first], self._time_s[first]
        stop_s = np.maximum(start_s, self._end_s)
        same = client[1:] == client[:-1]
        stop_s[:-1][same] = start_s[1:][same]
        looks = {look: self._looks[look][first] for look in by}
        return Spans(client, start_s, stop_s, self._wait_s[first], looks)

    def opens(self) -> Opens:
        """Return the spans in OPEN."""
        spans = self.spans(["state", "left"])
        client, left = spans.client, spans.looks["left"]
        lost = np.append((client[1:] == client[:-1]) & ~left[1:], False)
        leavings = left.cumsum()
        is_open = spans.looks["state"] == State.OPEN
        times = client[is_open], spans.start_s[is_open], spans.stop_s[is_open]
        at_end = _of_last(client, leavings)[is_open]
        again_s = _again_s(*times[:2], leavings[is_open], at_end)
        return Opens(*times, lost[is_open], again_s)


def is_last(client: Ints) -> Bools:
    """Return where the rows of a client end, if they are ordered by client."""
    return np.append(client[1:] != client[:-1], np.ones(min(1, client.size), bool))


def _since(begins: Bools, ends: Bools) -> Bools:
    """Return where something has begun and not ended since."""
    told = begins | ends
    last = np.maximum.accumulate(np.where(told, np.arange(told.size), 0))
    return begins[last]


def _of_last(client: Ints, values: Ints) -> Ints:
    """Return for each row the value of its client's last one."""
    last = is_last(client)
    group = last.cumsum() - last
    return values[last][group]


def _again_s(client: Ints, start_s: Floats, leavings: Ints, at_end: Ints) -> Floats:
    """Return when each client was OPEN again after a span in OPEN.

    How often anybody had left by then tells whether the client did so in between.
    """
    again_s, later = np.full(client.size, inf), at_end.copy()
    follows = np.flatnonzero(~is_last(client))
    again_s[follows], later[follows] = start_s[follows + 1], leavings[follows + 1]
    again_s[later > leavings] = nan
    return again_s
