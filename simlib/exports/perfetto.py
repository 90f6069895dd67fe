"""A trace as Chrome trace events, which ui.perfetto.dev and chrome://tracing draw.

The form is that of Google's "Trace Event Format": times in microseconds; ``X`` a slice with its
length, ``i`` an instant, ``C`` a counter, ``M`` the name or the place of a process or thread. The
processes here are the faults, the server and the clients; a thread is a lane. Events are written
as they are made, so memory does not grow with the file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from os import PathLike, fspath
from typing import Any, NamedTuple

import numpy as np

from simlib.core.breaker import BreakerState
from simlib.core.card import Card, ShowsCard, count_in_words
from simlib.core.events import Reason
from simlib.core.fallback import Transport
from simlib.core.faults import Fault
from simlib.core.link_table import State
from simlib.metrics.array_types import Bools, Floats
from simlib.metrics.attempts import attempts_per_s
from simlib.metrics.server import server_load
from simlib.metrics.spans import Spans, Steps
from simlib.support.files import replacing
from simlib.support.made_by import KEY
from simlib.trace.columns import Kind, Name
from simlib.trace.trace import Trace

#: Lanes of more clients nobody looks through, and Perfetto takes long to draw them.
MOST_CLIENT_LANES = 500
_FAULTS, _SERVER, _CLIENTS = 1, 2, 3
#: Threads have numbers that no other process's have: Perfetto names a thread by its number alone.
_THREADS_OF_PROCESS = 1_000_000
_US_PER_S = 1e6
_BYTES_PER_MB = 1e6
#: Each client may have three lanes: its state, its breaker, its transport.
_LANES = 3
_WITHOUT_LANES = (
    "counters without lanes: the fleet keeps rows of those clients alone that it is told to watch"
)
#: Instants in a client's lane.
_INSTANTS = (
    *(Name.FAILED, Name.LOST, Name.NOTIFY, Name.ONLINE, Name.OFFLINE),
    *(Name.GONE, Name.RELOADED, Name.STOP),
)


@dataclass(frozen=True, repr=False)
class PerfettoFile(ShowsCard):
    """A file of trace events that was written.

    Attributes
    ----------
    file : str
        Where it is.
    events : int
        How many events it holds.
    size_bytes : int
        How large it is.
    lanes : str
        Which clients have lanes in it, in words.
    """

    file: str
    events: int
    size_bytes: int
    lanes: str

    def card(self) -> Card:
        """Return what is shown: where the file is, how large, and whom it shows."""
        size = f"{count_in_words(self.events, 'event')}, {self.size_bytes / _BYTES_PER_MB:.3g} MB"
        return Card(f"{self.file}: {size}, {self.lanes}. Open it at ui.perfetto.dev.")


def write_perfetto(
    trace: Trace, path: str | PathLike[str], origin: Mapping[str, Any]
) -> PerfettoFile:
    """Write a trace as Chrome trace events, whole or not at all; return what was written."""
    clients = _clients(trace)
    lanes = _describe_lanes(trace, clients.size)
    count = 0
    with replacing(path) as temporary:
        with temporary.open("w", encoding="utf-8") as file:
            # First, since Perfetto knows the form of a file by its beginning.
            file.write('{"traceEvents":[')
            for event in _events(trace, clients, lanes):
                file.write(",\n" if count else "\n")
                file.write(event)
                count += 1
            rest = {"displayTimeUnit": "ms", "otherData": _other_data(trace, lanes, origin)}
            file.write("\n]," + json.dumps(rest)[1:] + "\n")
        size_bytes = temporary.stat().st_size
    return PerfettoFile(fspath(path), count, size_bytes, lanes)


def _other_data(trace: Trace, lanes: str, origin: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "trace": trace.label,
        "engine": trace.engine,
        "partial": trace.partial,
        "lanes": lanes,
        KEY: dict(origin),
    }


def _clients(trace: Trace) -> Any:
    """Return the numbers of the clients that get lanes."""
    if trace.tally is None:
        return np.arange(min(trace.scenario.clients, MOST_CLIENT_LANES))
    return np.array(sorted(trace.watched)[:MOST_CLIENT_LANES], dtype=np.int64)


def _describe_lanes(trace: Trace, shown: int) -> str:
    if trace.tally is not None:
        first = f"the first {shown:,} of " if shown < len(trace.watched) else ""
        watched = count_in_words(len(trace.watched), "watched client")
        return f"lanes of {first}{watched}" if shown else _WITHOUT_LANES
    all_clients = count_in_words(trace.scenario.clients, "client")
    if shown == trace.scenario.clients:
        return f"lanes of {all_clients}"
    return f"lanes of the first {shown:,} of {all_clients}"


def _events(trace: Trace, clients: Any, lanes: str) -> Iterator[str]:
    yield from _name_process(_FAULTS, "faults")
    yield from _name_process(_SERVER, "server")
    yield from _name_process(_CLIENTS, f"clients of {trace.label}", lanes)
    yield from _fault_events(trace)
    yield from _client_events(trace, clients)
    yield from _server_events(trace)


# --- faults ------------------------------------------------------------------------------


def _fault_events(trace: Trace) -> Iterator[str]:
    """Yield a lane for each fault: two that are on at a time would not fit into one."""
    faults = [fault for fault in trace.scenario.faults if fault.start_s <= trace.end_s]
    for lane, fault in enumerate(faults, start=1):
        kind = _word(fault.kind.name)
        yield from _name_lane(_FAULTS, lane, kind)
        start_us, stop_us = _us(fault.start_s), _us(min(fault.end_s, trace.end_s))
        if start_us == stop_us:
            yield _event("i", kind, _FAULTS, lane, start_us, s="t", args=_describe_fault(fault))
        else:
            length = {"dur": stop_us - start_us}
            yield _event("X", kind, _FAULTS, lane, start_us, **length, args=_describe_fault(fault))


def _describe_fault(fault: Fault) -> dict[str, Any]:
    return {"clients_fraction": fault.clients_fraction, "route": _word(fault.route.name)}


# --- clients -----------------------------------------------------------------------------


def _client_events(trace: Trace, clients: Any) -> Iterator[str]:
    columns = trace.columns()
    if clients.size == 0:
        return
    shown = {name: values[np.isin(columns["client"], clients)] for name, values in columns.items()}
    steps = Steps(shown, int(clients[-1]) + 1, trace.end_s)
    states = steps.spans(["state"])
    waits = states.looks["state"] == State.WAITING
    active = states.looks["state"] != State.IDLE
    names = {state.value: state.name for state in State}
    lanes = _Lanes(clients)
    yield from lanes.name(clients, 0, "")
    chosen = active & np.isin(states.client, clients)
    yield from _slices(states, chosen, "state", lanes.of(states.client, 0), names, waits)
    for lane, (look, usual, words) in enumerate(_LOOKS, start=1):
        spans = steps.spans([look])
        says_something = (spans.looks[look] != usual) & np.isin(spans.client, clients)
        yield from lanes.name(np.unique(spans.client[says_something]), lane, f" {look}")
        yield from _slices(spans, says_something, look, lanes.of(spans.client, lane), words)
    yield from _instants(shown, lanes)


#: What has lanes of its own in which it says something, what it is as a rule, and its words.
_LOOKS: tuple[tuple[str, int, dict[int, str]], ...] = (
    (
        "breaker",
        BreakerState.CLOSED,
        {state.value: f"breaker {state.name.lower().replace('_', '-')}" for state in BreakerState},
    ),
    ("transport", Transport.WEBSOCKET, {Transport.POLL.value: "polling"}),
)


class _Lanes:
    """The lanes of the clients that are shown, by their places among them."""

    def __init__(self, clients: Any) -> None:
        self._clients = clients

    def of(self, clients: Any, lane: int) -> Any:
        """Return a lane of each of some clients."""
        return np.searchsorted(self._clients, clients) * _LANES + lane + 1

    def name(self, clients: Any, lane: int, what: str) -> Iterator[str]:
        """Yield the names of a lane of some clients."""
        for client, number in zip(clients.tolist(), self.of(clients, lane).tolist(), strict=True):
            yield from _name_lane(_CLIENTS, number, f"client {client}{what}")


def _slices(
    spans: Spans,
    chosen: Bools,
    look: str,
    lanes: Any,
    names: Mapping[int, str],
    waits: Bools | None = None,
) -> Iterator[str]:
    """Yield the slices of a look; those that take less than a microsecond cannot be drawn."""
    starts_us = np.rint(spans.start_s * _US_PER_S).astype(np.int64)
    lengths_us = np.rint(spans.stop_s * _US_PER_S).astype(np.int64) - starts_us
    chosen = chosen & (lengths_us > 0)
    asked_s = np.zeros(len(starts_us)) if waits is None else np.where(waits, spans.wait_s, 0.0)
    threads = _thread(_CLIENTS, 0) + lanes
    columns = (threads, starts_us, lengths_us, spans.looks[look], asked_s)
    start = f'{{"ph":"X","cat":"{look}","pid":{_CLIENTS}'
    for thread, start_us, length_us, number, wait_s in zip(
        *(column[chosen].tolist() for column in columns), strict=True
    ):
        more = f',"args":{{"wait_s":{wait_s!r}}}' if wait_s else ""
        place = f'"tid":{thread},"ts":{start_us},"dur":{length_us}'
        yield f'{start},{place},"name":"{names[number]}"{more}}}'


class _Row(NamedTuple):
    """The cells of a row that an instant is made of."""

    time_s: float
    name: int
    reason: int
    code: int


def _instants(columns: Mapping[str, Any], lanes: _Lanes) -> Iterator[str]:
    """Yield why an attempt failed or a connection ended, and what the user and the platform say."""
    is_told = np.isin(columns["name"], _INSTANTS) & (columns["kind"] != Kind.SERVER)
    cells = (columns[name][is_told].tolist() for name in _Row._fields)
    places = lanes.of(columns["client"][is_told], 0).tolist()
    for row, lane in zip(map(_Row, *cells), places, strict=True):
        text = _word(Name(row.name).name)
        if row.reason != Reason.NONE:
            text += f": {_word(Reason(row.reason).name)}"
        if row.code:
            text += f" {row.code}"
        yield _event("i", text, _CLIENTS, lane, _us(row.time_s), s="t")


# --- server ------------------------------------------------------------------------------


def _server_events(trace: Trace) -> Iterator[str]:
    """Yield counter tracks: attempts, and what the server was busy with, if it has limits."""
    yield from _counter("attempts", "per second", attempts_of(trace), 1.0)
    load = server_load(trace)
    if len(load):
        for column, unit in _LEVELS.items():
            yield from _counter(column, unit, load[column].to_numpy(float), 0.1)
        for column, name in _RATES.items():
            yield from _counter(name, "per second", _by_second(load[column].to_numpy(float)), 1.0)


#: The counters, each with its unit: Perfetto names a track by both, as "busy workers".
_LEVELS = {"busy": "workers", "backlog": "handshakes", "open": "connections"}
_RATES = {
    "served": "handshakes served",
    "refused": "handshakes refused",
    "abandoned": "handshakes served in vain",
}


def attempts_of(trace: Trace) -> Floats:
    """Return attempts in each second; none of a run in which nothing was played."""
    return attempts_per_s(trace) if trace.end_s > 0.0 else np.zeros(0)


def _by_second(tenths: Floats) -> Floats:
    return np.add.reduceat(tenths, np.arange(0, tenths.size, 10))


def _counter(name: str, unit: str, values: Floats, step_s: float) -> Iterator[str]:
    """Yield a counter where it changes; it holds from each value to the next."""
    changes = np.flatnonzero(np.diff(values, prepend=np.nan))
    for place in changes.tolist():
        value = {unit: float(values[place])}
        yield _event("C", name, _SERVER, 1, _us(place * step_s), args=value)


# --- the form ----------------------------------------------------------------------------


def _name_process(process: int, name: str, label: str = "") -> Iterator[str]:
    yield _event("M", "process_name", process, 0, 0, args={"name": name})
    yield _event("M", "process_sort_index", process, 0, 0, args={"sort_index": process})
    if label:
        yield _event("M", "process_labels", process, 0, 0, args={"labels": label})


def _name_lane(process: int, lane: int, name: str) -> Iterator[str]:
    yield _event("M", "thread_name", process, lane, 0, args={"name": name})
    yield _event("M", "thread_sort_index", process, lane, 0, args={"sort_index": lane})


def _event(phase: str, name: str, process: int, lane: int, time_us: int, **more: Any) -> str:
    thread = _thread(process, lane)
    event = {"ph": phase, "name": name, "pid": process, "tid": thread, "ts": time_us}
    return _to_json(event | more)


_to_json: Callable[[Any], str] = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def _thread(process: int, lane: int) -> int:
    return process * _THREADS_OF_PROCESS + lane


def _us(time_s: float) -> int:
    return round(time_s * _US_PER_S)


def _word(name: str) -> str:
    return name.lower().replace("_", " ")
