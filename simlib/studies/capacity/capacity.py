"""How much capacity do the clients need to recover in time?

Each setting is varied alone, while the others stay as given. Every value is evaluated by one run
under common random numbers, so the answer holds for that seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import ceil, inf
from typing import Any

import numpy as np
import pandas as pd

from simlib.api import run
from simlib.core.card import Card, ShowsCard
from simlib.core.errors import SettingsError
from simlib.metrics.attempts import attempts_per_s, peak_attempts_per_s
from simlib.metrics.connecting import AVAILABLE, nobody_connects
from simlib.metrics.fault_times import recovery_times_s
from simlib.metrics.intervals import observed_quantiles
from simlib.metrics.metrics import row
from simlib.metrics.words import format_seconds, table_card
from simlib.scenario.origin import describe_origin
from simlib.scenario.scenario import Scenario
from simlib.studies.capacity.search import Knob, Point, find_threshold, setting_number
from simlib.support.arguments import check_arguments
from simlib.support.json_values import jsonable
from simlib.support.made_by import KEY, current_command
from simlib.support.progress import Progress
from simlib.trace.disruptions import interrupting

#: The clients start over at least so many times the time in which they are to be back.
_ROOM = 1.25
#: What is varied by default; a scenario that has no such setting goes without.
VARIED_BY_DEFAULT = ("gateways", "server.accept_per_s", "server.workers", "client.backoff.cap_s")


@dataclass(frozen=True, repr=False)
class Capacity(ShowsCard):
    """The capacity that brings the clients back in time; prints itself as a table.

    Attributes
    ----------
    scenario : Scenario
        The scenario as given.
    recover_within_s, share : float
        The question: this share of the clients is OPEN again so soon after a fault's end.
    on : str
        The engine that played.
    given, unlimited : Point
        The scenario as given, and before a server without any limit: the clients' own waits.
    knobs : tuple of Knob
        What was found, a knob each.
    made_by : str
        The command, or the call in Python, that made it.
    """

    scenario: Scenario
    recover_within_s: float
    share: float
    on: str
    given: Point
    unlimited: Point
    knobs: tuple[Knob, ...]
    made_by: str = field(default_factory=current_command)

    @property
    def suffices(self) -> bool:
        """Whether the scenario as given is quick enough."""
        return self.given.time_to_recover_s <= self.recover_within_s

    @property
    def who(self) -> str:
        """The clients that must recover, in words."""
        return "all clients" if self.share == 1.0 else f"{self.share:.6g} of the clients"

    @property
    def table(self) -> pd.DataFrame:
        """A row per setting: what is needed, and what it costs."""
        rows = [
            {
                "setting": knob.key,
                "given": knob.in_words(knob.given),
                "needed": knob.answer,
                "time_to_recover_s": knob.time_to_recover_s,
                "peak_attempts_per_s": knob.peak_attempts_per_s,
                "note": knob.note,
            }
            for knob in self.knobs
        ]
        return pd.DataFrame(rows)

    @property
    def notes(self) -> list[str]:
        """Further notes, a sentence each."""
        said = [f"{knob.key}: {knob.note}." for knob in self.knobs if knob.note]
        roomy = with_room(self.scenario, self.recover_within_s / self.share)
        later_s = roomy.duration_s - self.scenario.duration_s
        if later_s > 0.0:
            said.append(
                f"The clients started over {roomy.last_start_s:g} s, and the faults came "
                f"{later_s:g} s later than given: so a server that is quick enough has let "
                "everybody in before them."
            )
        return said

    @property
    def headline(self) -> str:
        """The question, and how it stands as given."""
        late, alone = self.given.thrown_out, self.unlimited
        parts = [
            f"Are {self.who} open again within {self.recover_within_s:g} s of the fault's end?",
            f"{'Yes' if self.suffices else 'No'}, as given {_after(self.given)}.",
            f"Before a server without limits {_after(alone)}.",
        ]
        if late < alone.thrown_out:
            parts.append(
                f"Only {late:,} of {alone.thrown_out:,} clients had been let in when the fault "
                "came: the others count as never back."
            )
        if alone.time_to_recover_s > self.recover_within_s:
            parts.append("So no server can be quick enough: the clients' own waits are too long.")
        return " ".join(parts)

    def to_json(self) -> dict[str, Any]:
        """Return everything as values for JSON."""
        document = {
            "scenario": self.scenario.name,
            "clients": self.scenario.clients,
            "seed": self.scenario.seed,
            "engine": self.on,
            "recover_within_s": self.recover_within_s,
            "share": self.share,
            "suffices": self.suffices,
            "given": self.given._asdict(),
            "unlimited": self.unlimited._asdict(),
            "knobs": [
                {
                    "key": knob.key,
                    "unit": knob.unit,
                    "given": knob.given,
                    "outcome": knob.outcome,
                    "needed": knob.needed,
                    "wants_least": knob.wants_least,
                    "time_to_recover_s": knob.time_to_recover_s,
                    "peak_attempts_per_s": knob.peak_attempts_per_s,
                    "note": knob.note,
                    "points": knob.points,
                }
                for knob in self.knobs
            ],
        }
        document[KEY] = describe_origin(self.made_by, self.scenario)
        return dict(jsonable(document))

    def card(self) -> Card:
        """Return what is shown: the answer, and what was found of each setting."""
        table = self.table.drop(columns="note")
        return table_card(self.headline, table, tuple(self.notes))


@check_arguments
def capacity(
    scenario: Scenario,
    recover_within_s: float,
    *,
    share: float = 1.0,
    keys: Sequence[str] | None = None,
    on: str = "fleet",
    progress: Progress | None = None,
) -> Capacity:
    """Find how much it takes to bring the clients back in time, one setting at a time.

    Parameters
    ----------
    scenario : Scenario
        With a fault that ends connections and then ends itself.
    recover_within_s : float
        All clients that a fault threw out are to be OPEN again so soon after its end.
    share : float
        This share of them will do.
    keys : sequence of str, optional
        Any numeric settings, such as ``server.backlog``; by default gateways (if the scenario
        has them), accept rate, workers and the backoff's cap.
    on : {"fleet", "sim"}
        The engine that plays; the fleet is the quicker one, and leaves out more.
    progress : callable, optional
        Called with the fraction done and a word.

    Returns
    -------
    Capacity
        The least value of each count and rate that suffices, and the largest of the others.

    Raises
    ------
    SettingsError
        If nobody is thrown out, or the run is too short to tell.

    Examples
    --------
    >>> import simlib as sl
    >>> storm = sl.Scenario(clients=20, duration_s=30, ramp_s=5,
    ...     client=sl.Settings(backoff=sl.Backoff(jitter="none", base_s=1, cap_s=1)),
    ...     server=sl.ServerSettings(accept_per_s=4), faults=[sl.Fault("reset", start_s=10)])
    >>> [knob] = sl.capacity(storm, 2.5, keys=["server.accept_per_s"], on="sim").knobs
    >>> knob.answer
    'at least 9.3/s'
    """
    within_s = float(recover_within_s)
    _check(scenario, within_s, share, on)
    chosen = list(dict.fromkeys(keys)) if keys else _keys_of(scenario)
    for key in chosen:
        setting_number(scenario, key)
    runs = _Runs(scenario, within_s, share, on, _Told(progress, len(chosen)))
    unlimited = runs.play_unlimited(scenario)
    if not unlimited.thrown_out:
        raise _of_nobody(scenario, on)
    given = runs.point(scenario, unlimited.thrown_out)
    knobs = tuple(runs.find_knob(key) for key in chosen)
    return Capacity(scenario, within_s, share, on, given, unlimited, knobs)


# --- the question ------------------------------------------------------------------------


def _check(scenario: Scenario, within_s: float, share: float, on: str) -> None:
    if on not in ("fleet", "sim"):
        raise SettingsError("on", on, "must be fleet or sim: it takes some dozens of runs")
    if not 0.0 < share <= 1.0:
        raise SettingsError("share", share, "must be a number above 0, and at most 1")
    if not 0.0 < within_s < inf:
        raise SettingsError("recover_within_s", within_s, "must be a number of seconds, above 0")
    faults = interrupting(scenario)
    if not faults:
        after = f" from warm_up_s ({scenario.warm_up_s:g}) on" if scenario.warm_up_s else ""
        rule = f"hold none that ends a connection{after}: add one, such as an outage with a stop_s"
        raise SettingsError("faults", len(scenario.faults), rule)
    for i, fault in enumerate(scenario.faults):
        if fault in faults and fault.end_s >= scenario.duration_s:
            rule = "must be before the end of the run: nobody comes back before a fault has ended"
            raise SettingsError(f"faults.{i}.stop_s", fault.stop_s, rule)
    first_s = _first_s(scenario)
    if scenario.last_start_s > first_s:
        last = f", but the last client starts at {scenario.last_start_s:.6g} s"
        rule = (
            f"must be over by the first fault ({first_s:g} s){last * bool(scenario.arrivals)}: "
            "only who is there is thrown out"
        )
        raise SettingsError("ramp_s", scenario.ramp_s, rule)
    last_s = max(fault.end_s for fault in faults)
    if last_s + within_s > scenario.duration_s:
        rule = (
            f"is more than the run goes on after its last fault ({scenario.duration_s - last_s:g}"
            f" s): set duration_s to {last_s + within_s:g} or more"
        )
        raise SettingsError("recover_within_s", within_s, rule)


def _of_nobody(scenario: Scenario, on: str) -> SettingsError:
    """Return why no client is thrown out: none connects, or no fault throws one out."""
    if nobody_connects(row(run(_without_limits(scenario), on))[AVAILABLE], scenario):
        timeout_s = scenario.client.connect_timeout_s
        rule = (
            "may be too short: no client connects, even before a server without limits, so none "
            "can be brought back; set it above the time that a handshake takes"
        )
        return SettingsError("client.connect_timeout_s", timeout_s, rule)
    rule = "throw nobody out: let one that ends connections begin after the clients' start"
    return SettingsError("faults", len(scenario.faults), rule)


def _without_limits(scenario: Scenario) -> Scenario:
    """Return a scenario before a server without limits."""
    server = replace(
        scenario.server,
        accept_per_s=inf,
        handshake_service_s=0.0,
        tls_service_s=0.0,
        backlog=inf,
        max_connections=inf,
    )
    return scenario.replace(server=server)


def _first_s(scenario: Scenario) -> float:
    return min(fault.start_s for fault in interrupting(scenario))


def with_room(scenario: Scenario, within_s: float) -> Scenario:
    """Return a scenario whose clients have time to be let in before its faults, which come later.

    A server that can bring them all back within a time can let them in over a somewhat longer one;
    so what it does at the start does not decide what is asked of it after the fault.

    Examples
    --------
    >>> from simlib.core.faults import Fault
    >>> roomy = with_room(Scenario(ramp_s=5, faults=[Fault("reset", start_s=6)]), 20)
    >>> roomy.ramp_s, roomy.faults[0].start_s, roomy.duration_s
    (25.0, 26.0, 80.0)
    """
    # Whole seconds: what is counted by the second stays as it is.
    later_s = float(max(0, ceil(_ROOM * within_s - scenario.last_start_s)))
    return scenario.replace(
        ramp_s=scenario.ramp_s + later_s,
        duration_s=scenario.duration_s + later_s,
        # A fault that it leaves out stays left out.
        warm_up_s=scenario.warm_up_s + later_s if scenario.warm_up_s else 0.0,
        faults=[
            replace(fault, start_s=fault.start_s + later_s, stop_s=fault.stop_s + later_s)
            for fault in scenario.faults
        ],
        hints=[replace(hint, start_s=hint.start_s + later_s) for hint in scenario.hints],
    )


def _keys_of(scenario: Scenario) -> list[str]:
    return [key for key in VARIED_BY_DEFAULT if _is_number(scenario, key)]


def _is_number(scenario: Scenario, key: str) -> bool:
    try:
        setting_number(scenario, key)
    except SettingsError:
        return False
    return True


def _is_policy(key: str) -> bool:
    """Whether a setting is the server's or the client's, and not of what they have to bear."""
    return key.partition(".")[0] in ("gateways", "server", "client")


# --- runs --------------------------------------------------------------------------------


class _Told:
    """Reports the progress of the whole study before each run."""

    def __init__(self, progress: Progress | None, knobs: int) -> None:
        self._progress, self._knobs = progress, knobs
        self._done: list[str] = []

    def run_of(self, key: str, value: float) -> None:
        """Report that a run of a knob begins."""
        if self._progress is None:
            return
        self._done.append(key)
        # How many runs a knob takes is known at its end: most take fewer than twenty.
        of_knob = 1.0 - 0.9 ** self._done.count(key)
        before = len(set(self._done)) - 1
        self._progress((before + of_knob) / self._knobs, f"playing {key} = {value:,.10g}")


class _Runs:
    """Plays each scenario once, however often it is asked about."""

    def __init__(
        self, scenario: Scenario, within_s: float, share: float, on: str, told: _Told
    ) -> None:
        self.scenario, self.within_s = scenario, within_s
        self._share, self._on, self._told = share, on, told
        self._points: dict[tuple[Scenario, int], Point] = {}

    def at(self, key: str, value: float) -> Point:
        """Return what the scenario does with another value of a setting."""
        self._told.run_of(key, value)
        changed = self.scenario.replace(key, value)
        ideal = self.play_unlimited(self.scenario if _is_policy(key) else changed)
        return self.point(changed, ideal.thrown_out)

    def find_knob(self, key: str) -> Knob:
        """Return what is found of a setting."""
        # Of load, more never helps; nor does any server where the clients' own waits are too long.
        quick = self.play_unlimited(self.scenario).time_to_recover_s <= self.within_s
        both_ways = _is_policy(key) and (quick or key.startswith("client"))
        played, allowed = partial(self.at, key), partial(self.allows, key)
        return find_threshold(
            self.scenario, key, played, allowed, self.within_s, both_ways=both_ways
        )

    def allows(self, key: str, value: float) -> bool:
        """Whether a setting may have a value, and the question can be asked then."""
        try:
            _check(self.scenario.replace(key, value), self.within_s, self._share, self._on)
        except SettingsError:
            return False
        return True

    def play_unlimited(self, scenario: Scenario) -> Point:
        """Return what a scenario does before a server without limits."""
        return self.point(_without_limits(scenario))

    def point(self, scenario: Scenario, thrown_out: int = 0) -> Point:
        """Return what a scenario does, if ``thrown_out`` clients should lose their connections.

        Who was not even let in before the fault was not brought back either.
        """
        if (scenario, thrown_out) not in self._points:
            roomy = with_room(scenario, self.within_s / self._share)
            trace = run(roomy, self._on)
            times_s = recovery_times_s(trace)
            missing = np.full(max(0, thrown_out - times_s.size), inf)
            awaited_s = np.concatenate([times_s, missing])
            # If nobody connects, no capacity brings them back.
            (time_s,) = observed_quantiles(awaited_s, [self._share]) if awaited_s.size else (inf,)
            peak = peak_attempts_per_s(trace, _first_s(roomy))
            attempts = int(attempts_per_s(trace).sum())
            point = Point(time_s, peak, attempts, times_s.size)
            self._points[scenario, thrown_out] = point
        return self._points[scenario, thrown_out]


# --- words -------------------------------------------------------------------------------


def _after(point: Point) -> str:
    if point.time_to_recover_s == inf:
        return "they are not back by the run's end"
    return f"they are back after {format_seconds(point.time_to_recover_s)}"
