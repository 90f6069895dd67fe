"""A simulation that is as late as a live run was."""

import pytest

import simlib as sl
from simlib.engines import sim
from simlib.engines.late_clock import LateClock, lateness_by_tick_s
from simlib.engines.live.clock import TICK_S
from simlib.trace.trace import Standstill

SCENARIO = sl.Scenario(clients=4, duration_s=6, faults=[sl.Fault("outage", start_s=2, stop_s=3)])


def test_what_is_due_in_a_standstill_rings_after_it_in_order():
    late_s = lateness_by_tick_s([Standstill("client", 0.1, 0.07)], end_s=1)
    clock, rung = LateClock(late_s, always_late_s=0.001), []
    for due_s in (0.05, 0.09, 0.11, 0.15, 0.18, 0.3):
        clock.at(due_s, lambda due_s=due_s: rung.append((due_s, round(clock.now_s, 6))))
    clock.run(until=1)
    due_s, rung_s = zip(*rung, strict=True)
    assert (0.05, 0.09, 0.11, 0.15, 0.18, 0.3) == due_s
    # On time before it and after it, but for what is always late.
    assert (0.051, 0.091, 0.301) == (*rung_s[:2], rung_s[-1])
    # Not before its end, and at most a tick later.
    assert all(0.17 < each < 0.17 + TICK_S + 0.002 for each in rung_s[2:5])


def test_standstills_of_both_processes_add_up():
    both = [Standstill("client", 0.1, 0.05), Standstill("server", 0.1, 0.03)]
    assert pytest.approx(0.08) == lateness_by_tick_s(both, end_s=1).max()
    twice = [Standstill("server", 0.1, 0.05), Standstill("server", 0.1, 0.03)]
    assert pytest.approx(0.05) == lateness_by_tick_s(twice, end_s=1).max()


def test_a_clock_that_is_never_late_changes_nothing():
    clock = LateClock(lateness_by_tick_s([], SCENARIO.duration_s), always_late_s=0.0)
    assert sl.run(SCENARIO).digest() == sim.play(SCENARIO, clock=clock).digest()


@pytest.mark.live
def test_a_live_run_measures_both_of_its_processes():
    trace = sl.run(SCENARIO.replace(duration_s=2, faults=()), on="live")
    assert {each.process for each in trace.standstills} <= {"client", "server"}
    assert all(each.start_s >= 0 and each.length_s > 0.001 for each in trace.standstills)
    # A log of standstills is no decision of the server.
    assert set(trace.frame().query("kind == 'server'")["name"]) <= {"arrived", "admit", "process"}
