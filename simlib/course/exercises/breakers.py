"""Exercises of 04: what a circuit breaker buys, and what it does not."""

from __future__ import annotations

from simlib.course.exercises.checks import NotYet, all_back, compare_number, exercise_check, only
from simlib.scenario.scenario import Scenario


@exercise_check
def attempts_with_a_breaker(answer: object) -> str:
    """Check how many attempts fit into 60 s, of a breaker that trips after 3 and refuses 6 s."""
    hints = {
        "are those that trip it: what about the probes?": 3,
        "are the probes: what about those that trip it?": 9,
        "counts a probe that comes when the outage is over": 13,
        "counts three attempts for each trip: one failed probe is enough": 30,
    }
    given = compare_number(answer, 12, whole=True, hints=hints)
    return f"three, and nine probes: {given:g} attempts"


@exercise_check
def breakers_that_end(answer: Scenario, given: Scenario) -> str:
    """Check that everybody is back at the end, by one setting of a breaker that still trips."""
    [key] = only(answer, given, "client.breaker.", one=True)
    if key == "client.breaker.trip_after":
        raise NotYet(f"leave {key} at {given.client.breaker.trip_after:g}")
    metrics = all_back(answer).iloc[0]
    peak = metrics["peak_after_fault_per_s"]
    return f"with this {key} all are back, and the worst second has {peak:g} attempts"


@exercise_check
def calm_without_a_breaker(answer: Scenario, given: Scenario) -> str:
    """Check that there are few attempts and nobody is late, by one setting of the backoff."""
    [key] = only(answer, given, "client.backoff.", one=True)
    metrics = all_back(answer).iloc[0]
    attempts, last_s = metrics["attempts"], metrics["last_back_s"]
    said = f"{attempts:,.0f} attempts, and the last client is back after {last_s:.1f} s"
    if attempts >= 4_000:
        raise NotYet(f"{said}: that is not below 4,000")
    if last_s > 15.0:
        raise NotYet(f"{said}: that is not within 15 s")
    return f"with this {key} there are {said}"
