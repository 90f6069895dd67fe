"""When time stands still: how much may happen at one moment before a run is given up.

A client that fails at once and tries again at once, on a path without latency, would do so for ever
at the same moment. No engine plays that: each raises the same error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simlib.core.errors import SettingsError
from simlib.core.events import Event, Failed, Opened
from simlib.core.faults import FaultKind
from simlib.scenario.scenario import Scenario

if TYPE_CHECKING:
    from simlib.engines.driver import Driver

#: Less time than this is none: it may pass in steps that are too small to get anywhere.
NO_TIME_S = 1e-6
#: Events at one moment: of all that is not a client's, of each client, of each message it holds.
_MOST, _PER_CLIENT, _PER_MESSAGE = 100_000, 100, 20
#: So many events no run gets through.
_NO_BOUND = 2.0**62
#: Attempts in a row of one client that take no time: as many as the events above allow one.
_MOST_ATTEMPTS = 10_000


def most_at_once(scenario: Scenario, *, messages: bool = True) -> int:
    """Return how many events may come at one moment; ``messages``: whether they are played."""
    events_per_client = _PER_CLIENT + (_PER_MESSAGE * _count_held(scenario) if messages else 0)
    # A client may be given more messages than there are numbers for: that is no bound.
    return int(min(_MOST + events_per_client * scenario.clients, _NO_BOUND))


def _count_held(scenario: Scenario) -> float:
    """Return how many messages a client may have at one moment: waiting, or given to it then."""
    workload = scenario.workload
    given = len(workload.recorded) + workload.rate_per_s * scenario.duration_s
    capacity = max(client.outbox.capacity for client in scenario.policies)
    return len(workload.recorded) + workload.burst + min(capacity, given)


def stands_still(time_s: float, duration_s: float) -> SettingsError:
    """Return the error of a run whose time has stopped, to be raised."""
    rule = (
        f"is never reached, as time stands still at {time_s:g} s: clients attempt again and again "
        "without waiting, or a process of your own does; give path.latency.mean_s, or the waits, "
        "a length"
    )
    return SettingsError("duration_s", duration_s, rule)


def check_passing(began_s: float, now_s: float, duration_s: float) -> None:
    """Raise `SettingsError` if no time has passed between two moments."""
    if now_s - began_s < NO_TIME_S:
        raise stands_still(now_s, duration_s)


class Restless:
    """Finds, in a live run, a client for which the scenario's time stands still.

    The wall clock goes on, but only for as long as this machine takes for an attempt: what such a
    run measures is the machine. An observer of drivers.
    """

    def __init__(self, duration_s: float) -> None:
        self._duration_s = duration_s
        #: Of each client, how many attempts in a row failed without a wait after, and since when.
        self._in_vain: dict[int, tuple[int, float]] = {}

    def __call__(self, driver: Driver, event: Event, commands: Any, now: float) -> None:
        """Count a step of a client; raise `SettingsError` if its time stands still."""
        if not isinstance(event, Failed | Opened):
            return
        client = driver.client
        if isinstance(event, Opened) or client.deadline > now:
            self._in_vain.pop(client.number, None)
            return
        attempts, since_s = self._in_vain.get(client.number, (0, now))
        self._in_vain[client.number] = (attempts + 1, since_s)
        if attempts >= _MOST_ATTEMPTS:
            raise stands_still(since_s, self._duration_s)


def takes_no_time(scenario: Scenario) -> bool:
    """Whether nothing on the path takes any time, so that an answer comes at once."""
    latency = scenario.path.latency
    slow = any(fault.kind == FaultKind.LATENCY for fault in scenario.faults)
    return max(latency.mean_s, *latency.table_s, 0.0) == 0.0 and not slow
