"""What each server had to do, counted: by the fleet, or here from a server's log and its rows."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from simlib.core.admission import Decision
from simlib.core.levels import TENTH_US, US_PER_S
from simlib.core.server_settings import decides, has_queue
from simlib.metrics.array_types import Bools, Floats, Ints
from simlib.metrics.run_columns import RunColumns, read_columns
from simlib.trace.columns import Name
from simlib.trace.counts import TENTHS_PER_S
from simlib.trace.server_counts import (
    ABANDONED,
    BACKLOG,
    BUSY,
    OPENED,
    REFUSED,
    SERVED,
    SERVER_COLUMNS,
    THERE,
    ServerCounts,
)
from simlib.trace.trace import Trace

_REFUSALS = range(Decision.CONNECTIONS, Decision.ADDRESS + 1)


def count_servers(trace: Trace) -> tuple[ServerCounts, ...]:
    """Return the counts of each gateway's server; empty: its server takes whatever comes."""
    if trace.tally is not None:
        return trace.tally.servers
    if not decides(trace.scenario.server) or not len(trace.server_log):
        return ()
    return read_columns(trace).find_once(_count_all)


def _count_all(run: RunColumns) -> tuple[ServerCounts, ...]:
    scenario, records = run.scenario, run.server_log.records()
    # Without a balancer the others have no clients.
    balanced = scenario.is_balanced
    gateways = scenario.gateways if balanced else min(scenario.gateways, scenario.clients)
    took = _gateways_of_opens(run, records) if balanced else run.opens.client % scenario.gateways
    return tuple(
        _count(run, records[records["gateway"] == gateway], took == gateway)
        for gateway in range(gateways)
    )


def _gateways_of_opens(run: RunColumns, records: Any) -> Ints:
    """Return the gateway of each span in OPEN: the one that took its client's last handshake."""
    taken = np.sort(
        records[records["decision"] == Decision.TAKEN], order=["client", "done_s"], kind="stable"
    )
    opens = run.opens
    gateways = np.zeros(opens.client.size, np.int64)
    for client in np.unique(opens.client).tolist():
        own = taken[taken["client"] == client]
        mine = opens.client == client
        last = np.searchsorted(own["done_s"], opens.start_s[mine], side="right") - 1
        gateways[mine] = own["gateway"][np.maximum(last, 0)]
    return gateways


def _count(run: RunColumns, records: Any, own_opens: Bools) -> ServerCounts:
    scenario = run.scenario
    tenths = _Tenths(int(np.ceil(scenario.duration_s * TENTHS_PER_S)) + 2)
    until_s = _until_s(records, scenario.duration_s)
    taken = records["decision"] == Decision.TAKEN
    handshakes = _Handshakes(records[taken], until_s[taken])
    _count_workers(tenths, records, until_s)
    _count_handshakes(tenths, handshakes, has_queue(scenario.server))
    vain = handshakes.are_done & (_gone_s(run, handshakes.records) <= handshakes.records["done_s"])
    tenths.count(ABANDONED, handshakes.records["done_s"][vain])
    for decision in _REFUSALS:
        refused = records["decision"] == decision
        tenths.count(REFUSED + decision, records["time_s"][refused])
    _count_open(tenths, run, own_opens)
    counted = handshakes.records["time_s"] >= scenario.warm_up_s
    waits_s = handshakes.records["begin_s"] - handshakes.records["time_s"]
    return ServerCounts(
        tenths.counts[: TENTHS_PER_S * max(1, int(np.ceil(run.end_s)))],
        np.sort(waits_s[counted]),
        _worst_backlog(handshakes, scenario.warm_up_s),
    )


class _Tenths:
    """Counts by tenth of a second: `core/levels.py` for arrays of moments."""

    def __init__(self, rows: int) -> None:
        self.counts = np.zeros((rows, SERVER_COLUMNS), np.int64)

    def change(self, column: int, times_s: Floats, by: Any) -> None:
        """Raise a level at each of some moments."""
        time_us = (times_s * US_PER_S).astype(np.int64)
        tenth = time_us // TENTH_US
        after_us = time_us - tenth * TENTH_US
        kept = tenth + 1 < len(self.counts)
        by = np.broadcast_to(by, times_s.shape)[kept]
        np.add.at(self.counts[:, column], tenth[kept], by * (TENTH_US - after_us[kept]))
        np.add.at(self.counts[:, column], tenth[kept] + 1, by * after_us[kept])

    def count(self, column: int, times_s: Floats, by: int = 1) -> None:
        """Count each of some moments."""
        tenth = (times_s * US_PER_S).astype(np.int64) // TENTH_US
        np.add.at(self.counts[:, column], tenth[tenth < len(self.counts)], by)


