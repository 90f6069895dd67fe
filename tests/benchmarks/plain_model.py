"""The same storm as a plain SimPy model: what one would write without simlib, and no trace.

One process a client; full-jitter backoff; an attempt takes a round trip to be refused and two
to succeed; a timeout guards each attempt (`yield a | b`).
"""

from __future__ import annotations

import random
from collections.abc import Generator
from typing import Any

import simpy

ROUND_TRIP_S = 0.04


def storm(
    clients: int,
    duration_s: float,
    outage: tuple[float, float],
    base_s: float,
    cap_s: float,
    connect_timeout_s: float = 10.0,
    seed: int = 1,
    refused_s: float = ROUND_TRIP_S,
) -> int:
    """Play the storm and return the number of attempts; ``refused_s``: how long a refusal takes."""
    environment = simpy.Environment()
    draw = random.Random(seed).random
    attempts = 0

    def refused() -> bool:
        return outage[0] <= environment.now < outage[1]

    def client(start_s: float) -> Generator[simpy.Event, Any, None]:
        nonlocal attempts
        yield environment.timeout(start_s)
        failures = 0
        while True:
            attempts += 1
            fails = refused()
            answer = environment.timeout(refused_s if fails else 2 * ROUND_TRIP_S)
            limit = environment.timeout(connect_timeout_s)
            yield answer | limit
            if fails or not answer.processed or refused():
                failures += 1
            else:
                failures = 0
                if environment.now >= outage[1]:
                    return
                yield environment.timeout(outage[0] - environment.now)
                failures = 1
            ceiling_s = min(cap_s, base_s * 2.0 ** (failures - 1))
            yield environment.timeout(draw() * ceiling_s)

    for i in range(clients):
        environment.process(client(i / clients))
    environment.run(until=duration_s)
    return attempts


def timeouts(count: int, processes: int) -> int:
    """Play a number of timeouts, shared out among processes that do nothing else."""
    environment = simpy.Environment()

    def wait(times: int) -> Generator[simpy.Event, Any, None]:
        for _ in range(times):
            yield environment.timeout(1.0)

    for _ in range(processes):
        environment.process(wait(count // processes))
    environment.run()
    return count // processes * processes
