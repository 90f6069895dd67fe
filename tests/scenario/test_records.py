"""The scenarios of record give the numbers that they are named after, at full size on the fleet."""

from functools import lru_cache
from pathlib import Path

import pytest

import simlib as sl

FOLDER = Path(__file__).parents[2] / "data" / "scenarios"


def shipped(name: str) -> sl.Scenario:
    return sl.load(FOLDER / f"{name}.toml")


@lru_cache
def played(scenario: sl.Scenario) -> sl.Trace:
    return sl.run(scenario, on="fleet")


def metric(scenario: sl.Scenario, name: str) -> float:
    return float(sl.summary(played(scenario))[name].iloc[0])


def attempts_per_s(scenario: sl.Scenario, start_s: int, stop_s: int) -> float:
    """The mean rate of attempts between two seconds."""
    return float(played(scenario).tally.attempts_per_s[start_s:stop_s].mean())


def open_at_end(scenario: sl.Scenario) -> int:
    """The number of connections that are open when the run ends."""
    tally = played(scenario).tally
    return tally.total("opens") - tally.total("ends") - tally.total("left")


def test_22_000_connections_at_20_a_second_take_1_100_seconds():
    bridge = shipped("bridge_restart")
    assert 22_000 == bridge.clients
    # The first one back has waited for a moment; the door is never idle afterwards.
    assert 1_100 == pytest.approx(metric(bridge, "last_back_s"), abs=1)
    assert 0 == metric(bridge, "never_recovered")
    impatient = bridge.replace({"client.backoff.base_s": 0.1, "client.backoff.cap_s": 0.5})
    assert 1_100 == pytest.approx(metric(impatient, "last_back_s"), abs=1)
    twice = bridge.replace("server.handshake_service_s", 0.025)
    assert 550 == pytest.approx(metric(twice, "last_back_s"), abs=1)


def test_a_first_wait_spread_from_60_to_210_s_more_than_halves_the_peak():
    after = shipped("agents_return")
    before = after.replace({"client.backoff.base_s": 30, "client.backoff.add_most_s": 60})
    # The reset is at 20 s: 30,000 agents within 150 s, or within 60 s.
    assert 200 == pytest.approx(attempts_per_s(after, 80, 230), abs=1)
    assert 500 == pytest.approx(attempts_per_s(before, 50, 110), abs=1)
    peaks = [metric(each, "peak_after_fault_per_s") for each in (after, before)]
    assert 2 * peaks[0] < peaks[1]
    assert [135, 60] == pytest.approx(
        [metric(each, "downtime_s_p50") for each in (after, before)], abs=1
    )


def test_one_million_connections_that_stay_for_300_s_are_3_333_handshakes_a_second():
    churn = shipped("connection_churn")
    # A hundredth of it: Little's law, L = lambda W.
    assert 33.33 == pytest.approx(attempts_per_s(churn, 900, 1_500), abs=0.1)
    # Within three standard deviations of Poisson; 10,000 / e**5 are still missing after 1,500 s.
    assert 10_000 == pytest.approx(open_at_end(churn), abs=3 * 10_000**0.5 + 67)


def test_one_of_two_gateways_with_room_for_1_000_leaves_300_of_1_300_outside():
    left, both = shipped("one_gateway_left"), shipped("one_gateway_left").replace(gateways=2)
    assert 300 == left.clients - open_at_end(left)
    assert 0 == both.clients - open_at_end(both)
    # Those who are outside go on asking.
    assert attempts_per_s(left, 30, 40) > 100


def test_3_000_nodes_with_six_watches_at_one_fixed_second_are_18_000_attempts_a_second():
    storm = shipped("watch_storm")
    assert 3_000 * 6 == storm.clients
    assert 18_000 == metric(storm, "peak_attempts_per_s")
    assert 18_000 == attempts_per_s(storm, 15, 28)
    since = storm.replace("client", "preset:client-go")
    assert 1_932 == metric(since, "peak_after_fault_per_s")


@pytest.mark.slow
def test_a_limit_of_ten_a_minute_keeps_200_clients_of_one_address_out_for_twenty_minutes():
    nat = shipped("nat_of_200")
    (row,) = sl.summary(sl.run(nat)).to_dict("records")
    # Ten come in at once, and then one in six seconds; who comes late leaves some of it unused.
    assert 1_140 < row["last_back_s"] < 1_400
    assert 0 == row["never_recovered"]
    homes = nat.replace("server.per_address.clients", 1)
    assert sl.summary(sl.run(homes))["last_back_s"].iloc[0] < 30
