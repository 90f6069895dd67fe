"""What servers have to do at a moment: from their log, while it is written or after."""

import numpy as np
import pytest

import simlib as sl
from simlib.core.admission import Decision
from simlib.metrics.load_now import load_at

LIMITED = sl.Scenario(
    clients=6,
    ramp_s=0,
    duration_s=8,
    client=sl.Settings(backoff=sl.Backoff(base_s=1, cap_s=1, jitter="none")),
    server=sl.ServerSettings(workers=2, handshake_service_s=0.5, backlog=2),
    path=sl.Path(latency=sl.Latency(mean_s=0.01)),
)


def test_workers_are_busy_others_wait_and_who_finds_no_room_is_refused():
    load = load_at(sl.run(LIMITED).server_log, 0.3)
    assert (1, 2, 2, 2) == (load.servers, load.workers, load.busy, load.waiting)
    assert (4, 2) == (load.taken_per_s, load.refused_per_s)


def test_after_a_while_nothing_is_left_to_do():
    load = load_at(sl.run(LIMITED).server_log, 7.9)
    assert (0, 0, 0, 0) == (load.busy, load.waiting, load.taken_per_s, load.refused_per_s)


def test_a_crash_takes_the_work_with_it_until_the_server_is_back():
    crashed = LIMITED.replace(faults=[sl.Fault("server_crash", 0.3, 0.6)])
    log = sl.run(crashed).server_log
    assert (1, 2) == (load_at(log, 0.29).servers, load_at(log, 0.29).busy)
    down = load_at(log, 0.5)
    assert (0, 0, 0, 0) == (down.servers, down.workers, down.busy, down.waiting)
    assert (1, 2, 0) == (load_at(log, 0.61).servers, load_at(log, 0.61).workers,
                         load_at(log, 0.61).busy)  # fmt: skip


def test_gateways_are_added_up():
    load = load_at(sl.run(LIMITED.replace(gateways=3)).server_log, 0.3)
    assert (3, 6, 6, 0) == (load.servers, load.workers, load.busy, load.waiting)


@pytest.mark.slow
@pytest.mark.live
async def test_the_log_of_a_live_server_can_be_read_while_it_is_written():
    """Reading it on the way leaves out nothing, and has nothing twice."""
    looks = []

    def look(world):
        for _ in range(8):
            yield world.clock.timeout(0.5)
            looks.append(len(world.server_log()))

    crashed = LIMITED.replace(faults=[sl.Fault("server_crash", 2.0, 3.0)])
    trace = await sl.run_live(crashed, processes=[look])
    records = trace.server_log.records()
    assert looks == sorted(looks)
    assert 0 < looks[0] <= looks[-1] <= len(records)
    assert len(records) == len(np.unique(records))
    decisions = records["decision"].tolist()
    assert (2, 1) == (decisions.count(Decision.STARTED), decisions.count(Decision.STOPPED))
    assert int(trace.counts()["opened"]) <= decisions.count(Decision.TAKEN)
