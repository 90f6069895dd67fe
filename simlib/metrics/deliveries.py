"""The fate of each message, as arrays: sent, left, acknowledged, dropped, delivered."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Any

import numpy as np
import numpy.typing as npt

from simlib.core.events import Reason
from simlib.metrics.array_types import Bools, Floats, Ints
from simlib.trace.columns import Name

#: Columns of a trace, or of a table made of them.
Columns = Mapping[str, npt.NDArray[Any]]
_READ = ("time_s", "name", "client", "message", "key", "priority", "reason")


def deliveries(rows: Columns) -> dict[str, npt.NDArray[Any]]:
    """Return the columns of `simlib.metrics.messages.messages`, words as a trace's numbers."""
    of_one = rows["message"] >= 0
    rows = {name: rows[name][of_one] for name in _READ}
    name, reason = rows["name"], rows["reason"]
    begun = (name == Name.SEND) | (name == Name.EDIT)
    places = _Places(rows, begun)
    received, transmitted = name == Name.RECEIVED, name == Name.TRANSMIT
    answered = (reason == Reason.ACCEPTED) | (reason == Reason.DUPLICATE)
    answered &= received | (name == Name.POSTED)
    send_s = rows["time_s"][begun]
    acknowledged_s = places.first_s(answered)
    received_s = places.first_s(answered & received)
    # There and back over WebSocket, and sent once: of two copies nobody knows which was answered.
    over = (places.count(transmitted) == 1) & (received_s < inf)
    transmit_s = places.first_s(transmitted)
    dropped, processed = name == Name.DROP, name == Name.PROCESS
    return {
        "client": rows["client"][begun],
        "message": rows["message"][begun],
        "key": rows["key"][begun],
        "edit": (name == Name.EDIT)[begun],
        "priority": rows["priority"][begun],
        "send_s": send_s,
        "left_s": places.first_s(transmitted | (name == Name.POST)),
        "acknowledged_s": acknowledged_s,
        "latency_s": acknowledged_s - send_s,
        "round_trip_s": np.where(over, received_s, inf) - np.where(over, transmit_s, 0.0),
        "dropped_s": places.first_s(dropped),
        "reason": places.last(dropped, reason, Reason.NONE),
        # A server of the user's own leaves no rows: what it has acknowledged, it has.
        "delivered": (places.first_s(processed) < inf) | (acknowledged_s < inf),
        "counted": places.count(processed & (reason == Reason.ACCEPTED)),
    }


def keys(rows: Columns) -> Ints:
    """Return client and message of each row as one number."""
    return rows["client"].astype(np.int64) << 32 | rows["message"]


class _Places:
    """Where the rows about a message belong, among the messages that were sent."""

    def __init__(self, rows: Columns, begun: Bools) -> None:
        key, self._time_s = keys(rows), rows["time_s"]
        self._sent, self._of_sent = np.unique(key[begun], return_inverse=True)
        place = np.searchsorted(self._sent, key)
        is_known = np.append(self._sent, -1)[place] == key
        # What is about none of them has a place of its own behind all others.
        self._place = np.where(is_known, place, self._sent.size)

    def first_s(self, where: Bools) -> Floats:
        """Return when the first of some rows was, for each message; inf: there is none."""
        first_s = np.full(self._sent.size + 1, inf)
        np.minimum.at(first_s, self._place[where], self._time_s[where])
        return first_s[self._of_sent]

    def count(self, where: Bools) -> Ints:
        """Return how many of some rows there are of each message."""
        counts = np.bincount(self._place[where], minlength=self._sent.size + 1)
        return counts[self._of_sent]

    def last(self, where: Bools, values: npt.NDArray[Any], default: int) -> npt.NDArray[Any]:
        """Return the value of the last of some rows, for each message."""
        firsts = np.full(self._sent.size + 1, default, values.dtype)
        firsts[self._place[where]] = values[where]
        return firsts[self._of_sent]


def draft_staleness_s(table: Columns) -> Floats:
    """Return for how long the server's text of a draft was older than each edit, ascending.

    An edit is in the server's text once it, or a newer edit of the same client and draft, is
    acknowledged. Edits that never were are left out.
    """
    edits = np.asarray(table["edit"], bool)
    if not edits.any():
        return np.empty(0)
    names = ("client", "key", "message", "acknowledged_s", "send_s")
    client, key, message, known_s, send_s = (np.asarray(table[name])[edits] for name in names)
    newest_first = np.lexsort((-message, key, client))
    client, key, known_s = client[newest_first], key[newest_first], known_s[newest_first]
    begins = np.flatnonzero((client[1:] != client[:-1]) | (key[1:] != key[:-1])) + 1
    in_text_s = [np.minimum.accumulate(text_s) for text_s in np.split(known_s, begins)]
    stale_s = np.concatenate(in_text_s) - send_s[newest_first]
    return np.sort(stale_s[np.isfinite(stale_s)])