class _Handshakes(NamedTuple):
    """The handshakes that were taken, and up to when their server could work on them."""

    records: Any
    until_s: Floats

    @property
    def are_done(self) -> Any:
        """Whether the server did all the work on each."""
        return self.records["done_s"] < self.until_s


def _until_s(records: Any, duration_s: float) -> Floats:
    """Return up to when the server of each record goes on: its next stop, or the run's end."""
    stops_s = np.sort(records["time_s"][records["decision"] == Decision.STOPPED])
    ends_s = np.append(stops_s, np.inf)[np.searchsorted(stops_s, records["time_s"])]
    return np.asarray(np.minimum(ends_s, duration_s))


def _count_workers(tenths: _Tenths, records: Any, until_s: Floats) -> None:
    called = records["decision"] == Decision.CALLED
    for which, comes_s in (
        (records["decision"] == Decision.STARTED, records["time_s"]),
        (called, np.minimum(records["begin_s"], until_s)),
    ):
        workers = records["connection"][which].astype(np.int64)
        tenths.change(THERE, comes_s[which], workers)
        tenths.change(THERE, until_s[which], -workers)


def _count_handshakes(tenths: _Tenths, handshakes: _Handshakes, queues: bool) -> None:
    records, until_s = handshakes
    tenths.count(SERVED, records["done_s"][handshakes.are_done])
    if not queues:
        return
    waits = records["begin_s"] > records["time_s"]
    tenths.change(BACKLOG, records["time_s"][waits], 1)
    tenths.change(BACKLOG, np.minimum(records["begin_s"], until_s)[waits], -1)
    tenths.change(BUSY, np.minimum(records["begin_s"], until_s), 1)
    tenths.change(BUSY, np.minimum(records["free_s"], until_s), -1)


def _count_open(tenths: _Tenths, run: RunColumns, own: Bools) -> None:
    opens = run.opens
    tenths.count(OPENED, opens.start_s[own])
    tenths.count(OPENED, opens.stop_s[own & (opens.stop_s < run.end_s)], -1)


def _worst_backlog(handshakes: _Handshakes, from_s: float) -> int:
    """Return the most that wait at a time, of the moments at which one comes to wait."""
    records, until_s = handshakes
    waits = records["begin_s"] > records["time_s"]
    comes_s, goes_s = records["time_s"][waits], np.minimum(records["begin_s"], until_s)[waits]
    times_s = np.concatenate([goes_s, comes_s])
    change = np.repeat([-1, 1], comes_s.size)
    # Who goes at the moment at which another comes has gone before.
    order = np.lexsort((change, times_s))
    backlog = change[order].cumsum()
    counted = (change[order] > 0) & (times_s[order] >= from_s)
    return int(np.append(backlog[counted], 0).max())


def _gone_s(run: RunColumns, records: Any) -> Floats:
    """Return when the client of each handshake gave it up or lost it; inf: not in the run.

    A client whose page is closed says nothing: it has gone with all that it had asked for.
    """
    columns = run.columns
    names = columns["name"]
    ended = np.isin(names, [Name.CLOSE, Name.FAILED, Name.LOST])
    which = _attempt(columns["client"][ended], columns["connection"][ended])
    first_s = np.full(records.size, np.inf)
    # The first of each: rows are in the order of time.
    known, first = np.unique(which, return_index=True)
    place = np.searchsorted(known, wanted := _attempt(records["client"], records["connection"]))
    found = (place < known.size) & (np.append(known, -1)[place] == wanted)
    first_s[found] = columns["time_s"][ended][first][place[found]]
    vanished = names == Name.GONE
    if vanished.any():
        first_s = np.minimum(first_s, _vanished_s(columns, vanished, records))
    return first_s


def _vanished_s(columns: Any, vanished: Any, records: Any) -> Floats:
    """Return when the page of each handshake's client was closed next, after the attempt began."""
    opens = columns["name"] == Name.OPEN
    began = _attempt(columns["client"][opens], columns["connection"][opens])
    order = np.argsort(began)
    wanted = _attempt(records["client"], records["connection"])
    place = np.searchsorted(began[order], wanted)
    began_s = columns["time_s"][opens][order][np.minimum(place, max(0, began.size - 1))]
    times_s = np.full(records.size, np.inf)
    for client, time_s in zip(
        columns["client"][vanished].tolist(), columns["time_s"][vanished].tolist(), strict=True
    ):
        hit = (records["client"] == client) & (began_s <= time_s)
        times_s[hit] = np.minimum(times_s[hit], time_s)
    return times_s


def _attempt(client: Ints, connection: Ints) -> Ints:
    """Return one number for a client's attempt."""
    return client.astype(np.int64) << 32 | connection.astype(np.int64)
