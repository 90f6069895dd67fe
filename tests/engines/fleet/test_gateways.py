"""Gateways of a large storm are played at once, and nothing of it shows in the numbers."""

import threading
import time

import pytest

import simlib as sl
from simlib.core.errors import EngineError, Interruption
from simlib.engines.fleet import gateways
from simlib.engines.fleet.part import Part

pytest.importorskip("numba")

STORM = sl.Scenario(
    clients=300,
    gateways=5,
    duration_s=40,
    ramp_s=5,
    seed=3,
    workload=sl.Workload(rate_per_s=0),
    server=sl.ServerSettings(handshake_service_s=0.01, retry_after_s=1, backlog=20),
    faults=[
        sl.Fault("deploy", start_s=6, stop_s=10, rolling=True),
        sl.Fault("outage", start_s=12, stop_s=25, clients_fraction=0.7),
    ],
)


@pytest.fixture
def at_once(monkeypatch):
    """Have three processors, and take any storm for a large one; return the threads that played."""
    monkeypatch.setattr(gateways, "_LARGE", 1)
    monkeypatch.setattr("os.cpu_count", lambda: 3)
    names = set()
    play = gateways._play
    monkeypatch.setattr(
        gateways, "_play", lambda *given: names.add(threading.current_thread().name) or play(*given)
    )
    return names


def test_counts_and_rows_are_those_of_one_gateway_after_the_other(monkeypatch, at_once):
    together = sl.run(STORM, on="fleet", watch=[0, 7, 123])
    assert {name.rpartition("_")[0] for name in at_once} == {"simlib-gateway"}
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    alone = sl.run(STORM, on="fleet", watch=[0, 7, 123])
    assert "MainThread" in at_once
    assert alone.tally.to_text() == together.tally.to_text()
    assert alone.digest() == together.digest()


def test_progress_rises_to_the_whole_and_comes_from_the_callers_thread(monkeypatch, at_once):
    monkeypatch.setattr(gateways, "_EVERY_S", 0.001)
    told = []
    sl.run(
        STORM, on="fleet", progress=lambda share: told.append((share, threading.current_thread()))
    )
    shares = [share for share, _ in told]
    assert sorted(shares) == shares
    assert {threading.main_thread()} >= {thread for _, thread in told}


def test_an_interrupt_stops_all_that_play_and_keeps_what_was_counted(monkeypatch, at_once):
    monkeypatch.setattr(gateways, "_EVERY_S", 0.0)
    monkeypatch.setattr("simlib.engines.fleet.part._STRIDE", 1)
    interrupted, play = threading.Event(), Part.play

    def play_slowly(part, progress):
        def note(share):
            # Nobody is done before the interrupt, nor soon after it.
            assert interrupted.wait(300)
            time.sleep(0.001)
            progress(share)

        play(part, note)

    def interrupt(_):
        interrupted.set()
        raise KeyboardInterrupt

    monkeypatch.setattr(Part, "play", play_slowly)

    with pytest.raises(Interruption) as stopped:
        sl.run(STORM, on="fleet", progress=interrupt)
    trace = stopped.value.trace
    assert trace.partial
    assert trace.end_s < STORM.duration_s
    monkeypatch.setattr(Part, "play", play)
    assert trace.tally.total("attempts") < sl.run(STORM, on="fleet").tally.total("attempts")
    assert not [each for each in threading.enumerate() if "simlib-gateway" in each.name]


def test_what_fails_in_one_gateway_ends_the_others(monkeypatch, at_once):
    play = gateways._play

    def fail(scenario, gateway, *given):
        if gateway == 1:
            raise EngineError("this gateway is broken")
        return play(scenario, gateway, *given)

    monkeypatch.setattr(gateways, "_play", fail)
    with pytest.raises(EngineError, match="this gateway is broken"):
        sl.run(STORM, on="fleet")
    assert not [each for each in threading.enumerate() if "simlib-gateway" in each.name]


@pytest.mark.parametrize(
    ("clients", "count", "processors", "expected"),
    [(99_999, 5, 8, 1), (100_000, 5, 2, 2), (100_000, 5, 8, 5), (100_000, 1, 8, 1)],
)
def test_how_many_are_played_at_once(monkeypatch, clients, count, processors, expected):
    monkeypatch.setattr("os.cpu_count", lambda: processors)
    assert expected == gateways._count_at_once(STORM.replace(clients=clients), count)


def test_no_more_are_played_at_once_than_there_is_memory_for(monkeypatch):
    class Memory:
        available = 40e6

    monkeypatch.setattr("psutil.virtual_memory", lambda: Memory)
    monkeypatch.setattr("os.cpu_count", lambda: 64)
    found = gateways._count_at_once(STORM.replace(clients=1_000_000, gateways=50), 50)
    assert 1 < found < 50
