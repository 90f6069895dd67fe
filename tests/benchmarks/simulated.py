"""Figures of the sim engine: time beside a plain SimPy model, memory, messages per second."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Generator
from functools import partial
from typing import Any

import plain_model
from figure import Figure
from timed import timed

import simlib as sl
from simlib.engines.world import World

OUTAGE_S = (10.0, 40.0)
STORM = sl.Scenario(
    name="storm",
    clients=10_000,
    duration_s=60,
    seed=7,
    client=sl.Settings(backoff=sl.Backoff(base_s=0.5, cap_s=10, jitter="full")),
    workload=sl.Workload(rate_per_s=0),
    faults=[sl.Fault("outage", start_s=OUTAGE_S[0], stop_s=OUTAGE_S[1])],
)
#: Small, for tracing each allocation is slow; clients and rows cost the same as in the storm.
SMALL = STORM.replace(clients=2_000)
CHATTER = STORM.replace(clients=300, faults=[], workload=sl.Workload(rate_per_s=1))


def time_of_storm(pairs: int = 3) -> list[Figure]:
    """The storm on the engine, trace included, and as a plain model, one after the other.

    How many attempts each made says that it is the same storm.
    """
    sl.run(STORM.replace(clients=100))  # imports, and the first use of every code path
    sim_s, ratios, attempts = [], [], []
    for _ in range(pairs):
        spent_s, trace = timed(lambda: sl.run(STORM))
        plain_s, plain_attempts = timed(_plain_storm)
        sim_s.append(spent_s)
        ratios.append(spent_s / plain_s)
        attempts.append(int(trace.counts()["open"]) / plain_attempts)
    return [
        Figure("sim over plain SimPy: time", "times", tuple(ratios), at_most=1.5),
        Figure("sim over plain SimPy: attempts", "times", tuple(attempts)),
        Figure("sim: 10,000 clients, 30 s outage", "s", tuple(sim_s), at_most=5.0),
    ]


def time_of_small_storm(pairs: int = 9) -> list[Figure]:
    """The same beside each other with fewer clients: more pairs in the same time."""
    sl.run(SMALL.replace(clients=100))
    ratios = []
    for _ in range(pairs):
        spent_s, _trace = timed(lambda: sl.run(SMALL))
        plain_s, _attempts = timed(lambda: _plain_storm(SMALL.clients))
        ratios.append(spent_s / plain_s)
    return [Figure("sim over plain SimPy: 2,000 clients", "times", tuple(ratios), at_most=1.5)]


def memory_of_storm(runs: int = 2) -> list[Figure]:
    """Memory each second of the storm, held against 2 kB a client and 100 B a row so far."""
    shares, per_client, per_row = [], [], []
    for _ in range(runs):
        gc.collect()
        tracemalloc.start()
        samples: list[tuple[int, int]] = []
        trace = sl.run(SMALL, processes=[partial(_sample_memory, samples)])
        gc.collect()  # clients and host refer to each other
        row_bytes = tracemalloc.get_traced_memory()[0] / len(trace)
        tracemalloc.stop()
        allowed = [2048 * SMALL.clients + 100 * rows for _, rows in samples]
        shares.append(max(used / most for (used, _), most in zip(samples, allowed, strict=True)))
        beside_rows = max(used - row_bytes * rows for used, rows in samples)
        per_client.append(beside_rows / SMALL.clients)
        per_row.append(row_bytes)
    return [
        Figure("sim: memory over 2 kB a client + 100 B a row", "times", tuple(shares), at_most=1.0),
        Figure("sim: memory of a client, at the worst", "bytes", tuple(per_client)),
        Figure("sim: memory of a row of the trace", "bytes", tuple(per_row), at_most=100),
    ]


def _sample_memory(samples: list[tuple[int, int]], world: World) -> Generator[Any, Any, None]:
    while True:
        yield world.clock.timeout(1.0)
        samples.append((tracemalloc.get_traced_memory()[0], len(world.trace)))


def messages_per_s(runs: int = 3) -> list[Figure]:
    """Messages from send to acknowledgement, beside the timeouts that plain SimPy plays."""
    rates, plain_rates = [], []
    for _ in range(runs):
        spent_s, trace = timed(lambda: sl.run(CHATTER))
        rates.append(int(trace.counts()["received"]) / spent_s)
        spent_s, timeouts = timed(lambda: plain_model.timeouts(100_000, CHATTER.clients))
        plain_rates.append(timeouts / spent_s)
    shares = [rate / plain for rate, plain in zip(rates, plain_rates, strict=True)]
    return [
        Figure("sim: messages delivered", "per s", tuple(rates)),
        Figure("sim: messages over plain timeouts", "share", tuple(shares), at_least=0.06),
    ]


def _plain_storm(clients: int = STORM.clients) -> int:
    backoff, path = STORM.client.backoff, STORM.path
    assert plain_model.ROUND_TRIP_S == 2 * path.latency.mean_s
    return plain_model.storm(clients, STORM.duration_s, OUTAGE_S, backoff.base_s, backoff.cap_s)
