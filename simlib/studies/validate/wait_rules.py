"""The rules of a wait, one at a time: the cap, floors, growth, hints of servers, patience for acks.

Each stands in one row, so that a wrong one is told by it; the means are those of uniform draws.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from simlib.core.backoff import Backoff
from simlib.core.backoff_kinds import CountedFrom, Growth, Jitter, JitterPlace
from simlib.core.events import Priority, Reason
from simlib.core.faults import Fault, FaultKind
from simlib.core.outbox import OutboxLimits
from simlib.core.path import Latency, Path
from simlib.core.server_settings import ServerSettings
from simlib.metrics.array_types import Floats
from simlib.scenario.workload import Arrivals, Workload
from simlib.studies.validate import closed_forms as theory
from simlib.studies.validate.case import Known, KnownCase, Topic, simulate
from simlib.studies.validate.recovery import FAULT_START_S, measure_time_of, outage
from simlib.trace.columns import Name
from simlib.trace.trace import Trace

_CAPPED = "mean of a uniform wait, cut off at its bounds"
_HINT = "RFC 9110 (10.2.3), and the spread of the policy"
_QUARTER: dict[str, Any] = {"jitter": Jitter.PROPORTIONAL, "spread_fraction": 0.25}


def _eight_waits(name: str, mean_s: float, source: str, **rules: Any) -> KnownCase:
    """Return the sum of eight waits: base 0.5 s, cap 8 s, and the rules that differ."""
    whole = {"jitter": Jitter.NONE, "base_s": 0.5, "cap_s": 8.0, "max_attempts": 8, **rules}
    check = Known(f"{name}: eight waits", mean_s, source, partial(measure_time_of, 8), "s")
    scenario = outage(Backoff(**whole), 1000.0, 100.0)
    if whole["jitter"] == Jitter.NONE:
        scenario = scenario.replace(clients=1)
    return KnownCase(Topic.WAITS, simulate(scenario), (check,), 1, 0.7)


def _waits_from_the_start() -> KnownCase:
    """Return a client whose attempts take 0.2 s to fail, and whose waits hide that.

    The first wait counts from the start of the connection that is lost, and so is over: 0 s, and
    then 1, 2, 4, 8, 8, 8 and 8 s from attempt to attempt.
    """
    backoff = Backoff(
        jitter=Jitter.NONE, base_s=0.5, cap_s=8.0, counted_from=CountedFrom.START, max_attempts=8
    )
    scenario = outage(backoff, 1000.0, 100.0).replace(
        {"clients": 1, "path": Path(latency=Latency(mean_s=0.1))}
    )
    at_s = partial(measure_time_of, 8)
    check = Known("counted from starts: eight waits", 39.0, theory.ADDED_UP, at_s, "s")
    return KnownCase(Topic.WAITS, simulate(scenario), (check,), 1, 0.1)


# --- what a server says ------------------------------------------------------------------


def _wait_as_told(name: str, jitter: Jitter, mean_s: float) -> KnownCase:
    """Return clients that are told to come again after 20 s; their own wait is at most 1 s."""
    backoff = Backoff(jitter=jitter, base_s=1.0, spread_fraction=0.5)
    reject = Fault(
        FaultKind.REJECT, FAULT_START_S, FAULT_START_S + 10.0, status=503, retry_after_s=20.0
    )
    # A reset, so that they come again at the moment from which times are counted.
    scenario = outage(backoff, 1.0, 100.0).replace(
        "faults", (reject, Fault(FaultKind.RESET, FAULT_START_S))
    )
    if jitter == Jitter.NONE:
        scenario = scenario.replace(clients=1)
    check = Known(f"Retry-After 20 s, {name}: next", mean_s, _HINT, measure_next, "s")
    return KnownCase(Topic.WAITS, simulate(scenario), (check,), 1, 0.3)


def _advised_window() -> KnownCase:
    """Return clients whose server ends their connections, and advises a window of 60 s."""
    backoff = Backoff(jitter=Jitter.NONE, base_s=1e-6, cap_s=1e-6)
    scenario = outage(backoff, 1.0, 100.0).replace(
        {"faults": (Fault(FaultKind.CLOSE, FAULT_START_S),),
         "server": ServerSettings(advises_window_s=60.0)}
    )  # fmt: skip
    check = Known(
        "advised window of 60 s: next", 30.0, "a moment that is uniform in an interval",
        partial(measure_time_of, 1), "s",
    )  # fmt: skip
    return KnownCase(Topic.WAITS, simulate(scenario), (check,), 1, 0.3)


def measure_next(trace: Trace) -> Floats:
    """Return how long after its first attempt in vain each client made the next."""
    return measure_time_of(2, trace) - measure_time_of(1, trace)


# --- acknowledgements that never come ----------------------------------------------------


def _dead_letters() -> KnownCase:
    """Return a client whose message is never acknowledged: patience of 10 s, 20 s, 40 s ..."""
    patience = OutboxLimits(ack_timeout_s=10.0, max_resends=5)
    scenario = outage(Backoff(), 1.0, 1000.0, outbox=patience).replace(
        {"clients": 1, "faults": (Fault(FaultKind.BLACK_HOLE, FAULT_START_S),),
         "workload": Workload(arrivals=Arrivals.RECORDED, recorded=((2.0, Priority.NORMAL, 200),))}
    )  # fmt: skip
    check = Known(
        "5 resends, 10 s first: given up", 10.0 * (2**6 - 1), theory.ADDED_UP,
        measure_given_up, "s",
    )  # fmt: skip
    return KnownCase(Topic.WAITS, simulate(scenario), (check,), 1, 0.1)


def measure_given_up(trace: Trace) -> Floats:
    """Return how long after it was sent a message was given up."""
    columns = trace.columns()
    sent_s = columns["time_s"][columns["name"] == Name.SEND]
    dropped = (columns["name"] == Name.DROP) & (columns["reason"] == Reason.DEAD_LETTER)
    return np.asarray(columns["time_s"][dropped] - sent_s)


def wait_cases() -> list[KnownCase]:
    """Return all of them."""
    inside, before = JitterPlace.INSIDE, JitterPlace.BEFORE_CAP
    by_hand = theory.ADDED_UP
    return [
        # Half of what is drawn at the cap would pass it: 8 s become 7.5 s on average.
        _eight_waits("+-25 % within cap", 37.5, _CAPPED, jitter_place=inside, **_QUARTER),
        # From the sixth on even the shortest passes the cap.
        _eight_waits("+-25 % before cap", 39.0, _CAPPED, jitter_place=before, **_QUARTER),
        _eight_waits("25 % off", 34.5625, _CAPPED, jitter=Jitter.BELOW, spread_fraction=0.25),
        _eight_waits("0.5 to 1 s on top", 42.5, _CAPPED, jitter=Jitter.ADDITIVE, add_least_s=0.5),
        # 2 s three times, 2.5 s, and 4.25 s four times.
        _eight_waits("full, floor 2 s", 25.5, _CAPPED, jitter=Jitter.FULL, floor_s=2.0),
        _eight_waits("linear, 0.5 s more", 18.0, by_hand, growth=Growth.LINEAR, rise_s=0.5),
        _eight_waits("quadratic", 47.0, by_hand, growth=Growth.POWER, exponent=2.0),
        _eight_waits("steps 1, 2, 5 s", 33.0, by_hand, steps_s=(1.0, 2.0, 5.0)),
        _eight_waits("first at once", 39.0, by_hand, first_s=0.0),
        _eight_waits("3 s after a loss", 34.5, by_hand, after_loss_s=3.0),
        _waits_from_the_start(),
        _wait_as_told("no jitter", Jitter.NONE, 20.0),
        _wait_as_told("jitter", Jitter.FULL, 25.0),
        _advised_window(),
        _dead_letters(),
    ]
