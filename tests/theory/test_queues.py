"""Station and token bucket against queueing theory."""

from simlib.core import exact
from simlib.core.admission import Station
from simlib.core.client import Client, Settings
from simlib.core.draws import Stream, uniform
from simlib.core.events import Close, Opened, Ponged, Reason, Start, Wake
from simlib.core.heartbeat import HeartbeatRules
from simlib.core.meters import Rate, ready_s, take

ARRIVALS = 20_000


def poisson(rate_per_s: float, seed: int) -> list[float]:
    """The moments of arrivals."""
    now, moments = 0.0, []
    for index in range(ARRIVALS):
        now -= exact.log(1.0 - uniform(seed, 0, Stream.ARRIVAL, index)) / rate_per_s
        moments.append(now)
    return moments


def waits(station: Station, moments: list[float], service_s: float) -> list[float]:
    """How long each job waited for a worker."""
    result = []
    for now in [*moments, 1e12]:
        while station.deadline_s <= now:
            end_s = station.deadline_s
            result += [end_s - service_s - arrived_s for arrived_s in station.done(end_s)]
        station.arrive(now, now, service_s)
    return result


def test_the_mean_wait_of_one_worker(oracles, agrees):
    for case in oracles("md1.wq"):
        service_s = case["params"]["D"]
        station = Station(1, float("inf"))
        waited = waits(station, poisson(case["params"]["lam"], 1), service_s)
        assert agrees(waited, case["expected"]), case["id"]


def test_the_distribution_of_the_wait_of_one_worker(oracles, agrees):
    for case in oracles("md1.cdf"):
        service_s, t = case["params"]["D"], case["params"]["t"]
        station = Station(1, float("inf"))
        waited = waits(station, poisson(case["params"]["lam"], 2), service_s)
        below = [float(wait_s <= t + 1e-9) for wait_s in waited]
        assert agrees(below, case["expected"]), case["id"]


def test_what_a_bounded_backlog_refuses(oracles, agrees):
    for case in oracles("md1k.block"):
        # The bound of the closed form counts the one being served.
        station = Station(1, case["params"]["K"] - 1)
        refused = []
        for now in poisson(case["params"]["rho"], 3):
            station.done(now)
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
