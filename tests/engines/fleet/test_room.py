"""Whatever the fleet numbers has room, or the scenario is refused by its name."""

from types import SimpleNamespace

import numpy as np
import pytest

import simlib as sl
from simlib.core.errors import SettingsError
from simlib.engines.fleet import engine as fleet
from simlib.engines.kernel import arrays, state, wheel
from simlib.metrics.metrics import summary

pytest.importorskip("numba")
psutil = pytest.importorskip("psutil")

OUTAGE = sl.Fault("outage", start_s=5, stop_s=25)
HASTY = sl.Settings(backoff=sl.Backoff(jitter="none", base_s=0.5, cap_s=0.5))
PATIENT = sl.Settings(backoff=sl.Backoff(jitter="none", base_s=5, cap_s=5))


def cohorts(number, fraction=0.5):
    return [
        sl.Cohort(name=f"cohort {i}", clients_fraction=fraction / number, client=HASTY)
        for i in range(number)
    ]


def storm(**changes):
    settings = {
        "clients": 200, "duration_s": 40, "ramp_s": 2, "client": PATIENT, "faults": [OUTAGE],
        "workload": sl.Workload(rate_per_s=0),
    }  # fmt: skip
    return sl.Scenario(**settings | changes)


@pytest.mark.few(2)
@pytest.mark.parametrize("number", [255, 256, 257, 600])
def test_every_cohort_and_those_in_none_keep_their_own_policy(number):
    scenario = storm(cohorts=cohorts(number))
    simulated, played = (sl.run(scenario, on=engine) for engine in ("sim", "fleet"))
    expected, found = (summary(trace).iloc[0] for trace in (simulated, played))
    for name in ("attempts", "mean_wait_s", "time_to_recover_s_p99"):
        assert expected[name] == pytest.approx(found[name], rel=1e-9), name


@pytest.mark.parametrize(
    ("changes", "most", "message"),
    [
        ({"cohorts": cohorts(3)}, "MOST_COHORTS", "cohorts = 3: are more than the 2 that"),
        ({"clients": 3}, "MOST_CLIENTS", "clients = 3: are more than the 2 that"),
        (
            {"faults": [sl.Fault("reset", start_s=t) for t in (1, 2, 3)]},
            "MOST_FAULTS",
            "faults = 3",
        ),
        (
            {"faults": [sl.Fault("reset", start_s=t) for t in (1, 2, 3)]},
            "MOST_INTERRUPTIONS",
            "faults = 3: are more than the 2 that",
        ),
    ],
)
def test_more_than_can_be_numbered_is_refused_by_its_key(monkeypatch, changes, most, message):
    monkeypatch.setattr(state, most, 2)
    with pytest.raises(SettingsError, match=message):
        sl.run(storm(**changes), on="fleet")


def test_what_can_be_numbered_has_room_in_its_record():
    record = np.zeros(1, state.CLIENT)
    record["over"] = state.MOST_INTERRUPTIONS
    record["draws"] = record["attempt"] = record["failures"] = state.LAST_TURN
    assert state.MOST_INTERRUPTIONS == record["over"][0]
    assert np.iinfo(state.COHORT).max >= state.MOST_COHORTS
    assert np.iinfo(wheel.FAR).max >= state.MOST_CLIENTS + wheel.MOST_KEPT - 1
    assert state.LAST_TURN == record["draws"][0] == record["attempt"][0] == record["failures"][0]
    last = state.event(state.MOST_CLIENTS - 1, state.LAST_TURN, state.SHUT_BY + state.MOST_FAULTS)
    assert 0 < last < 2**63
    assert state.BY_FAULT + state.MOST_FAULTS - 1 < state.SHUT_BY
    assert state.SHUT_BY + state.MOST_FAULTS - 1 < 1 << state.KIND_BITS


def test_more_events_than_can_be_numbered_are_refused(monkeypatch):
    monkeypatch.setattr(arrays, "_KEPT", 8)
    monkeypatch.setattr(wheel, "MOST_KEPT", 300)
    # Each handshake leaves one behind that waits for its worker.
    crowd = storm(
        client=sl.Settings(backoff=sl.Backoff(base_s=0.2, cap_s=0.2), connect_timeout_s=0.2),
        server=sl.ServerSettings(handshake_service_s=0.5, max_connections=150),
        faults=[sl.Fault("deploy", start_s=10, stop_s=20)],
    )
    with pytest.raises(SettingsError, match="clients = 200: have more events to come than the 300"):
        sl.run(crowd, on="fleet")


