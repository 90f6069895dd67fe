"""Exercises of 02: why every backoff wants jitter."""

from __future__ import annotations

from simlib.core.backoff import delay
from simlib.course.exercises.checks import NotYet, all_back, compare_number, exercise_check, only
from simlib.scenario.scenario import Scenario


@exercise_check
def shortest_wait(answer: object) -> str:
    """Check the shortest wait before attempt 4, of equal jitter below ceilings of 0.5 s to 4 s."""
    hints = {
        "is the longest one: what is the least that equal jitter leaves?": 4.0,
        "is the shortest wait before attempt 3": 1.0,
        "is the shortest wait before attempt 2": 0.5,
        "is the middle of what it may be": 3.0,
    }
    return f"{compare_number(answer, 2.0, hints=hints):g} s, and full jitter may wait nothing"


@exercise_check
def jitter_that_lives(answer: Scenario, given: Scenario) -> str:
    """Check that waits at the cap still differ, by one setting of the backoff."""
    [key] = only(answer, given, "client.backoff.", one=True)
    if key == "client.backoff.cap_s":
        raise NotYet(f"leave {key} at {given.client.backoff.cap_s:g} s")
    low_s, high_s = (delay(answer.client.backoff, 30, 5.0, u) for u in (0.25, 0.75))
    said = f"half of the waits before attempt 30 lie between {low_s:.2f} and {high_s:.2f} s"
    if high_s - low_s < 1.0:
        raise NotYet(said)
    return f"with this {key} {said}"


@exercise_check
def sooner_after_a_minute(answer: Scenario, given: Scenario) -> str:
    """Check that 95 in 100 are back within 10 s, for 15 attempts each, by one setting."""
    [key] = only(answer, given, "client.backoff.", one=True)
    if key == "client.backoff.jitter":
        raise NotYet(f"leave {key}: without it the length of the outage decides, by luck")
    metrics = all_back(answer).iloc[0]
    back_s, each = metrics["time_to_recover_s_p95"], metrics["attempts"] / answer.clients
    said = f"95 in 100 are back after {back_s:.1f} s, with {each:.1f} attempts of each client"
    if back_s > 10.0:
        raise NotYet(f"{said}: that is not within 10 s")
    if each > 15.0:
        raise NotYet(f"{said}: that is more than 15")
    return f"with this {key} {said}"
