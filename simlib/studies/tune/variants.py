"""Variants of a scenario for tuning, and the baseline policies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import inf
from operator import attrgetter
from typing import Any

from simlib.core.errors import SettingsError
from simlib.core.faults import Fault, FaultKind
from simlib.scenario.presets import PREFIX, presets
from simlib.scenario.scenario import Scenario
from simlib.support.arguments import check_arguments
from simlib.trace.disruptions import interrupting

#: Outages of the ensemble are so many times as long as the one that was given.
_SHORT, _LONG = 0.25, 4.0
#: A fault that takes but a moment stands for outages of this length.
_MOMENT_S = 5.0
#: The client of the report that simlib began with.
REPORT: dict[str, Any] = {
    "backoff": {"jitter": "full", "base_s": 1, "factor": 2, "cap_s": 10, "max_attempts": 10},
    "breaker": {"trip_after": 5, "open_s": 30},
    "heartbeat": {"interval_s": 30, "timeout_s": 10},
    "fallback": {"after_attempts": 3},
}


@dataclass(frozen=True, eq=False)
class Candidate:
    """A policy by its name: what it changes in a scenario."""

    name: str
    #: tuned, given, report or preset.
    kind: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@check_arguments
def ensemble(scenario: Scenario) -> tuple[Scenario, ...]:
    """Return a scenario and others like it, so that an answer is not fitted to one.

    The first fault that interrupts is also played a quarter and four times as long, as a deploy
    over the same time, and as a connection that comes and goes for twice the time. After it there
    is as much time as was given. Metrics count from it on, unless the scenario has a warm-up, so
    that the clients' own start is not taken for the storm.

    Parameters
    ----------
    scenario : Scenario
        The scenario, with a fault that interrupts connections.

    Returns
    -------
    tuple of Scenario
        The scenario itself, then its variants.

    Raises
    ------
    SettingsError
        If no fault interrupts.

    Examples
    --------
    >>> storm = Scenario(duration_s=40, faults=[Fault("outage", start_s=10, stop_s=18)])
    >>> [variant.duration_s for variant in ensemble(storm)]
    [40.0, 34.0, 64.0, 40.0, 48.0]
    """
    faults = interrupting(scenario)
    if not faults:
        rule = "must have a fault that interrupts connections: without one there is nothing to tune"
        raise SettingsError("faults", [], rule)
    first = min(faults, key=lambda fault: fault.start_s)
    counted = scenario if scenario.warm_up_s else scenario.replace(warm_up_s=first.start_s)
    end_s = min(first.end_s, scenario.duration_s)
    length_s = end_s - first.start_s or _MOMENT_S

    def with_fault(name: str, fault: Fault) -> Scenario:
        after_s = scenario.duration_s - end_s
        return counted.replace(
            name=f"{scenario.name}, {name}", faults=[fault], duration_s=fault.end_s + after_s
        )

    def until(length_s: float, **fields: Any) -> Fault:
        kind = FaultKind(fields.pop("kind", FaultKind.OUTAGE))
        return Fault(kind, start_s=first.start_s, stop_s=first.start_s + length_s, **fields)

    return (
        counted,
        with_fault("short outage", until(_SHORT * length_s)),
        with_fault("long outage", until(_LONG * length_s)),
        with_fault("deploy", until(length_s, kind=FaultKind.DEPLOY)),
        with_fault("flap", until(2.0 * length_s, kind=FaultKind.FLAP, period_s=length_s / 2.0)),
    )


def lengthen_faults(scenario: Scenario, factor: float) -> Scenario:
    """Return a scenario with longer faults, and as much longer time after them.

    Examples
    --------
    >>> storm = Scenario(duration_s=40, faults=[Fault("outage", start_s=10, stop_s=18)])
    >>> lengthen_faults(storm, 2).duration_s
    48.0
    """
    faults, later_s = [], 0.0
    for fault in sorted(scenario.faults, key=attrgetter("start_s")):
        length_s = fault.stop_s - fault.start_s
        more_s = (
            (factor - 1.0) * length_s if length_s < inf and fault.end_s > fault.start_s else 0.0
        )
        stop_s = fault.stop_s + later_s + more_s
        faults.append(replace(fault, start_s=fault.start_s + later_s, stop_s=stop_s))
        later_s += more_s
    return scenario.replace(faults=faults, duration_s=scenario.duration_s + later_s)


def rivals(on: str) -> list[Candidate]:
    """Return the policies that a tuned one has to beat: as given, the report's, all presets."""
    report = {key: value for key, value in REPORT.items() if key != "fallback" or on != "fleet"}
    name = "report's defaults" + (", no polling" if on == "fleet" else "")
    return [
        Candidate("as given", "given"),
        Candidate(name, "report", {"client": report}),
        *(Candidate(preset, "preset", {"client": PREFIX + preset}) for preset in presets),
    ]
