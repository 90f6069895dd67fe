"""The server's numbers of whole runs against M/M/c, M/D/1, M/D/c and M/M/1/K.

Clients start at even distances, and each handshake is under way for a random time that is far
longer than the distances. So they arrive as a Poisson process: an even row of points, each moved
by a random length of its own, becomes one in the limit (Dobrushin 1956).
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from math import exp, factorial, log, sqrt
from statistics import fmean, stdev

import pytest

import simlib as sl

RATE_PER_S, LENGTH_S, REPLICATIONS = 14.0, 250.0, 8
#: A handshake is under way for three one-way delays between 0 and 100 s: then all is steady.
MEAN_DELAY_S, STEADY_S = 50.0, 300.0
ENGINE = "fleet" if find_spec("numba") else "sim"


def station(workers: int, load: float, kind: str, **more: float) -> sl.Scenario:
    """Return a server whose workers are busy for a share of their time, if it refuses nobody."""
    duration_s = STEADY_S + LENGTH_S
    service_s = load * workers / RATE_PER_S
    return sl.Scenario(
        clients=round((duration_s - 1.0) * RATE_PER_S),
        ramp_s=duration_s - 1.0,
        duration_s=duration_s,
        warm_up_s=STEADY_S,
        server=sl.ServerSettings(
            workers=workers, handshake_service_s=service_s, handshake_service=kind, **more
        ),
        path=sl.Path(latency=sl.Latency(distribution="uniform", mean_s=MEAN_DELAY_S)),
        # Whoever is refused does not come again.
        client=sl.Settings(
            connect_timeout_s=2000,
            backoff=sl.Backoff(max_attempts=0),
            heartbeat=sl.HeartbeatRules(interval_s=float("inf")),
        ),
        workload=sl.Workload(rate_per_s=0),
    )


@cache
def played(scenario: sl.Scenario) -> dict[str, list[float]]:
    """Return the numbers of several replications."""
    runs = [sl.run(scenario.replace(seed=seed), on=ENGINE) for seed in range(REPLICATIONS)]
    return {name: column.tolist() for name, column in sl.summary(runs).items()}


def agree(found: list[float], expected: float, relative: float = 0.03) -> bool:
    """Whether a mean is within 4 standard errors, or a small share, of what is expected."""
    error = stdev(found) / sqrt(len(found))
    return abs(fmean(found) - expected) <= max(4.0 * error, relative * abs(expected))


def erlang_c(workers: int, load: float) -> float:
    """Return the share of the arrivals that must wait (Erlang 1917)."""
    offered = load * workers
    last = offered**workers / factorial(workers) / (1.0 - load)
    return last / (sum(offered**k / factorial(k) for k in range(workers)) + last)


def mean_backlog(workers: int, load: float, kind: str) -> float:
    """Return the mean number that waits: exact for M/M/c and M/D/1, Cosmetatos (1975) for M/D/c."""
    exponential = erlang_c(workers, load) * load / (1.0 - load)
    if kind == "exponential":
        return exponential
    corrected = (1 - load) * (workers - 1) * (sqrt(4 + 5 * workers) - 2) / (16 * workers * load)
    return 0.5 * exponential * (1.0 + corrected)


def wait_s(workers: int, load: float, share: float) -> float:
    """Return the wait that a share of the arrivals at M/M/c does not pass."""
    waits = erlang_c(workers, load)
    if share <= 1.0 - waits:
        return 0.0
    gap_per_s = (1.0 - load) * RATE_PER_S / load
    return log(waits / (1.0 - share)) / gap_per_s


STATIONS = [
    (1, 0.7, "exponential"), (3, 0.8, "exponential"), (1, 0.7, "constant"), (3, 0.8, "constant"),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "load", "kind"), STATIONS)
def test_utilisation_and_backlog_are_those_of_theory_and_of_no_other_server(workers, load, kind):
    found = played(station(workers, load, kind))
    assert agree(found["server_busy_fraction"], load, 0.01)
    assert agree(found["backlog_mean"], mean_backlog(workers, load, kind), 0.05)
    # One worker more, or the other distribution, is another answer.
    more = load * workers / (workers + 1)
    assert not agree(found["server_busy_fraction"], more, 0.01)
    assert not agree(found["backlog_mean"], mean_backlog(workers + 1, more, kind), 0.05)
    other = "constant" if kind == "exponential" else "exponential"
    assert not agree(found["backlog_mean"], mean_backlog(workers, load, other), 0.05)


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "load", "kind"), STATIONS[:2])
def test_waits_are_distributed_as_those_of_several_exponential_workers(workers, load, kind):
    found = played(station(workers, load, kind))
    for percent in (50, 95):
        waits_s = found[f"backlog_wait_s_p{percent}"]
        assert agree(waits_s, wait_s(workers, load, percent / 100), 0.05)
        more = wait_s(workers + 1, load * workers / (workers + 1), percent / 100)
        assert not agree(waits_s, more, 0.05)


@pytest.mark.slow
def test_the_wait_of_a_constant_worker_has_the_quantiles_of_theory():
    found = played(station(1, 0.7, "constant"))
    service_s = 0.7 / RATE_PER_S
    for percent in (50, 95):
        expected_s = service_s * constant_wait(0.7, percent / 100)
        assert agree(found[f"backlog_wait_s_p{percent}"], expected_s, 0.05)


def constant_wait(load: float, share: float) -> float:
    """Return the wait at M/D/1, in service times, that a share does not pass (Erlang 1909)."""
    low, high = 0.0, 50.0
    for _ in range(60):
        middle = (low + high) / 2.0
        low, high = (middle, high) if constant_cdf(load, middle) < share else (low, middle)
    return high


def constant_cdf(load: float, t: float) -> float:
    """Return the share that waits no longer than t service times."""
    terms = ((load * (k - t)) ** k / factorial(k) * exp(-load * (k - t)) for k in range(int(t) + 1))
    return (1.0 - load) * sum(terms)


@pytest.mark.slow
@pytest.mark.parametrize(("load", "room"), [(0.8, 4), (1.2, 6)])
def test_a_full_backlog_refuses_the_share_of_theory(load, room):
    # The room of the closed form counts the one that is being served.
    found = played(station(1, load, "exponential", backlog=room - 1))
    refused = [
        refusals / (refusals + served)
        for refusals, served in zip(
            found["refused_backlog"], found["handshakes_served"], strict=True
        )
    ]
    assert agree(refused, blocked(load, room))
    assert not agree(refused, blocked(load, room + 1))
    assert not agree(refused, blocked(load / 2.0, room))
    assert agree(found["server_busy_fraction"], load * (1.0 - blocked(load, room)))


def blocked(load: float, room: int) -> float:
    """Return the share of the arrivals that find M/M/1/K full."""
    return (1.0 - load) * load**room / (1.0 - load ** (room + 1))
