"""Figures of the live engine: lateness, many clients, and both rates beside bare `websockets`."""

from __future__ import annotations

import bare
import numpy as np
from figure import Figure

import simlib as sl
from simlib.core.link_table import State
from simlib.trace.columns import Kind, Name

CROWD = sl.Scenario(
    name="crowd",
    clients=500,
    duration_s=14,
    seed=7,
    ramp_s=2,
    client=sl.Settings(backoff=sl.Backoff(base_s=0.5, cap_s=2, jitter="full")),
    workload=sl.Workload(rate_per_s=0.2),
    faults=[sl.Fault("outage", start_s=4, stop_s=8)],
)
#: The same without the outage, when 500 resets at one moment are not what makes timers late.
STEADY = CROWD.replace(name="steady", duration_s=8, faults=[])
#: Nothing modelled is in the way: what is left is the engine's own.
NO_DELAY = sl.Path(latency=sl.Latency(mean_s=0))
RUSH = sl.Scenario(
    name="rush",
    clients=500,
    duration_s=2,
    ramp_s=0,
    path=NO_DELAY,
    workload=sl.Workload(rate_per_s=0),
)
TALK = sl.Scenario(
    name="talk",
    clients=1,
    duration_s=4,
    ramp_s=0,
    path=NO_DELAY,
    workload=sl.Workload(rate_per_s=200, arrivals="constant", start_s=0.5),
)


#: As many as one process plays, and as two play together: all are cut once, and come back.
MANY = sl.Scenario(
    name="many",
    clients=2_000,
    duration_s=90,
    seed=7,
    ramp_s=20,
    client=sl.Settings(backoff=sl.Backoff(base_s=5, cap_s=20, jitter="full"), connect_timeout_s=20),
    workload=sl.Workload(rate_per_s=0.02),
    faults=[sl.Fault("outage", start_s=28, stop_s=29)],
)


def crowd(runs: int = 5) -> list[Figure]:
    """500 clients, steady and through an outage: how late timers ring, and who is back."""
    steady_s, outage_s, back = [], [], []
    for _ in range(runs):
        steady_s.append(_late_p99_s(sl.run(STEADY, on="live")))
        trace = sl.run(CROWD, on="live")
        outage_s.append(_late_p99_s(trace))
        back.append(float(_open_at_the_end(trace)))
    return [
        Figure("live: wake-up lateness p99, 500 clients", "s", tuple(steady_s), at_most=0.005),
        Figure("live: the same through an outage", "s", tuple(outage_s)),
        Figure("live: outage over steady", "times", _ratios(outage_s, steady_s), at_most=2),
        Figure("live: clients back after it, of 500", "", tuple(back), at_least=500),
    ]


def many() -> list[Figure]:
    """2,000 clients in one process and 5,000 in two, through a short outage: how many are back."""
    figures = []
    for clients, workers in ((2_000, 1), (5_000, 2)):
        trace = sl.run(MANY.replace(clients=clients), on="live", workers=workers)
        back = float(_open_at_the_end(trace))
        name = f"live: clients back, of {clients:,} in {workers} processes"
        figures.append(Figure(name, "", (back,), at_least=clients))
    return figures


def beside_bare(pairs: int = 4) -> list[Figure]:
    """Connections per second, by turns bare and through simlib.

    simlib's way is the longer one: the same process is client and fault proxy, and the server
    decides and logs each step.
    """
    bare_rates, rates = [], []
    with bare.server() as uri:
        bare.connections_per_s(uri, 50)
        for _ in range(pairs):
            bare_rates.append(bare.connections_per_s(uri, RUSH.clients))
            rates.append(_connections_per_s(sl.run(RUSH, on="live")))
    return [
        Figure("bare websockets: connections", "per s", tuple(bare_rates)),
        Figure("live: connections", "per s", tuple(rates)),
        Figure("live over bare: connections", "times", _ratios(rates, bare_rates), at_least=0.8),
    ]


def round_trip(pairs: int = 5) -> list[Figure]:
    """A message and its answer, by turns bare and through simlib's client, proxy and server."""
    bare_trips_s, trips_s = [], []
    with bare.server() as uri:
        bare.connections_per_s(uri, 50)
        for _ in range(pairs):
            work = TALK.workload
            bare_trips_s.append(bare.round_trip_s(uri, 700, 1.0 / work.rate_per_s, work.size_bytes))
            trips_s.append(_round_trip_s(sl.run(TALK, on="live")))
    return [
        Figure("bare websockets: round trip", "s", tuple(bare_trips_s)),
        Figure("live: round trip", "s", tuple(trips_s)),
        Figure("live over bare: round trip", "times", _ratios(trips_s, bare_trips_s), at_most=1.25),
    ]


def _ratios(ours: list[float], theirs: list[float]) -> tuple[float, ...]:
    return tuple(a / b for a, b in zip(ours, theirs, strict=True))


def _late_p99_s(trace: sl.Trace) -> float:
    return float(np.quantile(trace.late_s, 0.99))


def _open_at_the_end(trace: sl.Trace) -> int:
    columns = trace.columns()
    told = columns["kind"] == Kind.EVENT
    last = dict(zip(columns["client"][told].tolist(), columns["state"][told].tolist(), strict=True))
    return sum(state == State.OPEN for state in last.values())


def _connections_per_s(trace: sl.Trace) -> float:
    columns = trace.columns()
    opened_s = columns["time_s"][columns["name"] == Name.OPENED]
    started_s = columns["time_s"][columns["name"] == Name.START]
    return len(opened_s) / float(opened_s.max() - started_s.min())


def _round_trip_s(trace: sl.Trace) -> float:
    columns = trace.columns()
    left, answered = (
        dict(zip(columns["message"][rows].tolist(), columns["time_s"][rows].tolist(), strict=True))
        for rows in (columns["name"] == Name.TRANSMIT, columns["name"] == Name.RECEIVED)
    )
    return float(np.median([answered[m] - left[m] for m in answered]))
