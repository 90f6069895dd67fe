"""WorkerQueue, token bucket and outbox against queueing theory."""

from math import inf
from statistics import fmean

import pytest

import simlib as sl
from simlib.core import exact
from simlib.core.admission import WorkerQueue
from simlib.core.client import Client
from simlib.core.draws import Stream, uniform
from simlib.core.events import Close, Opened, Ponged, Reason, Start, Wake
from simlib.core.heartbeat import HeartbeatRules
from simlib.core.meters import Rate, ready_s, take
from simlib.core.settings import Settings

ARRIVALS = 20_000


def poisson(rate_per_s: float, seed: int) -> list[float]:
    """The moments of arrivals."""
    now, moments = 0.0, []
    for index in range(ARRIVALS):
        now -= exact.log(1.0 - uniform(seed, 0, Stream.ARRIVAL, index)) / rate_per_s
        moments.append(now)
    return moments


def waits(station: WorkerQueue, moments: list[float], service_s: float) -> list[float]:
    """How long each job waited for a worker."""
    result = []
    for now in [*moments, 1e12]:
        while station.deadline_s <= now:
            end_s = station.deadline_s
            result += [end_s - service_s - arrived_s for arrived_s in station.pop_done(end_s)]
        station.arrive(now, now, service_s)
    return result


def test_the_mean_wait_of_one_worker(oracles, agrees):
    for case in oracles("md1.wq"):
        service_s = case["params"]["D"]
        station = WorkerQueue(1, float("inf"))
        waited = waits(station, poisson(case["params"]["lam"], 1), service_s)
        assert agrees(waited, case["expected"]), case["id"]


def outboxes(warm_up_s: float) -> sl.Scenario:
    """Clients that let a message leave each second, and get 0.8: what is sent in 15 s counts."""
    workload = sl.Workload(
        # One priority, so that nothing overtakes; at the end all have left.
        rate_per_s=0.8, critical_fraction=0, high_fraction=0, low_fraction=0,
        stop_s=warm_up_s + 15,
    )  # fmt: skip
    return sl.Scenario(
        clients=15,
        duration_s=warm_up_s + 50,
        warm_up_s=warm_up_s,
        ramp_s=0,
        client=sl.Settings(
            rate=sl.Rate(per_s=1, burst=1),
            outbox=sl.OutboxLimits(capacity=inf, max_in_flight=inf),
            heartbeat=sl.HeartbeatRules(interval_s=inf),
        ),
        path=sl.Path(latency=sl.Latency(mean_s=0.001)),
        workload=workload,
    )


@pytest.mark.slow
@pytest.mark.long
def test_an_outbox_is_a_queue_of_one_worker_once_it_has_warmed_up(agrees):
    empty, settled = (
        sl.replicate(outboxes(warm_up_s), 20).values("head_of_line_s").tolist()
        for warm_up_s in (0.0, 100.0)
    )
    # Pollaczek and Khinchine: 0.8 messages per s, 1 s each.
    expected_s = 0.8 / (2.0 * (1.0 - 0.8))
    assert agrees(settled, expected_s)
    assert not agrees(empty, expected_s)
    assert fmean(empty) < 0.7 * expected_s


def test_the_distribution_of_the_wait_of_one_worker(oracles, agrees):
    for case in oracles("md1.cdf"):
        service_s, t = case["params"]["D"], case["params"]["t"]
        station = WorkerQueue(1, float("inf"))
        waited = waits(station, poisson(case["params"]["lam"], 2), service_s)
        below = [float(wait_s <= t + 1e-9) for wait_s in waited]
        assert agrees(below, case["expected"]), case["id"]


def test_what_a_bounded_backlog_refuses(oracles, agrees):
    for case in oracles("md1k.block"):
        # The bound of the closed form counts the one being served.
        station = WorkerQueue(1, case["params"]["K"] - 1)
        refused = []
        for now in poisson(case["params"]["rho"], 3):
            station.pop_done(now)
            refused.append(float(not station.arrive(None, now, 1.0)))
        assert agrees(refused, case["expected"]), case["id"]


def admitted(rate: Rate, moments: list[float]) -> list[bool]:
    arrival_s, result = 0.0, []
    for now in moments:
        result.append(now >= ready_s(arrival_s, rate))
        if result[-1]:
            arrival_s = take(arrival_s, now, rate)
    return result


def test_what_a_token_bucket_admits_of_a_steady_stream(oracles):
    for case in oracles("bucket.periodic"):
        params = case["params"]
        # Time is counted in tokens: then each moment is exact, as in the closed form.
        gap = round(params["interval"] * params["rate"], 9)
        moments = [i * gap for i in range(params["n"])]
        rate = Rate(per_s=1, burst=params["burst"])
        assert case["expected"] == sum(admitted(rate, moments)), case["id"]


def test_what_a_token_bucket_refuses_of_a_random_stream(oracles, agrees):
    for case in oracles("bucket.poisson"):
        rate = Rate(per_s=case["params"]["rate"], burst=case["params"]["burst"])
        got = admitted(rate, poisson(case["params"]["lam"], 4))
        assert agrees([float(not each) for each in got], case["expected"]), case["id"]


def detection_s(rules: HeartbeatRules, silent_from_s: float) -> float:
    """How long a client takes to notice that its connection has gone silent."""
    client = Client(Settings(heartbeat=rules))
    client.handle(Start(), 0.0)
    client.handle(Opened(1), 0.0)
    while True:
        now = client.deadline
        if Close(1, Reason.SILENT) in client.handle(Wake(), now):
            return now - silent_from_s
        if now <= silent_from_s:
            client.handle(Ponged(1), now)


def test_time_to_detect_a_half_open_connection(oracles):
    for case in oracles("heartbeat.mean"):
        interval_s, timeout_s = case["params"]["interval"], case["params"]["timeout"]
        rules = HeartbeatRules(interval_s=interval_s, timeout_s=timeout_s)
        moments = [3 * interval_s + interval_s * (i + 0.5) / 200 for i in range(200)]
        mean_s = sum(detection_s(rules, moment_s) for moment_s in moments) / 200
        assert abs(case["expected"] - mean_s) < 1e-6, case["id"]
