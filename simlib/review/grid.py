"""The grid of a review: the same question for other lengths of the outage and other sizes.

It is played beforehand, one run for each policy at each point, so that a reader of the file can
move from point to point without anything to play.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import ceil, inf, isfinite, prod
from typing import Any

import numpy as np

from simlib.api import run
from simlib.core.errors import SettingsError, SimlibError
from simlib.experiments.pool import Outcome, open_pool
from simlib.metrics.array_types import Floats
from simlib.metrics.attempts import attempts_per_s
from simlib.metrics.fault_times import recovery_times_s
from simlib.metrics.metrics import row
from simlib.review.question import Policy, ReviewQuestion
from simlib.review.results import count_workers
from simlib.scenario.rates import handshakes_per_s
from simlib.scenario.scenario import Scenario
from simlib.trace.disruptions import interrupting

OUTAGE_AXIS = "outage_s"
CLIENTS_AXIS = "clients"
#: Times the scenario's own value.
_LENGTHS = (1 / 6, 1 / 3, 1 / 2, 1, 2, 5)
_SIZES = (0.1, 1, 10)
#: More clients are no storm that a file is asked about, and take a minute for each point.
_MOST_CLIENTS = 1_000_000
#: Sim plays so many clients in the time that there is.
_MOST_ON_SIM = 300
#: Points on the curves that the file holds.
_LOAD_POINTS, _SHARES = 120, 51
#: More points than this take too long, and too much of the file.
MOST_GRID_POINTS = 400
#: The numbers of a point, in the order of the table.
NUMBERS = {
    "time_to_recover_s_p50": "half are back after, s",
    "time_to_recover_s_p99": "99 % are back after, s",
    "last_back_s": "the last is back after, s",
    "never_recovered": "never back",
    "peak_after_fault_per_s": "worst second after the fault, attempts",
    "attempts": "attempts in all",
}


@dataclass(frozen=True)
class GridAxis:
    """One thing that varies."""

    key: str
    #: As a slider's label has it.
    label: str
    values: tuple[Any, ...]


@dataclass(frozen=True)
class GridPoint:
    """One policy at one point: its numbers, and two curves."""

    policy: str
    #: The index of the value on each axis.
    place: tuple[int, ...]
    numbers: dict[str, float]
    #: Attempts per second, so many seconds apart, from a moment before the fault on.
    load: tuple[float, ...]
    load_step_s: float
    load_start_s: float
    outage_s: float
    limit_per_s: float
    #: When 0 %, 2 % ... 100 % of the clients that were hit were back; inf: not in the run.
    back_s: tuple[float, ...]


@dataclass(frozen=True)
class Grid:
    """All points that were played."""

    scenario: Scenario
    axes: tuple[GridAxis, ...]
    policies: tuple[str, ...]
    points: tuple[GridPoint, ...]
    #: Points that could not be played, in words.
    failures: tuple[str, ...] = ()

    def best_at(self, place: Sequence[int]) -> str:
        """Return the policy that has 99 % of the clients back soonest; empty: none does."""
        here = [point for point in self.points if point.place == tuple(place)]
        in_time = [point for point in here if isfinite(point.numbers["time_to_recover_s_p99"])]
        if not in_time:
            return ""
        return min(in_time, key=lambda point: point.numbers["time_to_recover_s_p99"]).policy

    @property
    def places(self) -> list[tuple[int, ...]]:
        """All points of the axes, in order."""
        return list(product(*(range(len(axis.values)) for axis in self.axes)))

    @property
    def given_place(self) -> tuple[int, ...]:
        """Where the scenario itself lies, or the first point if it lies nowhere."""
        return tuple(
            axis.values.index(value)
            if (value := _own(self.scenario, axis.key)) in axis.values
            else 0
            for axis in self.axes
        )


def grid_axes(
    question: ReviewQuestion, vary: Mapping[str, Sequence[Any]] | None = None
) -> tuple[GridAxis, ...]:
    """Return what varies: what was asked for, or the outage's length and the number of clients.

    Raises
    ------
    SettingsError
        If a setting does not exist, or there are too many points.
    """
    scenario = question.scenarios[0]
    if vary:
        found = tuple(GridAxis(key, _label(key), tuple(values)) for key, values in vary.items())
        for axis in found:
            for value in axis.values:
                _change(scenario, {axis.key: value})
    else:
        found = _usual_axes(scenario, question.on)
    points = prod(len(axis.values) for axis in found) * len(question.policies)
    if points > MOST_GRID_POINTS:
        rule = f"make {points:,} points with all policies, more than {MOST_GRID_POINTS}: "
        rule += "choose fewer values"
        raise SettingsError("vary", {axis.key: len(axis.values) for axis in found}, rule)
    return found


def _usual_axes(scenario: Scenario, on: str) -> tuple[GridAxis, ...]:
    axes = []
    if (outage_s := _own(scenario, OUTAGE_AXIS)) is not None:
        lengths = _LENGTHS if on == "fleet" else (1 / 2, 1, 2)
        values = tuple(float(f"{outage_s * times:.3g}") for times in lengths)
        axes.append(GridAxis(OUTAGE_AXIS, _label(OUTAGE_AXIS), tuple(dict.fromkeys(values))))
    sizes = [round(scenario.clients * times) for times in _SIZES]
    most = _MOST_CLIENTS if on == "fleet" else _MOST_ON_SIM
    values = tuple(n for n in dict.fromkeys(sizes) if n == scenario.clients or 1 < n <= most)
    if len(values) > 1:
        axes.append(GridAxis(CLIENTS_AXIS, _label(CLIENTS_AXIS), values))
    return tuple(axes)


def say_value(key: str, value: Any) -> str:
    """Return a value of an axis as it stands in a sentence, after "with".

    Examples
    --------
    >>> say_value("outage_s", 60.0), say_value("clients", 5000), say_value("seed", 3)
    ('an outage of 60 s', '5,000 clients', 'seed = 3')
    """
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    shown = f"{value:,.10g}" if is_number else str(value)
    words = {OUTAGE_AXIS: f"an outage of {shown} s", CLIENTS_AXIS: f"{shown} clients"}
    return words.get(key, f"{key} = {shown}")


def _label(key: str) -> str:
    return {OUTAGE_AXIS: "length of the outage, s", CLIENTS_AXIS: "clients"}.get(key, key)


def _own(scenario: Scenario, key: str) -> Any:
    """Return the scenario's own value on an axis; None: it has none."""
    if key == CLIENTS_AXIS:
        return scenario.clients
    if key == OUTAGE_AXIS:
        faults = interrupting(scenario)
        lengths_s = [fault.end_s - fault.start_s for fault in faults]
        return lengths_s[0] if len(faults) == 1 and 0.0 < lengths_s[0] < inf else None
    from simlib.scenario.scenario import setting

    return setting(scenario, key)[0]


