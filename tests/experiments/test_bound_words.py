"""A bound as a reader meets it: in words, whatever its form."""

import re

import pytest

import simlib as sl
from simlib.experiments.bound_words import bound_in_words, bounds_in_words
from simlib.experiments.objectives import constraint
from simlib.metrics.meaning import MEANING

STORM = sl.Scenario(
    name="storm", server=sl.ServerSettings(accept_per_s=2000, backlog=50),
    client=sl.Settings(backoff=sl.Backoff(base_s=1.5, cap_s=20)),
)  # fmt: skip
SMALL = STORM.replace({"name": "small", "server.accept_per_s": 100})


def words(text, *scenarios):
    return bound_in_words(constraint(text, list(scenarios)), scenarios)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("time_to_recover_s_p95 <= 15", "the time to recover (95 %) stays at or below 15 s"),
        ("time_to_recover_s_p95 < 15.5", "the time to recover (95 %) stays below 15.5 s"),
        ("goodput_per_s >= 40", "the goodput stays at or above 40/s"),
        ("delivered_fraction > 0.999", "the share of messages delivered stays above 99.9 %"),
        ("latency_s_p95_critical<=0.25",
         "the latency of critical messages (95 %) stays at or below 0.25 s"),
        ("never_recovered <= 0", "everybody comes back"),
        ("never_recovered <= 5",
         "the number of clients that never come back stays at or below 5"),
        ("lost <= 0", "there are no lost messages"),
        ("lost < 12345", "the number of lost messages stays below 12,345"),
        ("peak_after_fault_per_s < 3 * server.accept_per_s",
         "the worst second after the fault stays below three times what the server admits (6,000/s)"),  # noqa: E501
        ("peak_attempts_per_s <= server.accept_per_s",
         "the worst second stays at or below what the server admits (2,000/s)"),
        ("peak_attempts_per_s <= 0.8*server.accept_per_s",
         "the worst second stays at or below 0.8 times what the server admits (1,600/s)"),
        ("backlog_worst <= 0.5 * server.backlog",
         "the longest backlog stays at or below half of the server's backlog (25)"),
        ("downtime_s_p99 <= 2 client.backoff.cap_s",
         "the downtime (99 %) stays at or below twice the client's backoff cap (40 s)"),
    ],
)  # fmt: skip
def test_every_form_of_a_bound_is_said_in_words(text, expected):
    assert expected == words(text, STORM)


def test_a_bound_that_differs_between_scenarios_is_said_for_each():
    said = words("peak_attempts_per_s <= 3 * server.accept_per_s", STORM, SMALL)
    assert said.endswith("three times what the server admits (6,000/s in storm, 300/s in small)")


@pytest.mark.parametrize("metric", [name for name in MEANING if name != "engine"])
@pytest.mark.parametrize("limit", ["<= 0", "< 3", ">= 2 * server.accept_per_s"])
def test_no_metric_and_no_sign_is_left_as_code(metric, limit):
    said = words(f"{metric} {limit}", STORM)
    assert not re.search(r"[_<>=*]|\bp\d\d\b", said), said


def test_several_bounds_stand_one_after_the_other():
    bounds = [constraint(text, [STORM]) for text in ("lost <= 0", "never_recovered <= 0")]
    assert "there are no lost messages; everybody comes back" == bounds_in_words(bounds)
    assert not bounds_in_words([])
