"""Waits beside their ceilings: of those that the backoff alone decided."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import simlib as sl
from simlib.metrics.run_columns import read_columns
from simlib.metrics.waits import list_waits_s, wait_fractions

#: Without jitter each wait is its ceiling: 1, 2, 4, 4 ... seconds.
BACKOFF = sl.Backoff(jitter="none", base_s=1, factor=2, cap_s=4)


def play(scenario: dict[str, Any], **client: Any) -> sl.Trace:
    return sl.run(
        sl.Scenario(
            clients=3,
            duration_s=40,
            client=sl.Settings(**{"backoff": BACKOFF} | client),
            workload=sl.Workload(rate_per_s=0),
            **{"faults": [sl.Fault("outage", start_s=10, stop_s=30)]} | scenario,
        )
    )


def test_waits_that_the_backoff_alone_decided_are_compared_with_their_ceilings() -> None:
    run = read_columns(play({}))
    assert {1.0, 2.0, 4.0} == set(list_waits_s(run))
    assert [1.0] * list_waits_s(run).size == pytest.approx(wait_fractions(run).tolist())


@pytest.mark.parametrize(
    ("scenario", "client"),
    [
        ({}, {"attempt_budget": sl.Rate(per_s=0.1, burst=2)}),
        ({}, {"breaker": sl.Breaker(trip_after=2, open_s=9)}),
        ({"server": sl.ServerSettings(accept_per_s=1, retry_after_s=9), "ramp_s": 0}, {}),
    ],
    ids=["a budget", "a breaker", "a hint"],
)
def test_what_something_else_put_off_says_nothing_of_the_backoff(
    scenario: dict[str, Any], client: dict[str, Any]
) -> None:
    run = read_columns(play(scenario, **client))
    fractions, waits_s = wait_fractions(run), list_waits_s(run)
    assert max(waits_s) > 4.0
    assert 0 < fractions.size < waits_s.size
    assert [1.0] * fractions.size == pytest.approx(fractions.tolist())


def test_a_wait_that_a_function_made_has_no_ceiling() -> None:
    run = read_columns(play({}, backoff=sl.FunctionBackoff(function=lambda attempt, _, u: 1.0 + u)))
    assert wait_fractions(run).size
    assert np.isnan(wait_fractions(run)).all()


def test_what_came_before_the_warm_up_does_not_count() -> None:
    whole, cut = (read_columns(play({"warm_up_s": at_s})) for at_s in (0.0, 15.0))
    assert 0 < wait_fractions(cut).size < wait_fractions(whole).size
    assert 0 < list_waits_s(cut).size < list_waits_s(whole).size
