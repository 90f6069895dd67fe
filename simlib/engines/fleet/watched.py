"""Watched clients of a fleet: the core's own client, replaying what the compiled loop logged.

So a watched client has the rows that sim gives it, with all that it decided and why.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from simlib.core import events as ev
from simlib.core.client import Client
from simlib.core.errors import SettingsError
from simlib.core.events import NONE, Command, Reason
from simlib.core.faults import Timeline
from simlib.core.link_table import Input
from simlib.engines.driver import Driver
from simlib.engines.kernel import features as needs
from simlib.engines.kernel import state
from simlib.engines.sim_clock import SimClock
from simlib.engines.store import MemoryStore
from simlib.scenario.scenario import Scenario
from simlib.trace.columns import Kind, Name
from simlib.trace.notes import fault_row, note
from simlib.trace.trace import Trace

_EVENTS: dict[int, Callable[[int, Reason, float, int], ev.Event]] = {
    Input.START: lambda *_: ev.Start(),
    Input.OPENED: lambda connection, *_: ev.Opened(connection),
    Input.FAILED: ev.Failed,
    Input.LOST: ev.Lost,
    Input.STOP: lambda *_: ev.Stop(),
    state.TOLD_PONG: lambda connection, *_: ev.Ponged(connection),
}
_NAMES = {
    state.DID_ARRIVE: Name.ARRIVED,
    state.DID_ADMIT: Name.ADMIT,
    state.DID_REFUSE: Name.REFUSE,
    state.DID_SHUT: Name.SHUT,
}


def check(scenario: Scenario, watch: Sequence[int]) -> None:
    """Raise `SettingsError` if such clients cannot be watched."""
    for client in watch:
        if not 0 <= client < scenario.clients:
            rule = f"must name clients from 0 to {scenario.clients - 1}"
            raise SettingsError("watch", client, rule)
    if watch and needs.sends(scenario):
        rule = "must be 0 for clients to be watched on the fleet, which plays no messages"
        raise SettingsError("workload.rate_per_s", scenario.workload.rate_per_s, rule)


def write_rows(trace: Trace, logs: Sequence[Any], ends_s: Sequence[float]) -> None:
    """Write the rows of watched clients into a trace, out of what was logged of each gateway.

    ``ends_s``: up to when each gateway was played.
    """
    scenario, clock = trace.scenario, SimClock()
    timeline = Timeline(scenario.faults, scenario.seed, scenario.gateways)
    for time_s, index, starts in timeline.edges():
        clock.at(time_s, _write_edge, trace, timeline, time_s, index, starts)
    drivers: dict[int, Driver] = {}
    # The core's own client is fed with what the kernel logged and must decide the same again, so
    # its rows need no second definition.
    for log, end_s in zip(logs, ends_s, strict=True):
        for time_s, *entry in sorted(log.tolist(), key=lambda row: row[0]):
            client = entry[1]
            if client not in drivers:
                drivers[client] = _driver(trace, clock, client)
                # It acts no more by its own timers.
                clock.at(end_s, drivers[client].sleep)
            clock.at(time_s, _happen, clock, drivers[client], trace, *entry)
    clock.run(until=trace.end_s)


def _driver(trace: Trace, clock: SimClock, client: int) -> Driver:
    scenario = trace.scenario
    told = Client(scenario.client_of(client), scenario.seed, client)
    return Driver(told, clock, _Nobody(), trace, MemoryStore(), [])


class _Nobody:
    """A host that ignores commands: their results are in the log."""

    def perform(self, driver: Driver, command: Command) -> None:
        """Do nothing."""


def _write_edge(trace: Trace, timeline: Timeline, now: float, index: int, starts: bool) -> None:
    name = Name.FAULT_START if starts else Name.FAULT_STOP
    origin = timeline.origins[index]
    kind = trace.scenario.faults[origin].kind
    trace.append(fault_row(now, name, origin, kind))


def _happen(
    clock: SimClock,
    driver: Driver,
    trace: Trace,
    what: int,
    client: int,
    connection: int,
    reason: int,
    hint_s: float,
    code: int,
) -> None:
    now = clock.now_s
    if driver.client.deadline <= now:
        # A wake that is due at this very moment comes first: its alarm was set before.
        clock.at(now, _happen, clock, driver, trace, what, client, connection, reason, hint_s, code)
    elif what in _NAMES:
        why = Reason(reason)
        trace.append(note(now, client, Kind.SERVER, _NAMES[what], connection, NONE, why))
    else:
        driver.feed(_EVENTS[what](connection, Reason(reason), hint_s, code))
