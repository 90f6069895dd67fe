"""Which engine plays a study: the fleet where it can, and why not where it cannot."""

import sys

import pytest

import simlib as sl
from simlib.experiments.engine_choice import choose_engine
from simlib.metrics.meaning import MEANING, OF_MESSAGES
from simlib.metrics.metrics import row

CALM = sl.Scenario(clients=2, duration_s=4)
ASLEEP = CALM.replace(faults=[sl.Fault("client_sleep", start_s=1, stop_s=2)])
POLLING = CALM.replace("client.fallback.after_attempts", 3)


def test_the_fleet_plays_what_it_can():
    pytest.importorskip("numba")
    assert ("fleet", "") == choose_engine(None, [CALM])


def test_what_the_fleet_leaves_out_of_any_scenario_is_named_once():
    keys = "faults.0.kind, client.fallback.after_attempts"
    said = f"Played on sim: the fleet leaves out {keys}."
    assert ("sim", said) == choose_engine(None, [CALM, ASLEEP, POLLING, ASLEEP])


def test_a_metric_of_messages_is_known_on_sim_alone():
    said = "Played on sim: the fleet leaves out delivered_fraction."
    assert ("sim", said) == choose_engine(None, [CALM], ["attempts", "delivered_fraction"])


def test_the_fleet_has_a_number_for_every_other_metric():
    pytest.importorskip("numba")
    # Only a server with limits has numbers of its own.
    narrow = sl.ServerSettings(accept_per_s=100, handshake_service_s=0.001, backlog=9)
    storm = CALM.replace(faults=[sl.Fault("outage", start_s=1, stop_s=2)], server=narrow)
    assert set(MEANING) - OF_MESSAGES == set(row(sl.run(storm, "fleet")))


def test_without_numba_it_is_sim(monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    said = 'Played on sim: the fleet needs numba, pip install -e ".[fleet]" in simlib\'s folder.'
    assert ("sim", said) == choose_engine(None, [CALM])


def test_what_was_asked_for_is_played_without_a_word():
    assert ("sim", "") == choose_engine("sim", [CALM, ASLEEP])


@pytest.mark.parametrize(
    ("on", "scenario", "said"),
    [
        ("live", CALM, 'on = "live": must be sim or fleet: it takes many runs'),
        ("flet", CALM, "must be sim or fleet.*did you mean"),
        ("fleet", ASLEEP, 'faults.0.kind = "client_sleep": is not played by the fleet'),
    ],
)
def test_an_engine_that_cannot_is_refused(on, scenario, said):
    with pytest.raises(sl.SettingsError, match=said):
        choose_engine(on, [CALM, scenario])
