"""Time scaling: the same scenario k times faster, so that a live run takes less time.

Every time is divided by the pace and every rate is multiplied by it; counts, shares and sizes do
not change. The times of the run's trace are then multiplied by the pace again.

One time is no setting and so is not scaled: a server's `accept_per_s` lets in at once what one
second brings.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from simlib.core.faults import FAULT_FIELDS, Fault
from simlib.scenario.scenario import Scenario
from simlib.trace.schema import NAMES
from simlib.trace.trace import Trace

#: Columns of a trace that are times.
_TIMES = ("time_s", "hint_s", "created_s", "expires_s", "lifetime_s", "rtt_s", "wait_s")


def scale_time(scenario: Scenario, pace: float) -> Scenario:
    """Return a scenario that is over ``pace`` times sooner.

    Examples
    --------
    >>> import simlib as sl
    >>> quick = scale_time(sl.Scenario(duration_s=60), 4.0)
    >>> quick.duration_s, quick.client.backoff.cap_s, quick.workload.rate_per_s
    (15.0, 7.5, 4.0)
    """
    changed: Scenario = _scale_settings(scenario, pace)
    return changed


def _scale_settings(settings: Any, pace: float) -> Any:
    changes = {}
    for item in dataclasses.fields(settings):
        value = getattr(settings, item.name)
        if not item.init or (isinstance(settings, Fault) and not _is_taken(settings, item.name)):
            continue
        if dataclasses.is_dataclass(value):
            changes[item.name] = _scale_settings(value, pace)
        elif item.name == "recorded":
            changes[item.name] = tuple((time_s / pace, *what) for time_s, *what in value)
        elif item.name == "retry_after_s":
            # Whole seconds, and 0 is none: a hint that becomes short is a hint still.
            changes[item.name] = max(1, round(value / pace)) if value else 0
        elif isinstance(value, tuple) and value and dataclasses.is_dataclass(value[0]):
            changes[item.name] = tuple(_scale_settings(entry, pace) for entry in value)
        else:
            changes[item.name] = _in_pace(value, _unit(item), pace)
    # A cap below its base is refused on the way, so all change at once.
    return dataclasses.replace(settings, **changes)


def _is_taken(fault: Fault, name: str) -> bool:
    return name in {"kind", "start_s", *FAULT_FIELDS[fault.kind]}


def _unit(item: dataclasses.Field[Any]) -> str:
    """Return the unit that a field's rule names: of every number that has one, as of its name."""
    rule = item.metadata.get("rule") or item.metadata.get("each")
    return "" if rule is None else str(rule.unit)


def _in_pace(value: Any, unit: str, pace: float) -> Any:
    if unit == "seconds":
        return tuple(x / pace for x in value) if isinstance(value, tuple) else value / pace
    return value * pace if unit.endswith("per second") else value


def unscale_trace(trace: Trace, scenario: Scenario, pace: float) -> Trace:
    """Return the trace of a time-scaled run in the time of its original scenario.

    Examples
    --------
    >>> import simlib as sl
    >>> scenario = sl.Scenario(clients=2, duration_s=60)
    >>> slow = unscale_trace(sl.run(scale_time(scenario, 4.0)), scenario, 4.0)
    >>> slow.end_s
    60.0
    """
    whole = Trace(trace.engine, scenario, trace.label, trace.partial, trace.end_s * pace)
    columns = trace.columns()
    for name in _TIMES:
        columns[name] = columns[name] * pace
    for row in zip(*(columns[name].tolist() for name in NAMES), strict=True):
        whole.append(row)
    return whole
