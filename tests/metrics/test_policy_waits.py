"""Where the waits of a policy lie."""

from __future__ import annotations

import numpy as np
import pytest

from simlib.core.backoff import Backoff
from simlib.core.draws import Stream, uniform
from simlib.core.function_backoff import FunctionBackoff
from simlib.metrics.policy_waits import SHARES, sample_waits_s, waits_s


def test_of_waits_that_do_not_look_back_every_share_is_exact():
    found = waits_s(Backoff(jitter="full", base_s=1, cap_s=4), 4)
    assert [[share * height for height in (1, 2, 4, 4)] for share in SHARES] == found.tolist()


def test_of_waits_that_look_back_the_ends_are_exact_and_the_middle_is_drawn():
    rules = Backoff(jitter="decorrelated", base_s=1, cap_s=50)
    found = waits_s(rules, 5)
    assert [1.0] * 5 == found[0].tolist()
    assert [3.0, 9.0, 27.0, 50.0, 50.0] == found[-1].tolist()
    assert (np.diff(found, axis=0) >= 0.0).all()
    drawn = sample_waits_s(rules, 5, 4000)
    assert np.quantile(drawn, 0.5, axis=0) == pytest.approx(found[2], rel=0.15)


def test_of_a_function_that_looks_back_all_is_drawn():
    def falls(attempt: int, previous_s: float, u: float) -> float:
        return 10.0 - u

    found = waits_s(FunctionBackoff(function=falls), 3)
    assert (np.diff(found, axis=0) >= 0.0).all()
    assert ((found > 9.0) & (found <= 10.0)).all()


@pytest.mark.parametrize("jitter", ["full", "decorrelated"])
def test_who_gives_up_waits_no_more(jitter):
    found = waits_s(Backoff(jitter=jitter, max_attempts=2), 5)
    assert np.isfinite(found[:, :2]).all()
    assert np.isnan(found[:, 2:]).all()


def test_the_shares_are_the_ends_and_the_quartiles():
    assert (0.0, 0.25, 0.5, 0.75, 1.0) == SHARES
    assert (5, 12) == waits_s(Backoff()).shape
    assert 5 == waits_s(Backoff(), 0).shape[0]
    assert np.isnan(waits_s(Backoff(max_attempts=0), 3)).all()


def test_a_thousand_clients_draw_what_the_clients_of_a_run_draw():
    rules = Backoff(jitter="decorrelated", base_s=1, cap_s=50)
    drawn = sample_waits_s(rules, 3, 1000)
    for client in (0, 999):
        draws = [uniform(1, client, Stream.WAIT, i) for i in range(3)]
        first_s = 1.0 + 2.0 * draws[0]
        second_s = 1.0 + (3.0 * first_s - 1.0) * draws[1]
        third_s = 1.0 + (3.0 * second_s - 1.0) * draws[2]
        assert [first_s, second_s, third_s] == pytest.approx(drawn[client].tolist())
    quartiles = np.quantile(drawn, [0.25, 0.5, 0.75], axis=0)
    assert quartiles.tolist() == waits_s(rules, 3)[1:4].tolist()
    once = sample_waits_s(Backoff(base_s=1, factor=1, drawn_once=True), 4, 2)
    for client in (0, 1):
        assert [uniform(1, client, Stream.WAIT, 0)] * 4 == once[client].tolist()