def _change(scenario: Scenario, values: Mapping[str, Any]) -> Scenario:
    """Return the scenario at a point of the grid, long enough for everybody to come back."""
    plain = {key: value for key, value in values.items() if key not in (OUTAGE_AXIS, CLIENTS_AXIS)}
    changed = scenario.replace(plain) if plain else scenario
    clients, length_s = values.get(CLIENTS_AXIS, changed.clients), values.get(OUTAGE_AXIS)
    return _fit(changed, int(clients), None if length_s is None else float(length_s))


def _fit(scenario: Scenario, clients: int, outage_s: float | None) -> Scenario:
    """Return a scenario of another size: all are in before its first fault, with time after it.

    Faults move together, so that the times between them stay.
    """
    faults, rate = scenario.faults, handshakes_per_s(scenario)
    if clients == scenario.clients and outage_s in (None, _own(scenario, OUTAGE_AXIS)):
        return scenario
    least_s = 1.5 * clients / rate if isfinite(rate) else 0.0
    first_s = min((fault.start_s for fault in faults), default=0.0)
    start_s = first_s if clients <= scenario.clients else max(first_s, ceil(least_s))
    moved = [_move(fault, start_s - first_s) for fault in faults]
    longer_s = 0.0
    if outage_s is not None:
        index = next(i for i, fault in enumerate(faults) if fault in interrupting(scenario))
        longer_s = outage_s - (faults[index].end_s - faults[index].start_s)
        moved[index] = replace(moved[index], stop_s=moved[index].start_s + outage_s)
    after_s = scenario.duration_s - max((f.end_s for f in faults if f.end_s < inf), default=0.0)
    more_s = max(0.0, 6.0 * clients / rate - after_s) if isfinite(rate) else 0.0
    duration_s = scenario.duration_s + (start_s - first_s) + longer_s + more_s
    ramp_s = scenario.ramp_s
    if start_s > first_s:
        ramp_s = max(ramp_s, 0.9 * start_s)
    return scenario.replace(
        {"clients": clients, "faults": tuple(moved), "duration_s": duration_s, "ramp_s": ramp_s}
    )


