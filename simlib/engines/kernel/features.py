"""Feature flags: which parts of the event loop a scenario needs; the others cost nothing."""

from __future__ import annotations

from itertools import pairwise
from math import inf

from simlib.core.arrivals import StartTimes, has_ties
from simlib.core.backoff import is_scattered, looks_back
from simlib.core.backoff_kinds import CountedFrom
from simlib.core.faults import ON_THE_WAY, FaultKind, Route
from simlib.core.path import Distribution, Latency
from simlib.core.server_settings import has_queue, is_limited
from simlib.core.settings import Settings
from simlib.core.tls import LONGEST_FLIGHT_BYTES, round_trips
from simlib.engines.sizes import HANDSHAKE_UP_BYTES
from simlib.scenario.scenario import Scenario
from simlib.scenario.workload import Arrivals

#: All parts that compiled code can be made without: constants of `state`.
PARTS = frozenset({"WITH_LANES", "WITH_EXTRAS", "WITH_TELLS", "WITH_ORDERS", "WITH_WATCHED"})
#: The loops that there are, by the parts that they have, from the one that compiles soonest: each
#: scenario is played by the first that has what it needs. More of them would be quicker here and
#: there, and somebody would wait for another compiler run each time.
LOOPS = {"plain": frozenset[str](), "limited": frozenset({"WITH_TELLS"}), "whole": PARTS}


def loop_for(scenario: Scenario, *, watched: bool) -> str:
    """Return the name of the loop that plays a scenario."""
    parts = needed_parts(scenario, watched=watched)
    return next(name for name, its in LOOPS.items() if parts <= its)


def needed_parts(scenario: Scenario, *, watched: bool) -> frozenset[str]:
    """Return the parts of the loop that a scenario needs."""
    needed = {
        "WITH_LANES": watched or needs_lanes(scenario),
        "WITH_EXTRAS": meets(scenario) or needs_extras(scenario),
        "WITH_TELLS": tells(scenario),
        "WITH_ORDERS": orders(scenario),
        "WITH_WATCHED": watched,
    }
    return frozenset(part for part, is_needed in needed.items() if is_needed)


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
        or client.backoff.counted_from == CountedFrom.START
        or client.backoff.give_up_after_s < inf
    )


def is_timed(scenario: Scenario) -> bool:
    """Whether time ends the attempts of any client."""
    return any(client.backoff.give_up_after_s < inf for client in scenario.policies)


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
    return is_limited(scenario.server)


def queues(scenario: Scenario) -> bool:
    """Whether handshakes can wait."""
    return has_queue(scenario.server)


def meets(scenario: Scenario) -> bool:
    """Whether clients can act at the same moment, in an order that the server can tell."""
    if not tells(scenario) or _scatters(scenario.path.latency):
        return False
    # Two clients meet only if their times are sums of the same constants; a drawn wait or a drawn
    # latency makes equal moments as good as impossible.
    spread = all(is_scattered(client.backoff) for client in scenario.policies)
    return not spread or needs_extras(scenario) or _starts_together(scenario) or _holds(scenario)


def _starts_together(scenario: Scenario) -> bool:
    """Whether any two clients start at the same moment."""
    if scenario.arrivals == StartTimes.RECORDED:
        return has_ties(scenario.arrivals_s)
    return scenario.ramp_s == 0.0


def even_until_s(scenario: Scenario) -> float:
    """Return until when clients that start can act at the same moment; 0: the server cannot tell.

    Where starts are not drawn, the end of what one gives up can meet the handshake of another.
    """
    limited = scenario.server.max_connections < inf
    if not tells(scenario) or _scatters(scenario.path.latency):
        return 0.0
    if is_plain(scenario) and not limited:
        # Handshakes meet nothing but handshakes, all at the same distance from their starts.
        return 0.0
    if scenario.arrivals in (StartTimes.POISSON, StartTimes.UNIFORM):
        return 0.0
    # Three ways, TCP's round trip and the request, and two for each of TLS. Later ones have drawn a
    # wait of their own.
    ways = 3 + 2 * round_trips(scenario.path.tls)
    return scenario.last_start_s + ways * _slowest_s(scenario)


def _slowest_s(scenario: Scenario) -> float:
    """Return how long a handshake is on its way at most; inf: it may get lost again and again."""
    path, faults = scenario.path, scenario.faults
    losses = (path.loss_fraction, *(fault.loss_fraction for fault in faults))
    if max(losses) > 0.0 or path.blackout_every_s < inf:
        return inf
    rates = (path.bandwidth_bytes_per_s, *(fault.bandwidth_bytes_per_s for fault in faults))
    latencies_s = (path.latency.mean_s, *path.latency.table_s)
    added_s = sum(fault.amount_s for fault in faults)
    size_bytes = max(HANDSHAKE_UP_BYTES, LONGEST_FLIGHT_BYTES if path.tls else 0)
    return max(latencies_s) + added_s + size_bytes / min(rates)


def _scatters(latency: Latency) -> bool:
    """Whether no two frames take equally long, but by a chance that is none in practice."""
    if latency.distribution == Distribution.TABLE:
        return all(low < high for low, high in pairwise(latency.table_s))
    return latency.distribution != Distribution.CONSTANT and latency.floor_s < latency.mean_s


def _holds(scenario: Scenario) -> bool:
    """Whether what was sent at different moments gets on its way at the same one."""
    return any(
        fault.kind == FaultKind.BLACK_HOLE and fault.route != Route.HTTP
        for fault in scenario.faults
    )


def plays_ahead(scenario: Scenario) -> bool:
    """Whether a client can be played ahead while it is alone."""
    # What is rejected after its client has gone draws an answer, between others of that client.
    draws = needs_lanes(scenario) and any(f.kind == FaultKind.REJECT for f in scenario.faults)
    return not (meets(scenario) or orders(scenario) or draws or scenario.stay_s < inf)
