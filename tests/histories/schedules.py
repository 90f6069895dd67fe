"""Nasty schedules: clients that lose nothing by their settings, and faults at any moment.

Hypothesis draws them and, where one fails, seeks the smallest that does: fewer faults, clients and
settings that differ from the first choice of each.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from math import inf
from typing import Any

from hypothesis import HealthCheck, find, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

import simlib as sl
from simlib.core.faults import FAULT_FIELDS, Direction, FaultKind
from tests.histories.checker import find_violations, read_history

#: Faults begin until here, and are over soon after; messages end before, so all can arrive.
BEGIN_UNTIL_S, LONGEST_FAULT_S, SEND_UNTIL_S = 10.0, 4.0, 12.0
#: The quiet end is as long as waits, time-outs and their doublings may last.
DURATION_S = 60.0
_STEP_S = 0.25
_MOMENTS = (FaultKind.RESET, FaultKind.HANDOVER, FaultKind.SESSION_EXPIRY)
_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "clients_fraction": st.sampled_from([1.0, 0.5]),
    "route": st.sampled_from(["all", "websocket", "http"]),
    "announced": st.booleans(),
    "amount_s": st.sampled_from([0.2, 2.0]),
    "status": st.sampled_from([503, 401]),
    "retry_after_s": st.sampled_from([0, 1]),
    "period_s": st.sampled_from([0.5, 1.5]),
    "down_fraction": st.just(0.5),
    "direction": st.sampled_from(Direction),
    "loss_fraction": st.just(0.3),
    "bandwidth_bytes_per_s": st.just(2000.0),
    "factor": st.just(2.0),
    "code": st.sampled_from([1012, 1000, 1013]),
    "timers_every_s": st.sampled_from([0.7, 3.0]),
}


@st.composite
def _faults(draw: st.DrawFn) -> sl.Fault:
    kind = draw(st.sampled_from(FaultKind))
    start_s = _STEP_S * draw(st.integers(0, round(BEGIN_UNTIL_S / _STEP_S)))
    values = {name: draw(_VALUES[name]) for name in FAULT_FIELDS[kind] if name in _VALUES}
    if kind not in _MOMENTS:
        length_s = _STEP_S * draw(st.integers(1, round(LONGEST_FAULT_S / _STEP_S)))
        values["stop_s"] = start_s + length_s
    return sl.Fault(kind, start_s, **values)


_CLIENTS = st.builds(
    sl.Settings,
    backoff=st.builds(
        sl.Backoff, base_s=st.just(0.2), cap_s=st.just(2), jitter=st.sampled_from(["none", "full"])
    ),
    breaker=st.sampled_from([sl.Breaker(trip_after=inf), sl.Breaker(trip_after=2, open_s=1)]),
    outbox=st.builds(
        sl.OutboxLimits,
        persist=st.just("all"),
        max_resends=st.just(inf),
        ack_timeout_s=st.sampled_from([2.0, 0.3]),
        max_in_flight=st.sampled_from([16, 1]),
    ),
    heartbeat=st.just(sl.HeartbeatRules(interval_s=1, timeout_s=1)),
    fallback=st.sampled_from(
        [sl.Fallback(), sl.Fallback(after_attempts=1, poll_interval_s=0.5, return_after_s=1)]
    ),
    session=st.just(sl.SessionRules(sign_in_after_s=0.5, again_after_s=1)),
    rate=st.sampled_from([sl.Rate(), sl.Rate(per_s=5, burst=2)]),
    connect_timeout_s=st.just(2.0),
)
_SERVERS = st.builds(
    sl.ServerSettings,
    remember=st.just("disk"),
    session_lifetime_s=st.just(1000),
    silence_timeout_s=st.just(5),
    message_service_s=st.sampled_from([0.0, 0.02]),
    handshake_service_s=st.sampled_from([0.0, 0.1]),
    rate=st.sampled_from([sl.Rate(), sl.Rate(per_s=5, burst=2)]),
    max_connection_age_s=st.sampled_from([inf, 3.0]),
)
#: Scenarios in which each message that is accepted should count once, whatever happens.
SCHEDULES = st.builds(
    sl.Scenario,
    clients=st.integers(1, 3),
    duration_s=st.just(DURATION_S),
    ramp_s=st.just(0),
    seed=st.integers(0, 999),
    client=_CLIENTS,
    server=_SERVERS,
    path=st.builds(
        sl.Path,
        latency=st.sampled_from(
            [sl.Latency(mean_s=0.02), sl.Latency(distribution="exponential", mean_s=0.15)]
        ),
    ),
    workload=st.builds(
        sl.Workload,
        rate_per_s=st.just(3),
        stop_s=st.just(SEND_UNTIL_S),
        keys=st.integers(0, 2),
        critical_fraction=st.sampled_from([0.0, 0.2]),
    ),
    faults=st.lists(_faults(), max_size=6),
)


def judge(schedule: sl.Scenario, on: str = "sim") -> str:
    """Play a schedule; return what is wrong with its history, and the schedule; empty: nothing."""
    trace = sl.run(schedule, on=on)
    violations = find_violations(read_history(trace))
    return "\n\n".join(["\n".join(violations), sl.dump(schedule)]) if violations else ""


def find_smallest(
    fails: Callable[[sl.Scenario], bool], most: int, seed: int = 0
) -> sl.Scenario | None:
    """Return the smallest schedule found that fails, of at most so many; None: none fails."""
    try:
        return find(SCHEDULES, fails, settings=_settings(most), random=random.Random(seed))
    except NoSuchExample:
        return None


def draw_schedules(count: int, seed: int = 0) -> list[sl.Scenario]:
    """Return so many schedules: those that are drawn last, since the first ones are plain."""
    drawn: list[sl.Scenario] = []
    find_smallest(lambda schedule: bool(drawn.append(schedule)), 2 * count + 20, seed)
    return drawn[-count:]


def _settings(most: int) -> settings:
    slow = (HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large)
    return settings(max_examples=most, deadline=None, database=None, suppress_health_check=slow)