def _move(fault: Any, by_s: float) -> Any:
    if not by_s:
        return fault
    stop_s = fault.stop_s + by_s if fault.stop_s < inf else inf
    return replace(fault, start_s=fault.start_s + by_s, stop_s=stop_s)


def play_grid(
    question: ReviewQuestion,
    axes: Sequence[GridAxis],
    progress: Callable[..., None] | None = None,
) -> Grid:
    """Play each policy at each point once, in the first scenario, and keep numbers and curves."""
    scenario = question.scenarios[0]
    places = list(product(*(range(len(axis.values)) for axis in axes)))
    tasks = [
        (policy, place, _at(scenario, policy, axes, place), question.on)
        for place in places
        for policy in question.policies
    ]
    # Long ones first, so that no worker is left with one of them at the end.
    tasks.sort(key=lambda task: -task[2].clients * task[2].duration_s)
    done: list[Outcome] = []
    clients = sum(task[2].clients for task in tasks)
    with open_pool(count_workers(question.on, clients)) as outcomes:
        for outcome in outcomes(play_point, tasks):
            done.append(outcome)
            if progress is not None:
                progress(len(done) / len(tasks))
    points = sorted(
        (each.value for each in done if not each.failure),
        key=lambda point: (point.place, point.policy),
    )
    failures = tuple(each.failure for each in done if each.failure)
    if not points:
        raise SimlibError(f"No point could be played: {failures[0]}")
    names = tuple(policy.name for policy in question.policies)
    return Grid(scenario, tuple(axes), names, tuple(points), failures)


def _at(
    scenario: Scenario, policy: Policy, axes: Sequence[GridAxis], place: Sequence[int]
) -> Scenario:
    values = {axis.key: axis.values[i] for axis, i in zip(axes, place, strict=True)}
    return _change(policy.in_scenario(scenario), values)


def play_point(task: tuple[Policy, tuple[int, ...], Scenario, str]) -> GridPoint:
    """Play one policy at one point: a task for a worker."""
    policy, place, scenario, on = task
    trace = run(scenario, on, label=policy.name)
    numbers = row(trace)
    faults = interrupting(scenario)
    start_s = faults[0].start_s if faults else 0.0
    end_s = faults[-1].end_s if faults and faults[-1].end_s < inf else start_s
    load = attempts_per_s(trace)
    first, last = _window(load, start_s, end_s)
    step = max(1, ceil((last - first) / _LOAD_POINTS))
    return GridPoint(
        policy.name,
        place,
        {name: float(numbers.get(name, np.nan)) for name in NUMBERS},
        # The worst second of each step: what a reader looks for must not be averaged away.
        tuple(float(load[i : i + step].max()) for i in range(first, last, step)),
        float(step),
        float(first - start_s),
        end_s - start_s,
        handshakes_per_s(scenario),
        _shares_back_s(recovery_times_s(trace)),
    )


def _window(load: Floats, start_s: float, end_s: float) -> tuple[int, int]:
    """Return the seconds that are drawn: from a little before the fault until all is quiet."""
    first = max(0, int(start_s - 0.15 * (end_s - start_s) - 2))
    busy = np.flatnonzero(load)
    quiet = int(busy[-1]) + 1 if busy.size else len(load)
    return first, min(len(load), max(quiet, int(end_s) + 1) + 3)


def _shares_back_s(times_s: Floats) -> tuple[float, ...]:
    if not times_s.size:
        return ()
    ordered = np.sort(times_s)
    places = np.ceil(np.linspace(0.0, 1.0, _SHARES) * ordered.size).astype(int) - 1
    return tuple(float(each) for each in ordered[np.maximum(places, 0)])
