"""Numbers of a run's connections by the standard library alone: the page's Python has no numpy.

The definitions are those of `simlib.metrics`; a test holds the two beside each other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import ceil, inf, nan

from simlib.core.events import Reason
from simlib.core.link_table import State
from simlib.trace.columns import Kind, Name
from simlib.trace.counts import TENTHS_PER_S
from simlib.trace.disruptions import interrupting, noticed_by_s
from simlib.trace.schema import NAMES, ROW
from simlib.trace.trace import Trace

_TIME, _CLIENT, _KIND, _NAME, _REASON, _STATE = map(
    NAMES.index, ("time_s", "client", "kind", "name", "reason", "state")
)
_OPEN = State.OPEN.value
#: Rows after which a client looks as they say; those of commands say the same once more.
_LEAVING = (Name.GONE, Name.STOP)


@dataclass
class Span:
    """A stretch of time in which a client was OPEN."""

    start_s: float
    stop_s: float = inf
    #: Whether it ended with a loss, and when the client was OPEN again; NaN: it left for good.
    is_lost: bool = False
    again_s: float = inf


@dataclass
class Connections:
    """When attempts were made and connections were open, of all clients of a run."""

    trace: Trace
    attempts_s: list[float] = field(default_factory=list)
    opened_s: list[float] = field(default_factory=list)
    #: By client, in the order of time.
    spans: dict[int, list[Span]] = field(default_factory=dict)
    gave_up: set[int] = field(default_factory=set)

    def attempts_per_s(self) -> list[int]:
        """Return the number of attempts from each whole second of the run to the next."""
        return _by_second(self.attempts_s, self.trace.end_s)

    def opened_per_s(self) -> list[int]:
        """Return the number of connections that opened in each second."""
        return _by_second(self.opened_s, self.trace.end_s)

    def peak_attempts_per_s(self) -> float:
        """Return the most attempts in one second that begins at any tenth of a second."""
        return _peak_of_tenths(self._tenths())

    def peak_after_fault_per_s(self) -> float:
        """Return the same after a fault's end, of what is tried while no other is on."""
        end_s = self.trace.end_s
        faults = [each for each in interrupting(self.trace.scenario) if each.start_s < end_s]
        ends_s = [fault.end_s for fault in faults if fault.end_s < end_s]
        if not ends_s:
            return nan
        counted = {
            tenth: count
            for tenth, count in self._tenths().items()
            if (time_s := tenth / TENTHS_PER_S) >= min(ends_s)
            and not any(fault.start_s <= time_s < fault.end_s for fault in faults)
        }
        return _peak_of_tenths(counted)

    def _tenths(self) -> dict[int, int]:
        return Counter(int(time_s * TENTHS_PER_S) for time_s in self.attempts_s)

    def recovery_times_s(self) -> list[float]:
        """Return how long clients took to be OPEN again after each fault's end, ascending."""
        scenario, times_s = self.trace.scenario, []
        for fault in interrupting(scenario):
            if fault.end_s >= self.trace.end_s:
                continue
            for spans in self.spans.values():
                hit = [
                    span
                    for span in spans
                    if span.is_lost
                    and span.start_s < fault.end_s
                    and span.stop_s <= noticed_by_s(scenario, fault)
                    and (span.stop_s >= fault.start_s or span.again_s >= fault.end_s)
                ]
                # Of one that was hit several times, its last return counts.
                if hit and hit[-1].again_s == hit[-1].again_s:
                    times_s.append(max(0.0, hit[-1].again_s - fault.end_s))
        return sorted(times_s)


def count_connections(trace: Trace) -> Connections:
    """Read a trace's rows once.

    Examples
    --------
    >>> import simlib as sl
    >>> count_connections(sl.run(sl.Scenario(clients=3, duration_s=5))).attempts_per_s()
    [3, 0, 0, 0, 0]
    """
    found = Connections(trace)
    for time_s, client, kind, name, reason, state in _rows(trace):
        if name == Name.OPEN:
            found.attempts_s.append(time_s)
        elif reason == Reason.GAVE_UP:
            found.gave_up.add(client)
        if kind == Kind.EVENT or name in _LEAVING:
            _take_state(found, client, time_s, state == _OPEN, name in _LEAVING)
    found.attempts_s.sort()
    return found


def _take_state(
    found: Connections, client: int, time_s: float, is_open: bool, leaves: bool
) -> None:
    spans = found.spans.setdefault(client, [])
    was_open = bool(spans) and spans[-1].stop_s == inf
    if is_open and not was_open:
        if spans and spans[-1].again_s == inf:
            spans[-1].again_s = time_s
        spans.append(Span(time_s))
        found.opened_s.append(time_s)
    elif was_open and not is_open:
        spans[-1].stop_s, spans[-1].is_lost = time_s, not leaves
    if leaves and spans and spans[-1].again_s == inf:
        spans[-1].again_s = nan


def _rows(trace: Trace) -> Iterator[tuple[float, int, int, int, int, int]]:
    for row in ROW.iter_unpack(trace.packed_rows()):
        yield row[_TIME], row[_CLIENT], row[_KIND], row[_NAME], row[_REASON], row[_STATE]


def find_quantile(ascending: Sequence[float], share: float) -> float:
    """Return the smallest value up to which at least this share of the values lies.

    Examples
    --------
    >>> find_quantile([1.0, 2.0, inf], 0.5)
    2.0
    """
    if not ascending:
        return nan
    return ascending[max(0, ceil(share * len(ascending) - 1e-9) - 1)]


def _by_second(times_s: Sequence[float], end_s: float) -> list[int]:
    counts = [0] * max(1, ceil(end_s))
    for time_s in times_s:
        counts[min(int(time_s), len(counts) - 1)] += 1
    return counts


def _peak_of_tenths(tenths: dict[int, int]) -> float:
    """Return the most in any ten tenths of a second that follow each other."""
    begins = {tenth - i for tenth in tenths for i in range(TENTHS_PER_S)}
    most = 0
    for begin in begins:
        most = max(most, sum(tenths.get(begin + i, 0) for i in range(TENTHS_PER_S)))
    return float(most)
