"""Findings are made from the numbers alone: who is better, by how much, and who is still out."""

from math import inf, nan

import numpy as np
import pytest

import simlib as sl
from simlib.charts.client_findings import find_difference, find_recovery, find_shares, find_spread
from simlib.charts.load_findings import (
    Refused,
    find_admissions,
    find_busy,
    find_peaks,
    find_refused,
    find_waiting,
)
from simlib.charts.message_findings import Backlog, find_latency, find_outbox, find_slowest


def times(*back, never=0):
    return np.array([*back, *[inf] * never], float)


@pytest.mark.parametrize(
    ("known", "sentence"),
    [
        ({}, ""),
        ({"": times()}, ""),
        ({"": times(0, 0)}, "Everybody is back before the fault ends"),
        ({"": times(1, 16)}, "Everybody is back 16 s after the fault's end"),
        ({"": times(never=3)}, "Nobody comes back before the end of the run"),
        ({"": times(1, never=2)}, "1 of 3 is back after 1 s, 2 never in the run"),
        (
            {"no jitter": times(4, never=700_000), "full jitter": times(2, 16)},
            "Full jitter: everybody is back in 16 s; without it 700,000 are still out",
        ),
        (
            {"a": times(2, 16), "b": times(4, never=1)},
            "A: everybody is back in 16 s; b: 1 is still out",
        ),
        (
            {"300 clients": times(16), "b": times(41)},
            "300 clients: everybody is back in 16 s; b: it takes 41 s",
        ),
        (
            {"a": times(16, never=1), "b": times(41, never=9)},
            "A: 1 never come back; b: 9 are still out",
        ),
        ({"a": times(never=1), "b": times(never=9)}, "Nobody comes back before the end of the run"),
        (
            {"a": times(16), "b": times(16.1)},
            "No difference: everybody is back 16 s after the fault's end",
        ),
        (
            {"sim": times(1, 2), "live": times(1, 2.5)},
            "Everybody is back after 2 s simulated, 2.5 s live",
        ),
        (
            {"sim": times(1, never=1), "live": times(1, 2)},
            "Never back in the run: 50 % simulated, 0 % live",
        ),
    ],
)
def test_recovery(known, sentence):
    assert sentence == find_recovery(known)


def test_of_several_runs_shares_are_said_in_the_place_of_counts():
    known = {"a": times(1, 2), "b": times(1, 3, never=2)}
    assert "A: everybody is back in 2 s; b: 50 % are still out" == find_recovery(known, 5)


@pytest.mark.parametrize(
    ("peaks", "limit", "sentence"),
    [
        ({}, inf, ""),
        ({"": 0.0}, 10.0, ""),
        ({"": 1000.0}, inf, "1,000 attempts in the worst second"),
        ({"": 1000.0}, 200.0, "1,000 attempts in the worst second; the server can take 200"),
        (
            {"a": 50.0, "b": 1000.0, "c": 70.0},
            200.0,
            "B peaks at 1,000 attempts per second, a at 50; the server can take 200",
        ),
        ({"a": 50.0, "b": 50.4}, inf, "All peak at 50 attempts per second"),
        ({"a": nan, "b": 50.0}, inf, "50 attempts in the worst second"),
        (
            {"sim": 210.0, "fleet": 210.0, "live": 208.0},
            inf,
            "Attempts peak at 210 per second simulated, 210 on the fleet, 208 live",
        ),
    ],
)
def test_peaks(peaks, limit, sentence):
    assert sentence == find_peaks(peaks, limit)


@pytest.mark.parametrize(
    ("held", "sentence"),
    [
        ({"": Backlog(0, nan, 0)}, ""),
        ({"": Backlog(12, nan, 0)}, "Up to 12 messages wait"),
        ({"": Backlog(12, inf, 5)}, "Up to 12 messages wait; 5 still wait at the end"),
        ({"": Backlog(12, inf, 1)}, "Up to 12 messages wait; 1 still waits at the end"),
        (
            {"": Backlog(12, 3.0, 0)},
            "Up to 12 messages wait; 3 s after the fault's end no more than before it",
        ),
        (
            {"a": Backlog(9, 1.0, 0), "b": Backlog(12, 3.0, 0)},
            "Up to 12 messages wait with b, 9 with a",
        ),
        (
            {"a": Backlog(12, 1.0, 0), "b": Backlog(12, 3.0, 0)},
            "Up to 12 messages wait with each; as few as before after 1 s with a, 3 s with b",
        ),
        ({"a": Backlog(12, inf, 3), "b": Backlog(12, nan, 0)}, "Up to 12 messages wait with each"),
    ],
)
def test_outboxes(held, sentence):
    assert sentence == find_outbox(held)


