"""The circuit breaker: after how many attempts it trips, and when clients behind one are back."""

from __future__ import annotations

from math import inf

import numpy as np

from simlib.core.backoff import Backoff
from simlib.core.backoff_kinds import Jitter
from simlib.core.balancer import Balance
from simlib.core.breaker import Breaker, BreakerState
from simlib.core.faults import Fault, FaultKind
from simlib.core.heartbeat import HeartbeatRules
from simlib.core.path import Latency, Path
from simlib.core.server_settings import ServerSettings
from simlib.core.settings import Settings
from simlib.metrics.array_types import Floats
from simlib.scenario.scenario import Scenario
from simlib.scenario.workload import Workload
from simlib.studies.validate import closed_forms as theory
from simlib.studies.validate.attempt_limits import accept_and_close
from simlib.studies.validate.case import Known, KnownCase, Topic, simulate
from simlib.studies.validate.recovery import (
    DRAWN,
    FAULT_START_S,
    measure_all_attempts,
    measure_recovery,
    outage,
)
from simlib.trace.columns import Name
from simlib.trace.trace import Trace


def _slow_breaker(length_s: float, back_s: float, error_s: float) -> KnownCase:
    """Return clients whose breaker opens for 30 s after five failures in a row."""
    backoff = Backoff(jitter=Jitter.FULL, base_s=1.0, cap_s=10.0)
    breaker = Breaker(trip_after=5, open_s=30.0)
    scenario = outage(backoff, length_s, FAULT_START_S + length_s + 60.0, breaker=breaker)
    name = f"5 trip, {length_s:g} s outage: back after"
    check = Known(name, back_s, DRAWN, measure_recovery, "s", reference_error=error_s)
    return KnownCase(Topic.BREAKER, simulate(scenario), (check,), 2, 1.5)


def _growing_breaker(length_s: float) -> KnownCase:
    """Return a client whose breaker trips at each failure, for 10 s, 20 s and then always 40 s.

    Nothing is drawn: its attempts are 1, 11, 31, 71, 111 ... s after the loss.
    """
    at_s, refused_s = 1.0, 10.0
    while at_s < length_s:
        at_s, refused_s = at_s + refused_s, min(40.0, 2.0 * refused_s)
    breaker = Breaker(trip_after=1, open_s=10.0, factor=2.0, longest_open_s=40.0)
    backoff = Backoff(jitter=Jitter.NONE, base_s=1.0, factor=1.0, cap_s=1.0)
    scenario = outage(backoff, length_s, FAULT_START_S + length_s + 60.0, breaker=breaker)
    check = Known(
        "opens 10, 20, 40 s: back after", at_s - length_s, theory.ADDED_UP,
        measure_recovery, "s",
    )  # fmt: skip
    return KnownCase(Topic.BREAKER, simulate(scenario.replace(clients=1)), (check,), 1, 0.1)


def _two_probes() -> KnownCase:
    """Return a client whose breaker closes only after two probes, of which the second fails.

    Its connections end after a second. It attempts at 0 s; in an outage, 1.5, 2.5 and 3.5 s; at
    13.5 s as the first probe; in another outage, at 15.5 s as the second; and next at 25.5 s.
    """
    outages = (Fault(FaultKind.OUTAGE, 0.5, 4.0), Fault(FaultKind.OUTAGE, 15.0, 16.0))
    scenario = accept_and_close(
        1.0,
        20.0,
        backoff=Backoff(jitter=Jitter.NONE, base_s=1.0, cap_s=1.0),
        breaker=Breaker(trip_after=3, open_s=10.0, probes=2),
    ).replace("faults", outages)
    check = Known("two probes, one fails: attempts", 6.0, theory.ADDED_UP, measure_all_attempts)
    return KnownCase(Topic.BREAKER, simulate(scenario), (check,), 1, 0.1)


def _trips(name: str, expected: float, source: str, gateways: int, breaker: Breaker) -> KnownCase:
    """Return clients that connect again and again, each time to a gateway at random.

    One gateway never answers in time, so an attempt fails with a chance of 1 in so many, whatever
    happened before; and a server ends each connection soon, so that an attempt follows the other.
    """
    scenario = Scenario(
        clients=800,
        ramp_s=0.0,
        duration_s=400.0,
        gateways=gateways,
        balance=Balance.RANDOM,
        path=Path(latency=Latency(mean_s=0.0)),
        client=Settings(
            connect_timeout_s=0.5,
            backoff=Backoff(jitter=Jitter.NONE, base_s=0.1, factor=1.0, cap_s=0.1),
            breaker=breaker,
            heartbeat=HeartbeatRules(interval_s=inf),
        ),
        server=ServerSettings(
            workers=10_000, handshake_service_s=0.001, max_connection_age_s=0.01,
            max_connection_age_jitter_fraction=0.0,
        ),
        workload=Workload(rate_per_s=0.0),
        faults=(Fault(FaultKind.SLOW_SERVER, 0.0, 400.0, factor=1e5, gateway=gateways - 1),),
    )  # fmt: skip
    name = f"1 in {gateways} fails, {name}: attempts"
    check = Known(name, expected, source, measure_attempts_until_trip)
    return KnownCase(Topic.BREAKER, simulate(scenario), (check,), 2, 3.0)


def _trips_in_a_row(gateways: int, in_a_row: int) -> KnownCase:
    breaker = Breaker(trip_after=in_a_row, open_s=10_000.0)
    expected = theory.attempts_until_trip(1.0 / gateways, in_a_row)
    return _trips(f"{in_a_row} trip", expected, theory.RUNS, gateways, breaker)


def _trips_by_share(gateways: int, failed: int, window: int) -> KnownCase:
    breaker = Breaker(
        failure_fraction=failed / window, window=window, least=window, open_s=10_000.0
    )
    expected = theory.attempts_until_share(1.0 / gateways, failed, window)
    return _trips(f"{failed} of {window}", expected, theory.SCANS, gateways, breaker)


def measure_attempts_until_trip(trace: Trace) -> Floats:
    """Return how many attempts it took until each client's breaker tripped; inf: it never did."""
    columns = trace.columns()
    is_open = columns["breaker"] == BreakerState.OPEN
    attempts = columns["client"][(columns["name"] == Name.OPEN) & ~is_open]
    counts = np.bincount(attempts, minlength=trace.scenario.clients).astype(float)
    tripped = np.isin(np.arange(trace.scenario.clients), columns["client"][is_open])
    return np.where(tripped, counts, inf)


def breaker_cases() -> list[KnownCase]:
    """Return all of them."""
    return [
        _slow_breaker(20.0, 21.767963877496403, 0.0138),
        _slow_breaker(60.0, 12.496291787880743, 0.011),
        _trips_in_a_row(2, 3),
        _trips_in_a_row(3, 2),
        _trips_by_share(3, 2, 4),
        _growing_breaker(100.0),
        _two_probes(),
    ]
