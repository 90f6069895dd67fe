"""What keeps a connection alive and what stands in for it: handshakes, heartbeats, polls."""

from __future__ import annotations

from functools import partial
from math import exp

import numpy as np

from simlib.core.arrivals import StartTimes
from simlib.core.backoff import Backoff
from simlib.core.backoff_kinds import Jitter
from simlib.core.events import Reason
from simlib.core.fallback import Fallback
from simlib.core.faults import Fault, FaultKind, Route
from simlib.core.heartbeat import HeartbeatRules
from simlib.core.path import Latency, Path
from simlib.core.settings import Settings
from simlib.core.tls import Tls
from simlib.metrics.array_types import Floats
from simlib.scenario.scenario import Scenario
from simlib.scenario.workload import Workload
from simlib.studies.validate import closed_forms as theory
from simlib.studies.validate.case import Known, KnownCase, Topic, simulate
from simlib.trace.columns import Kind, Name
from simlib.trace.trace import Trace

_AT_ONCE = Path(latency=Latency(mean_s=0.0))
_HANDSHAKE = "RFC 9293, RFC 6455 (4)"
_UNIFORM = "a moment that is uniform in an interval"


def _handshake(tls: Tls, words: str, round_trips: int, source: str) -> KnownCase:
    rtt_s = 0.08
    scenario = Scenario(
        clients=1,
        duration_s=2.0,
        ramp_s=0.0,
        path=Path(latency=Latency(mean_s=rtt_s / 2.0), tls=tls),
        workload=Workload(rate_per_s=0.0),
    )
    name = f"80 ms round trip, {words}: open"
    check = Known(name, round_trips * rtt_s, source, measure_opened, "s")
    return KnownCase(Topic.HANDSHAKES, simulate(scenario), (check,), 1, 0.05)


def measure_opened(trace: Trace) -> Floats:
    """Return when connections were open."""
    columns = trace.columns()
    return np.asarray(columns["time_s"][columns["name"] == Name.OPENED])


def _heartbeat(interval_s: float, timeout_s: float) -> KnownCase:
    """Return clients whose network falls silent at a moment that is uniform between their pings."""
    start_s = 3.0 * interval_s
    scenario = Scenario(
        clients=1000,
        arrivals=StartTimes.UNIFORM,
        ramp_s=interval_s,
        duration_s=start_s + interval_s + timeout_s + 1.0,
        path=_AT_ONCE,
        client=Settings(
            heartbeat=HeartbeatRules(interval_s=interval_s, timeout_s=timeout_s),
            backoff=Backoff(max_attempts=0),
        ),
        workload=Workload(rate_per_s=0.0),
        faults=(Fault(FaultKind.BLACK_HOLE, start_s),),
    )
    name = f"ping {interval_s:g} s, pong {timeout_s:g} s: noticed"
    check = Known(name, interval_s / 2.0 + timeout_s, _UNIFORM, measure_detection, "s")
    return KnownCase(Topic.LIVENESS, simulate(scenario), (check,), 2, 0.5)


def measure_detection(trace: Trace) -> Floats:
    """Return how long after the network's silence each client ended its connection."""
    columns = trace.columns()
    ended = (columns["name"] == Name.CLOSE) & (columns["reason"] == Reason.SILENT)
    return np.asarray(columns["time_s"][ended] - trace.scenario.faults[0].start_s)


def _polls(interval_s: float, updates_per_s: float) -> KnownCase:
    """Return pairs of clients that share a channel, and have nothing but polls to follow it."""
    pairs = 100
    scenario = Scenario(
        clients=2 * pairs,
        arrivals=StartTimes.UNIFORM,
        ramp_s=interval_s,
        duration_s=100.0,
        path=_AT_ONCE,
        client=Settings(
            fallback=Fallback(after_attempts=1, poll_interval_s=interval_s),
            backoff=Backoff(jitter=Jitter.NONE, base_s=1000.0, cap_s=1000.0),
        ),
        workload=Workload(
            rate_per_s=updates_per_s / 2.0, keys=pairs, start_s=2.0 * interval_s,
            critical_fraction=0.0, high_fraction=0.0, low_fraction=0.0,
        ),
        faults=(Fault(FaultKind.OUTAGE, 0.0, route=Route.WEBSOCKET),),
    )  # fmt: skip
    name = f"poll {interval_s:g} s, update {1.0 / updates_per_s:g} s"
    empty = exp(-updates_per_s * interval_s)
    late = Known(f"{name}: late by", interval_s / 2.0, _UNIFORM, measure_lateness, "s")
    nothing = Known(
        f"{name}: empty polls", empty, theory.POISSON, partial(measure_empty_polls, interval_s)
    )
    return KnownCase(Topic.LIVENESS, simulate(scenario), (late, nothing), 1, 1.0)


def measure_lateness(trace: Trace) -> Floats:
    """Return how late the updates of each channel reached its first client, on average."""
    columns, keys = trace.columns(), trace.scenario.workload.keys
    taken = (columns["name"] == Name.PROCESS) & (columns["kind"] == Kind.SERVER)
    delivered = (columns["name"] == Name.DELIVER) & (columns["client"] < keys)
    late_s = []
    for key in range(keys):
        # The n-th message about a thing is the n-th version of its channel.
        made_s = columns["time_s"][taken & (columns["client"] % keys == key)]
        mine = delivered & (columns["key"] == key)
        if mine.any():
            late_s.append(columns["time_s"][mine] - made_s[columns["version"][mine] - 1])
    return np.array([each.mean() for each in late_s])


def measure_empty_polls(interval_s: float, trace: Trace) -> Floats:
    """Return the share of each first client's polls that brought nothing, once it is steady."""
    columns, keys = trace.columns(), trace.scenario.workload.keys
    # The first poll after the first message may still look back on a time without any.
    settled = (columns["time_s"] >= 4.0 * interval_s) & (columns["client"] < keys)
    polls = settled & (columns["name"] == Name.POLLED)
    brought = settled & (columns["name"] == Name.PUSHED)
    pairs = zip(columns["client"][brought].tolist(), columns["connection"][brought].tolist(),
                strict=True)  # fmt: skip
    asked = np.bincount(columns["client"][polls], minlength=keys)
    got = np.bincount([client for client, _ in set(pairs)], minlength=keys)
    return np.asarray(1.0 - got / asked)


def liveness_cases() -> list[KnownCase]:
    """Return all of them."""
    return [
        _handshake(Tls.NONE, "no TLS", 2, _HANDSHAKE),
        _handshake(Tls["1.3"], "TLS 1.3", 3, "RFC 8446 (2)"),
        _handshake(Tls["1.2"], "TLS 1.2", 4, "RFC 5246 (7.3)"),
        _heartbeat(30.0, 10.0),
        _heartbeat(20.0, 20.0),
        _polls(4.0, 0.2),
        _polls(2.0, 0.5),
    ]
