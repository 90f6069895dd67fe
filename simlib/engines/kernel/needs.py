"""What a scenario asks of the fleet's event loop: what may be left away, and what must be kept."""

from __future__ import annotations

from math import inf

from simlib.core.backoff import is_scattered, looks_back
from simlib.core.client import Settings
from simlib.core.faults import ON_THE_WAY, FaultKind
from simlib.core.path import Distribution
from simlib.scenario import Scenario
from simlib.workload import Arrivals


def sends(scenario: Scenario) -> bool:
    """Whether clients send or subscribe to anything."""
    workload = scenario.workload
    writes = workload.arrivals in (Arrivals.TYPING, Arrivals.RECORDED)
    return workload.rate_per_s > 0.0 or workload.keys > 0 or writes


def is_plain(scenario: Scenario) -> bool:
    """Whether a frame's way depends on nothing: neither on draws nor on what was sent before."""
    path = scenario.path
    return (
        path.latency.distribution == Distribution.CONSTANT
        and path.bandwidth_bytes_per_s == inf
        and path.loss_fraction == 0.0
        and path.blackout_every_s == inf
        and path.idle_timeout_s == inf
        and not any(fault.kind in ON_THE_WAY for fault in scenario.faults)
    )


def needs_extras(scenario: Scenario) -> bool:
    """Whether a client's link has more than its backoff to remember."""
    return any(map(_remembers, scenario.policies))


def _remembers(client: Settings) -> bool:
    return (
        client.breaker.trip_after < inf
        or client.breaker.failure_fraction < inf
        or client.attempt_budget.per_s < inf
        or client.connect_budget.per_s < inf
        or looks_back(client.backoff)
    )


def needs_lanes(scenario: Scenario) -> bool:
    """Whether it matters what was sent on a connection, and when the server learns of its end."""
    return (
        not is_plain(scenario)
        or orders(scenario)
        or _pings_in_vain(scenario)
        or scenario.stay_s < inf
        or scenario.server.max_connections < inf
    )


def beats(scenario: Scenario) -> bool:
    """Whether any client has a heartbeat."""
    return any(client.heartbeat.interval_s < inf for client in scenario.policies)


def pings(scenario: Scenario) -> bool:
    """Whether pings are played: on a plain path each is answered in time, and none is."""
    return beats(scenario) and needs_lanes(scenario)


def _pings_in_vain(scenario: Scenario) -> bool:
    round_trip_s = 2.0 * scenario.path.latency.mean_s
    return any(
        client.heartbeat.interval_s < inf and client.heartbeat.timeout_s <= round_trip_s + 1e-6
        for client in scenario.policies
    )


def orders(scenario: Scenario) -> bool:
    """Whether the server ends connections on its own."""
    return any(fault.kind in (FaultKind.DEPLOY, FaultKind.CLOSE) for fault in scenario.faults)


def tells(scenario: Scenario) -> bool:
    """Whether the server tells clients apart: by what it can do at a time."""
    server = scenario.server
    return (
        server.accept_per_s < inf
        or server.handshake_service_s > 0.0
        or server.resync_service_s > 0.0
        or server.max_connections < inf
    )


def queues(scenario: Scenario) -> bool:
    """Whether handshakes can wait."""
    return scenario.server.handshake_service_s > 0.0 or scenario.server.resync_service_s > 0.0


def meets(scenario: Scenario) -> bool:
    """Whether clients can act at the same moment, in an order that the server can tell."""
    if not tells(scenario) or scenario.path.latency.distribution != Distribution.CONSTANT:
        return False
    spread = all(is_scattered(client.backoff) for client in scenario.policies)
    return not spread or needs_extras(scenario) or scenario.ramp_s == 0.0


def fuses(scenario: Scenario) -> bool:
    """Whether a client can be played ahead while it is alone."""
    # What is rejected after its client has gone draws an answer, between others of that client.
    draws = needs_lanes(scenario) and any(f.kind == FaultKind.REJECT for f in scenario.faults)
    return not (meets(scenario) or orders(scenario) or draws or scenario.stay_s < inf)