def test_a_client_of_a_plain_storm_takes_a_record_and_four_bytes():
    assert 36 == arrays.bytes_per_client(storm())


def test_returns_before_and_after_each_of_several_outages_are_those_of_sim(monkeypatch):
    monkeypatch.setattr(arrays, "_TIMES", 16)
    outages = [
        sl.Fault("outage", start_s=start_s, stop_s=stop_s, clients_fraction=fraction)
        for start_s, stop_s, fraction in ((5, 30, 0.2), (6, 8, 1), (14, 16, 0.7), (20, 21, 1))
    ]
    scenario = storm(client=HASTY, faults=outages)
    expected, found = (summary(sl.run(scenario, on=on)).iloc[0] for on in ("sim", "fleet"))
    for name in ("time_to_recover_s", "downtime_s", "time_to_detect_s"):
        for quantile in ("p50", "p95", "p99"):
            key = f"{name}_{quantile}"
            assert expected[key] == found[key], key


def test_the_last_fault_that_has_a_number_acts_as_in_sim():
    # Refused by the last one alone: its number is the largest that there is.
    nobody = [
        sl.Fault("outage", start_s=1 + k * 0.005, stop_s=1.001 + k * 0.005, clients_fraction=0)
        for k in range(state.MOST_FAULTS - 2)
    ]
    last = [
        sl.Fault("close", start_s=20, stop_s=22, code=1013, retry_after_s=2),
        sl.Fault("reject", start_s=22, stop_s=26, retry_after_s=3),
    ]
    scenario = storm(clients=20, faults=[*nobody, *last])
    expected, found = (summary(sl.run(scenario, on=on)).iloc[0] for on in ("sim", "fleet"))
    assert expected["attempts"] == found["attempts"] > 40
    assert expected["downtime_s_p99"] == found["downtime_s_p99"] > 4


def test_a_client_that_draws_more_waits_than_can_be_told_apart_is_an_error():
    part = fleet.Part(storm(client=HASTY), 0)
    part._fleet.clients["draws"] = state.LAST_TURN - 3
    with pytest.raises(SettingsError, match=r"duration_s = 40\.0: .* made 16,777,215 attempts"):
        part.play()


def test_a_place_of_abandoned_whose_turns_are_used_up_is_left_empty(monkeypatch):
    patience = sl.Settings(backoff=sl.Backoff(base_s=0.2, cap_s=0.5), connect_timeout_s=1)
    crowd = storm(
        client=patience, server=sl.ServerSettings(handshake_service_s=0.05, max_connections=150)
    )
    expected = played(fleet.Part(crowd, 0))
    worn = fleet.Part(crowd, 0)
    # Each place is good for two more abandoned.
    worn._fleet.abandoned["turn"] = state.LAST_TURN - 1
    assert np.array_equal(expected.bins, played(worn).bins)
    assert worn._fleet.abandoned["turn"].max() == state.LAST_TURN + 1
    assert worn._fleet.abandoned.size > arrays._ABANDONED


def played(part):
    part.play()
    return part.tally()


@pytest.mark.parametrize(
    ("changes", "there", "message"),
    [
        ({}, 64, r"clients = 200: would take 0\.0 GiB, and 0\.0 GiB are available"),
        ({"duration_s": 1e10}, 2**33, r"duration_s = .* GiB for counts, and 8\.0 GiB are"),
        ({"cohorts": cohorts(100)}, 2**19, r"cohorts = 100: would take .* GiB for their settings"),
    ],
)
def test_memory_that_is_not_available_is_asked_for_in_vain(monkeypatch, changes, there, message):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=there))
    with pytest.raises(SettingsError, match=message):
        sl.run(storm(**changes), on="fleet")


def test_no_name_of_one_system_alone_is_asked_how_much_memory_there_is(monkeypatch):
    def unknown(name):
        raise ValueError("unrecognized configuration name")

    monkeypatch.setattr("os.sysconf", unknown)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=2**34))
    assert sl.run(storm(clients=3), on="fleet").end_s == 40
