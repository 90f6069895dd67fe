"""How late a live run was, and whether that is an excuse."""

from __future__ import annotations

from array import array

import pytest

import simlib as sl
from simlib.metrics.lateness import Lateness, excuse
from simlib.trace.trace import Standstill, Trace


def late(timers_s: list[float], *standstills: Standstill) -> Trace:
    """A run whose timers and processes were as late as is said."""
    trace = sl.run(sl.Scenario(clients=2, duration_s=60, faults=[sl.Fault("reset", start_s=5)]))
    trace.late_s, trace.standstills = array("d", timers_s), list(standstills)
    return trace


def test_the_later_one_counts_of_timers_and_processes() -> None:
    timers = Lateness.of(late([0.0] * 49 + [0.004] + [0.01] * 49 + [0.08]))
    assert (0.007, 0.08) == pytest.approx((timers.p50_s, timers.longest_s))
    assert 0.01 < timers.p99_s < 0.012
    still = Lateness.of(late([0.001], Standstill("server", 3.0, 0.3)))
    assert 0.001 == still.p50_s
    assert 0.3 == pytest.approx(still.longest_s, abs=0.02)


def test_a_simulated_run_is_never_late() -> None:
    on_time = Lateness.of(late([]))
    assert (0.0, 0.0, 0.0) == (on_time.p50_s, on_time.p99_s, on_time.longest_s)
    assert "" == excuse(late([]))


@pytest.mark.parametrize(
    ("trace", "words"),
    [
        (late([0.05] * 100), ""),
        (late([0.051] * 100), "timers were 51 ms late"),
        (late([0.001] * 99, Standstill("client", 2.0, 0.09)), ""),
        (late([0.001] * 99, Standstill("client", 2.0, 0.25)), "a process stood still for 250 ms"),
    ],
    ids=["at the bound", "timers", "a short standstill", "a long standstill"],
)
def test_only_what_was_too_late_is_an_excuse(trace: Trace, words: str) -> None:
    assert words == excuse(trace)


def test_a_turn_is_the_work_of_all_clients_for_one_event_each() -> None:
    trace = late([])
    trace.work_s = 0.6
    events = sum(kind == "event" for kind in trace.frame()["kind"])
    assert events > 2
    assert 2 * 0.6 / events == pytest.approx(Lateness.of(trace).turn_s)
    nothing = Trace("live", trace.scenario, end_s=60.0)
    nothing.work_s = 0.6
    assert 1.2 == pytest.approx(Lateness.of(nothing).turn_s)


@pytest.mark.parametrize(
    ("lateness", "hides", "is_too_late"),
    [
        (Lateness(0.0, 0.05, 0.1, 0.0), False, False),
        (Lateness(0.0, 0.051, 0.1, 0.0), True, True),
        (Lateness(0.06, 0.05, 0.101, 0.0), False, True),
    ],
)
def test_what_is_too_late_begins_beyond_the_bound(
    lateness: Lateness, hides: bool, is_too_late: bool
) -> None:
    assert (hides, is_too_late) == (lateness.hides_times, lateness.is_too_late)
