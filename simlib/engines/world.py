"""What sim and live share: SimPy clock, workload, fault timeline, the user's processes."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from heapq import heappop, heappush
from math import inf
from typing import Any, Protocol

import simpy
from simpy.events import NORMAL

from simlib.core import exact
from simlib.core.client import Client
from simlib.core.draws import Stream, uniform
from simlib.core.events import Admit, Answer, Message, Priority, Reason, Send, ServerCommand, Start
from simlib.core.faults import Timeline
from simlib.engines.driver import Driver, Host
from simlib.rows import NONE, Kind, Name
from simlib.scenario import Arrivals, Scenario
from simlib.trace import Trace

#: A process of the user's own: given the world, it yields SimPy events.
Process = Callable[["World"], Generator[simpy.Event, Any, Any]]


class SimClock(simpy.Environment):
    """A SimPy environment that also calls back at an exact moment.

    A call stands in SimPy's queue among the events, with its function and arguments in an
    event's place: an object for each call made a storm a tenth slower.
    """

    @property
    def now_s(self) -> float:
        """Seconds since the run began."""
        return float(self._now)

    def at(self, time_s: float, function: Callable[..., None], *arguments: Any) -> None:
        """Call a function at a moment; at once if it has passed, never if it is inf."""
        if time_s < inf:
            due_s = max(time_s, self._now)
            entry: Any = (due_s, NORMAL, next(self._eid), None, function, arguments)
            heappush(self._queue, entry)

    def step(self) -> None:
        """Make the next call, or process the next event."""
        if not self._queue or self._queue[0][3] is not None:
            super().step()
            return
        entry: Any = heappop(self._queue)
        self._now = entry[0]
        entry[4](*entry[5])


class Stage(Host, Protocol):
    """A host that also plays the faults."""

    def fault_starts(self, index: int) -> None:
        """Make a fault's start happen."""

    def fault_stops(self, index: int) -> None:
        """Make a fault's stop happen."""


class World:
    """Everything around the host: clients, their workload, and the script of faults.

    Attributes
    ----------
    clock : SimClock
        A `simpy.Environment`; on the wall clock in a live run.
    scenario : Scenario
        What is played.
    drivers : list of Driver
        One per client, in order.
    """

    def __init__(self, scenario: Scenario, clock: SimClock, stage: Stage, trace: Trace) -> None:
        self.scenario = scenario
        self.clock = clock
        self.timeline = Timeline(scenario.faults, scenario.seed)
        self.trace = trace
        self._stage = stage
        self.drivers = [
            Driver(Client(scenario.client, scenario.seed, i), clock, stage, trace)
            for i in range(scenario.clients)
        ]
        self._numbered = [0] * scenario.clients

    def begin(self, processes: Sequence[Process] = ()) -> None:
        """Schedule the clients' starts, their workload, the faults and the user's processes."""
        scenario = self.scenario
        for time_s, index, starts in self.timeline.edges():
            if time_s < scenario.duration_s:
                self.clock.at(time_s, self._fault, index, starts)
        for i, driver in enumerate(self.drivers):
            self.clock.at(scenario.ramp_s * i / scenario.clients, driver.feed, Start())
            if scenario.workload.rate_per_s > 0.0:
                self._schedule_message(i, 0, scenario.workload.start_s)
        for process in processes:
            self.clock.process(process(self))

    def send(
        self,
        client: int,
        priority: Priority = Priority.NORMAL,
        size_bytes: int = 200,
        expires_after_s: float = inf,
    ) -> int:
        """Give a client a message to deliver; return the message's number."""
        number = self._numbered[client]
        self._numbered[client] = number + 1
        now = self.clock.now_s
        message = Message(number, priority, size_bytes, now, now + expires_after_s)
        self.drivers[client].feed(Send(message))
        return number

    def _schedule_message(self, client: int, index: int, after_s: float) -> None:
        work, seed = self.scenario.workload, self.scenario.seed
        gap_s = 1.0 / work.rate_per_s
        if work.arrivals == Arrivals.POISSON:
            gap_s *= -exact.log(1.0 - uniform(seed, client, Stream.ARRIVAL, index))
        elif index == 0:
            gap_s *= uniform(seed, client, Stream.ARRIVAL, index)
        due_s = after_s + gap_s
        if due_s < min(work.stop_s, self.scenario.duration_s):
            self.clock.at(due_s, self._send_next, client, index, due_s)

    def _send_next(self, client: int, index: int, due_s: float) -> None:
        work = self.scenario.workload
        u = uniform(self.scenario.seed, client, Stream.PRIORITY, index)
        self.send(client, self._priority(u), work.size_bytes, work.expires_after_s)
        self._schedule_message(client, index + 1, due_s)

    def _priority(self, u: float) -> Priority:
        work = self.scenario.workload
        if u < work.critical_fraction:
            return Priority.CRITICAL
        if u < work.critical_fraction + work.high_fraction:
            return Priority.HIGH
        if u < work.critical_fraction + work.high_fraction + work.low_fraction:
            return Priority.LOW
        return Priority.NORMAL

    def _fault(self, index: int, starts: bool) -> None:
        name = Name.FAULT_START if starts else Name.FAULT_STOP
        kind = self.scenario.faults[index].kind
        self.trace.append(note(self.clock.now_s, NONE, Kind.FAULT, name, kind, index))
        (self._stage.fault_starts if starts else self._stage.fault_stops)(index)


def note(
    now: float,
    client: int,
    kind: Kind,
    name: Name,
    connection: int = 0,
    message: int = NONE,
    reason: Reason = Reason.NONE,
) -> tuple[Any, ...]:
    """Return a trace row of something that no client was told; of a fault, its index as message."""
    return (
        now,
        client,
        kind,
        name,
        connection,
        message,
        reason,
        0.0,
        NONE,
        0,
        inf,
        0,
        0,
        0,
        0,
        0,
        0.0,
    )


def server_row(now: float, command: ServerCommand) -> tuple[Any, ...]:
    """Return the trace row of something that the server asked for."""
    name, message, reason = Name.REFUSE, NONE, Reason.REJECTED
    if isinstance(command, Admit):
        name, reason = Name.ADMIT, Reason.NONE
    elif isinstance(command, Answer):
        name = Name.LIMIT if command.reason == Reason.LIMITED else Name.PROCESS
        message, reason = command.message, command.reason
    return note(now, command.client, Kind.SERVER, name, command.connection, message, reason)
