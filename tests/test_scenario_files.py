"""Each shipped scenario is sound, says what it teaches, and plays out that way."""

import tomllib
from pathlib import Path

import pandas as pd
import pytest

import simlib as sl
from simlib.scenario import build

FILES = sorted((Path(__file__).parents[1] / "data" / "scenarios").glob("*.toml"))
#: What each run comes to: exact, as the same scenario gives the same trace on any machine.
OUTCOMES = {
    "first_outage": {"attempts": 138, "sent": 523, "undelivered": 0, "lost": 0},
    "poor_network_fallback": {"attempts": 164, "sent": 537, "undelivered": 0, "lost": 0},
    "rate_limited": {"attempts": 10, "sent": 282, "undelivered": 0, "lost": 0},
    "reconnect_storm": {"attempts": 8920, "sent": 3516, "undelivered": 1401, "lost": 0},
}


def shipped(name: str) -> sl.Scenario:
    return sl.load(next(file for file in FILES if file.stem == name))


def metrics(scenario: sl.Scenario) -> pd.Series:
    return sl.summary(sl.run(scenario)).iloc[0]


def rows(trace: sl.Trace, name: str, **cells: str) -> pd.DataFrame:
    frame = trace.frame()
    frame = frame[frame["name"] == name]
    for column, value in cells.items():
        frame = frame[frame[column] == value]
    return frame


def sent_and_limited(trace: sl.Trace) -> tuple[int, int]:
    return len(rows(trace, "transmit")), len(rows(trace, "limit"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_it_is_named_after_its_file_and_says_what_it_teaches(file):
    scenario = sl.load(file)
    assert file.stem == scenario.name
    assert file.read_text(encoding="utf-8").startswith("# ")
    assert scenario.teaches.endswith(".")
    assert scenario.duration_s <= 40.0  # short enough to be played live


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_it_survives_being_written_and_read_again(file):
    scenario = sl.load(file)
    assert scenario == build(sl.Scenario, tomllib.loads(sl.dump(scenario)))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_it_comes_to_its_stored_result(file):
    result = metrics(sl.load(file))
    assert OUTCOMES[file.stem] == {name: result[name] for name in OUTCOMES[file.stem]}


def test_every_file_has_a_stored_result():
    assert sorted(OUTCOMES) == [file.stem for file in FILES]


def test_after_the_first_outage_all_clients_are_back_within_two_seconds():
    result = metrics(shipped("first_outage"))
    assert 0 == result["never_recovered"]
    assert result["time_to_recover_s_p99"] < 2.0
    assert result["breaker_open_fraction"] > 0.0
    assert result["polling_fraction"] > 0.0


def test_jitter_ends_the_storm_that_goes_on_without_it():
    storm = shipped("reconnect_storm")
    without, with_jitter = metrics(storm), metrics(storm.replace("client.backoff.jitter", "full"))
    assert without["never_recovered"] > 400
    assert 0 == with_jitter["never_recovered"]
    assert with_jitter["time_to_recover_s_p99"] < 7.0
    assert 1.0 == with_jitter["delivered_fraction"]


def test_a_client_that_knows_the_limit_sends_a_third_as_much():
    limited = shipped("rate_limited")
    paced = limited.replace("client.rate.per_s", 2.5).replace("client.rate.burst", 5)
    assert (783, 501) == sent_and_limited(sl.run(limited))
    assert (292, 10) == sent_and_limited(sl.run(paced))


def test_urgent_messages_overtake_while_the_server_limits():
    result = metrics(shipped("rate_limited"))
    assert result["latency_s_p95_critical"] < 1.0 < result["latency_s_p95_low"]


def test_with_websocket_blocked_messages_go_by_http_and_return():
    trace = sl.run(shipped("poor_network_fallback"))
    (fault,) = trace.scenario.faults
    posted = rows(trace, "posted", reason="accepted")
    assert ((posted["time_s"] > fault.start_s) & (posted["time_s"] < fault.stop_s)).sum() > 150
    back = rows(trace, "notify", reason="returned")
    assert list(range(20)) == sorted(rows(trace, "notify", reason="fell_back")["client"])
    assert list(range(20)) == sorted(back["client"])
    assert (rows(trace, "transmit")["time_s"] > back["time_s"].max()).any()
