"""Time that stands still is the same error in every engine, and no run without an end."""

from math import inf
from types import SimpleNamespace

import pytest

import simlib as sl
from simlib.core.errors import SettingsError
from simlib.core.events import Failed, Opened, Reason
from simlib.engines import no_time
from simlib.engines.no_time import Restless, most_at_once, takes_no_time

pytest.importorskip("numba")

RESTLESS = sl.Settings(backoff=sl.Backoff(jitter="none", steps_s=[0]))
SILENT = sl.Workload(rate_per_s=0)


def nowhere(mean_s=0.0, **changes):
    """Clients that are refused at once, and attempt at once again."""
    return sl.Scenario(
        **{
            "clients": 2, "duration_s": 30, "ramp_s": 0, "client": RESTLESS, "workload": SILENT,
            "path": sl.Path(latency=sl.Latency(mean_s=mean_s)),
            "faults": [sl.Fault("outage", start_s=5, stop_s=25)],
        } | changes
    )  # fmt: skip


ENGINES = ["sim", "fleet"]


@pytest.fixture
def fewer_events(monkeypatch):
    """A bound that is met sooner."""
    monkeypatch.setattr(no_time, "_MOST", 2_000)


# A latency that is too short to move a clock is none.
@pytest.mark.parametrize("mean_s", [0.0, 1e-300, 1e-15])
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.usefixtures("fewer_events")
def test_clients_that_attempt_again_and_again_at_one_moment_are_an_error(engine, mean_s):
    message = r"duration_s = 30\.0: is never reached, as time stands still at 5 s: .*mean_s"
    with pytest.raises(SettingsError, match=message):
        sl.run(nowhere(mean_s), on=engine)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.usefixtures("fewer_events")
def test_a_server_that_accepts_and_closes_at_once_is_one_too(engine):
    closing = nowhere(faults=[sl.Fault("close", start_s=5, stop_s=25)])
    with pytest.raises(SettingsError, match="time stands still at 5 s"):
        sl.run(closing, on=engine)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_same_on_a_path_with_a_latency_is_played(engine):
    short = nowhere(0.005, duration_s=8, faults=[sl.Fault("outage", start_s=5, stop_s=7)])
    assert sl.summary(sl.run(short, on=engine))["attempts"].iloc[0] > 300


@pytest.mark.parametrize("engine", ENGINES)
def test_many_clients_at_one_moment_are_no_standstill(engine, monkeypatch):
    monkeypatch.setattr(no_time, "_MOST", 0)
    together = nowhere(clients=300, client=sl.Settings(backoff=sl.Backoff(jitter="none")))
    assert sl.run(together, on=engine).end_s == 30


def test_many_messages_at_one_moment_are_no_standstill(monkeypatch):
    monkeypatch.setattr(no_time, "_MOST", 0)
    recorded = [(12.0, "normal", 100)] * 900
    outbox = sl.OutboxLimits(capacity=1000)
    burst = nowhere(
        clients=1,
        faults=[],
        client=sl.Settings(outbox=outbox),
        workload=sl.Workload(arrivals="recorded", recorded=recorded),
    )
    assert sl.summary(sl.run(burst))["delivered_fraction"].iloc[0] == 1.0


@pytest.mark.usefixtures("fewer_events")
def test_a_process_of_the_users_own_that_takes_no_time_is_an_error():
    def busy(world):
        while True:
            yield world.clock.timeout(0 if world.clock.now >= 3 else 1)

    calm = nowhere(0.02, clients=1)
    with pytest.raises(SettingsError, match=r"time stands still at 3 s: .*process of your own"):
        sl.run(calm, processes=[busy])


@pytest.mark.slow
@pytest.mark.live
def test_a_live_run_in_which_a_process_takes_no_time_is_the_same_error():
    def busy(world):
        while True:
            yield world.clock.timeout(0 if world.clock.now >= 0.5 else 0.25)

    calm = nowhere(0.02, clients=1, faults=[])
    with pytest.raises(SettingsError, match=r"time stands still at 0\.5 s"):
        sl.run(calm, on="live", processes=[busy])


@pytest.mark.live
def test_a_live_run_of_clients_for_which_time_stands_still_is_the_same_error(monkeypatch):
    monkeypatch.setattr(no_time, "_MOST_ATTEMPTS", 20)
    early = nowhere(faults=[sl.Fault("outage", start_s=0.5, stop_s=25)])
    with pytest.raises(SettingsError, match=r"is never reached, as time stands still at 0\.5\d* s"):
        sl.run(early, on="live")


def test_a_wait_or_an_open_connection_lets_time_go_on(monkeypatch):
    monkeypatch.setattr(no_time, "_MOST_ATTEMPTS", 3)
    watch, failed = Restless(30.0), Failed(1, Reason.REFUSED)

    def at(now, deadline_s, event=failed):
        client = SimpleNamespace(number=0, deadline=deadline_s)
        watch(SimpleNamespace(client=client), event, [], now)

    for now in (1.0, 2.0, 3.0):
        at(now, now)
    at(4.0, 5.0)
    for now in (6.0, 7.0, 8.0):
        at(now, now)
    at(9.0, 9.0, Opened(1))
    for now in (10.0, 11.0, 12.0):
        at(now, now)
    with pytest.raises(SettingsError, match="time stands still at 10 s"):
        at(13.0, 13.0)


def test_only_a_path_without_any_latency_takes_no_time():
    assert takes_no_time(nowhere())
    table = sl.Latency(distribution="table", mean_s=0, table_s=[0, 0.1])
    slow = sl.Fault("latency", start_s=1, amount_s=0.1)
    timed = [nowhere(0.01), nowhere(path=sl.Path(latency=table)), nowhere(faults=[slow])]
    assert [False] * 3 == [takes_no_time(each) for each in timed]


def test_a_bound_grows_with_what_a_scenario_can_do_at_once():
    few, many = (most_at_once(nowhere(clients=clients)) for clients in (1, 1000))
    sending = most_at_once(nowhere(workload=sl.Workload(rate_per_s=5)))
    assert few < most_at_once(nowhere()) < min(many, sending)


@pytest.mark.parametrize("workload", [{"burst": 1.7e308}, {"rate_per_s": 1.7e308}])
def test_more_messages_than_there_are_numbers_for_are_no_bound(workload):
    scenario = sl.Scenario(clients=3, duration_s=3, workload=sl.Workload(**workload))
    assert 2**62 == most_at_once(scenario.replace("client.outbox.capacity", inf))


def test_a_long_storm_after_a_moment_without_events_is_not_one_in_which_time_stands_still():
    # At the outage nothing else is to come, and then each client makes more than 100 attempts.
    storm = sl.Scenario(
        clients=1_000,
        duration_s=320,
        ramp_s=130,
        client=sl.Settings(backoff=sl.Backoff(base_s=0.2, cap_s=0.2)),
        server=sl.ServerSettings(accept_per_s=8),
        workload=SILENT,
        faults=[sl.Fault("outage", start_s=135, stop_s=136)],
    )
    row = sl.summary(sl.run(storm, on="fleet")).iloc[0]
    assert row["attempts"] > most_at_once(storm, messages=False)
    assert 0 == row["never_recovered"]
