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
