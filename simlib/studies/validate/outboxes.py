"""Outboxes: messages that overtake others, and those for which there is no room."""

from __future__ import annotations

from functools import partial
from math import inf

import numpy as np

from simlib.core.backoff import Backoff
from simlib.core.backoff_kinds import Jitter
from simlib.core.faults import Fault, FaultKind
from simlib.core.heartbeat import HeartbeatRules
from simlib.core.meters import Rate
from simlib.core.outbox import OutboxLimits
from simlib.core.path import Latency, Path
from simlib.core.settings import Settings
from simlib.metrics.array_types import Floats
from simlib.metrics.messages import messages
from simlib.scenario.scenario import Scenario
from simlib.scenario.workload import Workload
from simlib.studies.validate import closed_forms as theory
from simlib.studies.validate.case import Known, KnownCase, Topic, simulate
from simlib.trace.trace import Trace

_AT_ONCE = Path(latency=Latency(mean_s=0.0))
_NO_HEARTBEAT = HeartbeatRules(interval_s=inf)
#: Messages per second of each priority, most urgent first; one leaves each second.
_LOADS = (0.08, 0.16, 0.32, 0.24)
_PRIORITIES = ("critical", "high", "normal", "low")
#: Replications of it, and clients of each.
_OUTBOX_RUNS, _OUTBOXES = 6, 40


def _outbox(clients: int, loads: tuple[float, ...]) -> Scenario:
    """Return clients whose messages leave one a second: each is a queue with priorities."""
    total = sum(loads)
    critical, high, _, low = (load / total for load in loads)
    return Scenario(
        clients=clients,
        duration_s=700.0,
        ramp_s=0.0,
        client=Settings(
            rate=Rate(per_s=1.0, burst=1),
            outbox=OutboxLimits(capacity=inf, max_in_flight=inf),
            heartbeat=_NO_HEARTBEAT,
        ),
        path=_AT_ONCE,
        workload=Workload(
            rate_per_s=total,
            critical_fraction=critical,
            high_fraction=high,
            low_fraction=low,
            stop_s=600.0,
        ),
    )


def measure_priority_wait(priority: str, trace: Trace) -> Floats:
    """Return the mean time that each client's messages of a priority waited, once it is steady."""
    table = messages(trace)
    table = table[(table["priority"] == priority) & (table["send_s"] >= 60.0)]
    waited = (table["left_s"] - table["send_s"]).groupby(table["client"]).mean()
    return waited.to_numpy(dtype=float)


def _priorities() -> KnownCase:
    checks = [
        Known(
            f"{name}: mean wait",
            theory.priority_wait_s(_LOADS, rank),
            theory.COBHAM,
            partial(measure_priority_wait, name),
            "s",
        )
        for rank, name in enumerate(_PRIORITIES)
    ]
    return KnownCase(
        Topic.PRIORITIES, simulate(_outbox(_OUTBOXES, _LOADS)), tuple(checks), _OUTBOX_RUNS, 2.0
    )


def _first_come() -> KnownCase:
    """Return outboxes whose messages are all alike: the mean wait does not tell who was first."""
    load, t = 0.5, 1.0
    check = Known(
        f"one priority, {load:g}/s: over {t:g} s",
        1.0 - theory.constant_wait_share(load, t),
        theory.CROMMELIN,
        partial(measure_share_in_outbox, t),
    )
    alike = simulate(_outbox(_OUTBOXES, (0.0, 0.0, load, 0.0)))
    return KnownCase(Topic.PRIORITIES, alike, (check,), _OUTBOX_RUNS, 1.0)


def measure_share_in_outbox(longer_than_s: float, trace: Trace) -> Floats:
    """Return the share of each client's messages that waited for longer, once it is steady."""
    table = messages(trace)
    table = table[table["send_s"] >= 60.0]
    late = table["left_s"] - table["send_s"] > longer_than_s + 1e-9
    return np.asarray(late.groupby(table["client"]).mean(), dtype=float)


def measure_overflow(trace: Trace) -> Floats:
    """Return how many messages each client's outbox had no room for."""
    table = messages(trace)
    full = table[table["reason"] == "full"].groupby("client").size()
    lost = full.reindex(range(trace.scenario.clients), fill_value=0)
    return np.asarray(lost, dtype=float)


def measure_overflowed(trace: Trace) -> Floats:
    """Return whether each client's outbox overflowed."""
    return (measure_overflow(trace) > 0).astype(float)


def _overflow() -> KnownCase:
    """Return outboxes of 20 that are cut off while 20 messages come on average."""
    room, rate_per_s, start_s = 20, 5.0, 2.0
    stop_s = start_s + room / rate_per_s
    scenario = Scenario(
        clients=1000,
        duration_s=stop_s + 1.0,
        ramp_s=1.0,
        client=Settings(
            outbox=OutboxLimits(capacity=room),
            backoff=Backoff(jitter=Jitter.NONE, base_s=100.0, cap_s=100.0),
        ),
        path=_AT_ONCE,
        workload=Workload(rate_per_s=rate_per_s, start_s=start_s, stop_s=stop_s),
        faults=(Fault(FaultKind.OUTAGE, start_s),),
    )
    name = "20 messages, room 20"
    return KnownCase(
        Topic.BOUNDED,
        simulate(scenario),
        (
            Known(
                f"{name}: overflows",
                theory.overflow_share(room, room),
                theory.POISSON,
                measure_overflowed,
                is_share=True,
            ),
            Known(f"{name}: lost", theory.mean_overflow(room, room), theory.POISSON,
                  measure_overflow),
        ),
        2,
        2.0,
    )  # fmt: skip


def outbox_cases() -> list[KnownCase]:
    """Return all of them."""
    return [_overflow(), _priorities(), _first_come()]
