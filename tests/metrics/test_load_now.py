"""What servers have to do at a moment: from their log, while it is written or after."""

import numpy as np
import pytest

import simlib as sl
from simlib.core.admission import Decision, HandshakeVerdict
from simlib.metrics.load_now import load_at
from simlib.trace.server_log import ServerLog

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


def log_of(*records):
    """A log of these: moment, decision, and where it says more, begin, end and connection."""
    log = ServerLog()
    for now, decision, begin_s, free_s, connection in records:
        log.note(now, 0, HandshakeVerdict(decision, 0, connection, begin_s, free_s, free_s))
    return log


def test_a_moment_belongs_to_what_begins_at_it_and_not_to_what_ends():
    log = log_of(
        (0.0, Decision.STARTED, 0.0, 0.0, 2),
        (1.0, Decision.TAKEN, 1.0, 2.0, 1),
        (1.0, Decision.TAKEN, 1.0, 2.0, 2),
        (1.0, Decision.TAKEN, 2.0, 3.0, 3),
        (1.5, Decision.CALLED, 2.5, 2.5, 3),
    )
    seen = {at: load_at(log, at) for at in (0.99, 1.0, 1.99, 2.0, 2.5, 3.0)}
    assert [0, 2, 2, 1, 1, 0] == [load.busy for load in seen.values()]
    assert [0, 1, 1, 0, 0, 0] == [load.waiting for load in seen.values()]
    # Those that were called for are there when they begin.
    assert [2, 2, 2, 2, 5, 5] == [load.workers for load in seen.values()]
    assert [0, 3, 3, 0, 0, 0] == [load.taken_per_s for load in seen.values()]
    assert [1] * 6 == [load.servers for load in seen.values()]


def test_each_kind_of_refusal_is_counted_for_a_second():
    kinds = [each for each in Decision if Decision.TAKEN < each <= Decision.ADDRESS]
    assert 5 == len(kinds)
    log = log_of(*((0.1 * i, kind, 0.0, 0.0, i) for i, kind in enumerate(kinds, 1)))
    assert [0, 1, 5, 4, 0] == [load_at(log, at).refused_per_s for at in (0.05, 0.1, 1.0, 1.15, 1.5)]
    assert 0 == load_at(log, 0.5).taken_per_s


def test_a_server_that_starts_again_at_the_moment_it_stopped_is_not_up_yet():
    log = log_of(
        (0.0, Decision.STARTED, 0.0, 0.0, 2),
        (1.0, Decision.STOPPED, 0.0, 0.0, 0),
        (1.0, Decision.STARTED, 0.0, 0.0, 4),
        (2.0, Decision.STARTED, 0.0, 0.0, 7),
    )
    found = [load_at(log, at) for at in (0.5, 1.0, 2.0)]
    assert [(1, 2), (0, 0), (1, 7)] == [(load.servers, load.workers) for load in found]


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
