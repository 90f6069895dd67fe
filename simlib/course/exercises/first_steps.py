"""Exercises of 00: first steps."""

from __future__ import annotations

from simlib.course.exercises.checks import NotYet, all_back, compare_number, exercise_check, only
from simlib.scenario.scenario import Scenario


@exercise_check
def wait_before_attempt_6(answer: object) -> str:
    """Check the wait before attempt 6, of a base of 0.5 s, doubled up to 8 s."""
    hints = {
        "s is right without the cap": 16.0,
        "s is the wait before attempt 4": 4.0,
        "is the sum of the first four": 7.5,
    }
    return f"{compare_number(answer, 8.0, hints=hints):g} s, and so is every later one"


@exercise_check
def back_in_4_s(answer: Scenario, given: Scenario) -> str:
    """Check that 95 in 100 are back within 4 s, by one setting of the backoff."""
    [key] = only(answer, given, "client.backoff.", one=True)
    metrics = all_back(answer).iloc[0]
    said = f"95 in 100 are back after {metrics['time_to_recover_s_p95']:.1f} s"
    if metrics["time_to_recover_s_p95"] > 4.0:
        raise NotYet(f"{said}, not within 4 s")
    return f"with this {key} {said}, for {metrics['attempts']:,.0f} attempts"


@exercise_check
def calm_first_second(answer: Scenario, given: Scenario) -> str:
    """Check that no second has more attempts than clients, by one setting of the backoff."""
    [key] = only(answer, given, "client.backoff.", one=True)
    if key == "client.backoff.jitter":
        raise NotYet(f"leave {key} as given: full")
    peak = all_back(answer).iloc[0]["peak_attempts_per_s"]
    said = f"the worst second has {peak:,.0f} attempts of {answer.clients:,} clients"
    if peak > answer.clients:
        raise NotYet(said)
    return f"with this {key} {said}"