def test_latency():
    assert "" == find_latency({"": np.empty(0)})
    same = {"a": np.ones(3), "b": np.ones(3)}
    assert "95 % of the acknowledgements come within 1 s" == find_latency(same)
    known = {"a": np.ones(3), "b": 2.0 * np.ones(3)}
    assert "95 % of the acknowledgements come within 1 s with a, 2 s with b" == find_latency(known)


def test_the_server():
    assert "" == find_busy({"": nan}) == find_refused({"": Refused(0, 0, nan)})
    assert "No handshake waits" == find_waiting({"": 0.0})
    assert "Up to 7 handshakes wait" == find_waiting({"": 7.0}, 40.0)
    assert "" == find_waiting({"": nan})
    assert "Up to 7 handshakes wait with each" == find_waiting({"a": 7.0, "b": 7.0})
    assert "12 handshakes are refused; none is served in vain" == find_refused(
        {"": Refused(12, 0, 50)}
    )

    several = {"a": Refused(12, 0, 50), "b": Refused(3, 0, 50)}
    assert "Refused: 12 with a, 3 with b; no work is in vain" == find_refused(several)


def test_admissions():
    assert "" == find_admissions(0, 0, after_fault=True)
    assert "20 attempts for 20 connections: all were let in" == find_admissions(
        20, 20, after_fault=False
    )
    said = find_admissions(1000, 63, after_fault=False)
    assert "1,000 attempts for 63 connections: 93.7 % were not let in" == said


def test_attempts_that_still_wait_at_the_end_were_not_turned_away():
    run = sl.run(sl.Scenario(clients=3, duration_s=0.05, ramp_s=0))
    said = sl.plots.admissions(run).get_title(loc="left")
    assert "3 attempts for 0 connections: none was let in" == said


def test_waits():
    together = find_spread({"": (16.0, 16.0)}, 5)
    assert "After 5 failures all clients wait 16 s: they come again together" == together
    assert "Nobody makes more than 5 attempts" == find_spread({"": (nan, nan)}, 5)
    both = {"a": (0.0, 16.0), "b": (8.0, 16.0)}
    assert "After 5 failures a spreads the waits over 16 s, b over 8 s" == find_spread(both, 5)


def test_of_policies_of_which_none_spreads_waits_none_is_said_to():
    neither = {"a": (5.0, 5.0), "b": (2.0, 2.0)}
    said = "After 5 failures no policy spreads the waits: with each, clients come again together"
    assert said == find_spread(neither, 5)


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (("none", "full"), "None peaks at 90 attempts per second after the fault, full at 40"),
        (("sim", "live"), "After the fault attempts peak at 90 per second simulated, 40 live"),
        (("full",), "90 attempts in the worst second after the fault"),
    ],
)
def test_a_peak_after_the_fault_is_said_to_be_one(names, sentence):
    peaks = dict(zip(names, (90.0, 40.0), strict=False))
    assert sentence == find_peaks(peaks, when=" after the fault")


def test_single_clients_and_messages():
    assert "" == find_shares(1, {"open": 0.0})
    assert "" == find_slowest(inf, 0.0, 0, 0)
    assert "None of 4 messages arrived" == find_slowest(inf, 0.0, 4, 4)
    said = find_slowest(2.0, 1.0, 9, 3)
    assert "The slowest of 9 messages took 2 s, 50 % of that in the outbox; 3 never arrived" == said


def test_two_samples_without_values_have_no_difference():
    assert "" == find_difference({"a": np.empty(0), "b": np.empty(0)}, "time")
