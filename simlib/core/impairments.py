"""Delay, loss and hold-up of a frame under path and faults; functions of numbers, so they compile.

The word is netem's: what a network does to packets that pass through it.

`faults` are those that act on the way, `origins` the faults of the scenario that they belong to.
"""

from __future__ import annotations

from collections.abc import Sequence

from simlib.core.draws import Stream, uniform
from simlib.core.faults import Direction, Fault, FaultKind, Route, is_hit
from simlib.core.path import Distribution, Lane, Path, dark_s, latency_s, stall_s, transit

#: What a connection has lost for good, a bit for each direction.
LOST_UP, LOST_DOWN = 1, 2


def is_active(
    fault: Fault, origin: int, kind: int, seed: int, client: int, route: int, now: float
) -> bool:
    """Whether a fault is of a kind and acts on a client's route now."""
    return (
        fault.kind == kind
        and fault.start_s <= now < fault.stop_s
        and (fault.route == Route.ALL or fault.route == route)
        and is_hit(fault.clients_fraction, origin, seed, client)
    )


def held_until_s(
    faults: Sequence[Fault], origins: Sequence[int], seed: int, client: int, route: int, now: float
) -> float:
    """Return the moment from which what is sent now gets on its way: now, or a hole's end."""
    until_s = now
    for _ in range(len(faults) + 1):
        began_s = until_s
        for k in range(len(faults)):
            if is_active(faults[k], origins[k], FaultKind.BLACK_HOLE, seed, client, route, began_s):
                until_s = max(until_s, faults[k].stop_s)
        if until_s == began_s:
            break
    return until_s


def send_frame(
    lane: Lane,
    path: Path,
    faults: Sequence[Fault],
    origins: Sequence[int],
    seed: int,
    client: int,
    way: int,
    index: int,
    route: int,
    now: float,
    size_bytes: int,
) -> Lane:
    """Return the lane after a frame that no black hole holds; ``index`` is that of its draws."""
    u = 0.0
    if path.latency.distribution != Distribution.CONSTANT:
        u = uniform(seed, client, way, index)
    delay_s = latency_s(path.latency, u)
    bandwidth_bytes_per_s = path.bandwidth_bytes_per_s
    extra_s, passed = 0.0, 1.0 - path.loss_fraction
    for k in range(len(faults)):
        fault, origin = faults[k], origins[k]
        if is_active(fault, origin, FaultKind.LATENCY, seed, client, route, now):
            extra_s += fault.amount_s
        if is_active(fault, origin, FaultKind.LOSS, seed, client, route, now):
            passed *= 1.0 - fault.loss_fraction
        if is_active(fault, origin, FaultKind.BANDWIDTH, seed, client, route, now):
            bandwidth_bytes_per_s = min(bandwidth_bytes_per_s, fault.bandwidth_bytes_per_s)
    delay_s = delay_s + extra_s + dark_s(path, now)
    if passed < 1.0:
        stream = Stream.LOSS_UP.value if way == Stream.UP else Stream.LOSS_DOWN.value
        delay_s += stall_s(1.0 - passed, path.rto_s, uniform(seed, client, stream, index))
    return transit(lane, now, size_bytes / bandwidth_bytes_per_s, delay_s)


def lose_directions(
    lost: int,
    way: int,
    path: Path,
    faults: Sequence[Fault],
    origins: Sequence[int],
    seed: int,
    client: int,
    route: int,
    born_s: float,
    used_s: float,
    now: float,
) -> int:
    """Return the directions that a connection has lost when it sends now, of those it had."""
    if now - used_s > path.idle_timeout_s:
        return LOST_UP | LOST_DOWN
    for k in range(len(faults)):
        fault, origin = faults[k], origins[k]
        if (
            fault.kind == FaultKind.HANDOVER
            and born_s < fault.start_s <= now
            and is_hit(fault.clients_fraction, origin, seed, client)
        ):
            return LOST_UP | LOST_DOWN
    direction = Direction.UP.value if way == Stream.UP else Direction.DOWN.value
    for k in range(len(faults)):
        fault, origin = faults[k], origins[k]
        if fault.direction == direction and is_active(
            fault, origin, FaultKind.HALF_OPEN, seed, client, route, now
        ):
            return lost | bit_of(way)
    return lost


def bit_of(way: int) -> int:
    """Return the bit that stands for a direction."""
    return LOST_UP if way == Stream.UP else LOST_DOWN
