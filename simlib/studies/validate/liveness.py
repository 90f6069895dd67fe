"""What keeps a connection alive and what stands in for it: handshakes, heartbeats, polls."""

from __future__ import annotations

from functools import partial
from math import exp

import numpy as np

from simlib.core.arrivals import StartTimes
from simlib.core.backoff import Backoff
from simlib.core.backoff_kinds import Jitter
from simlib.core.fallback import Fallback
from simlib.core.faults import Fault, FaultKind, Route
from simlib.core.heartbeat import HeartbeatRules
from simlib.core.path import Latency, Path
from simlib.core.settings import Settings
from simlib.core.tls import Tls
from simlib.metrics.array_types import Floats
from simlib.metrics.fault_times import detection_times_s
from simlib.scenario.scenario import Scenario
from simlib.scenario.workload import Arrivals, Workload
from simlib.studies.validate import closed_forms as theory
from simlib.studies.validate.case import Known, KnownCase, Topic, play_quickly, simulate
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


def _lossy_handshake() -> KnownCase:
    """Return handshakes of four packets, each of which is lost with a chance of 1 in 5.

    A lost one is sent again after 0.2 s, and once more after another 0.4 s. So those that are open
    by 0.16 + 2 * 0.2 s have lost none, one, or two that are not the same packet.
    """
    lost, packets, rtt_s = 0.2, 4, 0.08
    scenario = Scenario(
        clients=1000,
        duration_s=60.0,
        ramp_s=0.0,
        path=Path(latency=Latency(mean_s=rtt_s / 2.0), loss_fraction=lost, rto_s=0.2),
        client=Settings(connect_timeout_s=1e6),
        workload=Workload(rate_per_s=0.0),
    )
    early = (1.0 - lost) ** packets * (1.0 + packets * lost + 6.0 * lost**2)
    check = Known(
        "80 ms, 1 in 5 lost: over 0.6 s", 1.0 - early, "RFC 6298 (5.5)",
        partial(measure_open_later, 0.6), is_share=True,
    )  # fmt: skip
    return KnownCase(Topic.HANDSHAKES, simulate(scenario), (check,), 1, 0.5)


def measure_open_later(after_s: float, trace: Trace) -> Floats:
    """Return whether each client was open later than that, if at all."""
    early = int((measure_opened(trace) <= after_s).sum())
    return np.repeat([0.0, 1.0], [early, trace.scenario.clients - early])


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
    check = Known(name, interval_s / 2.0 + timeout_s, _UNIFORM, detection_times_s, "s")
    # The fleet has pings of its own, so each engine plays one of the two.
    play = play_quickly(scenario) if interval_s == timeout_s else simulate(scenario)
    return KnownCase(Topic.LIVENESS, play, (check,), 2, 0.5)


def _pings(interval_s: float, way_s: float, duration_s: float) -> KnownCase:
    """Return a client with a slow network: pings follow each other, whatever an answer takes."""
    scenario = Scenario(
        clients=1,
        ramp_s=0.0,
        duration_s=duration_s,
        path=Path(latency=Latency(mean_s=way_s)),
        client=Settings(heartbeat=HeartbeatRules(interval_s=interval_s, timeout_s=interval_s)),
        workload=Workload(rate_per_s=0.0),
    )
    # Two round trips, then an interval before the first.
    pings = int((duration_s - 4.0 * way_s) / interval_s)
    name = f"ping {interval_s:g} s, answer {2.0 * way_s:g} s: pings"
    check = Known(name, float(pings), theory.ADDED_UP, partial(measure_count, Name.PING))
    return KnownCase(Topic.LIVENESS, simulate(scenario), (check,), 1, 0.05)


def _pings_in_silence() -> KnownCase:
    """Return a client that gets an answer each second, and pings only after 5 s of silence."""
    scenario = Scenario(
        clients=1,
        ramp_s=0.0,
        duration_s=100.0,
        path=_AT_ONCE,
        client=Settings(heartbeat=HeartbeatRules(interval_s=5.0, any_traffic=True)),
        workload=Workload(arrivals=Arrivals.CONSTANT, rate_per_s=1.0),
    )
    count = partial(measure_count, Name.PING)
    check = Known("ping 5 s, answers each s: pings", 0.0, "gRPC, keepalive", count)
    return KnownCase(Topic.LIVENESS, simulate(scenario), (check,), 1, 0.05)


def _slow_polls(interval_s: float, way_s: float, duration_s: float) -> KnownCase:
    """Return a client whose WebSocket is refused: polls follow each other as pings do above."""
    scenario = Scenario(
        clients=1,
        ramp_s=0.0,
        duration_s=duration_s,
        path=Path(latency=Latency(mean_s=way_s)),
        client=Settings(
            fallback=Fallback(after_attempts=1, poll_interval_s=interval_s),
            backoff=Backoff(jitter=Jitter.NONE, base_s=1000.0, cap_s=1000.0),
        ),
        workload=Workload(rate_per_s=0.0),
        faults=(Fault(FaultKind.OUTAGE, 0.0, route=Route.WEBSOCKET),),
    )
    polls = 1 + int((duration_s - 2.0 * way_s) / interval_s)
    name = f"poll {interval_s:g} s, answer {4.0 * way_s:g} s: polls"
    check = Known(name, float(polls), theory.ADDED_UP, partial(measure_count, Name.POLL))
    return KnownCase(Topic.LIVENESS, simulate(scenario), (check,), 1, 0.05)


def measure_count(name: Name, trace: Trace) -> Floats:
    """Return how often something happened."""
    return np.array([float((trace.columns()["name"] == name).sum())])


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
        _handshake(Tls.RESUMED, "resumed", 3, "RFC 8446 (2.2)"),
        _lossy_handshake(),
        _heartbeat(30.0, 10.0),
        _heartbeat(20.0, 20.0),
        _polls(4.0, 0.2),
        _polls(2.0, 0.5),
        _pings(10.0, 1.0, 105.0),
        _pings_in_silence(),
        _slow_polls(4.0, 0.5, 100.0),
    ]
