"""Jittered waits of a late client: the family is told, and its intervals hold the true numbers."""

import numpy as np
import pandas as pd
import pytest

import simlib as sl
from simlib.core.backoff import Backoff
from simlib.core.backoff_kinds import Jitter
from simlib.lab.infer.fit import fit
from simlib.lab.infer.late_jitter import fit_with_lateness
from tests.lab.playing import Phase, Played, drawn

#: As socket.io-client has it.
PROPORTIONAL = Backoff(
    jitter="proportional", jitter_place="before_cap", spread_fraction=0.5, base_s=0.2, cap_s=1
)
FULL = Backoff(jitter="full", base_s=0.5, cap_s=5)


def late(rules, fraction, mean_s, seed):
    """200 waits, of which so many were late by an exponential time that nobody measured."""
    frame, rng = drawn(rules, 200, seed, rows=8), np.random.default_rng(seed)
    is_late = rng.random(len(frame)) < fraction
    return frame.assign(wait_s=frame["wait_s"] + is_late * rng.exponential(mean_s, len(frame)))


def true_numbers(rules, found):
    return [(each, getattr(rules, each.name)) for each in found.parameters]


@pytest.mark.few(1)
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("rules", [PROPORTIONAL, FULL], ids=["proportional", "full"])
def test_waits_beyond_their_bands_by_lateness_leave_family_and_numbers(rules, seed):
    found = fit(late(rules, 0.5, 0.02, seed))
    assert (rules.jitter, False) == (found.best.rules.jitter, found.is_none)
    # A band without an end at which waits pile up hardly shows lateness, nor is it moved by it.
    assert found.waits.lateness.late_fraction > 0.0 or rules is FULL
    for each, true in true_numbers(rules, found):
        # An interval of 95 % may miss, but not by more than it is wide.
        width = each.high - each.low
        assert each.low - width <= true <= each.high + width, each


@pytest.mark.slow
def test_intervals_hold_the_true_numbers_of_late_clients_as_often_as_they_say():
    held = []
    for seed in range(30):
        found = fit(late(PROPORTIONAL, 0.3, 0.01, seed))
        held += [each.low <= true <= each.high for each, true in true_numbers(PROPORTIONAL, found)]
    # Timing errors shift the cap by a millisecond or so, which its interval may not hold.
    assert np.mean(held) > 0.85


@pytest.mark.few(1)
@pytest.mark.parametrize("rules", [PROPORTIONAL, FULL], ids=["proportional", "full"])
def test_clients_in_time_are_not_said_to_be_late(rules):
    found = fit(drawn(rules, 200, rows=8))
    assert found.waits.lateness.late_fraction == 0.0


@pytest.mark.slow
def test_without_jitter_or_with_a_draw_of_each_client_there_is_nothing_to_fit():
    for rules in (Backoff(jitter="none"), Backoff(jitter="full", drawn_once=True, cap_s=60)):
        found = fit(drawn(rules, 200), intervals=False)
        assert fit_with_lateness(found.best, found.waits) is None


@pytest.mark.slow
def test_lateness_beside_jitter_is_said_and_the_policy_written():
    rng, frames = np.random.default_rng(2), []
    for client in range(10):
        frame = Played(PROPORTIONAL, client=client).play((Phase("status", "503", 14),))
        off_s = (rng.random(len(frame)) < 0.5) * rng.exponential(0.015, len(frame))
        for name in ("accept_s", "answered_s", "ended_s"):
            frame[name] += off_s.cumsum()
        frames.append(frame)
    found = sl.infer(pd.concat(frames), known={})
    assert found.fit.best.rules.jitter == Jitter.PROPORTIONAL
    assert "its process was busy" in found.finding("lateness_s").words
    assert "late" not in found.verdict
    assert found.policy["backoff"]["jitter"] == "proportional"
