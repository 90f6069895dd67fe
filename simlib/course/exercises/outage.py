"""Exercises of 01: how soon clients are back after an outage."""

from __future__ import annotations

from math import isclose

from simlib.api import run
from simlib.core.backoff import Backoff, ceiling
from simlib.course.exercises.checks import NotYet, all_back, exercise_check, only, read_number
from simlib.metrics.metrics import summary
from simlib.scenario.scenario import Scenario


@exercise_check
def longest_wait(answer: object, backoff: Backoff) -> str:
    """Check the longest wait before attempt 3, in s.

    Examples
    --------
    >>> longest_wait(2, Backoff(base_s=1, factor=2))
    'not yet: 2 s is the longest wait before attempt 2'
    """
    given_s, right_s = read_number(answer), ceiling(backoff, 3)
    if isclose(given_s, right_s):
        return f"{right_s:g} s"
    for attempt in (1, 2, 4, 5):
        if isclose(given_s, ceiling(backoff, attempt)):
            raise NotYet(f"{given_s:g} s is the longest wait before attempt {attempt}")
    raise NotYet(f"{given_s:g} s is too {'short' if given_s < right_s else 'long'}")


@exercise_check
def never_polls(answer: Scenario, given: Scenario) -> str:
    """Check that no client polls, by one of its settings."""
    [key] = only(answer, given, "client.", one=True)
    polled = all_back(answer, runs=5)["polling_fraction"].max()
    if polled > 0:
        raise NotYet(f"with this {key} clients still poll, {100.0 * polled:.2f} % of the time")
    return f"{key} it is; nobody polls in five runs"


@exercise_check
def back_in_half_a_second(answer: Scenario, given: Scenario) -> str:
    """Check that the median client is back within 0.5 s, by settings of the client."""
    only(answer, given, "client.")
    back_s = _median_back_s(answer)
    if back_s > 0.5:
        raise NotYet(f"the median client is back after {back_s:.2f} s, not within 0.5 s")
    spent, before = (_attempts_each(candidate) for candidate in (answer, given))
    return f"{back_s:.2f} s, for {spent:.1f} attempts of each client instead of {before:.1f}"


def _median_back_s(scenario: Scenario) -> float:
    runs = [run(scenario.replace(seed=seed)) for seed in range(10)]
    return float(summary(runs)["time_to_recover_s_p50"].median())


def _attempts_each(scenario: Scenario) -> float:
    return float(summary(run(scenario))["attempts"].iloc[0]) / scenario.clients
