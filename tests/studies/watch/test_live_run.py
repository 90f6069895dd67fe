"""A watched run: how it stands at any moment, faults by hand, and a clean end before its time."""

import asyncio
from dataclasses import replace
from math import inf

import pytest

import simlib as sl
from simlib.studies.watch.live_run import LiveRun

SHORT = sl.Scenario(
    name="short",
    clients=4,
    duration_s=0.4,
    ramp_s=0,
    client=sl.Settings(backoff=sl.Backoff(base_s=0.02, cap_s=0.05)),
    path=sl.Path(latency=sl.Latency(mean_s=0.005)),
    workload=sl.Workload(rate_per_s=20),
)
SLOW = sl.Fault("latency", amount_s=0.025)


def acting(*steps):
    """A process of moments of the run and what happens at each."""

    def act(world):
        for moment_s, what in steps:
            yield world.clock.timeout(moment_s - world.clock.now)
            what()

    return act


async def test_a_run_that_is_only_watched_is_the_same_run():
    feed = LiveRun(SHORT, "sim")
    trace = await feed.play()
    assert sl.run(SHORT).digest() == trace.digest()
    assert trace is feed.trace
    assert not trace.partial


async def test_a_look_says_how_the_run_stands():
    scripted = SHORT.replace(faults=[sl.Fault("outage", 0.15, 0.3), sl.Fault("reset", 0.15)])
    feed, looks = LiveRun(scripted, "sim", label="mine"), []
    look = acting(*((moment_s, lambda: looks.append(feed.look())) for moment_s in (0.1, 0.2)))
    before = feed.look()
    await feed.play([look])
    after = feed.look()
    assert ("mine", "sim", 4, 0.4) == (before.scenario, before.engine, before.clients, 0.4)
    assert [0.0, 0.1, 0.2, 0.4] == [each.time_s for each in (before, *looks, after)]
    assert [(), (), (sl.Fault("outage", 0.15, 0.3),), ()] == [
        each.faults for each in (before, *looks, after)
    ]
    assert [0, 4, 0, 4] == [each.counts.states["open"] for each in (before, *looks, after)]


async def test_a_run_with_faults_by_hand_can_be_played_again_as_a_script():
    feed = LiveRun(SHORT, "sim")
    hands = acting(
        (0.1, lambda: feed.strike(sl.Fault("outage"))),
        (0.15, feed.restore),
        (0.2, lambda: feed.strike(sl.Fault("black_hole", route="websocket"))),
        (0.225, lambda: feed.strike(sl.Fault("reset"))),
        (0.3, feed.restore),  # a reset needs none
    )
    trace = await feed.play([hands])
    assert (
        sl.Fault("outage", 0.1, 0.15),
        sl.Fault("black_hole", 0.2, 0.3, route="websocket"),
        sl.Fault("reset", 0.225),
    ) == tuple(_rounded(fault) for fault in trace.scenario.faults)
    assert sl.run(trace.scenario).digest() == trace.digest()


def _rounded(fault: sl.Fault) -> sl.Fault:
    return replace(fault, start_s=round(fault.start_s, 9), stop_s=round(fault.stop_s, 9))


async def test_faults_by_hand_begin_and_end_at_whole_milliseconds():
    feed = LiveRun(SHORT, "sim")
    hands = acting(
        (0.1000123, lambda: feed.strike(SLOW)),
        (0.2004567, lambda: feed.lift(SLOW)),
        (0.3001, lambda: (feed.strike(SLOW), feed.lift(SLOW))),
        (0.3996, lambda: feed.strike(SLOW)),  # whose next millisecond is the end of the run
    )
    trace = await feed.play([hands])
    assert [(0.101, 0.201), (0.301, 0.302)] == [
        (fault.start_s, fault.stop_s) for fault in trace.scenario.faults
    ]
    assert sl.run(trace.scenario).digest() == trace.digest()


async def test_what_was_struck_goes_on_and_may_be_struck_again_after():
    feed = LiveRun(SHORT, "sim")
    hands = acting(
        (0.1, lambda: feed.strike(SLOW)),
        (0.15, lambda: feed.strike(SLOW)),
        (0.2, feed.restore),
        (0.25, lambda: feed.strike(SLOW)),
    )
    trace = await feed.play([hands])
    assert [0.1, 0.25] == [fault.start_s for fault in trace.scenario.faults]


async def test_one_of_several_faults_is_lifted():
    feed = LiveRun(SHORT, "sim")
    cut = sl.Fault("outage", clients_fraction=0.5)
    hands = acting(
        (0.1, lambda: feed.strike(SLOW)),
        (0.15, lambda: feed.strike(cut)),
        (0.2, lambda: feed.lift(SLOW)),
        (0.25, lambda: feed.lift(SLOW)),  # it is over already
    )
    trace = await feed.play([hands])
    assert [pytest.approx(0.2), inf] == [fault.stop_s for fault in trace.scenario.faults]
    assert {cut} == feed.struck


@pytest.mark.parametrize("kind", ["reset", "handover", "session_expiry", "close"])
async def test_a_fault_of_a_moment_needs_no_restoring(kind):
    server = sl.ServerSettings(session_lifetime_s=600)
    feed = LiveRun(SHORT.replace(server=server), "sim")
    trace = await feed.play(
        [acting((0.1, lambda: feed.strike(sl.Fault(kind))), (0.2, feed.restore))]
    )
    assert [kind] == [fault.kind.name.lower() for fault in trace.scenario.faults]
    assert not feed.struck


async def test_hands_off_before_and_after_the_run():
    feed = LiveRun(SHORT, "sim")
    for _ in range(2):
        feed.strike(SLOW)
        feed.restore()
        feed.stop()
        trace = await feed.play() if not len(feed.trace) else feed.trace
    assert (False, 0.4, ()) == (trace.partial, trace.end_s, trace.scenario.faults)


async def test_a_stopped_run_ends_at_once_and_its_trace_is_partial():
    feed = LiveRun(SHORT.replace(duration_s=100), "sim")
    trace = await feed.play([acting((0.1, feed.stop), (0.25, lambda: pytest.fail("went on")))])
    assert trace.partial
    assert 0.1 <= trace.end_s <= 0.2 + 1e-9  # it ends with the stride that it is in
    assert trace.end_s == feed.look().time_s
    feed.stop()  # a second time does no harm


async def test_a_run_cancelled_from_outside_is_cancelled():
    feed = LiveRun(SHORT.replace(duration_s=100), "sim")
    playing = asyncio.ensure_future(feed.play(progress=lambda _: playing.cancel()))
    with pytest.raises(asyncio.CancelledError):
        await playing
    assert feed.trace.partial


async def test_an_error_in_a_process_is_the_run_s():
    def broken():
        raise ZeroDivisionError("in the user's process")

    with pytest.raises(ZeroDivisionError):
        await LiveRun(SHORT, "sim").play([acting((0.05, broken))])


def test_an_engine_that_is_none_is_refused_at_once():
    with pytest.raises(sl.SettingsError, match='on = "life": must be one of sim, live'):
        LiveRun(SHORT, "life")
